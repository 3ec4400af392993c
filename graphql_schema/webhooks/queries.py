"""Reading and changing where webhooks go, and sending one again."""

from __future__ import annotations

import re
from typing import Any, Final

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import UserErrorCode, user_error
from graphql_schema.ids import number_of
from graphql_schema.pagination import Listing, connection, given, page_of
from graphql_schema.webhooks.types import (
    WebhookDeliveryConnection,
    WebhookDeliveryPayload,
    WebhookDeliveryState,
    WebhookEndpoint,
    WebhookEndpointDeletePayload,
    WebhookEndpointPayload,
    WebhookEndpointSecretPayload,
    delivery_of,
    endpoint_of,
)
from plugin.errors import BadRequestError
from plugin.outgoing import endpoints
from plugin.outgoing.addresses import fault_of
from plugin.outgoing.endpoints import Endpoint

_MESSAGE = re.compile(r"msg_([0-9]{1,18})_([0-9]{1,18})_([0-9]{1,18})")
_NO_ENDPOINT: Final = "There is no such endpoint."
_OFF: Final = "Its endpoint is switched off; switch it on first (`webhookEndpointUpdate`)."
_ADOPT: Final = "Send its `query`, too, to be told in the shop's own name."
_OFF_BY_HAND: Final = "It was switched off by hand."


@strawberry.type
class WebhookQueries:
    @strawberry.field(
        description="Where webhooks go, oldest first; at most 20.", directives=needs(Scope.WRITE_WEBHOOKS, points=5)
    )
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        return [endpoint_of(row) for row in await _endpoints(info)]

    @strawberry.field(
        description="What an endpoint was told in the last 14 days, the latest first; null when there is no such "
        "endpoint. 50 when neither `first` nor `last` is given, at most 250.",
        directives=needs(Scope.WRITE_WEBHOOKS),
    )
    async def webhook_deliveries(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        state: WebhookDeliveryState | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> WebhookDeliveryConnection | None:
        context, wanted = info.context, given(state)
        endpoint = await _endpoint(info, number_of(endpoint_id, "WebhookEndpoint", app="rebloom"))
        if endpoint is None:
            return None
        listing = Listing(context.shop.id, ("webhookDeliveries", str(endpoint.id), str(wanted)))
        page = page_of(listing, first, after, last, before)
        rows = await endpoints.deliveries_page(
            context.store.database, context.shop.id, endpoint.id, wanted and wanted.value, page
        )
        return connection(
            WebhookDeliveryConnection, listing, page, rows, lambda row: delivery_of(context.shop.id, row),
            lambda row: (row.number,),
        )  # fmt: skip


@strawberry.type
class WebhookMutations:
    @strawberry.mutation(
        description="Be told by webhook what comes true from now on. `query` is a subscription without variables, such "
        'as `subscription { stageChanged(to: ["departing"]) { to { key } customer { id } } }`, of what this credential '
        "may read.",
        directives=needs(Scope.WRITE_WEBHOOKS),
    )
    async def webhook_endpoint_create(self, info: Info, url: str, query: str) -> WebhookEndpointSecretPayload:
        from graphql_schema.webhooks.payloads import checked_query

        context = info.context
        fault = _url_fault(info, url)
        if fault:
            refused = user_error("url", fault, UserErrorCode.INVALID)
            return WebhookEndpointSecretPayload(endpoint=None, secret=None, user_errors=[refused])
        try:
            kind = await checked_query(context, query)
        except BadRequestError as error:
            refused = user_error("query", str(error), UserErrorCode.INVALID_QUERY)
            return WebhookEndpointSecretPayload(endpoint=None, secret=None, user_errors=[refused])
        try:
            endpoint, secret = await endpoints.create_endpoint(
                context.store, context.shop.id, url=url, query=query, kind=kind,
                scopes=frozenset(scope.value for scope in context.scopes), token_id=context.token_id,
                now=context.now_us,
            )  # fmt: skip
        except BadRequestError as error:
            refused = user_error(None, str(error), UserErrorCode.LIMIT_REACHED)
            return WebhookEndpointSecretPayload(endpoint=None, secret=None, user_errors=[refused])
        return WebhookEndpointSecretPayload(endpoint=endpoint_of(endpoint), secret=secret, user_errors=[])

    @strawberry.mutation(
        description="Change where an endpoint is or what it asks for, or switch it off or on; what happened while it "
        "was off is not told later.",
        directives=needs(Scope.WRITE_WEBHOOKS),
    )
    async def webhook_endpoint_update(
        self,
        info: Info,
        id: strawberry.ID,
        url: str | None = strawberry.UNSET,
        query: str | None = strawberry.UNSET,
        enabled: bool | None = strawberry.UNSET,
    ) -> WebhookEndpointPayload:
        from graphql_schema.webhooks.payloads import checked_query

        context, changes, errors = info.context, dict[str, Any](), []
        endpoint, refused = await _named(info, id)
        if endpoint is None:
            return WebhookEndpointPayload(endpoint=None, user_errors=refused)
        if given(url) is not None and given(url) != endpoint.url:
            changes["url"] = given(url)
            if fault := _url_fault(info, changes["url"]):
                errors.append(user_error("url", fault, UserErrorCode.INVALID))
        asks = given(query)
        if asks is not None and (asks, context.token_id) != (endpoint.query, endpoint.token_id):
            try:
                kind = await checked_query(context, asks)
                scopes = ",".join(sorted(scope.value for scope in context.scopes))
                changes |= {"query": asks, "kind": str(kind), "scopes": scopes, "token_id": context.token_id}
            except BadRequestError as error:
                errors.append(user_error("query", str(error), UserErrorCode.INVALID_QUERY))
        if given(enabled) is not None and given(enabled) is not (endpoint.disabled_at is None):
            changes |= {"disabled_at": None if given(enabled) else context.now_us, "disabled_why": _OFF_BY_HAND}
            if given(enabled) and await _is_orphan(info, endpoint.token_id if asks is None else context.token_id):
                errors.append(user_error("enabled", f"{endpoints.REVOKED} {_ADOPT}", UserErrorCode.INVALID))
        if errors:
            return WebhookEndpointPayload(endpoint=None, user_errors=errors)
        if changes:
            endpoint = await endpoints.change_endpoint(context.store, context.shop.id, endpoint.id, changes)
        return WebhookEndpointPayload(endpoint=endpoint_of(endpoint) if endpoint else None, user_errors=[])

    @strawberry.mutation(
        description="Tell an endpoint no more, and forget what it was told.", directives=needs(Scope.WRITE_WEBHOOKS)
    )
    async def webhook_endpoint_delete(self, info: Info, id: strawberry.ID) -> WebhookEndpointDeletePayload:
        endpoint, refused = await _named(info, id)
        if endpoint is None:
            return WebhookEndpointDeletePayload(deleted_endpoint_id=None, user_errors=refused)
        await endpoints.delete_endpoint(info.context.store, info.context.shop.id, endpoint.id)
        return WebhookEndpointDeletePayload(deleted_endpoint_id=id, user_errors=[])

    @strawberry.mutation(
        description="A new secret for an endpoint, shown this once; for a day the old one signs beside it.",
        directives=needs(Scope.WRITE_WEBHOOKS),
    )
    async def webhook_secret_rotate(self, info: Info, id: strawberry.ID) -> WebhookEndpointSecretPayload:
        context = info.context
        endpoint, refused = await _named(info, id)
        if endpoint is None:
            return WebhookEndpointSecretPayload(endpoint=None, secret=None, user_errors=refused)
        secret = await endpoints.rotate_secret(context.store, context.shop.id, endpoint.id, now=context.now_us)
        return WebhookEndpointSecretPayload(endpoint=endpoint_of(endpoint), secret=secret, user_errors=[])

    @strawberry.mutation(
        description="Send a delivery again, under the same `webhook-id`, whatever came of it.",
        directives=needs(Scope.WRITE_WEBHOOKS),
    )
    async def webhook_delivery_resend(self, info: Info, id: strawberry.ID) -> WebhookDeliveryPayload:
        context, found = info.context, _MESSAGE.fullmatch(id)
        delivery = endpoint = None
        if found and int(found[1]) == context.shop.id:
            endpoint = await _endpoint(info, int(found[2]))
        if found and endpoint is not None:
            if endpoint.disabled_at is not None:
                refused = user_error("id", _OFF, UserErrorCode.INVALID)
                return WebhookDeliveryPayload(delivery=None, user_errors=[refused])
            delivery = await endpoints.send_again(
                context.store, context.shop.id, int(found[2]), int(found[3]), now=context.now_us
            )
        if delivery is None:
            refused = user_error("id", "There is no such delivery any more.", UserErrorCode.NOT_FOUND)
            return WebhookDeliveryPayload(delivery=None, user_errors=[refused])
        await context.jobs.nudge("webhooks", context.shop.id)
        return WebhookDeliveryPayload(delivery=delivery_of(context.shop.id, delivery), user_errors=[])


async def _endpoints(info: Info) -> list[Endpoint]:
    """Those that the caller may see."""
    context = info.context
    return await endpoints.endpoints_of(context.store, context.shop.id, token_id=context.token_id)


async def _is_orphan(info: Info, token_id: int | None) -> bool:
    context = info.context
    return token_id is not None and await endpoints.is_revoked(context.store.database, context.shop.id, token_id)


async def _endpoint(info: Info, number: int) -> Endpoint | None:
    return next((each for each in await _endpoints(info) if each.id == number), None)


async def _named(info: Info, text: str) -> tuple[Endpoint | None, list[Any]]:
    """The endpoint, or what is wrong with its id."""
    try:
        number = number_of(text, "WebhookEndpoint", app="rebloom")
    except BadRequestError as error:
        return None, [user_error("id", str(error), UserErrorCode.INVALID)]
    endpoint = await _endpoint(info, number)
    return endpoint, [] if endpoint else [user_error("id", _NO_ENDPOINT, UserErrorCode.NOT_FOUND)]


def _url_fault(info: Info, url: str) -> str | None:
    return fault_of(url, loopback=info.context.loopback)
