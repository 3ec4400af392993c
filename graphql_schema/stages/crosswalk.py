"""How two lifecycle models see the same customers."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info
from graphql_schema.stages.types import LifecycleModel, Stage, model_named, model_type, stage_of
from plugin.domain.instants import to_us
from plugin.domain.lifecycles import LifecycleModel as Model
from plugin.ledger import stage_readers

_LIFECYCLE = [Access(scope=Scope.READ_LIFECYCLE)]
_COUNTING = 20  # points: an aggregate over the whole shop, twice


@strawberry.type(description="Customers in one stage of a model and in one of another.", directives=_LIFECYCLE)
class CrosswalkCount:
    a: Stage = strawberry.field(description="The stage in the first model.")
    b: Stage = strawberry.field(description="The stage in the second model.")
    count: int = strawberry.field(description="Customers in both.")


@strawberry.type(description="The customers of the shop by their stages in two models.", directives=_LIFECYCLE)
class LifecycleCrosswalk:
    a: LifecycleModel = strawberry.field(description="The first model.")
    b: LifecycleModel = strawberry.field(description="The second model.")
    counts: list[CrosswalkCount] = strawberry.field(
        description="Every pair of stages, empty ones included, in the order of the two journeys."
    )


@strawberry.type
class CrosswalkQueries:
    @strawberry.field(
        description="How many customers stand where in two models, now or at an instant.",
        directives=needs(Scope.READ_LIFECYCLE, points=_COUNTING),
    )
    async def lifecycle_crosswalk(
        self, info: Info, a: str, b: str, as_of: datetime | None = strawberry.UNSET
    ) -> LifecycleCrosswalk:
        context = info.context
        first, second = model_named(context.shop, a), model_named(context.shop, b)
        found = await stage_readers.crosswalk(
            context.store.database, context.shop.id, first.key, second.key, to_us(as_of) if as_of else None
        )
        counts = _matrix(first, second, {(left, right): count for left, right, count in found})
        return LifecycleCrosswalk(a=model_type(first), b=model_type(second), counts=counts)


def _matrix(first: Model, second: Model, found: dict[tuple[str, str], int]) -> list[CrosswalkCount]:
    return [
        CrosswalkCount(a=stage_of(left), b=stage_of(right), count=found.get((left.key, right.key), 0))
        for left in first.stages
        for right in second.stages
    ]
