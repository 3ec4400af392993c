"""Each kind of error and warning of the language page, its place, and its words."""

from __future__ import annotations

import pytest

from plugin.domain.rules import Kind, MetafieldDefinition, Names, Problem, Profile, RuleError, Severity, parse
from plugin.domain.rules.attributes import AttributeType
from plugin.domain.rules.names import find_cycle

SHOP = Names(
    {
        "custom.points": MetafieldDefinition("custom", "points", AttributeType.INTEGER),
        "other.points": MetafieldDefinition("other", "points", AttributeType.INTEGER),
        "facts.birthday": MetafieldDefinition("facts", "birthday", AttributeType.DATE),
        "facts.colours": MetafieldDefinition("facts", "colours", AttributeType.STRING, is_list=True),
    },
    {"buyer-activity": ("active", "departing"), "aisle": ("browsing",)},
    "buyer-activity",
    frozenset({"global"}),
    60,
    assume_metafields=False,
)


def problems(text: str, **options: object) -> tuple[Problem, ...]:
    with pytest.raises(RuleError) as refused:
        parse(text, **options)  # type: ignore[arg-type] - options of parse, passed through
    return refused.value.problems


# `«` stands in front of the place that the error points at.
ERRORS = [
    ("«", "blank_query"),
    ("«  \t\n", "blank_query"),
    ("« -- only a remark", "blank_query"),
    ("customer_tags CONTAINS «'vip", "unterminated_string"),
    ("customer_tags CONTAINS «'vip\\'", "unterminated_string"),
    ("customer_tags CONTAINS 'don'«'t", "unterminated_string"),
    ('customer_tags CONTAINS «"vip"', "double_quoted_string"),
    ("customer_tags CONTAINS «“vip”", "unexpected_character"),
    ("amount_spent > «$5", "unexpected_character"),
    ("amount_spent > 5«;", "unexpected_character"),
    ("amount_spent > 5 «?", "unexpected_character"),
    ("amount_spent > 5 «|| amount_spent < 1", "unexpected_character"),
    ("amount_spent >«\u00a05", "unexpected_character"),
    ("amount_spent > «٣", "unexpected_character"),
    ("amount_spent > «1,000", "invalid_literal"),
    ("amount_spent > «1e5", "invalid_literal"),
    ("amount_spent > «1.", "invalid_literal"),
    ("last_order_date > «7daysago", "invalid_literal"),
    ("last_order_date > «60_days_ago", "invalid_literal"),
    ("last_order_date > «5d", "invalid_literal"),
    ("last_order_date > «-99999999999d", "invalid_literal"),
    ("last_order_date = «2025-1-31", "invalid_literal"),
    ("last_order_date = «2025-01-01T25:00:00", "invalid_literal"),
    ("customer_within_distance MATCHES (coordinates = («91, 0), distance_km <= 5)", "invalid_literal"),
    ("customer_within_distance MATCHES (coordinates = (9, «-181), distance_km <= 5)", "invalid_literal"),
    ("number_of_orders «== 2", "unexpected_token"),
    ("number_of_orders «<> 2", "unexpected_token"),
    ("number_of_orders > 1«)", "unexpected_token"),
    ("number_of_orders > 1 «number_of_orders < 9", "unexpected_token"),
    ("«AND number_of_orders > 1", "unexpected_token"),
    ("(«)", "unexpected_token"),
    ("customer_tags CONTAINS «('a', 'b')", "unexpected_token"),
    ("customer_tags CONTAINS 'it'«'s'", "unexpected_token"),
    ("customer_tags = «NULL", "unexpected_token"),
    ("number_of_orders IN (1, 2,«)", "unexpected_token"),
    ("products_purchased MATCHES (id = 1,«)", "unexpected_token"),
    ("products_purchased MATCHES (id = 1, «2)", "unexpected_token"),
    ("products_purchased MATCHES (id«: 1)", "unexpected_token"),
    ("products_purchased(id «= 1) = true", "unexpected_token"),
    ("products_purchased(id: 1, «2) = true", "unexpected_token"),
    ("products_purchased(id: 1) «MATCHES (id = 1)", "unexpected_token"),
    ("products_purchased(id: 1) «> true", "unexpected_token"),
    ("products_purchased(«'x') = true", "unexpected_token"),
    ("amount_spent«('x') > 1", "unexpected_token"),
    ("(amount_spent > 1«,000)", "unexpected_token"),
    ("last_order_date > 30 «days ago", "unexpected_token"),
    ("number_of_orders > 1 «GROUP BY x", "unexpected_token"),
    ("FROM «orders WHERE number_of_orders > 1", "unexpected_token"),
    ("FROM customers SHOW a «SINCE -30d", "unexpected_token"),
    ("number_of_orders > 1 ORDER BY updated_at «LIMIT 5", "unexpected_token"),
    ("«SHOW customers", "unexpected_token"),
    ("number_of_orders «", "unexpected_end"),
    ("(number_of_orders > «", "unexpected_end"),
    ("NOT«", "unexpected_end"),
    ("WHERE«", "unexpected_end"),
    ("number_of_orders > 1 /* «", "unexpected_end"),
    ("number_of_orders IN (1«", "unclosed_paren"),
    ("products_purchased MATCHES («", "unclosed_paren"),
    ("((number_of_orders > 1)«", "unclosed_paren"),
    ("«tagz CONTAINS 'a'", "unknown_attribute"),
    ("number_of_orders > 1 AND «x.y = 1", "unknown_attribute"),
    ("«metafields.custom.nothing = 1", "unknown_attribute"),
    ("«customer.nothing = 1", "unknown_attribute"),
    ("anniversary(«'no.such') = today", "unknown_attribute"),
    ("«bought MATCHES (id = 1)", "unknown_function"),
    ("«bought(id: 1) = true", "unknown_function"),
    ("«storefront_event.product_view MATCHES ()", "unknown_function"),
    ("products_purchased MATCHES («product = 1)", "unknown_parameter"),
    ("customer_within_distance(«since: -30d, coordinates: (1, 2), distance_km: 3) = true", "unknown_parameter"),
    ("«customer.points > 1", "ambiguous_attribute"),
    ("products_purchased MATCHES (id = 1, «id = 2)", "duplicate_parameter"),
    ("orders_placed(date: today, «since: -30d) = true", "duplicate_parameter"),
    ("orders_placed(since: -30d, «since: -9d) = true", "duplicate_parameter"),
    (
        "customer_within_distance MATCHES (distance_km = 1, coordinates = (1, 2), «distance_mi = 2)",
        "duplicate_parameter",
    ),
    ("customer_within_distance MATCHES («)", "missing_parameter"),
    ("customer_within_distance MATCHES (coordinates = (1, 2)«)", "missing_parameter"),
    ("customer_within_distance(distance_km: 5«) = true", "missing_parameter"),
    ("number_of_orders IN («)", "empty_list"),
    ("products_purchased(id: («)) = true", "empty_list"),
    ("customer_tags «NOT IN ('a')", "operator_not_supported"),
    ("last_order_date «IN (today)", "operator_not_supported"),
    ("amount_spent «STARTS WITH '1'", "operator_not_supported"),
    ("amount_spent «MATCHES (count > 1)", "operator_not_supported"),
    ("products_purchased «= true", "operator_not_supported"),
    ("products_purchased MATCHES (tag «IN ('a', 'b'))", "operator_not_supported"),
    ("products_purchased MATCHES (id «IS NULL)", "operator_not_supported"),
    ("products_purchased MATCHES (id «> 5)", "operator_not_supported"),
    ("anniversary('facts.birthday') «> today", "operator_not_supported"),
    ("anniversary('facts.birthday') «MATCHES (a = 1)", "operator_not_supported"),
    ("metafields.facts.colours «= 'red'", "operator_not_supported"),
    ("metafields.facts.colours «MATCHES (a = 1)", "operator_not_supported"),
    ("«metafields.facts.nothing MATCHES (a = 1)", "unknown_attribute"),
    ("number_of_orders = «2.5", "type_mismatch"),
    ("number_of_orders = «9223372036854775808", "type_mismatch"),
    ("number_of_orders IN (1, «'2', 3)", "type_mismatch"),
    ("rfm_group = «CHAMPIONS", "type_mismatch"),
    ("customer_tags CONTAINS «vip", "type_mismatch"),
    ("last_order_date > «30", "type_mismatch"),
    ("last_order_date > «'soon'", "type_mismatch"),
    ("companies = «-1", "type_mismatch"),
    ("companies = «18446744073709551616", "type_mismatch"),
    ("amount_spent > «number_of_orders", "type_mismatch"),
    ("number_of_orders > «last_order_date", "type_mismatch"),
    ("number_of_orders > «0 * lapse_days", "type_mismatch"),
    ("number_of_orders = «(1, 2)", "type_mismatch"),
    ("metafields.custom.points = «'many'", "type_mismatch"),
    ("anniversary(«'custom.points') = today", "ambiguous")
    if False
    else ("anniversary(«'facts.colours') = today", "type_mismatch"),
    ("rfm_group IN ('LOYAL', «'loyal')", "unknown_value"),
    ("lifecycle_stage = «'sleeping'", "unknown_value"),
    ("lifecycle_stage(«'nobody') = 'active'", "unknown_value"),
    ("touchpoints MATCHES (kind = «'telepathy')", "unknown_value"),
    ("in_holdout(«'nobody') = true", "unknown_value"),
    ("last_order_date = «2025-02-29", "invalid_date"),
    ("last_order_date = «0000-01-01", "invalid_date"),
    ("last_order_date = «'2025-02-29'", "invalid_date"),
    ("last_order_date = «2025-13-01T10:00:00", "invalid_date"),
]


@pytest.mark.parametrize(("marked", "kind"), ERRORS)
def test_an_error_names_its_kind_and_place(marked: str, kind: str) -> None:
    text = marked.replace("«", "")
    primary = problems(text, names=SHOP)[0]
    assert (primary.kind.value, primary.offset) == (kind, marked.index("«"))
    assert primary.severity is Severity.ERROR
    assert primary.found == text[primary.offset : primary.offset + primary.length]


def test_limits_are_told_where_they_are_passed() -> None:
    clause = "number_of_orders = 1"
    assert problems("(" * 64 + "(" + clause)[0].kind is Kind.TOO_DEEP
    assert problems("(" * 65 + clause + ")" * 65)[0].offset == 64
    assert parse("(" * 64 + clause + ")" * 64).rule == parse(clause).rule
    many = problems(" OR ".join([clause] * 201))[0]
    assert (many.kind, many.offset) == (Kind.TOO_MANY_CLAUSES, 200 * len(clause + " OR "))
    assert parse(" OR ".join([clause] * 200)).warnings == ()
    long = problems(clause + " " * 20_000)[0]
    assert (long.kind, long.offset) == (Kind.QUERY_TOO_LONG, 20_000)
    assert parse(clause + " " * (20_000 - len(clause))).rule == parse(clause).rule


def test_the_platforms_limits_hold_in_its_profile() -> None:
    clause = "number_of_orders = 1"
    many = problems(" AND ".join([clause] * 11), profile=Profile.SHOPIFY)[0]
    assert (many.kind, many.offset) == (Kind.TOO_MANY_CLAUSES, 10 * len(clause + " AND "))
    long = problems(clause + " " * 5_000, profile=Profile.SHOPIFY)[0]
    assert (long.kind, long.offset) == (Kind.QUERY_TOO_LONG, 5_000)
    ids = ", ".join("1" for _ in range(501))
    listed = problems(f"products_purchased MATCHES (id IN ({ids}))", profile=Profile.SHOPIFY)[0]
    assert (listed.kind, listed.offset) == (Kind.LIST_TOO_LONG, len("products_purchased MATCHES (id IN (") + 1500)


def test_a_model_may_not_ask_for_the_stage_it_decides() -> None:
    for text in ("lifecycle_stage = 'active'", "lifecycle_stage('buyer-activity') = 'active'"):
        primary = problems(f"number_of_orders > 1 AND {text}", names=SHOP, own_model="buyer-activity")[0]
        assert (primary.kind, primary.offset) == (Kind.CYCLIC_REFERENCE, 25)
        assert parse(text, names=SHOP, own_model="aisle").warnings == ()
    assert (
        parse("previous_stage = 'active' AND days_in_stage > 3", names=SHOP, own_model="buyer-activity").warnings == ()
    )


def test_models_that_wait_for_each_other_are_found() -> None:
    waiting = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b"}), "d": frozenset({"a"})}
    assert find_cycle(waiting) == ("b", "c", "b")
    assert find_cycle({"a": frozenset({"b", "c"}), "b": frozenset({"c"}), "c": frozenset()}) == ()


def test_errors_of_meaning_come_by_place_and_at_most_twenty() -> None:
    text = " OR ".join(["nonsense = 1"] * 30)
    found = problems(text)
    assert [problem.offset for problem in found] == [16 * index for index in range(20)]
    assert {problem.kind for problem in found} == {Kind.UNKNOWN_ATTRIBUTE}
    assert problems(text) == found


def test_a_syntax_error_is_primary_and_what_was_read_before_it_follows() -> None:
    kinds = [(problem.kind, problem.offset) for problem in problems("nonsense = 1 AND number_of_orders >")]
    assert kinds == [(Kind.UNEXPECTED_END, 35), (Kind.UNKNOWN_ATTRIBUTE, 0)]


WARNINGS = [
    ("«orders_placed() = true", "deprecated_form"),
    ("orders_placed(«date: -45d) = true", "assumed_since"),
    ("last_order_date = «'2025-01-01'", "quoted_date"),
    ("«WHERE number_of_orders > 1", "wrapper_ignored"),
    ("number_of_orders > 1 «ORDER BY updated_at DESC", "wrapper_ignored"),
    ("«last_order_date BETWEEN today AND -30d", "empty_range"),
    ("«last_order_date BETWEEN 2025-02-01 AND 2025-01-31T10:00:00", "empty_range"),
    ("«number_of_orders BETWEEN 5 AND 4", "empty_range"),
    ("«discount_order_share > 50", "always_false"),
    ("«discount_order_share <= 50", "always_true"),
    ("«rfm_recency = 6", "always_false"),
    ("«number_of_orders >= 0", "always_true"),
    ("orders_placed MATCHES (date >= «-90d)", "data_too_short"),
    ("orders_placed MATCHES (date BETWEEN «-1y AND today)", "data_too_short"),
]


@pytest.mark.parametrize(("marked", "kind"), WARNINGS)
def test_a_warning_names_its_kind_and_place(marked: str, kind: str) -> None:
    warnings = parse(marked.replace("«", ""), names=SHOP).warnings
    assert (kind, marked.index("«")) in [(warning.kind.value, warning.offset) for warning in warnings]
    assert {warning.severity for warning in warnings} == {Severity.WARNING}


def test_every_kind_has_a_case() -> None:
    told = {kind for _, kind in (*ERRORS, *WARNINGS)}
    elsewhere = {Kind.TOO_DEEP, Kind.TOO_MANY_CLAUSES, Kind.QUERY_TOO_LONG, Kind.LIST_TOO_LONG, Kind.CYCLIC_REFERENCE}
    assert told | elsewhere | {Kind.NOT_PORTABLE} == set(Kind)


@pytest.mark.parametrize(
    "text",
    [
        "number_of_orders > 1",
        "last_order_date BETWEEN -30d AND today",
        "last_order_date BETWEEN -3m AND -90d",
        "last_order_date BETWEEN 2025-01-31T10:00:00 AND 2025-01-31",
        "discount_order_share >= 0.5",
        "rfm_recency BETWEEN 1 AND 4",
        "orders_placed MATCHES (date >= -60d)",
        "anniversary('facts.birthday') BETWEEN +30d AND today",
    ],
)
def test_an_ordinary_condition_gets_no_warning(text: str) -> None:
    assert parse(text, names=SHOP).warnings == ()


@pytest.mark.parametrize(
    "marked",
    [
        "customer_tags «STARTS WITH 'a'",
        "customer_language «IN ('en', 'fr')",
        "«lifecycle_stage = 'active'",
        "days_since_last_order > «lapse_days",
        "«NOT (number_of_orders > 1 AND amount_spent > 1)",
        "number_of_orders > 1 «-- remark",
        "«WHERE number_of_orders > 1",
        "«touchpoints MATCHES (kind = 'visit')",
    ],
)
def test_what_the_platform_does_not_know_is_told_in_its_profile_only(marked: str) -> None:
    text, offset = marked.replace("«", ""), marked.index("«")
    findings = parse(text, names=SHOP, profile=Profile.SHOPIFY).warnings
    assert offset in [finding.offset for finding in findings if finding.kind is Kind.NOT_PORTABLE]
    assert Kind.NOT_PORTABLE not in {warning.kind for warning in parse(text, names=SHOP).warnings}


def test_the_platforms_own_queries_are_portable() -> None:
    text = "rfm_group = 'LOYAL' AND NOT products_purchased MATCHES (id IN (1, 2)) OR predicted_spend_tier = 'HIGH'"
    assert parse(text, profile=Profile.SHOPIFY).warnings == ()


def test_a_metafield_without_definition_is_let_through_only_where_it_may_be_assumed() -> None:
    warning = parse("metafields.app--1--x.status = 'a'").warnings[0]
    assert (warning.kind, warning.offset) == (Kind.NOT_PORTABLE, 0)
    with pytest.raises(RuleError, match="there is no attribute"):
        parse("metafields.app--1--x.status = 'a'", names=Names(assume_metafields=False))


SUGGESTIONS = [
    ("number_of_oders > 1", ("number_of_orders",)),
    ("orders_count > 1", ("number_of_orders",)),
    ("state = 'x'", ("customer_regions", "customer_account_status")),
    ("ordered_product_tag = 'x'", ("products_purchased MATCHES (tag = ...)",)),
    ("zzz > 1", ()),
    ("rfm_group = 'loyal'", ("'LOYAL'",)),
    ("rfm_group = LOYAL", ("'LOYAL'",)),
    ("products_purchased MATCHES (product_id = 1)", ("id",)),
    ("products_purchased MATCHES (quantty = 1)", ("quantity",)),
    ("product_purchased MATCHES (id = 1)", ("products_purchased",)),
    ("number_of_orders == 1", ("=",)),
    ("number_of_orders <> 1", ("!=",)),
    ("number_of_orders > 1 && amount_spent > 1", ("AND",)),
    ("number_of_orders > 1 || amount_spent > 1", ("OR",)),
    ("last_order_date > -30days", ("-30d",)),
    ("last_order_date > 7daysago", ("-7d",)),
    ("amount_spent > 1,000", ("1000",)),
    ("number_of_orders = '2'", ("2",)),
    ("customer_tags CONTAINS vip", ("'vip'",)),
    ("customer_tags = 'a'", ("CONTAINS",)),
]


@pytest.mark.parametrize(("text", "suggestions"), SUGGESTIONS)
def test_an_error_suggests_what_was_probably_meant(text: str, suggestions: tuple[str, ...]) -> None:
    assert problems(text)[0].suggestions == suggestions


HINTS = [
    ("email_subscription_status LIKE 'SUB%'", "STARTS WITH"),
    ("last_order_date > 30 days ago", "-30d"),
    ("products_purchased MATCHES (id = 1, 2)", "IN (1, 2)"),
    ("products_purchased MATCHES (id = (1, 2))", "IN (1, 2)"),
    ("customer_tags CONTAINS 'it''s'", "\\'"),
    ("customer_tags = NULL", "IS NULL"),
    ("orders_placed MATCHES (date > 2025-01-01, date < 2025-06-01)", "BETWEEN"),
    ("products_purchased(id: 1) MATCHES (id = 1)", "MATCHES directly"),
    ("(amount_spent > 1,000)", "without separators"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS)
def test_an_error_says_how_to_write_it(text: str, hint: str) -> None:
    primary = problems(text)[0]
    assert hint in (primary.hint or "")
    assert (primary.hint or "") in primary.message


def test_messages_name_the_attribute_its_type_and_its_operators() -> None:
    assert problems("number_of_orders = 2.5")[0].message == (
        "Line 1, column 20: number_of_orders needs a whole number; 2.5 is not one."
    )
    assert "customer_tags takes CONTAINS, NOT CONTAINS, IS NULL and IS NOT NULL." in (
        problems("customer_tags = 'a'")[0].message
    )
    assert problems("number_of_oders >= 2")[0].message == (
        'Line 1, column 1: there is no attribute "number_of_oders". Did you mean number_of_orders?'
    )


def test_no_message_uses_jargon() -> None:
    for marked, _ in ERRORS:
        message = problems(marked.replace("«", ""), names=SHOP)[0].message.lower()
        assert not {"token", "parser", "syntax", "invalid"} & set(message.replace(".", " ").split()), message


def test_the_line_is_shown_with_a_marker() -> None:
    text = "number_of_orders > 1\n\tAND number_of_oders >= 2"
    problem = problems(text)[0]
    assert (problem.line, problem.column) == (2, 6)
    shown = problem.render(text).split("\n")
    assert shown[:2] == ["\tAND number_of_oders >= 2", "\t    ^^^^^^^^^^^^^^^"]
    assert shown[2] == problem.message


def test_an_error_has_the_shape_that_the_editor_reads() -> None:
    assert problems("(number_of_orders > 1")[0].to_json() == {
        "kind": "unclosed_paren",
        "severity": "error",
        "offset": 21,
        "length": 0,
        "line": 1,
        "column": 22,
        "found": "",
        "expected": ["AND", "OR", ")"],
        "suggestions": [],
        "hint": None,
        "related": [{"offset": 0, "length": 1}],
        "message": "Line 1, column 22: a bracket is not closed. Expected AND, OR or ).",
    }
