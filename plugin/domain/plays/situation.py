"""What the engine knows of one customer when it decides, and when a play's offer begins and ends for her."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple

from plugin.domain.offers import DAY_US, Discount, Recommendation
from plugin.domain.plays.play import BUYER_ACTIVITY, Channel, Play, Start

HOUR_US: Final = 3_600_000_000
_EPOCH: Final = date(1970, 1, 1)
_LATER_OF_FEBRUARY: Final = 29
# Stages of buyer-activity that a lapse ends: what they offer does not outlive them.
_UNTIL_LAPSE: Final = frozenset({"new_buyer", "active"})


class Event(NamedTuple):
    """`day` is the epoch day in the shop's zone."""

    at: int
    day: int


class Due(NamedTuple):
    """A product whose own cycle comes round on `day`, at the earliest on `from_day`."""

    product_id: int
    day: int
    from_day: int


class Standing(NamedTuple):
    stage: str
    rung: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What is on record of an offer that was decided: `held` for one withheld by the holdout. `until` None: no term;
    `closed_at` None: it stands."""

    offer_id: int
    play: str
    kind: str
    rung: int | None
    period: int
    held: bool
    discounted: bool
    granted_at: int
    until: int | None
    closed_at: int | None = None
    redeemed: bool = False
    code: str | None = None
    discount: Discount | None = None

    def stands(self, now: int) -> bool:
        return self.closed_at is None and not self.held and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Instants in epoch microseconds, days as epoch days in the shop's zone, money in ten-thousandths. `standings` by
    model; `matched` are the plays whose trigger holds; `grants` what was decided before, in any order; `granted_cost`
    what the open offers of each play may cost the shop; `installed_at` when the shop began with us."""

    shop_id: int
    customer_id: int
    now: int
    today: int
    installed_at: int
    added: Event
    orders: int
    net_spend: int
    standings: Mapping[str, Standing]
    matched: frozenset[str]
    first_order: Event | None = None
    last_order: Event | None = None
    returned: Event | None = None
    checkout: Event | None = None
    lapse_days: tuple[int | None, int | None, int | None] = (None, None, None)
    consents: frozenset[Channel] = frozenset()
    complaint: bool = False
    tier: str | None = None
    grants: tuple[Grant, ...] = ()
    dismissed: frozenset[int] = frozenset()
    granted_cost: Mapping[str, int] = field(default_factory=dict)
    products: tuple[Recommendation, ...] = ()
    due: Due | None = None
    shop_order_value: int | None = None
    day_start: int = 0  # the instant at which `today` began
    # By play, the incentives (`incentive_key`) of which the holdout shows that they help.
    proven: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def standing(self, model: str = BUYER_ACTIVITY) -> Standing | None:
        return self.standings.get(model)


def started(play: Play, situation: Situation) -> Event | None:
    """The event that `play` counts from, whose day is the offer's period; None when it never happened."""
    match play.start:
        case Start.REGISTERED:
            return situation.added
        case Start.FIRST_ORDER:
            return situation.first_order
        case Start.LAST_ORDER:
            return situation.last_order
        case Start.RETURNED:
            return situation.returned
        case Start.CHECKOUT:
            return situation.checkout
        case Start.LAPSED:
            began = rung_begins(situation, play.rung or 1)
            last = situation.last_order
            return None if began is None or last is None else Event(began, last.day)
        case Start.REGISTERED_YEARLY:
            return _anniversary(situation.added, situation)
        case Start.FIRST_ORDER_YEARLY:
            return None if situation.first_order is None else _anniversary(situation.first_order, situation)
        case Start.DUE:
            return _due(situation)
        case Start.MATCHED:
            return _matched(play, situation)


def ends_at(play: Play, event: Event, situation: Situation) -> int | None:
    """When the offer ends: its term, but not past the day on which the next rung, or the lapse, takes its place."""
    if play.valid_days is None:
        return None
    start = max(event.at, situation.installed_at) if play.counts_from_install else event.at
    ends = [start + play.valid_days * DAY_US]
    if play.start is Start.LAPSED:
        ends.append(rung_begins(situation, (play.rung or 1) + 1) or ends[0])
    elif play.start is Start.LAST_ORDER and play.model == BUYER_ACTIVITY and play.stage in _UNTIL_LAPSE:
        ends.append(rung_begins(situation, 1) or ends[0])
    return min(ends)


def rung_begins(situation: Situation, rung: int) -> int | None:
    days = situation.lapse_days[rung - 1] if rung <= len(situation.lapse_days) else None
    return None if days is None or situation.last_order is None else situation.last_order.at + days * DAY_US


class Step(NamedTuple):
    """Which message of a series is due: its place from 1, since when, and when the next is."""

    position: int
    due_at: int
    next_at: int | None


def step_of(play: Play, event: Event, now: int) -> Step | None:
    """None where the first is still to come; a play without a schedule has one message, due at once."""
    hours = play.schedule or (0,)
    due = [event.at + hour * HOUR_US for hour in hours]
    passed = sum(at <= now for at in due)
    if not passed:
        return None
    return Step(passed, due[passed - 1], due[passed] if passed < len(due) else None)


def _due(situation: Situation) -> Event | None:
    """A purchase begins a new period: the day that is reckoned may move a little each night."""
    due, last = situation.due, situation.last_order
    if due is None:
        return None
    return Event(_at_day(due.from_day, situation), due.day if last is None else last.day)


def _matched(play: Play, situation: Situation) -> Event | None:
    """The offer that stands goes on; else it begins today."""
    standing = [grant for grant in situation.grants if grant.play == play.key and _runs(grant, situation.now)]
    if standing:
        latest = max(standing, key=lambda grant: (grant.granted_at, grant.offer_id))
        return Event(latest.granted_at, latest.period)
    return Event(situation.day_start, situation.today)


def _runs(grant: Grant, now: int) -> bool:
    """Also one that was withheld: it is not decided anew each day."""
    return grant.closed_at is None and (grant.until is None or now < grant.until)


def _anniversary(event: Event, situation: Situation) -> Event | None:
    """The latest yearly return of the event's day; 29 February returns on the 28th in other years."""
    first, today = _EPOCH + timedelta(days=event.day), _EPOCH + timedelta(days=situation.today)
    for year in (today.year, today.year - 1):
        day = first.day
        if first.month == 2 and day == _LATER_OF_FEBRUARY and not _is_leap(year):  # noqa: PLR2004 - February
            day -= 1
        returned = date(year, first.month, day)
        if first.year < year and returned <= today:
            number = (returned - _EPOCH).days
            return Event(_at_day(number, situation), number)
    return None


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _at_day(day: int, situation: Situation) -> int:
    """The start of a day, by whole days from today's: a change of the clock may move it by an hour."""
    return situation.day_start - (situation.today - day) * DAY_US
