"""Each line of the fact sheet on histories small enough to count by hand."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest

from plugin.domain.calendar import ShopCalendar, epoch_day
from plugin.domain.fact_sheet import FactSheet, Line, ShopOrders, Verdict, fact_sheet
from plugin.domain.instants import FOREVER

BERLIN = ShopCalendar("Europe/Berlin")
HOUR = 3_600_000_000
START = epoch_day(date(2024, 1, 1))
TODAY = START + 730  # 2025-12-31


def at(day: int, hour: int = 12) -> int:
    return BERLIN.start_of_day(START + day) + hour * HOUR


def sheet_of(
    *customers: tuple[int, Sequence[tuple[int, ...]]], today: int = 730, history_from: int | None = None
) -> FactSheet:
    """Customers as (instant of registering, orders); an order as (instant, items, net, voided at), the end left off."""
    full = [
        (number, (*order, *(1, 100, FOREVER)[len(order) - 1 :]))
        for number, (_, orders) in enumerate(customers)
        for order in orders
    ]
    columns = np.array([(number, *order) for number, order in full], dtype=np.int64).reshape(-1, 5).T
    orders = ShopOrders(
        customer=columns[0], processed_at=columns[1], items=columns[2], net=columns[3], voided_at=columns[4],
        registered_at=np.array([registered for registered, _ in customers], dtype=np.int64), history_from=history_from,
    )  # fmt: skip
    return fact_sheet(orders, as_of=at(today, 13), calendar=BERLIN, lapse_days=90)


def line_of(sheet: FactSheet, key: str) -> Line:
    [found] = [line for line in sheet.lines if line.key == key]
    return found


def counts(line: Line) -> dict[str, tuple[int, int]]:
    return {value.label: (value.n, value.denominator) for value in line.values}


def left_out(line: Line) -> list[int | None]:
    return [part.count for part in line.left_out]


def test_first_purchases_are_told_three_ways() -> None:
    sheet = sheet_of(
        (at(0, 11) + HOUR // 2, [(at(0),)]),  # half an hour before: made by the checkout
        (at(0, 10), [(at(0),)]),  # day 0, registered before
        (at(0, 23), [(at(1, 0),)]),  # the next day by the shop's clock
        (at(0), [(at(7),)]),
        (at(0), [(at(8),)]),
        (at(9), [(at(2),)]),  # an imported order
        (at(0), []),
    )
    line = line_of(sheet, "first_purchase_day")
    assert counts(line) == {
        "all buyers: day 0": (2, 5), "all buyers: days 1-7": (2, 5), "all buyers: day 8 or later": (1, 5),
        "registered before their first checkout: day 0": (1, 3),
        "registered before their first checkout: days 1-7": (1, 3),
        "registered before their first checkout: day 8 or later": (1, 3),
        "without buyers of day 0: days 1-7": (2, 3), "without buyers of day 0: day 8 or later": (1, 3),
    }  # fmt: skip
    assert left_out(line) == [1, 1, 0]
    assert (line.since, line.until, sheet.time_zone) == (START, TODAY, "Europe/Berlin")


def test_voided_and_coming_orders_do_not_count_and_one_day_is_one_purchase() -> None:
    sheet = sheet_of(
        (at(0), [(at(0),), (at(0, 20),), (at(5), 1, 100, at(9)), (at(731),)]),
        *[(at(0), [(at(0),), (at(10),)])] * 9,
    )
    line = line_of(sheet, "second_purchase")
    assert counts(line) == {f"a second purchase within {days} days": (9, 10) for days in (30, 60, 90, 180, 365)}
    assert [value.value for value in line.values] == [pytest.approx(0.9)] * 5
    assert [part.count for part in sheet.left_out] == [1, 1]
    assert left_out(line) == [0, 1]
    assert line.verdict is Verdict.DIFFERS


def test_a_later_purchase_counts_buyers_who_were_not_watched_to_the_end() -> None:
    watched = [(at(0), [(at(0),), (at(100),)])] * 10 + [(at(0), [(at(0),)])] * 30
    censored = [(at(0), [(at(700),)])] * 20  # seen for 30 days only
    line = line_of(sheet_of(*watched, *censored), "second_purchase")
    assert counts(line)["a second purchase within 60 days"] == (0, 60)
    longest = line.values[-1]
    assert (longest.label, longest.n, longest.denominator) == ("a second purchase within 365 days", 10, 60)
    assert longest.value == pytest.approx(10 / 40)  # the censored had left: 40 at risk
    assert line.verdict is Verdict.SAME
    assert line_of(sheet_of(*watched, today=300), "second_purchase").verdict is Verdict.CANNOT_TELL_YET


def test_third_and_fourth_purchases_are_of_those_who_came_that_far() -> None:
    loyal = [(at(0), [(at(0),), (at(20),), (at(40),), (at(60),)])] * 40
    gone = [(at(0), [(at(0),), (at(20),)])] * 10
    line = line_of(sheet_of(*loyal, *gone), "further_purchases")
    assert counts(line) == {
        "a third purchase, given a second within 365 days": (40, 50),
        "a fourth purchase, given a third within 365 days": (40, 40),
    }
    assert line.verdict is Verdict.SAME
    stopped = line_of(sheet_of(*loyal[:5], *gone * 5), "further_purchases")
    assert counts(stopped) == {"a third purchase, given a second within 365 days": (5, 55)}
    assert stopped.verdict is Verdict.DIFFERS


def test_second_purchases_by_the_size_of_the_first_basket() -> None:
    def basket(items: int, *, again: int | None = None) -> tuple[int, list[tuple[int, ...]]]:
        return at(0), [(at(0), items), *([(at(again),)] if again else [])]

    sheet = sheet_of(
        basket(1, again=180), basket(1, again=181), basket(2), basket(3, again=5), basket(4), basket(5),
        basket(6, again=1), basket(60, again=1), basket(0), (at(600), [(at(600), 1)]),
    )  # fmt: skip
    line = line_of(sheet, "second_purchase_by_basket")
    assert counts(line) == {
        "1 item": (1, 2), "2-3 items": (1, 2), "4-5 items": (0, 2), "6 items or more": (2, 2),
        "6 items or more against 1 item": (2, 2),
    }  # fmt: skip
    assert line.values[-1].value == 2.0
    assert left_out(line) == [1, 1, 0]
    assert (line.until, line.verdict) == (TODAY - 180, Verdict.CANNOT_TELL_YET)


def test_those_last_seen_4_to_6_months_ago_at_each_first_of_a_month() -> None:
    def day(year: int, month: int, of_month: int) -> int:
        return epoch_day(date(year, month, of_month)) - START

    sheet = sheet_of(
        (at(0), [(at(0),), (at(day(2024, 5, 1)),)]),
        (at(0), [(at(day(2024, 3, 1)),), (at(day(2024, 9, 30)),)]),
        (at(0), [(at(day(2024, 2, 29)),), (at(day(2024, 11, 1)),)]),
        today=day(2024, 11, 30),
    )
    # cut dates with 6 months before and 3 after: 1 July, 1 August and 1 September
    line = line_of(sheet, "back_after_4_to_6_months")
    # July, bought last in January or February: the third, back on 1 November only. August: the second, back by then,
    # and the third, a day too late. September, in March or April: the second; the first bought on 1 May.
    assert counts(line) == {"bought again within 3 months": (2, 4)}
    assert line.since == epoch_day(date(2024, 7, 1))
    assert "over 3 monthly cut dates" in line.counted


def test_the_chance_of_return_by_length_of_silence() -> None:
    sheet = sheet_of((at(0), [(at(0),), (at(31 + 29 + 89),)]), today=31 + 29 + 90)  # 1 February, 1 March
    line = line_of(sheet, "return_by_silence")
    assert counts(line) == {"silent for 30-59 days": (0, 1), "silent for 60-89 days": (1, 1)}  # 118 and 89 days ahead
    many = [(at(0), [(at(number % 28),), (at(40 + number % 28),)]) for number in range(200)]
    assert line_of(sheet_of(*many), "return_by_silence").verdict is Verdict.SAME
    rising = [(at(0), [(at(number % 28),), (at(400),)]) for number in range(200)]
    assert line_of(sheet_of(*rising), "return_by_silence").verdict is Verdict.DIFFERS


def test_returned_and_new_buyers_who_go_on() -> None:
    sheet = sheet_of(
        (at(0), [(at(0),), (at(90),), (at(180),), (at(400),)]),  # new: on day 90, just; returns twice, once counted
        (at(0), [(at(0),), (at(91),)]),  # new: no; returned: no
        (at(700), [(at(700),), (at(710),)]),  # not watched for 90 days
    )
    line = line_of(sheet, "continuation")
    assert counts(line) == {
        "returned buyers who go on": (1, 2), "new buyers who go on": (1, 2), "returned less new": (1, 4),
    }  # fmt: skip
    assert left_out(line) == [1, 2, 0]
    assert line.verdict is Verdict.CANNOT_TELL_YET
    assert line.notes[0].startswith("Telling 35 from 36 % needs 35,940 customers a group")
    alike = [(at(0), [(at(0),), (at(80),), (at(200),), (at(210),)])] * 2000
    assert line_of(sheet_of(*alike), "continuation").verdict is Verdict.SAME
    apart = [(at(0), [(at(0),), (at(200),), (at(210),)])] * 200
    assert line_of(sheet_of(*apart), "continuation").verdict is Verdict.DIFFERS


def test_revenue_stands_by_the_stage_before_the_order() -> None:
    sheet = sheet_of(
        (at(0), [
            (at(400), 1, 10), (at(400, 14), 1, 30), (at(420), 1, 5), (at(440), 1, 25), (at(530), 1, 20),
            (at(559), 1, 6), (at(560), 1, 4),
        ]),
        (at(0), [(at(0), 1, 900), (at(500), 1, 100)]),
    )  # fmt: skip
    line = line_of(sheet, "revenue_by_stage")
    assert {value.label: (value.value, value.n, value.denominator) for value in line.values} == {
        "visitor": (0.2, 2, 8), "new_buyer": (0.025, 1, 8), "active": (pytest.approx(0.145), 2, 8),
        "departing": (pytest.approx(0.6), 2, 8), "returned": (pytest.approx(0.03), 1, 8),
    }  # fmt: skip
    assert line.left_out[1].count == 1
    assert (line.since, line.until) == (TODAY - 364, TODAY)
    assert line.verdict is Verdict.CANNOT_TELL_YET
    assert "cost per acquired customer" in line.left_out[0].what


def test_who_may_have_bought_before_the_history_shown_is_no_new_buyer() -> None:
    sheet = sheet_of((at(0), [(at(12),)]), (at(11), [(at(12),)]), history_from=at(10))
    assert counts(line_of(sheet, "first_purchase_day"))["all buyers: days 1-7"] == (1, 1)
    assert [line_of(sheet, key).left_out[-1].count for key in ("second_purchase_by_basket", "continuation")] == [1, 1]
    assert left_out(line_of(sheet, "second_purchase")) == [1, 0]


def test_a_shop_without_orders_cannot_tell() -> None:
    for sheet in (sheet_of(), sheet_of((at(0), []))):
        assert [line.verdict for line in sheet.lines] == [Verdict.CANNOT_TELL_YET] * 8
        assert not any(line.values for line in sheet.lines)
