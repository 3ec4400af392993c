"""Which errors are passing trouble: each as its driver makes it, and none that is a fault of ours or of the caller."""

import asyncio
import errno
import sqlite3
from pathlib import Path

import asyncpg
import psycopg
import pytest
import sqlalchemy
from adbc_driver_postgresql import dbapi
from graphql import GraphQLError
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError, TransactionManagementError

from plugin.errors import UnavailableError
from plugin.ledger.sqlite import SqliteDatabase, connect
from plugin.ledger.trouble import come_again


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


def made_of(cause: BaseException) -> UnavailableError:
    error = UnavailableError("The job could not be stored.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (asyncpg.DeadlockDetectedError(), 1),
        (asyncpg.SerializationError(), 1),
        (asyncpg.LockNotAvailableError(), 1),
        (asyncpg.TooManyConnectionsError(), 5),
        (asyncpg.ConnectionDoesNotExistError(), 5),
        (asyncpg.CannotConnectNowError(), 5),
        (asyncpg.AdminShutdownError(), 5),
        (asyncpg.InterfaceError("connection is closed"), 5),
        (asyncpg.InternalClientError("got result for unknown protocol state 0"), 5),
        (asyncpg.DiskFullError(), 30),
        (asyncpg.ReadOnlySQLTransactionError(), 30),
        (asyncpg.PostgresIOError(), 30),
        (of_sqlite(sqlite3.SQLITE_BUSY), 1),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), 1),
        (of_sqlite(sqlite3.SQLITE_FULL), 30),
        (of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), 30),
        (of_sqlite(sqlite3.SQLITE_IOERR_FSYNC), 5),
        (OperationalError(of_sqlite(sqlite3.SQLITE_BUSY)), 1),
        (TransactionManagementError(asyncpg.ReadOnlySQLTransactionError()), 30),
        (DBConnectionError("no database"), 5),
        (psycopg.OperationalError("connection failed"), 5),
        (psycopg.errors.DiskFull(), 30),
        (sqlalchemy.exc.OperationalError("INSERT …", None, of_sqlite(sqlite3.SQLITE_FULL)), 30),
        (sqlalchemy.exc.OperationalError("INSERT …", None, psycopg.errors.DeadlockDetected()), 1),
        (sqlalchemy.exc.TimeoutError("QueuePool limit"), 5),
        (sqlalchemy.exc.InterfaceError("SELECT 1", None, ValueError(), connection_invalidated=True), 5),
        (OSError(errno.ENOSPC, "No space left on device", "file"), 30),
        (OSError(errno.EIO, "Input/output error"), 5),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), 5),
        (ConnectionRefusedError(), 5),
        (TimeoutError(), 5),
        (made_of(OperationalError(of_sqlite(sqlite3.SQLITE_BUSY))), 1),
        (GraphQLError("x", original_error=asyncpg.DeadlockDetectedError()), 1),
    ],
    ids=repr,
)
def test_passing_trouble_says_when_to_come_again(error: Exception, seconds: float) -> None:
    assert come_again(error) == seconds


@pytest.mark.parametrize(
    "error",
    [
        None,
        RuntimeError("database is locked"),
        asyncpg.UniqueViolationError(),
        asyncpg.UndefinedColumnError(),
        asyncpg.DataError("value out of int64 range"),
        of_sqlite(sqlite3.SQLITE_ERROR),
        of_sqlite(sqlite3.SQLITE_CORRUPT),
        sqlite3.ProgrammingError("closed"),
        IntegrityError(of_sqlite(sqlite3.SQLITE_CONSTRAINT)),
        psycopg.errors.UndefinedTable(),
        sqlalchemy.exc.IntegrityError("INSERT …", None, psycopg.errors.UniqueViolation()),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "page.html"),
        UnavailableError("This took too long."),
    ],
    ids=repr,
)
def test_nothing_else_is(error: Exception | None) -> None:
    assert come_again(error) is None


async def test_nobody_listening_is_trouble_by_every_driver() -> None:
    nowhere = "postgresql://127.0.0.1:1/rebloom"
    with pytest.raises(ConnectionRefusedError) as refused:
        await asyncpg.connect(nowhere)
    assert come_again(refused.value) == 5
    with pytest.raises(psycopg.OperationalError) as failed:
        psycopg.connect(nowhere)
    assert come_again(failed.value) == 5
    with pytest.raises(Exception, match="refused") as arrow:
        dbapi.connect(nowhere)
    assert come_again(arrow.value) == 5


async def test_a_writer_given_up_while_it_waits_for_a_foreign_lock_leaves_no_transaction_open(tmp_path: Path) -> None:
    path = str(tmp_path / "one.sqlite3")
    database, foreign = SqliteDatabase(path), connect(path)
    await database.execute("CREATE TABLE counts (n INTEGER)")
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await database.execute("INSERT INTO counts VALUES (1)")
    foreign.rollback()
    foreign.close()
    assert await database.execute("INSERT INTO counts VALUES (2)") == 1
    assert await database.fetch("SELECT n FROM counts") == [(2,)]
    await database.close()


async def test_a_commit_without_room_on_the_disk_leaves_no_transaction_open(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "one.sqlite3"))
    await database.execute("CREATE TABLE texts (t TEXT)")
    database._writer.execute("PRAGMA cache_size=1")
    limit = database._writer.execute("PRAGMA max_page_count=10").fetchone()
    assert limit == (10,)
    with pytest.raises(sqlite3.OperationalError) as full:
        await database.execute("INSERT INTO texts VALUES ($1)", "x" * 1_000_000)
    assert come_again(full.value) == 30
    database._writer.execute("PRAGMA max_page_count=10000")
    assert await database.execute("INSERT INTO texts VALUES ('after')") == 1
    assert await database.fetch("SELECT t FROM texts") == [("after",)]
    await database.close()
