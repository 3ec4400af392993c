"""Days of a shop as instants, over clock changes, skipped days and missing midnights."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import BEFORE_TIME, ShopCalendar, day_date, epoch_day, offset_days, step_day
from plugin.domain.instants import FOREVER, from_us, to_us
from plugin.domain.rules.syntax import Unit
from plugin.domain.text import fold, list_text

HOUR = 3_600_000_000
ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "America/Sao_Paulo", "UTC")


def length(zone: str, day: date) -> float:
    calendar = ShopCalendar(zone)
    return (calendar.start_of_day(epoch_day(day) + 1) - calendar.start_of_day(epoch_day(day))) / HOUR


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("Europe/Berlin", date(2024, 6, 1), 24),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # clocks jumped from midnight to one: the day starts at one
        ("Africa/Cairo", date(2024, 4, 26), 23),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),  # Samoa crossed the date line
        ("Pacific/Apia", date(2011, 12, 31), 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, day: date, hours: float) -> None:
    assert length(zone, day) == hours


def test_a_day_without_midnight_starts_when_the_clocks_have_jumped() -> None:
    start = ShopCalendar("America/Sao_Paulo").start_of_day(epoch_day(date(2018, 11, 4)))
    assert from_us(start) == datetime(2018, 11, 4, 1, tzinfo=ZoneInfo("America/Sao_Paulo")).astimezone(UTC)


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime.fromisoformat("1970-01-03"), datetime.fromisoformat("2150-12-30")),
)
def test_the_day_of_an_instant_is_the_date_on_the_shops_clock(zone: str, moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert ShopCalendar(zone).today(to_us(aware)) == epoch_day(aware.astimezone(ZoneInfo(zone)).date())


@settings(max_examples=200, deadline=None)
@given(zone=st.sampled_from(ZONES), day=st.integers(1, 66_000))
def test_a_day_starts_with_its_first_instant(zone: str, day: int) -> None:
    calendar = ShopCalendar(zone)
    start = calendar.start_of_day(day)
    assert calendar.today(start - 1) < day <= calendar.today(start)
    assert calendar.today(start) - day in {0, 1}  # 1: the day was skipped


def test_outside_of_its_table_a_calendar_holds_still() -> None:
    calendar = ShopCalendar("Europe/Berlin")
    ancient, far = to_us(datetime(1890, 1, 1, tzinfo=UTC)), to_us(datetime(2500, 1, 1, tzinfo=UTC))
    assert calendar.day_of(np.array([ancient, far])).tolist() == [-1, epoch_day(date(2151, 1, 1))]
    assert calendar.start_of(np.array([-9, 10**9])).tolist() == [BEFORE_TIME, FOREVER]
    assert calendar.start_of_day(10**30) == FOREVER


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        ShopCalendar("Mars/Olympus")


@pytest.mark.parametrize(
    ("day", "unit", "count", "lands"),
    [
        (date(2024, 3, 31), Unit.MONTH, -1, date(2024, 2, 29)),
        (date(2023, 3, 31), Unit.MONTH, -1, date(2023, 2, 28)),
        (date(2024, 2, 29), Unit.YEAR, -1, date(2023, 2, 28)),
        (date(2024, 2, 29), Unit.YEAR, 4, date(2028, 2, 29)),
        (date(2024, 1, 31), Unit.MONTH, 1, date(2024, 2, 29)),
        (date(2021, 5, 15), Unit.DAY, -7, date(2021, 5, 8)),
        (date(2021, 5, 15), Unit.WEEK, -1, date(2021, 5, 8)),
        (date(2024, 1, 15), Unit.MONTH, -13, date(2022, 12, 15)),
    ],
)
def test_an_offset_steps_by_the_calendar(day: date, unit: Unit, count: int, lands: date) -> None:
    assert day_date(step_day(epoch_day(day), unit, count)) == lands


@given(unit=st.sampled_from(Unit), count=st.integers(-(10**12), 10**12))
@settings(max_examples=40, deadline=None)
def test_offsets_never_go_back_as_days_go_on(unit: Unit, count: int) -> None:
    assert (np.diff(offset_days(unit, count)) >= 0).all()


def test_a_local_time_is_an_instant_the_first_where_there_are_two() -> None:
    calendar = ShopCalendar("Europe/Berlin")
    assert calendar.local_to_instant(datetime.fromisoformat("2024-10-27T02:30")) == to_us(
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    )
    assert calendar.local_to_instant(datetime.fromisoformat("2024-06-01T12:00")) == to_us(
        datetime(2024, 6, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    )
    assert timedelta(microseconds=calendar.local_to_instant(datetime.fromisoformat("1970-01-01T01:00"))) == timedelta(0)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("VIP", "vip"),
        ("Straße", "straße"),
        ("STRAẞE", "straße"),
        ("ÄÖÜ", "äöü"),
        ("ΣΑΣ", "σασ"),
        ("İ", "İ"),
        ("ᾈ", "ᾀ"),
    ],
)
def test_folding_is_simple_one_character_stays_one(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert fold(folded) == folded


def test_a_list_is_held_with_a_separator_around_each_element() -> None:
    assert list_text(["A", "b\x1fc"]) == "\x1fA\x1fb c\x1f"
    assert list_text(["A"], folded=True) == "\x1fa\x1f"
    assert list_text([]) is None
