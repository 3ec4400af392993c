"""Triggers written once for a day are, for each shop and instant, what writing each rule anew would say."""

import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plugin.domain.instants import to_us
from plugin.domain.rules import parse
from plugin.domain.rules.syntax import Rule
from plugin.ledger.database import Dialect
from plugin.ledger.lists import among
from plugin.ledger.rules_sql import compile_rule
from plugin.lifecycle.plan import calendar_of
from plugin.lifecycle.plays import PlayBook, _book, _Hidden
from plugin.lifecycle.triggers import _KEPT, _Mark, _places, _shifted, triggers_of
from plugin.shops import ShopContext
from tests.support.rules import RULES
from tests.support.small_shop import DAY, NOW, a_shop

DIALECTS: list[Dialect] = ["sqlite", "postgres"]


def book() -> PlayBook:
    return _book.__wrapped__("", "{}", ("", "buyer-activity"), _Hidden(a_shop()))


def written_anew(book: PlayBook, shop: ShopContext, dialect: Dialect, at: int) -> tuple[str, list[Any]]:
    columns, values = [], []
    rules = [book.rules[key] for key in book.rules if book.plays[key].enabled]
    for rule in (*rules, parse("open_complaint = true").rule):
        condition, bound = compile_rule(
            rule, shop_id=shop.id, at=at, calendar=calendar_of(shop), dialect=dialect, primary_model=shop.primary_model
        )
        columns.append(f"CASE WHEN {_shifted(condition, 2 + len(values))} THEN 1 ELSE 0 END")
        values += bound
    where = f"p.shop_id = $1 AND {among(dialect, 'p.customer_id', 2)}"
    return f"SELECT p.customer_id, {', '.join(columns)} FROM profiles p WHERE {where}", values


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_kept_is_what_would_be_written(dialect: Dialect) -> None:
    known, rng = book(), random.Random(7)
    for _ in range(60):
        zone, model = (
            rng.choice(["UTC", "America/New_York", "Pacific/Apia"]),
            rng.choice(["buyer-activity", "reach-loyalty"]),
        )
        shop = a_shop(rng.randrange(1, 5), timezone=zone, primary_model=model)
        at = to_us(NOW) + rng.randrange(-3 * DAY, 3 * DAY)
        triggers = triggers_of(known, shop, dialect, at)
        assert (triggers.sql, triggers.bound(shop.id, at)) == written_anew(known, shop, dialect, at)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(
    rule=RULES,
    seconds=st.tuples(st.integers(0, 40_000), st.integers(0, 40_000)),
    zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Apia"]),
)
def test_whatever_rule_a_merchant_writes_holds_only_marks_of_its_shop_and_instant(
    dialect: Dialect, rule: Rule, seconds: tuple[int, int], zone: str
) -> None:
    first, then = (to_us(NOW) + each * 1_000_000 for each in seconds)
    one, other = a_shop(90, timezone=zone), a_shop(7, timezone=zone)
    calendar = calendar_of(one)
    assume(calendar.today(first) == calendar.today(then))
    shop_mark, instant_mark = _Mark(one.id), _Mark(first)
    condition, kept = compile_rule(
        rule, shop_id=shop_mark, at=instant_mark, calendar=calendar, dialect=dialect, primary_model="buyer-activity"
    )
    kept = list(kept)
    for mark, value in ((shop_mark, other.id), (instant_mark, then)):
        for place in _places(kept, mark):
            kept[place] = value
    anew = compile_rule(
        rule, shop_id=other.id, at=then, calendar=calendar, dialect=dialect, primary_model="buyer-activity"
    )
    assert (condition, kept) == (anew[0], list(anew[1]))


def test_the_instant_and_the_shop_stand_where_they_are_asked_for() -> None:
    """An equal number that means something else stays as it is."""
    known, at = book(), to_us(NOW)
    triggers = triggers_of(known, a_shop(90), "sqlite", at)  # 90 is a lapse, too
    changed = triggers.bound(7, at + 1)
    moved = [place for place, value in enumerate(triggers.bound(90, at)) if value != changed[place]]
    assert moved == sorted({*triggers.shops, *triggers.instants})
    assert len(triggers.shops) == len(triggers.keys) + 1
    assert triggers.instants


def test_days_that_are_over_go() -> None:
    known, shop = book(), a_shop()
    for day in range(_KEPT + 20):
        triggers_of(known, shop, "sqlite", to_us(NOW) + day * DAY)
    assert len(known.triggers) == _KEPT
    assert triggers_of(known, shop, "sqlite", to_us(NOW) + (_KEPT + 19) * DAY) is triggers_of(
        known, shop, "sqlite", to_us(NOW) + (_KEPT + 19) * DAY + 1
    )
