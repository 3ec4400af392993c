"""How recommendations are made: the method that the shop's own backtest chose for each use, with its figures."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import certain, instant
from plugin.domain.recommend.methods import Use
from plugin.ledger.recommendations import ChoiceRow

strawberry.enum(
    Use,
    name="RecommendationUse",
    description="What a list is for: beside a product, products new to a customer, or her own ones again.",
)


@strawberry.type(
    description="How a shop's recommendations are made: the method that was best on orders held out, twice, from this "
    "shop's own history, by the share of what customers then bought that stands among the first ten.",
    directives=[Access(scope=Scope.READ_OFFERS)],
)
class Recommender:
    use: Use = strawberry.field(description="What its lists are for.")
    method: str = strawberry.field(description="The method in use.")
    recall_at10: float | None = strawberry.field(
        name="recallAt10", description="Its recall@10 on held-out orders; null while the shop is too young to test."
    )
    ndcg_at10: float | None = strawberry.field(name="ndcgAt10", description="Its NDCG@10, where tested.")
    popularity_recall_at10: float | None = strawberry.field(
        name="popularityRecallAt10", description="Recall@10 of showing everybody what sold most in 30 days."
    )
    popularity_ndcg_at10: float | None = strawberry.field(name="popularityNdcgAt10", description="NDCG@10 of the same.")
    tested_on: datetime | None = strawberry.field(description="The beginning of the orders held out.")
    tested_until: datetime | None = strawberry.field(description="Their end.")
    horizon_days: float = strawberry.field(description="Days held out at a time.")
    n: int = strawberry.field(description="Customers, or baskets, that the figures are means over.")
    candidates: int = strawberry.field(description="Methods that were tried.")
    fitted_at: datetime = strawberry.field(description="When the lists were made.")


def recommender_of(row: ChoiceRow) -> Recommender:
    return Recommender(
        use=Use(row.use),
        method=row.method,
        recall_at10=row.recall,
        ndcg_at10=row.ndcg,
        popularity_recall_at10=row.popularity_recall,
        popularity_ndcg_at10=row.popularity_ndcg,
        tested_on=instant(row.tested_from),
        tested_until=instant(row.tested_until),
        horizon_days=row.horizon_days,
        n=row.cases,
        candidates=row.candidates,
        fitted_at=certain(row.fitted_at),
    )


__all__ = ["Recommender", "Use", "recommender_of"]
