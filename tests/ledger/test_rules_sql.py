"""A rule as SQL says the same as the rule in memory, on both databases."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.rules import parse
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.syntax import AttributeRef, Contains, In, Matches, NumberValue, Rule, TextValue
from plugin.ledger.database import Database
from plugin.ledger.rules_sql import compile_rule
from tests.support.rule_shop import DAY, FIRST_DAY, LAST_DAY, MODELS, SHOP, RuleShop, as_batch, made_up, put
from tests.support.rules import RULES

ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")
INSTANTS = st.integers(FIRST_DAY * 24, LAST_DAY * 24).map(lambda hour: hour * DAY // 24)


async def chosen(rule: Rule, at: int, calendar: ShopCalendar, database: Database, shop_id: int = SHOP) -> set[int]:
    condition, parameters = compile_rule(
        rule, shop_id=shop_id, at=at, calendar=calendar, dialect=database.dialect, primary_model=MODELS[0]
    )
    rows = await database.fetch(f"SELECT p.customer_id, {condition} FROM profiles p", *parameters)
    assert all(verdict in (0, 1) for _, verdict in rows)  # never NULL
    return {customer for customer, verdict in rows if verdict}


def in_memory(rule: Rule, at: int, calendar: ShopCalendar, shop: RuleShop) -> set[int]:
    holds = evaluate(rule, as_batch(shop, at, calendar)).holds
    return {profile["customer_id"] for profile, verdict in zip(shop.profiles, holds, strict=True) if verdict}


_STORED: dict[int, RuleShop] = {}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=RULES, at=INSTANTS, zone=st.sampled_from(ZONES))
async def test_both_evaluators_choose_the_same_customers(database: Database, rule: Rule, at: int, zone: str) -> None:
    if id(database) not in _STORED:
        _STORED.clear()
        _STORED[id(database)] = made_up(1, ShopCalendar("Europe/Berlin"))
        await put(_STORED[id(database)], database)
    calendar = ShopCalendar(zone)
    assert await chosen(rule, at, calendar, database) == in_memory(rule, at, calendar, _STORED[id(database)])


TEXTS = (
    "days_since_last_order >= lapse_days AND NOT customer_tags CONTAINS 'VIP'",
    "orders_placed MATCHES (date >= -90d, count >= 1, sum_amount > 5) OR number_of_orders = 0",
    "products_purchased MATCHES (tag = 'VIP', date BETWEEN -12m AND today, sum_quantity >= 2)",
    "products_purchased NOT MATCHES (id IN (1, 2, 3), category = 'en')",
    "amount_spent > 0.5 * average_order_value",
    "touchpoints MATCHES (kind IN ('cart', 'search'), date > -120d)",
    "touchpoints MATCHES (kind != 'visit', channel = 'web', count >= 3)",
    "touchpoints NOT MATCHES (kind NOT IN ('order', 'visit'), date >= -90d)",
    "touchpoints MATCHES (kind = 'order', channel = 'pos')",
    "storefront.product_viewed MATCHES (tag = 'VIP') OR storefront.product_viewed MATCHES (id IN (2, 3), count >= 2)",
    "storefront.collection_viewed MATCHES (id NOT IN (1, 2), date BETWEEN -12m AND today)",
    "open_complaint = true AND last_seen_date < -60d",
    "open_complaint = false AND nps_score >= 3",
    "customer_language IN ('en', 'it\\'s') AND rfm_frequency NOT IN (1, 5)",
)


@pytest.mark.parametrize("text", TEXTS)
async def test_written_rules_choose_the_same_customers_in_every_zone(database: Database, text: str) -> None:
    shop = made_up(3, ShopCalendar(ZONES[0]), customers=80)
    await put(shop, database)
    rule, at = parse(text).rule, (LAST_DAY - 30) * DAY
    for calendar in map(ShopCalendar, ZONES):
        found = await chosen(rule, at, calendar, database)
        assert found == in_memory(rule, at, calendar, shop)
        assert 0 < len(found) < 80


REAL = (
    "email_subscription_status = 'SUBSCRIBED' AND last_order_date >= -90d",
    "products_purchased(date: -365d, sum_quantity: 2) = true",
    "customer_within_distance(coordinates: (45.4, -75.7), distance_km: 50) = true OR number_of_orders > 2",
    "shopify_email.opened(count_at_least: 1) = false AND customer_countries CONTAINS 'US'",
    "metafields.facts.birth_date >= 2000-01-01 OR anniversary('facts.birth_date') = today",
    "store_credit_accounts NOT MATCHES (balance > 5.5) AND companies IS NULL",
)


def queries() -> list[str]:
    """Queries of real stores, and where the specification is at hand, all of its own."""
    shared = Path(__file__).parents[3] / "shared" / "segment-queries.tsv"
    lines = shared.read_text(encoding="utf-8").split("\n")[1:] if shared.exists() else []
    return [*REAL, *(line.split("\t")[0] for line in lines if line)]


async def test_queries_of_real_stores_choose_the_same_customers(database: Database) -> None:
    calendar = ShopCalendar("America/New_York")
    shop = made_up(6, calendar)
    await put(shop, database)
    for text in queries():
        rule, at = parse(text).rule, (FIRST_DAY + 200) * DAY
        assert await chosen(rule, at, calendar, database) == in_memory(rule, at, calendar, shop), text


async def test_a_rule_never_chooses_a_customer_of_another_shop(database: Database) -> None:
    calendar = ShopCalendar("UTC")
    await put(made_up(4, calendar), database)
    always = parse("number_of_orders >= 0 OR number_of_orders < 0").rule
    assert len(await chosen(always, LAST_DAY * DAY, calendar, database)) == 40
    assert await chosen(always, LAST_DAY * DAY, calendar, database, shop_id=SHOP + 1) == set()


async def test_a_list_of_ten_thousand_is_one_parameter(database: Database) -> None:
    calendar = ShopCalendar("UTC")
    shop = made_up(5, calendar)
    await put(shop, database)
    ids = tuple(NumberValue(Decimal(number)) for number in range(3, 10_003))
    rule = Matches("products_purchased", (In(AttributeRef("id"), ids),))
    at = LAST_DAY * DAY
    assert await chosen(rule, at, calendar, database) == in_memory(rule, at, calendar, shop)


def test_values_are_bound_and_never_written_into_the_text() -> None:
    rule = parse("customer_language = 'x\\'; DROP TABLE profiles; --' AND customer_tags CONTAINS 'y'").rule
    for dialect in ("sqlite", "postgres"):
        sql, parameters = compile_rule(
            rule, shop_id=SHOP, at=0, calendar=ShopCalendar("UTC"), dialect=dialect, primary_model="m", alias="profile"
        )
        assert "DROP" not in sql
        assert "'" not in sql
        assert sql.startswith("(profile.shop_id = CAST($1 AS BIGINT) AND ")
        assert parameters == [SHOP, "x'; DROP TABLE profiles; --", "\x1fy\x1f"]


def test_an_unchecked_clause_raises_and_never_matches_quietly() -> None:
    rule = Contains(AttributeRef("number_of_orders"), TextValue("1"))
    with pytest.raises(TypeError, match="does not fit"):
        compile_rule(rule, shop_id=1, at=0, calendar=ShopCalendar("UTC"), dialect="sqlite", primary_model="m")
