"""A rule in the platform's own words (segment-language.md, chapter 11)."""

from __future__ import annotations

import pytest

from plugin.domain.rules import parse
from plugin.domain.rules.export import to_shopify


def exported(text: str, version: str = "2026-10") -> str | None:
    return to_shopify(parse(text).rule, version).text


NEW_FORMS = [
    ("number_of_orders > 1", "number_of_orders > 1"),
    ("customer_language IN ('en', 'fr')", "customer_language = 'en' OR customer_language = 'fr'"),
    (
        "amount_spent > 1 AND customer_language IN ('en', 'fr')",
        "amount_spent > 1 AND (customer_language = 'en' OR customer_language = 'fr')",
    ),
    ("customer_language NOT IN ('en', 'fr')", "customer_language != 'en' AND customer_language != 'fr'"),
    ("NOT customer_language IN ('en', 'fr')", "NOT customer_language = 'en' AND NOT customer_language = 'fr'"),
    ("NOT (amount_spent > 1 OR companies IS NULL)", "NOT amount_spent > 1 AND companies IS NOT NULL"),
    ("NOT (amount_spent > 1 AND customer_tags CONTAINS 'a')", "NOT amount_spent > 1 OR customer_tags NOT CONTAINS 'a'"),
    ("orders_placed(date: -45d) = true", "orders_placed MATCHES (date >= -45d)"),
    ("products_purchased MATCHES (id IN (1, 2))", "products_purchased MATCHES (id IN (1, 2))"),
]


@pytest.mark.parametrize(("text", "shopify"), NEW_FORMS)
def test_a_rule_is_written_without_what_the_platform_does_not_know(text: str, shopify: str) -> None:
    assert exported(text) == shopify


CALL_FORMS = [
    ("orders_placed MATCHES ()", "orders_placed() = true"),
    ("orders_placed NOT MATCHES (count >= 2)", "orders_placed(count_at_least: 2) = false"),
    ("products_purchased MATCHES (id IN (1, 2), date >= -30d)", "products_purchased(id: (1, 2), since: -30d) = true"),
    ("orders_placed MATCHES (date > -30d)", "orders_placed(since: -29d) = true"),
    ("orders_placed MATCHES (date > yesterday)", "orders_placed(since: today) = true"),
    ("orders_placed MATCHES (date < 2025-03-01)", "orders_placed(until: 2025-02-28) = true"),
    ("orders_placed MATCHES (date = -3d)", "orders_placed(date: BETWEEN -3d AND -3d) = true"),
    ("orders_placed MATCHES (date BETWEEN -9d AND -3d)", "orders_placed(date: BETWEEN -9d AND -3d) = true"),
    ("number_of_orders > 1 OR orders_placed MATCHES ()", "number_of_orders > 1 OR orders_placed() = true"),
]


@pytest.mark.parametrize(("text", "shopify"), CALL_FORMS)
def test_earlier_api_versions_get_the_call_form_of_the_same_rule(text: str, shopify: str) -> None:
    assert exported(text, "2026-07") == shopify


REFUSED = [
    ("lifecycle_stage = 'departing'", "2026-10", "lifecycle_stage"),
    ("customer_tags STARTS WITH 'a'", "2026-10", "STARTS WITH"),
    ("number_of_orders > 2 * number_of_orders", "2026-10", "another attribute"),
    ("touchpoints MATCHES (kind = 'visit')", "2026-10", "touchpoints"),
    ("number_of_orders IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)", "2026-10", "at most 10"),
    ("products_purchased MATCHES (quantity > 5)", "2026-07", "quantity"),
    ("orders_placed MATCHES (date > -1m)", "2026-07", "date >"),
    ("orders_placed MATCHES (date > 9999-12-31)", "2026-07", "date >"),
]


@pytest.mark.parametrize(("text", "version", "word"), REFUSED)
def test_what_cannot_be_said_is_named_and_another_way_offered(text: str, version: str, word: str) -> None:
    answer = to_shopify(parse(text).rule, version)
    assert answer.text is None
    assert word in answer.obstacles[0]
    assert "tag or a metafield" in answer.obstacles[-1]
