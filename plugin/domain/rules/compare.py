"""Comparisons over arrays, and when the clock flips them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.calendar import offset_days
from plugin.domain.columns import Bools, Column, Floats, Ints
from plugin.domain.rules.syntax import Affix, Operator, Unit
from plugin.domain.rules.windows import LARGEST, SMALLEST, Dates, DayEdge, InstantEdge, Numbers
from plugin.domain.text import SEPARATOR, storable

NEVER: Final = 10**9  # a day that does not come; the calendar ends long before
_FAR: Final = 10**7  # days: further than the calendar reaches
_DAYS: Final = len(offset_days(Unit.DAY, 0))

OPERATORS: Final[dict[Operator, Callable[[Any, Any], Any]]] = {
    Operator.EQ: operator.eq, Operator.NE: operator.ne, Operator.GT: operator.gt,
    Operator.GE: operator.ge, Operator.LT: operator.lt, Operator.LE: operator.le,
}  # fmt: skip


def within(values: Ints, window: Numbers) -> Bools:
    inside = np.full(len(values), window.low <= window.high)
    if window.low > SMALLEST:
        inside &= values >= window.low
    if window.high < LARGEST:
        inside &= values <= window.high
    return ~inside if window.outside else inside


def age_flips(since: Ints, today: Ints, window: Numbers) -> Ints:
    """The first day after `today` on which the age enters or leaves the window."""
    if window.low > window.high:
        return np.full(len(since), NEVER, dtype=np.int64)
    entered = since + min(max(window.low, -_FAR), _FAR)
    left = since + min(max(window.high, -_FAR), _FAR) + 1
    return earliest(today, entered, left)


def age_list_flips(since: Ints, today: Ints, numbers: tuple[int, ...]) -> Ints:
    """The same for a list of ages: each is entered on its day and left on the next, unless that is listed, too."""
    listed = {number for number in numbers if abs(number) < _FAR}
    edges = np.array(sorted({_FAR} | listed ^ {number + 1 for number in listed}))
    days: Ints = since + edges[np.minimum(np.searchsorted(edges, today - since, side="right"), len(edges) - 1)]
    return days


def dates_within(days: Ints, instants: Ints, today: Ints, window: Dates) -> Bools:
    inside = np.ones(len(days), dtype=np.bool_)
    if window.low is not None:
        inside &= _after(days, instants, today, window.low)
    if window.high is not None:
        inside &= _before(days, instants, today, window.high)
    return ~inside if window.outside else inside


def _after(days: Ints, instants: Ints, today: Ints, edge: DayEdge | InstantEdge) -> Bools:
    return instants >= edge.instant if isinstance(edge, InstantEdge) else days >= _day_of(edge, today)


def _before(days: Ints, instants: Ints, today: Ints, edge: DayEdge | InstantEdge) -> Bools:
    return instants <= edge.instant if isinstance(edge, InstantEdge) else days <= _day_of(edge, today)


def _day_of(edge: DayEdge, today: Ints) -> Ints | int:
    if edge.step is None:
        return edge.day + edge.plus
    days: Ints = offset_days(*edge.step)[np.clip(today, 0, _DAYS - 1)] + edge.plus
    return days


def date_flips(days: Ints, instants: Ints, today: Ints, window: Dates) -> Ints | None:
    """The first day after `today` on which a date enters or leaves a window whose ends move with `today`.

    As the window moves on, a date is inside from the day its high end reaches it until its low end passes it: never,
    where that is no day at all. None: the window stands still.
    """
    if not (_moves(window.low) or _moves(window.high)):
        return None
    entered, left = np.full(len(days), -NEVER, dtype=np.int64), np.full(len(days), NEVER, dtype=np.int64)
    if isinstance(window.high, DayEdge) and window.high.step is not None:
        entered = np.searchsorted(offset_days(*window.high.step), days - window.high.plus, side="left")
    elif window.high is not None:
        entered = np.where(_before(days, instants, today, window.high), -NEVER, NEVER)
    if isinstance(window.low, DayEdge) and window.low.step is not None:
        left = np.searchsorted(offset_days(*window.low.step), days - window.low.plus, side="right")
    elif window.low is not None:
        left = np.where(_after(days, instants, today, window.low), NEVER, -NEVER)
    return np.where(entered < left, earliest(today, entered, left), NEVER)


def _moves(edge: DayEdge | InstantEdge | None) -> bool:
    return isinstance(edge, DayEdge) and edge.step is not None


def earliest(today: Ints, *candidates: Ints) -> Ints:
    days = np.full(len(today), NEVER, dtype=np.int64)
    for candidate in candidates:
        np.minimum(days, candidate, out=days, where=candidate > today)
    return days


# --- numbers of different attributes (4.8) ---


def reaching(limits: Floats, compared: Operator) -> list[Ints]:
    """The whole numbers from which on a growing number compares otherwise with its limit."""
    limits = np.clip(limits, -_FAR, _FAR)
    above, at_least = (np.floor(limits) + 1).astype(np.int64), np.ceil(limits).astype(np.int64)
    match compared:
        case Operator.GT | Operator.LE:
            return [above]
        case Operator.GE | Operator.LT:
            return [at_least]
        case _:  # equal only at a whole limit
            return _unless_same(at_least, above)


def flip_by_search(holds_on: Callable[[Ints, Operator], Bools], today: Ints, compared: Operator) -> Ints:
    """The first day after `today` on which a comparison that flips at most once answers otherwise, by halving."""
    if compared not in (Operator.EQ, Operator.NE):
        return earliest(today, _first_change(holds_on, today, compared))
    changes = (_first_change(holds_on, today, part) for part in (Operator.GE, Operator.GT))
    return earliest(today, *_unless_same(*changes))


def _unless_same(reached: Ints, passed: Ints) -> list[Ints]:
    """Reached and passed at once: never equal, so nothing flips."""
    jumped = reached == passed
    return [np.where(jumped, NEVER, reached), np.where(jumped, NEVER, passed)]


def _first_change(holds_on: Callable[[Ints, Operator], Bools], today: Ints, compared: Operator) -> Ints:
    now = holds_on(today, compared)
    low, high = today.copy(), np.full(len(today), _DAYS, dtype=np.int64)  # answer as now on `low`, otherwise on `high`
    changes = (holds_on(high, compared) != now) & (high > low)
    while (high - low).max(initial=0) > 1:
        middle = (low + high) >> 1
        same = holds_on(middle, compared) == now
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(changes, high, NEVER)


# --- texts ---


def equals(column: Column, text: str) -> Bools:
    """As the databases hold texts: what they cannot store, nothing equals."""
    if not storable(text):
        return np.zeros(len(column.null), dtype=np.bool_)
    return _bools(column.values == text)


def is_among(column: Column, texts: tuple[str, ...]) -> Bools:
    wanted = frozenset(filter(storable, texts))
    found = (value in wanted for value in column.values.tolist())
    return np.fromiter(found, dtype=np.bool_, count=len(column.null))


def contains(column: Column, element: str) -> Bools:
    return _has_part(column, element, f"{SEPARATOR}{element}{SEPARATOR}")


def has_affix(column: Column, affix: Affix, text: str, *, in_list: bool) -> Bools:
    if in_list:
        return _has_part(column, text, SEPARATOR + text if affix is Affix.STARTS else text + SEPARATOR)
    if not storable(text):
        return np.zeros(len(column.null), dtype=np.bool_)
    wanted = np.array(text, dtype=column.values.dtype)
    if affix is Affix.STARTS:
        return _bools(np.strings.startswith(column.values, wanted))
    return _bools(np.strings.endswith(column.values, wanted))


def _has_part(column: Column, element: str, part: str) -> Bools:
    if SEPARATOR in element or not storable(element):  # no element can hold it
        return np.zeros(len(column.null), dtype=np.bool_)
    return _bools(np.strings.find(column.values, np.array(part, dtype=column.values.dtype)) >= 0)


def _bools(values: NDArray[Any]) -> Bools:
    return np.asarray(values, dtype=np.bool_)
