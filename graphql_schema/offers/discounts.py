"""Money off an order, as callers see it."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.scalars import Money, money
from plugin.domain import offers as domain


@strawberry.type(description="Money off a whole order, once.", directives=[Access(scope=Scope.READ_OFFERS)])
class Discount:
    percentage: int | None = strawberry.field(description="Percent off the whole order; null where it is an amount.")
    amount: Money | None = strawberry.field(description="The amount off; null where it is a percentage.")


def discount_of(discount: domain.Discount, currency: str) -> Discount:
    amount = None if discount.amount is None else money(discount.amount, currency)
    return Discount(percentage=discount.percentage, amount=amount)
