"""What can be listened to: over a WebSocket, and as the payload of a webhook."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, certain
from graphql_schema.customers.types import Customer, customer_of
from graphql_schema.ids import number_of
from graphql_schema.offers.types import offer_gid
from graphql_schema.pagination import given
from graphql_schema.segments.types import Segment, segment_of
from graphql_schema.shop.types import SyncStatus, sync_status
from graphql_schema.stages.types import LifecycleModel, Reason, Stage, model_named, model_type, reasons_of, stage_named
from plugin.domain.events import Event, EventKind
from plugin.domain.ids import gid
from plugin.errors import BadRequestError
from plugin.ledger.events import Told
from plugin.ledger.readers import sync_row
from plugin.shops import ShopContext


async def _customer(info: Info, number: int) -> Customer | None:
    row = await info.context.loaders.customers.load(number)
    return customer_of(row) if row is not None else None


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
        return await _customer(info, self.customer_id)

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


@strawberry.type(
    description="A customer came into a segment, or left it.", directives=[Access(scope=Scope.READ_CUSTOMERS)]
)
class SegmentMove:
    id: strawberry.ID = strawberry.field(description="Its global id; the same move has the same one for everybody.")
    at: datetime = strawberry.field(description="When it became true, as far as known.")
    customer_id: strawberry.Private[int]
    segment_number: strawberry.Private[int]

    @strawberry.field(
        description="The segment; null when it has been deleted since.", directives=needs(Scope.READ_SEGMENTS)
    )
    async def segment(self, info: Info) -> Segment | None:
        row = await info.context.loaders.segments.load(self.segment_number)
        return segment_of(row) if row is not None else None

    @strawberry.field(description="Who it is; null when she has been deleted or redacted since.")
    async def customer(self, info: Info) -> Customer | None:
        return await _customer(info, self.customer_id)


@strawberry.type(description="A customer took an offer up.", directives=[Access(scope=Scope.READ_OFFERS)])
class OfferAcceptance:
    id: strawberry.ID = strawberry.field(description="Its global id; the same one for everybody.")
    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    play: str = strawberry.field(description="The key of the play that made it.")
    at: datetime = strawberry.field(description="When she did.")
    customer_id: strawberry.Private[int]

    @strawberry.field(
        description="Who it is; null when she has been deleted or redacted since.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def customer(self, info: Info) -> Customer | None:
        return await _customer(info, self.customer_id)


@strawberry.type(description="A copy of the shop was complete.", directives=[Access(scope=Scope.READ_SHOP)])
class SyncFinish:
    id: strawberry.ID = strawberry.field(description="Its global id; the same one for everybody.")
    at: datetime = strawberry.field(description="When it was.")

    @strawberry.field(description="How far the copy is now.")
    async def sync(self, info: Info) -> SyncStatus:
        return sync_status(await sync_row(info.context.store.database, info.context.shop.id))


async def _told(info: Info, kind: EventKind) -> AsyncGenerator[Told]:
    async with aclosing(info.context.feed.events(info.context.shop.id)) as told:
        async for each in told:
            if each.event.kind is kind:
                yield each


async def _moves(info: Info, kind: EventKind, segment_id: strawberry.ID | None) -> AsyncGenerator[SegmentMove]:
    wanted = None if segment_id is None else str(number_of(segment_id, "Segment", app="rebloom"))
    async with aclosing(_told(info, kind)) as told:
        async for number, event in told:
            if wanted is None or event.subject == wanted:
                yield SegmentMove(
                    id=strawberry.ID(gid("SegmentMove", number, app="rebloom")), at=certain(event.at),
                    customer_id=event.customer_id or 0, segment_number=int(event.subject),
                )  # fmt: skip


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
        async with aclosing(_told(info, EventKind.STAGE_CHANGED)) as told:
            async for number, event in told:
                if event.subject == followed.key and (wanted is None or event.to_stage in wanted):
                    yield stage_change(shop, number, event)

    @strawberry.subscription(
        description="Each customer who comes into a segment from now on, or into any.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def segment_joined(
        self, info: Info, segment_id: strawberry.ID | None = strawberry.UNSET
    ) -> AsyncGenerator[SegmentMove]:
        async with aclosing(_moves(info, EventKind.SEGMENT_JOINED, given(segment_id))) as moves:
            async for move in moves:
                yield move

    @strawberry.subscription(
        description="Each customer who leaves a segment from now on, or any.", directives=needs(Scope.READ_CUSTOMERS)
    )
    async def segment_left(
        self, info: Info, segment_id: strawberry.ID | None = strawberry.UNSET
    ) -> AsyncGenerator[SegmentMove]:
        async with aclosing(_moves(info, EventKind.SEGMENT_LEFT, given(segment_id))) as moves:
            async for move in moves:
                yield move

    @strawberry.subscription(
        description="Each offer that is taken up from now on.", directives=needs(Scope.READ_OFFERS)
    )
    async def offer_accepted(self, info: Info) -> AsyncGenerator[OfferAcceptance]:
        async with aclosing(_told(info, EventKind.OFFER_ACCEPTED)) as told:
            async for number, event in told:
                offer, _, play = event.subject.partition(" ")
                customer = event.customer_id or 0
                yield OfferAcceptance(
                    id=strawberry.ID(gid("OfferAcceptance", number, app="rebloom")),
                    offer_id=offer_gid(customer, int(offer)), play=play, at=certain(event.at),
                    customer_id=customer,
                )  # fmt: skip

    @strawberry.subscription(
        description="Each full copy of the shop that is complete from now on.", directives=needs(Scope.READ_SHOP)
    )
    async def sync_finished(self, info: Info) -> AsyncGenerator[SyncFinish]:
        async with aclosing(_told(info, EventKind.SYNC_FINISHED)) as told:
            async for number, event in told:
                yield SyncFinish(id=strawberry.ID(gid("SyncFinish", number, app="rebloom")), at=certain(event.at))
