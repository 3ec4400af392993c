"""Strategies: any rule that passes the check, over every kind of storage and function."""

from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from plugin.domain.calendar import day_date
from plugin.domain.rules.syntax import (
    Affix,
    And,
    AttributeRef,
    Between,
    BooleanValue,
    Comparison,
    Contains,
    DateTimeValue,
    DateValue,
    HasAffix,
    In,
    IsNull,
    Matches,
    Not,
    NumberValue,
    OffsetValue,
    Operator,
    Or,
    Rule,
    ScaledAttribute,
    TextValue,
    Unit,
)  # fmt: skip
from tests.support.rule_shop import CITIES, FIRST_DAY, LAST_DAY, TAGS, TEXTS

OPERATORS = st.sampled_from(Operator)
SAME = st.sampled_from((Operator.EQ, Operator.NE))
IS = Operator.EQ


def refs(*names: str) -> st.SearchStrategy[AttributeRef]:
    return st.sampled_from(names).map(AttributeRef)


def numbers(*values: str | int) -> st.SearchStrategy[NumberValue]:
    return st.sampled_from(values).map(lambda value: NumberValue(Decimal(value)))


def staged(*names: str) -> st.SearchStrategy[AttributeRef]:
    return st.builds(AttributeRef, st.sampled_from(names), st.sampled_from((None, "buyer-activity", "other", "none")))


DAYS = st.integers(FIRST_DAY - 5, LAST_DAY + 5).map(day_date)
DATES = st.one_of(
    DAYS.map(DateValue),
    st.builds(lambda day, quarter: DateTimeValue(datetime.combine(day, datetime.min.time()) + quarter * timedelta(minutes=15)),
              DAYS, st.integers(0, 95)),
    st.builds(OffsetValue, st.integers(-400, 60), st.just(Unit.DAY)),
    st.builds(OffsetValue, st.integers(-60, 9), st.just(Unit.WEEK)),
    st.builds(OffsetValue, st.integers(-14, 3), st.just(Unit.MONTH)),
    st.builds(OffsetValue, st.integers(-2, 1), st.just(Unit.YEAR)),
)  # fmt: skip
INTEGERS = refs(
    "number_of_orders", "purchase_days", "laps", "last_order_gap_days", "first_order_items", "rfm_recency", "nps_score",
    "loyalty_points",
)  # fmt: skip
AGES = st.one_of(
    refs("days_since_last_order", "days_since_first_order", "days_since_return", "days_since_added"),
    staged("days_in_stage"),
)
DATED = refs("first_order_date", "last_order_date", "customer_added_date", "abandoned_checkout_date", "last_seen_date",
    "predicted_next_order_date", "next_replenishment_date",
)  # fmt: skip
REALS = refs("order_gap_median_days", "average_order_value", "refund_rate", "discount_order_share",
    "probability_alive", "expected_orders_90d",
)  # fmt: skip
STRINGS = st.one_of(
    refs("customer_language", "customer_email_domain", "rfm_group", "email_subscription_status"),
    staged("lifecycle_stage", "previous_stage"),
)
NOWHERE = refs("metafields.custom.size", "metafields.custom.height")
IDS = refs("companies", "created_by_app_id")
WHOLE = numbers(0, 1, 2, 3, 5, -1, 2**63, -(2**63), 2**70, -(2**70))
AGE = st.one_of(st.integers(-30, 400).map(lambda days: NumberValue(Decimal(days))), WHOLE)
AMOUNT = numbers("0", "12.35", "12.3501", "12.35005", "100", "-0.0005", "99999999999999999999.5")
REAL = numbers("0", "0.5", "12.35", "45", "7.5", "0.3333333333333333")
ID = st.one_of(numbers(1, 129_785, 2**62, 2**64 - 1), st.just(TextValue("129785")))
TEXT = st.sampled_from((*TEXTS, "a\0b", "\ud800")).map(TextValue)
TAG = st.sampled_from((*TAGS, "v", "ss", "ß", "a\x1fb")).map(TextValue)
CITY = st.sampled_from((*CITIES, "US", "Berlin")).map(TextValue)


def ordered(of: st.SearchStrategy[AttributeRef], values: st.SearchStrategy[object]) -> st.SearchStrategy[Rule]:
    return st.one_of(st.builds(Comparison, of, OPERATORS, values), st.builds(Between, of, values, values))


def listed(of: st.SearchStrategy[AttributeRef], values: st.SearchStrategy[object]) -> st.SearchStrategy[Rule]:
    return st.builds(In, of, st.lists(values, min_size=1, max_size=4).map(tuple), st.booleans())


def affixed(of: st.SearchStrategy[AttributeRef], values: st.SearchStrategy[TextValue]) -> st.SearchStrategy[Rule]:
    return st.builds(HasAffix, of, st.sampled_from(Affix), values, st.booleans())


ATTRIBUTE_CLAUSES = st.one_of(
    ordered(INTEGERS, WHOLE), listed(INTEGERS, WHOLE),
    ordered(AGES, AGE), listed(AGES, AGE), ordered(AGES, AGE),
    ordered(refs("amount_spent", "predicted_clv"), AMOUNT), ordered(REALS, REAL),
    ordered(DATED, DATES), ordered(DATED, DATES),
    st.builds(Comparison, STRINGS, SAME, TEXT), listed(STRINGS, TEXT), affixed(STRINGS, TEXT),
    st.builds(Contains, refs("customer_tags"), TAG, st.booleans()), affixed(refs("customer_tags"), TAG),
    st.builds(Contains, refs("customer_cities"), CITY, st.booleans()), affixed(refs("customer_cities"), CITY),
    st.builds(Comparison, IDS, SAME, ID), listed(IDS, ID),
    st.builds(Comparison, refs("open_complaint"), SAME, st.booleans().map(BooleanValue)),
    st.builds(IsNull, st.one_of(INTEGERS, AGES, DATED, REALS, STRINGS, NOWHERE, IDS, refs("customer_tags")), st.booleans()),
    ordered(NOWHERE, WHOLE), st.builds(Contains, NOWHERE, TAG, st.booleans()),
)  # fmt: skip
NUMERIC = st.one_of(INTEGERS, AGES, refs("lapse_days", "lapse_days_rung_2", "order_gap_median_days", "refund_rate"))
MONEY = refs("amount_spent", "average_order_value")
FACTORS = st.sampled_from(("1", "2", "0.5", "1.1", "0.3")).map(Decimal)
BETWEEN_ATTRIBUTES = st.one_of(
    st.builds(Comparison, NUMERIC, OPERATORS, st.builds(ScaledAttribute, FACTORS, NUMERIC)),
    st.builds(Comparison, AGES, OPERATORS, st.builds(ScaledAttribute, FACTORS, st.one_of(AGES, refs("lapse_days")))),
    st.builds(Comparison, MONEY, OPERATORS, st.builds(ScaledAttribute, FACTORS, MONEY)),
)


def _some(*conditions: st.SearchStrategy[Rule]) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Some of the conditions, each at most once."""
    return st.tuples(*(st.none() | condition for condition in conditions)).map(
        lambda drawn: tuple(condition for condition in drawn if condition is not None)
    )


def one_of_kind(name: str, *values: str) -> st.SearchStrategy[Rule]:
    texts = st.sampled_from(values).map(TextValue)
    return st.one_of(st.builds(Comparison, refs(name), SAME, texts), listed(refs(name), texts))


COUNT = ordered(refs("count"), numbers(0, 1, 2))
ID_CONDITION = st.one_of(
    st.builds(Comparison, refs("id"), SAME, numbers(1, 2, 5)), listed(refs("id"), numbers(1, 2, 5))
)
APP = st.one_of(st.builds(Comparison, refs("app_id"), SAME, ID), listed(refs("app_id"), ID))
FUNCTIONS = st.one_of(
    st.builds(Matches, st.just("orders_placed"), _some(
        ordered(refs("date"), DATES), ordered(refs("amount"), AMOUNT), APP, COUNT, ordered(refs("sum_amount"), AMOUNT),
    ), st.booleans()),
    st.builds(Matches, st.just("products_purchased"), _some(
        ID_CONDITION, st.builds(Comparison, refs("tag"), st.just(IS), TAG),
        st.builds(Comparison, refs("category"), st.just(IS), TEXT), ordered(refs("date"), DATES),
        ordered(refs("quantity"), numbers(1, 2, 3)), COUNT, ordered(refs("sum_quantity"), numbers(0, 2, 4)),
    ), st.booleans()),
    st.builds(Matches, st.just("storefront.product_viewed"), _some(
        ID_CONDITION, st.builds(Comparison, refs("tag"), st.just(IS), TAG), ordered(refs("date"), DATES), COUNT,
    ), st.booleans()),
    st.builds(Matches, st.just("storefront.collection_viewed"), _some(ID_CONDITION, ordered(refs("date"), DATES), COUNT), st.booleans()),
    st.builds(Matches, st.just("touchpoints"), _some(
        one_of_kind("kind", "order", "product_view", "cart", "email_open", "visit", "share"),
        one_of_kind("channel", "web", "pos", "email"), ordered(refs("date"), DATES), COUNT,
    ), st.booleans()),
    st.builds(Matches, st.just("shopify_email.opened"), _some(COUNT), st.booleans()),
)  # fmt: skip

CLAUSES = st.one_of(ATTRIBUTE_CLAUSES, BETWEEN_ATTRIBUTES, FUNCTIONS)
RULES: st.SearchStrategy[Rule] = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: And(tuple(terms))),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: Or(tuple(terms))),
    ),
    max_leaves=4,
)
