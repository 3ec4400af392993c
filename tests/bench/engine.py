"""The engine over grown shops, each measurement in a process of its own, for its peak memory.

Floors: one DuckDB pass that reads the same orders and lines out of the same database and groups them by customer (it
writes nothing; how long it takes once they are in its memory stands beside it); a transaction of one row; reading as
many profiles by key; counting all profiles.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

from tests.bench.grown_shop import LINES, ORDERS
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database

_CUSTOMERS: Final = 62_500  # of a million order lines
_SMALL: Final = 10_000
_WIDE: Final = 1_000_000
_DUE: Final = (0, 100, 10_000)


async def run(options: Options) -> list[Figure]:
    figures = []
    for name in ("sqlite", "postgres") if options.postgres else ("sqlite",):
        for times in (1, 10) if options.big else (1,):
            figures += await _recompute(options, name, _CUSTOMERS * times)
        figures += await _incremental(options, name)
    return figures


async def _recompute(options: Options, name: str, customers: int) -> list[Figure]:
    url, lines = await new_database(options, name), customers * ORDERS * LINES
    await _once("grow", url, customers)
    floor = await _once("group", url, 0)
    title = f"DuckDB groups {lines:,} lines of {name}"
    figures = [
        Figure(name=f"{title}, reading them", value=lines / floor["seconds"], unit="lines/s"),
        Figure(name=f"{title}, once in its memory", value=lines / floor["grouping"], unit="lines/s"),
    ]
    for what in ("first", "nothing changed"):
        found = await _once("recompute", url, customers)
        title = f"recompute, {name}, {lines:,} lines, {what}"
        figures += [
            Figure(
                name=title, value=lines / found["seconds"], unit="lines/s", floor=lines / floor["seconds"], goal=0.2
            ),
            Figure(name=f"{title}: peak memory", value=found["peak_mb"], unit="MB"),
            Figure(name=f"{title}: rows written", value=found["written"], unit="rows"),
        ]
    found = await _once("evaluate", url, 0)
    count = found["customers"]
    title = f"{found['models']} models over {count:,} customers in memory"
    return [
        *figures,
        Figure(name=title, value=count / found["seconds"], unit="customers/s", floor=count / found["floor"]),
        Figure(name=f"{title}: their measures", value=count / found["measured"], unit="customers/s"),
    ]


async def _incremental(options: Options, name: str) -> list[Figure]:
    figures, seconds = [], {}
    wide = _WIDE if options.big else _WIDE // 10
    for customers in (_SMALL, wide):
        url = await new_database(options, name)
        await _once("grow_wide", url, customers)
        fact = await _once("fact", url, customers)
        seconds[customers] = fact["seconds"]
        figures.append(_slower(f"one order in, {name}, {customers:,} customers", fact))
    ratio = f"one order in, {name}: {wide:,} customers against {_SMALL:,}"
    figures.append(Figure(name=ratio, value=1 / seconds[wide], unit="1/s", floor=1 / seconds[_SMALL], goal=0.8))
    figures += [_slower(f"sweep, {name}, {due:,} due of {wide:,}", await _once("sweep", url, due)) for due in _DUE]
    found = await _once("preview", url, 0)
    floor = found.pop("floor")
    found.pop("peak_mb")
    slowest = max(found, key=lambda query: found[query])
    title = f"slowest of {len(found)} previews, {name}, {wide:,} customers: {slowest}"
    return [*figures, _slower(title, {"seconds": found[slowest], "floor": floor})]


def _slower(name: str, found: dict[str, float]) -> Figure:
    """As speeds, so that more is better."""
    return Figure(name=name, value=1 / found["seconds"], unit="1/s", floor=1 / found["floor"])


async def _once(what: str, url: str, number: int) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.engine_once", what, url, str(number), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what} of the engine benchmark failed on {url.partition(':')[0]}")
    return json.loads(output.decode().splitlines()[-1])
