"""Why a verdict fell: the comparisons that decided, as values and as sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.reasons import Reason, reasons, text
from plugin.domain.rules import parse
from plugin.domain.rules.syntax import AttributeRef, Comparison, Not, Operator, Rule, TextValue
from tests.rules.test_evaluate import three_customers
from tests.support.rule_shop import DAY, as_batch, made_up
from tests.support.rules import RULES

ANNA, BEN, CEM = range(3)


def why(rule: str, row: int) -> list[str]:
    return [text(reason) for reason in reasons(parse(rule).rule, three_customers(), row)]


def test_a_reason_keeps_measure_value_operator_and_threshold() -> None:
    rule = parse("days_since_last_order >= lapse_days").rule
    (reason,) = reasons(rule, three_customers(), BEN)
    assert reason == Reason("days_since_last_order", "91", ">=", "90 (lapse_days)")
    assert text(reason) == "days since last order 91 >= 90 (lapse_days)"


@pytest.mark.parametrize(
    ("rule", "row", "says"),
    [
        ("number_of_orders = 0", ANNA, ["number of orders 4 != 0"]),
        ("NOT number_of_orders = 0", ANNA, ["number of orders 4 != 0"]),
        ("number_of_orders = 0 OR amount_spent > 99", ANNA, ["amount spent 100.0 > 99"]),
        ("number_of_orders = 0 OR amount_spent > 100", ANNA, ["number of orders 4 != 0", "amount spent 100.0 <= 100"]),
        ("number_of_orders = 0 AND amount_spent > 99", ANNA, ["number of orders 4 != 0"]),
        ("number_of_orders > 1 AND amount_spent > 99", ANNA, ["number of orders 4 > 1", "amount spent 100.0 > 99"]),
        ("number_of_orders > 1 AND NOT number_of_orders <= 1", ANNA, ["number of orders 4 > 1"]),
        ("days_since_last_order > lapse_days", CEM, ["days since last order IS NULL"]),
        ("days_since_first_order > 2 * order_gap_median_days", ANNA,
         ["days since first order 400 > 91 (2 * order_gap_median_days)"]),
        ("days_since_first_order > 2 * order_gap_median_days", BEN,
         ["days since first order 91 <= order_gap_median_days, which is missing"]),
        ("last_order_date >= -90d", BEN, ["last order date 2024-03-16 < -90d"]),
        ("last_order_date BETWEEN -91d AND yesterday", BEN, ["last order date 2024-03-16 BETWEEN -91d AND yesterday"]),
        ("average_order_value = 12.35", BEN, ["average order value 12.35 = 12.35"]),
        ("customer_tags CONTAINS 'VIP'", ANNA, ["customer tags 'vip', 'straße' CONTAINS 'VIP'"]),
        ("customer_tags NOT CONTAINS 'VIP'", CEM, ["customer tags IS NULL"]),
        ("customer_tags NOT STARTS WITH 'vip'", BEN, ["customer tags 'vip-old' STARTS WITH 'vip'"]),
        ("customer_language NOT IN ('de', 'fr')", ANNA, ["customer language 'en' NOT IN ('de', 'fr')"]),
        ("customer_language IS NOT NULL", ANNA, ["customer language 'en' IS NOT NULL"]),
        ("orders_placed MATCHES (date >= -30d, count >= 1)", ANNA,
         ["orders placed 1 MATCHES (date >= -30d, count >= 1)"]),
        ("orders_placed NOT MATCHES (date >= -30d)", BEN, ["orders placed 0 NOT MATCHES (date >= -30d)"]),
        ("shopify_email.opened MATCHES ()", ANNA, ["shopify email.opened 0 NOT MATCHES ()"]),
        ("probability_alive > 0.8", ANNA, ["probability alive 0.9 > 0.8"]),
        ("probability_alive > 0.8", CEM, ["probability alive IS NULL"]),
    ],
)  # fmt: skip
def test_the_deciding_comparisons_are_told_as_they_stand(rule: str, row: int, says: list[str]) -> None:
    assert why(rule, row) == says


@settings(max_examples=80, deadline=None)
@given(rule=RULES, row=st.integers(0, 39))
def test_every_verdict_has_reasons_and_the_contrary_rule_has_the_same(rule: Rule, row: int) -> None:
    batch = as_batch(made_up(1, ShopCalendar("UTC"), customers=40), 19_900 * DAY, ShopCalendar("UTC"))
    found = reasons(rule, batch, row)
    assert found
    assert all(reason.measure and reason.operator for reason in found)
    assert reasons(Not(rule), batch, row) == found


def test_a_stage_of_a_named_model_is_told_with_its_model() -> None:
    rule = Comparison(AttributeRef("lifecycle_stage", "buyer-activity"), Operator.EQ, TextValue("departing"))
    (reason,) = reasons(rule, three_customers(), BEN)
    assert reason == Reason("lifecycle_stage('buyer-activity')", "'departing'", "=", "'departing'")
