"""Products as everybody may see them: the same type in both schemas."""

from __future__ import annotations

from typing import Any

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.scalars import Money, money
from plugin.domain.ids import gid
from plugin.ledger.readers import ProductRow
from plugin.shops import ShopContext


@strawberry.type(description="A product of the shop.", directives=[Access(scope=Scope.READ_PRODUCTS)])
class Product:
    id: strawberry.ID = strawberry.field(description="The shop's global id of it.")
    title: str = strawberry.field(description="Its title.")
    handle: str = strawberry.field(description="Its name in addresses of the shop.")
    product_type: str = strawberry.field(description="What the shop says it is.")
    vendor: str = strawberry.field(description="Who makes it.")
    price: Money | None = strawberry.field(description="The lowest price of its variants.")
    image_url: str | None = strawberry.field(description="Its picture.")
    available: bool = strawberry.field(description="Whether it can be bought now.")


def product_of(row: ProductRow, shop: ShopContext) -> Product:
    return Product(
        id=strawberry.ID(gid("Product", row.id)),
        title=row.title,
        handle=row.handle,
        product_type=row.product_type,
        vendor=row.vendor,
        price=None if row.price is None else money(row.price, shop.currency),
        image_url=row.image_url,
        available=row.available,
    )


async def load_product(info: strawberry.Info[Any, None], product_id: int) -> Product:
    """A product that a recommendation names. One deleted this instant is told as no longer available."""
    row = await info.context.loaders.products.load(product_id)
    gone = ProductRow(product_id, "No longer available", "", "", "", None, None, available=False)
    return product_of(row or gone, info.context.shop)
