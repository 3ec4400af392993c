"""Intervals of 95 % and the tests that the fact sheet's verdicts stand on."""

from __future__ import annotations

from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import Ints

_NORMAL: Final = NormalDist()
Z: Final = _NORMAL.inv_cdf(0.975)


class Interval(NamedTuple):
    low: float
    high: float


class Estimate(NamedTuple):
    """`value` and the 95 % interval around it; `n` of `denominator` are what it was counted from."""

    value: float
    low: float
    high: float
    n: int
    denominator: int


def wilson(share: float, among: float) -> Interval:
    """Wilson's score interval of a share seen among so many; `among` may be an effective, fractional number."""
    if among <= 0:
        return Interval(0.0, 1.0)
    centre = share + Z * Z / (2 * among)
    half = Z * sqrt(share * (1 - share) / among + Z * Z / (4 * among * among))
    scale = 1 + Z * Z / among
    return Interval(max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))


def share(n: int, denominator: int) -> Estimate:
    """`denominator` must be above 0."""
    value = n / denominator
    return Estimate(value, *wilson(value, denominator), n, denominator)


def clustered_share(yes: Ints, seen: Ints) -> Estimate:
    """A share of observations of which one customer gave `seen` (above 0), `yes` of them so: customers, not
    observations, are what is independent. Wilson's interval with the number of observations that are worth as much."""
    n, denominator = int(yes.sum()), int(seen.sum())
    value = n / denominator
    deviation = _ratio_deviation(yes.astype(np.float64), seen.astype(np.float64))
    worth = value * (1 - value) / deviation**2 if deviation > 0 else float(len(seen))
    return Estimate(value, *wilson(value, min(worth, denominator)), n, denominator)


def share_of_sum(part: NDArray[Any], whole: NDArray[Any]) -> Interval:
    """Of a share of a sum over customers, by the variance between customers; (0, 1) where there is one customer."""
    if len(whole) < 2:  # noqa: PLR2004 - no variance of one
        return Interval(0.0, 1.0)
    value = float(part.sum() / whole.sum())
    half = Z * _ratio_deviation(part, whole)
    return Interval(max(0.0, value - half), min(1.0, value + half))


def _ratio_deviation(part: NDArray[Any], whole: NDArray[Any]) -> float:
    """Standard deviation of sum(part) / sum(whole), to the first order."""
    count = len(whole)
    if count < 2:  # noqa: PLR2004 - no variance of one
        return 0.0
    residuals = part - whole * (part.sum() / whole.sum())
    return float(np.sqrt((residuals**2).sum() * count / (count - 1)) / whole.sum())


def ratio(upper: Estimate, lower: Estimate) -> Estimate | None:
    """How many times one share is the other, by Katz's logarithm; None where either is 0."""
    if not upper.n or not lower.n:
        return None
    value = upper.value / lower.value
    half = Z * sqrt((1 - upper.value) / upper.n + (1 - lower.value) / lower.n)
    return Estimate(value, exp(log(value) - half), exp(log(value) + half), upper.n, upper.denominator)


class Equivalence(NamedTuple):
    """Two shares compared: their difference with its 95 % interval, and the p of the hypothesis that it is at least
    the margin, either way (two one-sided tests)."""

    difference: float
    low: float
    high: float
    p: float


def equivalence(one: Estimate, other: Estimate, margin: float) -> Equivalence:
    difference = one.value - other.value
    # one success and one failure more on each side (Agresti and Caffo): no variance of 0 from small groups
    deviation = sqrt(sum(_variance(each) for each in (one, other)))
    p = max(1 - _NORMAL.cdf((difference + margin) / deviation), _NORMAL.cdf((difference - margin) / deviation))
    return Equivalence(difference, difference - Z * deviation, difference + Z * deviation, p)


def _variance(of: Estimate) -> float:
    value, among = (of.n + 1) / (of.denominator + 2), of.denominator + 2
    return value * (1 - value) / among


def needed_to_tell(one: float, other: float, power: float = 0.8) -> int:
    """Customers a group until a two-sided test at 5 % tells these two shares apart."""
    z = Z + _NORMAL.inv_cdf(power)
    return round(z * z * (one * (1 - one) + other * (1 - other)) / (one - other) ** 2)


def needed_for_equivalence(common: float, margin: float, power: float = 0.8) -> int:
    """Customers a group until equal shares are shown to be within the margin, at 5 % each side."""
    z = _NORMAL.inv_cdf(0.95) + _NORMAL.inv_cdf((1 + power) / 2)
    return round(z * z * 2 * common * (1 - common) / margin**2)


def log_log(survival: float, greenwood: float) -> Interval:
    """Of a Kaplan-Meier survival strictly between 0 and 1; `greenwood` is the sum of d / (n (n - d))."""
    spread = Z * sqrt(greenwood) / abs(log(survival))
    return Interval(survival ** exp(min(spread, 700.0)), survival ** exp(-spread)) if spread < inf else Interval(0, 1)
