"""Offers: what to offer whom, why, until when and at what cost; and products that go together."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, certain, instant
from graphql_schema.errors import UserError
from graphql_schema.offers.discounts import Discount, discount_of
from graphql_schema.offers.play_types import Play, play_of
from graphql_schema.pagination import LARGEST_PAGE
from graphql_schema.products import Product, load_product
from graphql_schema.scalars import Money, money
from graphql_schema.stages.types import Reason
from plugin.domain import offers as domain
from plugin.domain.calendar import day_date
from plugin.domain.offers import OfferKind
from plugin.domain.plays.decide import OfferDecision, Refusal, WhyNot
from plugin.domain.plays.play import Channel
from plugin.domain.plays.situation import Step
from plugin.errors import BadRequestError
from plugin.shops import ShopContext

_OFFERS = [Access(scope=Scope.READ_OFFERS)]

strawberry.enum(WhyNot, name="OfferRefusalReason", description="Why a play makes no offer. More may be added.")


@strawberry.type(description="A product to offer, with the counts behind it.", directives=_OFFERS)
class ProductRecommendation:
    score: float = strawberry.field(description="What the list is sorted by; of no meaning beyond it.")
    lift: float | None = strawberry.field(description="How many times more often than chance they are bought together.")
    bought_together: int = strawberry.field(description="Customers who bought both; of a popular product its buyers.")
    because: list[Reason] = strawberry.field(description="The counts as reasons.")
    product_id: strawberry.Private[int]

    @strawberry.field(description="The product.")
    async def product(self, info: Info) -> Product:
        return await load_product(info, self.product_id)


def recommendation_of(found: domain.Recommendation) -> ProductRecommendation:
    return ProductRecommendation(
        score=found.score,
        lift=found.lift,
        bought_together=found.together,
        because=[_reason(reason) for reason in found.because],
        product_id=found.product_id,
    )


def _reason(reason: domain.OfferReason) -> Reason:
    return Reason(
        measure=reason.measure,
        value=reason.value,
        operator=reason.operator,
        threshold=reason.threshold,
        text=reason.text,
    )


@strawberry.type(description="A message of an offer's series. Send each once.", directives=_OFFERS)
class OfferMessage:
    position: int = strawberry.field(description="Its place in the series, from 1.")
    due_at: datetime = strawberry.field(description="Since when it is due.")
    next_at: datetime | None = strawberry.field(description="When the next one will be; null after the last.")


@strawberry.interface(description="Something to offer a customer now.", directives=_OFFERS)
class Offer:
    id: strawberry.ID = strawberry.field(description="The same as long as the offer stands; give it to offerAccept.")
    kind: OfferKind = strawberry.field(description="What it is for.")
    title: str = strawberry.field(description="What to call it before the customer.")
    because: list[Reason] = strawberry.field(description="Why it is offered to her.")
    valid_until: datetime | None = strawberry.field(description="When it ends; null while it has no term.")
    code: str | None = strawberry.field(description="The discount code that redeems it, once there is one.")
    cost_to_merchant: Money | None = strawberry.field(description="What it is expected to cost when it is used once.")
    play: Play | None = strawberry.field(description="The play it comes from.")
    channels: list[Channel] = strawberry.field(description="What a message about it may go out by: her consent.")
    message: OfferMessage | None = strawberry.field(description="The message that is due; null before the first.")


@strawberry.type(description="Products that go with what the customer has.", directives=_OFFERS)
class CrossSellOffer(Offer):
    products: list[ProductRecommendation] = strawberry.field(description="The products, best first.")


@strawberry.type(description="A bonus for the stage the customer is in.", directives=_OFFERS)
class LoyaltyOffer(Offer):
    discount: Discount = strawberry.field(description="The bonus.")
    tier: str | None = strawberry.field(description="The tier it belongs to, such as `5 orders`.")
    products: list[ProductRecommendation] = strawberry.field(description="What to show beside it, best first.")


@strawberry.type(description="A product that is used up about now.", directives=_OFFERS)
class ReplenishmentOffer(Offer):
    due_at: date = strawberry.field(description="The day on which its own cycle comes round.")
    product_id: strawberry.Private[int]

    @strawberry.field(description="The product.")
    async def product(self, info: Info) -> Product:
        return await load_product(info, self.product_id)


@strawberry.type(description="Attention that gives nothing away: thanks, tips, a question, a reminder, an invitation.",
                 directives=_OFFERS)  # fmt: skip
class AttentionOffer(Offer):
    pass


def offer_of(offer: OfferDecision, shop: ShopContext) -> Offer:
    shared: dict[str, Any] = {
        "id": offer_gid(offer.customer_id, offer.id),
        "kind": offer.kind,
        "title": offer.title,
        "because": [_reason(reason) for reason in offer.because],
        "valid_until": instant(offer.valid_until),
        "code": offer.code,
        "cost_to_merchant": None if offer.cost is None else money(offer.cost, shop.currency),
        "play": play_of(offer.play, shop.currency),
        "channels": list(offer.channels),
        "message": _message(offer.step),
    }
    products = [recommendation_of(found) for found in offer.products]
    if offer.discount is not None:
        bonus = discount_of(offer.discount, shop.currency)
        return LoyaltyOffer(discount=bonus, tier=offer.tier, products=products, **shared)
    if offer.due is not None:
        return ReplenishmentOffer(due_at=day_date(offer.due.day), product_id=offer.due.product_id, **shared)
    if products:
        return CrossSellOffer(products=products, **shared)
    return AttentionOffer(**shared)


def _message(step: Step | None) -> OfferMessage | None:
    if step is None:
        return None
    return OfferMessage(position=step.position, due_at=certain(step.due_at), next_at=instant(step.next_at))


@strawberry.type(description="A play and what came of it for a customer.", directives=_OFFERS)
class OfferVerdict:
    play: Play = strawberry.field(description="The play.")
    offer: Offer | None = strawberry.field(description="The offer it makes; null where it makes none.")
    why_not: WhyNot | None = strawberry.field(description="Why it makes none; null where it makes one.")
    text: str | None = strawberry.field(description="The same for people.")
    ladder: str | None = strawberry.field(
        description="Why the incentive is the one it is; null unless proof decides about the play's ladder."
    )


def verdict_of(found: OfferDecision | Refusal, shop: ShopContext) -> OfferVerdict:
    play = play_of(found.play, shop.currency)
    if isinstance(found, Refusal):
        ladder = None if found.offer is None else found.offer.ladder
        return OfferVerdict(play=play, offer=None, why_not=found.why, text=found.text, ladder=ladder)
    return OfferVerdict(play=play, offer=offer_of(found, shop), why_not=None, text=None, ladder=found.ladder)


@strawberry.type(description="What came of answering an offer.", directives=_OFFERS)
class OfferPayload:
    offer: Offer | None = strawberry.field(description="The offer; null when nothing was recorded.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was recorded.")


def offer_gid(customer_id: int, number: int) -> strawberry.ID:
    return strawberry.ID(domain.offer_gid(customer_id, number))


def parse_offer_gid(text: str) -> tuple[int, int]:
    """(customer, offer). Raises BadRequestError."""
    found = domain.read_offer_gid(text)
    if found is None:
        raise BadRequestError(f"{text[:80]!r} is not the id of an offer; take it from `offers`.")
    return found


def check_first(first: int | None, most: int = LARGEST_PAGE, default: int = 5) -> int:
    """The length of list that is asked for. Raises BadRequestError for one out of bounds."""
    size = default if first is None else first
    if not 1 <= size <= most:
        raise BadRequestError(f"`first` must be between 1 and {most}, not {size}.")
    return size
