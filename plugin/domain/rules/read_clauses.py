"""Reads one clause: `attribute predicate` or `function MATCHES (...)` (segment-language.md, chapter 3)."""

from __future__ import annotations

from typing import Final

from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS
from plugin.domain.rules.calls import read_call
from plugin.domain.rules.cursor import Cursor
from plugin.domain.rules.errors import Kind
from plugin.domain.rules.lexer import Token, TokenKind
from plugin.domain.rules.raw import RawClause, RawCondition, RawMatches, RawValue, Subject
from plugin.domain.rules.scalars import read_list, read_operand, read_scalar, read_text_argument
from plugin.domain.rules.syntax import Span

_PREDICATES: Final = ("=", "!=", ">", ">=", "<", "<=", "BETWEEN", "CONTAINS", "IN", "IS NULL", "MATCHES")
_AFTER_NOT: Final = ("CONTAINS", "IN", "MATCHES", "STARTS WITH", "ENDS WITH")
# Words of the platform's report language: one of them here is no wrong attribute, but a pasted report.
_REPORT_WORDS: Final = ("FROM", "SHOW", "WHERE", "GROUP", "ORDER", "SINCE", "UNTIL", "LIMIT", "HAVING", "TIMESERIES")


def read_clause(cursor: Cursor) -> RawClause:
    start = cursor.token
    if start.kind is not TokenKind.WORD or start.keyword or cursor.at_word(*_REPORT_WORDS):
        cursor.fail("attribute", "function", "(", "NOT")
    subject = Subject(start.text.lower(), start.span)
    cursor.take()
    if subject.name == "anniversary":
        return _read_predicate(cursor, start, _read_anniversary(cursor, subject))
    if cursor.at_symbol("("):
        if not _takes_argument(cursor, subject.name):
            return read_call(cursor, start, subject)
        subject = read_text_argument(cursor, subject)
    return _read_predicate(cursor, start, subject)


def _takes_argument(cursor: Cursor, name: str) -> bool:
    """Whether `name (` opens the argument of an attribute; else it is the old call form of a function."""
    attribute = ATTRIBUTES.get(name)
    if attribute is not None:
        return attribute.takes_model or cursor.fail(*_PREDICATES, hint=f"{name} takes nothing in brackets.")
    only_text = cursor.ahead(1).kind is TokenKind.STRING and cursor.ahead(2).text == ")"
    return only_text and name not in FUNCTIONS


def _read_anniversary(cursor: Cursor, subject: Subject) -> Subject:
    """`anniversary('path')` or, deprecated, `anniversary(date: 'path')`."""
    if not cursor.at_symbol("("):
        cursor.fail("(", hint="Write anniversary('metafields.facts.birth_date').")
    if cursor.ahead(1).text.lower() != "date":
        return read_text_argument(cursor, subject)
    return read_text_argument(cursor, subject, label="date")


def _read_predicate(cursor: Cursor, start: Token, subject: Subject) -> RawClause:
    first = cursor.token
    if cursor.at_keyword("IS"):
        operator = _read_null_test(cursor)
        span = cursor.since(first)
        if subject.name in FUNCTIONS or subject.name.startswith("storefront_event."):
            return RawMatches(subject, operator, span, (), None, cursor.since(start))
        return RawCondition(subject, operator, span, (), cursor.since(start))
    operator, span = _read_operator(cursor)
    if operator in {"MATCHES", "NOT MATCHES"}:
        return _read_conditions(cursor, start, subject, operator, span)
    values = _read_values(cursor, operator)
    return RawCondition(subject, operator, span, values, cursor.since(start))


def _read_null_test(cursor: Cursor) -> str:
    cursor.need_keyword("IS")
    negated = cursor.accept_keyword("NOT")
    if not cursor.at_keyword("NULL"):
        cursor.fail(*(("NULL",) if negated else ("NULL", "NOT NULL")))
    cursor.take()
    return "IS NOT NULL" if negated else "IS NULL"


def _read_operator(cursor: Cursor) -> tuple[str, Span]:
    """The operator in canonical words, and where it stands."""
    first = cursor.token
    if first.kind is TokenKind.OPERATOR:
        cursor.take()
        return first.text, first.span
    denied = cursor.accept_keyword("NOT") is not None
    if not denied and (between := cursor.accept_keyword("BETWEEN")):
        return "BETWEEN", between.span
    if not denied and (old := cursor.accept_keyword("NOT_MATCHES")):
        says = "NOT_MATCHES is written NOT MATCHES now."
        cursor.report.warning(Kind.DEPRECATED_FORM, old.span, says, suggestions=("NOT MATCHES",))
        return "NOT MATCHES", old.span
    word = cursor.token.keyword
    if word not in {"CONTAINS", "IN", "MATCHES", "STARTS", "ENDS"}:
        cursor.fail(*(_AFTER_NOT if denied else _PREDICATES))
    cursor.take()
    if word in {"STARTS", "ENDS"}:
        cursor.need_keyword("WITH")
        word = f"{word} WITH"
    return f"NOT {word}" if denied else word, cursor.since(first)


def _read_values(cursor: Cursor, operator: str) -> tuple[RawValue, ...]:
    if operator == "BETWEEN":
        low = read_operand(cursor)
        cursor.need_keyword("AND")
        return low, read_operand(cursor)
    if operator in {"IN", "NOT IN"}:
        return read_list(cursor)
    if operator in {"=", "!=", ">", ">=", "<", "<="}:
        return (read_operand(cursor),)
    if cursor.at_symbol("("):
        cursor.fail("one value", hint=f"{operator} takes one value; write one condition for each value.")
    return (read_scalar(cursor),)


def _read_conditions(cursor: Cursor, start: Token, subject: Subject, operator: str, span: Span) -> RawMatches:
    cursor.open_bracket()
    conditions: list[RawCondition] = []
    if not cursor.at_symbol(")"):
        conditions.append(_read_condition(cursor, may_close=True))
        while cursor.accept_symbol(","):
            conditions.append(_read_condition(cursor, may_close=False))
    closing = cursor.close_bracket(",").span
    return RawMatches(subject, operator, span, tuple(conditions), closing, cursor.since(start))


def _read_condition(cursor: Cursor, *, may_close: bool) -> RawCondition:
    start = cursor.token
    if start.kind is not TokenKind.WORD or start.keyword:
        cursor.fail("a parameter name", *((")",) if may_close else ()))
    subject = Subject(start.text.lower(), start.span)
    cursor.take()
    if cursor.at_symbol(":"):
        cursor.fail("=", hint="After MATCHES a condition is written with an operator: id = 1.")
    first = cursor.token
    if cursor.at_keyword("IS"):
        operator = _read_null_test(cursor)
        return RawCondition(subject, operator, cursor.since(first), (), cursor.since(start))
    if cursor.at_keyword("MATCHES", "NOT_MATCHES"):
        cursor.fail(*_PREDICATES[:-1])
    if cursor.at_keyword("NOT") and cursor.ahead(1).keyword == "MATCHES":
        cursor.take()
        cursor.fail("IN")
    operator, span = _read_operator(cursor)
    return RawCondition(subject, operator, span, _read_values(cursor, operator), cursor.since(start))
