"""What the public may see: a schema of its own, so that nothing else can be named from the internet.

No e-mail, no measures, no costs and no reasons that tell what we know of the customer; the viewer is the verified
customer of the signed request and nobody else.
"""

from __future__ import annotations

from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, instant
from graphql_schema.offers.types import offer_gid
from graphql_schema.products import Product, load_product
from graphql_schema.scalars import Money, money
from plugin.domain import offers as domain
from plugin.domain.offers import OfferKind
from plugin.domain.plays.decide import OfferDecision

_PUBLIC = [Access(scope=Scope.ANY)]
MOST_OFFERS = 10


@strawberry.type(name="Stage", description="Where the viewer stands with the shop.", directives=_PUBLIC)
class StorefrontStage:
    key: str = strawberry.field(description="The stable name of the stage.")
    name: str = strawberry.field(description="Its name for people.")


@strawberry.type(name="ProductRecommendation", description="A product to show.", directives=_PUBLIC)
class StorefrontRecommendation:
    because: list[str] = strawberry.field(description="Why, in sentences about the product.")
    product_id: strawberry.Private[int]

    @strawberry.field(description="The product.")
    async def product(self, info: Info) -> Product:
        return await load_product(info, self.product_id)


@strawberry.type(name="Offer", description="Something for the viewer.", directives=_PUBLIC)
class StorefrontOffer:
    id: strawberry.ID = strawberry.field(description="Give it to offerAccept or offerDismiss.")
    kind: OfferKind = strawberry.field(description="What it is for.")
    title: str = strawberry.field(description="What to call it.")
    valid_until: datetime | None = strawberry.field(description="When it ends; null without a term.")
    code: str | None = strawberry.field(description="The discount code that redeems it, once there is one.")
    percentage: int | None = strawberry.field(description="Percent off the order, where it is a discount.")
    amount: Money | None = strawberry.field(description="The amount off the order, where it is one.")
    products: list[StorefrontRecommendation] = strawberry.field(description="The products of it, best first.")


def shown_recommendation(found: domain.Recommendation) -> StorefrontRecommendation:
    return StorefrontRecommendation(because=[reason.text for reason in found.because], product_id=found.product_id)


def shown_offer(offer: OfferDecision, currency: str) -> StorefrontOffer:
    amount = offer.discount.amount if offer.discount else None
    return StorefrontOffer(
        id=offer_gid(offer.customer_id, offer.id),
        kind=offer.kind,
        title=offer.title,
        valid_until=instant(offer.valid_until),
        code=offer.code,
        percentage=offer.discount.percentage if offer.discount else None,
        amount=None if amount is None else money(amount, currency),
        products=[shown_recommendation(found) for found in offer.products],
    )
