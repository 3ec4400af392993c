"""Lines about first purchases and those that follow."""

from __future__ import annotations

from typing import Final

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Bools, Ints
from plugin.domain.fact_sheet.buying import Buying, ShopOrders
from plugin.domain.fact_sheet.intervals import Estimate, ratio, share
from plugin.domain.fact_sheet.shapes import (
    BAND,
    Claim,
    LeftOut,
    Line,
    Unit,
    Value,
    Verdict,
    all_of,
    near,
    valued,
)
from plugin.domain.fact_sheet.survival import kaplan_meier

_CHECKOUT: Final = 3_600_000_000  # an hour: a registration nearer to the first order is taken for its checkout
_HORIZONS: Final = (30, 60, 90, 180, 365)
_YEAR: Final = 365
_LEAST_WATCHED: Final = 10  # buyers watched for the whole span: the end of a curve hangs on a few
_BASKET_DAYS: Final = 180
_BASKETS: Final = (("1 item", 1, 1), ("2-3 items", 2, 3), ("4-5 items", 4, 5), ("6 items or more", 6, None))
_TWICE: Final = (1.75, 2.1)  # "almost twice"
_EARLIER: Final = "customers whose first purchase may lie before the history that the shop shows"
_BAND_RULE: Final = (
    "same: the whole interval within 5 percentage points of the claim; differs: all of it farther; else not yet known"
)


def first_purchase_day(orders: ShopOrders, bought: Buying, calendar: ShopCalendar) -> Line:
    firsts = np.flatnonzero(bought.first & bought.known)
    registered = orders.registered_at[bought.customer[firsts]]
    days = bought.day[firsts] - calendar.day_of(registered)
    imported = days < 0
    beforehand = bought.at[firsts] - registered > _CHECKOUT
    later = days > 0
    values = [
        *_by_day("all buyers", days[~imported]),
        *_by_day("registered before their first checkout", days[beforehand & ~imported]),
        *_by_day("without buyers of day 0", days[later], zero=False),
    ]
    found = {value.label: value for value in values}
    verdict = all_of([
        near(found.get("all buyers: day 0"), 0.80 - BAND, 0.80 + BAND),
        near(found.get("all buyers: days 1-7"), 0.07 - BAND, 0.07 + BAND),
    ])  # fmt: skip
    return Line(
        key="first_purchase_day",
        claim=Claim("80 % of first purchases fall on the day of registration, 7 % more in the first week", 0.80),
        counted="first purchases by days since registration, of first purchases",
        values=tuple(values), since=bought.since, until=bought.today, rule=_BAND_RULE, verdict=verdict,
        left_out=(
            LeftOut("customers who have not bought", len(orders.registered_at) - int(bought.first.sum())),
            LeftOut("buyers whose first purchase is dated before they were registered", int(imported.sum())),
            LeftOut(_EARLIER, bought.unknown_firsts),
        ),
        notes=(
            "Checkout itself creates the customer record, which makes part of day 0; the verdict is about all buyers.",
            "Registered before: more than an hour before the first order.",
            "The shop states that someone consents, not since when: consent before the record cannot be seen.",
        ),
    )  # fmt: skip


def _by_day(who: str, days: Ints, *, zero: bool = True) -> list[Value]:
    if not len(days):
        return []
    bands = [("day 0", days == 0)] if zero else []
    bands += [("days 1-7", (days >= 1) & (days <= 7)), ("day 8 or later", days >= 8)]  # noqa: PLR2004 - the claim's
    return [valued(f"{who}: {label}", share(int(band.sum()), len(days))) for label, band in bands]


def second_purchase(bought: Buying) -> Line:
    """P(2nd) by horizons. What is bought within h days bounds what is ever bought from below."""
    values = [value for days in _HORIZONS if (value := _again(bought, 0, days, "a second purchase"))]
    longest = values[-1] if values else None
    if longest is None:
        verdict = Verdict.CANNOT_TELL_YET
    elif longest.low > 0.5:  # noqa: PLR2004 - more than half
        verdict = Verdict.DIFFERS
    else:
        known = len(values) == len(_HORIZONS) and longest.high < 0.5  # noqa: PLR2004
        verdict = Verdict.SAME if known else Verdict.CANNOT_TELL_YET
    return Line(
        key="second_purchase", claim=Claim("more than half of new buyers never buy again", 0.5),
        counted="buyers with a second purchase day within so many days of the first, of buyers (Kaplan-Meier)",
        values=tuple(values), since=bought.since, until=bought.today, verdict=verdict, left_out=_chain_left_out(bought),
        rule=(
            "differs: the interval of the longest span is all above one half; same: that of 365 days is all below; "
            "else not yet known"
        ),
        notes=(_CENSORED, '"Never" is read as: not within 365 days.'),
    )  # fmt: skip


def further_purchases(bought: Buying) -> Line:
    values = [
        value
        for place, label in ((1, "a third purchase, given a second"), (2, "a fourth purchase, given a third"))
        if (value := _within_a_year(bought, place, label))
    ]
    both = len(values) == 2 and all(value.low > 0.5 for value in values)  # noqa: PLR2004
    never = any(value.high < 0.5 and value.label.endswith(f"within {_YEAR} days") for value in values)  # noqa: PLR2004
    return Line(
        key="further_purchases", claim=Claim("new buyers who do buy again, buy a third and a fourth time"),
        counted="buyers with one more purchase day within so many days of the one before, of buyers who came that far "
        "(Kaplan-Meier)",
        values=tuple(values), since=bought.since, until=bought.today, left_out=_chain_left_out(bought),
        verdict=Verdict.SAME if both else Verdict.DIFFERS if never else Verdict.CANNOT_TELL_YET,
        rule="same: both intervals all above one half; differs: one, of 365 days, all below; else not yet known",
        notes=(_CENSORED,),
    )  # fmt: skip


_CENSORED: Final = (
    "Buyers who could not be watched for the whole span yet count for as long as they were (right-censored); "
    "intervals are log-log with Greenwood's variance."
)


def _chain_left_out(bought: Buying) -> tuple[LeftOut, ...]:
    return (
        LeftOut(_EARLIER, bought.unknown_firsts),
        LeftOut("further orders on a day that already is a purchase day", int((bought.orders - 1).sum())),
    )


def _within_a_year(bought: Buying, place: int, label: str) -> Value | None:
    """Within the longest span that somebody was watched for."""
    for days in reversed(_HORIZONS):
        if value := _again(bought, place, days, label):
            return value
    return None


def _again(bought: Buying, place: int, days: int, label: str) -> Value | None:
    entered = (bought.place == place) & bought.known
    ahead, sight = bought.ahead[entered], bought.today - bought.day[entered]
    if int((sight >= days).sum()) < _LEAST_WATCHED:
        return None
    happened = ahead >= 0
    estimate = kaplan_meier(np.where(happened, ahead, sight), happened).by(days)
    return valued(f"{label} within {days} days", estimate) if estimate else None


def second_by_basket(bought: Buying) -> Line:
    """Of first purchases at least 180 days ago, so that each could be watched as long."""
    firsts = bought.first & bought.known
    watched = firsts & (bought.today - bought.day >= _BASKET_DAYS)
    again = (bought.ahead >= 0) & (bought.ahead <= _BASKET_DAYS)
    rates = {label: _rate(watched & _sized(bought.items, least, most), again) for label, least, most in _BASKETS}
    values = [valued(label, rate) for label, rate in rates.items() if rate]
    times = None
    small, large = rates["1 item"], rates["6 items or more"]
    if small and large and (estimate := ratio(large, small)):
        times = valued("6 items or more against 1 item", estimate, Unit.RATIO)
    return Line(
        key="second_purchase_by_basket",
        claim=Claim("a first basket of 6 or more items has almost twice the chance of a second order of 1 item", 2.0),
        counted="buyers with a second purchase day within 180 days, of first purchases at least 180 days ago",
        values=(*values, *((times,) if times else ())), since=bought.since, until=bought.today - _BASKET_DAYS,
        rule="same: the interval of the ratio within 1.75 to 2.1; differs: all of it outside; else not yet known",
        verdict=near(times, *_TWICE),
        left_out=(
            LeftOut("first purchases less than 180 days ago", int((firsts & ~watched).sum())),
            LeftOut("first orders without items", int((watched & (bought.items < 1)).sum())),
            LeftOut(_EARLIER, bought.unknown_firsts),
        ),
    )  # fmt: skip


def _sized(items: Ints, least: int, most: int | None) -> Bools:
    sized: Bools = items >= least
    return sized if most is None else sized & (items <= most)


def _rate(among: Bools, again: Bools) -> Estimate | None:
    denominator = int(among.sum())
    return share(int((among & again).sum()), denominator) if denominator else None
