"""The doors from outside as a small app of their own, before a scripted shop and beside jobs that are only noted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plugin.errors import UnauthenticatedError
from plugin.installations import Gateways
from plugin.ledger.store import Store
from plugin.settings import Settings
from plugin.shops import Clock
from plugin.web import install, webhooks
from plugin.web.proxy import authenticate_proxy
from plugin.web.sessions import RETRY_HEADERS, authenticate
from tests.support.platform_requests import NOW, callback_params, install_query
from tests.support.scripted_shop import FakeTime


class NotedJobs:
    """`jobs.enqueue` that only remembers, and fails when told to."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int]] = []
        self.broken = False

    async def enqueue(self, kind: str, shop_id: int, **arguments: object) -> None:
        if self.broken:
            raise RuntimeError("the queue is away")
        self.noted.append((kind, shop_id))

    async def nudge(self, kind: str, shop_id: int) -> None:
        await self.enqueue(kind, shop_id)

    def riding(self, *_: object) -> None:
        """Nothing rides in the row's transaction, as on SQLite."""


async def _whoami(request: Request) -> Response:
    caller = await authenticate(request)
    return JSONResponse(
        {"shop": caller.shop.domain, "kind": caller.kind, "scopes": sorted(caller.scopes), "user": caller.user}
    )


async def _viewer(request: Request) -> Response:
    viewer = await authenticate_proxy(request)
    return JSONResponse({"shop": viewer.shop.domain, "customer": viewer.customer_id})


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=401, headers=RETRY_HEADERS)


@dataclass
class Doors:
    """A browser's way in. `http` keeps cookies as a browser does."""

    app: Starlette
    http: httpx.AsyncClient
    store: Store
    jobs: NotedJobs
    time: FakeTime

    async def begin(self, shop: str) -> str:
        """The `state` of a begun installation."""
        response = await self.http.get("/auth", params={"shop": shop})
        assert response.status_code == 302, response.text
        return parse_qs(urlsplit(response.headers["location"]).query)["state"][0]

    async def callback(self, query: str) -> httpx.Response:
        return await self.http.get(f"/auth/callback?{query}")

    async def installed(self, shop: str) -> httpx.Response:
        """Installed the whole way, for tests of what comes after."""
        return await self.callback(install_query(callback_params(await self.begin(shop), shop=shop)))

    async def rows(self, table: str) -> list[tuple[Any, ...]]:
        assert re.fullmatch(r"[a-z_]+", table)
        return await self.store.database.fetch(f"SELECT * FROM {table} /* every shop */")


@asynccontextmanager
async def open_doors(
    settings: Settings, store: Store, shop: httpx.AsyncBaseTransport, now: Clock | None = None
) -> AsyncIterator[Doors]:
    jobs, time = NotedJobs(), FakeTime()
    clock: Clock = now or (lambda: NOW)
    routes = [
        *install.routes,
        *webhooks.routes,
        Route("/whoami", _whoami, methods=["GET", "POST"]),
        Route("/viewer", _viewer),
    ]
    app = Starlette(routes=routes, exception_handlers={UnauthenticatedError: _refused})
    gateways = Gateways(settings, store, clock, transport=shop, pace=time.pace())
    app.state.settings, app.state.store, app.state.now = settings, store, clock
    app.state.gateways, app.state.jobs = gateways, jobs
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
        yield Doors(app, http, store, jobs, time)
    await gateways.close()


async def uninstalled(store: Store, shop_id: int) -> None:
    """As the delivery of `app/uninstalled` leaves the row."""
    await store.database.execute(
        "UPDATE shops SET status = 'uninstalled', access_token = NULL, refresh_token = NULL WHERE id = $1", shop_id
    )
