"""What a comparison asks, as a stretch of values: the form in which both evaluators and the flip times read it.

`>= 2` is [2, ∞), `BETWEEN a AND b` is [a, b], `!=` lies outside. A date is a stretch of days or of instants, whose
ends may move with `today`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Final

from plugin.domain.calendar import SECOND, ShopCalendar, epoch_day, step_day
from plugin.domain.rules.attributes import Attribute, AttributeType, Parameter, Storage
from plugin.domain.rules.syntax import (
    Between,
    BooleanValue,
    Comparison,
    DateTimeValue,
    DateValue,
    In,
    NumberValue,
    OffsetValue,
    Operand,
    Operator,
    TextValue,
    Unit,
)
from plugin.domain.text import fold

SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Numbers:
    """Integers from `low` to `high`, both in (none when low > high); with `outside`, all others."""

    low: int
    high: int
    outside: bool = False


@dataclass(frozen=True, slots=True)
class DayEdge:
    """A day: fixed, or a step of calendar units from `today`; then `plus` days."""

    day: int = 0
    step: tuple[Unit, int] | None = None
    plus: int = 0

    def on(self, today: int) -> int:
        return (self.day if self.step is None else step_day(today, *self.step)) + self.plus


@dataclass(frozen=True, slots=True)
class InstantEdge:
    instant: int


@dataclass(frozen=True, slots=True)
class Dates:
    """From `low` to `high`, both in; None is open. A day edge is held to the day, an instant edge to the instant."""

    low: DayEdge | InstantEdge | None
    high: DayEdge | InstantEdge | None
    outside: bool = False


def number_window(condition: Comparison | Between, scale: int = 1) -> Numbers:
    """On 64-bit integers that hold a number times `scale`."""
    if isinstance(condition, Between):
        return _numbers(_number(condition.low) * scale, _number(condition.high) * scale)
    number = _number(condition.value) * scale
    match condition.operator:
        case Operator.EQ:
            return _numbers(number, number)
        case Operator.NE:
            same = _numbers(number, number)
            return Numbers(same.low, same.high, outside=True)
        case Operator.GT:
            return _numbers(Fraction(floor(number) + 1), None)
        case Operator.GE:
            return _numbers(number, None)
        case Operator.LT:
            return _numbers(None, Fraction(ceil(number) - 1))
        case Operator.LE:
            return _numbers(None, number)


def _numbers(low: Fraction | None, high: Fraction | None) -> Numbers:
    """Within 64 bits: whatever lies beyond cannot be held, so it matches nothing."""
    bottom = SMALLEST if low is None else ceil(low)
    top = LARGEST if high is None else floor(high)
    if bottom > LARGEST or top < SMALLEST:
        return Numbers(1, 0)
    return Numbers(max(bottom, SMALLEST), min(top, LARGEST))


def _number(value: Operand) -> Fraction:
    match value:
        case NumberValue(number):
            return Fraction(number)
        case BooleanValue(flag):  # held as 0 or 1
            return Fraction(int(flag))
        case TextValue(text):  # an ID may be written as a quoted string of digits (chapter 2)
            return Fraction(text)
        case _:
            raise TypeError(f"{value} is not a number: the check lets only numbers through here")


def number_list(condition: In, scale: int = 1) -> tuple[int, ...]:
    """The listed numbers that 64 bits can hold, ascending."""
    windows = (_numbers(number, number) for number in (_number(value) * scale for value in condition.values))
    return tuple(sorted({window.low for window in windows if window.low <= window.high}))


def date_window(condition: Comparison | Between, calendar: ShopCalendar) -> Dates:
    """Dates are whole days of the shop's zone, date-times are that second (4.2)."""
    if isinstance(condition, Between):
        return Dates(_edges(condition.low, calendar)[0], _edges(condition.high, calendar)[1])
    first, last = _edges(condition.value, calendar)
    match condition.operator:
        case Operator.EQ:
            return Dates(first, last)
        case Operator.NE:
            return Dates(first, last, outside=True)
        case Operator.GT:
            return Dates(_next(last, 1), None)
        case Operator.GE:
            return Dates(first, None)
        case Operator.LT:
            return Dates(None, _next(first, -1))
        case Operator.LE:
            return Dates(None, last)


def _edges(value: Operand, calendar: ShopCalendar) -> tuple[DayEdge | InstantEdge, DayEdge | InstantEdge]:
    """The first and last moment of a date value."""
    match value:
        case DateValue(day):
            return DayEdge(epoch_day(day)), DayEdge(epoch_day(day))
        case OffsetValue(count, unit):
            return DayEdge(step=(unit, count)), DayEdge(step=(unit, count))
        case DateTimeValue(local):
            start = calendar.local_to_instant(local)
            return InstantEdge(start), InstantEdge(start + SECOND - 1)
        case TextValue(text):  # a quoted date is let through with a warning (chapter 2)
            quoted = DayEdge(epoch_day(date.fromisoformat(text)))
            return quoted, quoted
        case _:
            raise TypeError(f"{value} is not a date: the check lets only dates through here")


def _next(edge: DayEdge | InstantEdge, step: int) -> DayEdge | InstantEdge:
    if isinstance(edge, InstantEdge):
        return InstantEdge(edge.instant + step)
    return DayEdge(edge.day, edge.step, edge.plus + step)


def wanted_text(of: Attribute | Parameter, value: Operand) -> str:
    """A text as it is compared: tags folded, e-mail domains in lower case, everything else exact (4.3)."""
    text = value.text if isinstance(value, TextValue) else value.written if isinstance(value, NumberValue) else ""
    if of.type is AttributeType.TEXT_LIST:
        return fold(text)
    return text.lower() if of.name == "customer_email_domain" else text


def scale_of(attribute: Attribute) -> int:
    return 10_000 if attribute.storage is Storage.MONEY else 1
