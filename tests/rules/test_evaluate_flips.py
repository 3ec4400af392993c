"""`valid_until`: nothing changes before it without a new fact, and at it the clock flips something."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Ints, int_column
from plugin.domain.instants import FOREVER, to_us
from plugin.domain.rules import parse
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.syntax import Matches, Not, Rule
from tests.support.rule_shop import DAY, FIRST_DAY, LAST_DAY, RuleShop, as_batch, made_up
from tests.support.rules import AGE, AGES, BETWEEN_ATTRIBUTES, DATED, DATES, RULES, listed, ordered

ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")
INSTANTS = st.integers(FIRST_DAY * 24, LAST_DAY * 24).map(lambda hour: hour * DAY // 24)
BEYOND = (LAST_DAY + 1000) * DAY  # where FOREVER is tried
SHOP: RuleShop = made_up(2, ShopCalendar("Europe/Berlin"))


@settings(max_examples=150, deadline=None)
@given(rule=RULES, at=INSTANTS, zone=st.sampled_from(ZONES), part=st.floats(0, 1))
def test_no_verdict_changes_before_valid_until_without_a_new_fact(rule: Rule, at: int, zone: str, part: float) -> None:
    calendar = ShopCalendar(zone)
    now = evaluate(rule, as_batch(SHOP, at, calendar, measured=True))
    assert (now.valid_until > at).all()
    last = np.where(now.valid_until == FOREVER, BEYOND, now.valid_until) - 1
    for later in (last, at + ((last - at) * part).astype(np.int64), calendar.start_of(calendar.day_of(last))):
        then = evaluate(rule, as_batch(SHOP, np.maximum(later, at), calendar, measured=True))
        assert (then.holds == now.holds).all()


CLOCKED = st.one_of(ordered(AGES, AGE), listed(AGES, AGE), ordered(DATED, DATES), BETWEEN_ATTRIBUTES)


@settings(max_examples=200, deadline=None)
@given(rule=st.one_of(CLOCKED, CLOCKED.map(Not)), at=INSTANTS, zone=st.sampled_from(ZONES))
def test_a_comparison_flips_exactly_at_valid_until(rule: Rule, at: int, zone: str) -> None:
    calendar = ShopCalendar(zone)
    now = evaluate(rule, as_batch(SHOP, at, calendar))
    due = now.valid_until < FOREVER
    then = evaluate(rule, as_batch(SHOP, np.where(due, now.valid_until, at), calendar))
    assert ((then.holds != now.holds) == due).all()


def batch_of(last_order: str, at: str, zone: str, *, lapse: int = 90) -> Batch:
    """One customer who ordered at noon of a day, seen at a local time."""
    calendar = ShopCalendar(zone)
    ordered = calendar.local_to_instant(datetime.fromisoformat(f"{last_order}T12:00:00"))
    now: Ints = np.array([calendar.local_to_instant(datetime.fromisoformat(at))], dtype=np.int64)
    columns = {
        "last_order_at": int_column([ordered]),
        "last_order_day": int_column([calendar.today(ordered)]),
        "lapse_1": int_column([lapse]),
    }
    return Batch(now, calendar.day_of(now), calendar, columns)


def local(text: str, zone: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("zone", "rule", "ordered", "at", "holds", "flips"),
    [
        # Ninety days of silence, over the change to summer time: the 91st midnight, not 90 times 24 hours.
        ("Europe/Berlin", "days_since_last_order >= lapse_days", "2024-01-15", "2024-02-01T08:00", False, "2024-04-14"),
        ("Europe/Berlin", "days_since_last_order > lapse_days", "2024-01-15", "2024-02-01T08:00", False, "2024-04-15"),
        ("America/New_York", "days_since_last_order >= 1", "2024-11-02", "2024-11-02T23:59:59", False, "2024-11-03"),
        ("America/New_York", "days_since_last_order = 1", "2024-11-02", "2024-11-03T01:30", True, "2024-11-04"),
        ("Asia/Kathmandu", "days_since_last_order < 30", "2024-05-01", "2024-05-02T00:00", True, "2024-05-31"),
        # The day that Samoa skipped: from the 29th straight to the 31st of December 2011.
        ("Pacific/Apia", "days_since_last_order >= 1", "2011-12-29", "2011-12-29T23:00", False, "2011-12-31"),
        ("Pacific/Apia", "days_since_last_order >= 2", "2011-12-29", "2011-12-29T23:00", False, "2011-12-31"),
        ("Pacific/Apia", "days_since_last_order = 1", "2011-12-29", "2011-12-29T23:00", False, "2011-12-31"),
        # Month ends: on 31 March, -1m is 29 February; on 1 April it is 1 March.
        ("Europe/Berlin", "last_order_date >= -1m", "2024-02-29", "2024-03-29T12:00", True, "2024-04-01"),
        ("Europe/Berlin", "last_order_date > -1m", "2024-02-29", "2024-03-28T12:00", True, "2024-03-29"),
        ("Europe/Berlin", "last_order_date = -1m", "2024-02-29", "2024-03-29T12:00", True, "2024-04-01"),
        ("Europe/Berlin", "last_order_date = -1y", "2023-02-28", "2024-02-28T12:00", True, "2024-03-01"),
        ("Europe/Berlin", "last_order_date <= -2w", "2024-03-20", "2024-03-25T12:00", False, "2024-04-03"),
        ("Europe/Berlin", "last_order_date BETWEEN -30d AND -10d", "2024-03-01", "2024-03-02T00:00", False, "2024-03-11"),
        ("Europe/Berlin", "last_order_date BETWEEN -30d AND -10d", "2024-03-01", "2024-03-11T00:00", True, "2024-04-01"),
        # 31 July is never seven months ago, for there is no 31 February: only the days around it are.
        ("Europe/Berlin", "last_order_date > -7m", "2023-07-31", "2024-02-28T12:00", True, "2024-03-01"),
        ("Europe/Berlin", "last_order_date = yesterday", "2024-03-30", "2024-03-31T04:00", True, "2024-04-01"),
    ],
)  # fmt: skip
def test_the_clock_flips_at_a_midnight_of_the_shop(
    *, zone: str, rule: str, ordered: str, at: str, holds: bool, flips: str
) -> None:
    verdict = evaluate(parse(rule).rule, batch_of(ordered, at, zone))
    assert verdict.holds.tolist() == [holds]
    assert verdict.valid_until.tolist() == [local(f"{flips}T00:00:00", zone)]


@pytest.mark.parametrize(
    "rule",
    [
        "last_order_date > 2024-01-01",
        "last_order_date >= 2024-01-01T10:00:00",
        "days_since_last_order > 90",
        "lapse_days = 90",
        "last_order_date IS NULL",
        "last_order_date < -1w",
        "last_order_date = -3d",
        "last_order_date BETWEEN 2023-06-02 AND -400d",
        "last_order_date BETWEEN -10d AND -20d",
    ],
)
def test_what_only_a_fact_can_change_stands_forever(rule: str) -> None:
    batch = batch_of("2023-06-01", "2024-06-01T00:00", "Europe/Berlin")
    assert evaluate(parse(rule).rule, batch).valid_until.tolist() == [FOREVER]


def test_an_order_known_but_dated_later_bounds_what_orders_decide() -> None:
    batch = batch_of("2024-01-01", "2024-01-02T00:00", "Europe/Berlin")
    batch = Batch(batch.at, batch.today, batch.calendar, {**batch.columns, "next_fact_at": int_column([FOREVER - 5])})
    assert evaluate(parse("last_order_date > 2023-01-01").rule, batch).valid_until.tolist() == [FOREVER - 5]


def test_a_term_that_decides_alone_bounds_the_whole() -> None:
    batch = batch_of("2024-01-01", "2024-01-11T00:00", "Europe/Berlin")  # ten days ago
    whole = parse("days_since_last_order < 12 OR days_since_last_order < 20 OR days_since_last_order > 500").rule
    assert evaluate(whole, batch).valid_until.tolist() == [local("2024-01-21T00:00:00", "Europe/Berlin")]
    both = parse("days_since_last_order > 12 AND days_since_last_order > 20").rule
    assert evaluate(both, batch).valid_until.tolist() == [local("2024-01-22T00:00:00", "Europe/Berlin")]


def test_rows_inside_a_date_window_move_a_function() -> None:
    calendar = ShopCalendar("Europe/Berlin")
    rule = parse("orders_placed MATCHES (date >= -30d, count >= 1)").rule
    assert isinstance(rule, Matches)
    at = 19_900 * DAY
    verdict = evaluate(rule, as_batch(SHOP, at, calendar))
    for row, profile in enumerate(SHOP.profiles):
        own = [order for order in SHOP.orders if order["customer_id"] == profile["customer_id"] and order["counted"]]
        lives = [(o["processed_at"], o["voided_at"] or FOREVER) for o in own if o["voided_at"] != o["processed_at"]]
        lives = [(start, end) for start, end in lives if end > start]
        moves = [min(moment for moment in life if moment > at) for life in lives if life[1] > at]
        days = [calendar.today(start) for start, end in lives if start <= at < end]
        leaves = [calendar.start_of_day(day + 31) for day in days if day >= calendar.today(at) - 30]
        assert bool(verdict.holds[row]) == bool(leaves)
        assert verdict.valid_until[row] == min([*moves, *leaves, FOREVER])
