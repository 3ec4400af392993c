"""Whatever order facts arrive in, and however many are told at once: the history is the one told from all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.facts import CustomerFact, OrderFact
from plugin.domain.instants import to_us
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.removals import delete_order, merge_customers
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.shops import ShopContext
from tests.lifecycle.conftest import NOW, dump
from tests.support.invariants import assert_invariants
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

PEOPLE = (1, 2, 3)
SPAN = 500  # days
BUT = (
    "shop_id", "computed_at", "recorded_at", "joined_at", "taken_at",
    "rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group",  # relative to the shop: taken by a full recompute
)  # fmt: skip
_shops = count(100)


@dataclass(frozen=True)
class Deletion:
    order: int


@dataclass(frozen=True)
class Merge:
    kept: int
    folded: int


Delivery = CustomerFact | OrderFact | Deletion | Merge


def _ago(hours: int) -> datetime:
    return NOW - timedelta(hours=hours)


@st.composite
def _statements(draw: st.DrawFn, number: int) -> list[Delivery]:
    """An order as it was first told and, perhaps, as it was told later: refunded, cancelled, another's, or gone."""
    hours = draw(st.integers(1, SPAN * 24))
    at, told = _ago(hours).isoformat(), to_us(_ago(hours))
    customer = draw(st.sampled_from(PEOPLE))
    later = to_us(_ago(draw(st.integers(0, hours))))
    changes: dict[str, object] = draw(
        st.sampled_from([
            {}, {"cancelled_at": later}, {"refunds": [(_ago(hours // 2).isoformat(), "42.00")]},
            {"refunds": [(_ago(hours // 2).isoformat(), "2.00")]}, {"customer_id": draw(st.sampled_from(PEOPLE))},
        ])
    )  # fmt: skip
    first = an_order(number, customer, at, stated_at=told)
    if not changes:
        return [first]
    again = an_order(number, customer, at, **{"stated_at": to_us(NOW), **changes})
    return [first, again, *([Deletion(number)] if draw(st.booleans()) and draw(st.booleans()) else [])]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Delivery], list[list[Delivery]]]:
    """Every delivery in the order of the shop, and the same in another order, in batches."""
    people: list[Delivery] = [
        a_customer(number, _ago(draw(st.integers(1, SPAN * 24))).isoformat(), email_status="SUBSCRIBED")
        for number in PEOPLE
    ]
    orders = [draw(_statements(number)) for number in range(1, draw(st.integers(1, 7)) + 1)]
    told = [*people, *(each for statements in orders for each in statements)]
    told += draw(st.sampled_from([[], [], [Merge(1, 2)], [Merge(1, 2), Merge(3, 1)]]))
    mixed = draw(st.permutations(told))
    cuts = sorted(draw(st.sets(st.integers(1, len(mixed) - 1), max_size=4)))
    return told, [list(mixed[low:high]) for low, high in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


async def deliver(store: Store, shop: ShopContext, batch: Sequence[Delivery]) -> set[int]:
    """Everybody who may be concerned."""
    for each in batch:
        match each:
            case CustomerFact():
                await write_customers(store, shop.id, [each])
            case OrderFact():
                await write_orders(store, shop.id, [each])
            case Deletion():
                async with store.database.transaction() as session:
                    await delete_order(session, shop.id, each.order, at=to_us(NOW))
            case Merge():
                async with store.database.transaction() as session:
                    await merge_customers(session, shop.id, kept=each.kept, folded=each.folded, at=to_us(NOW))
    return set(PEOPLE)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=deliveries(), zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati"]))
async def test_permuted_deliveries_end_in_the_history_told_from_all_facts(
    store: Store, facts: tuple[list[Delivery], list[list[Delivery]]], zone: str
) -> None:
    told, batches = facts
    some, whole = (
        a_shop(next(_shops), timezone=zone, lapse_mode="FIXED", optional_stages="ON") for _ in ("bit by bit", "at once")
    )
    for number, batch in enumerate(batches):
        concerned = await deliver(store, some, batch)
        as_of = NOW - timedelta(days=len(batches) - 1 - number)
        await recompute_customers(store, some, concerned, as_of=as_of)
    await deliver(store, whole, told)
    await recompute_shop(store, whole, as_of=NOW)
    left, right = await dump(store, some.id, but=BUT), await dump(store, whole.id, but=BUT)
    for table in ("profiles", "placements", "stage_transitions"):
        assert left[table] == right[table], table
    await assert_invariants(store, now=lambda: NOW, shop=some)
