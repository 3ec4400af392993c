"""Values as they stand in the text: literals, lists, coordinates, and names of other attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from plugin.domain.rules.cursor import Cursor
from plugin.domain.rules.errors import Fault, Kind
from plugin.domain.rules.lexer import NAMED_DATES, Token, TokenKind
from plugin.domain.rules.raw import Bracketed, NoSuchDay, RawScalar, RawValue, Reference, Subject
from plugin.domain.rules.syntax import BooleanValue, NumberValue, OffsetValue, TextValue, Unit

_LITERALS: Final = frozenset(
    {TokenKind.STRING, TokenKind.NUMBER, TokenKind.DATE, TokenKind.DATE_TIME, TokenKind.OFFSET}
)


def read_scalar(cursor: Cursor) -> RawScalar:
    """A literal. A bare word is taken, too: that it lacks its quotes is an error of meaning (4.3)."""
    token = cursor.token
    if token.kind is TokenKind.WORD and (token.keyword in {"TRUE", "FALSE"} or not token.keyword):
        cursor.take()
        return _word_value(token)
    if token.kind not in _LITERALS:
        _fail_for_value(cursor)
    cursor.take()
    if token.text.lower().endswith("_ago") and isinstance(token.value, OffsetValue):
        new = f"{token.value.count}{token.value.unit}"
        says = f"{token.text} is written {new}."
        cursor.report.warning(Kind.DEPRECATED_FORM, token.span, says, suggestions=(new,))
    return NoSuchDay(token.span) if token.value is None else token.value


def _word_value(token: Token) -> RawScalar:
    if token.keyword:
        return BooleanValue(token.keyword == "TRUE", token.span)
    word = token.text.lower()
    if word in NAMED_DATES:
        return OffsetValue(NAMED_DATES[word], Unit.DAY, word, token.span)
    return Reference(Subject(word, token.span), None, token.span)


def _fail_for_value(cursor: Cursor) -> NoReturn:
    if cursor.at_keyword("NULL"):
        cursor.fail("a value", hint="Write IS NULL or IS NOT NULL to ask whether there is a value.")
    cursor.fail("a value")


def read_operand(cursor: Cursor) -> RawValue:
    """A literal, coordinates, or another attribute with or without a factor."""
    start = cursor.token
    if cursor.at_symbol("("):
        return _read_coordinates(cursor)
    value = read_scalar(cursor)
    if isinstance(value, NumberValue) and cursor.accept_symbol("*"):
        if cursor.token.kind is not TokenKind.WORD or cursor.token.keyword:
            cursor.fail("attribute")
        return _read_reference(cursor, start, value)
    if isinstance(value, Reference) and cursor.at_symbol("("):
        subject = read_text_argument(cursor, value.subject)
        return Reference(subject, None, cursor.since(start))
    return value


def _read_reference(cursor: Cursor, start: Token, factor: NumberValue) -> Reference:
    word = cursor.take()
    subject = Subject(word.text.lower(), word.span)
    if cursor.at_symbol("("):
        subject = read_text_argument(cursor, subject)
    return Reference(subject, factor, cursor.since(start))


def _read_coordinates(cursor: Cursor) -> Bracketed:
    start = cursor.open_bracket()
    latitude = _read_number(cursor)
    if not cursor.accept_symbol(","):
        cursor.fail(",", hint="Write several values as IN (1, 2).")
    longitude = _read_number(cursor)
    if cursor.at_symbol(","):
        cursor.fail(")", hint="Write several values as IN (1, 2, 3).")
    cursor.close_bracket()
    return Bracketed((latitude, longitude), cursor.since(start))


def _read_number(cursor: Cursor) -> NumberValue:
    value = cursor.token.value
    if not isinstance(value, NumberValue):
        cursor.fail("number", hint="Write several values as IN (1, 2).")
    cursor.take()
    return value


def read_list(cursor: Cursor) -> tuple[RawScalar, ...]:
    """`(a, b)`: at least one value, no trailing comma."""
    cursor.open_bracket()
    if cursor.at_symbol(")"):
        says = "a list holds at least one value."
        cursor.report.stop(Fault(kind=Kind.EMPTY_LIST, span=cursor.token.span, says=says, expected=("a value",)))
    values = [read_scalar(cursor)]
    while cursor.accept_symbol(","):
        values.append(read_scalar(cursor))
    cursor.close_bracket(",")
    return tuple(values)


def read_text_argument(cursor: Cursor, subject: Subject, *, label: str = "") -> Subject:
    """`('text')` behind a name; with `label` also `(label: 'text')`."""
    cursor.open_bracket()
    if label:
        cursor.take()
        cursor.need_symbol(":")
    value = cursor.token.value
    if not isinstance(value, TextValue):
        cursor.fail("text in single quotes")
    span = cursor.take().span
    cursor.close_bracket()
    return replace(subject, argument=value.text, argument_span=span, old_argument=bool(label))
