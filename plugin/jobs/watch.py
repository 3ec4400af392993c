"""What waits and who works, read beside the engine: for metrics, `/readyz` and `rebloom doctor`."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plugin.ledger.database import Database, Row
from plugin.settings import Settings

_ALIVE: Final = 20  # seconds since the last beat: four beats
_WAITING: Final = (
    "SELECT status, count(*), min(created_at) FROM {schema}workflow_status"
    " WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED') GROUP BY status"
)
_STATES: Final = {"ENQUEUED": "waiting", "PENDING": "running", "DELAYED": "delayed"}


@dataclass(frozen=True, slots=True)
class Depth:
    """Jobs in one state (waiting, running, delayed), and when the oldest of them was put in, epoch milliseconds."""

    state: str
    jobs: int
    oldest_ms: int


async def depths(settings: Settings, database: Database) -> list[Depth]:
    """Empty before the engine has ever run on this database."""
    if database.dialect == "postgres":
        if not (await database.fetch("SELECT to_regclass('dbos.workflow_status') IS NOT NULL"))[0][0]:
            return []
        rows = await database.fetch(_WAITING.format(schema="dbos."))
    else:
        rows = await asyncio.to_thread(_of_sqlite, jobs_file(settings))
    return [Depth(_STATES[state], count, oldest) for state, count, oldest in rows]


async def workers_alive(database: Database) -> int:
    """Processes that take jobs and said so lately. PostgreSQL only: a SQLite file has one process and no heartbeat."""
    ((count,),) = await database.fetch(
        "SELECT count(*) FROM executors WHERE beat_at > EXTRACT(EPOCH FROM clock_timestamp()) - $1::float8", _ALIVE
    )
    return int(count)


def jobs_file(settings: Settings) -> Path:
    """The engine's own file beside the embedded database."""
    path = settings.sqlite_path
    return path.with_name(f"{path.stem}-jobs{path.suffix}")


def _of_sqlite(path: Path) -> list[Row]:
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'workflow_status'").fetchall():
            return []
        return connection.execute(_WAITING.format(schema="")).fetchall()
    finally:
        connection.close()
