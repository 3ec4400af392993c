"""Offers: what to offer whom, why, until when and at what cost; and products that go together."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, instant
from graphql_schema.errors import UserError
from graphql_schema.pagination import LARGEST_PAGE
from graphql_schema.products import Product, load_product
from graphql_schema.scalars import Money, money
from graphql_schema.stages.types import Reason
from plugin.domain import offers as domain
from plugin.domain.ids import LARGEST_ID
from plugin.domain.offers import OfferKind, OfferPlacement
from plugin.errors import BadRequestError
from plugin.shops import ShopContext

_OFFERS = [Access(scope=Scope.READ_OFFERS)]
_GID: Final = "gid://rebloom/Offer/"

strawberry.enum(OfferKind, description="What an offer is for.")
strawberry.enum(OfferPlacement, description="Where an offer can be shown; a MESSAGE needs consent.")


@strawberry.type(
    description="What a stage calls for: the rule, the incentive and the term of an offer.", directives=_OFFERS
)
class Play:
    key: str = strawberry.field(description="Its stable name, such as `win-back-1`.")
    name: str = strawberry.field(description="Its name for people.")
    kind: OfferKind = strawberry.field(description="What its offers are for.")
    stage: str | None = strawberry.field(description="The stage of `buyer-activity` it is for; null for any.")
    rung: int | None = strawberry.field(description="The rung of that stage it is for; null for any.")
    query: str = strawberry.field(description="The segment query that says who it is for.")
    placements: list[OfferPlacement] = strawberry.field(description="Where its offers can be shown.")
    percentage: int | None = strawberry.field(description="Percent off the order, where it has a discount.")
    valid_days: int | None = strawberry.field(description="How long an offer holds; null without a term.")
    priority: int = strawberry.field(description="Which of several fitting plays comes first: the highest.")


def play_of(play: domain.Play) -> Play:
    return Play(
        key=play.key,
        name=play.name,
        kind=play.kind,
        stage=play.stage,
        rung=play.rung,
        query=play.query,
        placements=list(play.placements),
        percentage=play.percentage,
        valid_days=play.valid_days,
        priority=play.priority,
    )


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


@strawberry.type(description="Money off an order.", directives=_OFFERS)
class Discount:
    percentage: int = strawberry.field(description="Percent off the whole order.")


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


@strawberry.type(description="Products that go with what the customer has.", directives=_OFFERS)
class CrossSellOffer(Offer):
    products: list[ProductRecommendation] = strawberry.field(description="The products, best first.")


@strawberry.type(description="A bonus for the stage the customer is in.", directives=_OFFERS)
class LoyaltyOffer(Offer):
    discount: Discount = strawberry.field(description="The bonus.")
    tier: str | None = strawberry.field(description="The tier it belongs to, such as `5 orders`.")


def offer_of(offer: domain.OfferDecision, shop: ShopContext) -> Offer:
    shared = {
        "id": offer_gid(offer.customer_id, offer.id),
        "kind": offer.kind,
        "title": offer.title,
        "because": [_reason(reason) for reason in offer.because],
        "valid_until": instant(offer.valid_until),
        "code": offer.code,
        "cost_to_merchant": None if offer.cost is None else money(offer.cost, shop.currency),
        "play": play_of(offer.play),
    }
    if offer.discount is None:
        return CrossSellOffer(products=[recommendation_of(found) for found in offer.products], **shared)  # type: ignore[arg-type]  # the fields of the interface
    return LoyaltyOffer(discount=Discount(percentage=offer.discount.percentage), tier=offer.tier, **shared)  # type: ignore[arg-type]  # as above


@strawberry.type(description="What came of answering an offer.", directives=_OFFERS)
class OfferPayload:
    offer: Offer | None = strawberry.field(description="The offer; null when nothing was recorded.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was recorded.")


def offer_gid(customer_id: int, number: int) -> strawberry.ID:
    """An offer is computed, not stored, so its id says whose it is, too."""
    return strawberry.ID(f"{_GID}{customer_id}-{number}")


def parse_offer_gid(text: str) -> tuple[int, int]:
    """(customer, offer). Raises BadRequestError."""
    customer, _, number = text.removeprefix(_GID).partition("-")
    if text.startswith(_GID) and _is_number(customer) and _is_number(number):
        return int(customer), int(number)
    raise BadRequestError(f"{text[:80]!r} is not the id of an offer; take it from `offers`.")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) <= LARGEST_ID  # noqa: PLR2004 - digits of 2^63


def check_first(first: int | None, most: int = LARGEST_PAGE, default: int = 5) -> int:
    """The length of list that is asked for. Raises BadRequestError for one out of bounds."""
    size = default if first is None else first
    if not 1 <= size <= most:
        raise BadRequestError(f"`first` must be between 1 and {most}, not {size}.")
    return size
