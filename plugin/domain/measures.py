"""Measures: what is true of many (customer, instant) pairs, from their orders (lifecycle.md, section 2).

An order counts at T if `processed_at <= T < voided_at`. A cancelled order did count until it was cancelled, so a
customer has one *timeline* of orders between each two voids, and everything about a pair is read at one position of
one timeline: prefix sums and one binary search, no loop over customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from plugin.domain.calendar import BEFORE_TIME, ShopCalendar
from plugin.domain.columns import Bools, Column, Floats, Ints, known
from plugin.domain.instants import FOREVER
from plugin.domain.lapse import DEFAULT_LADDER, Lapse
from plugin.domain.money import SCALE
from plugin.domain.ragged import first_after, offsets_of, ranges

_EXACT: Final = 2**53  # integers up to here are exact in a double, and so their quotient is correctly rounded
_BONDING: Final = 3  # purchase days, and
_SETTLED: Final = 7  # days since the latest: where `awareness-bonding` begins to speak of bonding
_GAPS_AT_ONCE: Final = 4_000_000  # bounds the memory of a median over every pair's own gaps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Orders:
    """Orders of customers 0..n-1, tests and deleted ones left out, sorted by (customer, processed_at, order id).

    `offsets` has n + 1 entries: where each customer's orders start. `voided_at` is FOREVER for an order never cancelled
    nor fully refunded. Money is in ten-thousandths. Refunds are sorted by `refund_order`, an index of an order.
    """

    offsets: Ints
    processed_at: Ints
    voided_at: Ints
    total: Ints
    items: Ints
    discounted: Bools
    refund_order: Ints
    refund_at: Ints
    refund_amount: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Timelines:
    """Orders (`index`) of each timeline in use, in order; pairs point into them."""

    index: Ints
    offsets: Ints
    of_pair: Ints
    next_void: Ints  # per pair


def measure(
    orders: Orders,
    customer: Ints,
    at: Ints,
    *,
    calendar: ShopCalendar,
    lapse: Lapse = DEFAULT_LADDER,
    wanted: frozenset[str] | None = None,
) -> dict[str, Column]:
    """The columns of `MEASURES` (those `wanted`, or all) for pairs of a customer's index and an instant."""
    history = _History(orders, customer, at, calendar, lapse)
    return {name: MEASURES[name](history) for name in MEASURES if wanted is None or name in wanted}


def gaps_at(orders: Orders, at: int, *, calendar: ShopCalendar) -> tuple[Ints, Ints, Ints]:
    """Every gap between two purchase days as of `at`: whose, the day that ended it, and its length in days."""
    everyone = np.arange(len(orders.offsets) - 1, dtype=np.int64)
    history = _History(orders, everyone, np.full(len(everyone), at, dtype=np.int64), calendar, DEFAULT_LADDER)
    index, owner = ranges(history.first_day_position + 1, history.gap_count)
    return owner, history.purchase_day[index], history.gaps[index]


class _History:
    """The pairs on their timelines; each property is computed once, when a measure asks for it."""

    def __init__(self, orders: Orders, customer: Ints, at: Ints, calendar: ShopCalendar, lapse: Lapse) -> None:
        self.orders, self.at, self.calendar, self.lapse = orders, at, calendar, lapse
        self.lines = _timelines(orders, customer, at)
        self.start = self.lines.offsets[self.lines.of_pair]
        self.end = self.lines.offsets[self.lines.of_pair + 1]
        self.stop = first_after(self.processed, self.start, self.end, at)  # the position: orders before it count
        self.count = self.stop - self.start
        self.none = self.count == 0

    @cached_property
    def processed(self) -> Ints:
        return self.orders.processed_at[self.lines.index]

    @cached_property
    def days(self) -> Ints:
        return self.calendar.day_of(self.orders.processed_at)[self.lines.index]

    @cached_property
    def last(self) -> Ints:
        return np.where(self.none, 0, self.stop - 1)

    @cached_property
    def first(self) -> Ints:
        return np.where(self.none, 0, self.start)

    def summed(self, per_order: Ints) -> Ints:
        sums = _sums(per_order[self.lines.index])
        return sums[self.stop] - sums[self.start]

    def of_order(self, per_line: Ints, position: Ints) -> Column:
        return _nullable(_take(per_line, position), self.none)

    # --- purchase days ---

    @cached_property
    def opens_day(self) -> Ints:
        """Positions of the first order of each purchase day."""
        new = np.ones(len(self.days), dtype=np.bool_)
        new[1:] = self.days[1:] != self.days[:-1]
        new[self.lines.offsets[:-1][np.diff(self.lines.offsets) > 0]] = True
        return np.flatnonzero(new)

    @cached_property
    def day_position(self) -> Ints:
        """Per pair: its last purchase day, as an index of `opens_day`."""
        return np.searchsorted(self.opens_day, self.last, side="right") - 1

    @cached_property
    def first_day_position(self) -> Ints:
        return np.searchsorted(self.opens_day, self.first, side="right") - 1

    @cached_property
    def gap_count(self) -> Ints:
        return np.where(self.none, 0, self.day_position - self.first_day_position)

    @cached_property
    def purchase_day(self) -> Ints:
        return self.days[self.opens_day]

    @cached_property
    def gaps(self) -> Ints:
        """Days since the purchase day before, per purchase day; 0 for the first of a timeline."""
        gaps = np.zeros(len(self.opens_day), dtype=np.int64)
        gaps[1:] = np.diff(self.purchase_day)
        gaps[self.days_into_timeline == 0] = 0
        return gaps

    @cached_property
    def days_into_timeline(self) -> Ints:
        """How many purchase days of the same timeline come before each purchase day."""
        numbers = np.arange(len(self.opens_day), dtype=np.int64)
        heads = np.isin(self.opens_day, self.lines.offsets)
        return numbers - np.maximum.accumulate(np.where(heads, numbers, 0))

    @cached_property
    def rungs(self) -> tuple[Ints, Ints, Ints]:
        span = _take(self.purchase_day, self.day_position) - _take(self.purchase_day, self.first_day_position)
        return self.lapse(self.gap_count, np.where(self.none, 0, span))

    @cached_property
    def lapse_before(self) -> Ints:
        """Per purchase day: `lapse_days` as they stood just before it."""
        numbers = np.arange(len(self.opens_day), dtype=np.int64)
        first = numbers - self.days_into_timeline
        before = np.maximum(numbers - 1, first)
        gaps_before = np.maximum(self.days_into_timeline - 1, 0)
        return self.lapse(gaps_before, self.purchase_day[before] - self.purchase_day[first])[0]

    @cached_property
    def return_position(self) -> Ints:
        """Per pair: the latest purchase day that ended a silence of `lapse_days` as they stood before it, or -1."""
        numbers = np.arange(len(self.opens_day), dtype=np.int64)
        ended = (self.days_into_timeline > 0) & (self.gaps >= self.lapse_before)
        latest = np.maximum.accumulate(np.where(ended, numbers, -1))
        position = _take(latest, self.day_position)
        return np.where(self.none | (position <= self.first_day_position), -1, position)

    @cached_property
    def lap_position(self) -> Ints:
        """Per purchase day: how many days so far found the customer bonding, and so began a new lap:
        three purchase days or more behind her, the latest neither just made nor lapsed."""
        bonding = (self.days_into_timeline >= _BONDING) & (self.gaps >= _SETTLED) & (self.gaps < self.lapse_before)
        return np.cumsum(bonding, dtype=np.int64)

    # --- refunds ---

    @cached_property
    def refunds(self) -> tuple[Ints, Ints, Ints]:
        """Instants (in order) and amounts of the refunds of each timeline, and where each timeline starts in them."""
        offsets = offsets_of(self.orders.refund_order, len(self.orders.processed_at))
        index = self.lines.index
        refund, position = ranges(offsets[index], offsets[index + 1] - offsets[index])
        timeline = np.repeat(np.arange(len(self.lines.offsets) - 1), np.diff(self.lines.offsets))[position]
        at = np.maximum(self.orders.refund_at[refund], self.processed[position])  # not before the order itself
        order = np.lexsort((at, timeline))
        return at[order], self.orders.refund_amount[refund][order], offsets_of(timeline, len(self.lines.offsets) - 1)

    @cached_property
    def refund_stop(self) -> Ints:
        at, _, offsets = self.refunds
        return first_after(at, offsets[self.lines.of_pair], offsets[self.lines.of_pair + 1], self.at)

    @cached_property
    def refunded(self) -> Ints:
        _, amount, offsets = self.refunds
        sums = _sums(amount)
        return sums[self.refund_stop] - sums[offsets[self.lines.of_pair]]

    @cached_property
    def paid(self) -> Ints:
        return self.summed(self.orders.total)


def _timelines(orders: Orders, customer: Ints, at: Ints) -> _Timelines:
    lives = orders.voided_at > orders.processed_at  # cancelled before it counted: it never does
    owner = np.repeat(np.arange(len(orders.offsets) - 1, dtype=np.int64), np.diff(orders.offsets))
    voided = np.flatnonzero(lives & (orders.voided_at < FOREVER))
    voided = voided[np.lexsort((orders.voided_at[voided], owner[voided]))]
    void_at, void_offsets = orders.voided_at[voided], offsets_of(owner[voided], len(orders.offsets) - 1)

    passed = first_after(void_at, void_offsets[customer], void_offsets[customer + 1], at)  # a void at T has happened
    number = passed + customer  # timelines counted through: each customer has one more than voids
    used, of_pair = _renumber(number, len(void_at) + len(orders.offsets) - 1)
    of_customer = np.searchsorted(void_offsets[:-1] + np.arange(len(void_offsets) - 1), used, side="right") - 1
    passed_of = used - of_customer
    since = np.where(passed_of > void_offsets[of_customer], _take(void_at, passed_of - 1), BEFORE_TIME)

    index, line = ranges(orders.offsets[of_customer], orders.offsets[of_customer + 1] - orders.offsets[of_customer])
    keep = lives[index] & (orders.voided_at[index] > since[line])
    following = passed < void_offsets[customer + 1]
    next_void = np.where(following, _take(void_at, np.where(following, passed, 0)), FOREVER)
    return _Timelines(index[keep], offsets_of(line[keep], len(used)), of_pair, next_void)


def _renumber(numbers: Ints, total: int) -> tuple[Ints, Ints]:
    """The numbers in use, ascending, and each entry's place among them."""
    in_use = np.zeros(total, dtype=np.bool_)
    in_use[numbers] = True
    places = np.cumsum(in_use) - 1
    return np.flatnonzero(in_use), places[numbers]


def _sums(values: Ints) -> Ints:
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


def _take(values: Ints, positions: Ints) -> Ints:
    """`values[positions]`, or zeros where there is nothing to take from."""
    return values[np.clip(positions, 0, len(values) - 1)] if len(values) else np.zeros(len(positions), dtype=np.int64)


def _nullable(values: Ints | Floats, null: Bools) -> Column:
    return Column(np.where(null, np.zeros(1, dtype=values.dtype), values), null)


def _quotient(numerator: Ints, denominator: Ints, null: Bools) -> Column:
    """The double nearest to the exact quotient."""
    values: Floats = numerator / np.where(null, 1, denominator)
    for row in np.flatnonzero(~null & ((np.abs(numerator) > _EXACT) | (denominator > _EXACT))):
        values[row] = int(numerator[row]) / int(denominator[row])  # rare: sums beyond 9e11 currency units
    return _nullable(values, null)


def _next_fact_at(history: _History) -> Column:
    following = history.stop < history.end
    order = np.where(following, _take(history.processed, np.where(following, history.stop, 0)), FOREVER)
    at, _, offsets = history.refunds
    left = history.refund_stop < offsets[history.lines.of_pair + 1]
    refund = np.where(left, _take(at, np.where(left, history.refund_stop, 0)), FOREVER)
    return known(np.minimum(np.minimum(order, refund), history.lines.next_void))


def _gap_median(history: _History) -> Column:
    """Half a day is exact in a double. Pairs at the same purchase day share one median."""
    has = history.gap_count > 0
    spots, of_pair = np.unique(history.day_position[has], return_inverse=True)
    counts = history.days_into_timeline[spots]
    medians = np.empty(len(spots), dtype=np.float64)
    for part in _parts(counts):
        index, owner = ranges(spots[part] - counts[part] + 1, counts[part])
        gaps = history.gaps[index]
        ordered = gaps[np.lexsort((gaps, owner))]
        starts = np.cumsum(counts[part]) - counts[part]
        medians[part] = (ordered[starts + (counts[part] - 1) // 2] + ordered[starts + counts[part] // 2]) / 2
    values = np.zeros(len(has), dtype=np.float64)
    values[has] = medians[of_pair]
    return Column(values, ~has)


def _parts(counts: Ints) -> Iterator[slice]:
    """Stretches of about `_GAPS_AT_ONCE` gaps."""
    if not len(counts):
        return
    part = np.cumsum(counts) // _GAPS_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(counts)]
    yield from (slice(start, stop) for start, stop in pairwise(edges))


def _return(history: _History, per_day: Ints) -> Column:
    return _nullable(_take(per_day, history.return_position), history.return_position < 0)


def _unbroken(history: _History) -> Column:
    since = np.where(history.return_position < 0, history.first_day_position, history.return_position)
    return known(np.where(history.none, 0, history.day_position - since + 1))


def _laps(history: _History) -> Column:
    begun = _take(history.lap_position, history.day_position) - _take(history.lap_position, history.first_day_position)
    return known(np.where(history.none, 0, begun + 1))


def _refund_rate(history: _History) -> Column:
    return _quotient(np.minimum(history.refunded, history.paid), history.paid, history.paid <= 0)


MEASURES: Final[dict[str, Callable[[_History], Column]]] = {
    "orders": lambda h: known(h.count),
    "net_spend": lambda h: known(h.paid - h.refunded),
    "paid": lambda h: known(h.paid),
    "refunded": lambda h: known(h.refunded),
    "purchase_days": lambda h: known(np.where(h.none, 0, h.gap_count + 1)),
    "first_order_at": lambda h: h.of_order(h.processed, h.first),
    "first_order_day": lambda h: h.of_order(h.days, h.first),
    "last_order_at": lambda h: h.of_order(h.processed, h.last),
    "last_order_day": lambda h: h.of_order(h.days, h.last),
    "first_order_items": lambda h: h.of_order(h.orders.items[h.lines.index], h.first),
    "gap_median": _gap_median,
    "last_gap": lambda h: _nullable(_take(h.gaps, h.day_position), h.gap_count == 0),
    "return_order_at": lambda h: _return(h, h.processed[h.opens_day]),
    "return_order_day": lambda h: _return(h, h.purchase_day),
    "unbroken_days": _unbroken,
    "laps": _laps,
    "lapse_1": lambda h: _nullable(h.rungs[0], h.none),
    "lapse_2": lambda h: _nullable(h.rungs[1], h.none),
    "lapse_3": lambda h: _nullable(h.rungs[2], h.none),
    "average_order_value": lambda h: _quotient(h.paid - h.refunded, h.count * SCALE, h.none),
    "refund_rate": _refund_rate,
    "discount_share": lambda h: _quotient(h.summed(h.orders.discounted.astype(np.int64)), h.count, h.none),
    "next_fact_at": _next_fact_at,  # the earliest fact dated after T that is known already; FOREVER if none
}
