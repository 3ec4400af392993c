"""The story of a segment: who joined and left, when, and what two segments share."""

from datetime import datetime, timedelta

import pytest

from plugin.domain.instants import to_us
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.memberships import Growth, growth, overlaps
from plugin.ledger.readers import segment_counts
from plugin.ledger.removals import delete_customer
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.segments import create_segment, delete_segment, update_segment
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import put_facts, some_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

SHOP = a_shop(1)


async def events(store: Store) -> list[tuple[int, int, int]]:
    return [
        (row[0], row[1], row[2])
        for row in await store.database.fetch(
            "SELECT at, customer_id, change FROM segment_events WHERE shop_id = $1 AND change <> 0"
            " ORDER BY at, customer_id, change", 1,
        )
    ]  # fmt: skip


async def counted(store: Store, segment: int = 1) -> int:
    return (await segment_counts(store.database, 1, [segment])).get(segment, 0)


async def summed(store: Store, segment: int = 1) -> int:
    [row] = await growth(store.database, 1, segment, [0, 2**62])
    return row.members


async def buyers(store: Store, now: datetime) -> None:
    """1 bought 10 days ago, 2 bought 40 days ago, 3 never."""
    await write_customers(store, 1, [a_customer(number, "2026-01-01T00:00:00Z") for number in (1, 2, 3)])
    days = {1: 10, 2: 40}
    await write_orders(store, 1, [an_order(n, n, (now - timedelta(days=ago)).isoformat()) for n, ago in days.items()])
    await recompute_shop(store, SHOP, as_of=now)


async def test_every_way_in_and_out_is_told_with_its_instant_and_counts_are_right_at_once(
    store: Store, now: datetime
) -> None:
    await buyers(store, now)
    at = to_us(now)
    await create_segment(store, SHOP, name="Recent", query="days_since_last_order < 30", now=now)
    assert (await events(store), await counted(store)) == ([(at, 1, 1)], 1)

    ordered = now + timedelta(hours=1)
    await write_orders(store, 1, [an_order(9, 3, now.isoformat())])
    await recompute_customers(store, SHOP, [3], as_of=ordered)
    await recompute_customers(store, SHOP, [1, 2, 3], as_of=ordered)
    assert (await events(store), await counted(store)) == ([(at, 1, 1), (to_us(ordered), 3, 1)], 2)

    midnight = to_us(datetime(2026, 12, 12, tzinfo=now.tzinfo))  # 12 November and thirty days
    await sweep(store, SHOP, as_of=datetime(2026, 12, 12, 9, 30, tzinfo=now.tzinfo))
    assert (await events(store))[2:] == [(midnight, 1, -1)]
    assert await counted(store) == 1

    edited = datetime(2026, 12, 12, 10, tzinfo=now.tzinfo)
    await update_segment(store, SHOP, 1, query="number_of_orders > 0 AND days_since_last_order > 20", now=edited)
    assert (await events(store))[3:] == [(to_us(edited), 1, 1), (to_us(edited), 2, 1), (to_us(edited), 3, -1)]
    assert await counted(store) == await summed(store) == 2
    await update_segment(store, SHOP, 1, query="number_of_orders < 0", now=edited)
    assert (await events(store))[3:] == [(to_us(edited), 3, -1)]  # 1 and 2 came and went in no time
    assert await counted(store) == await summed(store) == 0

    await delete_segment(store, SHOP, 1)
    assert await events(store) == []


async def test_growth_adds_up_bucket_by_bucket(store: Store, now: datetime) -> None:
    await buyers(store, now)
    await create_segment(store, SHOP, name="Recent", query="days_since_last_order < 30", now=now)
    await write_orders(store, 1, [an_order(9, 3, (now + timedelta(days=2)).isoformat())])
    await recompute_customers(store, SHOP, [3], as_of=now + timedelta(days=2, hours=1))
    await sweep(store, SHOP, as_of=now + timedelta(days=25))
    edges = [to_us(now + timedelta(days=days)) for days in (-5, -1, 1, 3, 30, 60)]
    found = await growth(store.database, 1, 1, edges)
    moved = [(0, 0, 0), (1, 0, 1), (1, 0, 2), (0, 1, 1), (0, 0, 1)]
    assert found == [Growth(*edges[n : n + 2], *row) for n, row in enumerate(moved)]
    assert (await growth(store.database, 1, 1, edges[3:]))[0] == found[3]
    assert await growth(store.database, 2, 1, edges[:2]) == [Growth(edges[0], edges[1], 0, 0, 0)]


async def test_day_by_day_the_story_sums_up_to_the_members(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(12))
    await recompute_shop(store, SHOP, as_of=now)
    queries = ("days_since_last_order BETWEEN 10 AND 60", "lifecycle_stage = 'departing'", "number_of_orders >= 2")
    for number, query in enumerate(queries, start=1):
        await create_segment(store, SHOP, name=f"Segment {number}", query=query, now=now)
    for days in (1, 2, 9, 40):
        await sweep(store, SHOP, as_of=now + timedelta(days=days))
        for number in (1, 2, 3):
            assert await summed(store, number) == await counted(store, number)
    before = await events(store)
    await recompute_shop(store, SHOP, as_of=now + timedelta(days=40))
    assert await events(store) == before
    members = {}
    for number in (1, 2, 3):
        rows = await store.database.fetch(
            "SELECT customer_id FROM segment_members WHERE shop_id = $1 AND segment_id = $2", 1, number
        )
        members[number] = {row[0] for row in rows}
    wanted = {(a, b): len(members[a] & members[b]) for a, b in ((1, 2), (1, 3), (2, 3))}
    found = await overlaps(store.database, 1, [1, 2, 3])
    assert {pair: count for pair, count in wanted.items() if count} == found
    assert found
    assert await overlaps(store.database, 2, [1, 2, 3]) == {}


async def test_who_is_deleted_leaves_no_story(store: Store, now: datetime) -> None:
    await buyers(store, now)
    await create_segment(store, SHOP, name="Buyers", query="number_of_orders > 0", now=now)
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 1, at=to_us(now))
    assert [row[1] for row in await events(store)] == [2]
    assert await counted(store) == await summed(store) == 1


@pytest.mark.parametrize("swept", [False, True])
async def test_with_nobody_due_nothing_is_written(store: Store, now: datetime, swept: bool) -> None:
    await put_facts(store, 1, some_facts(13))
    await recompute_shop(store, SHOP, as_of=now)
    if swept:
        await sweep(store, SHOP, as_of=now + timedelta(days=9))
    [(first,)] = await store.database.fetch("SELECT MIN(due_at) FROM profiles WHERE shop_id = $1", 1)
    before = await _writes(store)
    assert await sweep(store, SHOP, as_of=now + timedelta(microseconds=first - to_us(now) - 1)) == 0
    assert await _writes(store) == before


async def _writes(store: Store) -> object:
    """What the database itself counts: rows changed on the writing connection, or the end of the write-ahead log."""
    if store.database.dialect == "sqlite":
        return store.database._writer.total_changes  # type: ignore[attr-defined]  # only SQLite's has it
    await store.database.fetch("SELECT 1")
    [(written,)] = await store.database.fetch("SELECT pg_current_wal_insert_lsn()::text")
    return written


async def test_the_sweep_finds_the_due_by_an_index(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(14))
    await recompute_shop(store, SHOP, as_of=now)
    query = "SELECT customer_id, due_at FROM profiles WHERE shop_id = 1 AND due_at <= 5 ORDER BY due_at LIMIT 5000"
    if store.database.dialect == "sqlite":
        [plan] = await store.database.fetch(f"EXPLAIN QUERY PLAN {query}")
        assert "USING INDEX" in plan[3]
        assert "(shop_id=? AND due_at<?)" in plan[3]
        return
    async with store.database.transaction() as session:
        await session.execute("SET LOCAL enable_seqscan = off")  # a table of a page is read as a whole otherwise
        await session.execute("SET LOCAL enable_bitmapscan = off")
        lines = "\n".join(row[0] for row in await session.fetch(f"EXPLAIN {query}"))
    assert "Index Scan" in lines
    assert "Index Cond: ((shop_id = 1) AND (due_at <= 5))" in lines
    assert "Sort" not in lines
