"""The lapse: after how long a silence a customer counts as departing, what that rests on, and how it is chosen."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import instant
from plugin.domain.lapse import LONGEST, AdaptiveLapse, LapseMode, are_quantiles, lapse_in_force
from plugin.errors import BadRequestError
from plugin.lifecycle.lapse_fits import KeptFit, settings_of
from plugin.shops import ShopContext

_SHOP = [Access(scope=Scope.READ_SHOP)]
_RUNGS: Final = 3
_POINTS: Final = (2, 200)
_USUAL: Final = 40  # points of a curve
_EPOCH: Final = date(1970, 1, 1).toordinal()

strawberry.enum(  # the domain's own, given a name and a description here
    LapseMode,
    name="LapseMode",
    description="How the lapse is chosen. FIXED: one ladder for everyone. ADAPTIVE: by each customer's own rhythm."
    " AUTO: the ladder while the shop has fewer than 200 gaps between purchase days, adaptive from then on.",
)


@strawberry.input(description="What to change of the lapse; what is left out stays as it is.")
class LapseInput:
    mode: LapseMode | None = strawberry.field(default=None, description="Pin one way, or leave it to the history.")
    ladder_days: list[int] | None = strawberry.field(
        default=None, description="Days of silence by rung, rising, from 1 to 1,095, such as 90, 180 and 360."
    )
    quantiles: list[float] | None = strawberry.field(
        default=None, description="For ADAPTIVE: three rising shares between 0 and 1, such as 0.8, 0.9 and 0.95."
    )


@strawberry.type(description="How many gaps are longer than so many days.", directives=_SHOP)
class LapseCurvePoint:
    days: int = strawberry.field(description="Days of silence.")
    share: float | None = strawberry.field(
        description="The share that the fit expects of a customer of whom no gap is known; null without a fit."
    )
    observed: float = strawberry.field(
        description="The share among the gaps that ended, each customer counting once; who never returned has none."
    )


@strawberry.type(description="After how long a silence a customer counts as departing.", directives=_SHOP)
class Lapse:
    mode: LapseMode = strawberry.field(description="What the merchant chose.")
    in_force: LapseMode = strawberry.field(description="FIXED or ADAPTIVE: what customers are judged by.")
    ladder_days: list[int] = strawberry.field(description="Days of silence of the three rungs of the fixed ladder.")
    quantiles: list[float] = strawberry.field(description="Adaptive: the share of her gaps that would have ended.")
    shape: float | None = strawberry.field(
        description="Shape of the Gamma distribution of paces; null without a fit: below 20 gaps, or within 90 days."
    )
    rate: float | None = strawberry.field(description="Its rate, in days.")
    log_likelihood: float | None = strawberry.field(description="Of the gaps under the fit.")
    gaps: int = strawberry.field(description="Gaps between purchase days that it rests on.")
    customers: int = strawberry.field(description="Customers with such gaps.")
    window_start: date | None = strawberry.field(description="The first purchase day among them.")
    window_end: date | None = strawberry.field(description="The last purchase day among them.")
    fitted_at: datetime | None = strawberry.field(description="As of when; null before the first full recompute.")
    kept: strawberry.Private[KeptFit | None]

    @strawberry.field(description="The shop's silences, fitted beside observed, at 2 to 200 evenly spread days.")
    async def curve(self, points: int | None = _USUAL) -> list[LapseCurvePoint]:
        points = _USUAL if points is None else points
        if not _POINTS[0] <= points <= _POINTS[1]:
            raise BadRequestError(f"`points` is from {_POINTS[0]} to {_POINTS[1]}, not {points}.")
        found = self.kept.curve(points) if self.kept else []
        return [LapseCurvePoint(days=days, share=share, observed=observed) for days, share, observed in found]


def lapse_of(shop: ShopContext, kept: KeptFit | None) -> Lapse:
    chosen, fit = settings_of(shop), kept.fit if kept else None
    adaptive = isinstance(lapse_in_force(chosen, fit), AdaptiveLapse)
    return Lapse(
        mode=chosen.mode,
        in_force=LapseMode.ADAPTIVE if adaptive else LapseMode.FIXED,
        ladder_days=list(chosen.ladder),
        quantiles=list(chosen.quantiles),
        shape=fit.shape if fit else None,
        rate=fit.rate if fit else None,
        log_likelihood=fit.log_likelihood if fit else None,
        gaps=kept.gaps if kept else 0,
        customers=kept.customers if kept else 0,
        window_start=_day(kept.first_day) if kept else None,
        window_end=_day(kept.last_day) if kept else None,
        fitted_at=instant(kept.fitted_at) if kept else None,
        kept=kept,
    )


def _day(number: int | None) -> date | None:
    return None if number is None else date.fromordinal(_EPOCH + number)


def lapse_changes(given: LapseInput) -> tuple[dict[str, Any], list[str]]:
    """Columns of the shop to change, and what is wrong with the input."""
    changes: dict[str, Any] = {}
    wrong = []
    if given.mode is not None:
        changes["lapse_mode"] = given.mode.value
    if given.ladder_days is not None:
        changes["lapse_ladder"] = ",".join(map(str, given.ladder_days))
        if not _is_ladder(given.ladder_days):
            wrong.append(f"`ladderDays` are three rising numbers of days from 1 to {LONGEST}.")
    if given.quantiles is not None:
        changes["lapse_quantiles"] = ",".join(map(repr, given.quantiles))
        if len(given.quantiles) != _RUNGS or not are_quantiles(tuple(given.quantiles)):
            wrong.append("`quantiles` are three rising numbers between 0 and 1.")
    return changes, wrong


def _is_ladder(days: list[int]) -> bool:
    rising = all(lower < higher for lower, higher in pairwise(days))
    return len(days) == _RUNGS and rising and days[0] >= 1 and days[-1] <= LONGEST
