"""Making, changing and deleting segments."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import UserErrorCode, problem_of, user_error
from graphql_schema.ids import number_of
from graphql_schema.segments.types import SegmentDeletePayload, SegmentPayload, segment_gid, segment_of
from plugin.domain.rules import RuleError
from plugin.errors import BadRequestError, NotFoundError
from plugin.lifecycle.segments import SegmentError, Unset, create_segment, delete_segment, update_segment

_NO_SUCH = "The shop has no such segment."


class _Saved(Protocol):
    @property
    def id(self) -> int: ...


@strawberry.type
class SegmentMutations:
    @strawberry.mutation(
        description="Keep a segment query under a name; with `tag`, its members get that tag in the shop.",
        directives=needs(Scope.WRITE_SEGMENTS),
    )
    async def segment_create(
        self, info: Info, name: str, query: str, tag: str | None = strawberry.UNSET
    ) -> SegmentPayload:
        context = info.context
        wanted = None if tag is strawberry.UNSET else tag
        return await _payload(
            info, create_segment(context.store, context.shop, name=name, query=query, tag=wanted, now=context.now)
        )

    @strawberry.mutation(
        description="Change what is given of a segment; `tag: null` takes its tag away.",
        directives=needs(Scope.WRITE_SEGMENTS),
    )
    async def segment_update(
        self,
        info: Info,
        id: strawberry.ID,
        name: str | None = strawberry.UNSET,
        query: str | None = strawberry.UNSET,
        tag: str | None = strawberry.UNSET,
    ) -> SegmentPayload:
        context = info.context
        try:
            number = number_of(id, "Segment", app="rebloom")
        except BadRequestError as error:
            return SegmentPayload(
                segment=None, query_error=None, user_errors=[user_error("id", str(error), UserErrorCode.INVALID)]
            )
        return await _payload(
            info,
            update_segment(
                context.store,
                context.shop,
                number,
                name=None if name is strawberry.UNSET else name,
                query=None if query is strawberry.UNSET else query,
                tag=Unset.UNSET if tag is strawberry.UNSET else tag,
                now=context.now,
            ),
        )

    @strawberry.mutation(
        description="Forget a segment; its tag is taken from its members with the next push.",
        directives=needs(Scope.WRITE_SEGMENTS),
    )
    async def segment_delete(self, info: Info, id: strawberry.ID) -> SegmentDeletePayload:
        context = info.context
        try:
            number = number_of(id, "Segment", app="rebloom")
            await delete_segment(context.store, context.shop, number)
            await context.jobs.nudge("recompute", context.shop.id)
        except BadRequestError as error:
            refused = user_error("id", str(error), UserErrorCode.INVALID)
            return SegmentDeletePayload(deleted_segment_id=None, user_errors=[refused])
        except NotFoundError:
            refused = user_error("id", _NO_SUCH, UserErrorCode.NOT_FOUND)
            return SegmentDeletePayload(deleted_segment_id=None, user_errors=[refused])
        return SegmentDeletePayload(deleted_segment_id=segment_gid(number), user_errors=[])


async def _payload(info: Info, saving: Awaitable[_Saved]) -> SegmentPayload:
    """What a user can mend becomes `userErrors`; then nothing was changed."""
    try:
        saved = await saving
    except RuleError as error:
        refused = user_error("query", str(error), UserErrorCode.INVALID_QUERY)
        return SegmentPayload(segment=None, query_error=problem_of(error.primary), user_errors=[refused])
    except SegmentError as error:
        refused = user_error(error.field, str(error), UserErrorCode(error.code))
        return SegmentPayload(segment=None, query_error=None, user_errors=[refused])
    except NotFoundError:
        refused = user_error("id", _NO_SUCH, UserErrorCode.NOT_FOUND)
        return SegmentPayload(segment=None, query_error=None, user_errors=[refused])
    # Due instants and tags follow; a recompute that was reading while this was saved is made up for by it.
    await info.context.jobs.nudge("recompute", info.context.shop.id)
    row = await info.context.loaders.segments.load(saved.id)
    return SegmentPayload(segment=segment_of(row) if row else None, query_error=None, user_errors=[])
