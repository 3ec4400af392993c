"""The query roots the dev shop answers."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from integrations.devshop.checkouts import abandoned_checkouts
from integrations.devshop.discounts import discount_of_code
from integrations.devshop.paging import Connection, bad_request, paginate
from integrations.devshop.readers import visible
from integrations.devshop.rows import Order, Value, gid, gid_number
from integrations.devshop.search import (
    FieldTest,
    Test,
    by_day,
    by_number,
    by_tag,
    by_text,
    compile_search,
)

if TYPE_CHECKING:
    from integrations.devshop.shop import Call

Handler = Callable[["Call", dict[str, Any]], Any]
COUNT_CAP = 10_000

DATES = {name: by_day(attrgetter(name)) for name in ("created_at", "updated_at")}
CUSTOMER_FIELDS: dict[str, FieldTest] = {
    **DATES,
    "id": by_number(lambda row: row.id),
    "tag": by_tag(lambda row: row.tags),
    "state": by_text(lambda row: row.state),
    "email": by_text(lambda row: row.email),
    "first_name": by_text(lambda row: row.first_name),
    "last_name": by_text(lambda row: row.last_name),
    "country": by_text(lambda row: row.country),
    "orders_count": by_number(lambda row: row.orders_count),
}
ORDER_FIELDS: dict[str, FieldTest] = {
    **DATES,
    "processed_at": by_day(lambda row: row.processed_at),
    "id": by_number(lambda row: row.id),
    "name": by_text(lambda row: row.name),
    "tag": by_tag(lambda row: row.tags),
    "customer_id": by_number(lambda row: row.customer_id),
    "financial_status": by_text(lambda row: row.financial_status),
    "discount_code": by_tag(lambda row: row.discount_codes),
    "test": by_text(lambda row: str(row.test)),
    "status": lambda _comparator, value: _order_status(value),
}
PRODUCT_FIELDS: dict[str, FieldTest] = {
    **DATES,
    "id": by_number(lambda row: row.id),
    "title": by_text(lambda row: row.title),
    "handle": by_text(lambda row: row.handle),
    "status": by_text(lambda row: row.status),
    "product_type": by_text(lambda row: row.product_type),
    "vendor": by_text(lambda row: row.vendor),
    "tag": by_tag(lambda row: row.tags),
}


def _order_status(value: str) -> Test:
    wanted = value.casefold()
    if wanted == "cancelled":
        return lambda row: row.cancelled_at is not None
    if wanted in ("open", "closed", "not_closed"):
        return lambda row: (row.cancelled_at is not None) == (wanted == "closed")
    return lambda _row: True


def _bare_customer(_comparator: str, value: str) -> Test:
    wanted = value.casefold()
    return lambda row: wanted in f"{row.first_name} {row.last_name} {row.email}".casefold()


def _bare_text(attribute: str) -> FieldTest:
    return lambda _comparator, value: lambda row: value.casefold() in getattr(row, attribute).casefold()


SORTS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "customers": {
        "CREATED_AT": lambda row: row.created_at,
        "UPDATED_AT": lambda row: row.updated_at,
        "NAME": lambda row: f"{row.last_name or ''}, {row.first_name or ''}" if row.last_name or row.first_name else "",
        "LOCATION": lambda row: row.country or "",
    },
    "orders": {
        "CREATED_AT": lambda row: row.created_at,
        "UPDATED_AT": lambda row: row.updated_at,
        "PROCESSED_AT": lambda row: row.processed_at,
        "TOTAL_PRICE": lambda row: row.total,
        "CURRENT_TOTAL_PRICE": lambda row: row.current_total,
        "FINANCIAL_STATUS": lambda row: row.financial_status or "",
    },
    "products": {
        "CREATED_AT": lambda row: row.created_at,
        "UPDATED_AT": lambda row: row.updated_at,
        "PUBLISHED_AT": lambda row: row.published_at or "",
        "TITLE": lambda row: row.title,
        "VENDOR": lambda row: row.vendor,
        "PRODUCT_TYPE": lambda row: row.product_type,
        "INVENTORY_TOTAL": lambda row: sum(variant.inventory or 0 for variant in row.variants),
    },
}
FIELDS = {"customers": CUSTOMER_FIELDS, "orders": ORDER_FIELDS, "products": PRODUCT_FIELDS}
BARE: dict[str, FieldTest] = {
    "customers": _bare_customer,
    "orders": _bare_text("name"),
    "products": _bare_text("title"),
}


def found_rows(call: Call, collection: str, args: dict[str, Any]) -> tuple[list[Any], Callable[[Any], tuple[Any, int]]]:
    """The rows a collection root finds, in ascending order of the sort key, and that key."""
    sort = args.get("sortKey") or "ID"
    value = SORTS[collection].get(sort)

    def key(row: Value) -> tuple[Any, int]:
        return (row.id if value is None else value(row)), row.id

    rows = call.shop.sorted_rows(collection, sort if value else "ID", key)
    search = compile_search(args.get("query"), FIELDS[collection], bare=BARE[collection])
    if search.warnings:
        note = {"path": [collection], "query": args.get("query"), "parsed": None, "warnings": search.warnings}
        call.search_notes.append(note)
    if args.get("query"):
        rows = [row for row in rows if search.test(row)]
    if collection == "orders" and not call.sees_all_orders:
        rows = [row for row in rows if visible(row, call)]
    return rows, key


def collection_root(collection: str) -> Handler:
    def handler(call: Call, args: dict[str, Any]) -> Connection:
        rows, key = found_rows(call, collection, args)
        return paginate(rows, args, key)

    return handler


def count_root(collection: str) -> Handler:
    def handler(call: Call, args: dict[str, Any]) -> dict[str, Any]:
        rows, _key = found_rows(call, collection, args)
        cap = args.get("limit", COUNT_CAP)
        exact = cap is None or len(rows) <= cap
        return {"count": len(rows) if exact else cap, "precision": "EXACT" if exact else "AT_LEAST"}

    return handler


def customers_count(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    # Recorded: `email:` and `state:` are not searched here, so the answer counts everybody and warns.
    ignored = {name: test for name, test in CUSTOMER_FIELDS.items() if name not in ("email", "state")}
    search = compile_search(args.get("query"), ignored)
    if search.warnings:
        note = {"path": ["customersCount"], "query": args.get("query"), "parsed": None, "warnings": search.warnings}
        call.search_notes.append(note)
    found = sum(1 for row in call.shop.data.customers.values() if search.test(row))
    return {"count": found, "precision": "EXACT"}


def entity(call: Call, text: str) -> Value:
    """The row of a GID, None when there is none; raises RESOURCE_NOT_FOUND for a kind the shop does not have."""
    kind, number = text.split("/")[3], gid_number(text.partition("?")[0])
    rows: dict[str, Any] = {
        "Customer": call.shop.data.customers,
        "Order": call.shop.data.orders,
        "Product": call.shop.data.products,
        "ProductVariant": call.shop.variants,
        "BulkOperation": call.shop.bulk,
        "WebhookSubscription": call.shop.subscriptions,
        "Segment": call.shop.segments,
        "DiscountCodeNode": call.shop.discounts,
        "DiscountRedeemCodeBulkCreation": call.shop.code_batches,
    }
    if kind not in rows:
        raise GraphQLError(f"Invalid id: {text}", extensions={"code": "RESOURCE_NOT_FOUND"})
    found = rows[kind].get(number)
    return None if isinstance(found, Order) and not visible(found, call) else found


def by_gid(kind: str) -> Handler:
    def handler(call: Call, args: dict[str, Any]) -> Value:
        if args["id"].split("/")[3] != kind:
            raise GraphQLError(f"Invalid id: {args['id']}", extensions={"code": "RESOURCE_NOT_FOUND"})
        return entity(call, args["id"])

    return handler


def shop_root(call: Call, _args: dict[str, Any]) -> dict[str, Any]:
    shop = call.shop
    domain = {"id": gid("Domain", 1), "host": shop.domain, "url": f"https://{shop.domain}"}
    return {
        "__typename": "Shop",
        "id": gid("Shop", shop.number),
        "name": shop.name,
        "email": f"owner@{shop.domain}.example",
        "contactEmail": f"hello@{shop.domain}.example",
        "myshopifyDomain": shop.domain,
        "primaryDomain": domain,
        "url": domain["url"],
        "currencyCode": shop.currency,
        "enabledPresentmentCurrencies": [shop.currency],
        "ianaTimezone": shop.timezone,
        "timezoneOffsetMinutes": shop.offset_minutes(),
        "createdAt": shop.created_at,
        "taxesIncluded": False,
        "plan": {"publicDisplayName": "Development", "partnerDevelopment": True, "shopifyPlus": False},
    }


def installation(call: Call, _args: dict[str, Any]) -> dict[str, Any]:
    app = call.shop.app
    return {
        "__typename": "AppInstallation",
        "id": gid("AppInstallation", app.number),
        "launchUrl": f"{call.shop.base_url}/admin/apps/{app.client_id}",
        "accessScopes": [{"handle": scope, "description": scope} for scope in sorted(call.scopes)],
        "activeSubscriptions": [],
        "app": {"id": gid("App", app.number), "title": app.name},
    }


def listed(attribute: str) -> Handler:
    """A root over rows the app itself made; they are few, so any sort key is by id, which is by time made."""

    def handler(call: Call, args: dict[str, Any]) -> Connection:
        rows = sorted(getattr(call.shop, attribute).items())
        topics = args.get("topics")
        rows = [row for row in rows if not topics or row[1].get("topic") in topics]
        page = paginate(rows, args, lambda row: (row[0], row[0]))
        return Connection([row for _, row in page.rows], page.keys, page.has_next, page.has_previous, page.total)

    return handler


def bulk_operations(call: Call, args: dict[str, Any]) -> Connection:
    fields = {
        "status": by_text(lambda row: row["status"]),
        "operation_type": by_text(lambda row: row["type"]),
        "id": by_number(lambda row: gid_number(row["id"])),
        "created_at": by_day(lambda row: row["createdAt"]),
    }
    search = compile_search(args.get("query"), fields)
    rows = [row for _number, row in sorted(call.shop.bulk.items()) if search.test(row)]
    return paginate(rows, args, lambda row: (gid_number(row["id"]), gid_number(row["id"])))


def segment(call: Call, args: dict[str, Any]) -> Value:
    found = by_gid("Segment")(call, args)
    if found is None:
        raise GraphQLError("Segment does not exist", extensions={"code": "NOT_FOUND"})
    return found


def current_bulk(call: Call, args: dict[str, Any]) -> Value:
    kind = args.get("type") or "QUERY"
    return next((row for _n, row in sorted(call.shop.bulk.items(), reverse=True) if row["type"] == kind), None)


def discount_by_code(call: Call, args: dict[str, Any]) -> Value:
    return discount_of_code(call.shop, args["code"])


def nodes(call: Call, args: dict[str, Any]) -> list[Any]:
    if len(args["ids"]) > 250:  # noqa: PLR2004  (the platform's limit for any list given to it)
        raise bad_request("The input array size is greater than the maximum allowed of 250.")
    return [entity(call, each) for each in args["ids"]]


ROOTS: dict[str, Handler] = {
    "shop": shop_root,
    "currentAppInstallation": installation,
    "customers": collection_root("customers"),
    "orders": collection_root("orders"),
    "products": collection_root("products"),
    "abandonedCheckouts": abandoned_checkouts,
    "customersCount": customers_count,
    "ordersCount": count_root("orders"),
    "productsCount": count_root("products"),
    "customer": by_gid("Customer"),
    "order": by_gid("Order"),
    "product": by_gid("Product"),
    "productVariant": by_gid("ProductVariant"),
    "node": lambda call, args: entity(call, args["id"]),
    "nodes": nodes,
    "bulkOperation": by_gid("BulkOperation"),
    "bulkOperations": bulk_operations,
    "currentBulkOperation": current_bulk,
    "webhookSubscription": by_gid("WebhookSubscription"),
    "webhookSubscriptions": listed("subscriptions"),
    "segments": listed("segments"),
    "segment": segment,
    "segmentsCount": lambda call, _args: {"count": len(call.shop.segments), "precision": "EXACT"},
    "codeDiscountNode": by_gid("DiscountCodeNode"),
    "codeDiscountNodeByCode": discount_by_code,
    "discountRedeemCodeBulkCreation": by_gid("DiscountRedeemCodeBulkCreation"),
}
