"""Topics that say one thing: in any order, doubled, beside whole statements, they end in the same customer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.instants import parse_instant
from plugin.ledger.inbox import record_delivery
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers
from plugin.shops import ShopContext
from plugin.sync.deliveries import apply_inbox
from plugin.sync.topics import COMPLIANCE, TOPICS
from tests.support.shops import install_shop
from tests.sync.test_deliveries import NOW, ApiGateway, at, customer, delivery, merge, order, refund

GID: Final = "gid://shopify/Customer/"
_shops, _numbers = count(1), count(1)
Told = tuple[str, Any, int]


class Whole(ApiGateway):
    """Knows customer 1 as of day 3, with tags and consent."""

    async def node_customer(self, gid: str) -> Any:
        if gid != f"{GID}1":
            return None
        return {
            "id": gid, "createdAt": at(1), "updatedAt": at(3), "tags": ["VIP", "tea"], "numberOfOrders": "4",
            "amountSpent": {"amount": "80.0", "currencyCode": "EUR"},
            "defaultEmailAddress": {"emailAddress": "ada@mail.example", "marketingState": "NOT_SUBSCRIBED"},
        }  # fmt: skip


def tags(topic: str, day: int, *names: str) -> Told:
    return f"customer.{topic}", {"customerId": f"{GID}1", "tags": list(names), "occurredAt": at(day)}, day


def email(state: str, day: int) -> Told:
    consent = {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": at(day)}
    body = {"customer_id": 1, "email_address": "ada@mail.example", "email_marketing_consent": consent}
    return "customers_email_marketing_consent/update", body, day


def sms(state: str, day: int) -> Told:
    body = {"id": 1, "phone": "+31600000000", "sms_marketing_consent": {"state": state, "consent_updated_at": at(day)}}
    return "customers_marketing_consent/update", body, day


def totals(orders: int, spent: str, day: int) -> Told:
    body = {
        "customerId": f"{GID}1", "numberOfOrders": orders, "amountSpent": {"amount": spent, "currencyCode": "EUR"},
        "lastOrderId": None, "occurredAt": at(day),
    }  # fmt: skip
    return "customers/purchasing_summary", body, day


def checkout(number: int, day: int, *, owner: int | None = 1, completed: bool = False) -> Told:
    body = {
        "id": number, "created_at": at(2), "updated_at": at(day), "completed_at": at(day) if completed else None,
        "total_price": "12.50", "customer": {"id": owner} if owner else None, "email": "ada@canary.example",
        "line_items": [{"quantity": 2, "title": "Tea"}],
    }  # fmt: skip
    return "checkouts/update", body, day


async def tell(store: Store, shop: ShopContext, told: list[Told]) -> None:
    for topic, body, day in told:
        await record_delivery(store, delivery(shop, next(_numbers), topic, body, day=day))
    await apply_inbox(store, shop, Whole(), now=lambda: NOW, limit=10_000)


async def state(store: Store, shop: ShopContext) -> dict[str, list[tuple[Any, ...]]]:
    reads = {
        "customers": "id, tags, email_status, sms_status, shop_orders, shop_spend, stated_at, deleted_at, merged_into",
        "checkouts": "id, customer_id, created_at, stated_at, completed_at, deleted_at, total, items",
        "orders": "id, customer_id, stated_at, voided_at, deleted_at, total, refunded, current_total, items",
        "refunds": "id, order_id, at, amount",
        "products": "id, title, stated_at, deleted_at",
    }
    return {
        table: await store.database.fetch(f"SELECT {names} FROM {table} WHERE shop_id = $1 ORDER BY id", shop.id)
        for table, names in reads.items()
    }


SAID: Final[list[Told]] = [
    ("customers/create", customer(1, 2), 2),
    tags("tags_added", 4, "Green, still", "new"),
    tags("tags_removed", 5, "vip"),
    tags("tags_added", 6, "VIP"),
    tags("tags_removed", 7, "NEW", "tea"),
    tags("tags_added", 2, "long gone"),
    email("subscribed", 6),
    email("unsubscribed", 5),
    sms("subscribed", 4),
    totals(5, "99.95", 8),
    totals(4, "80.00", 3),
]


async def test_what_is_said_one_by_one_stands_on_top_of_the_whole(store: Store, shop: ShopContext) -> None:
    await tell(store, shop, SAID)
    [row] = (await state(store, shop))["customers"]
    assert json.loads(row[1]) == ["Green, still", "VIP"]
    assert row[2:6] == ("SUBSCRIBED", "SUBSCRIBED", 5, 999_500)
    assert await store.database.fetch("SELECT MIN(at) FROM customer_traits WHERE shop_id = $1", shop.id) == [
        (parse_instant(at(4)),)
    ]


MORE: Final[list[Told]] = [
    *SAID,
    ("customers/update", customer(1, 9, name="Eva"), 9),
    ("customers/enable", customer(2, 4), 4),
    ("customers/disable", customer(2, 5, state="disabled"), 5),
    ("customers/merge", merge(1, 2), 10),
    ("orders/create", order(5, 2, owner=2), 2),
    ("orders/updated", order(5, 6, owner=2, refunds=[refund(91, 5, 6, "10.00")], current_total_price="20.00"), 6),
    ("orders/cancelled", order(6, 7, cancelled_at=at(7)), 7),
    ("orders/create", order(6, 2), 2),
    ("orders/delete", {"id": 7}, 8),
    ("orders/create", order(7, 2), 2),
    checkout(31, 2),
    checkout(31, 4, completed=True),
    checkout(32, 3, owner=2),
    ("checkouts/delete", {"id": 33}, 5),
    checkout(33, 2),
    ("products/create", {"id": 7, "title": "Tea", "created_at": at(1), "updated_at": at(2)}, 2),
    ("products/delete", {"id": 7}, 5),
    ("customers/delete", {"id": 3}, 6),
    ("customers/update", customer(3, 5), 5),
]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixed=st.permutations(MORE), doubled=st.lists(st.sampled_from(MORE), max_size=6))
async def test_any_order_with_duplicates_ends_as_the_order_of_the_shop(
    store: Store, mixed: list[Told], doubled: list[Told]
) -> None:
    one, other = [await install_shop(f"{name}{next(_shops)}.myshopify.com") for name in ("a", "b")]
    await tell(store, one, sorted(MORE, key=lambda told: told[2]))
    await tell(store, other, [*mixed, *doubled])
    waiting = "SELECT COUNT(*) FROM inbox WHERE shop_id = $1 AND state <> 'done'"
    assert await store.database.fetch(waiting, other.id) == [(0,)]
    assert await state(store, other) == await state(store, one)


PAIRS: Final = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=6)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=PAIRS, gone=st.sets(st.integers(1, 5), max_size=2), data=st.data())
async def test_merges_deletions_and_late_orders_keep_the_shops_totals(
    store: Store, pairs: list[tuple[int, int]], gone: set[int], data: st.DataObject
) -> None:
    shop = await install_shop(f"m{next(_shops)}.myshopify.com")
    orders: list[Told] = [("orders/create", order(number, 2, owner=number % 5 + 1), 2) for number in range(10, 20)]
    merges: list[Told] = [("customers/merge", merge(kept, folded), 3) for kept, folded in pairs]
    deleted: list[Told] = [("customers/delete", {"id": number}, 4) for number in sorted(gone)]
    await tell(store, shop, data.draw(st.permutations([*orders, *merges, *deleted])))
    totals = "SELECT COUNT(*), SUM(total) FROM orders WHERE shop_id = $1 AND deleted_at IS NULL"
    assert await store.database.fetch(totals, shop.id) == [(10, 3_000_000)]
    folded = (
        "SELECT COUNT(*) FROM orders o JOIN customers c ON c.shop_id = o.shop_id AND c.id = o.customer_id"
        " WHERE o.shop_id = $1 AND c.merged_into IS NOT NULL"
    )
    assert await store.database.fetch(folded, shop.id) == [(0,)]


async def test_a_checkout_is_kept_without_the_person_and_shows_in_the_profile(store: Store, shop: ShopContext) -> None:
    await tell(store, shop, [("customers/create", customer(1, 2), 2), checkout(31, 3), checkout(32, 4, completed=True)])
    await recompute_customers(store, shop, [1], as_of=datetime(2026, 5, 9, tzinfo=UTC))
    read = "SELECT abandoned_checkout_at, abandoned_checkout_day FROM profiles WHERE shop_id = $1"
    began = parse_instant(at(2))
    assert await store.database.fetch(read, shop.id) == [(began, began // 86_400_000_000)]
    assert (await state(store, shop))["checkouts"][0][-2:] == (125_000, 2)
    await tell(store, shop, [("customers/redact", {"customer": {"id": 1}}, 9), checkout(31, 12)])
    assert [row[:2] for row in (await state(store, shop))["checkouts"]] == [(31, None)]


async def test_a_merge_that_failed_is_none(store: Store, shop: ShopContext) -> None:
    body = {**merge(1, 2), "status": "failed", "errors": [{"customer_ids": [1], "field": "merge_in_progress"}]}
    await tell(store, shop, [("customers/update", customer(2, 2), 2), ("customers/merge", body, 3)])
    assert [row[-1] for row in (await state(store, shop))["customers"]] == [None]


async def test_another_zone_makes_everybody_due(store: Store, shop: ShopContext) -> None:
    await tell(store, shop, [("customers/create", customer(1, 2), 2)])
    await recompute_customers(store, shop, [1], as_of=NOW)
    await store.database.execute("UPDATE shops SET timezone = 'Asia/Tokyo', currency = 'GBP' WHERE id = $1", shop.id)
    await tell(store, shop, [])
    await record_delivery(store, delivery(shop, 10**6, "shop/update", {"id": 1}))
    await apply_inbox(store, shop, Whole(), now=lambda: NOW, limit=10)
    rows = await store.database.fetch("SELECT timezone, currency FROM shops WHERE id = $1", shop.id)
    assert rows == [("Europe/London", "GBP")]
    assert await store.database.fetch("SELECT due_at FROM profiles WHERE shop_id = $1", shop.id) == [(0,)]


def test_the_topics_are_all_different_and_the_duties_are_not_asked_for() -> None:
    asked: Callable[[str], str] = lambda topic: topic.upper().replace("/", "_")  # noqa: E731 - named for its use
    assert len(set(TOPICS)) == len(TOPICS)
    assert not set(TOPICS) & {asked(topic) for topic in COMPLIANCE}
