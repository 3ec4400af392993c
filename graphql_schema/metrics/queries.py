"""Reading figures and the map of journeys."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Final

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info, calendar_of
from graphql_schema.metrics.types import JourneyMap, MetricSeries, map_of, series_of
from graphql_schema.spans import Granularity, edges
from graphql_schema.stages.types import model_named
from plugin.domain.metrics import MetricName
from plugin.ledger.metrics import counted, journey_steps

_COUNTING: Final = 10  # points of an aggregate over the whole shop
_MAPPING: Final = 20


@strawberry.type
class MetricQueries:
    @strawberry.field(
        description="A figure from the start of `since` to the end of `until`, days of the shop, by period.",
        directives=needs(Scope.READ_LIFECYCLE, points=_COUNTING),
    )
    async def metrics(
        self, info: Info, name: MetricName, since: date, until: date, granularity: Granularity = Granularity.WEEK
    ) -> MetricSeries:
        context = info.context
        calendar = await calendar_of(context.shop)
        days = edges(since, until, granularity)
        instants = [calendar.start_of_day(day) for day in days]
        windows = list(pairwise(instants))
        counts = await counted(context.store.database, context.shop.id, name, windows)
        return series_of(name, granularity, days, counts, context.shop.currency)

    @strawberry.field(
        description="Touchpoints by stage and channel from the start of `since` to the end of `until`, days of the "
        "shop, with hand-overs and drop-offs. `model`: the primary one when none is named.",
        directives=needs(Scope.READ_LIFECYCLE, points=_MAPPING),
    )
    async def journey_map(
        self, info: Info, since: date, until: date, model: str | None = strawberry.UNSET
    ) -> JourneyMap:
        context = info.context
        chosen = model_named(context.shop, model or context.shop.primary_model)
        calendar = await calendar_of(context.shop)
        days = edges(since, until, Granularity.MONTH)
        steps, reached = await journey_steps(
            context.store.database, context.shop.id, chosen.key,
            calendar.start_of_day(days[0]), calendar.start_of_day(days[-1]),
        )  # fmt: skip
        return map_of(chosen, (since, until), steps, reached)
