"""Recording touchpoints: by partner tools and the merchant, and by the viewer of the storefront."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import UserError, UserErrorCode
from graphql_schema.scalars import write_instant
from graphql_schema.touchpoints.types import TouchpointInput, TouchpointPayload
from plugin.domain.touchpoints import (
    MERCHANT,
    MOST_AT_ONCE,
    PARTNER,
    Teller,
    Touchpoint,
    TouchpointError,
    read_touchpoint,
)
from plugin.ledger.touchpoints import new_key
from plugin.lifecycle.impressions import NotHerOfferError, record_told

_FIELDS = (
    "id",
    "kind",
    "channel",
    "customer_id",
    "visitor",
    "product_id",
    "collection_id",
    "subject",
    "outcome",
    "score",
    "placement",
)


@strawberry.type
class TouchpointMutations:
    @strawberry.mutation(
        description=f"Record up to {MOST_AT_ONCE} touchpoints, all or none. The same id twice is one; OFFER_SHOWN and "
        "OFFER_CLICKED of an offer (`subject`) count once for a placement and a day.",
        directives=needs(Scope.WRITE_TOUCHPOINTS),
    )
    async def touchpoint_record(self, info: Info, input: list[TouchpointInput]) -> TouchpointPayload:
        merchant = Scope.WRITE_TOKENS in info.context.scopes  # no partner token has it
        return await recorded(info, input, MERCHANT if merchant else PARTNER)

    @strawberry.mutation(
        description="Make another public key for `POST /touchpoints`; the old one is good no more.",
        directives=needs(Scope.WRITE_SHOP),
    )
    async def touchpoint_key_rotate(self, info: Info) -> str:
        context = info.context
        return await new_key(context.store.database, context.shop.id, now=context.now)


async def recorded(info: Info, given: Sequence[TouchpointInput], teller: Teller) -> TouchpointPayload:
    """What is wrong anywhere keeps all of it out."""
    context = info.context
    if not 0 < len(given) <= MOST_AT_ONCE:
        message = f"Give 1 to {MOST_AT_ONCE} touchpoints, not {len(given)}."
        return TouchpointPayload(
            recorded=0, user_errors=[UserError(field=["input"], message=message, code=UserErrorCode.INVALID)]
        )
    told: list[Touchpoint] = []
    faults: list[UserError] = []
    for index, each in enumerate(given):
        try:
            told.append(read_touchpoint(_json(each), teller, now=context.now_us))
        except TouchpointError as error:
            path = ["input", str(index), error.field]
            faults.append(UserError(field=path, message=str(error), code=UserErrorCode.INVALID))
    if faults:
        return TouchpointPayload(recorded=0, user_errors=faults)
    try:
        done = await record_told(context.store, context.shop, told, now=context.now)
    except NotHerOfferError as error:
        return TouchpointPayload(
            recorded=0,
            user_errors=[
                UserError(field=["input", str(index), error.field], message=said, code=UserErrorCode.NOT_FOUND)
                for index, said in error.faults.items()
            ],
        )
    if done.customers and done.recorded:
        await context.jobs.nudge("sweep", context.shop.id)
    return TouchpointPayload(recorded=done.recorded, user_errors=[])


def _json(given: TouchpointInput) -> dict[str, object]:
    """As `POST /touchpoints` takes it."""
    fields = {_camel(name): getattr(given, name) for name in _FIELDS}
    return {**fields, "at": None if given.at is None else write_instant(given.at)}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
