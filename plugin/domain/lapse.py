"""When a silence becomes a departure: the days after which a customer should have bought and did not.

Two ways (lifecycle.md, section 3): a ladder that is the same for everyone, or each customer's own rhythm. For the
second, gaps are exponential with a pace that differs by customer, and the paces are Gamma distributed with shape r and
rate a. Having seen n gaps of a customer that sum to T days, the next one is Lomax(r + n, a + T).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from plugin.domain.columns import Floats, Ints

Rungs = tuple[Ints, Ints, Ints]
Quantiles = tuple[float, float, float]

SHORTEST: Final = 7  # bounds of adaptive rungs, days
LONGEST: Final = 1095
ENOUGH_GAPS: Final = 200  # a shop with fewer stays on the ladder unless its merchant says otherwise
LEAST_GAPS: Final = 20  # with fewer nothing is fit: two numbers would be drawn from next to nothing
DEFAULT_QUANTILES: Final = (0.80, 0.90, 0.95)

_SHAPES: Final = (1e-2, 1e3)  # as good as no common rhythm, and as good as one rhythm for all
_RATES: Final = (1e-2, 1e8)
_HALVINGS: Final = 50
_GRAIN: Final = 6  # decimals of a day before rounding up: the last bits of a power may differ from one CPU to the next


class Lapse(Protocol):
    """Days of silence per rung, for customers with `gaps` gaps that sum to `span_days` days (one entry each)."""

    def __call__(self, gaps: Ints, span_days: Ints) -> Rungs: ...


class LapseMode(StrEnum):
    """AUTO: the ladder while a shop has fewer than `ENOUGH_GAPS` gaps, adaptive from then on."""

    FIXED = "FIXED"
    ADAPTIVE = "ADAPTIVE"
    AUTO = "AUTO"


@dataclass(frozen=True, slots=True)
class FixedLadder:
    """The same rungs for everyone (lifecycle.md, section 3): the default while a shop has little history."""

    first: int = 90
    second: int = 180
    third: int = 360

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.second <= self.third:
            raise ValueError(f"the rungs must rise from at least 1 day: {self.first}, {self.second}, {self.third}")

    def __call__(self, gaps: Ints, span_days: Ints) -> Rungs:
        del span_days  # everyone's own rhythm is left aside
        first, second, third = (np.full(len(gaps), days, dtype=np.int64) for days in self.rungs)
        return first, second, third

    @property
    def rungs(self) -> tuple[int, int, int]:
        return self.first, self.second, self.third


DEFAULT_LADDER: Final = FixedLadder()


@dataclass(frozen=True, slots=True)
class AdaptiveLapse:
    """A rung is a quantile of the customer's own next gap, in whole days rounded up: on the day she reaches it, at
    least that share of such gaps would have ended. Never outside SHORTEST to LONGEST."""

    shape: float
    rate: float
    quantiles: Quantiles = DEFAULT_QUANTILES

    def __post_init__(self) -> None:
        if not (self.shape > 0 and self.rate > 0):
            raise ValueError(f"shape and rate must be above 0: {self.shape}, {self.rate}")
        if not are_quantiles(self.quantiles):
            raise ValueError(f"quantiles must rise between 0 and 1: {self.quantiles}")

    def __call__(self, gaps: Ints, span_days: Ints) -> Rungs:
        first, second, third = (self._days(quantile, gaps, span_days) for quantile in self.quantiles)
        return first, second, third

    def _days(self, quantile: float, gaps: Ints, span_days: Ints) -> Ints:
        days = next_gap_quantile(self.shape, self.rate, quantile, gaps, span_days)
        return np.ceil(np.round(np.clip(days, SHORTEST, LONGEST), _GRAIN)).astype(np.int64)


def next_gap_quantile(shape: float, rate: float, quantile: float, gaps: Ints, span_days: Ints) -> Floats:
    """Days, not rounded: `(a + T) * ((1 - q) ** (-1 / (r + n)) - 1)`; infinite where that is beyond doubles."""
    with np.errstate(over="ignore"):
        days: Floats = (rate + span_days) * np.expm1(-np.log1p(-quantile) / (shape + gaps))
    return days


def survival(shape: float, rate: float, days: Ints) -> Floats:
    """The share of customers' gaps that are longer than `days`, each customer counting once: (a / (a + d))^r."""
    share: Floats = np.exp(-shape * np.log1p(days / rate))
    return share


def are_quantiles(quantiles: tuple[float, ...]) -> bool:
    return quantiles[0] > 0 and quantiles[-1] < 1 and all(low < high for low, high in pairwise(quantiles))


@dataclass(frozen=True, slots=True)
class GammaFit:
    """`gaps` gaps of `customers` customers; the likelihood is that of their gaps in days."""

    shape: float
    rate: float
    log_likelihood: float
    gaps: int
    customers: int


def fit_gaps(gaps: Ints, span_days: Ints) -> GammaFit | None:
    """The shape and rate that make the gaps of these customers likeliest; None below `LEAST_GAPS`.

    A customer with n gaps that sum to T has the likelihood Γ(r+n)/Γ(r) * a^r / (a+T)^(r+n), so without gaps she says
    nothing. n being whole, Γ(r+n)/Γ(r) is r * (r+1) * … * (r+n-1) and no special function is needed. For a given rate
    the best shape is where one falling function is zero, and the best rate where the slope along those shapes is; both
    are found by halving. Gaps more regular than chance lead to the upper bound of the shape: one rhythm for all.
    """
    seen = gaps > 0
    n, t = gaps[seen].astype(np.float64), span_days[seen].astype(np.float64)
    if n.sum() < LEAST_GAPS:
        return None
    steps = np.arange(int(n.max()), dtype=np.float64)
    at_least = np.cumsum(np.bincount(gaps[seen])[::-1])[::-1][1:].astype(
        np.float64
    )  # customers with k + 1 gaps or more

    def shape_at(rate: float) -> float:
        drag = float(np.log1p(t / rate).sum())
        return _zero(lambda shape: float((at_least / (shape + steps)).sum()) - drag, *_SHAPES)

    def slope(rate: float) -> float:
        return float(((shape_at(rate) * t - n * rate) / (rate + t)).sum())

    rate = _zero(slope, *_RATES)
    shape = shape_at(rate)
    likelihood = (at_least * np.log(shape + steps)).sum() - (shape * np.log1p(t / rate) + n * np.log(rate + t)).sum()
    return GammaFit(shape, rate, float(likelihood), int(n.sum()), len(n))


def _zero(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where it turns from above zero to below, by halving on a logarithmic scale; a bound if it does not."""
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return float(np.sqrt(low * high))


@dataclass(frozen=True, slots=True)
class LapseSettings:
    """What the merchant chose, or the defaults."""

    mode: LapseMode = LapseMode.AUTO
    ladder: tuple[int, int, int] = DEFAULT_LADDER.rungs
    quantiles: Quantiles = DEFAULT_QUANTILES


def lapse_in_force(chosen: LapseSettings, fit: GammaFit | None) -> FixedLadder | AdaptiveLapse:
    """The ladder, too, where adaptive is pinned and there is nothing to fit yet."""
    wanted = chosen.mode is LapseMode.ADAPTIVE or (
        chosen.mode is LapseMode.AUTO and fit is not None and fit.gaps >= ENOUGH_GAPS
    )
    if fit is None or not wanted:
        return FixedLadder(*chosen.ladder)
    return AdaptiveLapse(fit.shape, fit.rate, chosen.quantiles)
