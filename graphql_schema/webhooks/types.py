"""Webhooks that Rebloom sends to partners."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, certain, instant
from graphql_schema.errors import UserError
from graphql_schema.pagination import Connection
from plugin.domain.ids import gid
from plugin.outgoing.endpoints import Delivery, Endpoint
from plugin.outgoing.sending import message_id

WEBHOOKS = [Access(scope=Scope.WRITE_WEBHOOKS)]


@strawberry.enum(description="What came of a delivery so far.")
class WebhookDeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@strawberry.type(
    description="Where a partner is told what comes true. Merchants see all of their shop, a partner token its own.",
    directives=WEBHOOKS,
)
class WebhookEndpoint:
    id: strawberry.ID = strawberry.field(description="Its global id.")
    url: str = strawberry.field(description="Where it is told.")
    query: str = strawberry.field(description="The subscription whose answers it is told.")
    event: str = strawberry.field(description="The event it is told of, such as `stageChanged`.")
    enabled: bool = strawberry.field(description="Whether it is told anything.")
    disabled_at: datetime | None = strawberry.field(description="When it was switched off; null while it is on.")
    disabled_reason: str | None = strawberry.field(description="Why, for people.")
    failing_since: datetime | None = strawberry.field(
        description="Since when it has taken nothing; after five days it is switched off. Null while it takes what it "
        "is told."
    )
    created_at: datetime = strawberry.field(description="When it was made.")


def endpoint_of(row: Endpoint) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=strawberry.ID(gid("WebhookEndpoint", row.id, app="rebloom")),
        url=row.url,
        query=row.query,
        event=str(row.kind),
        enabled=row.disabled_at is None,
        disabled_at=instant(row.disabled_at),
        disabled_reason=row.disabled_why,
        failing_since=instant(row.failing_since),
        created_at=certain(row.created_at),
    )


@strawberry.type(description="An event as one endpoint is told it.", directives=WEBHOOKS)
class WebhookDelivery:
    id: strawberry.ID = strawberry.field(description="The `webhook-id` it is sent with, each time the same.")
    state: WebhookDeliveryState = strawberry.field(description="What came of it.")
    attempts: int = strawberry.field(description="How often it was sent since it was put in line last.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is sent next; null when it is not.")
    last_attempt_at: datetime | None = strawberry.field(description="When it was sent last.")
    status: int | None = strawberry.field(description="The HTTP status it was answered with last.")
    error: str | None = strawberry.field(description="Why it was not taken.")
    created_at: datetime = strawberry.field(description="When it was made.")
    key: strawberry.Private[tuple[int, int]]

    @strawberry.field(description="What is sent, as JSON. Gone with the customer it tells of.")
    async def payload(self, info: Info) -> str | None:
        return await info.context.loaders.webhook_payloads.load(self.key)


def delivery_of(shop_id: int, row: Delivery) -> WebhookDelivery:
    return WebhookDelivery(
        id=strawberry.ID(message_id(shop_id, row.endpoint_id, row.number)),
        state=WebhookDeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=instant(row.next_at),
        last_attempt_at=instant(row.last_at),
        status=row.status,
        error=row.error,
        created_at=certain(row.created_at),
        key=(row.endpoint_id, row.number),
    )


@strawberry.type(description="A page of deliveries, the latest first.", directives=[Access(scope=Scope.ANY)])
class WebhookDeliveryConnection(Connection[WebhookDelivery]):
    pass


@strawberry.type(description="What came of making an endpoint, or of a new secret.", directives=WEBHOOKS)
class WebhookEndpointSecretPayload:
    endpoint: WebhookEndpoint | None = strawberry.field(description="The endpoint; null when nothing was done.")
    secret: str | None = strawberry.field(description="What signs its deliveries (`whsec_…`), shown this once.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type(description="What came of changing an endpoint.", directives=WEBHOOKS)
class WebhookEndpointPayload:
    endpoint: WebhookEndpoint | None = strawberry.field(description="The endpoint; null when nothing was changed.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type(description="What came of deleting an endpoint.", directives=WEBHOOKS)
class WebhookEndpointDeletePayload:
    deleted_endpoint_id: strawberry.ID | None = strawberry.field(description="The endpoint that is no more.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was deleted.")


@strawberry.type(description="What came of sending a delivery again.", directives=WEBHOOKS)
class WebhookDeliveryPayload:
    delivery: WebhookDelivery | None = strawberry.field(description="The delivery, in line again; null when not.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was put in line.")
