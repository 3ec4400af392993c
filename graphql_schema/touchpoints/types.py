"""What passed between the shop and a customer."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, certain
from graphql_schema.errors import UserError
from graphql_schema.pagination import Connection
from graphql_schema.products import Product, product_of
from graphql_schema.scalars import Money, money
from plugin.domain.ids import gid
from plugin.domain.offers import OfferPlacement
from plugin.domain.touchpoints import Channel, Outcome, TouchpointKind
from plugin.ledger.journeys import JourneyRow
from plugin.shops import ShopContext

strawberry.enum(
    TouchpointKind,
    description="What happened. ORDER and REFUND are the shop's own facts; the OFFER kinds tell what became of offers.",
)
strawberry.enum(Channel, name="TouchpointChannel", description="Where it happened.")
strawberry.enum(
    Outcome,
    name="TouchpointOutcome",
    description="COMPLAINT opens and RESOLVED closes a support case (`subject` is its reference); MACHINE: a mail "
    "program opened the e-mail by itself.",
)


@strawberry.type(
    description="One moment of a customer's journey: a touchpoint, an order or a refund.",
    directives=[Access(scope=Scope.READ_TOUCHPOINTS)],
)
class Touchpoint:
    kind: TouchpointKind = strawberry.field(description="What happened.")
    channel: Channel = strawberry.field(description="Where it happened.")
    at: datetime = strawberry.field(description="When it happened.")
    subject: str | None = strawberry.field(description="What it is about: an offer, a campaign, a support case.")
    outcome: Outcome | None = strawberry.field(description="How it ended, where that is told.")
    score: int | None = strawberry.field(description="Answer of a survey or stars of a review, 0 to 10.")
    order_id: strawberry.ID | None = strawberry.field(description="The order, where it is one or a refund of one.")
    amount: Money | None = strawberry.field(description="Total of the order, or what was paid back.")
    product_id: strawberry.Private[int | None]

    @strawberry.field(
        description="The product it is about; null where there is none, or the shop has it no more.",
        directives=needs(Scope.READ_PRODUCTS),
    )
    async def product(self, info: Info) -> Product | None:
        if self.product_id is None:
            return None
        row = await info.context.loaders.products.load(self.product_id)
        return None if row is None else product_of(row, info.context.shop)


@strawberry.type(description="A page of a journey.", directives=[Access(scope=Scope.ANY)])
class TouchpointConnection(Connection[Touchpoint]):
    pass


def touchpoint_of(row: JourneyRow, shop: ShopContext) -> Touchpoint:
    return Touchpoint(
        kind=TouchpointKind(row.kind),
        channel=Channel(row.channel),
        at=certain(row.at),
        subject=row.subject,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        score=row.score,
        order_id=None if row.order_id is None else strawberry.ID(gid("Order", row.order_id)),
        amount=None if row.amount is None else money(row.amount, shop.currency),
        product_id=row.product_id,
    )


@strawberry.input(description="Something that happened. Give `customerId`, or `visitor` for somebody not known yet.")
class TouchpointInput:
    id: strawberry.ID = strawberry.field(
        description="An id of your own, the same when it is sent again: then it counts once."
    )
    kind: TouchpointKind = strawberry.field(description="What happened.")
    channel: Channel | None = strawberry.field(default=None, description="Where; by default what fits the kind.")
    at: datetime | None = strawberry.field(default=None, description="When; now if left out. Not in the future.")
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The customer. On the storefront it is who is logged in, and nobody else."
    )
    visitor: str | None = strawberry.field(
        default=None, description="An opaque id of the browser; what it did joins the customer's journey once known."
    )
    product_id: strawberry.ID | None = strawberry.field(default=None, description="The product it is about.")
    collection_id: strawberry.ID | None = strawberry.field(default=None, description="The collection it is about.")
    subject: str | None = strawberry.field(
        default=None, description="What it is about, an opaque reference: an offer, a campaign, a support case."
    )
    outcome: Outcome | None = strawberry.field(default=None, description="How it ended, of SUPPORT and EMAIL_OPEN.")
    score: int | None = strawberry.field(
        default=None, description="0 to 10: the answer of a SURVEY, the stars of a REVIEW."
    )
    placement: OfferPlacement | None = strawberry.field(
        default=None, description="Where an offer was shown, of OFFER_SHOWN and OFFER_CLICKED."
    )


@strawberry.type(description="What came of recording touchpoints.", directives=[Access(scope=Scope.ANY)])
class TouchpointPayload:
    recorded: int = strawberry.field(description="How many were new.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; with any, nothing was recorded.")
