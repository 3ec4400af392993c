"""Segments: named rules, and who is in them."""

from __future__ import annotations

import strawberry

from graphql_schema.access import Access, Scope, costs, needs
from graphql_schema.context import Info
from graphql_schema.customers.types import Customer, CustomerConnection, customer_of
from graphql_schema.errors import QueryProblem, UserError
from graphql_schema.node import Node
from graphql_schema.pagination import NESTED_SIZE, Connection, Listing, connection, page_of
from plugin.domain.ids import gid
from plugin.ledger.readers import SegmentRow

_SEGMENTS = [Access(scope=Scope.READ_SEGMENTS)]


@strawberry.type(description="A named rule, and the customers for whom it holds.", directives=_SEGMENTS)
class Segment(Node):
    name: str = strawberry.field(description="Its name for people, unique in the shop.")
    query: str = strawberry.field(description="The segment query, as the merchant wrote it.")
    tag: str | None = strawberry.field(
        description="The tag its members get in the shop, without prefix; null for none."
    )
    row: strawberry.Private[SegmentRow]

    @strawberry.field(description="How many customers are in it.", directives=[costs(points=1)])
    async def count(self, info: Info) -> int:
        return await info.context.loaders.segment_counts.load(self.row.id) or 0

    @strawberry.field(
        description="Its members, by id; 10 without a size.", directives=needs(Scope.READ_CUSTOMERS, size=NESTED_SIZE)
    )
    async def customers(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> CustomerConnection:
        listing = Listing(info.context.shop.id, ("members of", str(self.row.id)))
        page = page_of(listing, first, after, last, before, default=NESTED_SIZE)
        rows = await info.context.loaders.members_of.load((self.row.id, page))
        return connection(CustomerConnection, listing, page, rows, customer_of, lambda row: (row.id,))


def segment_gid(number: int) -> strawberry.ID:
    return strawberry.ID(gid("Segment", number, app="rebloom"))


def segment_of(row: SegmentRow) -> Segment:
    return Segment(id=segment_gid(row.id), name=row.name, query=row.query, tag=row.tag, row=row)


@strawberry.type(description="A page of segments.", directives=[Access(scope=Scope.ANY)])
class SegmentConnection(Connection[Segment]):
    pass


@strawberry.type(
    description="Who a segment query would find, before it is kept; or what is wrong with it.",
    directives=[Access(scope=Scope.READ_CUSTOMERS)],
)
class SegmentPreview:
    count: int | None = strawberry.field(description="How many customers it finds; null when the query is wrong.")
    sample: list[Customer] = strawberry.field(description="Some of them.")
    error: QueryProblem | None = strawberry.field(description="The first fault of the query, with its place.")
    errors: list[QueryProblem] = strawberry.field(description="All faults of the query.")
    warnings: list[QueryProblem] = strawberry.field(description="What is allowed but may not be meant.")


@strawberry.type(description="What came of a change to a segment.", directives=_SEGMENTS)
class SegmentPayload:
    segment: Segment | None = strawberry.field(description="The segment as it is now; null when nothing was changed.")
    query_error: QueryProblem | None = strawberry.field(description="Where the query is wrong, if it is.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type(description="What came of deleting a segment.", directives=_SEGMENTS)
class SegmentDeletePayload:
    deleted_segment_id: strawberry.ID | None = strawberry.field(description="The id that no longer exists.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")
