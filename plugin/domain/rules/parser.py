"""AND, OR, NOT, brackets, and what the Shopify admin puts around a condition (segment-language.md, chapter 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from plugin.domain.rules.cursor import Cursor
from plugin.domain.rules.errors import Fault, Kind, Profile, Report
from plugin.domain.rules.lexer import Token, TokenKind, tokenize
from plugin.domain.rules.raw import RawClause
from plugin.domain.rules.read_clauses import read_clause
from plugin.domain.rules.syntax import Rule, Span, conjunction, disjunction, negation

LONGEST_QUERY: Final = {Profile.OWN: 20_000, Profile.SHOPIFY: 5_000}
_AFTER_A_CLAUSE: Final = ("AND", "OR")


@dataclass(slots=True)
class _Level:
    """What was read within one pair of brackets: terms joined by AND, in alternatives joined by OR."""

    negate_outside: bool = False
    negate_next: bool = False
    alternatives: list[list[Rule]] = field(default_factory=lambda: [[]])

    def add(self, term: Rule) -> None:
        self.alternatives[-1].append(negation(term) if self.negate_next else term)
        self.negate_next = False

    def rule(self) -> Rule:
        return disjunction(conjunction(terms) for terms in self.alternatives)


def parse_text(report: Report, check: Callable[[RawClause], Rule]) -> Rule:
    """The tree of `report.text`, each clause as `check` makes it.

    Raises RuleError at the first lexical or syntax error; errors of meaning are left to `check`. Linear in the length
    of the text, and without recursion, so no text can exhaust the stack."""
    text = report.text
    longest = LONGEST_QUERY[report.profile]
    if len(text) > longest:
        says = f"a rule has at most {longest:,} characters; this one has {len(text):,}."
        report.stop(Fault(kind=Kind.QUERY_TOO_LONG, span=Span(longest, len(text) - longest), says=says))
    lexed = tokenize(text)
    if lexed.tokens[0].kind is TokenKind.END:
        says = "the rule is empty. Expected a condition such as number_of_orders > 1."
        report.stop(Fault(kind=Kind.BLANK_QUERY, span=Span(0, 0), says=says, expected=("attribute", "function")))
    for comment in lexed.comments:
        report.not_portable(comment, "Shopify knows no comments in segments.")
    cursor = Cursor(lexed, report)
    _skip_wrapper(cursor)
    rule = _read_condition(cursor, check)
    _skip_trailer(cursor)
    if cursor.token.kind is not TokenKind.END:
        cursor.fail(*_AFTER_A_CLAUSE, "the end")
    return rule


def _read_condition(cursor: Cursor, check: Callable[[RawClause], Rule]) -> Rule:
    levels = [_Level()]
    while True:
        level = levels[-1]
        if denial := cursor.accept_keyword("NOT"):
            level.negate_next = not level.negate_next
            if cursor.at_symbol("("):
                cursor.report.not_portable(denial.span, "Shopify may refuse NOT in front of a bracket.")
            continue
        if cursor.at_symbol("("):
            cursor.open_bracket()
            levels.append(_Level(negate_outside=level.negate_next))
            level.negate_next = False
            continue
        level.add(check(read_clause(cursor)))
        _close_brackets(cursor, levels)
        level = levels[-1]
        if cursor.accept_keyword("AND"):
            continue
        if not cursor.accept_keyword("OR"):
            if cursor.depth:
                cursor.fail(*_AFTER_A_CLAUSE, ")")
            return level.rule()
        level.alternatives.append([])


def _close_brackets(cursor: Cursor, levels: list[_Level]) -> None:
    while cursor.depth and cursor.at_symbol(")"):
        cursor.close_bracket()
        inner = levels.pop()
        levels[-1].add(negation(inner.rule()) if inner.negate_outside else inner.rule())


def _skip_wrapper(cursor: Cursor) -> None:
    """`FROM customers SHOW a, b WHERE`, or a bare WHERE: merchants paste it from the admin (3.1)."""
    start = cursor.token
    if cursor.at_word("FROM"):
        cursor.take()
        if not cursor.at_word("CUSTOMERS"):
            cursor.fail("customers")
        cursor.take()
        if cursor.at_word("SHOW"):
            cursor.take()
            _read_columns(cursor)
        if not cursor.at_word("WHERE"):
            cursor.fail("WHERE")
    if cursor.at_word("WHERE"):
        cursor.take()
        _tell_ignored(cursor, start)


def _read_columns(cursor: Cursor) -> None:
    while True:
        _read_column(cursor)
        if not cursor.accept_symbol(","):
            return


def _read_column(cursor: Cursor) -> None:
    if cursor.token.kind is not TokenKind.WORD or cursor.at_word("WHERE") or cursor.token.keyword:
        cursor.fail("a column name")
    cursor.take()


def _skip_trailer(cursor: Cursor) -> None:
    """`ORDER BY updated_at DESC`."""
    start = cursor.token
    if not cursor.at_word("ORDER"):
        return
    cursor.take()
    if not cursor.at_word("BY"):
        cursor.fail("BY")
    cursor.take()
    _read_column(cursor)
    if cursor.at_word("ASC", "DESC"):
        cursor.take()
    _tell_ignored(cursor, start)


def _tell_ignored(cursor: Cursor, start: Token) -> None:
    span = cursor.since(start)
    cursor.report.warning(Kind.WRAPPER_IGNORED, span, "a rule is only the condition; this part is left out.")
    cursor.report.not_portable(span, "Shopify's segment editor takes the condition only.")
