"""What is expected of each buyer of a shop from tomorrow on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.predict.candidates import lessons_until, lives_of
from plugin.domain.predict.choosing import Chosen, TooLittle, choose
from plugin.domain.predict.features import OrderDays, buyers_before
from plugin.domain.predict.regression import Link, fit_regression
from plugin.domain.predict.spend import fit_spend
from plugin.domain.predict.till_they_die import fit_lives

SOON: Final = 30  # days
LATER: Final = 90
_YEAR: Final = 365
_SLOWEST: Final = 0.2  # bounds of how the hazard bends between the two horizons
_STEADIEST: Final = 1.5
_LOW: Final = 10  # percentiles of `predicted_clv` (segment-language.md, 10.4)
_HIGH: Final = 70


@dataclass(frozen=True, slots=True)
class Forecast:
    """One entry a buyer, ascending; NaN (0 for days) where that cannot be said. `next_day`: the first epoch day by
    which an order is at least as likely as not, 0 beyond a year. `value`: expected spend of 365 days, whole currency
    units, not discounted. `tier`: HIGH, MEDIUM, LOW or empty."""

    buyer: Ints
    soon: Floats
    later: Floats
    alive: Floats
    orders: Floats  # expected within LATER days
    next_day: Ints
    value: Floats
    tier: list[str]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """`models` by horizon; `forecast` is None where even the nearer one has none."""

    models: dict[int, Chosen | TooLittle]
    forecast: Forecast | None


def forecast(orders: OrderDays, today: int) -> Forecasts:
    """From orders up to and with `today`."""
    cut = today + 1
    known = orders.before(cut)
    soon, later = choose(known, cut, SOON), choose(known, cut, LATER)
    models = {SOON: soon, LATER: later}
    if isinstance(soon, TooLittle):
        return Forecasts(models, None)
    buyers = buyers_before(known, cut)
    nothing = np.full(len(buyers), np.nan)
    near, far, expected, value = soon(buyers), nothing, nothing, nothing
    lives = lives_of(buyers)
    fit = fit_lives(lives, modified=True)
    if isinstance(later, Chosen):
        far = np.maximum(later(buyers), near)  # two models, one customer: a longer time is never less likely
        lessons = lessons_until(known, cut, LATER)
        counts = fit_regression(
            np.concatenate([lesson.buyers.matrix() for lesson in lessons]),
            np.concatenate([lesson.orders for lesson in lessons]), Link.POISSON,
        )  # fmt: skip
        expected = counts(buyers.matrix())
        # The year follows the quarter as that buyer's rate and leaving say.
        quarter = np.maximum(fit.expected(lives, LATER), 1e-9)
        stretch = np.clip(fit.expected(lives, _YEAR) / quarter, 1, _YEAR / LATER)
        mean = np.maximum(buyers.spend, 0) / buyers.orders
        if (mean > 0).any():
            value = expected * stretch * fit_spend(buyers.orders, mean).expected(buyers.orders, mean)
    return Forecasts(
        models,
        Forecast(buyers.buyer, near, far, fit.alive(lives), expected, _next_day(near, far, today), value, tiers(value)),
    )


def _next_day(near: Floats, far: Floats, today: int) -> Ints:
    """Where a Weibull curve through both probabilities passes one half; none without both."""
    hazards = [-np.log1p(-np.clip(each, 1e-9, 1 - 1e-9)) for each in (near, far)]
    bend = np.clip(np.log(hazards[1] / hazards[0]) / np.log(LATER / SOON), _SLOWEST, _STEADIEST)
    days = np.ceil(LATER * (np.log(2) / hazards[1]) ** (1 / bend))
    said: Bools = np.isfinite(days) & (days <= _YEAR)
    return np.where(said, today + np.maximum(np.where(said, days, 1), 1), 0).astype(np.int64)


def tiers(value: Floats) -> list[str]:
    """LOW at 0 or below the 10th percentile, HIGH above the 70th of those who have a value, empty without one."""
    known = np.isfinite(value)
    if not known.any():
        return [""] * len(value)
    low, high = np.percentile(value[known], [_LOW, _HIGH])
    named = np.where((value <= 0) | (value < low), "LOW", np.where(value > high, "HIGH", "MEDIUM"))
    return [str(name) for name in np.where(known, named, "")]
