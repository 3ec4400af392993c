"""Reading the shop."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.shop.types import Shop, shop_of


@strawberry.type
class ShopQueries:
    @strawberry.field(description="The shop this credential belongs to.", directives=needs(Scope.READ_SHOP))
    def shop(self, info: Info) -> Shop:
        return shop_of(info.context.shop)
