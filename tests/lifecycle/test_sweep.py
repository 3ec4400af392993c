"""The clock: who is due is judged again, at the instant it becomes true, and nobody else is touched."""

from datetime import datetime, timedelta

from plugin.domain.instants import from_us, parse_instant, to_us
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_shop
from plugin.lifecycle.segments import create_segment
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import dump, put_facts, some_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

NOTED = ("shop_id", "computed_at", "recorded_at", "joined_at", "taken_at")


async def placed(store: Store, customer: int) -> tuple[object, ...]:
    [row] = await store.database.fetch(
        "SELECT l.stage, l.rung, l.since_at, p.due_at FROM placements l JOIN profiles p ON p.shop_id = l.shop_id"
        " AND p.customer_id = l.customer_id WHERE l.shop_id = $1 AND l.customer_id = $2", 1, customer,
    )  # fmt: skip
    return row


async def test_a_placement_flips_at_its_instant_and_not_a_microsecond_before(store: Store) -> None:
    shop = a_shop(1, timezone="Europe/Berlin")
    await write_customers(store, 1, [a_customer(1, "2025-12-29T12:00:00Z"), a_customer(2, "2025-12-29T12:00:00Z")])
    await write_orders(store, 1, [an_order(1, 1, "2025-12-29T12:00:00Z")])
    await recompute_shop(store, shop, as_of=from_us(parse_instant("2026-01-05T00:00:00Z")))
    midnight = parse_instant("2026-03-28T23:00:00Z")
    assert await placed(store, 1) == ("new_buyer", None, parse_instant("2025-12-29T12:00:00Z"), midnight)

    assert await sweep(store, shop, as_of=from_us(midnight - 1)) == 0
    assert (await placed(store, 1))[0] == "new_buyer"
    assert await sweep(store, shop, as_of=from_us(midnight)) == 1
    assert await placed(store, 1) == ("departing", 1, midnight, parse_instant("2026-06-26T22:00:00Z"))
    assert await sweep(store, shop, as_of=from_us(midnight)) == 0


async def test_a_late_sweep_tells_the_instants_at_which_it_became_true(store: Store, now: datetime) -> None:
    await write_customers(store, 1, [a_customer(1, "2026-01-01T10:00:00Z")])
    await write_orders(store, 1, [an_order(1, 1, "2026-01-01T10:00:00Z")])
    await recompute_shop(store, a_shop(1), as_of=from_us(parse_instant("2026-01-02T00:00:00Z")))
    assert await sweep(store, a_shop(1), as_of=now) == 1
    rows = await store.database.fetch(
        "SELECT at, to_stage, to_rung, recorded_at FROM stage_transitions WHERE shop_id = $1 ORDER BY at", 1
    )
    assert rows[1:] == [
        (parse_instant("2026-04-01T00:00:00Z"), "departing", 1, to_us(now)),
        (parse_instant("2026-06-30T00:00:00Z"), "departing", 2, to_us(now)),
    ]


async def test_only_customers_who_are_due_are_touched(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(7))
    await recompute_shop(store, a_shop(1), as_of=now)
    later = now + timedelta(days=60)
    due = await store.database.fetch(
        "SELECT customer_id FROM profiles WHERE shop_id = $1 AND due_at <= $2", 1, to_us(later)
    )
    await store.database.execute("UPDATE profiles SET net_spend = -1, lapse_1 = 7 WHERE shop_id = $1", 1)
    swept = await sweep(store, a_shop(1), as_of=later)
    mended = await store.database.fetch("SELECT customer_id FROM profiles WHERE shop_id = $1 AND net_spend <> -1", 1)
    assert swept == len(due) > 3
    assert sorted(mended) == sorted(due)


async def test_sweeping_day_by_day_ends_where_one_recompute_does(store: Store, now: datetime) -> None:
    query = "days_since_last_order BETWEEN 10 AND 20 OR (days_in_stage >= 5 AND previous_stage = 'departing')"
    for number in (1, 2):
        await put_facts(store, number, some_facts(8))
        await create_segment(store, a_shop(number), name="Ten to twenty", query=query, now=now)
    await recompute_shop(store, a_shop(1), as_of=now)
    for days in range(1, 121):
        await sweep(store, a_shop(1), as_of=now + timedelta(days=days))
    await recompute_shop(store, a_shop(2), as_of=now + timedelta(days=120))
    swept, recomputed = await dump(store, 1, but=(*NOTED, *_RFM)), await dump(store, 2, but=(*NOTED, *_RFM))
    for table in ("placements", "stage_transitions", "segment_members"):
        assert swept[table] == recomputed[table], table


_RFM = ("rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group")


async def test_an_order_dated_ahead_counts_when_its_time_comes(store: Store, now: datetime) -> None:
    await write_customers(store, 1, [a_customer(1, "2026-11-20T10:00:00Z")])
    await write_orders(store, 1, [an_order(1, 1, "2026-11-23T08:00:00Z")])
    await recompute_shop(store, a_shop(1), as_of=now)
    assert (await placed(store, 1))[::3] == ("visitor", parse_instant("2026-11-23T08:00:00Z"))
    assert await sweep(store, a_shop(1), as_of=now + timedelta(days=1)) == 1
    assert (await placed(store, 1))[:3] == ("new_buyer", None, parse_instant("2026-11-23T08:00:00Z"))


async def test_a_record_made_in_our_future_is_placed_when_its_time_comes(store: Store, now: datetime) -> None:
    await write_customers(store, 1, [a_customer(1, (now + timedelta(seconds=30)).isoformat())])
    await recompute_shop(store, a_shop(1), as_of=now)
    assert await store.database.fetch("SELECT 1 FROM placements WHERE shop_id = $1", 1) == []
    assert await sweep(store, a_shop(1), as_of=now + timedelta(minutes=1)) == 1
    assert (await placed(store, 1))[:3] == ("visitor", None, to_us(now + timedelta(seconds=30)))
