"""What is told to listeners adds up to what is there: nothing twice, nothing missed, in the order it can be seen."""

import asyncio
from datetime import datetime, timedelta

import pytest

from plugin.domain.events import Event, EventKind
from plugin.domain.instants import to_us
from plugin.ledger.events import last_told, tell, told_since
from plugin.ledger.removals import delete_customer
from plugin.ledger.retention import let_go
from plugin.ledger.store import Store
from plugin.lifecycle.fact_sheet import refresh_fact_sheet
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.segments import create_segment, update_segment
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import put_facts, some_facts
from tests.support.journeys import an_order
from tests.support.small_shop import a_shop

SHOP = a_shop(1)
Place = tuple[str, int]


async def heard(store: Store, after: int = 0, shop: int = 1) -> list[Event]:
    return [told.event for told in await told_since(store.database, shop, after, at_most=10_000)]


async def placements(store: Store) -> dict[Place, tuple[str, int | None]]:
    rows = await store.database.fetch("SELECT model, customer_id, stage, rung FROM placements WHERE shop_id = $1", 1)
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def members(store: Store) -> set[tuple[str, int]]:
    rows = await store.database.fetch("SELECT segment_id, customer_id FROM segment_members WHERE shop_id = $1", 1)
    return {(str(row[0]), row[1]) for row in rows}


def played(
    events: list[Event], placed: dict[Place, tuple[str, int | None]], inside: set[tuple[str, int]]
) -> tuple[dict[Place, tuple[str, int | None]], set[tuple[str, int]]]:
    """What was there, and then each event in its turn, which must fit on what it says it left."""
    placed, inside = dict(placed), set(inside)
    for event in events:
        assert event.customer_id is not None
        key = (event.subject, event.customer_id)
        if event.kind is EventKind.STAGE_CHANGED:
            assert placed.pop(key, (None, None)) == (event.from_stage, event.from_rung)
            if event.to_stage is not None:
                placed[key] = (event.to_stage, event.to_rung)
        elif event.kind is EventKind.SEGMENT_JOINED:
            assert key not in inside
            inside.add(key)
        else:
            assert event.kind is EventKind.SEGMENT_LEFT
            inside.remove(key)
    return placed, inside


async def test_a_shop_that_is_taken_in_has_not_changed(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(7))
    await create_segment(store, SHOP, name="Two", query="number_of_orders >= 2", now=now)
    await recompute_shop(store, SHOP, as_of=now)
    await recompute_customers(store, SHOP, [1, 2, 3], as_of=now + timedelta(days=200))
    assert (await heard(store), await last_told(store.database, 1)) == ([], 0)


@pytest.mark.parametrize("seed", [3, 4])
async def test_played_one_after_the_other_events_lead_to_what_is_there(store: Store, now: datetime, seed: int) -> None:
    customers, orders = some_facts(seed)
    await put_facts(store, 1, (customers[:35], [order for order in orders if order.customer_id < 36]))
    for number, query in enumerate(("days_since_last_order BETWEEN 10 AND 60", "rfm_group = 'CHAMPIONS'")):
        await create_segment(store, SHOP, name=str(number), query=query, now=now)
    await recompute_shop(store, SHOP, as_of=now)
    await refresh_fact_sheet(store, SHOP, now=now)
    before = await placements(store), await members(store)
    new = [order for order in orders if order.customer_id >= 36] + [an_order(9_999, 3, now.isoformat())]
    await put_facts(store, 1, (customers[35:], new))
    await recompute_customers(store, SHOP, [3, *range(36, 41)], as_of=now + timedelta(hours=1))
    await recompute_customers(store, SHOP, [3, *range(36, 41)], as_of=now + timedelta(hours=2))
    for days in (30, 31, 95):
        await sweep(store, SHOP, as_of=now + timedelta(days=days))
    last = now + timedelta(days=120)
    await recompute_shop(store, SHOP, as_of=last)
    events = await heard(store)
    assert played(events, *before) == (await placements(store), await members(store))
    assert {event.customer_id for event in events if event.from_stage is None and event.to_stage} >= {
        36,
        37,
        38,
        39,
        40,
    }
    count = await last_told(store.database, 1)
    assert len(events) == count > 20
    for _ in range(2):  # nothing has changed, and nothing is told
        await recompute_shop(store, SHOP, as_of=last)
        await recompute_customers(store, SHOP, range(1, 41), as_of=last)
    assert await last_told(store.database, 1) == count


async def test_an_edited_rule_moves_members_without_telling_partners_of_each(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(7))
    await create_segment(store, SHOP, name="Two", query="number_of_orders >= 2", now=now)
    await recompute_shop(store, SHOP, as_of=now)
    await refresh_fact_sheet(store, SHOP, now=now)
    await update_segment(store, SHOP, 1, query="number_of_orders >= 1", now=now)
    await recompute_shop(store, SHOP, as_of=now)
    assert await heard(store) == []


async def test_an_edited_ladder_tells_of_everybody_who_stands_elsewhere_by_it(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(7))
    await recompute_shop(store, SHOP, as_of=now)
    await refresh_fact_sheet(store, SHOP, now=now)
    before = await placements(store)
    await recompute_shop(store, a_shop(1, ladder=(10, 20, 30)), as_of=now)
    after = await placements(store)
    assert played(await heard(store), before, set()) == (after, set())
    assert len(await heard(store)) == sum(before[key] != after[key] for key in before) > 5


async def test_whoever_has_read_to_a_number_has_missed_none_before_it(store: Store) -> None:
    """Ten writers at once, each slow to commit, beside a reader that never looks back."""

    async def write(customer: int) -> None:
        for _ in range(5):
            async with store.database.transaction() as session:
                told = Event(kind=EventKind.OFFER_ACCEPTED, at=1, customer_id=customer)
                await tell(session, 1, [told, told], now=1)
                await asyncio.sleep(0.001 * (customer % 4))

    seen: list[int] = []
    writing = asyncio.gather(*(write(customer) for customer in range(10)))
    while not writing.done() or len(seen) < await last_told(store.database, 1):
        seen += [told.number for told in await told_since(store.database, 1, seen[-1] if seen else 0, at_most=7)]
        await asyncio.sleep(0)
    await writing
    assert seen == list(range(1, 101))


async def test_events_go_with_their_customer_and_after_a_week(store: Store, now: datetime) -> None:
    async with store.database.transaction() as session:
        for days, customer in ((8, 1), (6, 1), (6, 2)):
            at = to_us(now - timedelta(days=days))
            await tell(session, 1, [Event(kind=EventKind.OFFER_ACCEPTED, at=at, customer_id=customer)], now=at)
        await tell(session, 2, [Event(kind=EventKind.OFFER_ACCEPTED, at=at, customer_id=1)], now=at)
    assert (await let_go(store.database, 1, now=now))["shop_events"] == 1
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 1, at=to_us(now))
    assert [event.customer_id for event in await heard(store)] == [2]
    assert [event.customer_id for event in await heard(store, shop=2)] == [1]
    assert await last_told(store.database, 1) == 3
