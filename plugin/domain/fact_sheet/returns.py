"""Lines about coming back after a silence, and about what each stage brings in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from plugin.domain.calendar import day_date, epoch_day, step_day
from plugin.domain.columns import Bools, Ints
from plugin.domain.fact_sheet.buying import Buying
from plugin.domain.fact_sheet.intervals import (
    Estimate,
    clustered_share,
    equivalence,
    needed_for_equivalence,
    needed_to_tell,
    share,
    share_of_sum,
)
from plugin.domain.fact_sheet.shapes import BAND, Claim, LeftOut, Line, Unit, Value, Verdict, falling, near, valued
from plugin.domain.rules.syntax import Unit as Span

_CUTS: Final = 36  # the latest monthly cut dates: the work stays the same as a shop grows older
_DAYS: Final = 90
_SILENCES: Final = (
    ("less than 30 days", 0, 30), ("30-59 days", 30, 60), ("60-89 days", 60, 90), ("90-179 days", 90, 180),
    ("180-359 days", 180, 360), ("360 days or more", 360, 10**6),
)  # fmt: skip
_MARGIN: Final = 0.02
_RETURNED_FOR: Final = 30
_MIN_FOR_SAME: Final = 0.05  # p of the two one-sided tests
_CLUSTERED: Final = "A customer may be counted at several cut dates; the interval allows for that."


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Buyers at the beginning of a day: their latest purchase day before, and days from the cut to their next (-1)."""

    day: int
    customer: Ints
    last: Ints
    wait: Ints


def _cuts(bought: Buying, months_after: int = 0, days_after: int = 0) -> list[_Cut]:
    """At first days of months that have been watched for so long since."""
    starts: list[int] = []
    month = day_date(bought.today).replace(day=1)
    while len(starts) < _CUTS and epoch_day(month) > bought.since:
        start = epoch_day(month)
        if step_day(start, Span.MONTH, months_after) + days_after <= bought.today + 1:
            starts.append(start)
        month = date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
    return [_cut(bought, start) for start in reversed(starts)]


def _cut(bought: Buying, day: int) -> _Cut:
    before = bought.day < day
    latest = before & ((bought.ahead < 0) | (bought.day + bought.ahead >= day))
    last, ahead = bought.day[latest], bought.ahead[latest]
    return _Cut(day, bought.customer[latest], last, np.where(ahead < 0, -1, last + ahead - day))


def back_after_months(bought: Buying) -> Line:
    observed: list[tuple[Ints, Bools]] = []
    windows: list[_Cut] = []
    for cut in _cuts(bought, months_after=3):
        oldest, newest = step_day(cut.day, Span.MONTH, -6), step_day(cut.day, Span.MONTH, -4)
        if oldest < bought.since:
            continue
        chosen = (cut.last >= oldest) & (cut.last < newest)
        end = step_day(cut.day, Span.MONTH, 3) - cut.day
        observed.append((cut.customer[chosen], (cut.wait[chosen] >= 0) & (cut.wait[chosen] < end)))
        windows.append(cut)
    estimate = _clustered(observed)
    value = valued("bought again within 3 months", estimate) if estimate else None
    return Line(
        key="back_after_4_to_6_months",
        claim=Claim("of those last seen buying 4-6 months ago, 20 % buy again within 3 months", 0.20),
        counted="customers who bought within 3 months of a cut date, of those whose latest purchase then was 4 to 6 "
        f"months ago, over {len(windows)} monthly cut dates",
        values=(value,) if value else (),
        since=windows[0].day if windows else bought.today, until=bought.today,
        rule="same: the whole interval within 5 percentage points of the claim; differs: all of it farther; else not "
        "yet known",
        verdict=near(value, 0.20 - BAND, 0.20 + BAND),
        left_out=(
            LeftOut("cut dates with less than 6 months of history before or 3 months after"),
            LeftOut(f"cut dates before the latest {_CUTS}"),
        ),
        notes=(_CLUSTERED,),
    )  # fmt: skip


def return_by_silence(bought: Buying) -> Line:
    cuts = _cuts(bought, days_after=_DAYS)
    values = []
    for label, least, below in _SILENCES:
        observed = [
            (cut.customer[chosen], _soon(cut)[chosen]) for cut in cuts for chosen in [_silent(cut, least, below)]
        ]
        if estimate := _clustered(observed):
            values.append(valued(f"silent for {label}", estimate))
    return Line(
        key="return_by_silence", claim=Claim("the longer the silence, the harder the return"),
        counted="customers who bought within 90 days of a cut date, of those silent for so long then, over "
        f"{len(cuts)} monthly cut dates",
        values=tuple(values), since=cuts[0].day if cuts else bought.today, until=bought.today,
        rule="same: no longer silence is surely likelier to end than a shorter, and the longest surely less likely "
        "than the shortest; differs: a longer one is surely likelier; surely: intervals that do not touch",
        verdict=falling(values),
        left_out=(
            LeftOut("cut dates less than 90 days ago"), LeftOut(f"cut dates before the latest {_CUTS}"),
            LeftOut("customers who had not bought at the cut date"),
        ),
        notes=(_CLUSTERED,),
    )  # fmt: skip


def _silent(cut: _Cut, least: int, below: int) -> Bools:
    silence = cut.day - cut.last
    chosen: Bools = (silence >= least) & (silence < below)
    return chosen


def _soon(cut: _Cut) -> Bools:
    soon: Bools = (cut.wait >= 0) & (cut.wait < _DAYS)
    return soon


def _clustered(observed: list[tuple[Ints, Bools]]) -> Estimate | None:
    if not sum(len(customers) for customers, _ in observed):
        return None
    customer = np.concatenate([customers for customers, _ in observed])
    yes = np.concatenate([answers for _, answers in observed])
    _, place = np.unique(customer, return_inverse=True)
    return clustered_share(np.bincount(place[yes], minlength=int(place.max()) + 1), np.bincount(place))


def _ends_silence(bought: Buying, lapse_days: int) -> Bools:
    ends = np.zeros(len(bought), dtype=np.bool_)
    ends[1:] = (bought.ahead[:-1] >= lapse_days) & (bought.place[1:] > 0)
    return ends


def continuation(bought: Buying, lapse_days: int) -> Line:
    """A customer's first return only, so that no one counts twice in a group."""
    ends = np.flatnonzero(_ends_silence(bought, lapse_days))
    returned = ends[np.unique(bought.customer[ends], return_index=True)[1]]
    new = np.flatnonzero(bought.first & bought.known)
    groups = [("returned buyers who go on", returned), ("new buyers who go on", new)]
    watched = [(label, who[bought.today - bought.day[who] >= _DAYS]) for label, who in groups]
    found = [(label, _went_on(bought, who)) for label, who in watched if len(who)]
    values = [valued(label, estimate) for label, estimate in found]
    verdict, notes = Verdict.CANNOT_TELL_YET, [_needed()]
    if len(found) == len(groups):
        one, other = found[0][1], found[1][1]
        test = equivalence(one, other, _MARGIN)
        among = one.denominator + other.denominator
        values.append(Value("returned less new", Unit.DIFFERENCE, test.difference, test.low, test.high, one.n, among))
        notes.append(f"Two one-sided tests of a difference of 2 points or more: p = {test.p:.3f}.")
        verdict = _alike(test.p, test.low, test.high)
    recent = sum(len(who) for _, who in groups) - sum(len(who) for _, who in watched)
    return Line(
        key="continuation", claim=Claim("returned buyers go on with 35 %, new buyers with 36 %"),
        counted=f"buyers with another purchase day within {_DAYS} days, of first purchases and of first purchases "
        f"after a silence of {lapse_days} days or more",
        values=tuple(values), since=bought.since, until=bought.today - _DAYS, verdict=verdict,
        rule="same: two one-sided tests at 5 % show a difference below 2 percentage points; differs: the 95 % interval "
        "of the difference is without 0 and the tests do not show it; else not yet known",
        left_out=(
            LeftOut(f"purchases less than {_DAYS} days ago", recent),
            LeftOut("second and later returns of a customer", len(ends) - len(returned)),
            LeftOut("customers whose first purchase may lie before the history shown", bought.unknown_firsts),
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _went_on(bought: Buying, who: Ints) -> Estimate:
    ahead = bought.ahead[who]
    return share(int(((ahead >= 0) & (ahead <= _DAYS)).sum()), len(who))


def _alike(p: float, low: float, high: float) -> Verdict:
    if p < _MIN_FOR_SAME:
        return Verdict.SAME
    return Verdict.DIFFERS if low > 0 or high < 0 else Verdict.CANNOT_TELL_YET


def _needed() -> str:
    return (
        f"Telling 35 from 36 % needs {needed_to_tell(0.35, 0.36):,} customers a group; showing that equal groups are "
        f"within 2 points needs {needed_for_equivalence(0.36, _MARGIN):,} (power 80 %)."
    )


def revenue_by_stage(bought: Buying, lapse_days: int) -> Line:
    """The stage a customer stood in when she ordered, by purchase days and the shop's first rung."""
    since = max(bought.since, bought.today - 364)
    recent = bought.day >= since
    values = _revenue(bought, recent, _stages(bought, lapse_days))
    return Line(
        key="revenue_by_stage", claim=Claim("keeping a customer is 6-7 times cheaper than winning one", 6.5),
        counted="orders (the value: net revenue, after refunds) by the stage the customer was in on the day before, of "
        "all counted orders of 365 days",
        values=values, since=since, until=bought.today, verdict=Verdict.CANNOT_TELL_YET,
        rule="none until what a new customer costs is known",
        left_out=(
            LeftOut("cost per acquired customer: the shop does not state it and none is entered"),
            LeftOut("orders of more than 365 days ago", int(bought.orders[~recent].sum())),
        ),
    )  # fmt: skip


_STAGES: Final = ("visitor", "new_buyer", "active", "departing", "returned")


def _stages(bought: Buying, lapse_days: int) -> Ints:
    """Indexes of `_STAGES`."""
    ends = _ends_silence(bought, lapse_days)
    numbers = np.arange(len(bought), dtype=np.int64)
    latest = np.maximum.accumulate(np.where(ends, numbers, -1))
    before = np.concatenate((np.full(min(1, len(bought)), -1), latest[:-1]))  # the latest return before this day
    own = before > numbers - bought.place
    fresh = own & (bought.day - bought.day[np.maximum(before, 0)] < _RETURNED_FOR)
    return np.select([bought.first, ends, fresh, bought.place == 1], [0, 3, 4, 1], default=2)


def _revenue(bought: Buying, recent: Bools, stages: Ints) -> tuple[Value, ...]:
    net = bought.net.astype(np.float64)
    if net[recent].sum() <= 0:
        return ()
    customers, place = np.unique(bought.customer[recent], return_inverse=True)
    whole = np.bincount(place, weights=net[recent], minlength=len(customers))
    orders, values = int(bought.orders[recent].sum()), []
    for number, stage in enumerate(_STAGES):
        here = stages[recent] == number
        part = np.bincount(place, weights=np.where(here, net[recent], 0), minlength=len(customers))
        interval = share_of_sum(part, whole)
        n = int(bought.orders[recent][here].sum())
        values.append(Value(stage, Unit.SHARE, float(part.sum() / whole.sum()), *interval, n, orders))
    return tuple(values)
