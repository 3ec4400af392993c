"""What a play brings: offered less held out, with intervals valid at any time (`sequences.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, sqrt
from typing import Final, NamedTuple

from plugin.domain.proof.arms import Arm, Moments, Outcome, Side
from plugin.domain.proof.costed import Coverage, coverage
from plugin.domain.proof.sequences import boundary

# On each side, before an interval is given: the central limit theory needs some numbers. With these, and the pooled
# variance below, at most 3.5 % of A/A simulations ever excluded nothing (orders of 2 to 50 % of customers, holdouts of
# 5 to 50 %, order values spread by a factor e; tests/proof/test_proof.py has a part of them).
FEWEST_CUSTOMERS: Final = 30
FEWEST_WHO_ORDERED: Final = 10
_LARGEST_LOG: Final = 700.0


class Verdict(StrEnum):
    """Whether the interval of a difference lies above nothing, below it, or around it."""

    HELPS = "HELPS"
    HARMS = "HARMS"
    CANNOT_TELL_YET = "CANNOT_TELL_YET"


class Bounded(NamedTuple):
    """A value and its interval; no bounds while there are too few customers for any."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Measure:
    """Means per customer, money in whole units; `ratio` is None where a side has nothing."""

    offered: float | None
    held_out: float | None
    difference: Bounded | None
    ratio: Bounded | None

    @property
    def verdict(self) -> Verdict:
        if self.difference is not None and self.difference.low is not None and self.difference.low > 0:
            return Verdict.HELPS
        if self.difference is not None and self.difference.high is not None and self.difference.high < 0:
            return Verdict.HARMS
        return Verdict.CANNOT_TELL_YET


_NOTHING: Final = Measure(None, None, None, None)


class Anyway(NamedTuple):
    """What codes took off orders (`cost`), and how much of it went to customers who would have come without; both
    ten-thousandths of the currency's unit."""

    cost: int
    given: Bounded | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Customers whose window is over on each side, and `waiting` for it on both. `too_few` says what an interval still
    lacks; `coverage` whether costs do for a margin, whose measure is empty where they do not."""

    offered: int
    held_out: int
    waiting: int
    measures: Mapping[Outcome, Measure]
    too_few: str | None
    anyway: Anyway
    coverage: Coverage

    @property
    def helps(self) -> bool:
        """By net revenue, in which what the bonus took off is missing already."""
        return self.measures[Outcome.NET_REVENUE].verdict is Verdict.HELPS


def prove(sides: Mapping[Side, Arm]) -> Proof:
    """Of all `sides` of one play; give those of one incentive for the proof of that."""
    pairs = _pairs(sides)
    offered = sum((pair[0] for pair in pairs), start=Arm())
    held = sum((pair[1] for pair in pairs), start=Arm())
    too_few = _too_few(offered, held)
    width = boundary(offered.n + held.n) if too_few is None else None
    covered = coverage(offered, held)
    measures = {each: _measure(_moments(pairs, each), width) for each in Outcome}
    measures[Outcome.MARGIN] = _NOTHING if covered.why_not else _margin(pairs, width)
    return Proof(
        offered.n, held.n, sum(arm.waiting for arm in sides.values()), measures, too_few,
        _anyway(offered.redeemed_cost, measures[Outcome.ORDERED]), covered,
    )  # fmt: skip


def of_incentive(sides: Mapping[Side, Arm], incentive: str) -> dict[Side, Arm]:
    return {side: arm for side, arm in sides.items() if side.incentive == incentive}


def helping(sides: Mapping[Side, Arm]) -> frozenset[str]:
    """The incentives of a play that help, each judged by the customers who were, or would have been, given it."""
    incentives = {side.incentive for side in sides} - {""}
    return frozenset(each for each in incentives if prove(of_incentive(sides, each)).helps)


def _pairs(sides: Mapping[Side, Arm]) -> list[tuple[Arm, Arm]]:
    """(offered, held out) of each share under which both have a variance."""
    pairs = []
    for share in sorted({side.share for side in sides}):
        pair = tuple(
            sum((arm for side, arm in sides.items() if side.share == share and side.held is held), start=Arm())
            for held in (False, True)
        )
        if min(arm.n for arm in pair) > 1:
            pairs.append((pair[0], pair[1]))
    return pairs


def _too_few(offered: Arm, held: Arm) -> str | None:
    for name, arm in (("were offered it", offered), ("were held out", held)):
        if arm.n < FEWEST_CUSTOMERS:
            return f"{arm.n} customers {name} and have had their time; an interval needs {FEWEST_CUSTOMERS}."
        if arm.ordered < FEWEST_WHO_ORDERED:
            return f"{arm.ordered} of those who {name} ordered; an interval needs {FEWEST_WHO_ORDERED}."
    return None


def _moments(pairs: list[tuple[Arm, Arm]], outcome: Outcome) -> list[tuple[Moments, Moments]]:
    return [(offered.moments(outcome), held.moments(outcome)) for offered, held in pairs]


def _margin(pairs: list[tuple[Arm, Arm]], width: float | None) -> Measure:
    """The values are those of covered orders; the bounds take in what the others may have left (`costed.py`)."""
    known = _moments(pairs, Outcome.MARGIN)
    most = [(offered.most_margin(), held.most_margin()) for offered, held in pairs]
    measure = _measure(known, width)
    least = _measure([(one[0], other[1]) for one, other in zip(known, most, strict=True)], width)
    greatest = _measure([(other[0], one[1]) for one, other in zip(known, most, strict=True)], width)
    return Measure(
        measure.offered, measure.held_out, _spanned(measure.difference, least.difference, greatest.difference),
        _spanned(measure.ratio, least.ratio, greatest.ratio),
    )  # fmt: skip


def _spanned(value: Bounded | None, least: Bounded | None, greatest: Bounded | None) -> Bounded | None:
    if value is None or least is None or greatest is None:
        return None
    return Bounded(value.value, least.low, greatest.high)


def _measure(moments: list[tuple[Moments, Moments]], width: float | None) -> Measure:
    """Shares weigh by their customers, so that a mean is that of everybody had the share never changed. `width`: half
    that of the interval, in standard errors."""
    n = sum(side.n for pair in moments for side in pair)
    if not n:
        return _NOTHING
    means, variances = [0.0, 0.0], [0.0, 0.0]
    for pair in moments:
        weight = sum(side.n for side in pair) / n
        floor = _pooled(*pair)
        for place, side in enumerate(pair):
            means[place] += weight * side.mean
            variances[place] += weight**2 * max(side.variance, floor) / side.n
    difference = means[0] - means[1]
    error = sqrt(sum(variances))
    ratio = None
    if min(means) > 0:  # on the logarithm, to the first order
        about = sqrt(sum(variance / mean**2 for variance, mean in zip(variances, means, strict=True)))
        ratio = _around(log(means[0] / means[1]), about, width)
        ratio = Bounded(
            exp(ratio.value), *(None if each is None else exp(min(each, _LARGEST_LOG)) for each in ratio[1:])
        )
    return Measure(means[0], means[1], _around(difference, error, width), ratio)


def _pooled(one: Moments, other: Moments) -> float:
    """Of both sides as one, below which neither's variance is taken to be: a small holdout that happened to miss the
    large orders has a low mean and a low variance at once, and would be far too sure of it."""
    return Moments(one.n + other.n, one.total + other.total, one.squares + other.squares).variance


def _around(value: float, error: float, width: float | None) -> Bounded:
    return Bounded(value, None, None) if width is None else Bounded(value, value - width * error, value + width * error)


def _anyway(cost: int, ordered: Measure) -> Anyway:
    """Of those offered who ordered, as many would have come anyway as ordered in the holdout, by its rate; a bonus is
    taken to be used as readily by these as by the others."""
    ratio = ordered.ratio
    if ratio is None:
        return Anyway(cost, None)
    value, high, low = (None if each is None else cost * min(1.0, 1 / each) for each in ratio)
    assert value is not None  # noqa: S101 - only the bounds of a ratio may be missing
    return Anyway(cost, Bounded(value, low, high))  # the more it helps, the less
