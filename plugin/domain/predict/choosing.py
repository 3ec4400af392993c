"""Which model a shop gets, by its own past: fitted on what was known by a day, judged by what came after it.

Two windows are held out where the history is long enough, and whatever was least surprised by both is taken: one window
is too few to tell a season from a habit. The figures told are those of the later one. With a dozen candidates on
hundreds of buyers the choice flatters them by less than their last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Floats
from plugin.domain.predict.candidates import (
    BASELINE,
    CANDIDATES,
    MOST_CUTS,
    Lesson,
    Scorer,
    lessons_until,
    level_of,
    levelled,
)
from plugin.domain.predict.features import Buyers, OrderDays, buyers_before, orders_after
from plugin.domain.predict.quality import auc, calibration_error, log_loss

LEAST_BUYERS: Final = 100  # in the window that gives the figures
LEAST_OF_EACH: Final = 20  # who came back in it, and who did not
LEAST_WINDOWS: Final = 3  # horizons of history: one to know buyers by, one to learn from, one held out
MOVING: Final = ", moved to the level of the latest weeks"


@dataclass(frozen=True, slots=True)
class Quality:
    """On the held-out window from the day `first` to before `end`: `n` buyers, of whom a share `rate` came back.
    `baseline_auc` is that of recency alone."""

    auc: float
    baseline_auc: float
    calibration_error: float
    log_loss: float
    rate: float
    n: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model of one horizon, fitted on everything until the day it was asked for; `candidates` were tried, on
    `windows` held-out windows."""

    days: int
    method: str
    score: Scorer
    quality: Quality
    candidates: int
    windows: int

    def __call__(self, buyers: Buyers) -> Floats:
        return self.score(buyers)


@dataclass(frozen=True, slots=True)
class TooLittle:
    """Why there is no model."""

    reason: str


def choose(orders: OrderDays, cut: int, days: int) -> Chosen | TooLittle:
    """The model of ordering again within `days` days, from orders before the day `cut`."""
    known = orders.before(cut)
    held = int(cut - known.day.min()) if len(known.day) else 0
    if held < LEAST_WINDOWS * days:
        return TooLittle(
            f"Predicting {days} days ahead needs {LEAST_WINDOWS * days} days of orders; this shop's go back {held}."
        )
    last = cut - days
    buyers = buyers_before(known, last)
    came = orders_after(known, buyers, last, days) > 0
    yes = int(came.sum())
    if len(buyers) < LEAST_BUYERS or min(yes, len(buyers) - yes) < LEAST_OF_EACH:
        return TooLittle(
            f"A model of repurchase needs {LEAST_BUYERS} buyers, of whom {LEAST_OF_EACH} came back within {days} days"
            f" and {LEAST_OF_EACH} did not, to be judged by; this shop has {len(buyers)}, of whom {yes} came back."
        )
    earlier = last - days
    twice = held >= (LEAST_WINDOWS + 1) * days and len(buyers_before(known, earlier)) >= LEAST_BUYERS
    windows = [earlier, last] if twice else [last]
    method = _best([_surprises(known, window, days) for window in windows])
    scores = _fitted(known, last, days, method)(buyers)
    happened = came.astype(np.int64)
    plain = _fitted(known, last, days, BASELINE)(buyers)
    quality = Quality(
        auc(scores, happened) or 0.0, auc(plain, happened) or 0.0, calibration_error(scores, happened),
        log_loss(scores, happened), float(came.mean()), len(buyers), last, cut,
    )  # fmt: skip
    return Chosen(days, method, _fitted(known, cut, days, method), quality, 2 * len(CANDIDATES), len(windows))


def _best(surprises: Sequence[Mapping[str, float]]) -> str:
    """The first of the least surprised."""
    return min(surprises[0], key=lambda name: sum(of[name] for of in surprises))


def _surprises(orders: OrderDays, cut: int, days: int) -> dict[str, float]:
    """The log loss of each method on the window from `cut` on."""
    buyers = buyers_before(orders, cut)
    came = (orders_after(orders, buyers, cut, days) > 0).astype(np.int64)
    lessons, level = _past(orders, cut, days)
    found: dict[str, float] = {}
    for name, fit in CANDIDATES.items():
        raw = fit(lessons, days)
        found[name] = log_loss(raw(buyers), came)
        found[name + MOVING] = log_loss(levelled(raw, level)(buyers), came)
    return found


def _past(orders: OrderDays, cut: int, days: int) -> tuple[list[Lesson], float]:
    known = orders.before(cut)
    return lessons_until(known, cut, days, cuts=MOST_CUTS), level_of(known, cut, days)


def _fitted(orders: OrderDays, cut: int, days: int, method: str) -> Scorer:
    lessons, level = _past(orders, cut, days)
    name = method.removesuffix(MOVING)
    raw = CANDIDATES[name](lessons, days)
    return levelled(raw, level) if name != method else raw
