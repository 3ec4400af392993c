"""Reading segments, and trying a query before it becomes one."""

from __future__ import annotations

from itertools import combinations

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.customers.types import customer_of
from graphql_schema.errors import problem_of
from graphql_schema.ids import number_of
from graphql_schema.pagination import Listing, connection, page_of
from graphql_schema.segments.types import Segment, SegmentConnection, SegmentOverlap, SegmentPreview, segment_of
from plugin.domain.rules import RuleError
from plugin.errors import BadRequestError
from plugin.ledger import memberships, readers
from plugin.lifecycle.segments import preview

_COUNTING = 20  # points: a count and a sample
_OVERLAPPING = 50  # points: the members of all of them are met with each other
_MOST_SEGMENTS = 20


@strawberry.type
class SegmentQueries:
    @strawberry.field(
        description="The shop's segments in the order in which they were made; 50 when neither `first` nor `last` is "
        "given, at most 250.",
        directives=needs(Scope.READ_SEGMENTS),
    )
    async def segments(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> SegmentConnection:
        context = info.context
        listing = Listing(context.shop.id, ("segments",))
        page = page_of(listing, first, after, last, before)
        rows = await readers.segments_page(context.store.database, context.shop.id, page)
        return connection(SegmentConnection, listing, page, rows, segment_of, lambda row: (row.created_at, row.id))

    @strawberry.field(
        description="The segment with this id; null when the shop has none such.",
        directives=needs(Scope.READ_SEGMENTS),
    )
    async def segment(self, info: Info, id: strawberry.ID) -> Segment | None:
        row = await info.context.loaders.segments.load(number_of(id, "Segment", app="rebloom"))
        return segment_of(row) if row else None

    @strawberry.field(
        description="Who a segment query finds, or what is wrong with it; nothing is kept.",
        directives=needs(Scope.READ_CUSTOMERS, points=_COUNTING),
    )
    async def segment_preview(self, info: Info, query: str) -> SegmentPreview:
        context = info.context
        try:
            found = await preview(context.store, context.shop, query, now=context.now)
        except RuleError as error:
            problems = [problem_of(problem) for problem in error.problems]
            return SegmentPreview(count=None, sample=[], error=problems[0], errors=problems, warnings=[])
        rows = await context.loaders.customers.load_many(found.sample_ids)
        return SegmentPreview(
            count=found.count,
            sample=[customer_of(row) for row in rows if row is not None],
            error=None,
            errors=[],
            warnings=[problem_of(problem) for problem in found.warnings],
        )

    @strawberry.field(
        description="How many customers each two of these segments share; at most 20 of them. Segments that the shop "
        "has not are left out.",
        directives=needs(Scope.READ_SEGMENTS, points=_OVERLAPPING),
    )
    async def segment_overlap(self, info: Info, ids: list[strawberry.ID]) -> list[SegmentOverlap]:
        if len(ids) > _MOST_SEGMENTS:
            raise BadRequestError(f"At most {_MOST_SEGMENTS} segments can be compared at once, not {len(ids)}.")
        context = info.context
        numbers = sorted({number_of(each, "Segment", app="rebloom") for each in ids})
        rows = await context.loaders.segments.load_many(numbers)
        there = [row for row in rows if row is not None]
        if not there:
            return []
        shared = await memberships.overlaps(context.store.database, context.shop.id, [row.id for row in there])
        return [
            SegmentOverlap(one=segment_of(one), other=segment_of(other), count=shared.get((one.id, other.id), 0))
            for one, other in combinations(there, 2)
        ]
