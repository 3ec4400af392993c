"""Reading and stating unit costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.costs.types import (
    ProductCostConnection,
    ProductCostInput,
    ProductCostsPayload,
    cost_of,
)
from graphql_schema.errors import UserError, UserErrorCode
from graphql_schema.ids import number_of
from graphql_schema.pagination import Listing, connection, given, page_of
from plugin.domain.costs import MOST_COSTS, Stated
from plugin.errors import BadRequestError
from plugin.ledger.costs import costs_page
from plugin.lifecycle.costs import set_costs

_POINTS: Final = 20


@strawberry.type
class CostQueries:
    @strawberry.field(
        description="The unit costs that were stated, by product and variant; with `productId`, of that one. 50 when "
        "neither `first` nor `last` is given, at most 250.",
        directives=needs(Scope.READ_SHOP),
    )
    async def product_costs(
        self,
        info: Info,
        product_id: strawberry.ID | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> ProductCostConnection:
        context, wanted = info.context, given(product_id)
        number = None if wanted is None else number_of(wanted, "Product")
        listing = Listing(context.shop.id, ("productCosts", str(number)))
        page = page_of(listing, first, after, last, before)
        rows = await costs_page(context.store.database, context.shop.id, number, page)
        return connection(
            ProductCostConnection, listing, page, rows, cost_of, lambda row: (row.product_id, row.variant_id)
        )


@strawberry.type
class CostMutations:
    @strawberry.mutation(
        description=f"State what products cost the shop, at most {MOST_COSTS} at once: all of them are taken, or, when "
        "one is refused, none. Stating the same again changes nothing. Margins in proofs of plays are counted again "
        "soon after.",
        directives=needs(Scope.WRITE_SHOP, points=_POINTS),
    )
    async def product_costs_set(self, info: Info, costs: list[ProductCostInput]) -> ProductCostsPayload:
        context = info.context
        if len(costs) > MOST_COSTS:
            said = f"At most {MOST_COSTS} costs are stated at once, not {len(costs)}; send the rest in another call."
            return _refused([UserError(field=["costs"], message=said, code=UserErrorCode.LIMIT_REACHED)])
        stated, errors = _read(costs)
        if errors:
            return _refused(errors)
        changed, faults = await set_costs(
            context.store, context.shop, stated, token_id=context.token_id, now=context.now
        )
        if faults:
            return _refused(
                [_error(each.place, each.field, each.says, UserErrorCode(each.wrong.value)) for each in faults]
            )
        if stated:  # also when nothing changed: an earlier call may have ended before it came to this
            await context.jobs.nudge("proofs", context.shop.id)
        return ProductCostsPayload(changed=changed, user_errors=[])


def _read(costs: Sequence[ProductCostInput]) -> tuple[list[Stated], list[UserError]]:
    stated, errors = [], []
    for place, cost in enumerate(costs):
        numbers: dict[str, int | None] = {}
        for name, text, kind in (
            ("productId", cost.product_id, "Product"),
            ("variantId", cost.variant_id, "ProductVariant"),
        ):
            try:
                numbers[name] = None if text is None else number_of(text, kind)
            except BadRequestError as error:
                errors.append(_error(place, (name,), str(error), UserErrorCode.INVALID))
        if cost.unit_cost is strawberry.UNSET:
            said = "Say what one piece costs; null takes its cost away."
            errors.append(_error(place, ("unitCost",), said, UserErrorCode.BLANK))
        elif (product := numbers.get("productId")) is not None:
            amount, currency = (
                (cost.unit_cost.amount, cost.unit_cost.currency_code) if cost.unit_cost is not None else (None, "")
            )
            stated.append(Stated(product, numbers.get("variantId"), amount, currency))
    return stated, errors


def _error(place: int, field: Sequence[str], says: str, code: UserErrorCode) -> UserError:
    return UserError(field=["costs", str(place), *field], message=f"costs[{place}]: {says}", code=code)


def _refused(errors: list[UserError]) -> ProductCostsPayload:
    return ProductCostsPayload(changed=0, user_errors=errors)
