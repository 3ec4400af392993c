"""From facts in the store to every computed table, in one go and bit by bit."""

from datetime import datetime, timedelta

import pytest

from plugin.domain.instants import parse_instant, to_us
from plugin.errors import BadStatementError
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.stage_readers import placements_at, stage_counts_at
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import RecomputeReport, recompute_customers, recompute_shop
from plugin.lifecycle.segments import create_segment
from tests.lifecycle.conftest import dump, put_facts, some_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

NOTED = ("shop_id", "computed_at", "recorded_at", "joined_at", "taken_at")
RFM = ("rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group")


async def test_recomputing_twice_writes_nothing_the_second_time(store: Store, now: datetime) -> None:
    shop = a_shop(1, timezone="Europe/Berlin")
    await put_facts(store, 1, some_facts(1))
    await create_segment(store, shop, name="Loyal", query="number_of_orders >= 2", now=now)
    first = await recompute_shop(store, shop, as_of=now)
    before = await dump(store, 1, but=())
    second = await recompute_shop(store, shop, as_of=now)
    assert first.written > 0
    assert (second.customers, second.by_stage, second.written) == (first.customers, first.by_stage, 0)
    assert await dump(store, 1, but=()) == before
    assert sum(first.by_stage.values()) == first.customers == 40


async def test_the_size_of_a_chunk_makes_no_difference(store: Store, now: datetime) -> None:
    for number in (1, 2):
        await put_facts(store, number, some_facts(2))
    await recompute_shop(store, a_shop(1), as_of=now, chunk=7)
    done: list[tuple[int, int]] = []
    await recompute_shop(store, a_shop(2), as_of=now, progress=lambda *told: done.append(told))
    assert await dump(store, 1, but=NOTED) == await dump(store, 2, but=NOTED)
    assert done == [(40, 40)]


async def test_what_changed_bit_by_bit_equals_what_is_computed_from_scratch(store: Store, now: datetime) -> None:
    customers, orders = some_facts(3)
    query = "days_since_last_order < 60 OR customer_tags CONTAINS 'VIP' OR lifecycle_stage = 'departing'"
    for number in (1, 2):
        await create_segment(store, a_shop(number), name="Watched", query=query, now=now)
    await put_facts(store, 1, (customers, orders[::2]))
    await recompute_shop(store, a_shop(1), as_of=now - timedelta(days=40))
    await write_orders(store, 1, orders[1::2])
    await recompute_customers(store, a_shop(1), [order.customer_id for order in orders], as_of=now)
    await recompute_customers(store, a_shop(1), [fact.id for fact in customers], as_of=now)

    await put_facts(store, 2, (customers, orders))
    await recompute_shop(store, a_shop(2), as_of=now)

    bit_by_bit, from_scratch = await dump(store, 1, but=(*NOTED, *RFM)), await dump(store, 2, but=(*NOTED, *RFM))
    for table in ("profiles", "placements", "stage_transitions", "segment_members"):
        assert bit_by_bit[table] == from_scratch[table], table
    await recompute_shop(store, a_shop(1), as_of=now)
    assert await dump(store, 1, but=NOTED) == await dump(store, 2, but=NOTED)


async def test_one_customers_scores_are_taken_against_the_shop_as_it_was_last_measured(
    store: Store, now: datetime
) -> None:
    facts = [an_order(number, number, "2026-11-01T10:00:00Z", total=f"{number}0.00") for number in range(1, 6)]
    people = [a_customer(number, "2026-01-01T00:00:00Z") for number in range(1, 6)]
    await put_facts(store, 1, (people, facts))
    await recompute_shop(store, a_shop(1), as_of=now)
    await write_orders(store, 1, [an_order(6, 1, "2026-11-20T10:00:00Z", total="90.00")])
    await recompute_customers(store, a_shop(1), [1], as_of=now)
    rows = await store.database.fetch(
        "SELECT customer_id, rfm_recency, rfm_frequency, rfm_monetary, rfm_group FROM profiles WHERE shop_id = $1"
        " ORDER BY customer_id", 1,
    )  # fmt: skip
    assert rows[0] == (1, 5, 5, 5, "CHAMPIONS")
    assert rows[4] == (5, 1, 1, 5, "AT_RISK")  # as before: still the top fifth of what was measured then
    await recompute_shop(store, a_shop(1), as_of=now)
    [last] = await store.database.fetch(
        "SELECT rfm_recency, rfm_frequency, rfm_monetary FROM profiles WHERE shop_id = $1 AND customer_id = 5", 1
    )
    assert last == (1, 1, 4)


async def test_the_profile_holds_what_the_shop_states_in_the_form_that_rules_read(store: Store, now: datetime) -> None:
    person = a_customer(
        9, "2026-10-31T23:30:00Z", tags=("Straße", "VIP"), country="CA", region="CA-QC", city="CA-QC-Montreal",
        email_domain="Example.COM", email_status="SUBSCRIBED", language="fr-CA",
    )  # fmt: skip
    await write_customers(store, 1, [person])
    await recompute_shop(store, a_shop(1, timezone="Europe/Berlin"), as_of=now)
    [row] = await store.database.fetch(
        "SELECT tags, countries, regions, cities, email_domain, email_status, sms_status, language, account_status,"
        " added_at, added_day, orders, net_spend, last_order_day, rfm_recency, rfm_group, due_at FROM profiles"
        " WHERE shop_id = $1 AND customer_id = 9", 1,
    )  # fmt: skip
    assert row == (
        "\x1fstraße\x1fvip\x1f", "\x1fCA\x1f", "\x1fCA-QC\x1f", "\x1fCA-QC-Montreal\x1f", "example.com", "SUBSCRIBED",
        None, "fr-CA", "ENABLED", person.created_at, 20_758, 0, 0, None, None, "PROSPECTS", None,
    )  # fmt: skip


async def test_whoever_is_deleted_or_merged_leaves_no_computed_row(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(4))
    await recompute_shop(store, a_shop(1), as_of=now)
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 1, at=to_us(now))
        await merge_customers(session, 1, kept=2, folded=3, at=to_us(now))
    report = await recompute_customers(store, a_shop(1), [1, 2, 3, 999], as_of=now)
    assert report.customers == 1
    await recompute_shop(store, a_shop(1), as_of=now)
    for table in ("profiles", "placements", "stage_transitions"):
        rows = await store.database.fetch(f"SELECT DISTINCT customer_id FROM {table} WHERE shop_id = $1", 1)
        assert {row[0] for row in rows} == set(range(2, 41)) - {3}, table


async def test_another_shop_is_neither_read_nor_written(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(5))
    await put_facts(store, 2, some_facts(6))
    await recompute_shop(store, a_shop(2), as_of=now)
    before = await dump(store, 2, but=())
    await recompute_shop(store, a_shop(1), as_of=now)
    await recompute_customers(store, a_shop(1), range(1, 50), as_of=now)
    assert await dump(store, 2, but=()) == before


async def test_a_correction_rewrites_the_part_of_the_history_that_it_touches(store: Store, now: datetime) -> None:
    await write_customers(store, 1, [a_customer(1, "2026-01-01T09:00:00Z")])
    first, second = an_order(1, 1, "2026-01-01T10:00:00Z"), an_order(2, 1, "2026-05-01T10:00:00Z")
    await write_orders(store, 1, [first, second])
    await recompute_shop(store, a_shop(1), as_of=now)
    before = await _transitions(store)
    late = an_order(3, 1, "2026-03-01T10:00:00Z")
    await write_orders(store, 1, [late])
    later = now + timedelta(minutes=1)
    await recompute_customers(store, a_shop(1), [1], as_of=later)
    after = await _transitions(store)
    assert [row[1] for row in before] == [
        "visitor", "new_buyer", "departing", "returned", "active", "departing", "departing"]  # fmt: skip
    assert [row[1] for row in after] == ["visitor", "new_buyer", "active", "departing", "departing"]
    assert [row[2] for row in after] == [to_us(now), to_us(now), to_us(later), to_us(now), to_us(now)]


async def _transitions(store: Store) -> list[tuple[int, str, int]]:
    rows = await store.database.fetch(
        "SELECT at, to_stage, recorded_at FROM stage_transitions WHERE shop_id = $1 AND customer_id = 1 ORDER BY at", 1
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def test_a_shop_without_customers_is_recomputed_in_peace(store: Store, now: datetime) -> None:
    report = await recompute_shop(store, a_shop(1), as_of=now)
    assert (report.customers, report.transitions, report.by_stage, report.written) == (0, 0, {}, 0)
    assert await recompute_customers(store, a_shop(1), [], as_of=now) == RecomputeReport()
    assert (await recompute_customers(store, a_shop(1), [7], as_of=now)).customers == 0


async def test_an_unknown_time_zone_is_named_and_changes_nothing(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(1))
    before = await dump(store, 1, but=())
    with pytest.raises(BadStatementError, match="states the time zone 'Mars/Olympus'"):
        await recompute_shop(store, a_shop(1, timezone="Mars/Olympus"), as_of=now)
    assert await dump(store, 1, but=()) == before


async def test_where_she_stood_is_told_with_the_beginning_of_that_stay(store: Store, now: datetime) -> None:
    await write_customers(store, 1, [a_customer(1, "2025-06-01T09:00:00Z")])
    await write_orders(store, 1, [an_order(1, 1, "2026-01-01T10:00:00Z")])
    await recompute_shop(store, a_shop(1), as_of=now)
    [row] = (await placements_at(store.database, 1, [1], parse_instant("2026-07-15T00:00:00Z")))[1]
    assert (row.stage, row.rung, row.since_at) == ("departing", 2, parse_instant("2026-04-01T00:00:00Z"))
    [row] = (await placements_at(store.database, 1, [1], parse_instant("2026-03-31T23:59:59Z")))[1]
    assert (row.stage, row.valid_until) == ("new_buyer", parse_instant("2026-04-01T00:00:00Z"))
    counted = await stage_counts_at(store.database, 1, "buyer-activity", parse_instant("2026-07-15T00:00:00Z"))
    assert [tuple(row) for row in counted] == [("departing", 2, 1)]
