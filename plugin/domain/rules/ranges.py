"""Conditions that are legal but cannot tell customers apart, or ask for more history than there is: warnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from plugin.domain.rules.attributes import AttributeType
from plugin.domain.rules.errors import Kind, Report
from plugin.domain.rules.syntax import (
    DateTimeValue,
    DateValue,
    NumberValue,
    OffsetValue,
    Operand,
    Span,
    Unit,
)
from plugin.domain.rules.types import Slot

# Days in a unit, least and most: enough to tell which of two offsets is earlier unless they nearly meet.
_DAYS: Final = {Unit.DAY: (1, 1), Unit.WEEK: (7, 7), Unit.MONTH: (28, 31), Unit.YEAR: (365, 366)}


def warn_of_ranges(slot: Slot, operator: str, values: Sequence[Operand], span: Span, report: Report) -> None:
    if operator == "BETWEEN" and not slot.is_anniversary and _is_later(values[0], values[1]):
        report.warning(Kind.EMPTY_RANGE, span, f"{slot.name}: the first bound lies behind the second: nobody matches.")
        return
    outcome = _foregone(slot, operator, values)
    if outcome is None:
        return
    who = "nobody matches" if outcome is Kind.ALWAYS_FALSE else "everybody with a value matches"
    is_ratio = slot.type is AttributeType.RATIO
    hint = "A share is written as a decimal: 50 % is 0.5." if is_ratio else None
    report.warning(outcome, span, f"{slot.name} {_bounds_text(slot)}: {who}.", hint=hint)


def _bounds_text(slot: Slot) -> str:
    return f"is never below {slot.least}" if slot.most is None else f"lies between {slot.least} and {slot.most}"


def _foregone(slot: Slot, operator: str, values: Sequence[Operand]) -> Kind | None:
    numbers = [value.number for value in values if isinstance(value, NumberValue)]
    if slot.least is None or not numbers or len(numbers) < len(values):
        return None
    least = Decimal(slot.least)
    most = Decimal("Infinity") if slot.most is None else Decimal(slot.most)
    if operator == "BETWEEN":
        low, high = numbers
        return _verdict(never=high < least or low > most, always=low <= least and high >= most)
    if operator in {"IN", "NOT IN"}:
        outside = all(number < least or number > most for number in numbers)
        return _verdict(never=outside and operator == "IN", always=outside and operator == "NOT IN")
    number = numbers[0]
    outside = number < least or number > most
    match operator:
        case "=":
            return _verdict(never=outside, always=False)
        case "!=":
            return _verdict(never=False, always=outside)
        case ">":
            return _verdict(never=number >= most, always=number < least)
        case ">=":
            return _verdict(never=number > most, always=number <= least)
        case "<":
            return _verdict(never=number <= least, always=number > most)
        case _:
            return _verdict(never=number < least, always=number >= most)


def _verdict(*, never: bool, always: bool) -> Kind | None:
    return Kind.ALWAYS_FALSE if never else Kind.ALWAYS_TRUE if always else None


def _is_later(low: Operand, high: Operand) -> bool:
    match low, high:
        case NumberValue(number=a), NumberValue(number=b):
            return a > b
        case OffsetValue() as a, OffsetValue() as b:
            if a.unit is b.unit:
                return a.count > b.count
            return min(_day_range(a)) > max(_day_range(b))
        case ((DateValue() | DateTimeValue() as a), (DateValue() | DateTimeValue() as b)):
            return _first_moment(a) > _last_moment(b)
        case _:
            return False


def _day_range(offset: OffsetValue) -> tuple[int, int]:
    """The days from today, at least and at most."""
    shortest, longest = _DAYS[offset.unit]
    return offset.count * shortest, offset.count * longest


def _first_moment(value: DateValue | DateTimeValue) -> datetime:
    return value.local if isinstance(value, DateTimeValue) else datetime.combine(value.day, datetime.min.time())


def _last_moment(value: DateValue | DateTimeValue) -> datetime:
    return value.local if isinstance(value, DateTimeValue) else datetime.combine(value.day, datetime.max.time())


def warn_of_history(operator: str, values: Sequence[Operand], history_days: int | None, report: Report) -> None:
    """When a date condition reaches back before the data begin."""
    first = values[0] if values else None
    if history_days is None or operator not in {">", ">=", "=", "BETWEEN"} or not isinstance(first, OffsetValue):
        return
    if -max(_day_range(first)) > history_days:
        says = f"the shop's data go back {history_days} days only, so older events are not counted."
        report.warning(Kind.DATA_TOO_SHORT, first.span, says)
