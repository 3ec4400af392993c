"""Unit costs, as callers see them: in the merchant's schema alone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, certain
from graphql_schema.errors import UserError
from graphql_schema.ids import number_of
from graphql_schema.pagination import Connection
from graphql_schema.products import Product, product_of
from graphql_schema.scalars import Money, money
from plugin.domain.ids import gid
from plugin.ledger.costs import WHOLE_PRODUCT, CostRow

_SHOP = [Access(scope=Scope.READ_SHOP)]


@strawberry.type(
    description="What one piece of a product, or of one of its variants, costs the shop.", directives=_SHOP
)
class ProductCost:
    product_id: strawberry.ID = strawberry.field(description="The product's global id.")
    variant_id: strawberry.ID | None = strawberry.field(
        description="The variant's; null: it holds for each variant without a cost of its own."
    )
    unit_cost: Money = strawberry.field(
        description="The cost of one piece. It counts while the shop's currency is this one."
    )
    set_at: datetime = strawberry.field(description="When it was stated as it is.")
    set_by: strawberry.ID | None = strawberry.field(
        description="The partner token it was stated with; null: by the merchant."
    )

    @strawberry.field(description="The product; null when it was deleted: its cost still counts for what was sold.")
    async def product(self, info: Info) -> Product | None:
        row = await info.context.loaders.products.load(number_of(self.product_id, "Product"))
        return product_of(row, info.context.shop) if row else None


@strawberry.type(description="A page of unit costs.", directives=[Access(scope=Scope.ANY)])
class ProductCostConnection(Connection[ProductCost]):
    pass


@strawberry.type(description="What came of stating unit costs.", directives=_SHOP)
class ProductCostsPayload:
    changed: int = strawberry.field(description="How many costs are others than before; 0 when nothing was changed.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.input(description="An amount of money with its currency.")
class MoneyInput:
    amount: Decimal = strawberry.field(description='The exact amount, as a decimal string: `"12.50"`.')
    currency_code: str = strawberry.field(description="The ISO 4217 code of the currency.")


@strawberry.input(description="What one piece costs the shop.")
class ProductCostInput:
    product_id: strawberry.ID = strawberry.field(description="A product that the shop has, or had.")
    variant_id: strawberry.ID | None = strawberry.field(
        default=None, description="One of its variants; left out: each variant without a cost of its own."
    )
    unit_cost: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="The cost of one piece in the shop's currency, from 0 to 1,000,000,000, kept to four decimals, "
        "taxes as your prices have them. Null takes it away; it cannot be left out.",
    )


def cost_of(row: CostRow) -> ProductCost:
    return ProductCost(
        product_id=strawberry.ID(gid("Product", row.product_id)),
        variant_id=None
        if row.variant_id == WHOLE_PRODUCT
        else strawberry.ID(gid("ProductVariant", row.variant_id)),
        unit_cost=money(row.amount, row.currency), set_at=certain(row.set_at),
        set_by=None if row.token_id is None else strawberry.ID(gid("PartnerToken", row.token_id, app="rebloom")),
    )  # fmt: skip
