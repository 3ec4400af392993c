"""Webhooks acknowledged after they are durable, against a bare endpoint that does one insert of the same bytes in the
same database; the slowest of a hundred acknowledgements; and the time from an acknowledgement to the customer's stage.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.shopify.oauth import TokenGrant
from plugin.installations import store_installation
from plugin.ledger import push_records
from plugin.ledger.store import Store
from plugin.log import configure_logging
from plugin.settings import Settings, read_settings
from plugin.web.app import create_app
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database
from tests.conftest import ENVIRONMENT
from tests.support.platform_requests import SHOP, webhook_headers
from tests.support.scripted_shop import ScriptedShop
from tests.support.shops import copied

GOAL: Final = 0.25
_POSTS: Final = 400  # a round
_ROUNDS: Final = 3  # ours and the bare one by turns
_AT_ONCE: Final = 16
_STAGES: Final = 8
_PATIENCE: Final = 30.0
_GRANT: Final = TokenGrant(
    access_token="shpat_1", scopes=frozenset(), access_expires_at=None, refresh_token=None, refresh_expires_at=None
)


async def run(options: Options) -> list[Figure]:
    configure_logging(level="ERROR")
    figures = []
    for name in ("sqlite", "postgres") if options.postgres else ("sqlite",):
        settings = read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": _url(await new_database(options, name))})
        app = create_app(settings, transport=ScriptedShop())
        async with app.router.lifespan_context(app):
            figures += await _measured(name, app, settings)
    return figures


def _url(url: str) -> str:
    """As a setting says it: SQLite's with three slashes before the path."""
    return url.replace("sqlite://", "sqlite:///", 1) if url.startswith("sqlite:") else url


async def _measured(name: str, app: Starlette, settings: Settings) -> list[Figure]:
    store: Store = app.state.store
    await asyncio.sleep(1)  # the worker's first look at its shops is over: it would begin a copy of this one
    shop_id = await store_installation(store, SHOP, _GRANT, datetime.now(UTC))
    await copied(store, shop_id, now=datetime.now(UTC))
    await push_records.withdraw(store.database, shop_id, at=0)  # the scripted shop takes no push
    bare = _bare(store, shop_id)
    waits: list[float] = []
    async with _client(app) as ours, _client(bare) as theirs:
        rounds = [
            (await _rate(theirs, f"bare{number}", None), await _rate(ours, f"ours{number}", waits))
            for number in range(_ROUNDS)
        ]
        stages = [await _to_stage(ours, store, shop_id, 1_000_000 + number) for number in range(_STAGES)]
    rate, floor = median(ours for _, ours in rounds), median(theirs for theirs, _ in rounds)
    slow = quantiles(waits, n=100)[98]
    return [
        Figure(name=f"webhooks acknowledged, {name}", value=rate, unit="deliveries/s", floor=floor, goal=GOAL),
        Figure(name=f"webhooks, {name}: p99 of {_AT_ONCE} at once", value=slow * 1_000, unit="ms"),
        Figure(name=f"webhooks, {name}: from acknowledged to staged", value=median(stages), unit="s"),
    ]


def _client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


def _bare(store: Store, shop_id: int) -> Starlette:
    """One insert, and the answer."""

    async def insert(request: Request) -> Response:
        body = (await request.body()).decode()
        await store.database.execute(
            "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, received_at, state, attempts)"
            " VALUES ($1, $2, '', 'bare', $3, 0, 'done', 0)",
            shop_id,
            request.headers["x-shopify-webhook-id"],
            body,
        )
        return Response()

    return Starlette(routes=[Route("/webhooks", insert, methods=["POST"])])


async def _rate(client: httpx.AsyncClient, mark: str, waits: list[float] | None) -> float:
    """Deliveries a second, of a topic that leaves nothing to do afterwards."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def post(number: int) -> None:
        async with gate:
            began = time.perf_counter()
            await _post(client, "locations/update", {"id": number, "name": "x" * 1_500}, f"{mark}-{number}")
            if waits is not None:
                waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(post(number) for number in range(_POSTS)))
    return _POSTS / (time.perf_counter() - began)


async def _post(client: httpx.AsyncClient, topic: str, content: Any, webhook_id: str) -> None:
    body = json.dumps(content).encode()
    headers = webhook_headers(body, topic=topic, **{"X-Shopify-Webhook-Id": webhook_id})
    (await client.post("/webhooks", content=body, headers=headers)).raise_for_status()


async def _to_stage(client: httpx.AsyncClient, store: Store, shop_id: int, number: int) -> float:
    at = datetime.now(UTC).replace(microsecond=0).isoformat()
    told = {"id": number, "created_at": at, "updated_at": at, "first_name": "Ada", "state": "enabled"}
    await _post(client, "customers/update", told, f"stage-{number}")
    began = time.perf_counter()

    async def placed() -> bool:
        return bool(
            await store.database.fetch(
                "SELECT 1 FROM placements WHERE shop_id = $1 AND customer_id = $2", shop_id, number
            )
        )

    await _until(placed)
    return time.perf_counter() - began


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not await true():  # noqa: ASYNC110 - the worker tells nobody when it is done
            await asyncio.sleep(0.02)
