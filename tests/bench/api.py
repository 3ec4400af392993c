"""The API over HTTP, one worker, each figure beside its floor of the same run.

- A page of 50 customers with stage, reasons, segments and tags, against a bare Starlette endpoint that sends the same
  statements and writes the same answer with orjson; by turns, four connections. Rates by the clock, and by the server's
  own processor time, which other work on the machine does not change.
- Offers of viewers of the storefront, each request another viewer, at 200 requests a second whether or not earlier ones
  are answered, and at half as many; the rate of four connections tells what one worker can do. What the guard refused as
  too much at once is a figure of its own and no part of the times.
- The attacks of `api_attacks.py`: the longest answer; how nested fragments grow from 10 to 40 levels.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import httpx
import orjson

from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store, open_store
from plugin.lifecycle.offers import fit_offers
from plugin.log import configure_logging
from plugin.partners import SCOPES, create_token
from plugin.settings import read_settings
from plugin.web.app import create_app
from tests.bench.api_attacks import BODIES, DOCUMENTS, nested_fragments
from tests.bench.api_server import PAGE
from tests.bench.grown_shop import NOW, PRODUCTS, grow, grow_profiles
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database
from tests.conftest import ENVIRONMENT
from tests.support.load import Reply, closed_loop, connected, open_loop, post
from tests.support.platform_requests import SHOP, proxy_params, proxy_query
from tests.support.shops import install_shop
from tests.support.small_shop import put, stock

GOAL: Final = 0.5
CUSTOMERS: Final = 4_000
_SEGMENTS: Final = 12
_AT_ONCE: Final = 4
_ROUNDS: Final = 3
_PAGES: Final = 60  # a round
_PER_TOKEN: Final = 12  # pages, so that no token's bucket runs dry
_VIEWERS: Final = 600  # of one rate
_MANY: Final = 64  # connections where requests do not wait for each other
_GROWTH: Final = 8.0  # of 10 to 40 levels of nested fragments, at most
_REPEATS: Final = 15
_PATIENCE: Final = 30.0  # seconds a server has to start
_REASON: Final = '[{"measure":"days_since_last_order","value":"91","operator":">=","threshold":"90 (lapse_days)"}]'
_OFFERS: Final = "{ viewer { offers(first: 3) { id kind title products { because product { id } } } } }"


@dataclass(slots=True)
class _Recorder:
    """A database that keeps its reads with what was bound."""

    inner: Any
    reads: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def fetch(self, sql: str, *params: Any) -> Any:
        self.reads.append((sql, params))
        return await self.inner.fetch(sql, *params)


@dataclass(frozen=True, slots=True)
class _Server:
    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Used so far, by itself and the system for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(options: Options) -> list[Figure]:
    configure_logging(level="ERROR")
    figures = []
    for name in ("sqlite", "postgres") if options.postgres else ("sqlite",):
        url = (await new_database(options, name)).replace("sqlite://", "sqlite:///")
        tokens = await _shop(url)
        statements = options.folder / f"api-{name}.json"
        statements.write_bytes(orjson.dumps(await _recorded(url, tokens[0])))
        async with _serving("ours", url) as ours, _serving("bare", url, str(statements)) as bare:
            figures += await _pages(name, ours, bare, tokens)
            figures += await _offers(name, ours)
            if name == "sqlite":  # what is refused reads nothing
                figures += await _attacks(ours, tokens[-1])
    return figures


async def _shop(url: str) -> list[str]:
    """Shop 1 with customers, orders, segments and fitted recommendations; tokens of partners who may read everything."""
    async with open_store(read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url})) as store:
        shop = await install_shop(SHOP)
        await stock(store.database, *range(1, PRODUCTS + 1))
        await grow(store, CUSTOMERS)
        await grow_profiles(store)
        await _classify(store)
        await fit_offers(store, shop, now=datetime.fromtimestamp(NOW / 1e6, UTC))
        count = (_ROUNDS * _PAGES) // _PER_TOKEN + 2
        now = datetime.now(UTC)
        return [(await create_token(store, shop.id, f"bench {n}", SCOPES, now))[0] for n in range(count)]


async def _classify(store: Store) -> None:
    """Everybody has a reason, and is in some of the segments, of which half have tags."""
    await store.database.execute(
        "UPDATE placements SET because = $1, rung = CASE stage WHEN 'departing' THEN 1 END WHERE shop_id = 1", _REASON
    )
    segments = [{"id": n, "name": f"Segment {n}", "tag": f"s{n}" if n % 2 else None} for n in range(1, _SEGMENTS + 1)]
    await put(store.database, "segments", segments)
    for number in range(1, _SEGMENTS + 1):
        await store.database.execute(
            "INSERT INTO segment_members (shop_id, segment_id, customer_id, joined_at)"
            " SELECT 1, $1, customer_id, 0 FROM profiles WHERE shop_id = 1 AND customer_id % $2 = 0",
            number,
            1 + number // 3,
        )
    await refresh_statistics(store.database, "placements", "segments", "segment_members")


async def _recorded(url: str, token: str) -> list[tuple[str, tuple[Any, ...]]]:
    """What the app reads for the page, the credential apart."""
    app = create_app(read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url}), with_worker=False)
    async with app.router.lifespan_context(app):
        recorder = _Recorder(app.state.store.database)
        app.state.store = replace(app.state.store, database=recorder)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            reply = await client.post("/graphql", json={"query": PAGE}, headers={"Authorization": f"Bearer {token}"})
            reply.raise_for_status()
    return [(sql, params) for sql, params in recorder.reads if "partner_tokens" not in sql]


@asynccontextmanager
async def _serving(what: str, url: str, *more: str) -> AsyncIterator[_Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.api_server", what, url, str(port), *more
    )
    try:
        await _started(process, port)
        yield _Server(port, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _started(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise RuntimeError("a server of the API benchmark did not start")


async def _pages(name: str, ours: _Server, bare: _Server, tokens: Sequence[str]) -> list[Figure]:
    asked = [post("/graphql", {"query": PAGE}, Authorization=f"Bearer {token}") for token in tokens]
    wall: dict[str, list[float]] = {"ours": [], "bare": []}
    busy: dict[str, float] = {"ours": 0.0, "bare": 0.0}
    waits: dict[str, list[float]] = {"ours": [], "bare": []}
    async with connected(ours.port, _AT_ONCE) as to_ours, connected(bare.port, _AT_ONCE) as to_bare:
        alike = [(await to[0].ask(asked[-1])).data() for to in (to_ours, to_bare)]
        if alike[0] != alike[1]:
            raise RuntimeError("the bare endpoint of the API benchmark answers another page than the app")
        for number in range(_ROUNDS):
            requests = [asked[(number * _PAGES + n) // _PER_TOKEN] for n in range(_PAGES)]
            for what, server, to in (("bare", bare, to_bare), ("ours", ours, to_ours)):
                used, began = server.processor_seconds(), time.perf_counter()
                replies = await closed_loop(to, requests)
                wall[what].append(_PAGES / (time.perf_counter() - began))
                busy[what] += server.processor_seconds() - used
                for reply in replies:
                    reply.data()
                    waits[what].append(reply.seconds)
    all_pages = _PAGES * _ROUNDS
    return [
        Figure(
            name=f"page of 50 customers, {name}", value=median(wall["ours"]), unit="requests/s",
            floor=median(wall["bare"]), goal=GOAL,
        ),
        Figure(
            name=f"page of 50 customers, {name}: by processor time", value=all_pages / busy["ours"],
            unit="requests/processor s", floor=all_pages / busy["bare"], goal=GOAL,
        ),
        Figure(name=f"page of 50 customers, {name}: p50", value=_ms(waits["ours"], 50), unit="ms", floor=_ms(waits["bare"], 50)),
        Figure(name=f"page of 50 customers, {name}: p99", value=_ms(waits["ours"], 99), unit="ms", floor=_ms(waits["bare"], 99)),
    ]  # fmt: skip


async def _offers(name: str, ours: _Server) -> list[Figure]:
    figures = []
    async with connected(ours.port, _MANY) as many:
        began = time.perf_counter()
        shown = [reply.data() for reply in await closed_loop(many[:_AT_ONCE], [_viewed(n) for n in range(1, _VIEWERS)])]
        rate = len(shown) / (time.perf_counter() - began)
        if not any(each["viewer"]["offers"] for each in shown):
            raise RuntimeError("nobody has an offer in the shop of the API benchmark")
        figures.append(Figure(name=f"offers of a viewer, {name}", value=rate, unit="requests/s"))
        for turn, wanted in enumerate((100, 200), 1):
            requests = [_viewed(turn * _VIEWERS + n) for n in range(_VIEWERS)]
            figures += _under_load(
                f"offers of a viewer, {name}, at {wanted}/s", await open_loop(many, requests, wanted)
            )
    return figures


def _under_load(name: str, replies: Sequence[Reply]) -> list[Figure]:
    answered = [reply for reply in replies if reply.status != 503]
    for reply in answered:
        reply.data()
    refused = 100 * (len(replies) - len(answered)) / len(replies)
    waits = [reply.seconds for reply in answered]
    return [
        Figure(name=f"{name}: p50", value=_ms(waits, 50), unit="ms"),
        Figure(name=f"{name}: p99", value=_ms(waits, 99), unit="ms"),
        Figure(name=f"{name}: refused", value=refused, unit="%"),
    ]


def _viewed(customer: int) -> bytes:
    query = proxy_query(proxy_params(str(customer), timestamp=str(int(time.time()))))
    return post(f"/storefront/graphql?{query}", {"query": _OFFERS})


async def _attacks(ours: _Server, token: str) -> list[Figure]:
    bodies = {name: orjson.dumps({"query": text}) for name, text in DOCUMENTS.items()} | dict(BODIES)
    took: dict[str, float] = {}
    async with connected(ours.port, 1) as [connection]:

        async def asked(body: bytes) -> float:
            reply = await connection.ask(post("/graphql", body, Authorization=f"Bearer {token}"))
            if reply.status >= 500:
                raise RuntimeError(f"an attack was answered with {reply.status}")
            return reply.seconds

        for name, body in bodies.items():
            took[name] = median([await asked(body) for _ in range(3)])
        levels: dict[int, list[float]] = {10: [], 40: []}
        for _ in range(_REPEATS):
            for count, seconds in levels.items():
                seconds.append(await asked(orjson.dumps({"query": nested_fragments(count)})))
    worst = max(took, key=lambda name: took[name])
    growth = median(levels[40]) / median(levels[10])
    return [
        Figure(name=f"attacks ({len(took)}): longest answer, {worst}", value=took[worst] * 1_000, unit="ms"),
        Figure(
            name=f"attacks: room below {_GROWTH:g}x from 10 to 40 levels of nested fragments (here {growth:.2f}x)",
            value=_GROWTH, unit="x", floor=growth, goal=1.0,
        ),
    ]  # fmt: skip


def _ms(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1] * 1_000
