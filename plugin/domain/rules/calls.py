"""The old call form, `fn(p: v) = true`, read as the `fn MATCHES (p = v)` it means (segment-language.md, chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from plugin.domain.rules.cursor import Cursor
from plugin.domain.rules.lexer import Token, TokenKind
from plugin.domain.rules.raw import Bracketed, RawCondition, RawMatches, RawScalar, RawValue, Subject
from plugin.domain.rules.scalars import read_list, read_scalar
from plugin.domain.rules.syntax import OffsetValue, Span

_RENAMED: Final = {"since": ("date", ">="), "until": ("date", "<="), "count_at_least": ("count", ">=")}


@dataclass(slots=True)
class _Arguments:
    conditions: list[RawCondition] = field(default_factory=list)
    written: list[str] = field(default_factory=list)  # the name each condition had in the text
    assumed_since: list[Span] = field(default_factory=list)

    def add(self, name: str, condition: RawCondition) -> None:
        partner = {"since": "until", "until": "since"}.get(name, "")
        if partner in self.written and name not in self.written:
            self._join(self.written.index(partner), condition)
        else:
            self.conditions.append(condition)
            self.written.append(name)

    def _join(self, index: int, condition: RawCondition) -> None:
        """`since: a, until: b` is `date BETWEEN a AND b`, where the first of them stood."""
        first = self.conditions[index]
        low, high = (first, condition) if first.operator == ">=" else (condition, first)
        self.conditions[index] = replace(first, operator="BETWEEN", values=(*low.values, *high.values))
        self.written[index] = "since and until"


def read_call(cursor: Cursor, start: Token, subject: Subject) -> RawMatches:
    """The cursor stands at the opening bracket."""
    cursor.open_bracket()
    arguments = _Arguments()
    if not cursor.at_symbol(")"):
        _read_argument(cursor, subject, arguments, may_close=True)
        while cursor.accept_symbol(","):
            _read_argument(cursor, subject, arguments, may_close=False)
    closing = cursor.close_bracket(",").span
    operator, operator_span = _read_outcome(cursor)
    return RawMatches(
        subject,
        operator,
        operator_span,
        tuple(arguments.conditions),
        closing,
        cursor.since(start),
        old_form=True,
        assumed_since=tuple(arguments.assumed_since),
    )


def _read_outcome(cursor: Cursor) -> tuple[str, Span]:
    """`= true`, `!= true` and so on."""
    operator = cursor.token
    if operator.kind is not TokenKind.OPERATOR or operator.text not in {"=", "!="}:
        hint = "Write MATCHES directly behind the name." if cursor.at_keyword("MATCHES", "NOT", "NOT_MATCHES") else None
        cursor.fail("=", "!=", hint=hint)
    cursor.take()
    if not cursor.at_keyword("TRUE", "FALSE"):
        cursor.fail("true", "false")
    holds = (cursor.take().keyword == "TRUE") == (operator.text == "=")
    return "MATCHES" if holds else "NOT MATCHES", operator.span


def _read_argument(cursor: Cursor, function: Subject, arguments: _Arguments, *, may_close: bool) -> None:
    start = cursor.token
    if start.kind is TokenKind.STRING and function.name == "in_holdout":
        value = read_scalar(cursor)
        arguments.add("key", RawCondition(Subject("key", start.span), "=", start.span, (value,), start.span))
        return
    if start.kind is not TokenKind.WORD or start.keyword:
        cursor.fail("a parameter name", *((")",) if may_close else ()))
    written = start.text.lower()
    name, operator = _RENAMED.get(written, (written, "="))
    cursor.take()
    if not cursor.at_symbol(":"):
        cursor.fail(":", hint="With MATCHES in front of the bracket, conditions are written with an operator.")
    cursor.take()
    values, operator = _read_argument_values(cursor, name, operator)
    if name == "date" and operator == "=" and _means_since(values[0]):
        operator = ">="
        arguments.assumed_since.append(cursor.since(start))
    span = cursor.since(start)
    # A value that does not fit is told at the value: there is no operator to point at.
    arguments.add(written, RawCondition(Subject(name, start.span), operator, values[0].span, values, span))


def _read_argument_values(cursor: Cursor, name: str, operator: str) -> tuple[tuple[RawValue, ...], str]:
    if operator == "=" and cursor.accept_keyword("BETWEEN"):
        low = read_scalar(cursor)
        cursor.need_keyword("AND")
        return (low, read_scalar(cursor)), "BETWEEN"
    if not cursor.at_symbol("("):
        return (read_scalar(cursor),), operator
    bracket = cursor.token
    values: tuple[RawScalar, ...] = read_list(cursor)
    if name == "coordinates" or operator != "=":
        return (Bracketed(values, cursor.since(bracket)),), operator
    return values, "IN"


def _means_since(value: RawValue) -> bool:
    """`date: -45d` in real queries asks for the last 45 days; no source states it (chapter 7)."""
    return isinstance(value, OffsetValue) and value.named is None
