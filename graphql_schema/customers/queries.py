"""Reading customers: one, a page, a count."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info
from graphql_schema.customers.types import Customer, CustomerConnection, customer_of
from graphql_schema.ids import kind, number_of
from graphql_schema.node import Node
from graphql_schema.pagination import Listing, connection, given, page_of
from graphql_schema.rules import condition_of
from graphql_schema.segments.types import segment_of
from plugin.domain.instants import to_us
from plugin.errors import BadRequestError, ForbiddenError
from plugin.ledger import readers
from plugin.ledger.readers import CustomerRow, CustomerSort

_COUNTING = 10  # points

CustomerSortKey = strawberry.enum(
    CustomerSort,
    name="CustomerSortKey",
    description="What a list of customers is sorted by. Customers who never ordered come last by LAST_ORDER_AT.",
)


@strawberry.enum(description="How exact a count is.")
class CountPrecision(StrEnum):
    EXACT = "EXACT"
    AT_LEAST = "AT_LEAST"


@strawberry.type(description="A number of things.", directives=[Access(scope=Scope.ANY)])
class Count:
    count: int = strawberry.field(description="How many.")
    precision: CountPrecision = strawberry.field(description="Whether it is exact.")


@strawberry.type
class CustomerQueries:
    @strawberry.field(
        description="The thing with this global id; null when the shop has none such.", directives=needs(Scope.ANY)
    )
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        match kind(id):
            case "Customer":
                _demand(info, Scope.READ_CUSTOMERS)
                return await _customer(info, number_of(id, "Customer"))
            case "Segment":
                _demand(info, Scope.READ_SEGMENTS)
                row = await info.context.loaders.segments.load(number_of(id, "Segment", app="rebloom"))
                return segment_of(row) if row else None
            case _:
                return None

    @strawberry.field(
        description="A customer, now or with her stages at an instant of the past; null when the shop has none such, "
        "or did not know her then. A merged customer's id finds the one she was merged into.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def customer(
        self, info: Info, id: strawberry.ID, as_of: datetime | None = strawberry.UNSET
    ) -> Customer | None:
        return await _customer(info, number_of(id, "Customer"), given(as_of))

    @strawberry.field(
        description="The shop's classified customers, or those a segment query finds; 50 when neither `first` nor "
        "`last` is given, at most 250.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def customers(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        query: str | None = strawberry.UNSET,
        sort_key: CustomerSort | None = CustomerSort.LAST_ORDER_AT,
        reverse: bool | None = False,
    ) -> CustomerConnection:
        sort, text = sort_key or CustomerSort.LAST_ORDER_AT, given(query)
        marks = ("customers", sort.name, "desc" if reverse else "asc", _short(text))
        listing = Listing(info.context.shop.id, marks)
        page = page_of(listing, first, after, last, before)
        who = await condition_of(info.context, text)
        database = info.context.store.database
        rows = await readers.customers_page(database, who, page, sort=sort, reverse=bool(reverse))

        def position(row: CustomerRow) -> tuple[int | None, ...]:
            return (row.id,) if sort is CustomerSort.ID else (row.measures[sort.value], row.id)

        return connection(CustomerConnection, listing, page, rows, customer_of, position)

    @strawberry.field(
        description="How many classified customers the shop has, or a segment query finds.",
        directives=needs(Scope.READ_CUSTOMERS, points=_COUNTING),
    )
    async def customers_count(self, info: Info, query: str | None = strawberry.UNSET) -> Count:
        who = await condition_of(info.context, given(query))
        return Count(
            count=await readers.count_customers(info.context.store.database, who), precision=CountPrecision.EXACT
        )


def _short(query: str | None) -> str:
    """A cursor is bound to its query without carrying it."""
    return "" if query is None else hashlib.blake2b(query.encode(), digest_size=16).hexdigest()


async def _customer(info: Info, number: int, as_of: datetime | None = None) -> Customer | None:
    context = info.context
    if as_of is not None and as_of > context.now:
        raise BadRequestError("`asOf` lies in the future; nobody knows that.")
    row = await context.loaders.customers.load(number)
    if row is None:
        living = await readers.living_id(context.store.database, context.shop.id, number)
        row = await context.loaders.customers.load(living) if living != number else None
    if row is None:
        return None
    if as_of is not None and not await context.loaders.placements.load((row.id, to_us(as_of))):
        return None
    return customer_of(row, as_of)


def _demand(info: Info, scope: Scope) -> None:
    """`node` cannot be judged before the id is read."""
    if scope not in info.context.scopes:
        raise ForbiddenError(f"This needs the scope {scope.value}.")
