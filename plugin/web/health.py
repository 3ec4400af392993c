"""Is it alive, is it ready, and how is it doing: for load balancers and dashboards. No personal data, no shop names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plugin.domain.instants import to_us
from plugin.errors import EncryptionError
from plugin.jobs.watch import depths, workers_alive
from plugin.ledger.migrate import missing_migrations
from plugin.ledger.store import check_key
from plugin.metrics import REGISTRY

_WITHIN: Final = 3.0  # seconds for what asks the database
_FRESH: Final = 5.0  # seconds for which a scrape's counts are kept: many scrapers, one reading
_STALLED: Final = 180.0  # seconds without a tick, which comes every minute
_INBOX: Final = ("new", "set_aside")
_log = structlog.get_logger(__name__)
_Gauges: TypeAlias = list[tuple[str, str, dict[str, float]]]  # name, what it is, value by label


class Pulse:
    """Whether the jobs of this process still tick. `expected` False: none are taken here."""

    def __init__(self, *, expected: bool) -> None:
        self.expected = expected
        self._last = time.monotonic()

    def around(self, tick: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def ticked() -> None:
            self._last = time.monotonic()
            await tick()

        return ticked

    @property
    def beats(self) -> bool:
        return time.monotonic() - self._last < _STALLED


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Each check with a code, `ok` or what is wrong; 503 with Retry-After unless all that this process needs is well.
    A web process without a worker inside is ready without any: deliveries are then kept for later."""
    state = request.app.state
    checks: dict[str, str] = {"database": "ok"}
    try:
        async with asyncio.timeout(_WITHIN):
            await state.store.database.fetch("SELECT 1")
            checks["migrations"] = "behind" if await missing_migrations(state.store.database) else "ok"
            checks["key"] = await _key(state)
            checks["jobs"] = await _jobs(state)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises means the same here
        _log.warning("not ready", error=type(error).__name__)
        checks["database"] = "unreachable"
    wrong = [name for name, code in checks.items() if code not in {"ok", "none"}]
    if wrong:
        body = {"status": "unavailable", "checks": checks}
        return JSONResponse(body, status_code=503, headers={"Retry-After": "5"})
    return JSONResponse({"status": "ready", "checks": checks})


async def _key(state: Any) -> str:  # noqa: ANN401 - Starlette's State is untyped
    try:
        await check_key(state.store.database, state.store.vault)
    except EncryptionError:
        return "mismatch"
    return "ok"


async def _jobs(state: Any) -> str:  # noqa: ANN401
    pulse: Pulse = state.pulse
    if state.store.database.dialect == "postgres":
        if await workers_alive(state.store.database):
            return "ok"
        return "stalled" if pulse.expected else "none"
    return "none" if not pulse.expected else "ok" if pulse.beats else "stalled"


async def metrics(request: Request) -> Response:
    """Prometheus text: this process's counters, and what the database says of all of them together."""
    state = request.app.state
    kept: _Kept = getattr(state, "kept_gauges", None) or _Kept()
    state.kept_gauges = kept
    registry = CollectorRegistry()
    up = Gauge("rebloom_database_up", "1 when the database answered this scrape in time.", registry=registry)
    try:
        for name, what, values in await kept.read(state):
            gauge = Gauge(name, what, ["kind"] if "" not in values else [], registry=registry)
            for label, value in values.items():
                (gauge.labels(label) if label else gauge).set(value)
        up.set(1)
    except Exception as error:  # noqa: BLE001 - the counters are worth having without the database
        _log.warning("gauges not read", error=type(error).__name__)
    return Response(generate_latest(REGISTRY) + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Kept:
    """The gauges of the last few seconds. One reading at a time, with a deadline."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._gauges: _Gauges = []
        self._until = 0.0

    async def read(self, state: Any) -> _Gauges:  # noqa: ANN401
        async with asyncio.timeout(_WITHIN), self._lock:
            if time.monotonic() >= self._until:
                self._gauges = [*await _ledger_gauges(state), *await _job_gauges(state)]
                self._until = time.monotonic() + _FRESH
        return self._gauges


async def _ledger_gauges(state: Any) -> _Gauges:  # noqa: ANN401
    database, now = state.store.database, to_us(state.now())
    # Not the deliveries that are done: they are many, and say nothing of what waits.
    inbox = await database.fetch(
        "SELECT state, count(*), min(received_at) FROM inbox /* every shop */ WHERE state IN ('new', 'set_aside')"
        " GROUP BY state"
    )
    shops = await database.fetch("SELECT status, count(*) FROM shops GROUP BY status")
    phases = await database.fetch("SELECT phase, count(*) FROM sync_states /* every shop */ GROUP BY phase")
    ((customers, orders, products, stalest),) = await database.fetch(
        "SELECT coalesce(sum(customers), 0), coalesce(sum(orders), 0), coalesce(sum(products), 0), min(fresh_as_of)"
        " FROM sync_states /* every shop */"
    )
    pushes = await database.fetch("SELECT phase, count(*) FROM push_runs /* every shop */ GROUP BY phase")
    return [
        ("rebloom_inbox_deliveries", "Deliveries waiting and set aside.", _counted(inbox, of=_INBOX)),
        ("rebloom_inbox_oldest_seconds", "Age of the oldest of them.", _ages(inbox, now)),
        ("rebloom_shops", "Installations by status.", _counted(shops)),
        ("rebloom_syncs", "Shops by the phase of their latest copy.", _counted(phases)),
        ("rebloom_push_runs", "Shops by the phase of their latest tag push.", _counted(pushes)),
        (
            "rebloom_ledger_rows", "Rows held, all shops together, as of their last sync.",
            {"customers": float(customers), "orders": float(orders), "products": float(products)},
        ),
        ("rebloom_stalest_copy_seconds", "Age of the oldest copy of a shop.", {"": _age(stalest, now)}),
    ]  # fmt: skip


async def _job_gauges(state: Any) -> _Gauges:  # noqa: ANN401
    found = await depths(state.settings, state.store.database)
    now_ms = time.time() * 1_000
    gauges: _Gauges = [
        ("rebloom_jobs", "Jobs by state.", _counted([(d.state, d.jobs) for d in found], of=("waiting", "running"))),
        (
            "rebloom_jobs_oldest_seconds", "Age of the oldest job in each state.",
            {d.state: max(0.0, (now_ms - d.oldest_ms) / 1_000) for d in found},
        ),
    ]  # fmt: skip
    if state.store.database.dialect == "postgres":
        alive = float(await workers_alive(state.store.database))
        gauges.append(("rebloom_workers", "Processes that take jobs and said so lately.", {"": alive}))
    return gauges


def _counted(rows: Iterable[tuple[Any, ...]], of: tuple[str, ...] = ()) -> dict[str, float]:
    return {**dict.fromkeys(of, 0.0), **{str(row[0]): float(row[1]) for row in rows}}


def _ages(rows: Iterable[tuple[Any, ...]], now: int) -> dict[str, float]:
    ages: Mapping[str, float] = {str(state): _age(oldest, now) for state, _, oldest in rows}
    return {**dict.fromkeys(_INBOX, 0.0), **ages}


def _age(instant: int | None, now: int) -> float:
    return 0.0 if instant is None else max(0.0, (now - instant) / 1_000_000)


routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
