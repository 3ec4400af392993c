"""The whole story of a shop, killed at one sync or outgoing call after another: points tried, and those after which it
ended as the undisturbed one. A few here; with `--big` some thirty of each kind, which takes half an hour.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import asyncpg

from tests.bench.registry import Figure, Options
from tests.faults.story import tell
from tests.faults.sweep import points, sweep

_POINTS: Final = 4
_MANY: Final = 30
_AT_ONCE: Final = 3


async def run(options: Options) -> list[Figure]:
    databases = {"SQLite": _on_sqlite}
    if options.postgres:
        databases["PostgreSQL"] = partial(_on_postgres, options.postgres)
    figures = []
    for name, new in databases.items():
        figures.append(await _swept(name, new, options))
    return figures


async def _swept(name: str, new: Callable[[Path], Awaitable[str]], options: Options) -> Figure:
    folder = Path(mkdtemp(dir=options.folder))
    undisturbed = await tell(await new(folder), folder)
    tried = held = 0
    async for each in sweep(new, points(_MANY if options.big else _POINTS), undisturbed, at_once=_AT_ONCE):
        if each.happened:
            tried, held = tried + 1, held + (not each.wrong)
        for wrong in each.wrong:
            sys.stderr.write(f"{name}, {each.fault}: {wrong[:500]}\n")
    return Figure(name=f"kills held, {name} (of tried)", value=held, unit="points", floor=tried, goal=1.0)


async def _on_sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'rebloom.sqlite3'}"


async def _on_postgres(server: str, _: Path) -> str:
    """Empty: the migrations are a part of the story."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    head, mark, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{query}"
