"""A shop's buying rhythm: taken from everybody's gaps by a full recompute, kept, and used for one customer at a time.

A new fit moves the rungs of everybody, so only a full recompute, which re-evaluates everybody, takes one. Whatever is
computed in between uses the kept fit; so one fact still re-evaluates one customer, and gives what a full recompute
with that fit gives. The past is judged with the fit in force, too: a history has one measure of silence throughout,
and is rewritten when that measure changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Floats, Ints
from plugin.domain.lapse import LONGEST, GammaFit, Lapse, LapseMode, LapseSettings, fit_gaps, lapse_in_force, survival
from plugin.domain.measures import gaps_at
from plugin.ledger.database import Database, Upsert
from plugin.lifecycle.frames import Frame
from plugin.shops import ShopContext

_COLUMNS: Final = (
    "fitted_at", "shape", "rate", "log_likelihood", "gaps", "customers", "first_day", "last_day", "observed",
)  # fmt: skip
_WRITE: Final = Upsert(table="lapse_fits", columns=("shop_id", *_COLUMNS), key=("shop_id",), update=_COLUMNS)
_WHOLE: Final = 10_000
_SHORTEST_WINDOW: Final = 90  # days; a copy of the last 60 would tell of no gap longer than that
_TAIL: Final = 0.02  # the curve ends where fewer gaps than that are longer


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFit:
    """`fit` is None where there was too little, in gaps or in days; `gaps` says how many there were. Days are epoch
    days, from the first purchase day to the last that were used. `observed[d]`: ten-thousandths of gaps longer than d
    days."""

    fitted_at: int
    fit: GammaFit | None
    gaps: int
    customers: int
    first_day: int | None
    last_day: int | None
    observed: tuple[int, ...]

    def curve(self, points: int) -> list[tuple[int, float | None, float]]:
        """At about `points` days from 0 to where both shares are small: the day, the fitted share of gaps that are
        longer (None without a fit) and the observed one. Empty without gaps."""
        if not self.observed:
            return []
        every = np.arange(len(self.observed))
        observed = np.array(self.observed) / _WHOLE
        fitted = None if self.fit is None else survival(self.fit.shape, self.fit.rate, every)
        tail = observed if fitted is None else np.maximum(observed, fitted)
        last = max(int(np.count_nonzero(tail > _TAIL)), 1)
        days = np.unique(np.round(np.linspace(0, min(last, len(every) - 1), points)).astype(np.int64)).tolist()
        return [(day, None if fitted is None else float(fitted[day]), float(observed[day])) for day in days]


def settings_of(shop: ShopContext) -> LapseSettings:
    return LapseSettings(LapseMode(shop.lapse_mode), shop.ladder, shop.lapse_quantiles)


async def read_lapse(database: Database, shop: ShopContext) -> Lapse:
    """What is in force, by the shop's settings and the kept fit."""
    kept = await read_fit(database, shop.id)
    return lapse_in_force(settings_of(shop), kept.fit if kept else None)


async def read_fit(database: Database, shop_id: int) -> KeptFit | None:
    """None before the first full recompute."""
    rows = await database.fetch(f"SELECT {', '.join(_COLUMNS)} FROM lapse_fits WHERE shop_id = $1", shop_id)
    if not rows:
        return None
    fitted_at, shape, rate, likelihood, gaps, customers, first, last, observed = rows[0]
    return KeptFit(
        fitted_at=fitted_at, fit=None if shape is None else GammaFit(shape, rate, likelihood, gaps, customers),
        gaps=gaps, customers=customers, first_day=first, last_day=last,
        observed=tuple(int(share) for share in observed.split(",") if share),
    )  # fmt: skip


async def write_fit(database: Database, shop_id: int, kept: KeptFit) -> None:
    fit, observed = kept.fit, ",".join(map(str, kept.observed))
    numbers = (None, None, None) if fit is None else (fit.shape, fit.rate, fit.log_likelihood)
    row = (kept.fitted_at, *numbers, kept.gaps, kept.customers, kept.first_day, kept.last_day, observed)
    await database.upsert(_WRITE, [(shop_id, *row)])


@dataclass(slots=True)
class GapSums:
    """Gaps of a whole shop, gathered a chunk of customers at a time: two numbers a buyer are all that is held."""

    _gaps: list[Ints] = field(default_factory=list)
    _spans: list[Ints] = field(default_factory=list)
    _by_days: Floats = field(default_factory=lambda: np.zeros(LONGEST + 2))
    _days: list[int] = field(default_factory=list)

    def add(self, frame: Frame, at: int, calendar: ShopCalendar) -> None:
        """Customers with orders that the shop does not show are left out: the days of those are made up."""
        owner, ended, days = gaps_at(frame.orders, at, calendar=calendar)
        shown = frame.unseen[owner] == 0
        owner, ended, days = owner[shown], ended[shown], days[shown]
        gaps = np.bincount(owner, minlength=len(frame))
        spans = np.bincount(owner, weights=days, minlength=len(frame)).astype(np.int64)
        self._gaps.append(gaps[gaps > 0])
        self._spans.append(spans[gaps > 0])
        self._by_days += np.bincount(
            np.minimum(days, LONGEST + 1), weights=1 / gaps[owner], minlength=len(self._by_days)
        )
        if len(days):
            self._days += [int((ended - days).min()), int(ended.max())]

    def kept(self, at: int) -> KeptFit:
        gaps, spans = (np.concatenate([*parts, np.zeros(0, dtype=np.int64)]) for parts in (self._gaps, self._spans))
        first, last = min(self._days, default=None), max(self._days, default=None)
        long_enough = first is not None and last is not None and last - first >= _SHORTEST_WINDOW
        longer = 1 - np.cumsum(self._by_days)[:-1] / max(len(gaps), 1)
        return KeptFit(
            fitted_at=at, fit=fit_gaps(gaps, spans) if long_enough else None, gaps=int(gaps.sum()), customers=len(gaps),
            first_day=first, last_day=last,
            observed=tuple(np.round(longer * _WHOLE).astype(np.int64).tolist()) if len(gaps) else (),
        )  # fmt: skip
