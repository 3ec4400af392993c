"""What each field of the platform's main types answers: one table, used by single queries and by bulk exports.

A reader takes (row, call, arguments). Fields without a reader answer a blank of their type.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from integrations.devshop.discounts import DISCOUNT_BASIC, DISCOUNT_NODE, CodeDiscount, DiscountNode
from integrations.devshop.paging import Connection, paginate
from integrations.devshop.rows import (
    Checkout,
    Customer,
    Line,
    Metafield,
    Order,
    Product,
    Refund,
    RefundLine,
    Value,
    Variant,
    amount_text,
    gid,
    instant,
    parse_instant,
)

if TYPE_CHECKING:
    from integrations.devshop.shop import Call

Reader = Callable[[Any, "Call", dict[str, Any]], Any]
ORDERS_VISIBLE_FOR = timedelta(days=60)

TYPE_NAMES: dict[type, str] = {
    Checkout: "AbandonedCheckout",
    Customer: "Customer",
    Order: "Order",
    Line: "LineItem",
    Refund: "Refund",
    RefundLine: "RefundLineItem",
    Product: "Product",
    Variant: "ProductVariant",
    Metafield: "Metafield",
    DiscountNode: "DiscountCodeNode",
    CodeDiscount: "DiscountCodeBasic",
}


def money_v2(scaled: int, call: Call) -> dict[str, str]:
    return {"amount": amount_text(scaled), "currencyCode": call.shop.currency}


def bag(scaled: int, call: Call) -> dict[str, Any]:
    both = {"amount": amount_text(scaled), "currencyCode": call.shop.currency}
    return {"shopMoney": both, "presentmentMoney": both}


def bags(read: Callable[[Any], int]) -> Reader:
    return lambda row, call, _: bag(read(row), call)


def plain(attribute: str) -> Reader:
    return lambda row, _call, _args: getattr(row, attribute)


def identified(kind: str) -> dict[str, Reader]:
    return {
        "id": lambda row, _c, _a: f"gid://shopify/{kind}/{row.id}",
        "legacyResourceId": lambda row, _c, _a: str(row.id),
        "metafield": lambda row, call, args: call.shop.metafields.one(
            gid(kind, row.id), args.get("namespace"), args["key"]
        ),
        "metafields": lambda row, call, args: paginate(
            call.shop.metafields.of(gid(kind, row.id), args.get("namespace")), args, lambda each: (each.id, each.id)
        ),
    }


def visible(order: Order, call: Call) -> bool:
    """Orders older than 60 days are hidden from an app without `read_all_orders`."""
    return call.sees_all_orders or order.created_at >= call.orders_since


def by_id(row: Value) -> tuple[int, int]:
    return row.id, row.id


def email_address(customer: Customer, _call: Call, _args: dict[str, Any]) -> dict[str, Any] | None:
    if customer.email is None:
        return None
    return {
        "emailAddress": customer.email,
        "marketingState": customer.marketing_state,
        "marketingOptInLevel": customer.marketing_opt_in_level,
        "marketingUpdatedAt": customer.marketing_updated_at,
        "validFormat": "@" in customer.email,
    }


def phone_number(customer: Customer, _call: Call, _args: dict[str, Any]) -> dict[str, Any] | None:
    if customer.phone is None:
        return None
    return {"phoneNumber": customer.phone, "smsMarketingConsent": {"state": customer.sms_state}}


def address(customer: Customer, _call: Call, _args: dict[str, Any]) -> dict[str, Any] | None:
    if customer.country is None:
        return None
    return {
        "id": gid("MailingAddress", customer.id),
        "city": customer.city,
        "provinceCode": customer.province,
        "countryCodeV2": customer.country,
        "zip": customer.zip,
        "firstName": customer.first_name,
        "lastName": customer.last_name,
    }


def display_name(customer: Customer, _call: Call, _args: dict[str, Any]) -> str:
    names = " ".join(part for part in (customer.first_name, customer.last_name) if part)
    return names or customer.email or customer.phone or ""


def last_order(customer: Customer, call: Call, _args: dict[str, Any]) -> Order | None:
    # Also when that order is too old to be read in full: the customer's own totals are for the shop's lifetime.
    return max(call.shop.orders_of(customer.id), key=lambda order: (order.processed_at, order.id), default=None)


def customer_orders(customer: Customer, call: Call, args: dict[str, Any]) -> Connection:
    orders = sorted((each for each in call.shop.orders_of(customer.id) if visible(each, call)), key=by_id)
    return paginate(orders, args, by_id)


CUSTOMER: dict[str, Reader] = {
    **identified("Customer"),
    "createdAt": plain("created_at"),
    "updatedAt": plain("updated_at"),
    "firstName": plain("first_name"),
    "lastName": plain("last_name"),
    "displayName": display_name,
    "email": plain("email"),
    "phone": plain("phone"),
    "state": plain("state"),
    "tags": plain("tags"),
    "note": plain("note"),
    "locale": plain("locale"),
    "verifiedEmail": lambda row, _c, _a: row.email is not None,
    "validEmailAddress": lambda row, _c, _a: row.email is not None,
    "numberOfOrders": lambda row, _c, _a: str(row.orders_count),
    "amountSpent": lambda row, call, _a: money_v2(row.amount_spent, call),
    "lifetimeDuration": lambda row, call, _a: f"{(call.now - parse_instant(row.created_at)).days} days",
    "canDelete": lambda row, call, _a: not call.shop.orders_of(row.id),
    "defaultEmailAddress": email_address,
    "defaultPhoneNumber": phone_number,
    "defaultAddress": address,
    "lastOrder": last_order,
    "orders": customer_orders,
    "statistics": lambda _row, _c, _a: {"predictedSpendTier": None, "rfmGroup": None},
}


def lines_of(order: Order, _call: Call, args: dict[str, Any]) -> Connection:
    return paginate(order.lines, args, by_id) if _ascending(order.lines) else _in_place(order.lines, args)


def _ascending(lines: list[Line]) -> bool:
    return all(left.id < right.id for left, right in pairwise(lines))


def _in_place(lines: list[Line], args: dict[str, Any]) -> Connection:
    place = {line.id: number for number, line in enumerate(lines)}
    return paginate(lines, args, lambda line: (place[line.id], line.id))


def subtotal(order: Order) -> int:
    return sum(line.discounted_total for line in order.lines)


def return_status(order: Order, _call: Call, _args: dict[str, Any]) -> str:
    return "RETURNED" if any(refund.lines for refund in order.refunds) else "NO_RETURN"


ORDER: dict[str, Reader] = {
    **identified("Order"),
    "name": plain("name"),
    "number": lambda row, _c, _a: int("".join(filter(str.isdigit, row.name)) or 0),
    "createdAt": plain("created_at"),
    "processedAt": plain("processed_at"),
    "updatedAt": plain("updated_at"),
    "cancelledAt": plain("cancelled_at"),
    "cancelReason": plain("cancel_reason"),
    "closed": lambda row, _c, _a: row.cancelled_at is not None,
    "closedAt": plain("cancelled_at"),
    "confirmed": lambda _row, _c, _a: True,
    "test": plain("test"),
    "currencyCode": lambda _row, call, _a: call.shop.currency,
    "presentmentCurrencyCode": lambda _row, call, _a: call.shop.currency,
    "displayFinancialStatus": plain("financial_status"),
    "displayFulfillmentStatus": lambda row, _c, _a: "UNFULFILLED" if row.cancelled_at else "FULFILLED",
    "returnStatus": return_status,
    "sourceName": plain("source_name"),
    "tags": plain("tags"),
    "discountCodes": plain("discount_codes"),
    "discountCode": lambda row, _c, _a: row.discount_codes[0] if row.discount_codes else None,
    "customer": lambda row, call, _a: call.shop.data.customers.get(row.customer_id),
    "email": lambda row, call, _a: getattr(call.shop.data.customers.get(row.customer_id), "email", None),
    "lineItems": lines_of,
    "refunds": lambda row, _c, args: row.refunds[: args.get("first") or None],
    "currentSubtotalLineItemsQuantity": lambda row, _c, _a: sum(line.current_quantity for line in row.lines),
    "subtotalLineItemsQuantity": lambda row, _c, _a: sum(line.quantity for line in row.lines),
    "subtotalPriceSet": bags(subtotal),
    "totalPriceSet": bags(lambda row: row.total),
    "currentTotalPriceSet": bags(lambda row: row.current_total),
    "originalTotalPriceSet": bags(lambda row: row.total),
    "netPaymentSet": bags(lambda row: 0 if row.financial_status is None else row.total - row.refunded),
    "totalReceivedSet": bags(lambda row: 0 if row.financial_status is None else row.total),
    "totalDiscountsSet": bags(lambda row: row.discounts),
    "totalShippingPriceSet": bags(lambda row: row.shipping),
    "totalTaxSet": bags(lambda row: row.tax),
    "totalRefundedSet": bags(lambda row: row.refunded),
    "shippingAddress": lambda row, call, args: (
        address(customer, call, args) if (customer := call.shop.data.customers.get(row.customer_id)) else None
    ),
    "customerJourneySummary": lambda _row, _c, _a: None,
}


def variant_of(line: Line, call: Call) -> Variant | None:
    return None if line.variant_id is None else call.shop.variants.get(line.variant_id)


def per_unit(read: Callable[[Line], int]) -> Reader:
    return bags(lambda line: round(read(line) / line.quantity / 100) * 100 if line.quantity else 0)


LINE: dict[str, Reader] = {
    "id": lambda row, _c, _a: f"gid://shopify/LineItem/{row.id}",
    "title": plain("title"),
    "name": plain("title"),
    "sku": plain("sku"),
    "quantity": plain("quantity"),
    "currentQuantity": plain("current_quantity"),
    "refundableQuantity": plain("current_quantity"),
    "variantTitle": lambda row, call, _a: getattr(variant_of(row, call), "title", None),
    "vendor": lambda row, call, _a: getattr(call.shop.data.products.get(row.product_id), "vendor", None),
    "requiresShipping": lambda _row, _c, _a: True,
    "product": lambda row, call, _a: call.shop.data.products.get(row.product_id),
    "variant": lambda row, call, _a: variant_of(row, call),
    "originalTotalSet": bags(lambda row: row.original_total),
    "discountedTotalSet": bags(lambda row: row.discounted_total),
    "totalDiscountSet": bags(lambda row: row.original_total - row.discounted_total),
    "originalUnitPriceSet": per_unit(lambda line: line.original_total),
    "discountedUnitPriceSet": per_unit(lambda line: line.discounted_total),
    "discountedUnitPriceAfterAllDiscountsSet": per_unit(lambda line: line.discounted_total),
}
REFUND: dict[str, Reader] = {
    **identified("Refund"),
    "createdAt": plain("created_at"),
    "processedAt": plain("created_at"),
    "updatedAt": plain("created_at"),
    "note": plain("note"),
    "totalRefundedSet": bags(lambda row: row.total),
    "order": lambda row, call, _a: call.shop.data.orders.get(row.order_id),
    "refundLineItems": lambda row, _c, args: paginate(row.lines, args, by_id),
}
REFUND_LINE: dict[str, Reader] = {
    "id": lambda row, _c, _a: gid("RefundLineItem", row.id),
    "quantity": plain("quantity"),
    "restockType": lambda _row, _c, _a: "NO_RESTOCK",
    "subtotalSet": bags(lambda row: row.subtotal),
    "lineItem": lambda row, call, _a: call.shop.line(row.line_id),
}


def price_range(product: Product, call: Call, _args: dict[str, Any]) -> dict[str, Any]:
    prices = [variant.price for variant in product.variants] or [0]
    return {"minVariantPrice": money_v2(min(prices), call), "maxVariantPrice": money_v2(max(prices), call)}


def total_inventory(product: Product, _call: Call, _args: dict[str, Any]) -> int:
    return sum(variant.inventory or 0 for variant in product.variants)


PRODUCT: dict[str, Reader] = {
    **identified("Product"),
    "title": plain("title"),
    "handle": plain("handle"),
    "status": plain("status"),
    "productType": plain("product_type"),
    "vendor": plain("vendor"),
    "tags": plain("tags"),
    "createdAt": plain("created_at"),
    "updatedAt": plain("updated_at"),
    "publishedAt": plain("published_at"),
    "totalInventory": total_inventory,
    "variantsCount": lambda row, _c, _a: {"count": len(row.variants), "precision": "EXACT"},
    "priceRangeV2": price_range,
    "onlineStoreUrl": lambda row, call, _a: (
        f"{call.shop.base_url}/products/{row.handle}" if row.published_at and row.status == "ACTIVE" else None
    ),
    "variants": lambda row, _c, args: paginate(sorted(row.variants, key=by_id), args, by_id),
}
VARIANT: dict[str, Reader] = {
    **identified("ProductVariant"),
    "title": plain("title"),
    "displayName": plain("title"),
    "sku": plain("sku"),
    "barcode": plain("barcode"),
    "price": lambda row, _c, _a: f"{row.price / 10_000:.2f}",
    "compareAtPrice": lambda row, _c, _a: None if row.compare_at is None else f"{row.compare_at / 10_000:.2f}",
    "availableForSale": plain("available"),
    "inventoryQuantity": plain("inventory"),
    "inventoryPolicy": lambda _row, _c, _a: "DENY",
    "sellableOnlineQuantity": lambda row, _c, _a: row.inventory or 0,
    "position": plain("position"),
    "createdAt": plain("created_at"),
    "updatedAt": plain("updated_at"),
    "product": lambda row, call, _a: call.shop.data.products.get(row.product_id),
}
CHECKOUT: dict[str, Reader] = {
    "id": lambda row, _c, _a: gid("AbandonedCheckout", row.id),
    "name": lambda row, _c, _a: f"#{row.id}",
    "createdAt": plain("created_at"),
    "updatedAt": plain("updated_at"),
    "completedAt": plain("completed_at"),
    "customer": lambda row, call, _a: call.shop.data.customers.get(row.customer_id or 0),
    "lineItems": lambda row, _c, args: paginate(
        [{"place": place, "quantity": quantity} for place, (_, quantity) in enumerate(row.items)],
        args,
        lambda each: (each["place"], each["place"]),
    ),
    "totalPriceSet": bags(lambda row: row.total),
}
METAFIELD: dict[str, Reader] = {
    "id": lambda row, _c, _a: gid("Metafield", row.id),
    "legacyResourceId": lambda row, _c, _a: str(row.id),
    "namespace": plain("namespace"),
    "key": plain("key"),
    "type": plain("type"),
    "value": plain("value"),
    "jsonValue": lambda row, call, _a: call.shop.metafields.json_value(row),
    "compareDigest": lambda row, call, _a: call.shop.metafields.digest(row),
    "createdAt": plain("created_at"),
    "updatedAt": plain("updated_at"),
    "sizeInBytes": lambda row, _c, _a: len(row.value.encode()),
    "ownerType": lambda row, _c, _a: row.owner.split("/")[-2].replace("ProductVariant", "PRODUCTVARIANT").upper(),
}


def page_of(connection: Connection) -> dict[str, Any]:
    """A connection's own fields; every connection type of the schema is read through this."""
    return {
        "nodes": connection.rows,
        "edges": connection.edges(),
        "pageInfo": connection.page_info(),
        "totalCount": connection.total,
    }


READERS: dict[str, dict[str, Reader]] = {
    "Customer": CUSTOMER,
    "Order": ORDER,
    "LineItem": LINE,
    "Refund": REFUND,
    "RefundLineItem": REFUND_LINE,
    "Product": PRODUCT,
    "ProductVariant": VARIANT,
    "AbandonedCheckout": CHECKOUT,
    "Metafield": METAFIELD,
    "DiscountCodeNode": DISCOUNT_NODE,
    "DiscountCodeBasic": DISCOUNT_BASIC,
}


def horizon(now: Value) -> str:
    return instant(now - ORDERS_VISIBLE_FOR)
