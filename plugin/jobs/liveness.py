"""Who works, and who has died: a heartbeat row for each process, and taking over the jobs of the dead.

DBOS leaves the jobs of a dead executor PENDING for ever unless somebody resumes them. Used on PostgreSQL; a SQLite
file has one process, whose successor is the same executor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from plugin.ledger.database import Database

_BEAT: Final = 5.0  # seconds
_DEAD_AFTER: Final = 3 * _BEAT
_log = structlog.get_logger(__name__)


async def beat(database: Database, executor: str, *, resume: Callable[[str], Awaitable[int]]) -> None:
    """Beat for ever; at each beat take over from those that missed three. Cancelled to end it."""
    while True:
        try:
            await _beat_once(database, executor, resume)
        except Exception as error:  # noqa: BLE001 - a database that is away for a moment must not end the heart
            _log.warning("heartbeat failed", error=type(error).__name__)
        await asyncio.sleep(_BEAT)


async def _beat_once(database: Database, executor: str, resume: Callable[[str], Awaitable[int]]) -> None:
    now = time.time()
    await database.execute(
        "INSERT INTO executors (id, beat_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at",
        executor,
        now,
    )
    dead = await database.fetch("SELECT id FROM executors WHERE beat_at < $1", now - _DEAD_AFTER)
    for (other,) in dead:
        # The row is held while its jobs are put back, so that of several living processes one does it.
        async with database.transaction() as session:
            if await session.fetch("SELECT id FROM executors WHERE id = $1 FOR UPDATE SKIP LOCKED", other):
                count = await resume(other)
                await session.execute("DELETE FROM executors WHERE id = $1", other)
                _log.info("took over from a dead process", jobs=count)


async def forget(database: Database, executor: str) -> None:
    """Leave in good order: nobody needs to take over."""
    await database.execute("UPDATE executors SET beat_at = 0 WHERE id = $1", executor)
