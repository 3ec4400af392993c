"""Reading recommendations."""

from __future__ import annotations

from datetime import date

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.ids import number_of
from graphql_schema.offers.loyalty import LoyaltyQueries
from graphql_schema.offers.outcomes import OfferMetrics, days_of, metrics_of
from graphql_schema.offers.play_changes import PlayQueries
from graphql_schema.offers.types import ProductRecommendation, check_first, recommendation_of
from graphql_schema.pagination import given
from graphql_schema.recommendations.types import Use
from plugin.errors import BadRequestError
from plugin.lifecycle.offers import recommend
from plugin.lifecycle.plays import play_book

MOST_PRODUCTS = 50
MOST_RECOMMENDATIONS = 30


@strawberry.type
class OfferQueries(PlayQueries, LoyaltyQueries):
    @strawberry.field(
        description="What goes with these products or, without any, what is new for the customer, then what is popular."
        " Nothing the customer already has, unless `use` asks for what to buy again.",
        directives=needs(Scope.READ_OFFERS),
    )
    async def recommendations(
        self,
        info: Info,
        product_ids: list[strawberry.ID],
        customer_id: strawberry.ID | None = strawberry.UNSET,
        first: int | None = 5,
        use: Use | None = strawberry.UNSET,
    ) -> list[ProductRecommendation]:
        customer = given(customer_id)
        number = None if customer is None else number_of(customer, "Customer")
        size = check_first(first, MOST_RECOMMENDATIONS)
        context = info.context
        found = await recommend(
            context.store,
            context.shop,
            products_asked(product_ids),
            customer_id=number,
            first=size,
            now=context.now,
            use=given(use),
        )
        return [recommendation_of(one) for one in found]

    @strawberry.field(
        description="What became of all offers on the days from `since` to `until`; of the last 30 days where they are "
        "left out.",
        directives=needs(Scope.READ_OFFERS),
    )
    async def offer_metrics(
        self, info: Info, since: date | None = strawberry.UNSET, until: date | None = strawberry.UNSET
    ) -> OfferMetrics:
        context = info.context
        days = await days_of(info, given(since), given(until))
        book = await play_book(context.store.database, context.shop)
        kinds = {key: play.kind for key, play in book.plays.items()}
        return metrics_of(await context.loaders.outcomes.load(days.window), kinds, days)


def products_asked(product_ids: list[strawberry.ID]) -> list[int]:
    """Raises BadRequestError for too many products or what is no product's id."""
    if len(product_ids) > MOST_PRODUCTS:
        raise BadRequestError(f"At most {MOST_PRODUCTS} products can be asked about at once, not {len(product_ids)}.")
    return [number_of(product, "Product") for product in product_ids]
