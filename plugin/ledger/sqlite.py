"""SQLite: one writer at a time on its own connection, readers beside it (WAL), all in threads."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final, TypeVar

from plugin.ledger.database import Arrays, Dialect, Row, Upsert, check_names_shop, with_literals
from plugin.ledger.rows import column_arrays

T = TypeVar("T")
_BATCH: Final = 1_000  # rows a transaction: 10,000 would hold a webhook up for a second
_PAUSE: Final = 0.001  # seconds between them, so that another writer gets its turn
_READERS: Final = 4
PATIENCE: Final = 5.0  # seconds for another process to let go of the file; then the caller is told to come again
_TURN: Final = 15.0  # seconds for this process's other writers, of whom each may be waiting so long
_POSITION = re.compile(r"\$(\d+)")


def connect(path: str) -> sqlite3.Connection:
    """A connection set up as all of them are: WAL, patience with other writers, transactions begun by us."""
    connection = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # redaction must not leave a person in free pages
    connection.execute("PRAGMA cache_size=-65536")
    return connection


def _bind(sql: str, params: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    return _positional(sql), params


@lru_cache(maxsize=1024)
def _positional(sql: str) -> str:
    """`$2` is not positional for SQLite; `?2` is."""
    return _POSITION.sub(r"?\1", sql)


class SqliteDatabase:
    """`Database` on one file."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str) -> None:
        self._path = path
        self._writer = connect(path)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._write_lock = asyncio.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        check_names_shop(sql)
        return await self._read(lambda connection: connection.execute(*_bind(sql, params)).fetchall())

    async def execute(self, sql: str, *params: Any) -> int:
        async with self.transaction() as session:
            return await session.execute(sql, *params)

    async def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        check_names_shop(sql)
        text, _ = _bind(sql, ())
        async with self._turn():
            await self._on_writer(lambda: self._in_one(lambda: self._writer.executemany(text, rows)))

    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _BATCH):
            async with self._turn():
                batch = rows[start : start + _BATCH]
                await self._on_writer(lambda batch=batch: self._in_one(lambda: self._put(how, batch)))  # type: ignore[misc]  # mypy cannot type a default in a lambda
            await asyncio.sleep(_PAUSE)

    async def arrays(self, sql: str, *params: int) -> Arrays:
        check_names_shop(sql)
        return await asyncio.to_thread(self._columns, with_literals(sql, params))

    async def stream(self, sql: str, *params: Any, size: int = 5_000) -> AsyncIterator[list[Row]]:
        check_names_shop(sql)
        connection = await asyncio.to_thread(connect, self._path)
        try:
            cursor = await asyncio.to_thread(connection.execute, *_bind(sql, params))
            while rows := await asyncio.to_thread(cursor.fetchmany, size):
                yield rows
        finally:
            await asyncio.to_thread(connection.close)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_SqliteSession]:
        async with self._turn():
            try:
                await self._on_writer(lambda: self._writer.execute("BEGIN IMMEDIATE"))
                yield _SqliteSession(self)
            except BaseException:
                # Also after a BEGIN that nobody waits for any more: it may yet come through. In line behind it in the
                # writer's only thread, and not waited for, since a foreign lock may hold that thread for a while.
                self._write_thread.submit(self._writer.rollback)
                raise
            await asyncio.shield(self._on_writer(self._commit))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(_TURN):
            await self._write_lock.acquire()
        try:
            yield
        finally:
            self._write_lock.release()

    async def wipe_traces(self) -> None:
        """Free pages are wiped at once (secure_delete); what stands in the log is written back, and the log emptied."""
        async with self._turn():
            await self._on_writer(lambda: self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def close(self) -> None:
        self._write_thread.shutdown()
        self._readers.shutdown()
        for connection in (self._writer, *self._opened):
            connection.close()

    async def _on_writer(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: work(self._reader()))

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path)
            self._opened.append(connection)
        return connection

    def _in_one(self, work: Callable[[], object]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            work()
        except BaseException:
            self._writer.rollback()
            raise
        self._commit()

    def _commit(self) -> None:
        """A commit for which the disk has no room leaves the transaction open, and the next could not begin."""
        try:
            self._writer.commit()
        except sqlite3.Error:
            self._writer.rollback()
            raise

    def _put(self, how: Upsert, rows: Sequence[Row]) -> None:
        marks = ", ".join("?" for _ in how.columns)
        self._writer.executemany(how.statement(f"VALUES ({marks})"), rows)

    def _columns(self, sql: str) -> Arrays:
        # Not through ADBC: its wheel brings a SQLite of its own, and two SQLites in one process undo each other's file
        # locks. Closing its connection took the -wal file from under ours: "disk I/O error" at the next read.
        connection = connect(self._path)
        try:
            return column_arrays(connection.execute(sql))
        finally:
            connection.close()


class _SqliteSession:
    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        check_names_shop(sql)
        writer = self._database._writer  # noqa: SLF001 - the session is a part of its database
        return await self._database._on_writer(lambda: writer.execute(*_bind(sql, params)).fetchall())  # noqa: SLF001

    async def execute(self, sql: str, *params: Any) -> int:
        check_names_shop(sql)
        writer = self._database._writer  # noqa: SLF001
        return await self._database._on_writer(lambda: writer.execute(*_bind(sql, params)).rowcount)  # noqa: SLF001

    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None:
        await self._database._on_writer(lambda: self._database._put(how, rows))  # noqa: SLF001
