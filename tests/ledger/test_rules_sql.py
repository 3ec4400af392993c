"""A rule as SQL says the same as the rule in memory, on both databases."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.syntax import Rule
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
