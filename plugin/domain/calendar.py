"""The shop's calendar: days in its own time zone as instants, exact over clock changes.

Instants are int64 microseconds since the Unix epoch (UTC); days are int64 days since 1970-01-01 of the shop's zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.instants import FOREVER, to_us
from plugin.domain.rules.syntax import Unit

BEFORE_TIME: Final = -(2**63)
SECOND: Final = 1_000_000  # microseconds

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_END: Final = date(2151, 1, 1).toordinal() - _EPOCH_ORDINAL  # the first day past the table; nobody lives that long
_FARTHEST: Final = 10**6  # days or months; any farther offset leaves the table all the same


def epoch_day(day: date) -> int:
    return day.toordinal() - _EPOCH_ORDINAL


def day_date(day: int) -> date:
    return date.fromordinal(day + _EPOCH_ORDINAL)


@dataclass(frozen=True, slots=True)
class ShopCalendar:
    """The days of one IANA zone, 1970 to 2150. An instant before belongs to day -1, one after to the day past the last.

    Raises `zoneinfo.ZoneInfoNotFoundError` for a name that is no zone. The first use of a zone takes about 0.2 s.
    A day starts at its first instant: where clocks go back over midnight, the repeated minutes stay with the later day.
    """

    zone: str

    def __post_init__(self) -> None:
        _starts(self.zone)

    def day_of(self, instants: Ints) -> Ints:
        days: Ints = np.searchsorted(_starts(self.zone), instants, side="right") - 1
        return days

    def start_of(self, days: Ints) -> Ints:
        """The first instant of each day; a day that the zone skipped starts with the next one and has no length."""
        starts = _starts(self.zone)[np.clip(days, 0, _END)]
        instants: Ints = np.where(days < 0, BEFORE_TIME, np.where(days > _END, FOREVER, starts))
        return instants

    def today(self, instant: int) -> int:
        return int(self.day_of(np.array([instant], dtype=np.int64))[0])

    def start_of_day(self, day: int) -> int:
        return int(self.start_of(np.array([min(max(day, -1), _END + 1)], dtype=np.int64))[0])

    def local_to_instant(self, local: datetime) -> int:
        """A naive local time as an instant; the first of two where clocks go back."""
        return to_us(local.replace(tzinfo=ZoneInfo(self.zone)))


@lru_cache(maxsize=64)  # half a megabyte each
def offset_days(unit: Unit, count: int) -> Ints:
    """Where each epoch day 0.._END lands after a step of calendar units: never decreasing, so it can be searched.

    Months and years keep the day of the month and fall back to the last day of a shorter month.
    """
    days: Ints = np.arange(_END + 1, dtype=np.int64)
    count = min(max(count, -_FARTHEST), _FARTHEST)
    match unit:
        case Unit.DAY:
            days = days + count
        case Unit.WEEK:
            days = days + 7 * count
        case Unit.MONTH | Unit.YEAR:
            days = _shift_months(days, count * (12 if unit is Unit.YEAR else 1))
    days.flags.writeable = False
    return days


def step_day(day: int, unit: Unit, count: int) -> int:
    return int(offset_days(unit, count)[min(max(day, 0), _END)])


def _shift_months(days: Ints, months: int) -> Ints:
    stamps = days.astype("datetime64[D]")
    month = stamps.astype("datetime64[M]")
    target = month + np.timedelta64(months, "M")
    of_month = (stamps - month.astype("datetime64[D]")).astype(np.int64)
    first = target.astype("datetime64[D]").astype(np.int64)
    length = (target + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - first
    shifted: Ints = first + np.minimum(of_month, length - 1)
    return shifted


@lru_cache(maxsize=64)
def _starts(zone: str) -> Ints:
    starts = np.fromiter(_day_starts(ZoneInfo(zone)), dtype=np.int64, count=_END + 1) * SECOND
    starts.flags.writeable = False
    return starts


def _day_starts(zone: ZoneInfo) -> Iterator[int]:
    """Epoch seconds of the first instant of each day 0.._END."""
    for day in range(_END + 1):
        midnight = datetime.fromordinal(day + _EPOCH_ORDINAL).replace(tzinfo=zone)
        seconds = int(midnight.timestamp())
        if datetime.fromtimestamp(seconds, zone).replace(tzinfo=None) != midnight.replace(tzinfo=None):
            yield _first_second(midnight.date(), seconds, zone)  # no such local time: clocks jumped over midnight
        else:
            yield seconds


def _first_second(day: date, near: int, zone: ZoneInfo) -> int:
    before, after = near - 2 * 86_400, near + 86_400
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            after = middle
        else:
            before = middle
    return after
