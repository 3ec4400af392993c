"""Fields of customers, read of all customers of a page at once. The forms for one customer call these, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import strawberry

from graphql_schema.context import Info
from graphql_schema.pagination import NESTED_SIZE, Listing, Page, connection, given, page_of
from graphql_schema.stages.types import StagePlacement, model_named, placements_of
from plugin.domain.instants import to_us
from plugin.errors import NotFoundError
from plugin.ledger.readers import SegmentRow
from plugin.ledger.stage_readers import PlacementRow

if TYPE_CHECKING:
    from graphql_schema.customers.types import Customer
    from graphql_schema.segments.types import SegmentConnection


async def stage_of_each(
    customers: Sequence[Customer], info: Info, model: str | None = strawberry.UNSET
) -> list[StagePlacement]:
    """Raises NotFoundError when one of them has no place in the model."""
    shop = info.context.shop
    key = model_named(shop, given(model) or shop.primary_model).key
    found = [next((row for row in rows if row.model == key), None) for rows in await _placed(customers, info)]
    rows = [row for row in found if row is not None]
    if len(rows) < len(found):
        raise NotFoundError(f"This customer has no place in the lifecycle model {key} at that time.")
    return placements_of(shop, rows)


async def stages_of_each(customers: Sequence[Customer], info: Info) -> list[list[StagePlacement]]:
    return [placements_of(info.context.shop, rows) for rows in await _placed(customers, info)]


async def _placed(customers: Sequence[Customer], info: Info) -> list[list[PlacementRow]]:
    return await info.context.loaders.placements.load_many(
        (customer.row.id, to_us(customer.as_of) if customer.as_of else None) for customer in customers
    )


async def segments_of_each(
    customers: Sequence[Customer],
    info: Info,
    first: int | None = strawberry.UNSET,
    after: str | None = strawberry.UNSET,
    last: int | None = strawberry.UNSET,
    before: str | None = strawberry.UNSET,
) -> list[SegmentConnection]:
    from graphql_schema.segments.types import Segment, SegmentConnection, segment_of

    known: dict[int, Segment] = {}

    def shown(row: SegmentRow) -> Segment:
        """Many are in the same few segments."""
        if row.id not in known:
            known[row.id] = segment_of(row)
        return known[row.id]

    asked = _pages("segments of", customers, info, first, after, last, before)
    found = await info.context.loaders.segments_of.load_many((number, page) for number, _, page in asked)
    return [
        connection(SegmentConnection, listing, page, rows, shown, lambda row: (row.id,))
        for (_, listing, page), rows in zip(asked, found, strict=True)
    ]


def _pages(
    name: str,
    customers: Sequence[Customer],
    info: Info,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> list[tuple[int, Listing, Page]]:
    """Each customer's list of this name, and the page of it that is asked for."""
    shop_id = info.context.shop.id
    listings = [(each.row.id, Listing(shop_id, (name, str(each.row.id)))) for each in customers]
    if given(after) is None and given(before) is None:  # a cursor is of one list, a size of any
        page = page_of(listings[0][1], first, None, last, None, default=NESTED_SIZE)
        return [(number, listing, page) for number, listing in listings]
    return [
        (number, listing, page_of(listing, first, after, last, before, default=NESTED_SIZE))
        for number, listing in listings
    ]


async def tags_of_each(customers: Sequence[Customer], info: Info) -> list[list[str]]:
    found = await info.context.loaders.tags.load_many(customer.row.id for customer in customers)
    return [list(tags or []) for tags in found]
