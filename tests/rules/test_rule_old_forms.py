"""Forms that the platform has given up, and what it shows today instead (segment-language.md, chapter 7)."""

from __future__ import annotations

import pytest

from plugin.domain.rules import Kind, canonical, parse

OLD_FORMS = [
    ("orders_placed() = true", "orders_placed MATCHES ()"),
    ("orders_placed() = false", "orders_placed NOT MATCHES ()"),
    ("orders_placed() != true", "orders_placed NOT MATCHES ()"),
    ("orders_placed() != false", "orders_placed MATCHES ()"),
    ("products_purchased(tag: 'Red hats') = true", "products_purchased MATCHES (tag = 'Red hats')"),
    ("products_purchased(id: '12') = true", "products_purchased MATCHES (id = 12)"),
    ("products_purchased(id: (1, 2)) = true", "products_purchased MATCHES (id IN (1, 2))"),
    ("products_purchased(id: 1) = FALSE", "products_purchased NOT MATCHES (id = 1)"),
    ("orders_placed(date: BETWEEN -12m AND today) = true", "orders_placed MATCHES (date BETWEEN -12m AND today)"),
    ("orders_placed(since: 2025-01-01) = true", "orders_placed MATCHES (date >= 2025-01-01)"),
    ("orders_placed(until: -90d) = true", "orders_placed MATCHES (date <= -90d)"),
    ("orders_placed(since: -90d, until: -30d) = true", "orders_placed MATCHES (date BETWEEN -90d AND -30d)"),
    ("orders_placed(until: -30d, since: -90d) = true", "orders_placed MATCHES (date BETWEEN -90d AND -30d)"),
    ("orders_placed(date: -45d) = true", "orders_placed MATCHES (date >= -45d)"),
    ("orders_placed(date: 30_days_ago) = true", "orders_placed MATCHES (date >= -30d)"),
    ("orders_placed(date: 2025-01-01) = true", "orders_placed MATCHES (date = 2025-01-01)"),
    ("orders_placed(date: today) = true", "orders_placed MATCHES (date = today)"),
    ("orders_placed(date: yesterday) = true", "orders_placed MATCHES (date = yesterday)"),
    ("orders_placed(count_at_least: 2) = true", "orders_placed MATCHES (count >= 2)"),
    (
        "products_purchased(quantity: 2, sum_quantity: 3, count: 1) = true",
        "products_purchased MATCHES (quantity = 2, sum_quantity = 3, count = 1)",
    ),
    (
        "customer_within_distance(coordinates: (45.4215, -75.6972), distance_mi: 6.2) = true",
        "customer_within_distance MATCHES (coordinates = (45.4215, -75.6972), distance_mi = 6.2)",
    ),
    (
        "customer_within_distance(coordinates: '45.4215,-75.6972', distance_km: 10) = true",
        "customer_within_distance MATCHES (coordinates = (45.4215, -75.6972), distance_km = 10)",
    ),
    ("anniversary(date: 'metafields.facts.birthday') = today", "anniversary('metafields.facts.birthday') = today"),
    ("storefront_event.product_viewed MATCHES (id = 1)", "storefront.product_viewed MATCHES (id = 1)"),
    ("storefront_event.collection_viewed(id: 1) = true", "storefront.collection_viewed MATCHES (id = 1)"),
    ("products_purchased NOT_MATCHES (id = 1)", "products_purchased NOT MATCHES (id = 1)"),
    ("last_order_date > 7_days_ago", "last_order_date > -7d"),
    ("last_order_date > 30_days_ago", "last_order_date > -30d"),
    ("last_order_date > 90_days_ago", "last_order_date > -90d"),
    ("last_order_date > 12_months_ago", "last_order_date > -12m"),
    ("in_holdout('global') = true", "in_holdout MATCHES (key = 'global')"),
    ("in_holdout(key: 'global') = true", "in_holdout MATCHES (key = 'global')"),
    (
        "touchpoints(kind: 'visit', channel: 'web', since: -30d, count_at_least: 3) = true",
        "touchpoints MATCHES (kind = 'visit', channel = 'web', date >= -30d, count >= 3)",
    ),
]


@pytest.mark.parametrize(("old", "new"), OLD_FORMS)
def test_an_old_form_is_the_same_rule_as_the_new_one_and_says_so(old: str, new: str) -> None:
    parsed = parse(old)
    assert parsed.rule == parse(new).rule
    assert canonical(parsed.rule) == new
    warned = [warning for warning in parsed.warnings if warning.kind is Kind.DEPRECATED_FORM]
    assert warned
    assert all(len(warning.suggestions) == 1 for warning in warned)
    assert Kind.DEPRECATED_FORM not in {warning.kind for warning in parse(new).warnings}


def test_the_new_text_of_a_call_stands_ready_in_the_warning() -> None:
    warning = next(w for w in parse("orders_placed(until: -90d) = true").warnings if w.kind is Kind.DEPRECATED_FORM)
    assert warning.suggestions == ("orders_placed MATCHES (date <= -90d)",)
    assert warning.found == "orders_placed(until: -90d) = true"


@pytest.mark.parametrize(
    ("value", "is_assumed"), [("-45d", True), ("90_days_ago", True), ("today", False), ("2025-01-01", False)]
)
def test_only_an_offset_is_taken_for_since(value: str, *, is_assumed: bool) -> None:
    kinds = [warning.kind for warning in parse(f"orders_placed(date: {value}) = true").warnings]
    assert (Kind.ASSUMED_SINCE in kinds) is is_assumed


WRAPPED = [
    "WHERE number_of_orders > 1",
    "where number_of_orders > 1",
    "FROM customers WHERE number_of_orders > 1",
    "FROM customers SHOW customer_name WHERE number_of_orders > 1",
    "FROM customers SHOW customer_name, a.b WHERE number_of_orders > 1 ORDER BY updated_at",
    "number_of_orders > 1 ORDER BY updated_at ASC",
    "FROM customers\nWHERE number_of_orders > 1\nORDER BY updated_at DESC",
]


@pytest.mark.parametrize("text", WRAPPED)
def test_what_the_admin_puts_around_a_condition_is_left_out_with_a_warning(text: str) -> None:
    parsed = parse(text)
    assert canonical(parsed.rule) == "number_of_orders > 1"
    assert {warning.kind for warning in parsed.warnings} == {Kind.WRAPPER_IGNORED}


SPELLINGS = [
    ("AMOUNT_SPENT>5 and Not customer_tags contains 'x'", "amount_spent > 5 AND NOT customer_tags CONTAINS 'x'"),
    ("(number_of_orders > 1) AND ((amount_spent > 2))", "number_of_orders > 1 AND amount_spent > 2"),
    (
        "(number_of_orders > 1 OR amount_spent > 2) OR rfm_recency = 3",
        "number_of_orders > 1 OR amount_spent > 2 OR rfm_recency = 3",
    ),
    ("NOT NOT number_of_orders > 1", "number_of_orders > 1"),
    ("NOT (number_of_orders > 1 OR amount_spent > 2)", "NOT (number_of_orders > 1 OR amount_spent > 2)"),
    ("NOT (number_of_orders > 1) AND amount_spent > 2", "NOT number_of_orders > 1 AND amount_spent > 2"),
    ("number_of_orders > 1 -- remark\nAND /* more */ amount_spent > 2", "number_of_orders > 1 AND amount_spent > 2"),
    ("products_purchased IS NULL", "products_purchased NOT MATCHES ()"),
    ("products_purchased IS NOT NULL", "products_purchased MATCHES ()"),
    ("customer_within_distance IS NULL", "customer_within_distance IS NULL"),
    ("customer.metafields.a-b.c = 1", "metafields.a-b.c = 1"),
    ("amount_spent > 5.50", "amount_spent > 5.50"),
    ("customer_tags CONTAINS 'a\\'b\\\\c\\d'", "customer_tags CONTAINS 'a\\'b\\\\c\\\\d'"),
    (
        "amount_spent BETWEEN 1 AND 2 * average_order_value",
        "amount_spent >= 1 AND amount_spent <= 2 * average_order_value",
    ),
    ("last_order_date = '2025-01-01'", "last_order_date = 2025-01-01"),
    ("companies IN ('007', 8)", "companies IN (007, 8)"),
    ("metafields.a.flag = TRUE", "metafields.a.flag = true"),
]


@pytest.mark.parametrize(("written", "tidy"), SPELLINGS)
def test_the_tidy_text_has_one_form(written: str, tidy: str) -> None:
    assert canonical(parse(written).rule) == tidy
    assert parse(tidy).rule == parse(written).rule


def test_and_binds_tighter_than_or_and_between_keeps_its_own_and() -> None:
    loose = parse("number_of_orders BETWEEN 1 AND 2 AND amount_spent > 1 OR rfm_recency = 1").rule
    assert loose == parse("(number_of_orders BETWEEN 1 AND 2 AND (amount_spent > 1)) OR rfm_recency = 1").rule
    assert loose != parse("number_of_orders BETWEEN 1 AND 2 AND (amount_spent > 1 OR rfm_recency = 1)").rule
