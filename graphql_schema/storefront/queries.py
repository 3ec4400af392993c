"""The storefront's queries and mutations: for the verified viewer, and for everybody."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info
from graphql_schema.errors import UserError, UserErrorCode, user_error
from graphql_schema.offers.mutations import answer
from graphql_schema.offers.queries import MOST_RECOMMENDATIONS, products_asked
from graphql_schema.offers.types import check_first
from graphql_schema.pagination import given
from graphql_schema.recommendations.types import Use
from graphql_schema.stages.types import stage_named
from graphql_schema.storefront.types import (
    MOST_OFFERS,
    StorefrontOffer,
    StorefrontRecommendation,
    StorefrontStage,
    shown_offer,
    shown_recommendation,
)
from graphql_schema.touchpoints.mutations import recorded
from graphql_schema.touchpoints.types import TouchpointInput, TouchpointPayload
from plugin.domain.offers import OfferPlacement, OfferResponse
from plugin.domain.touchpoints import storefront
from plugin.errors import BadRequestError, NotFoundError
from plugin.lifecycle.models import models_of
from plugin.lifecycle.offers import recommend

_PUBLIC = [Access(scope=Scope.ANY)]
NOBODY = 0  # no customer has this number
_NO_SUCH_OFFER = "You have no such offer now; ask for your offers again."


@strawberry.type(description="The customer who is logged in to the shop.", directives=_PUBLIC)
class Viewer:
    customer_id: strawberry.Private[int]

    @strawberry.field(description="Where she stands in the shop's primary model; null until she is classified.")
    async def stage(self, info: Info) -> StorefrontStage | None:
        context = info.context
        for row in await context.loaders.placements.load((self.customer_id, None)):
            if row.model == context.shop.primary_model:
                return StorefrontStage(
                    key=row.stage, name=stage_named(models_of(context.shop)[row.model], row.stage).name
                )
        return None

    @strawberry.field(description="What there is for her now, best first.")
    async def offers(
        self, info: Info, placement: OfferPlacement | None = strawberry.UNSET, first: int | None = 3
    ) -> list[StorefrontOffer]:
        size = check_first(first, MOST_OFFERS, default=3)
        found = await info.context.loaders.offers.load((self.customer_id, (given(placement), size)))
        return [shown_offer(offer, info.context.shop.currency) for offer in found]

    @strawberry.field(
        description="What goes with these products, or, without any, what is new for her, without what she has already,"
        " or what she may want again, where `use` asks for that."
    )
    async def recommendations(
        self,
        info: Info,
        product_ids: list[strawberry.ID],
        first: int | None = 5,
        use: Use | None = strawberry.UNSET,
    ) -> list[StorefrontRecommendation]:
        return await _recommended(info, product_ids, self.customer_id, first, given(use))


@strawberry.type(name="Query", description="What the shop's pages may ask.", directives=_PUBLIC)
class StorefrontQuery:
    @strawberry.field(description="The customer who is logged in; null for everybody else.")
    def viewer(self, info: Info) -> Viewer | None:
        number = info.context.viewer_id
        return None if number is None else Viewer(customer_id=number)

    @strawberry.field(description="What goes with these products, then what is popular: the same for everybody.")
    async def recommendations(
        self, info: Info, product_ids: list[strawberry.ID], first: int | None = 5
    ) -> list[StorefrontRecommendation]:
        return await _recommended(info, product_ids, None, first)


async def _recommended(
    info: Info, product_ids: list[strawberry.ID], customer: int | None, first: int | None, use: Use | None = None
) -> list[StorefrontRecommendation]:
    size = check_first(first, MOST_RECOMMENDATIONS)
    context = info.context
    products = products_asked(product_ids)
    found = await recommend(
        context.store, context.shop, products, customer_id=customer, first=size, now=context.now, use=use
    )
    return [shown_recommendation(one) for one in found]


@strawberry.type(description="What came of answering an offer.", directives=_PUBLIC)
class StorefrontOfferPayload:
    offer_id: strawberry.ID | None = strawberry.field(description="The offer that was answered.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was recorded.")


@strawberry.type(name="Mutation", description="What the shop's pages may record for the viewer.", directives=_PUBLIC)
class StorefrontMutation:
    @strawberry.mutation(description="The viewer takes up an offer of hers.")
    async def offer_accept(self, info: Info, id: strawberry.ID) -> StorefrontOfferPayload:
        return await _answered(info, id, OfferResponse.ACCEPTED)

    @strawberry.mutation(
        description="Record what the viewer or visitor did in the shop's pages, all or none. The same id twice is one; "
        "OFFER_SHOWN and OFFER_CLICKED of an offer of hers (`subject`: its id) count once for a placement and a day."
    )
    async def touchpoint_record(self, info: Info, input: list[TouchpointInput]) -> TouchpointPayload:
        return await recorded(info, input, storefront(info.context.viewer_id))

    @strawberry.mutation(description="The viewer turns an offer of hers down; she is not shown it again.")
    async def offer_dismiss(self, info: Info, id: strawberry.ID) -> StorefrontOfferPayload:
        return await _answered(info, id, OfferResponse.DISMISSED)


async def _answered(info: Info, offer_id: strawberry.ID, response: OfferResponse) -> StorefrontOfferPayload:
    """Somebody else's offer, one long gone and one made up are all answered alike."""
    try:
        await answer(info, offer_id, response, viewer=info.context.viewer_id or NOBODY)
    except BadRequestError as error:
        return StorefrontOfferPayload(offer_id=None, user_errors=[user_error("id", str(error), UserErrorCode.INVALID)])
    except NotFoundError:
        return StorefrontOfferPayload(
            offer_id=None, user_errors=[user_error("id", _NO_SUCH_OFFER, UserErrorCode.NOT_FOUND)]
        )
    return StorefrontOfferPayload(offer_id=offer_id, user_errors=[])
