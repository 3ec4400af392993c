"""PostgreSQL through asyncpg; bulk writes by COPY into a temporary table, then one INSERT … ON CONFLICT."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from plugin.ledger.database import Arrays, Dialect, Row, Upsert, check_names_shop, table_arrays, with_literals
from plugin.ledger.personal import tables_of_customer

_BATCH: Final = 50_000
_SMALL: Final = 50  # below this, COPY through a temporary table costs more than it saves
_MERGED_UNTRIED: Final = 30  # batches merged after one was found to hold rows that are there
_POOL: Final = 10
_TIMEOUT: Final = 120.0  # seconds a statement may take
_LOCK: Final = "5s"  # that a statement waits for another's lock
_CONNECTING: Final = 5.0
_PATIENCE: Final = 10.0  # seconds for a connection of the pool; then the caller is told to come again


async def open_postgres(url: str) -> PostgresDatabase:
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=_POOL, command_timeout=_TIMEOUT, timeout=_CONNECTING,
        server_settings={"lock_timeout": _LOCK}, reset=_kept_as_it_is,
    )  # fmt: skip
    return PostgresDatabase(url, pool)


async def _kept_as_it_is(_: object) -> None:
    """The pool rolls an open transaction back before. Of all else that it would undo at each release, by a statement
    and a round trip of its own, nothing is done on its connections: no setting, no LISTEN, no lock of a session."""


class PostgresDatabase:
    """`Database` on a PostgreSQL URL."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str, pool: asyncpg.Pool) -> None:
        self._url = url
        self._pool = pool
        self._turns = asyncio.Semaphore(_POOL)
        self._known: Counter[tuple[str, Any]] = Counter()  # table and shop → batches to merge before adding plainly

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        check_names_shop(sql)
        async with self._connection() as connection:
            return [tuple(record) for record in await connection.fetch(sql, *params)]

    async def execute(self, sql: str, *params: Any) -> int:
        check_names_shop(sql)
        async with self._connection() as connection:
            return _changed(await connection.execute(sql, *params))

    async def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        check_names_shop(sql)
        async with self._connection() as connection:
            await connection.executemany(sql, list(rows))

    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            async with self._connection() as connection:
                if len(part) <= _SMALL or not await self._added(connection, how, part):
                    async with connection.transaction():
                        await _put(connection, how, part)

    async def arrays(self, sql: str, *params: int) -> Arrays:
        check_names_shop(sql)
        return await asyncio.to_thread(self._arrow, with_literals(sql, params))

    async def stream(self, sql: str, *params: Any, size: int = 5_000) -> AsyncIterator[list[Row]]:
        check_names_shop(sql)
        async with self._connection() as connection, connection.transaction():
            cursor = await connection.cursor(sql, *params)
            while records := await cursor.fetch(size):
                yield [tuple(record) for record in records]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_PostgresSession]:
        async with self._connection() as connection, connection.transaction():
            yield _PostgresSession(connection)

    async def wipe_traces(self) -> None:
        """Dead rows go by VACUUM; the archive of the log is the operator's (`deploy/README.md`)."""
        async with self._connection() as connection:
            for table in sorted({table for table, _ in tables_of_customer()} | {"inbox"}):
                await connection.execute(f"VACUUM {table}")

    async def close(self) -> None:
        await self._pool.close()

    async def _added(self, connection: Any, how: Upsert, rows: Sequence[Row]) -> bool:
        """COPY straight into the table, four times as fast as merging: in a first copy of a shop no row is there yet.
        False, and nothing written, when one is; then the next batches of this table and shop are merged untried."""
        key = (how.table, rows[0][0])
        if self._known[key] > 0:
            self._known[key] -= 1
            return False
        try:
            await connection.copy_records_to_table(how.table, records=rows, columns=how.columns)
        except asyncpg.UniqueViolationError:
            self._known[key] = _MERGED_UNTRIED
            return False
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """One of the pool, in turn: the pool's own queue lets whoever comes just now go before who has waited, for
        seconds under a burst. A connection that the server cut in the midst of a statement can fail with an error of
        the driver's own before it is seen to be closed (https://github.com/MagicStack/asyncpg/issues/1069): nobody
        gets that one again."""
        async with asyncio.timeout(_PATIENCE):
            await self._turns.acquire()
            try:
                connection = await self._pool.acquire()
            except BaseException:
                self._turns.release()
                raise
        try:
            yield connection
        except asyncpg.InternalClientError:
            connection.terminate()
            raise
        finally:
            try:
                await self._pool.release(connection, timeout=_PATIENCE)
            finally:
                self._turns.release()

    def _arrow(self, sql: str) -> Arrays:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return table_arrays(cursor.fetch_arrow_table())


class _PostgresSession:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        check_names_shop(sql)
        return [tuple(record) for record in await self._connection.fetch(sql, *params)]

    async def execute(self, sql: str, *params: Any) -> int:
        check_names_shop(sql)
        return _changed(await self._connection.execute(sql, *params))

    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None:
        await _put(self._connection, how, rows)


async def _put(connection: Any, how: Upsert, rows: Sequence[Row]) -> None:
    if len(rows) <= _SMALL:
        marks = ", ".join(f"${position}" for position in range(1, len(how.columns) + 1))
        await connection.executemany(how.statement(f"VALUES ({marks})"), rows)
        return
    await connection.execute(
        f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {', '.join(how.columns)} FROM {how.table} LIMIT 0"
    )
    await connection.copy_records_to_table("incoming", records=rows, columns=how.columns)
    await connection.execute(how.statement(f"SELECT {', '.join(how.columns)} FROM incoming"))
    await connection.execute("DROP TABLE incoming")


def _changed(status: str) -> int:
    """`UPDATE 3` → 3."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
