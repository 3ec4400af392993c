"""What few rules reach, to the letter: lists inside functions, attributes beside ages, sums beyond doubles."""

import numpy as np
import pytest

from plugin.domain import measures
from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, int_column, known
from plugin.domain.instants import FOREVER
from plugin.domain.measures import Orders, measure
from plugin.domain.rules import parse
from plugin.domain.rules.batch import Batch, RowTable
from plugin.domain.rules.evaluate import evaluate

DAY = 86_400_000_000
UTC = ShopCalendar("UTC")
TODAY = 20_000


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def placed(text: str, at: int = TODAY * DAY) -> list[bool]:
    """One customer with orders of app 7, of app 9 and of none, and one without orders."""
    columns = {
        "processed_at": known(ints((TODAY - 3) * DAY + 5, (TODAY - 2) * DAY, (TODAY - 1) * DAY)),
        "voided_at": known(ints(FOREVER, FOREVER, FOREVER)), "total": known(ints(100_000, 250_000, 999_999)),
        "app_id": int_column([7, 9, None]), "location_id": int_column([None, None, None]),
    }  # fmt: skip
    rows = {"orders": RowTable(ints(0, 3), ints(3, 3), columns)}
    return evaluate(parse(text).rule, Batch(ints(at, at), ints(TODAY, TODAY), UTC, {}, rows)).holds.tolist()


@pytest.mark.parametrize(
    ("inside", "holds"),
    [
        ("app_id IN (7, 8)", True), ("app_id IN (8, 10)", False), ("app_id NOT IN (7)", True),
        ("app_id NOT IN (7, 9)", False), ("app_id NOT IN (7), count = 1", True), ("app_id IN (7, 9), count = 2", True),
        ("app_id IN (7, 9), sum_amount = 35", True), ("app_id NOT IN (7, 9), count = 0", True),
        ("date = 2024-10-01T00:00:00", True), ("date = 2024-10-01T00:00:01", False), ("date >= 2024-09-30T00:00:01", True), ("date >= -3d, count = 3", True),
        ("date > 2024-10-01T00:00:01, count = 2", True), ("date > 2024-10-02T00:00:01", True), ("amount = 99.9999", True),
    ],
)  # fmt: skip
def test_rows_are_chosen_exactly(inside: str, holds: bool) -> None:
    assert placed(f"orders_placed MATCHES ({inside})") == [holds, "count = 0" in inside]


def flips(text: str, **days: int | None) -> tuple[bool, int | None]:
    """The verdict today, and the day on which the clock turns it; None: never."""
    columns = {name: int_column([day]) for name, day in days.items()}
    verdicts = evaluate(parse(text).rule, Batch(ints(TODAY * DAY), ints(TODAY), UTC, columns))
    until = int(verdicts.valid_until[0])
    return bool(verdicts.holds[0]), None if until == FOREVER else until // DAY


@pytest.mark.parametrize(
    ("text", "last", "first", "expected"),
    [
        # ages a (last order) and b (first order), both grow by one a day: a < 0.5 b turns when 2 a reaches b
        ("days_since_last_order < 0.5 * days_since_first_order", 10, 40, (True, TODAY + 20)),
        ("days_since_last_order < 0.5 * days_since_first_order", 20, 40, (False, None)),
        ("days_since_last_order >= 0.5 * days_since_first_order", 10, 40, (False, TODAY + 20)),
        ("days_since_last_order > 0.5 * days_since_first_order", 10, 40, (False, TODAY + 21)),
        ("days_since_last_order = 0.5 * days_since_first_order", 10, 40, (False, TODAY + 20)),
        ("days_since_last_order = 0.5 * days_since_first_order", 20, 40, (True, TODAY + 1)),
        ("days_since_last_order != 0.5 * days_since_first_order", 20, 40, (False, TODAY + 1)),
        ("days_since_last_order <= 2 * days_since_first_order", 10, 40, (True, None)),
        ("days_since_first_order > 2 * days_since_last_order", 1, 4, (True, TODAY + 2)),
        ("days_since_first_order > 2 * days_since_last_order", 1, 3, (True, TODAY + 1)),
    ],
)
def test_two_ages_meet_on_the_day_they_meet(
    text: str, last: int, first: int, expected: tuple[bool, int | None]
) -> None:
    assert flips(text, last_order_day=TODAY - last, first_order_day=TODAY - first) == expected


def orders_of(*days: int, total: int = 10_000) -> Orders:
    count, nothing = len(days), np.zeros(0, dtype=np.int64)
    return Orders(
        offsets=ints(0, count), processed_at=ints(*(day * DAY for day in days)), voided_at=np.full(count, FOREVER),
        total=np.full(count, total, dtype=np.int64), items=np.ones(count, dtype=np.int64),
        discounted=np.zeros(count, dtype=np.bool_), refund_order=nothing, refund_at=nothing, refund_amount=nothing,
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 1_000])
def test_medians_are_the_same_however_many_are_taken_at_once(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(measures, "_GAPS_AT_ONCE", at_once)
    orders = orders_of(0, 1, 4, 9, 16, 25)  # gaps 1, 3, 5, 7, 9
    at = ints(*(day * DAY for day in (0, 1, 4, 9, 16, 25, 30)))
    found = measure(orders, np.zeros(7, dtype=np.int64), at, calendar=UTC, wanted=frozenset({"gap_median"}))[
        "gap_median"
    ]
    assert (found.values.tolist(), found.null.tolist()) == ([0, 1, 2, 3, 4, 5, 5], [True] + [False] * 6)


def average(*totals: int) -> float:
    orders = orders_of(*range(len(totals)))
    orders = Orders(**{name: getattr(orders, name) for name in Orders.__slots__} | {"total": ints(*totals)})
    column: Column = measure(orders, ints(0), ints(99 * DAY), calendar=UTC, wanted=frozenset({"average_order_value"}))[
        "average_order_value"
    ]
    return float(column.values[0])


def test_a_quotient_beyond_the_exact_integers_is_rounded_once() -> None:
    """2^53 + 1 is no double: 9007199254740993 / 10000 by way of one would be 900719925474.0992."""
    assert average(2**53 + 1) == (2**53 + 1) / 10_000
    assert average(2**53 + 1, 2**53 + 3, 2**53 + 7) == (3 * 2**53 + 11) / 30_000
