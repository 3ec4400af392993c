"""Webhook bodies, in the REST-like shapes the platform still sends. Customers carry no tags and no consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integrations.devshop.rows import gid

if TYPE_CHECKING:
    from integrations.devshop.rows import Checkout, Customer, Line, Order, Product, Refund, Variant
    from integrations.devshop.shop import ShopState


CENT = 100


def price(scaled: int) -> str:
    return f"{scaled / 10_000:.2f}"


def customer(row: Customer, currency: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("Customer", row.id),
        "email": row.email,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "orders_count": row.orders_count,
        "state": row.state.lower(),
        "total_spent": price(row.amount_spent),
        "note": row.note,
        "verified_email": row.email is not None,
        "phone": row.phone,
        "currency": currency,
        "default_address": None
        if row.country is None
        else {"country_code": row.country, "province_code": row.province, "city": row.city, "zip": row.zip},
    }


def line(row: Line) -> dict[str, Any]:
    # Rounded up to the cent, so that price x quantity less the discount is what was paid, to the cent.
    unit = -(-row.original_total // (row.quantity * CENT)) * CENT if row.quantity else 0
    discount = price(unit * row.quantity - row.discounted_total)
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("LineItem", row.id),
        "product_id": row.product_id,
        "variant_id": row.variant_id,
        "title": row.title,
        "name": row.title,
        "sku": row.sku,
        "quantity": row.quantity,
        "current_quantity": row.current_quantity,
        "price": price(unit),
        "total_discount": discount,
        "discount_allocations": [] if discount == "0.00" else [{"amount": discount}],
    }


def refund(row: Refund) -> dict[str, Any]:
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("Refund", row.id),
        "order_id": row.order_id,
        "created_at": row.created_at,
        "processed_at": row.created_at,
        "note": row.note,
        "refund_line_items": [
            {"id": each.id, "line_item_id": each.line_id, "quantity": each.quantity, "subtotal": price(each.subtotal)}
            for each in row.lines
        ],
        "transactions": [{"id": row.id, "kind": "refund", "status": "success", "amount": price(row.total)}],
    }


def order(row: Order, shop: ShopState) -> dict[str, Any]:
    owner = None if row.customer_id is None else shop.data.customers.get(row.customer_id)
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("Order", row.id),
        "name": row.name,
        "test": row.test,
        "created_at": row.created_at,
        "processed_at": row.processed_at,
        "updated_at": row.updated_at,
        "cancelled_at": row.cancelled_at,
        "cancel_reason": row.cancel_reason,
        "currency": shop.currency,
        "financial_status": None if row.financial_status is None else row.financial_status.lower(),
        "total_price": price(row.total),
        "current_total_price": price(row.current_total),
        "total_discounts": price(row.discounts),
        "total_tax": price(row.tax),
        "total_shipping_price_set": _bag(row.shipping, shop.currency),
        "subtotal_price": price(sum(each.discounted_total for each in row.lines)),
        "discount_codes": [
            {"code": each, "amount": price(row.discounts), "type": "fixed"} for each in row.discount_codes
        ],
        "tags": ", ".join(row.tags),
        "source_name": row.source_name,
        "email": None if owner is None else owner.email,
        "customer": None if owner is None else customer(owner, shop.currency),
        "line_items": [line(each) for each in row.lines],
        "refunds": [refund(each) for each in row.refunds],
    }


def _bag(scaled: int, currency: str) -> dict[str, Any]:
    both = {"amount": price(scaled), "currency_code": currency}
    return {"shop_money": both, "presentment_money": both}


def checkout(row: Checkout, shop: ShopState) -> dict[str, Any]:
    owner = None if row.customer_id is None else shop.data.customers.get(row.customer_id)
    return {
        "id": row.id,
        "token": row.token,
        "email": None if owner is None else owner.email,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "completed_at": row.completed_at,
        "currency": shop.currency,
        "total_price": price(row.total),
        "customer": None if owner is None else customer(owner, shop.currency),
        "line_items": [
            {"variant_id": number, "product_id": shop.variants[number].product_id, "quantity": quantity}
            for number, quantity in row.items
        ],
    }


def variant(row: Variant) -> dict[str, Any]:
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("ProductVariant", row.id),
        "product_id": row.product_id,
        "title": row.title,
        "sku": row.sku,
        "price": price(row.price),
        "compare_at_price": None if row.compare_at is None else price(row.compare_at),
        "position": row.position,
        "inventory_quantity": row.inventory,
        "updated_at": row.updated_at,
    }


def product(row: Product) -> dict[str, Any]:
    return {
        "id": row.id,
        "admin_graphql_api_id": gid("Product", row.id),
        "title": row.title,
        "handle": row.handle,
        "status": row.status.lower(),
        "product_type": row.product_type,
        "vendor": row.vendor,
        "tags": ", ".join(row.tags),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "published_at": row.published_at,
        "variants": [variant(each) for each in row.variants],
    }
