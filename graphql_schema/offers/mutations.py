"""Answering offers."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import UserErrorCode, user_error
from graphql_schema.offers.loyalty import LoyaltyMutations
from graphql_schema.offers.play_changes import PlayMutations
from graphql_schema.offers.types import OfferPayload, offer_of, parse_offer_gid
from plugin.domain.offers import OfferResponse
from plugin.domain.plays.decide import OfferDecision
from plugin.errors import BadRequestError, NotFoundError
from plugin.lifecycle.deciding import respond
from plugin.outgoing.endpoints import listens


async def answer(info: Info, offer_id: str, response: OfferResponse, *, viewer: int | None = None) -> OfferDecision:
    """Record an answer; with `viewer`, only of an offer of hers. Raises BadRequestError or NotFoundError."""
    customer, offer = parse_offer_gid(offer_id)
    if viewer is not None and customer != viewer:
        raise NotFoundError("You have no such offer now; ask for your offers again.")
    context = info.context
    try:
        answered = await respond(context.store, context.shop, customer, offer, response, context.now)
    except NotFoundError:
        raise NotFoundError("There is no such offer now; ask for the offers again.") from None
    if response is OfferResponse.ACCEPTED and await listens(context.store.database, context.shop.id):
        await context.jobs.nudge("webhooks", context.shop.id)
    return answered


@strawberry.type
class OfferMutations(PlayMutations, LoyaltyMutations):
    @strawberry.mutation(description="Record that a customer took an offer up.", directives=needs(Scope.WRITE_OFFERS))
    async def offer_accept(self, info: Info, id: strawberry.ID) -> OfferPayload:
        return await _answered(info, id, OfferResponse.ACCEPTED)

    @strawberry.mutation(
        description="Record that a customer turned an offer down; she is not shown it again.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def offer_dismiss(self, info: Info, id: strawberry.ID) -> OfferPayload:
        return await _answered(info, id, OfferResponse.DISMISSED)


async def _answered(info: Info, offer_id: str, response: OfferResponse) -> OfferPayload:
    try:
        offer = await answer(info, offer_id, response)
    except BadRequestError as error:
        return OfferPayload(offer=None, user_errors=[user_error("id", str(error), UserErrorCode.INVALID)])
    except NotFoundError as error:
        return OfferPayload(offer=None, user_errors=[user_error("id", str(error), UserErrorCode.NOT_FOUND)])
    return OfferPayload(offer=offer_of(offer, info.context.shop), user_errors=[])
