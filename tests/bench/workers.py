"""One, two and four `rebloom worker` processes on one PostgreSQL: deliveries of several shops applied and their customers
placed a second; the same beside a shop that is down; and how soon the work of a killed worker goes on. The database
takes its share of the same cores, so on two of them more workers cannot be twice as fast as one.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from integrations.shopify.oauth import TokenGrant
from plugin.domain.instants import to_us
from plugin.installations import store_installation
from plugin.jobs.liveness import BEAT
from plugin.jobs.queue import Jobs
from plugin.ledger import push_records
from plugin.ledger.database import Upsert
from plugin.ledger.store import Store, open_store
from plugin.log import configure_logging
from plugin.settings import read_settings
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database
from tests.conftest import ENVIRONMENT
from tests.support.processes import started, until
from tests.support.shops import copied

SHOPS: Final = 8
DELIVERIES: Final = 300  # of each shop: a customer and an order by turns
NO_SLOWER: Final = 0.9
NO_DEARER: Final = 0.8
TAKEN_OVER_WITHIN: Final = 30.0  # seconds
_PATIENCE: Final = 120.0
_FIRST_LOOK: Final = 3.0
_INBOX: Final = Upsert(
    table="inbox",
    columns=("shop_id", "webhook_id", "domain", "topic", "sealed_body", "received_at", "state", "attempts"),
    key=("shop_id", "webhook_id"),
)
_GRANT: Final = TokenGrant(
    access_token="shpat_1", scopes=frozenset(), access_expires_at=None, refresh_token=None, refresh_expires_at=None
)
_NOBODY: Final = "http://127.0.0.1:9/{shop}"  # refuses every connection


async def run(options: Options) -> list[Figure]:
    if options.postgres is None:
        return []
    configure_logging(level="ERROR")
    cores = os.cpu_count() or 1
    # By turns, the better of two each: other work on the machine meets both.
    turns = [(await _rate(options, 1), await _rate(options, 1, down=True)) for _ in range(2)]
    alone, beside = max(each for each, _ in turns), max(each for _, each in turns)
    figures = []
    for workers in (1, 2, 4):
        rate = alone if workers == 1 else await _rate(options, workers)
        name = f"{workers} worker{'s' if workers > 1 else ''} and PostgreSQL on {cores} cores, {SHOPS} shops"
        figures += [
            Figure(name=name, value=rate.wall, unit="deliveries/s", floor=alone.wall),
            Figure(
                name=f"{name}: by the workers' own processor time", value=rate.processor, unit="deliveries/s",
                floor=alone.processor, goal=NO_DEARER,
            ),
        ]  # fmt: skip
    return [
        *figures,
        Figure(
            name="1 worker beside a shop that is down", value=beside.wall, unit="deliveries/s", floor=alone.wall,
            goal=NO_SLOWER,
        ),
        Figure(
            name=f"a killed worker's jobs go on: as often a second as {TAKEN_OVER_WITHIN:.0f} s are",
            value=1 / await _taken_over(options), unit="1/s", floor=1 / TAKEN_OVER_WITHIN, goal=1.0,
        ),
    ]  # fmt: skip


class _Rate(NamedTuple):
    """Deliveries a second of the wall's, and of the workers' processor time: the latter is the same for one worker and
    for many as long as they do not get into each other's way, however busy the machine is."""

    wall: float
    processor: float


async def _rate(options: Options, workers: int, *, down: bool = False) -> _Rate:
    """From putting the jobs in line until the last customer is placed."""
    url = await new_database(options, "postgres")
    environment = {**ENVIRONMENT, "REBLOOM_DATABASE_URL": url, "SHOPIFY_SHOP_URL": _NOBODY}
    async with open_store(read_settings(environment)) as store:
        shops = [await _filled(store, number) for number in range(SHOPS)]
        away = await _filled(store, SHOPS, withdrawn=False) if down else None
        with ExitStack() as stack:
            processes = []
            for number in range(workers):
                log = options.folder / f"worker-{number}.log"
                log.unlink(missing_ok=True)
                processes.append(stack.enter_context(started("plugin", "worker", env=environment, stderr=log)))
            logs = [options.folder / f"worker-{number}.log" for number in range(workers)]
            await until(lambda: all(log.exists() and "working" in log.read_text() for log in logs))
            jobs = Jobs(url, store.database, runs=False)
            await jobs.start({}, _nothing)
            try:
                if away is not None:
                    await jobs.enqueue("sync", away)
                await asyncio.sleep(_FIRST_LOOK)
                began, before = time.perf_counter(), sum(_processor(each.pid) for each in processes)
                await store.database.execute("UPDATE inbox SET state = 'new' /* every shop */")
                for shop in shops:
                    await jobs.enqueue("inbox", shop)
                await _until(lambda: _all_placed(store, shops))
                seconds = time.perf_counter() - began
                processor = sum(_processor(each.pid) for each in processes) - before
            finally:
                await jobs.stop()
    return _Rate(SHOPS * DELIVERIES / seconds, SHOPS * DELIVERIES / processor)


def _processor(pid: int) -> float:
    """Seconds of user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _filled(store: Store, number: int, *, withdrawn: bool = True) -> int:
    """A shop with deliveries that will be there when every worker has started, since each looks for some when it does.
    `withdrawn`: nothing is pushed there, which is measured elsewhere."""
    domain, now = f"shop-{number}.myshopify.com", datetime.now(UTC)
    shop_id = await store_installation(store, domain, _GRANT, now)
    await copied(store, shop_id, now=now)
    if withdrawn:
        await push_records.withdraw(store.database, shop_id, at=to_us(now))
    rows = []
    for place in range(DELIVERIES):
        at = (now - timedelta(days=400, minutes=-place)).isoformat()
        who = {"id": 1 + place // 2, "created_at": at, "updated_at": at, "first_name": "Ada", "state": "enabled"}
        line = {"id": place, "title": "Tea", "quantity": 1, "price": "5.50"}
        order = {
            "id": place, "name": f"#{place}", "created_at": at, "processed_at": at, "updated_at": at, "customer": who,
            "total_price": "5.50", "currency": "EUR", "financial_status": "paid", "line_items": [line],
        }  # fmt: skip
        topic, body = ("orders/create", order) if place % 2 else ("customers/update", who)
        sealed = store.vault.seal(json.dumps(body))
        rows.append((shop_id, f"{number}-{place}", domain, topic, sealed, to_us(now) + place, "held", 0))
    await store.database.upsert(_INBOX, rows)
    return shop_id


async def _all_placed(store: Store, shops: list[int]) -> bool:
    [(placed,)] = await store.database.fetch(
        "SELECT COUNT(*) FROM placements WHERE model = 'buyer-activity' AND shop_id BETWEEN $1 AND $2"
        " AND shop_id IN (SELECT id FROM shops) /* every shop */",
        min(shops),
        max(shops),
    )
    return bool(placed >= SHOPS * DELIVERIES // 2)


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not await true():  # noqa: ASYNC110 - other processes do the work
            await asyncio.sleep(0.05)


async def _taken_over(options: Options) -> float:
    """Seconds from the end of a worker, with the heartbeat as it is shipped, until another one begins its jobs."""
    url, folder = await new_database(options, "postgres"), options.folder / "taken-over"
    folder.mkdir()
    worker = ("tests.faults.worker_process", url, str(folder), str(BEAT))
    async with open_store(read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url})) as store:
        jobs = Jobs(url, store.database, runs=False)
        await jobs.start({}, _nothing)
        try:
            with started(*worker) as first:
                await until(lambda: _ready(folder, 1))
                for shop in range(1, 4):
                    await jobs.enqueue("mark", shop, lasts=600.0)
                await until(lambda: _begun(folder) == 3)
                with started(*worker):
                    await until(lambda: _ready(folder, 2))
                    first.kill()
                    return await until(lambda: _begun(folder) == 6)
        finally:
            await jobs.stop()


def _ready(folder: Path, workers: int) -> bool:
    return len(list(folder.glob("ready-*"))) == workers


def _begun(folder: Path) -> int:
    log = folder / "log"
    return sum(line.startswith("begin") for line in log.read_text().splitlines()) if log.exists() else 0


async def _nothing() -> None:
    return None
