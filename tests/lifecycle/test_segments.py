"""Segments: created, changed, previewed, kept."""

from datetime import datetime, timedelta

import pytest

from plugin.domain.instants import from_us, to_us
from plugin.domain.rules import RuleError
from plugin.errors import NotFoundError
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.readers import SegmentRow
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.segments import (
    SegmentError,
    create_segment,
    delete_segment,
    normal_tag,
    preview,
    update_segment,
)
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import dump, put_facts, some_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

SHOP = a_shop(1)


async def three_buyers(store: Store, now: datetime) -> None:
    """1 bought 10 days ago, 2 bought 40 days ago, 3 never."""
    await write_customers(store, 1, [a_customer(number, "2026-01-01T00:00:00Z") for number in (1, 2, 3)])
    days = {1: 10, 2: 40}
    await write_orders(store, 1, [an_order(n, n, (now - timedelta(days=ago)).isoformat()) for n, ago in days.items()])
    await recompute_shop(store, SHOP, as_of=now)


async def members(store: Store, segment_id: int = 1) -> list[tuple[int, int]]:
    rows = await store.database.fetch(
        "SELECT customer_id, joined_at FROM segment_members WHERE shop_id = $1 AND segment_id = $2"
        " ORDER BY customer_id", 1, segment_id,
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]


async def saved(store: Store) -> list[tuple[object, ...]]:
    return await store.database.fetch("SELECT id, name, query, tag FROM segments WHERE shop_id = $1 ORDER BY id", 1)


async def test_a_new_segment_has_its_members_at_once(store: Store, now: datetime) -> None:
    await three_buyers(store, now)
    row = await create_segment(
        store, SHOP, name=" Recent ", query="days_since_last_order < 30", tag="Recent Buyers!", now=now
    )
    stamp = to_us(now)
    assert row == SegmentRow(1, "Recent", "days_since_last_order < 30", "recent-buyers", stamp, stamp)
    assert await members(store) == [(1, stamp)]
    assert await saved(store) == [(1, "Recent", "days_since_last_order < 30", "recent-buyers")]


async def test_the_clock_takes_members_away_at_the_start_of_the_day(store: Store, now: datetime) -> None:
    await three_buyers(store, now)
    await create_segment(store, SHOP, name="Recent", query="days_since_last_order < 30", now=now)
    midnight = datetime(2026, 12, 12, tzinfo=now.tzinfo)  # 12 November and thirty days
    [(due,)] = await store.database.fetch("SELECT due_at FROM profiles WHERE shop_id = $1 AND customer_id = 1", 1)
    assert from_us(due) == midnight
    assert await sweep(store, SHOP, as_of=midnight - timedelta(microseconds=1)) == 0
    assert await members(store) == [(1, to_us(now))]
    assert await sweep(store, SHOP, as_of=midnight) == 1
    assert await members(store) == []


async def test_a_fact_makes_members_join_and_others_keep_the_day_they_joined(store: Store, now: datetime) -> None:
    await three_buyers(store, now)
    await create_segment(store, SHOP, name="Buyers", query="number_of_orders > 0", now=now)
    later = now + timedelta(hours=1)
    await write_orders(store, 1, [an_order(9, 3, now.isoformat())])
    await recompute_customers(store, SHOP, [1, 2, 3], as_of=later)
    assert await members(store) == [(1, to_us(now)), (2, to_us(now)), (3, to_us(later))]


@pytest.mark.parametrize(
    "query",
    [
        "days_since_last_order BETWEEN 5 AND 35",
        "last_order_date >= -30d AND customer_countries CONTAINS 'DE'",
        "orders_placed MATCHES (date >= -30d, count >= 1)",
        "products_purchased NOT MATCHES (id = 7, date >= -2w)",
        "lifecycle_stage = 'departing' OR days_in_stage <= 12",
        "customer_added_date > -18m AND NOT rfm_recency >= 3",
        "average_order_value > 100 AND days_since_first_order > 2 * lapse_days",
    ],
)
async def test_kept_day_by_day_a_segment_holds_whom_a_fresh_one_would(store: Store, now: datetime, query: str) -> None:
    await put_facts(store, 1, some_facts(9))
    await recompute_shop(store, SHOP, as_of=now)
    await create_segment(store, SHOP, name="Kept", query=query, now=now)
    for days in (1, 2, 3, 7, 14, 30, 31, 61, 90):
        then = now + timedelta(days=days)
        await sweep(store, SHOP, as_of=then)
        found = await preview(store, SHOP, query, now=then)
        kept = [customer for customer, _ in await members(store)]
        assert (days, len(kept), kept[:10]) == (days, found.count, found.sample_ids)


async def test_a_preview_counts_and_samples_and_keeps_nothing(store: Store, now: datetime) -> None:
    await three_buyers(store, now)
    before = await dump(store, 1, but=())
    found = await preview(store, SHOP, "WHERE number_of_orders > 0", now=now)
    assert (found.count, found.sample_ids) == (2, [1, 2])
    assert [str(problem.kind) for problem in found.warnings] == ["wrapper_ignored"]
    assert await dump(store, 1, but=()) == before
    assert await saved(store) == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": " "}, "name", "BLANK"),
        ({"name": "x" * 256}, "name", "TOO_LONG"),
        ({"name": "a\0b"}, "name", "INVALID"),
        ({"name": "Taken"}, "name", "TAKEN"),
        ({"tag": "!!"}, "tag", "INVALID"),
        ({"tag": "Stage Active"}, "tag", "INVALID"),
        ({"tag": "t" * 201}, "tag", "TOO_LONG"),
    ],
)
async def test_what_cannot_be_saved_is_refused_and_changes_nothing(
    store: Store, now: datetime, change: dict[str, str], field: str, code: str
) -> None:
    await create_segment(store, SHOP, name="Taken", query="number_of_orders = 0", now=now)
    before = await saved(store)
    with pytest.raises(SegmentError) as refused:
        await create_segment(store, SHOP, **{"name": "New", "query": "number_of_orders = 1", "now": now, **change})
    assert (refused.value.field, refused.value.code) == (field, code)
    second = await create_segment(store, SHOP, name="Second", query="number_of_orders = 1", now=now)
    with pytest.raises(SegmentError):
        await update_segment(store, SHOP, second.id, now=now, **change)
    await delete_segment(store, SHOP, second.id)
    assert await saved(store) == before


async def test_a_query_with_a_mistake_is_refused_with_its_place(store: Store, now: datetime) -> None:
    for query, kind, offset in (("number_of_oders = 1", "unknown_attribute", 0), (
        "lifecycle_stage = 'gone'", "unknown_value", 18)):  # fmt: skip
        with pytest.raises(RuleError) as refused:
            await create_segment(store, SHOP, name="New", query=query, now=now)
        assert (str(refused.value.primary.kind), refused.value.primary.offset) == (kind, offset)
    assert await saved(store) == []


async def test_the_same_name_may_stand_in_two_shops(store: Store, now: datetime) -> None:
    for number in (1, 2):
        row = await create_segment(store, a_shop(number), name="Same", query="number_of_orders = 0", now=now)
        assert row.id == 1


async def test_a_change_keeps_what_is_not_given_and_moves_the_members(store: Store, now: datetime) -> None:
    await three_buyers(store, now)
    await create_segment(store, SHOP, name="Buyers", query="number_of_orders > 0", tag="buyers", now=now)
    later = now + timedelta(hours=1)
    row = await update_segment(store, SHOP, 1, query="number_of_orders = 0 OR days_since_last_order < 30", now=later)
    assert (row.name, row.tag, row.created_at, row.updated_at) == ("Buyers", "buyers", to_us(now), to_us(later))
    assert await members(store) == [(1, to_us(now)), (3, to_us(later))]
    row = await update_segment(store, SHOP, 1, name="Others", tag=None, now=later)
    assert (row.name, row.query, row.tag) == ("Others", "number_of_orders = 0 OR days_since_last_order < 30", None)
    assert len(await members(store)) == 2


async def test_deleting_takes_the_members_with_it_and_its_number_is_not_used_for_others_members(
    store: Store, now: datetime
) -> None:
    await three_buyers(store, now)
    await create_segment(store, SHOP, name="Buyers", query="number_of_orders > 0", now=now)
    await delete_segment(store, SHOP, 1)
    assert (await saved(store), await members(store)) == ([], [])


async def test_a_segment_of_another_shop_is_not_found(store: Store, now: datetime) -> None:
    await create_segment(store, SHOP, name="Mine", query="number_of_orders > 0", now=now)
    with pytest.raises(NotFoundError):
        await delete_segment(store, a_shop(2), 1)
    with pytest.raises(NotFoundError):
        await update_segment(store, a_shop(2), 1, name="Yours", now=now)
    assert await saved(store) == [(1, "Mine", "number_of_orders > 0", None)]


@pytest.mark.parametrize(
    ("typed", "tag"), [("VIP", "vip"), ("  Big  Spenders ", "big-spenders"), ("2026/27 (EU)", "2026-27-eu"), ("é", "")]
)
def test_a_tag_is_lower_case_digits_and_hyphens(typed: str, tag: str) -> None:
    assert normal_tag(typed) == tag
