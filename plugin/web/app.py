"""The web app, put together from arguments: nothing opens at import, nothing is patched in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from graphql_schema.server import routes as graphql_routes
from plugin.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    RebloomError,
    ShopAccessError,
    ShopUnavailableError,
    UnauthenticatedError,
    UnavailableError,
)
from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.jobs.queue import Jobs
from plugin.ledger.migrate import migrate
from plugin.ledger.store import open_store
from plugin.settings import Settings
from plugin.shops import Clock, utc_now
from plugin.web import health, install, pages, touchpoints, webhooks

_STATUS: dict[type[RebloomError], int] = {
    BadRequestError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
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
) -> Starlette:
    """Rebloom as an ASGI app. `transport` replaces the network to shops; `with_worker` False only puts jobs in."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await migrate(settings.database_url)
        async with open_store(settings) as store:
            jobs = Jobs(settings.database_url, store.database, runs=with_worker)
            gateways = Gateways(settings, store, now=now, transport=transport)
            handlers = Handlers(
                settings, store, gateways, jobs, now, settle_in=lambda shop_id: install.settle_in(app.state, shop_id)
            )
            app.state.settings, app.state.store, app.state.now = settings, store, now
            app.state.jobs, app.state.gateways = jobs, gateways
            await jobs.start(handlers.by_kind(), handlers.tick)
            try:
                yield
            finally:
                await jobs.stop()
                await gateways.close()

    return Starlette(
        lifespan=lifespan,
        routes=[*pages.routes, *install.routes, *webhooks.routes, *touchpoints.routes, *graphql_routes, *health.routes],
        exception_handlers={RebloomError: _refused, HTTPException: _http_error, Exception: _our_trouble},
    )


def error_body(code: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": message}}


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RebloomError):
        raise error
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    headers = {"X-Shopify-Retry-Invalid-Session-Request": "1"} if status == 401 else {}  # noqa: PLR2004 - HTTP's own
    if status == 503:  # noqa: PLR2004
        headers["Retry-After"] = "5"
    message = str(error) if status != 500 else "Something went wrong on our side."  # noqa: PLR2004
    return JSONResponse(error_body(error.code, message), status_code=status, headers=headers)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse(error_body("HTTP", error.detail), status_code=error.status_code, headers=error.headers)


async def _our_trouble(request: Request, error: Exception) -> Response:
    _log.error("request failed", path=request.url.path, error=type(error).__name__)
    return JSONResponse(error_body("INTERNAL", "Something went wrong on our side."), status_code=500)
