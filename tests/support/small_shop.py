"""A shop written straight into the ledger, for tests of what is computed from it: small, exact, readable."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from plugin.domain.instants import to_us
from plugin.ledger.database import Database, Upsert
from plugin.shops import ShopContext

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
DAY = 86_400_000_000
TODAY = NOW_US // DAY

# What a row has when a test does not say otherwise.
DEFAULTS: dict[str, dict[str, Any]] = {
    "products": {
        "handle": "", "status": "ACTIVE", "product_type": "", "vendor": "", "gift_card": False, "created_at": 0,
        "stated_at": 0, "published_at": 1, "available": True,
    },
    "orders": {
        "name": "#1", "created_at": 0, "stated_at": 0, "test": False, "counted": True, "discounted": False,
        "currency": "EUR", "total": 0, "current_total": 0, "refunded": 0, "discounts": 0, "shipping": 0, "items": 1,
    },
    "order_lines": {"title": "", "quantity": 1, "current_quantity": 1, "total": 0, "stated_at": 0},
    "profiles": {
        "orders": 0, "net_spend": 0, "paid": 0, "refunded": 0, "purchase_days": 0, "unbroken_days": 0, "laps": 0, "added_at": NOW_US,
        "added_day": TODAY, "computed_at": NOW_US, "lapse_1": 90, "lapse_2": 180, "lapse_3": 360,
    },
    "placements": {
        "model": "buyer-activity", "since_at": NOW_US, "since_day": TODAY, "because": "[]",
    },
    "segments": {"query": "number_of_orders > 0", "created_at": 0, "updated_at": 0},
    "segment_members": {"joined_at": 0},
    "tag_records": {"state": "written", "written_at": 0},
    "customers": {"created_at": 0, "stated_at": 0},
}  # fmt: skip
KEYS = {
    "products": ("id",),
    "orders": ("id",),
    "order_lines": ("order_id", "id"),
    "profiles": ("customer_id",),
    "placements": ("model", "customer_id"),
    "segments": ("id",),
    "segment_members": ("segment_id", "customer_id"),
    "tag_records": ("customer_id", "tag"),
    "customers": ("id",),
}


def a_shop(number: int = 1, **changes: Any) -> ShopContext:
    values: dict[str, Any] = {
        "id": number, "platform_id": number, "domain": f"shop-{number}.myshopify.com", "name": f"Shop {number}",
        "currency": "EUR", "timezone": "UTC", "status": "installed", "scopes": frozenset({"write_customers"}),
        "primary_model": "buyer-activity", "tag_prefix": "rbl-", "ladder": (90, 180, 360), "installed_at": NOW_US,
        "computed_models": ("buyer-activity",), "optional_stages": "AUTO",
    }  # fmt: skip
    return ShopContext(**{**values, **changes})


async def put(database: Database, table: str, rows: Sequence[Mapping[str, Any]], shop_id: int = 1) -> None:
    """Write rows, filled up with DEFAULTS; a row of the same key is replaced."""
    if not rows:
        return
    full = [{**DEFAULTS[table], "shop_id": shop_id, **row} for row in rows]
    columns = tuple(sorted({name for row in full for name in row}))
    key = ("shop_id", *KEYS[table])
    how = Upsert(table=table, columns=columns, key=key, update=tuple(name for name in columns if name not in key))
    await database.upsert(how, [tuple(row.get(name) for name in columns) for row in full])


async def sell(database: Database, orders: Sequence[Mapping[str, Any]], shop_id: int = 1) -> None:
    """`{"id": 1, "customer": 7, "products": [1, 2], "day": TODAY}`; anything else is a column of the order."""
    await put(
        database,
        "orders",
        [
            {
                "processed_at": order.get("day", TODAY) * DAY,
                "customer_id": order["customer"],
                **{name: value for name, value in order.items() if name not in {"customer", "products", "day"}},
            }
            for order in orders
        ],
        shop_id,
    )
    lines = [
        {"id": order["id"] * 1_000 + number, "order_id": order["id"], "product_id": product}
        for order in orders
        for number, product in enumerate(order["products"])
    ]
    await put(database, "order_lines", lines, shop_id)


async def stock(database: Database, *ids: int, shop_id: int = 1, **changes: Any) -> None:
    """Products named "Product 1", … that can be sold unless `changes` say otherwise."""
    rows = [{"id": number, "title": f"Product {number}", **changes} for number in ids]
    await put(database, "products", rows, shop_id)


async def place(database: Database, customer: int, stage: str, *, shop_id: int = 1, **profile: Any) -> None:
    """A customer in a stage of buyer-activity; `rung` and `since_day` go to the placement, the rest to the profile."""
    rung, since = profile.pop("rung", None), profile.pop("since_day", TODAY)
    placement = {"customer_id": customer, "stage": stage, "rung": rung, "since_day": since, "since_at": since * DAY}
    await put(database, "profiles", [{"customer_id": customer, **profile}], shop_id)
    await put(database, "placements", [placement], shop_id)
