"""The two schemas, put together: one for merchants and partners, one for the storefront."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from graphql_schema.costs.queries import CostMutations, CostQueries
from graphql_schema.customers.queries import CustomerQueries
from graphql_schema.facts.queries import FactQueries
from graphql_schema.metrics.queries import MetricQueries
from graphql_schema.offers.mutations import OfferMutations
from graphql_schema.offers.queries import OfferQueries
from graphql_schema.offers.types import AttentionOffer, CrossSellOffer, LoyaltyOffer, ReplenishmentOffer
from graphql_schema.permissions import AccessTable, access_table
from graphql_schema.scalars import SCALARS
from graphql_schema.segments.mutations import SegmentMutations
from graphql_schema.segments.queries import SegmentQueries
from graphql_schema.shop.mutations import ShopMutations
from graphql_schema.shop.queries import ShopQueries
from graphql_schema.stages.policies import PolicyMutations
from graphql_schema.stages.queries import StageQueries
from graphql_schema.storefront.queries import StorefrontMutation, StorefrontQuery
from graphql_schema.subscriptions.types import Subscription
from graphql_schema.touchpoints.mutations import TouchpointMutations
from graphql_schema.webhooks.queries import WebhookMutations, WebhookQueries


@strawberry.type(description="What can be asked. Everything is of the one shop the credential belongs to.")
class Query(
    ShopQueries,
    CustomerQueries,
    StageQueries,
    SegmentQueries,
    OfferQueries,
    FactQueries,
    MetricQueries,
    WebhookQueries,
    CostQueries,
):
    pass


@strawberry.type(description="What can be changed. What a user can mend comes back in `userErrors`.")
class Mutation(
    ShopMutations,
    SegmentMutations,
    PolicyMutations,
    OfferMutations,
    TouchpointMutations,
    WebhookMutations,
    CostMutations,
):
    pass


merchant_schema: Final = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[CrossSellOffer, LoyaltyOffer, ReplenishmentOffer, AttentionOffer],
    config=StrawberryConfig(scalar_map=SCALARS),
)
storefront_schema: Final = strawberry.Schema(
    query=StorefrontQuery,
    mutation=StorefrontMutation,
    config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
)


def core(schema: strawberry.Schema) -> GraphQLSchema:
    """The executable schema under a Strawberry one."""
    return schema._schema  # noqa: SLF001 - Strawberry has no public name for it


MERCHANT_ACCESS: Final[AccessTable] = access_table(core(merchant_schema))
STOREFRONT_ACCESS: Final[AccessTable] = access_table(core(storefront_schema))
FILES: Final = {"schema.graphql": merchant_schema, "storefront.graphql": storefront_schema}


def print_schemas() -> dict[str, str]:
    """The SDL of each schema by the name of its file beside this module."""
    return {name: schema.as_str() + "\n" for name, schema in FILES.items()}


def write_schemas() -> None:
    """Commit what this prints: a diff of it shows every change of the promise."""
    for name, text in print_schemas().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
