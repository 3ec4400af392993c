"""Spans of days that a figure is told by."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

import strawberry

from plugin.domain.calendar import epoch_day, step_day
from plugin.domain.rules.syntax import Unit
from plugin.errors import BadRequestError

_MOST_SPANS: Final = 400  # a year of days, ten years of weeks or months


@strawberry.enum(description="How a span of days is cut. Weeks and months count from its first day.")
class Granularity(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_UNITS: Final = {Granularity.DAY: Unit.DAY, Granularity.WEEK: Unit.WEEK, Granularity.MONTH: Unit.MONTH}


def edges(since: date, until: date, granularity: Granularity) -> list[int]:
    """First epoch days of the spans, and the day after the last. Raises BadRequestError."""
    first, end = epoch_day(since), epoch_day(until) + 1
    if end <= first:
        raise BadRequestError(f"`until` ({until}) lies before `since` ({since}).")
    unit, found = _UNITS[granularity], [first]
    while found[-1] < end:
        if len(found) > _MOST_SPANS:
            raise BadRequestError(f"At most {_MOST_SPANS} spans can be asked for at once; take longer ones.")
        found.append(min(step_day(first, unit, len(found)), end))
    return found
