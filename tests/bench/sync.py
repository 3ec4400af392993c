"""A whole sync from files, against its floor: parsing the same lines, and the driver's own bulk insert of the same rows
(`executemany` of plain INSERTs, COPY) into the same tables. Each is run in a process of its own, for its peak memory.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Any, Final

import asyncpg

from plugin.ledger.migrate import migrate
from tests.bench.made_up import write_shop
from tests.bench.registry import Figure, Options

GOAL: Final = 0.5
_ROUNDS: Final = 3  # floor and sync by turns, medians: other work on the machine meets both
_KINDS: Final = ("products", "customers", "orders")


async def run(options: Options) -> list[Figure]:
    folder = await asyncio.to_thread(_plain_files, options)
    figures = []
    for name in ("sqlite", "postgres") if options.postgres else ("sqlite",):
        rounds = [
            {what: await _measured(what, await new_database(options, name), folder) for what in ("floor", "sync")}
            for _ in range(_ROUNDS)
        ]
        seconds = [each["sync"]["seconds"] for each in rounds]
        rates = {what: median(each[what]["lines"] / each[what]["seconds"] for each in rounds) for what in rounds[0]}
        lines = rounds[0]["sync"]["lines"]
        figures += [
            Figure(name=f"sync, {name}", value=rates["sync"], unit="lines/s", floor=rates["floor"], goal=GOAL),
            Figure(name=f"sync, {name}: {lines:,} lines", value=median(seconds), unit="s"),
            Figure(name=f"sync, {name}: quickest", value=min(seconds), unit="s"),
            Figure(name=f"sync, {name}: slowest", value=max(seconds), unit="s"),
            Figure(name=f"sync, {name}: processor time", value=median(e["sync"]["cpu"] for e in rounds), unit="s"),
            Figure(name=f"sync, {name}: peak memory", value=max(e["sync"]["peak_mb"] for e in rounds), unit="MB"),
        ]
    return figures


def _plain_files(options: Options) -> Path:
    folder = options.folder / "shop"
    folder.mkdir()
    if options.data is None:
        write_shop(folder)
    for kind in _KINDS if options.data else ():
        packed, plain = options.data / f"{kind}.jsonl.gz", options.data / f"{kind}.jsonl"
        with (
            gzip.open(packed) if packed.exists() else plain.open("rb") as source,
            (folder / plain.name).open("wb") as to,
        ):
            shutil.copyfileobj(source, to, 1024 * 1024)
    return folder


async def new_database(options: Options, name: str) -> str:
    """URL of a new, migrated database."""
    unique = f"bench_{uuid.uuid4().hex[:8]}"
    url = f"sqlite://{options.folder / unique}.sqlite3"
    if name == "postgres" and options.postgres:
        connection = await asyncpg.connect(options.postgres)
        await connection.execute(f"CREATE DATABASE {unique}")
        await connection.close()
        head, mark, query = options.postgres.partition("?")
        url = f"{head.rpartition('/')[0]}/{unique}{mark}{query}"
    await migrate(url)
    return url


async def _measured(what: str, url: str, folder: Path) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.sync_once", what, url, str(folder), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the {what} of the sync benchmark failed on {url.partition(':')[0]}")
    return json.loads(output.decode().splitlines()[-1])
