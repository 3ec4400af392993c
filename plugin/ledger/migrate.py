"""Bring a database to this version's tables; two migrators at once wait for each other."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import asyncpg
from tortoise import Tortoise
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.transactions import in_transaction

from plugin.errors import RebloomError
from plugin.ledger.database import Database
from plugin.ledger.sqlite import PATIENCE

APP: Final = "rebloom"
_LOCK_KEY: Final = 0x52424C4D  # "RBLM", PostgreSQL's advisory lock


def orm_config(url: str) -> dict[str, Any]:
    """Tortoise's configuration for a normalised database URL. Foreign keys are off: there are none, and Tortoise
    rebuilds SQLite tables by dropping them. The connection is named for the dialect, because Tortoise caches SQL text
    by connection name for the life of the process."""
    if url.startswith("sqlite:"):
        credentials = {
            "file_path": url.removeprefix("sqlite://"),
            "journal_mode": "WAL",
            "busy_timeout": round(PATIENCE * 1_000),
            "foreign_keys": "OFF",
        }
        name = "sqlite"
        connection: Any = {"engine": "tortoise.backends.sqlite", "credentials": credentials}
    else:
        name = "postgres"
        connection = url.replace("postgresql://", "asyncpg://", 1)
    return {
        "connections": {name: connection},
        "apps": {
            APP: {
                "models": [
                    "plugin.ledger.fact_tables",
                    "plugin.ledger.computed_tables",
                    "plugin.ledger.tables",
                    "plugin.ledger.touchpoint_tables",
                    "plugin.ledger.delivery_tables",
                    "plugin.ledger.offer_tables",
                    "plugin.ledger.job_tables",
                    "plugin.ledger.recommendation_tables",
                    "plugin.ledger.prediction_tables",
                    "plugin.ledger.proof_tables",
                    "plugin.ledger.event_tables",
                    "plugin.ledger.webhook_tables",
                ],
                "default_connection": name,
                "migrations": "plugin.ledger.migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


async def migrate(url: str) -> list[str]:
    """Apply what is missing; the names of the migrations applied. Needs no running Rebloom and harms none."""
    applied: list[str] = []
    config = orm_config(url)
    async with _one_at_a_time(url):
        await Tortoise.init(config=config)
        try:
            executor = _WholeSteps(get_connection(next(iter(config["connections"]))), config["apps"])
            applied.extend([name async for name in executor.steps()])
        finally:
            await Tortoise.close_connections()
    return applied


class _WholeSteps(MigrationExecutor):
    """Each migration and the record of it in one transaction. Tortoise's own way records it in another one, and on
    SQLite runs it as a script, which commits at each statement: killed between, it could never go on."""

    async def steps(self) -> AsyncIterator[str]:
        """Apply what is missing; the name of each when it is done."""
        await self.loader.build_graph()
        await self.recorder.ensure_schema(self._schema_editor(atomic=False))
        # Told once and carried on by each step: to tell it anew for each takes longer than all the rest.
        state = await self._project_state(set(await self.recorder.applied_migrations()))
        for step in await self.plan():
            key = MigrationKey(app_label=step.migration.app_label, name=step.migration.name)
            async with in_transaction(self.connection.connection_name) as client:
                editor = self._schema_editor(atomic=True)
                editor.client = client
                if isinstance(client, SqliteClient):
                    client.execute_script = partial(_one_by_one, client)  # type: ignore[method-assign]
                await step.migration.apply(state, schema_editor=editor)
                await MigrationRecorder(client).record_applied(key.app_label, key.name)
            yield key.name


async def _one_by_one(client: SqliteClient, script: str) -> None:
    """A script inside the transaction that is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            await client.execute_query(statement)
            statement = ""
    if statement.strip():
        await client.execute_query(statement)


async def missing_migrations(database: Database) -> list[str]:
    """Migrations of this version that this database has not had. Reads only; raises what the driver raises when there
    are no tables yet."""
    rows = await database.fetch("SELECT name FROM tortoise_migrations WHERE app = $1", APP)
    ours = (path.stem for path in (Path(__file__).parent / "migrations").glob("[0-9]*.py"))
    return sorted(set(ours) - {str(name) for (name,) in rows})


@asynccontextmanager
async def _one_at_a_time(url: str) -> AsyncIterator[None]:
    if url.startswith("sqlite:"):
        with _lock_beside(Path(url.removeprefix("sqlite://"))) as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield
        return
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        yield
    finally:
        await connection.close()


def _lock_beside(path: Path) -> IO[str]:
    """Raises RebloomError where there can be no database at `path`: the ORM's thread would wait for ever with it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            try:
                connection.execute("PRAGMA schema_version")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the rest of an extended code is why
                    raise
        return path.with_name(path.name + ".migrating").open("w")
    except (OSError, sqlite3.DatabaseError) as error:
        raise RebloomError(
            f"The database {path} cannot be opened ({error}); set REBLOOM_DATABASE_URL to a file of its own in a folder"
            " where Rebloom may write."
        ) from error
