"""Fits a value as written to the type that its attribute needs, or reports why it does not fit."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from plugin.domain.rules.attributes import NUMERIC, AttributeType
from plugin.domain.rules.errors import Kind, Report, quoted
from plugin.domain.rules.lexer import calendar_day, looks_like_date
from plugin.domain.rules.raw import Bracketed, NoSuchDay, RawValue, Reference
from plugin.domain.rules.suggest import nearest, value_suggestions
from plugin.domain.rules.syntax import (
    BooleanValue,
    DateTimeValue,
    DateValue,
    NumberValue,
    OffsetValue,
    PointValue,
    Scalar,
    Span,
    TextValue,
)
from plugin.domain.rules.types import Slot

_LEAST_INTEGER: Final = Decimal(-(2**63))
_MOST_INTEGER: Final = Decimal(2**63 - 1)
_MOST_ID: Final = Decimal(2**64 - 1)
_MOST_LATITUDE: Final = Decimal(90)
_MOST_LONGITUDE: Final = Decimal(180)
_DIGITS: Final = re.compile(r"[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_POINT: Final = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*,\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*", re.ASCII)
_TEXTS: Final = frozenset({AttributeType.STRING, AttributeType.ENUM, AttributeType.TEXT_LIST, AttributeType.CODE_LIST})


def fit(value: RawValue, slot: Slot, report: Report) -> Scalar | PointValue | None:
    """None when an error was reported."""
    if slot.name == "coordinates" and slot.is_parameter:
        return _fit_point(value, slot, report)
    fitted = None if isinstance(value, Bracketed | Reference) else _converted(value, slot)
    if fitted is None:
        mismatch(value, slot, report)
        return None
    if isinstance(fitted, NoSuchDay):
        written = _written(value.span, report)
        report.error(Kind.INVALID_DATE, value.span, f"{written} is no day of the calendar.", expected=("date",))
        return None
    if isinstance(fitted, DateValue) and isinstance(value, TextValue):
        says = "dates are written without quotes."
        report.warning(Kind.QUOTED_DATE, value.span, says, suggestions=(value.text,))
    if isinstance(fitted, TextValue) and slot.values and fitted.text not in slot.values:
        _tell_unknown_value(fitted, slot, report)
        return None
    return fitted


def _converted(value: Scalar | NoSuchDay, slot: Slot) -> Scalar | NoSuchDay | None:
    """None when the value is of another type."""
    if slot.type is None or isinstance(value, NoSuchDay):
        return value
    match slot.type:
        case AttributeType.DATE:
            return _as_date(value)
        case AttributeType.BOOLEAN:
            return value if isinstance(value, BooleanValue) else None
        case AttributeType.ID:
            return _as_id(value)
        case AttributeType.INTEGER:
            return value if _is_integer(value) else None
        case kind if kind in NUMERIC:
            return value if isinstance(value, NumberValue) else None
        case _:
            return value if isinstance(value, TextValue) else None


def _as_date(value: Scalar) -> Scalar | NoSuchDay | None:
    if isinstance(value, DateValue | DateTimeValue | OffsetValue):
        return value
    if not isinstance(value, TextValue) or not looks_like_date(value.text):
        return None
    day = calendar_day(value.text)
    return NoSuchDay(value.span) if day is None else DateValue(day, value.span)


def _is_integer(value: Scalar) -> bool:
    """Shopify: a value with a decimal point is not valid, not even 2.0."""
    return (
        isinstance(value, NumberValue) and "." not in value.written and _LEAST_INTEGER <= value.number <= _MOST_INTEGER
    )


def _as_id(value: Scalar) -> Scalar | None:
    digits = value.text if isinstance(value, TextValue) else value.written if isinstance(value, NumberValue) else ""
    if not _DIGITS.fullmatch(digits) or Decimal(digits) > _MOST_ID:
        return None
    return NumberValue(Decimal(digits), digits, value.span)


def _tell_unknown_value(value: TextValue, slot: Slot, report: Report) -> None:
    report.error(
        Kind.UNKNOWN_VALUE,
        value.span,
        f"{slot.name} has no value {quoted(_written(value.span, report))}.",
        expected=tuple(f"'{known}'" for known in slot.values),
        suggestions=value_suggestions(value.text, slot.values),
    )


def _fit_point(value: RawValue, slot: Slot, report: Report) -> PointValue | None:
    numbers = _point_numbers(value)
    if numbers is None:
        says = f"{slot.name} needs a latitude and a longitude such as (45.4, -75.7)."
        report.error(Kind.TYPE_MISMATCH, value.span, says, expected=("coordinates",))
        return None
    for number, most, word in zip(numbers, (_MOST_LATITUDE, _MOST_LONGITUDE), ("latitude", "longitude"), strict=True):
        if not -most <= number.number <= most:
            says = f"a {word} lies between -{most} and {most}; {quoted(number.written)} does not."
            report.error(Kind.INVALID_LITERAL, number.span, says, expected=("number",))
            return None
    return PointValue(numbers[0].number, numbers[1].number, value.span)


def _point_numbers(value: RawValue) -> tuple[NumberValue, NumberValue] | None:
    if isinstance(value, TextValue) and (match := _POINT.fullmatch(value.text)):
        latitude, longitude = (NumberValue(Decimal(part), part, value.span) for part in match.groups())
        return latitude, longitude
    match value:
        case Bracketed(values=(NumberValue() as latitude, NumberValue() as longitude)):
            return latitude, longitude
        case _:
            return None


def mismatch(value: RawValue, slot: Slot, report: Report) -> None:
    """Reports `type_mismatch` at the value."""
    written = quoted(_written(value.span, report))
    hint, suggestions = _repair(value, slot, report)
    expected = (slot.needs,)
    says = f"{slot.name} needs {slot.needs}; {written} is not one."
    report.error(Kind.TYPE_MISMATCH, value.span, says, expected=expected, hint=hint, suggestions=suggestions)


def _repair(value: RawValue, slot: Slot, report: Report) -> tuple[str | None, tuple[str, ...]]:
    written = _written(value.span, report)
    if isinstance(value, Bracketed) and "IN" in slot.operators:
        return f"Write several values as {slot.name} IN {written}.", ()
    if isinstance(value, Reference) and value.factor is None and slot.type in _TEXTS:
        return "Add single quotes.", value_suggestions(written, slot.values) if slot.values else (f"'{written}'",)
    if isinstance(value, Reference) and slot.type is AttributeType.DATE:
        return None, nearest(written.lower(), ("today", "yesterday"))
    if isinstance(value, NumberValue) and slot.type in {AttributeType.STRING, AttributeType.TEXT_LIST}:
        return "Add single quotes.", (f"'{written}'",)
    if isinstance(value, TextValue) and _fits_without_quotes(value.text, slot):
        return "Leave out the quotes.", (value.text,)
    if isinstance(value, NumberValue) and slot.type is AttributeType.DATE and _DIGITS.fullmatch(written):
        return f"Write a span of days as -{quoted(written)}d.", ()
    return None, ()


def _fits_without_quotes(text: str, slot: Slot) -> bool:
    if slot.type is AttributeType.BOOLEAN:
        return text in {"true", "false"}
    if slot.type is AttributeType.INTEGER:
        return bool(_DIGITS.fullmatch(text))
    return slot.type in NUMERIC and bool(_NUMBER.fullmatch(text))


def _written(span: Span, report: Report) -> str:
    return report.text[span.offset : span.offset + span.length]
