"""Each construct of the language on hand-made customers (segment-language.md, chapters 4 to 6 and 10)."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from plugin.domain.calendar import ShopCalendar, epoch_day
from plugin.domain.columns import Column, int_column, text_column
from plugin.domain.instants import FOREVER
from plugin.domain.rules import parse
from plugin.domain.rules.batch import Batch, RowTable
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.syntax import (
    Affix,
    AttributeRef,
    Comparison,
    Contains,
    HasAffix,
    In,
    IsNull,
    Not,
    NumberValue,
    Operator,
    Rule,
    TextValue,
)
from plugin.domain.text import list_text

BERLIN = ShopCalendar("Europe/Berlin")
DAY = 86_400_000_000
TODAY = epoch_day(date(2024, 6, 15))
NOON = BERLIN.start_of_day(TODAY) + DAY // 2


def real_column(*values: float | None) -> Column:
    return Column(np.array([value or 0.0 for value in values]), np.array([value is None for value in values]))


def when(*days: int | None) -> dict[str, Column]:
    """A date of each of three customers, days before today, at eleven o'clock."""
    known = [None if ago is None else TODAY - ago for ago in days]
    at = [None if day is None else BERLIN.start_of_day(day) + 11 * DAY // 24 for day in known]
    return {"day": int_column(known), "at": int_column(at)}


def three_customers() -> Batch:
    """Anna has everything, Ben something, Cem nothing."""
    dates = {"last_order": when(0, 91, None), "first_order": when(400, 91, None), "added": when(401, 91, 3),
             "replenishment": when(-7, 2, None)}  # fmt: skip
    columns = {f"{name}_{part}": column for name, parts in dates.items() for part, column in parts.items()}
    columns |= {
        "orders": int_column([4, 1, 0]),
        "net_spend": int_column([1_000_000, 123_500, 0]),
        "lapse_1": int_column([90, 90, None]),
        "gap_median": real_column(45.5, None, None),
        "average_order_value": real_column(25.0, 12.35, None),
        "discount_share": real_column(0.5, 0.0, None),
        "probability_alive": real_column(0.9, 0.25, None),
        "language": text_column(["en", "", None]),
        "email_domain": text_column(["example.com", "shop.example", None]),
        "tags": text_column([list_text(["VIP", "Straße"], folded=True), list_text(["vip-old"], folded=True), None]),
        "cities": text_column([list_text(["US-CA-LosAngeles"]), list_text(["DE-BE-Berlin"]), None]),
        "company_id": int_column([2**62, 7, None]),
        "rfm_frequency": int_column([5, 2, None]),
        "stage:buyer-activity": text_column(["active", "departing", "visitor"]),
        "since_day:buyer-activity": int_column([TODAY - 10, TODAY - 1, TODAY]),
        "previous_stage:buyer-activity": text_column(["new_buyer", "active", None]),
        "stage_valid_until:buyer-activity": int_column([NOON + 5, NOON + 6, None]),
    }
    at = np.full(3, NOON, dtype=np.int64)
    return Batch(at, BERLIN.day_of(at), BERLIN, columns, _rows(), primary_model="buyer-activity")


def _rows() -> dict[str, RowTable]:
    """Anna: 20 EUR 400 days ago (A), 30 EUR 10 days ago (B), 25 EUR tomorrow. Ben: 12.35 EUR 91 days ago, void since."""
    ago = [400, 10, -1, 91]
    placed = int_column([BERLIN.start_of_day(TODAY - days) + DAY // 4 for days in ago])
    voided = int_column([FOREVER, FOREVER, FOREVER, NOON])
    orders = RowTable(
        np.array([0, 3, 4]),
        np.array([3, 4, 4]),
        {
            "processed_at": placed,
            "voided_at": voided,
            "total": int_column([200_000, 300_000, 250_000, 123_500]),
            "app_id": int_column([129_785, None, 1, 1]),
            "location_id": int_column([1, 2, 2, 1]),
        },
    )
    order = np.array([0, 0, 1, 2, 3])  # two lines of A, one of each other
    lines = RowTable(
        np.array([0, 4, 5]),
        np.array([4, 5, 5]),
        {
            "processed_at": Column(placed.values[order], placed.null[order]),
            "voided_at": Column(voided.values[order], voided.null[order]),
            "order": int_column(order.tolist()),
            "product_id": int_column([11, 12, 11, 11, 12]),
            "product_tags": text_column([list_text(["coffee"]), None, list_text(["coffee"]), None, None]),
            "product_category": text_column(["Food", None, "Food", "Food", None]),
            "quantity": int_column([1, 2, 3, 9, 1]),
        },
    )
    return {"orders": orders, "order_lines": lines}


def chosen(rule: Rule) -> str:
    """Initials of those for whom it holds."""
    holds = evaluate(rule, three_customers()).holds
    return "".join(name for name, held in zip("ABC", holds, strict=True) if held)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        # 4.1 Missing values: every comparison is false, also !=; negated list operators are exact complements.
        ("customer_language = 'en'", "A"),
        ("customer_language != 'en'", "B"),
        ("NOT customer_language = 'en'", "BC"),
        ("customer_language = ''", "B"),
        ("customer_language IS NULL", "C"),
        ("customer_language IS NOT NULL", "AB"),
        ("customer_language NOT IN ('en', 'de')", "B"),
        ("customer_language IN ('en', '')", "AB"),
        ("customer_language STARTS WITH 'e'", "A"),
        ("customer_language ENDS WITH ''", "AB"),
        ("customer_language NOT STARTS WITH 'e'", "BC"),
        ("customer_tags IS NULL", "C"),
        ("number_of_orders = 0", "C"),
        ("number_of_orders IS NULL", ""),
        ("days_since_last_order != 0", "B"),
        # 4.2 Dates are whole days of the shop; date-times are that second.
        ("last_order_date = today", "A"),
        ("last_order_date != today", "B"),
        ("last_order_date > yesterday", "A"),
        ("last_order_date >= -91d", "AB"),
        ("last_order_date > -91d", "A"),
        ("last_order_date < -90d", "B"),
        ("last_order_date <= -13w", "B"),
        ("customer_added_date BETWEEN -91d AND today", "BC"),
        ("customer_added_date BETWEEN today AND -91d", ""),
        ("customer_added_date <= 2023-05-11", "A"),
        ("last_order_date = 2024-06-15T11:00:00", "A"),
        ("last_order_date > 2024-06-15T11:00:00", ""),
        ("last_order_date >= 2024-06-15T11:00:00", "A"),
        ("last_order_date < 2024-06-15T11:00:01", "AB"),
        ("last_order_date != 2024-06-15T11:00:00", "B"),
        ("last_order_date BETWEEN 2024-03-16T10:00:00 AND today", "AB"),
        # 4.3 Strings exact, tags folded (simple folding: ß is not ss), codes exact, domains in lower case.
        ("customer_tags CONTAINS 'vip'", "A"),
        ("customer_tags CONTAINS 'Vip-OLD'", "B"),
        ("customer_tags CONTAINS 'STRAẞE'", "A"),
        ("customer_tags CONTAINS 'strasse'", ""),
        ("customer_tags NOT CONTAINS 'vip'", "BC"),
        ("customer_tags STARTS WITH 'VIP'", "AB"),
        ("customer_tags ENDS WITH 'old'", "B"),
        ("customer_tags NOT ENDS WITH 'old'", "AC"),
        ("customer_cities CONTAINS 'US-CA-LosAngeles'", "A"),
        ("customer_cities CONTAINS 'us-ca-losangeles'", ""),
        ("customer_email_domain = 'Shop.EXAMPLE'", "B"),
        # 4.4 Numbers and money, exact.
        ("amount_spent = 12.35", "B"),
        ("amount_spent > 12.35", "A"),
        ("amount_spent > 12.34999", "AB"),
        ("amount_spent BETWEEN 0 AND 12.35", "BC"),
        ("average_order_value = 12.35", "B"),
        ("discount_order_share >= 0.5", "A"),
        ("number_of_orders IN (0, 4)", "AC"),
        ("number_of_orders NOT IN (0, 4)", "B"),
        ("companies = 4611686018427387904", "A"),
        ("companies != 7", "A"),
        ("companies IN (7, 18446744073709551615)", "B"),
        # 4.8 Between attributes.
        ("days_since_last_order >= lapse_days", "B"),
        ("days_since_first_order > 2 * order_gap_median_days", "A"),
        ("amount_spent > 1.5 * average_order_value", "A"),
        ("amount_spent = average_order_value", "B"),
        # Precedence: NOT, AND, OR.
        ("number_of_orders = 0 OR number_of_orders = 1 AND amount_spent > 99", "C"),
        ("NOT number_of_orders = 0 AND NOT number_of_orders = 1", "A"),
        # 6 Functions: filters of rows, aggregates over the rows left, none left is 0.
        ("orders_placed MATCHES ()", "A"),
        ("orders_placed IS NULL", "BC"),
        ("orders_placed MATCHES (date >= -30d)", "A"),
        ("orders_placed MATCHES (date > today)", ""),
        ("orders_placed NOT MATCHES (date >= -30d)", "BC"),
        ("orders_placed MATCHES (amount > 30)", ""),
        ("orders_placed MATCHES (amount >= 30)", "A"),
        ("orders_placed MATCHES (count = 0)", "BC"),
        ("orders_placed MATCHES (count = 2, sum_amount = 50)", "A"),
        ("orders_placed MATCHES (date < -30d, sum_amount <= 20)", "ABC"),
        ("orders_placed MATCHES (app_id = 129785)", "A"),
        ("orders_placed MATCHES (app_id != 129785)", ""),
        ("orders_placed MATCHES (location_id NOT IN (1))", "A"),
        ("products_purchased MATCHES (id = 11)", "A"),
        ("products_purchased MATCHES (id NOT IN (11))", "A"),
        ("products_purchased MATCHES (id IN (12), date >= -30d)", ""),
        ("products_purchased MATCHES (count = 2)", "A"),
        ("products_purchased MATCHES (id = 12, count = 1, sum_quantity = 2)", "A"),
        ("products_purchased MATCHES (tag = 'COFFEE', count >= 2)", "A"),
        ("products_purchased MATCHES (category = 'food')", ""),
        ("products_purchased MATCHES (category = 'Food', sum_quantity = 4)", "A"),
        ("products_purchased MATCHES (quantity BETWEEN 2 AND 3, count = 2)", "A"),
        ("shopify_email.clicked MATCHES ()", ""),
        ("shopify_email.clicked NOT MATCHES (activity_id = 1)", "ABC"),
        ("shopify_email.clicked MATCHES (count = 0)", "ABC"),
        ("shopify_email.opened MATCHES (count >= 1)", ""),
        ("probability_alive > 0.25", "A"),
        ("probability_alive IS NULL", "C"),
        ("next_replenishment_date >= today", "A"),
        ("next_replenishment_date <= +7d", "AB"),
        ("next_replenishment_date < today", "B"),  # overdue
        ("next_replenishment_date IS NULL", "C"),
        ("NOT next_replenishment_date = today", "ABC"),
    ],
)  # fmt: skip
def test_a_rule_chooses_exactly(text: str, who: str) -> None:
    assert chosen(parse(text).rule) == who


def ref(name: str, model: str | None = None) -> AttributeRef:
    return AttributeRef(name, model)


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        (Comparison(ref("lifecycle_stage"), Operator.EQ, TextValue("departing")), "B"),
        (Comparison(ref("lifecycle_stage", "buyer-activity"), Operator.NE, TextValue("departing")), "AC"),
        (Comparison(ref("lifecycle_stage", "another"), Operator.NE, TextValue("departing")), ""),
        (IsNull(ref("lifecycle_stage", "another")), "ABC"),
        (IsNull(ref("days_in_stage", "another")), "ABC"),
        (Comparison(ref("days_in_stage"), Operator.GE, NumberValue(Decimal(1))), "AB"),
        (In(ref("days_in_stage"), (NumberValue(Decimal(0)), NumberValue(Decimal(10)))), "AC"),
        (Comparison(ref("previous_stage"), Operator.EQ, TextValue("active")), "B"),
        (IsNull(ref("previous_stage")), "C"),
        (Contains(ref("metafields.custom.sizes"), TextValue("M")), ""),
        (Contains(ref("metafields.custom.sizes"), TextValue("M"), negated=True), "ABC"),
        (HasAffix(ref("metafields.custom.size"), Affix.ENDS, TextValue("M"), negated=True), "ABC"),
        (Comparison(ref("anniversary", "facts.birth_date"), Operator.EQ, NumberValue(Decimal(1))), ""),
        (Not(Comparison(ref("anniversary", "facts.birth_date"), Operator.EQ, NumberValue(Decimal(1)))), "ABC"),
        (Comparison(ref("companies"), Operator.EQ, TextValue("7")), "B"),
        (Comparison(ref("number_of_orders"), Operator.LT, NumberValue(Decimal(2**70))), "ABC"),
        (Comparison(ref("number_of_orders"), Operator.GT, NumberValue(Decimal(2**70))), ""),
        (Comparison(ref("number_of_orders"), Operator.NE, NumberValue(Decimal(2**70))), "ABC"),
        (Contains(ref("customer_tags"), TextValue("vip\x1fstraße")), ""),
        (Comparison(ref("customer_language"), Operator.EQ, TextValue("\0")), ""),
        (Comparison(ref("customer_language"), Operator.NE, TextValue("\ud800")), "AB"),
    ],
)
def test_what_only_a_tree_can_say_chooses_exactly(rule: Rule, who: str) -> None:
    assert chosen(rule) == who


def test_a_stage_stands_no_longer_than_its_own_placement() -> None:
    rule = Comparison(ref("lifecycle_stage"), Operator.EQ, TextValue("departing"))
    assert evaluate(rule, three_customers()).valid_until.tolist() == [NOON + 5, NOON + 6, FOREVER]


def test_an_unchecked_clause_raises_and_never_matches_quietly() -> None:
    with pytest.raises(TypeError, match="is not a number"):
        chosen(Comparison(ref("number_of_orders"), Operator.EQ, AttributeRef("x")))  # type: ignore[arg-type]  # an unchecked tree
    with pytest.raises(TypeError, match="does not fit"):
        chosen(Contains(ref("number_of_orders"), TextValue("1")))


def test_a_column_that_was_not_given_raises() -> None:
    with pytest.raises(KeyError, match="spend_tier"):
        chosen(Comparison(ref("predicted_spend_tier"), Operator.EQ, TextValue("HIGH")))


def test_no_customers_give_no_verdicts() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    batch = Batch(nobody, nobody, BERLIN, {"orders": int_column([])})
    verdicts = evaluate(parse("number_of_orders > 1 AND NOT number_of_orders = 2").rule, batch)
    assert (len(verdicts.holds), len(verdicts.valid_until)) == (0, 0)


def test_pairs_of_one_customer_share_rows_and_are_judged_each_at_its_own_instant() -> None:
    placed = int_column([10 * DAY, 10 * DAY, 20 * DAY])
    never = int_column([FOREVER] * 3)
    columns = {
        "processed_at": placed,
        "voided_at": never,
        "order": int_column([1, 1, 2]),
        "quantity": int_column([1, 2, 4]),
    }
    at = np.array([9, 10, 15, 20, 25], dtype=np.int64) * DAY
    lines = RowTable(np.zeros(5, dtype=np.int64), np.full(5, 3), columns)
    calendar = ShopCalendar("UTC")

    def held(text: str) -> list[bool]:
        rows = {"order_lines": lines}
        return evaluate(parse(text).rule, Batch(at, calendar.day_of(at), calendar, {}, rows)).holds.tolist()

    assert held("products_purchased MATCHES (count = 1)") == [False, True, True, False, False]
    assert held("products_purchased MATCHES (sum_quantity = 7)") == [False, False, False, True, True]
    assert held("products_purchased MATCHES (date >= -5d, count = 1)") == [False, True, True, True, True]
