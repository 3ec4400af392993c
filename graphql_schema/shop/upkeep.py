"""Walking the shop again, and the answers to people who ask for their data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, instant
from graphql_schema.errors import UserError
from plugin.domain.ids import gid
from plugin.domain.instants import from_us
from plugin.ledger.person_export import list_exports, open_export

_SHOP = [Access(scope=Scope.READ_SHOP)]


@strawberry.type(
    description="The last walk through what changed in the shop, which finds and mends what no webhook brought.",
    directives=_SHOP,
)
class Reconciliation:
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null while it runs.")
    looked_at: int = strawberry.field(description="Customers, products and orders changed since the walk before.")
    missed: int = strawberry.field(description="Of these, what had never arrived.")
    outdated: int = strawberry.field(description="Of these, what stood here in an older state.")
    gone: int = strawberry.field(description="What stood here and is in the shop no more.")
    error: str | None = strawberry.field(description="What stopped it, if anything did.")


def reconciliation_of(row: Mapping[str, Any] | None) -> Reconciliation | None:
    if row is None:
        return None
    return Reconciliation(
        started_at=from_us(row["started_at"]),
        finished_at=instant(row["finished_at"]),
        looked_at=row["looked_at"],
        missed=row["missed"],
        outdated=row["outdated"],
        gone=row["gone"],
        error=row["error"],
    )


@strawberry.type(description="What came of asking for a walk.", directives=_SHOP)
class ReconcilePayload:
    reconciliation: Reconciliation | None = strawberry.field(
        description="The walk before this one; the work goes on after the answer."
    )
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was begun.")


@strawberry.type(
    description="A customer asked what is held about them; the law gives the merchant a month to answer.",
    directives=[Access(scope=Scope.WRITE_SHOP)],
)
class DataRequest:
    id: strawberry.ID = strawberry.field(description="The platform's id of the request's delivery.")
    customer_id: strawberry.ID = strawberry.field(description="Whose data it is.")
    asked_at: datetime = strawberry.field(description="When the platform passed it on.")

    @strawberry.field(description="Everything held about this customer and nothing of others, as JSON to hand over.")
    async def answer(self, info: Info) -> str:
        return await open_export(info.context.store, info.context.shop.id, str(self.id))


async def data_requests_of(info: Info) -> list[DataRequest]:
    return [
        DataRequest(id=strawberry.ID(name), customer_id=strawberry.ID(gid("Customer", number)), asked_at=from_us(asked))
        for name, number, asked, _ in await list_exports(info.context.store, info.context.shop.id)
    ]
