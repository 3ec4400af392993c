"""Reading the fact sheet."""

from __future__ import annotations

from typing import Final

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.facts.types import FactSheet, fact_sheet_of
from plugin.domain.fact_sheet import FactSheet as Sheet
from plugin.lifecycle.fact_sheet import kept_fact_sheet

_POINTS: Final = 5


@strawberry.type
class FactQueries:
    @strawberry.field(
        description="What the literature claims about customers, beside this shop's own facts.",
        directives=needs(Scope.READ_LIFECYCLE, points=_POINTS),
    )
    async def fact_sheet(self, info: Info) -> FactSheet:
        context = info.context
        kept = await kept_fact_sheet(context.store.database, context.shop.id)
        if kept is None:
            await context.jobs.nudge("facts", context.shop.id)
            return fact_sheet_of(None, Sheet(context.shop.timezone, (), ()))
        return fact_sheet_of(*kept)
