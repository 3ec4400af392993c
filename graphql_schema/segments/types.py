"""Segments: named rules, and who is in them."""

from __future__ import annotations

from datetime import date
from typing import Final

import strawberry

from graphql_schema.access import Access, Scope, costs, needs
from graphql_schema.context import Info, calendar_of
from graphql_schema.customers.types import Customer, CustomerConnection, customer_of
from graphql_schema.errors import QueryProblem, UserError
from graphql_schema.node import Node
from graphql_schema.pagination import NESTED_SIZE, Connection, Listing, connection, page_of
from graphql_schema.spans import Granularity, edges
from plugin.domain.calendar import day_date
from plugin.domain.ids import gid
from plugin.ledger import memberships
from plugin.ledger.readers import SegmentRow

_COUNTING: Final = 20  # points of a count over the whole story
_SEGMENTS = [Access(scope=Scope.READ_SEGMENTS)]


@strawberry.type(description="What happened to a segment in some days, and how it stood then.", directives=_SEGMENTS)
class SegmentGrowth:
    since: date = strawberry.field(description="The first day.")
    until: date = strawberry.field(description="The last day, in it.")
    joined: int = strawberry.field(description="How often somebody joined.")
    left: int = strawberry.field(description="How often somebody left.")
    members: int = strawberry.field(description="How many were members at the end of the last day.")


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
        description="Who joined and left from the start of `since` to the end of `until`, days of the shop. A change "
        "by the clock counts at the instant it became true, one by a new fact or rule when it was found. Customers who "
        "were deleted or merged since are left out.",
        directives=[costs(points=_COUNTING)],
    )
    async def growth(
        self, info: Info, since: date, until: date, granularity: Granularity = Granularity.DAY
    ) -> list[SegmentGrowth]:
        context = info.context
        days = edges(since, until, granularity)
        calendar = await calendar_of(context.shop)
        instants = [calendar.start_of_day(day) for day in days]
        grown = await memberships.growth(context.store.database, context.shop.id, self.row.id, instants)
        return [
            SegmentGrowth(
                since=day_date(first), until=day_date(after - 1), joined=found.joined, left=found.left,
                members=found.members,
            )
            for first, after, found in zip(days, days[1:], grown, strict=False)
        ]  # fmt: skip

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


@strawberry.type(description="How many customers are in both of two segments.", directives=_SEGMENTS)
class SegmentOverlap:
    one: Segment = strawberry.field(description="The one.")
    other: Segment = strawberry.field(description="The other.")
    count: int = strawberry.field(description="How many are in both.")


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
