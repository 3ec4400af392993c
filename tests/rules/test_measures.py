"""Measures against hand-worked tables and against a plain loop over one customer's orders."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, Ints
from plugin.domain.instants import FOREVER
from plugin.domain.lapse import DEFAULT_LADDER, FixedLadder
from plugin.domain.measures import MEASURES, Orders, measure

DAY = 86_400_000_000
ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")


@dataclass(frozen=True)
class AnOrder:
    at: int
    total: int = 100_000
    voided: int = FOREVER
    items: int = 1
    discounted: bool = False
    refunds: tuple[tuple[int, int], ...] = field(default=())


def as_arrays(customers: list[list[AnOrder]]) -> Orders:
    sorted_customers = [sorted(orders, key=lambda order: order.at) for orders in customers]
    flat = [order for orders in sorted_customers for order in orders]
    refunds = [(i, at, amount) for i, order in enumerate(flat) for at, amount in order.refunds]

    def ints(values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    return Orders(
        offsets=ints([0, *np.cumsum([len(orders) for orders in customers])]),
        processed_at=ints([order.at for order in flat]),
        voided_at=ints([order.voided for order in flat]),
        total=ints([order.total for order in flat]),
        items=ints([order.items for order in flat]),
        discounted=np.array([order.discounted for order in flat], dtype=np.bool_),
        refund_order=ints([i for i, _, _ in refunds]),
        refund_at=ints([at for _, at, _ in refunds]),
        refund_amount=ints([amount for _, _, amount in refunds]),
    )


def value(column: Column, row: int) -> object:
    return None if column.null[row] else column.values[row].item()


def one(orders: list[AnOrder], at: int, zone: str = "UTC", ladder: FixedLadder = DEFAULT_LADDER) -> dict[str, object]:
    customer, instant = np.zeros(1, dtype=np.int64), np.array([at], dtype=np.int64)
    columns = measure(as_arrays([orders]), customer, instant, calendar=ShopCalendar(zone), lapse=ladder)
    return {name: value(column, 0) for name, column in columns.items()}


def plainly(orders: list[AnOrder], at: int, calendar: ShopCalendar, ladder: FixedLadder) -> dict[str, object]:
    """The same in a plain loop, as lifecycle.md section 2 and segment-language.md chapter 10 say it."""
    orders = sorted(orders, key=lambda order: order.at)
    counted = [order for order in orders if order.at <= at < order.voided]
    days = sorted({calendar.today(order.at) for order in counted})
    gaps = [later - earlier for earlier, later in pairwise(days)]
    paid = sum(order.total for order in counted)
    refunded = sum(amount for order in counted for when, amount in order.refunds if when <= at)
    returns = [day for day, gap in zip(days[1:], gaps, strict=True) if gap >= ladder.first]
    firsts = {day: min(order.at for order in counted if calendar.today(order.at) == day) for day in days}
    nothing = not counted
    return {
        "orders": len(counted),
        "net_spend": paid - refunded,
        "paid": paid,
        "refunded": refunded,
        "purchase_days": len(days),
        "first_order_at": None if nothing else counted[0].at,
        "first_order_day": None if nothing else days[0],
        "last_order_at": None if nothing else counted[-1].at,
        "last_order_day": None if nothing else days[-1],
        "first_order_items": None if nothing else counted[0].items,
        "gap_median": float(median(gaps)) if gaps else None,
        "last_gap": gaps[-1] if gaps else None,
        "return_order_at": firsts[returns[-1]] if returns else None,
        "return_order_day": returns[-1] if returns else None,
        "unbroken_days": sum(day >= (returns or days)[-1 if returns else 0] for day in days),
        "laps": bool(days) + sum(place >= 3 and 7 <= gap < ladder.first for place, gap in enumerate(gaps, 1)),
        "lapse_1": None if nothing else ladder.first,
        "lapse_2": None if nothing else ladder.second,
        "lapse_3": None if nothing else ladder.third,
        "average_order_value": None if nothing else float(Fraction(paid - refunded, 10_000 * len(counted))),
        "refund_rate": float(Fraction(min(refunded, paid), paid)) if paid > 0 else None,
        "discount_share": None if nothing else sum(order.discounted for order in counted) / len(counted),
    }


def test_a_customer_without_orders_has_zeros_and_nothing_else() -> None:
    measures = one([], 10 * DAY)
    assert {name: found for name, found in measures.items() if found is not None} == {
        "orders": 0, "net_spend": 0, "paid": 0, "refunded": 0, "purchase_days": 0, "next_fact_at": FOREVER,
        "unbroken_days": 0, "laps": 0,
    }  # fmt: skip


def test_three_orders_on_two_days_are_one_gap_and_exact_money() -> None:
    orders = [
        AnOrder(10 * DAY, total=247_000, items=3, discounted=True, refunds=((12 * DAY, 47_000),)),
        AnOrder(10 * DAY + 5, total=100_000, items=9),
        AnOrder(40 * DAY, total=70_500, items=2),
    ]
    measures = one(orders, 50 * DAY)
    assert measures["orders"] == 3
    assert measures["net_spend"] == 370_500
    assert (measures["paid"], measures["refunded"]) == (417_500, 47_000)
    assert measures["purchase_days"] == 2
    assert (measures["first_order_day"], measures["last_order_day"]) == (10, 40)
    assert (measures["last_gap"], measures["gap_median"]) == (30, 30.0)
    assert measures["first_order_items"] == 3
    assert measures["average_order_value"] == 12.35
    assert measures["discount_share"] == 1 / 3
    assert measures["refund_rate"] == 47_000 / 417_500
    assert measures["return_order_at"] is None


def test_a_refund_counts_from_its_own_instant() -> None:
    orders = [AnOrder(DAY, total=50, refunds=((9 * DAY, 20),))]
    assert (one(orders, 9 * DAY - 1)["net_spend"], one(orders, 9 * DAY)["net_spend"]) == (50, 30)


def test_a_cancelled_order_did_count_until_it_was_cancelled() -> None:
    orders = [AnOrder(DAY), AnOrder(5 * DAY, voided=7 * DAY)]
    before, after = one(orders, 7 * DAY - 1), one(orders, 7 * DAY)
    assert (before["orders"], before["last_order_day"], before["last_gap"]) == (2, 5, 4)
    assert (after["orders"], after["last_order_day"], after["last_gap"]) == (1, 1, None)


def test_the_gap_closes_over_a_cancelled_order_and_becomes_a_return() -> None:
    orders = [AnOrder(0), AnOrder(60 * DAY, voided=130 * DAY), AnOrder(120 * DAY)]
    assert one(orders, 129 * DAY)["return_order_day"] is None
    assert one(orders, 130 * DAY)["return_order_day"] == 120
    assert one(orders, 130 * DAY)["return_order_at"] == 120 * DAY


def test_a_silence_of_exactly_the_lapse_ends_in_a_return_and_a_day_less_does_not() -> None:
    assert one([AnOrder(0), AnOrder(90 * DAY)], 91 * DAY)["return_order_day"] == 90
    assert one([AnOrder(0), AnOrder(89 * DAY)], 91 * DAY)["return_order_day"] is None


def test_only_the_latest_return_counts_and_a_later_order_keeps_it() -> None:
    orders = [AnOrder(0), AnOrder(100 * DAY), AnOrder(300 * DAY), AnOrder(301 * DAY)]
    assert [one(orders, at * DAY)["return_order_day"] for at in (99, 100, 299, 300, 302)] == [None, 100, 100, 300, 300]


def test_an_order_near_midnight_belongs_to_the_shops_day() -> None:
    late = 20_000 * DAY - 1  # one microsecond before midnight UTC
    assert one([AnOrder(late)], late, "UTC")["last_order_day"] == 19_999
    assert one([AnOrder(late)], late, "Asia/Kathmandu")["last_order_day"] == 20_000
    assert one([AnOrder(late)], late, "America/New_York")["last_order_day"] == 19_999


def test_the_next_known_fact_is_an_order_a_refund_or_a_void_still_to_come() -> None:
    orders = [AnOrder(DAY, refunds=((4 * DAY, 1),), voided=6 * DAY), AnOrder(3 * DAY)]
    assert [one(orders, at * DAY)["next_fact_at"] for at in range(8)] == [
        DAY, 3 * DAY, 3 * DAY, 4 * DAY, 6 * DAY, 6 * DAY, FOREVER, FOREVER,
    ]  # fmt: skip


def test_an_average_of_amounts_beyond_doubles_is_still_the_nearest_double() -> None:
    total = 2**60 + 1
    orders = [AnOrder(1, total=total), AnOrder(2, total=0), AnOrder(3, total=0)]
    assert one(orders, 9)["average_order_value"] == total / 30_000


def test_a_ladder_rises_from_at_least_one_day() -> None:
    assert FixedLadder(30, 60, 90).rungs == (30, 60, 90)
    for rungs in ((0, 1, 2), (90, 80, 360), (90, 180, 170)):
        with pytest.raises(ValueError, match="must rise"):
            FixedLadder(*rungs)


def test_lapse_days_may_differ_by_customer_and_decide_what_a_return_is() -> None:
    def own_rhythm(gaps: Ints, span_days: Ints) -> tuple[Ints, Ints, Ints]:
        """Ten days for who has no gap yet, else three times the mean gap."""
        days = np.where(gaps == 0, 10, 3 * span_days // np.maximum(gaps, 1))
        return days, 2 * days, 3 * days

    orders = as_arrays([[AnOrder(0), AnOrder(20 * DAY), AnOrder(60 * DAY), AnOrder(160 * DAY)], [AnOrder(0)]])
    customer, at = np.array([0, 0, 0, 1]), np.array([20, 60, 160, 160]) * DAY
    columns = measure(orders, customer, at, calendar=ShopCalendar("UTC"), lapse=own_rhythm)
    assert columns["lapse_1"].values.tolist() == [60, 90, 160, 10]
    # 20 days end ten of silence; 40 fall short of the 60 that held then; 100 reach the 90 that held then.
    assert columns["return_order_day"].values.tolist() == [20, 20, 160, 0]
    assert columns["return_order_day"].null.tolist() == [False, False, False, True]


def test_only_the_wanted_measures_are_given() -> None:
    orders, zeros = as_arrays([[AnOrder(1)]]), np.zeros(1, dtype=np.int64)
    wanted = frozenset({"orders", "last_order_day"})
    assert set(measure(orders, zeros, zeros, calendar=ShopCalendar("UTC"), wanted=wanted)) == wanted


INSTANTS = st.integers(0, 400).map(lambda step: 19_700 * DAY + step * DAY // 4)


@st.composite
def an_order(draw: st.DrawFn) -> AnOrder:
    at = draw(INSTANTS)
    return AnOrder(
        at,
        total=draw(st.integers(0, 10**6)),
        voided=draw(st.one_of(st.just(FOREVER), INSTANTS)),
        items=draw(st.integers(1, 9)),
        discounted=draw(st.booleans()),
        refunds=tuple(draw(st.lists(st.tuples(INSTANTS, st.integers(0, 1000)), max_size=2))),
    )


@settings(max_examples=150, deadline=None)
@given(
    customers=st.lists(st.lists(an_order(), max_size=8), min_size=1, max_size=4),
    pairs=st.lists(st.tuples(st.integers(0, 3), INSTANTS), max_size=12),
    zone=st.sampled_from(ZONES),
    rung=st.integers(1, 40),
)
@example(customers=[[], [AnOrder(19_700 * DAY, voided=19_700 * DAY)]], pairs=[(1, 19_700 * DAY)], zone="UTC", rung=1)
def test_measures_equal_a_plain_loop(
    customers: list[list[AnOrder]], pairs: list[tuple[int, int]], zone: str, rung: int
) -> None:
    pairs = [(customer % len(customers), at) for customer, at in pairs]
    calendar, ladder = ShopCalendar(zone), FixedLadder(rung, rung + 1, rung + 2)
    customer = np.array([customer for customer, _ in pairs], dtype=np.int64)
    at = np.array([at for _, at in pairs], dtype=np.int64)
    columns = measure(as_arrays(customers), customer, at, calendar=calendar, lapse=ladder)
    for row, (who, when) in enumerate(pairs):
        found = {name: value(column, row) for name, column in columns.items()}
        until = found.pop("next_fact_at")
        assert found == plainly(customers[who], when, calendar, ladder)
        assert when < until
        if until < FOREVER:  # nothing moves before it
            just_before = plainly(customers[who], until - 1, calendar, ladder)
            assert found == just_before
    assert set(columns) == set(MEASURES)
