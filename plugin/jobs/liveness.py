"""Who works, and who has died: a heartbeat row for each process, and taking over the jobs of the dead.

DBOS leaves the jobs of a dead executor PENDING for ever unless somebody resumes them. Beats are dated by the database,
so that a process whose clock jumps neither dies of it nor takes over from the living. A SQLite file has one process,
whose successor is the same executor: there only jobs that nobody runs are looked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from plugin.ledger.database import Database

BEAT: Final = 5.0  # seconds
MISSED: Final = 3  # beats, after which a process counts as dead
_PERIOD: Final = 60.0  # seconds between two ticks
_EARLY: Final = 5.0  # a tick that comes by so much too soon is let pass
_NOW: Final = "EXTRACT(EPOCH FROM clock_timestamp())"
_log = structlog.get_logger(__name__)


async def beat(
    database: Database,
    executor: str,
    *,
    resume: Callable[[str], Awaitable[int]] | None = None,
    mend: Callable[[], Awaitable[None]] | None = None,
    every: float = BEAT,
) -> None:
    """Beat for ever; at each beat take over from those that missed three, and `mend` what is stuck in this process.
    Without `resume` it only says that this process lives. Cancelled to end it. All beat alike, `every` seconds."""
    while True:
        try:
            if database.dialect == "postgres":
                await _beat_once(database, executor, resume, MISSED * every)
            if mend is not None:
                await mend()
        except Exception as error:  # noqa: BLE001 - a database that is away for a moment must not end the heart
            _log.warning("heartbeat failed", error=type(error).__name__)
        await asyncio.sleep(every)


async def _beat_once(
    database: Database, executor: str, resume: Callable[[str], Awaitable[int]] | None, patience: float
) -> None:
    await database.execute(
        f"INSERT INTO executors (id, beat_at) VALUES ($1, {_NOW})"
        " ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at",
        executor,
    )
    if resume is None:
        return
    dead = await database.fetch(f"SELECT id FROM executors WHERE beat_at < {_NOW} - $1::float8", patience)
    for (other,) in dead:
        # The row is held while its jobs are put back, so that of several living processes one does it.
        async with database.transaction() as session:
            if await session.fetch("SELECT id FROM executors WHERE id = $1 FOR UPDATE SKIP LOCKED", other):
                count = await resume(other)
                await session.execute("DELETE FROM executors WHERE id = $1", other)
                _log.info("took over from a dead process", jobs=count)


async def forget(database: Database, executor: str) -> None:
    """Leave in good order: the next beat of another process takes over at once."""
    await database.execute("UPDATE executors SET beat_at = 0 WHERE id = $1", executor)


async def tick_for_ever(database: Database, work: Callable[[], Awaitable[None]]) -> None:
    """`work` once a minute for all processes together. The minute is the loop's, which no clock can set back, and on
    PostgreSQL the database's. Not the engine's cron: after a clock went back an hour that waits for an hour."""
    while True:
        started = time.monotonic()
        try:
            if await _my_turn(database):
                await work()
        except Exception as error:  # noqa: BLE001 - the next minute tries again
            _log.warning("tick failed", error=type(error).__name__, why=str(error)[:200])
        await asyncio.sleep(max(1.0, _PERIOD - (time.monotonic() - started)))


async def _my_turn(database: Database) -> bool:
    if database.dialect == "sqlite":
        return True
    await database.execute("INSERT INTO job_clock (id, at) VALUES ('tick', 0) ON CONFLICT (id) DO NOTHING")
    return bool(
        await database.execute(
            f"UPDATE job_clock SET at = {_NOW} WHERE id = 'tick' AND (at <= {_NOW} - $1::float8 OR at > {_NOW} + 1)",
            _PERIOD - _EARLY,
        )
    )
