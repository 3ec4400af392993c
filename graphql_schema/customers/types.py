"""A customer: who she is, what she did, where she stands."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import strawberry

from graphql_schema.access import Access, Scope, costs, needs
from graphql_schema.batching import for_many
from graphql_schema.context import Info, calendar_of, certain, instant
from graphql_schema.customers import many
from graphql_schema.node import Node
from graphql_schema.offers.loyalty import LoyaltyAccount, account_type
from graphql_schema.offers.types import Offer, OfferVerdict, check_first, offer_of, verdict_of
from graphql_schema.pagination import NESTED_SIZE, Connection, Listing, Page, connection, given, page_of
from graphql_schema.predictions.types import CustomerPredictions, predictions_of_row, why_unpredicted
from graphql_schema.scalars import Money, money
from graphql_schema.stages.types import (
    StagePlacement,
    StageTransitionConnection,
    SupersededTransition,
    model_named,
    superseded_of,
    transition_of,
)
from graphql_schema.touchpoints.types import TouchpointConnection, touchpoint_of
from plugin.domain.facts import PersonFact
from plugin.domain.ids import gid
from plugin.domain.instants import to_us
from plugin.domain.money import SCALE
from plugin.domain.offers import OfferPlacement
from plugin.ledger.facts import read_person
from plugin.ledger.readers import CustomerRow

if TYPE_CHECKING:
    from graphql_schema.segments.types import SegmentConnection

_CUSTOMERS = [Access(scope=Scope.READ_CUSTOMERS)]
MOST_OFFERS: Final = 20
MOST_SUPERSEDED: Final = 100


@strawberry.enum(description="Groups of customers by recency, frequency and money, by Shopify's names.")
class RfmGroup(StrEnum):
    CHAMPIONS = "CHAMPIONS"
    LOYAL = "LOYAL"
    ACTIVE = "ACTIVE"
    NEW = "NEW"
    PROMISING = "PROMISING"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"
    AT_RISK = "AT_RISK"
    ALMOST_LOST = "ALMOST_LOST"
    PREVIOUSLY_LOYAL = "PREVIOUSLY_LOYAL"
    DORMANT = "DORMANT"
    PROSPECTS = "PROSPECTS"


@strawberry.type(description="What a customer's counted orders add up to.", directives=_CUSTOMERS)
class CustomerMeasures:
    orders: int = strawberry.field(description="Counted orders: not a test, cancelled, deleted or refunded in full.")
    net_spend: Money = strawberry.field(description="What was paid for them, less refunds.")
    refunded: Money = strawberry.field(description="What was paid back.")
    average_order_value: Money | None = strawberry.field(description="Net spend by order; null without orders.")
    purchase_days: int = strawberry.field(description="Days with at least one counted order.")
    first_order_at: datetime | None = strawberry.field(description="When the first counted order was made.")
    last_order_at: datetime | None = strawberry.field(description="When the last counted order was made.")
    first_order_items: int | None = strawberry.field(description="Units in the first basket.")
    days_since_last_order: int | None = strawberry.field(description="Whole days of the shop since the last order.")
    order_gap_median_days: float | None = strawberry.field(
        description="Half of the gaps between purchase days are shorter."
    )
    last_order_gap_days: int | None = strawberry.field(description="Days between the last two purchase days.")
    lapse_days: int | None = strawberry.field(description="The silence after which she should have bought and did not.")
    refund_rate: float | None = strawberry.field(description="Refunded by paid, 0 to 1; null without orders.")
    discount_order_share: float | None = strawberry.field(description="Share of orders with a discount, 0 to 1.")
    added_at: datetime = strawberry.field(description="When the shop got to know her.")
    computed_at: datetime = strawberry.field(description="When these figures were computed.")


@strawberry.type(description="Quintiles inside the shop, 5 is best, and the group they make.", directives=_CUSTOMERS)
class Rfm:
    recency: int = strawberry.field(description="How recently she bought, 1 to 5.")
    frequency: int = strawberry.field(description="How often she bought, 1 to 5.")
    monetary: int = strawberry.field(description="How much she spent, 1 to 5.")
    group: RfmGroup = strawberry.field(description="The group.")

    @strawberry.field(
        description="When the fifths of the shop's buyers were last taken, every night: her own figures are newer, "
        "what they are compared with is of then."
    )
    async def as_of(self, info: Info) -> datetime | None:
        return instant(await info.context.loaders.rfm_taken_at.load(info.context.shop.id))


@strawberry.type(
    description="A customer of the shop, once she is classified. With `asOf`, her stages are those of that instant; "
    "everything else is of now.",
    directives=_CUSTOMERS,
)
class Customer(Node):
    row: strawberry.Private[CustomerRow]
    as_of: strawberry.Private[datetime | None] = None

    @strawberry.field(description="The shop's name for her; null when it knows none.")
    async def display_name(self, info: Info) -> str | None:
        person = await _person(info, self.row.id)
        return person.display_name if person else None

    @strawberry.field(description="Her e-mail address; null when the shop knows none.")
    async def email(self, info: Info) -> str | None:
        person = await _person(info, self.row.id)
        return person.email if person else None

    @strawberry.field(description="Her place in a lifecycle model: the shop's primary one when none is named.")
    async def stage(self, info: Info, model: str | None = strawberry.UNSET) -> StagePlacement:
        [placement] = await many.stage_of_each([self], info, model)
        return placement

    @strawberry.field(description="Her place in each computed lifecycle model.")
    async def stages(self, info: Info) -> list[StagePlacement]:
        [placements] = await many.stages_of_each([self], info)
        return placements

    @strawberry.field(
        description="Her changes of stage in one model, newest first, up to `asOf` if given; 10 without a size.",
        directives=[costs(size=NESTED_SIZE)],
    )
    async def stage_history(
        self,
        info: Info,
        model: str | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> StageTransitionConnection:
        of = model_named(info.context.shop, given(model) or info.context.shop.primary_model)
        listing = Listing(info.context.shop.id, ("history", str(self.row.id), of.key))
        page = page_of(listing, first, after, last, before, default=NESTED_SIZE)
        rows = await info.context.loaders.transitions.load((self.row.id, (of.key, _until(page, self.as_of))))
        return connection(
            StageTransitionConnection, listing, page, rows, lambda row: transition_of(of, row), lambda row: (row.at,)
        )

    @strawberry.field(
        description="What her stage history of one model said and says no more, the latest to go first; at most 100.",
        directives=[costs(size=NESTED_SIZE)],
    )
    async def superseded_history(
        self, info: Info, model: str | None = strawberry.UNSET, first: int | None = NESTED_SIZE
    ) -> list[SupersededTransition]:
        of = model_named(info.context.shop, given(model) or info.context.shop.primary_model)
        size = check_first(first, MOST_SUPERSEDED, default=NESTED_SIZE)
        rows = await info.context.loaders.superseded.load((self.row.id, (of.key, size)))
        return [superseded_of(of, row) for row in rows]

    @strawberry.field(description="What her orders add up to.")
    async def measures(self, info: Info) -> CustomerMeasures:
        calendar = await calendar_of(info.context.shop)
        today = calendar.today(info.context.now_us)
        return _measures(self.row.measures, info.context.shop.currency, today)

    @strawberry.field(description="Her scores and group; null before her first order.")
    def rfm(self) -> Rfm | None:
        found = self.row.measures
        if found["rfm_recency"] is None or found["rfm_group"] is None:
            return None
        return Rfm(
            recency=found["rfm_recency"],
            frequency=found["rfm_frequency"],
            monetary=found["rfm_monetary"],
            group=RfmGroup(found["rfm_group"]),
        )

    @strawberry.field(
        description="What she is expected to do; null with `predictionsReason` where nothing can be said."
    )
    async def predictions(self, info: Info) -> CustomerPredictions | None:
        row = await info.context.loaders.predictions.load(self.row.id)
        return predictions_of_row(row, info.context.shop.currency) if row else None

    @strawberry.field(description="Why there are no predictions; null when there are.")
    async def predictions_reason(self, info: Info) -> str | None:
        if await info.context.loaders.predictions.load(self.row.id):
            return None
        models = await info.context.loaders.prediction_models.load(info.context.shop.id)
        return why_unpredicted(models or [])

    @strawberry.field(
        description="The segments she is in; 10 without a size.",
        directives=needs(Scope.READ_SEGMENTS, size=NESTED_SIZE),
    )
    async def segments(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Annotated[SegmentConnection, strawberry.lazy("graphql_schema.segments.types")]:
        [segments] = await many.segments_of_each([self], info, first, after, last, before)
        return segments

    @strawberry.field(description="What to offer her now, best first.", directives=needs(Scope.READ_OFFERS))
    async def offers(
        self, info: Info, placement: OfferPlacement | None = strawberry.UNSET, first: int | None = 5
    ) -> list[Offer]:
        size = check_first(first, MOST_OFFERS)
        found = await info.context.loaders.offers.load((self.row.id, (given(placement), size)))
        return [offer_of(offer, info.context.shop) for offer in found]

    @strawberry.field(
        description="Her membership in the loyalty program; null without one.",
        directives=needs(Scope.READ_OFFERS, points=2),
    )
    async def loyalty(self, info: Info) -> LoyaltyAccount | None:
        return await account_type(info, self.row.id)

    @strawberry.field(
        description="What each play comes to for her: the offers, best first, then why the others make none.",
        directives=needs(Scope.READ_OFFERS, points=5, size=50),
    )
    async def offer_decisions(
        self, info: Info, placement: OfferPlacement | None = strawberry.UNSET
    ) -> list[OfferVerdict]:
        found = await info.context.loaders.decisions.load((self.row.id, given(placement)))
        return [verdict_of(each, info.context.shop) for each in found]

    @strawberry.field(
        description="Her journey, the latest first: touchpoints, orders and refunds; 10 without a size.",
        directives=needs(Scope.READ_TOUCHPOINTS, size=NESTED_SIZE),
    )
    async def journey(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> TouchpointConnection:
        listing = Listing(info.context.shop.id, ("journey", str(self.row.id)))
        page = page_of(listing, first, after, last, before, default=NESTED_SIZE)
        rows = await info.context.loaders.journeys.load((self.row.id, page))
        return connection(
            TouchpointConnection, listing, page, rows, lambda row: touchpoint_of(row, info.context.shop),
            lambda row: (row.at, row.key),
        )  # fmt: skip

    @strawberry.field(description="The tags Rebloom wants on her in the shop.")
    async def tags(self, info: Info) -> list[str]:
        [tags] = await many.tags_of_each([self], info)
        return tags


for_many(Customer.stage)(many.stage_of_each)
for_many(Customer.stages)(many.stages_of_each)
for_many(Customer.segments)(many.segments_of_each)
for_many(Customer.tags)(many.tags_of_each)


def customer_of(row: CustomerRow, as_of: datetime | None = None) -> Customer:
    return Customer(id=strawberry.ID(gid("Customer", row.id)), row=row, as_of=as_of)


def _until(page: Page, as_of: datetime | None) -> Page:
    """The history runs backwards, so that what came after `as_of` stands before its beginning."""
    if as_of is None:
        return page
    begin = to_us(as_of) + 1
    return page._replace(after=(begin if page.after is None else min(begin, page.after[0]),))


async def _person(info: Info, customer_id: int) -> PersonFact | None:
    """Unsealed only when a document asks for it."""
    sealed = await info.context.loaders.persons.load(customer_id)
    return read_person(info.context.store.vault, sealed) if sealed else None


def _measures(found: dict[str, Any], currency: str, today: int) -> CustomerMeasures:
    average, last_day = found["average_order_value"], found["last_order_day"]
    return CustomerMeasures(
        orders=found["orders"],
        net_spend=money(found["net_spend"], currency),
        refunded=money(found["refunded"], currency),
        average_order_value=None if average is None else money(round(Decimal(average) * SCALE), currency),
        purchase_days=found["purchase_days"],
        first_order_at=instant(found["first_order_at"]),
        last_order_at=instant(found["last_order_at"]),
        first_order_items=found["first_order_items"],
        days_since_last_order=None if last_day is None else today - last_day,
        order_gap_median_days=found["gap_median"],
        last_order_gap_days=found["last_gap"],
        lapse_days=found["lapse_1"],
        refund_rate=found["refund_rate"],
        discount_order_share=found["discount_share"],
        added_at=certain(found["added_at"]),
        computed_at=certain(found["computed_at"]),
    )


@strawberry.type(description="A page of customers.", directives=[Access(scope=Scope.ANY)])
class CustomerConnection(Connection[Customer]):
    pass
