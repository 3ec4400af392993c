"""Laws that hold for any text and any rule."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.rules import Problem, Profile, RuleError, canonical, parse
from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS
from plugin.domain.rules.errors import MOST_ERRORS
from plugin.domain.rules.export import to_shopify
from plugin.domain.rules.lexer import tokenize
from plugin.domain.rules.suggest import distance
from plugin.domain.rules.syntax import Rule
from tests.support.rule_strategies import rules

PIECES = (
    *ATTRIBUTES, *FUNCTIONS, "AND", "OR", "NOT", "BETWEEN", "IN", "IS", "NULL", "CONTAINS", "MATCHES", "NOT_MATCHES",
    "STARTS", "ENDS", "WITH", "true", "FROM", "customers", "SHOW", "WHERE", "ORDER", "BY", "today", "7_days_ago", "(",
    ")", ",", ":", "*", "=", "!=", ">", "<=", "==", "'vip'", "'", "''", '"', "\\", "--", "/*", "*/", "\n", "5", "2.5",
    "1,000", "-30d", "+1y", "-99999999999d", "2025-01-01", "2025-02-30", "2025-01-01T10:00:00", "metafields.a.b",
    "customer.x", "anniversary", "id", "date", "since", "count", "coordinates", "distance_km", "\x00", "\ud800", "\u2019",
    "\u0663", "\u00a0", "%", ";", "&&", "9" * 5000, ".", "_",
)  # fmt: skip
PIECED = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)
ANY_TEXT = st.text(st.characters(), max_size=60)  # surrogates and NUL, too
GLUED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def read(text: str, profile: Profile = Profile.OWN) -> Rule | None:
    """None for what is refused; any other exception than RuleError fails the test."""
    try:
        return parse(text, profile=profile).rule
    except RuleError as error:
        check_shape(error.problems, text)
        return None


def check_shape(problems: Sequence[Problem], text: str) -> None:
    offsets = [problem.offset for problem in problems[1:]]
    assert offsets == sorted(offsets)
    assert 1 <= len(problems) <= MOST_ERRORS
    for problem in problems:
        assert 0 <= problem.offset <= problem.offset + problem.length <= len(text)
        assert problem.found == text[problem.offset : problem.offset + problem.length]
        assert problem.message in problem.render(text)


@settings(max_examples=400, deadline=None)
@given(ANY_TEXT | PIECED | GLUED, st.sampled_from(Profile))
def test_any_text_is_a_rule_or_gets_a_rule_error(text: str, profile: Profile) -> None:
    rule = read(text, profile)
    if rule is not None:
        assert parse(canonical(rule)).rule == rule


@settings(max_examples=60, deadline=None)
@given(rules(max_leaves=3), st.data())
def test_a_rule_with_one_character_changed_is_a_rule_or_gets_a_rule_error(rule: Rule, data: st.DataObject) -> None:
    text = canonical(rule)
    at = data.draw(st.integers(0, len(text) - 1))
    read(text[:at] + data.draw(st.sampled_from("()',:=*-. \\\"x0")) + text[at + 1 :])


@settings(max_examples=150, deadline=None)
@given(rules())
def test_the_tidy_text_reads_back_to_the_same_tree(rule: Rule) -> None:
    text = canonical(rule)
    assert parse(text).rule == rule
    assert canonical(parse(text).rule) == text


@settings(max_examples=100, deadline=None)
@given(rules())
def test_what_is_exported_is_portable_in_the_platforms_own_words(rule: Rule) -> None:
    for version in ("2026-10", "2026-07"):
        exported = to_shopify(rule, version)
        assert (exported.text is None) == bool(exported.obstacles)
        if exported.text is not None:
            warnings = parse(exported.text, profile=Profile.SHOPIFY).warnings
            assert "not_portable" not in {warning.kind.value for warning in warnings}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        ")" * 10_000,
        "NOT " * 5_000,
        "NOT (" * 4_000,
        "'" * 20_000,
        "'\\" * 10_000,
        "/*" * 10_000,
        "--" * 10_000,
        "a=1 OR " * 2_857,
        "x" * 20_000,
        "x." * 10_000,
        "1" * 20_000,
        "1,1" * 6_666,
        "number_of_orders = " + "9" * 19_900,
        "amount_spent > " + "9" * 19_900,
        "companies = " + "9" * 19_900,
        "last_order_date > -" + "9" * 19_000 + "d",
        "number_of_orders IN (" + "1," * 9_900 + "1)",
        "products_purchased MATCHES (" + "a = 1, " * 2_800 + "b = 2)",
        "products_purchased MATCHES (" + "id = 1, " * 2_400 + "id = 2)",
        "customer_tags CONTAINS '" + "\\'" * 9_900 + "'",
        "(" * 30_000,
        "\ud800" * 25_000,
    ],
    ids=lambda text: f"{text[:12]!a} x {len(text)}",
)
def test_a_hostile_text_is_answered_at_once(text: str) -> None:
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "piece",
    [
        "number_of_orders>1 OR ",
        "(",
        "'a' ",
        "'\\'",
        "-30d ",
        "1,000,",
        "a.b-c ",
        "/* */",
        "-- x\n",
        "== ",
        "NOT ",
        "\u0663",
    ],
)
def test_every_character_is_looked_at_in_one_token_at_most(piece: str) -> None:
    text = piece * (4_000 // len(piece))
    spans = [token.span for token in tokenize(text).tokens]
    ends = 0
    for span in spans[:-1]:
        assert span.offset >= ends
        ends = span.offset + span.length
        assert span.length > 0
    assert len(spans) <= len(text) + 1


def test_reading_twice_as_much_takes_about_twice_as_long() -> None:
    clause = "customer_tags CONTAINS 'vip' AND number_of_orders >= 2 AND products_purchased MATCHES (id IN (1, 2)) OR "

    def fastest(copies: int) -> float:
        text = clause * copies + "number_of_orders > 1"
        times = []
        for _ in range(5):
            started = time.process_time()
            parse(text)
            times.append(time.process_time() - started)
        return min(times)

    assert fastest(64) < 8 * 3 * fastest(8)  # eight times the text; a quadratic reader would take 64 times as long


def test_the_deepest_rule_is_walked_well_within_the_stack() -> None:
    text = (
        "number_of_orders = 1 OR number_of_orders = 2 AND NOT (" * 64 + "rfm_recency = 1 OR rfm_recency = 2" + ")" * 64
    )
    rule = parse(text).rule
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(600)
    try:
        assert canonical(rule) == text
        assert to_shopify(rule, "2026-10").text is None
    finally:
        sys.setrecursionlimit(before)


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_symmetric_and_bounded(left: str, right: str) -> None:
    assert distance(left, right) == distance(right, left) <= max(len(left), len(right))
    assert (distance(left, right) == 0) == (left == right)


@pytest.mark.parametrize(
    ("left", "right", "steps"),
    [("", "abc", 3), ("orders", "oders", 1), ("status", "statsu", 1), ("kitten", "sitting", 3)],
)
def test_distance_counts_insertions_changes_and_swaps(left: str, right: str, steps: int) -> None:
    assert distance(left, right) == steps
