"""The web app, put together from arguments: nothing opens at import, nothing is patched in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from graphql_schema.context import JobQueue
from graphql_schema.registered import trusted_documents
from graphql_schema.server import graphql_routes
from graphql_schema.webhooks.payloads import QueryPayloads
from plugin.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    RebloomError,
    ShopAccessError,
    ShopUnavailableError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
)
from plugin.feed import Feed
from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.jobs.liveness import BEAT
from plugin.jobs.queue import Jobs
from plugin.ledger.migrate import migrate
from plugin.ledger.store import open_store
from plugin.ledger.trouble import come_again
from plugin.log import request_id
from plugin.outgoing.sending import Outgoing, Sender
from plugin.settings import Settings
from plugin.shops import Clock, utc_now
from plugin.web import health, install, pages, touchpoints, webhooks
from plugin.web.guard import Guard, retry_after

_STATUS: dict[type[RebloomError], int] = {
    BadRequestError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    TooManyRequestsError: 429,
    ShopAccessError: 403,
    ShopUnavailableError: 503,
    UnavailableError: 503,
}
_log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    now: Clock = utc_now,
    transport: httpx.AsyncBaseTransport | None = None,
    with_worker: bool = True,
    beat_every: float = BEAT,
) -> Starlette:
    """Rebloom as an ASGI app. `transport` replaces the network to shops; `with_worker` False only puts jobs in.
    `beat_every`: seconds between two heartbeats of a worker, the same in every process."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await migrate(settings.database_url)
        async with open_store(settings) as store:
            jobs = Jobs(settings.database_url, store.database, runs=with_worker, every=beat_every)
            gateways = Gateways(settings, store, now=now, transport=transport)
            handlers = Handlers(
                settings, store, gateways, jobs, now, settle_in=lambda shop_id: install.settle(app.state, shop_id),
                outgoing=Outgoing(
                    store, Sender(settings.loopback_shops), QueryPayloads(store, cast("JobQueue", jobs), now), now
                ),
            )  # fmt: skip
            app.state.settings, app.state.store, app.state.now = settings, store, now
            app.state.jobs, app.state.gateways = jobs, gateways
            app.state.feed = Feed(store.database)
            app.state.pulse = health.Pulse(expected=with_worker)
            await jobs.start(handlers.by_kind(), app.state.pulse.around(handlers.tick))
            try:
                yield
            finally:
                await app.state.feed.close()
                await jobs.stop()
                await gateways.close()

    graphql = graphql_routes(trusted=trusted_documents(settings.documents, settings.trusted_only))
    return Starlette(
        lifespan=lifespan,
        routes=[*pages.routes, *install.routes, *webhooks.routes, *touchpoints.routes, *graphql, *health.routes],
        middleware=[Middleware(Guard)],
        exception_handlers={RebloomError: _refused, HTTPException: _http_error},
    )


def error_body(code: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": message, "requestId": request_id()}}


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RebloomError):
        raise error
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    headers = {"X-Shopify-Retry-Invalid-Session-Request": "1"} if status == 401 else {}  # noqa: PLR2004 - HTTP's own
    if status == 503:  # noqa: PLR2004
        headers["Retry-After"] = retry_after(come_again(error) or 5.0)
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = retry_after(error.after)
    message = str(error)
    if status == 500:  # noqa: PLR2004
        message = "Something went wrong on our side."
        _log.error("request failed", error=type(error).__name__, code=error.code, why=str(error))
    return JSONResponse(error_body(error.code, message), status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = error.detail
    if error.status_code == 404:  # noqa: PLR2004 - HTTP's own
        message = f"Nothing answers at {request.url.path[:200]}; the merchant's page is at /, the API at /graphql."
    return JSONResponse(error_body("HTTP", message), status_code=error.status_code, headers=error.headers)
