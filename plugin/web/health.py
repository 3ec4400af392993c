"""Is it alive, is it ready, and how is it doing: for load balancers and dashboards. No personal data, no shop names."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_READY_WITHIN = 3.0  # seconds


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The database answers, too; 503 with Retry-After when it does not."""
    try:
        async with asyncio.timeout(_READY_WITHIN):
            await request.app.state.store.database.fetch("SELECT 1")
    except Exception as error:  # noqa: BLE001 - whatever the driver raises means the same here
        return JSONResponse(
            {"status": "unavailable", "database": type(error).__name__}, status_code=503, headers={"Retry-After": "5"}
        )
    return JSONResponse({"status": "ready"})


async def metrics(request: Request) -> Response:
    """Prometheus text, counted from the ledger at each scrape."""
    database = request.app.state.store.database
    registry = CollectorRegistry()
    inbox = Gauge("rebloom_inbox_deliveries", "Deliveries by state.", ["state"], registry=registry)
    for state, count in await database.fetch("SELECT state, count(*) FROM inbox /* every shop */ GROUP BY state"):
        inbox.labels(state).set(count)
    shops = Gauge("rebloom_shops", "Installations by status.", ["status"], registry=registry)
    for status, count in await database.fetch("SELECT status, count(*) FROM shops GROUP BY status"):
        shops.labels(status).set(count)
    rows = Gauge(
        "rebloom_ledger_rows", "Rows held, all shops together, as of their last sync.", ["kind"], registry=registry
    )
    for customers, orders, products in await database.fetch(
        "SELECT coalesce(sum(customers), 0), coalesce(sum(orders), 0), coalesce(sum(products), 0) "
        "FROM sync_states /* every shop */"
    ):
        for kind, count in (("customers", customers), ("orders", orders), ("products", products)):
            rows.labels(kind).set(count)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
