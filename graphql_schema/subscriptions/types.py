"""What can be listened to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, certain
from graphql_schema.customers.types import Customer, customer_of
from graphql_schema.pagination import given
from graphql_schema.shop.types import SyncStatus, sync_status
from graphql_schema.stages.types import LifecycleModel, Reason, Stage, model_named, model_type, reasons_of, stage_named
from plugin.domain.events import Event, EventKind
from plugin.domain.ids import gid
from plugin.errors import BadRequestError
from plugin.shops import ShopContext


@strawberry.type(
    description="A customer came to another stage, or to another rung of it.",
    directives=[Access(scope=Scope.READ_CUSTOMERS)],
)
class StageChange:
    id: strawberry.ID = strawberry.field(description="Its global id; the same change has the same one for everybody.")
    model: LifecycleModel = strawberry.field(description="The model.")
    from_: Stage | None = strawberry.field(name="from", description="The stage left; null for a first placement.")
    from_rung: int | None = strawberry.field(description="The rung left, where that stage has rungs.")
    to: Stage | None = strawberry.field(description="The stage entered; null when no stage's rule holds any more.")
    rung: int | None = strawberry.field(description="The rung entered, where the stage has rungs.")
    at: datetime = strawberry.field(description="When it became true, which may be before it was noticed.")
    customer_id: strawberry.Private[int]
    because_json: strawberry.Private[str | None]

    @strawberry.field(description="Who it is; null when she has been deleted or redacted since.")
    async def customer(self, info: Info) -> Customer | None:
        row = await info.context.loaders.customers.load(self.customer_id)
        return customer_of(row) if row is not None else None

    @strawberry.field(description="The comparisons that decided it.")
    def because(self) -> list[Reason]:
        return reasons_of(self.because_json) if self.because_json else []


def stage_change(shop: ShopContext, number: int, event: Event) -> StageChange:
    model = model_named(shop, event.subject)
    return StageChange(
        id=strawberry.ID(gid("StageChange", number, app="rebloom")),
        model=model_type(model),
        from_=None if event.from_stage is None else stage_named(model, event.from_stage),
        from_rung=event.from_rung,
        to=None if event.to_stage is None else stage_named(model, event.to_stage),
        rung=event.to_rung,
        at=certain(event.at),
        customer_id=event.customer_id or 0,
        because_json=event.because,
    )


@strawberry.type(description="What can be listened to, over a WebSocket. Everything is of the credential's one shop.")
class Subscription:
    @strawberry.subscription(
        description="How far the copy of the shop is: at once, and whenever that changes.",
        directives=needs(Scope.READ_SHOP),
    )
    async def sync_progress(self, info: Info) -> AsyncGenerator[SyncStatus]:
        async with aclosing(info.context.feed.syncs(info.context.shop.id)) as rows:
            async for row in rows:
                yield sync_status(row)

    @strawberry.subscription(
        description="Each change of a customer's stage or rung from now on. Without `model`: in the primary one. With "
        "`to`: only into these stages, by their keys.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def stage_changed(
        self, info: Info, model: str | None = strawberry.UNSET, to: list[str] | None = strawberry.UNSET
    ) -> AsyncGenerator[StageChange]:
        shop = info.context.shop
        followed = model_named(shop, given(model) or shop.primary_model)
        wanted = given(to)
        for key in wanted or ():
            if key not in followed.keys:
                there = ", ".join(followed.keys)
                raise BadRequestError(f"The model {followed.key} has no stage {key[:60]!r}; it has: {there}.")
        async with aclosing(info.context.feed.events(shop.id)) as told:
            async for number, event in told:
                of_model = event.kind is EventKind.STAGE_CHANGED and event.subject == followed.key
                if of_model and (wanted is None or event.to_stage in wanted):
                    yield stage_change(shop, number, event)
