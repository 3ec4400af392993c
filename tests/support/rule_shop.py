"""A small shop made up from a seed, held both ways: as columns in memory and as rows of the database."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, Ints, int_column, text_column
from plugin.domain.instants import FOREVER
from plugin.domain.measures import Orders, measure
from plugin.domain.rules.batch import Batch, RowTable
from plugin.domain.text import list_text
from plugin.ledger import tables
from plugin.ledger.database import Database, Upsert

SHOP = 7
DAY = 86_400_000_000
FIRST_DAY, LAST_DAY = 19_650, 20_050  # October 2023 to November 2024: a leap day and three clock changes
MODELS = ("buyer-activity", "other")
TAGS = ("VIP", "vip", "Straße", "STRASSE", "gold member", "", "ẞ", "new")
CITIES = ("US-CA-LosAngeles", "DE-BE-Berlin", "us-ca-losangeles")
TEXTS = ("en", "pt-BR", "", "EN", "it's", "äöü", "100%")

Record = dict[str, Any]


@dataclass(frozen=True)
class RuleShop:
    profiles: list[Record]
    placements: list[Record]
    orders: list[Record]
    lines: list[Record]
    products: list[Record]
    touchpoints: list[Record]


LAPSES = ((90, 180, 360), (90, 180, 360), (7, 7, 11), (23, 41, 66), (1_094, 1_095, 1_095))  # the ladder, own rhythms


def _or_none(rng: random.Random, value: Any) -> Any:
    return None if rng.random() < 0.25 else value


def _instant(rng: random.Random) -> int:
    quarter_hours = rng.randrange(FIRST_DAY * 96, LAST_DAY * 96)
    return quarter_hours * DAY // 96 + rng.choice((0, 0, 1, -1))


def _list(rng: random.Random, elements: tuple[str, ...], *, folded: bool = False) -> str | None:
    return list_text(rng.sample(elements, rng.randrange(3)), folded=folded)


def _profile(rng: random.Random, customer_id: int, calendar: ShopCalendar) -> Record:
    found: Record = {"shop_id": SHOP, "customer_id": customer_id, "computed_at": 0, "due_at": None}
    for name in ("orders", "purchase_days"):
        found[name] = rng.randrange(4)
    for name in ("net_spend", "paid", "refunded"):
        found[name] = rng.choice((0, 123_500, 1_000_000, -5, 123_501))
    found["open_complaint"] = rng.randrange(2)
    for name in ("first_order", "last_order", "return_order", "abandoned_checkout", "added", "last_seen", "next_order",
                 "replenishment"):  # fmt: skip
        instant = _instant(rng) if name == "added" else _or_none(rng, _instant(rng))
        found[f"{name}_at"] = instant
        found[f"{name}_day"] = None if instant is None else calendar.today(instant)
    for name in (
        "first_order_items",
        "last_gap",
        "rfm_recency",
        "rfm_frequency",
        "rfm_monetary",
        "loyalty_points",
        "nps_score",
    ):
        found[name] = _or_none(rng, rng.randrange(1, 6))
    found["predicted_clv"] = _or_none(rng, rng.choice((0, 123_500, 123_501)))
    for name, days in zip(("lapse_1", "lapse_2", "lapse_3"), rng.choice(LAPSES), strict=True):
        found[name] = _or_none(rng, days)
    found |= {"unbroken_days": rng.randrange(4), "laps": rng.randrange(3)}
    for name in ("gap_median", "average_order_value", "refund_rate", "discount_share", "expected_orders",
                 "probability_alive"):  # fmt: skip
        found[name] = _or_none(rng, rng.choice((0.0, 0.5, 12.35, 1 / 3, 45.0, 7.5)))
    for name in ("company_id", "created_by_app_id"):
        found[name] = _or_none(rng, rng.choice((1, 129_785, 2**62)))
    for name in ("rfm_group", "account_status", "email_domain", "language", "email_status", "sms_status", "spend_tier",
                 "subscription_status", "loyalty_tier"):  # fmt: skip
        found[name] = _or_none(rng, rng.choice(TEXTS))
    found |= {"tags": _list(rng, TAGS, folded=True), "cities": _list(rng, CITIES)}
    return found | {"countries": _list(rng, ("US", "DE")), "regions": _list(rng, ("US-CA", "DE-BE"))}


def _placement(rng: random.Random, model: str, customer_id: int, calendar: ShopCalendar) -> Record:
    since = _instant(rng)
    return {
        "shop_id": SHOP, "model": model, "customer_id": customer_id, "stage": rng.choice(TEXTS), "rung": None,
        "since_at": since, "since_day": calendar.today(since), "previous_stage": _or_none(rng, rng.choice(TEXTS)),
        "valid_until": None, "because": "[]",
    }  # fmt: skip


def _order(rng: random.Random, order_id: int, customer_id: int) -> Record:
    at = _instant(rng)
    voided = rng.choice((None, None, _instant(rng), at))
    return {
        "shop_id": SHOP, "id": order_id, "customer_id": customer_id, "name": f"#{order_id}", "created_at": at,
        "processed_at": at, "stated_at": at, "cancelled_at": None, "voided_at": voided, "deleted_at": None,
        "test": False, "counted": rng.random() < 0.9, "discounted": False, "currency": "EUR", "financial_status": None,
        "total": rng.choice((123_500, 50_000, 123_501)), "current_total": 0, "refunded": 0, "discounts": 0,
        "shipping": 0, "discount_codes": None, "items": 1, "app_id": _or_none(rng, rng.choice((1, 129_785))), "refund_at": _or_none(rng, at + rng.randrange(90) * DAY),
        "location_id": _or_none(rng, rng.choice((1, 2))),
    }  # fmt: skip


def _line(rng: random.Random, line_id: int, order_id: int) -> Record:
    return {
        "shop_id": SHOP, "id": line_id, "order_id": order_id, "product_id": _or_none(rng, rng.randrange(1, 6)),
        "variant_id": None, "title": "", "sku": None, "quantity": rng.randrange(1, 4), "current_quantity": 1, "total": 0,
        "stated_at": 0,
    }  # fmt: skip


def _product(rng: random.Random, product_id: int) -> Record:
    return {
        "shop_id": SHOP, "id": product_id, "title": "", "handle": "", "status": "ACTIVE", "product_type": "",
        "vendor": "", "tags": list_text(["vip"]) if product_id == 1 else _list(rng, TAGS, folded=True), "category": "en" if product_id == 1 else _or_none(rng, rng.choice(TEXTS)),
        "gift_card": False, "created_at": 0, "stated_at": 0, "published_at": None, "inventory": None, "price": None,
        "image_url": None, "available": True, "deleted_at": None,
    }  # fmt: skip


def _touchpoint(rng: random.Random, event: str, customer_id: int) -> Record:
    return {
        "shop_id": SHOP, "source": "partner", "event_id": event, "customer_id": customer_id, "visitor": None,
        "kind": rng.choice(("product_view", "collection_view", "cart", "email_open", "visit", "search")),
        "channel": rng.choice(("web", "email", "app")), "at": _instant(rng), "product_id": _or_none(rng, rng.randrange(1, 6)),
        "collection_id": _or_none(rng, rng.randrange(1, 6)), "subject": None, "outcome": None, "score": None, "received_at": 0,
    }  # fmt: skip


def made_up(seed: int, calendar: ShopCalendar, customers: int = 40) -> RuleShop:
    rng = random.Random(seed)
    ids = range(1, customers + 1)
    orders = [_order(rng, 100 * who + n, who) for who in ids for n in range(rng.randrange(5))]
    return RuleShop(
        profiles=[_profile(rng, who, calendar) for who in ids],
        placements=[_placement(rng, model, who, calendar) for who in ids for model in MODELS if rng.random() < 0.7],
        orders=orders,
        lines=[_line(rng, n, order["id"]) for order in orders for n in range(rng.randrange(4))],
        products=[_product(rng, n) for n in range(1, 5)],  # product 5 was deleted
        touchpoints=[_touchpoint(rng, f"{who}-{n}", who) for who in ids for n in range(rng.randrange(6))],
    )


async def put(shop: RuleShop, database: Database) -> None:
    held = (
        (tables.Profile, shop.profiles),
        (tables.Placement, shop.placements),
        (tables.Order, shop.orders),
        (tables.OrderLine, shop.lines),
        (tables.Product, shop.products),
        (tables.Touchpoint, shop.touchpoints),
    )
    for table, records in held:
        columns = tuple(name for name in records[0] if name in table._meta.fields_map)
        how = Upsert(table=table._meta.db_table, columns=columns, key=table.Meta.key)
        await database.upsert(how, [tuple(record[column] for column in columns) for record in records])


def _column(values: list[Any]) -> Column:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {float}:
        null = np.array([value is None for value in values])
        return Column(np.array([value or 0.0 for value in values]), null)
    return text_column(values) if kinds == {str} else int_column(values)


def _placed(shop: RuleShop, model: str) -> dict[str, Column]:
    by_customer = {record["customer_id"]: record for record in shop.placements if record["model"] == model}
    records = [by_customer.get(profile["customer_id"], {}) for profile in shop.profiles]
    return {f"{name}:{model}": _column([record.get(name) for record in records])
            for name in ("stage", "since_day", "previous_stage")}  # fmt: skip


def _rows(shop: RuleShop, records: list[Record], names: dict[str, str]) -> RowTable:
    owners = [record["customer_id"] for record in records]
    ids = np.array([profile["customer_id"] for profile in shop.profiles])
    columns = {name: _column([record[source] for record in records]) for name, source in names.items()}
    voided = columns["voided_at"]
    columns["voided_at"] = Column(np.where(voided.null, FOREVER, voided.values), np.zeros_like(voided.null))
    return RowTable(np.searchsorted(owners, ids, "left"), np.searchsorted(owners, ids, "right"), columns)


def _counted(shop: RuleShop) -> list[Record]:
    counted = (order for order in shop.orders if order["counted"])
    return sorted(counted, key=lambda order: (order["customer_id"], order["processed_at"], order["id"]))


def _tables(shop: RuleShop) -> dict[str, RowTable]:
    products = {product["id"]: product for product in shop.products}
    lines = [
        order | line | {name: products.get(line["product_id"], {}).get(name) for name in ("tags", "category")}
        for order in _counted(shop)
        for line in shop.lines
        if line["order_id"] == order["id"]
    ]
    shared = {"processed_at": "processed_at", "voided_at": "voided_at"}
    of_line = {"order": "order_id", "product_id": "product_id", "product_tags": "tags", "quantity": "quantity"}
    of_order = {"total": "total", "app_id": "app_id", "location_id": "location_id"}
    touched = [
        {
            **each,
            "processed_at": each["at"],
            "voided_at": None,
            "tags": products.get(each["product_id"], {}).get("tags"),
        }
        for each in shop.touchpoints
    ]
    bought = [
        {**order, "kind": "order", "channel": "pos" if order["app_id"] == 129_785 else "web"}
        for order in _counted(shop)
    ]
    touchpoints = sorted([*touched, *bought], key=lambda row: (row["customer_id"], row["processed_at"]))
    product_views = [row for row in touchpoints if row["kind"] == "product_view"]
    collection_views = [row for row in touchpoints if row["kind"] == "collection_view"]
    return {
        "touchpoints": _rows(shop, touchpoints, shared | {"kind": "kind", "channel": "channel"}),
        "product_views": _rows(shop, product_views, shared | {"product_id": "product_id", "product_tags": "tags"}),
        "collection_views": _rows(shop, collection_views, shared | {"collection_id": "collection_id"}),
        "orders": _rows(shop, _counted(shop), shared | of_order),
        "order_lines": _rows(shop, lines, shared | of_line | {"product_category": "category"}),
    }


def as_batch(shop: RuleShop, at: int | Ints, calendar: ShopCalendar, *, measured: bool = False) -> Batch:
    """One pair a profile, at one instant or at one each. The columns stand as made up, or those of orders are measured."""
    columns = {name: _column([profile[name] for profile in shop.profiles]) for name in shop.profiles[0]}
    for model in MODELS:
        columns |= _placed(shop, model)
    instants = np.broadcast_to(np.asarray(at, dtype=np.int64), len(shop.profiles)).copy()
    if measured:
        columns |= measure(as_orders(shop), np.arange(len(shop.profiles)), instants, calendar=calendar)
    return Batch(instants, calendar.day_of(instants), calendar, columns, _tables(shop), primary_model=MODELS[0])


def as_orders(shop: RuleShop) -> Orders:
    table, counted = _tables(shop)["orders"], _counted(shop)
    refunds = [place for place, order in enumerate(counted) if order["refund_at"] is not None]
    return Orders(
        offsets=np.append(table.start, table.stop[-1]),
        processed_at=table.columns["processed_at"].values,
        voided_at=table.columns["voided_at"].values,
        total=table.columns["total"].values,
        items=np.ones(len(counted), dtype=np.int64),
        discounted=np.array([order["id"] % 2 == 0 for order in counted]),
        refund_order=np.array(refunds, dtype=np.int64),
        refund_at=np.array([counted[place]["refund_at"] for place in refunds], dtype=np.int64),
        refund_amount=np.full(len(refunds), 50, dtype=np.int64),
    )
