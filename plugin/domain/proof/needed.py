"""How long a proof takes in this shop, and the share of a holdout that its size can do with."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from plugin.domain.plays.play import SHARE_SCALE
from plugin.domain.proof.arms import RECENT_DAYS, WINDOW_DAYS, Arm, Moments, Outcome, Side
from plugin.domain.proof.sequences import boundary
from plugin.domain.proof.uplift import FEWEST_CUSTOMERS, FEWEST_WHO_ORDERED

USUAL_UPLIFT: Final = 0.2  # a fifth more than without it
LONGEST_WEEKS: Final = 156
_SOON_WEEKS: Final = 26
SHARES: Final = (500, 1_000, 2_000, 3_000)  # ten-thousandths
_POWER: Final = NormalDist().inv_cdf(0.8)
_MOST: Final = 10**12


class Base(NamedTuple):
    """What is known of the customers of a play: what they do, how many are in, and how many come in a week."""

    moments: Moments
    ordered: int
    waiting: int
    per_week: float


class Needed(NamedTuple):
    """Customers in all, and weeks from now, until an uplift of that size shows in four of five cases. `base`: what a
    customer does, on the mean. `weeks` is None, and `why` says so, where it will not show within LONGEST_WEEKS
    (`never`) or is not known yet."""

    base: float | None
    per_week: float
    customers: int | None
    weeks: int | None
    never: bool
    why: str | None


def base_of(sides: Mapping[Side, Arm], outcome: Outcome) -> Base:
    """Of both sides as one: the holdout alone is small, and the difference looked for is, too."""
    whole = sum(sides.values(), start=Arm())
    return Base(whole.moments(outcome), whole.ordered, whole.waiting, whole.recent * 7 / RECENT_DAYS)


def needed(base: Base, *, share: int, uplift: float = USUAL_UPLIFT) -> Needed:
    """`share` of the holdout, ten-thousandths; `uplift` relative, above 0."""
    if base.moments.n < FEWEST_CUSTOMERS or base.ordered < FEWEST_WHO_ORDERED:
        said = (
            f"It is not known yet how often its customers order: {base.moments.n} have had their {WINDOW_DAYS} days, of"
            f" whom {base.ordered} ordered; {FEWEST_CUSTOMERS} and {FEWEST_WHO_ORDERED} are needed."
        )
        return unknown(base, said)
    mean = base.moments.mean
    if share <= 0:
        said = "Nobody is held out, so nothing can be told."
        return Needed(mean, base.per_week, None, None, never=True, why=said)
    customers = _customers(base, share / SHARE_SCALE, uplift * mean)
    more = max(0, customers - base.moments.n)
    weeks: float = 0 if not more else WINDOW_DAYS / 7
    if more > base.waiting:
        weeks = weeks + (more - base.waiting) / base.per_week if base.per_week else float("inf")
    if weeks <= LONGEST_WEEKS:
        return Needed(mean, base.per_week, customers, ceil(weeks), never=False, why=None)
    said = (
        f"It takes {customers:,} customers, and {base.per_week:,.1f} come in a week: this shop will not show it within"
        f" {LONGEST_WEEKS // 52} years."
    )
    return Needed(mean, base.per_week, customers, None, never=True, why=said)


def unknown(base: Base, why: str) -> Needed:
    """Where what its customers do is not known."""
    return Needed(None, base.per_week, None, None, never=False, why=why)


def best_share(base: Base, uplift: float = USUAL_UPLIFT) -> int | None:
    """The smallest share that shows it within half a year; else the largest, if that shows it at all; else the
    smallest, because what is held out for nothing costs sales. None while it is not known."""
    times = {share: needed(base, share=share, uplift=uplift) for share in SHARES}
    if any(time.base is None for time in times.values()):
        return None
    soon = [share for share, time in times.items() if time.weeks is not None and time.weeks <= _SOON_WEEKS]
    if soon:
        return soon[0]
    return SHARES[0] if times[SHARES[-1]].never else SHARES[-1]


def _customers(base: Base, share: float, difference: float) -> int:
    """The fewest after which the interval's half width and what chance may take off fit into the difference."""
    if difference <= 0:
        return _MOST
    deviation = sqrt(base.moments.variance * (1 / share + 1 / (1 - share)))
    smaller = min(share, 1 - share)
    rate = base.ordered / base.moments.n
    low, high = ceil(max(FEWEST_CUSTOMERS, FEWEST_WHO_ORDERED / rate) / smaller), _MOST
    while low < high:
        middle = (low + high) // 2
        if (boundary(middle) + _POWER) * deviation / sqrt(middle) <= difference:
            high = middle
        else:
            low = middle + 1
    return low
