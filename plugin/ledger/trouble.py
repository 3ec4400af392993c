"""Which errors of a database or of the machine are passing trouble of ours, and no fault of the request."""

from __future__ import annotations

import sqlite3
from typing import Final

import asyncpg
from tortoise.exceptions import DBConnectionError, OperationalError

# SQLite's own codes; the rest of its OperationalErrors are faults in our SQL.
_PASSING: Final = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM,
})  # fmt: skip
_OF_POSTGRES: Final = (
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError, asyncpg.TransactionRollbackError, asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresIOError, asyncpg.InterfaceError, asyncpg.LockNotAvailableError,
)  # fmt: skip


def is_passing(error: BaseException | None) -> bool:
    """Gone, locked, full, read-only, deadlocked: the same request may do later. Looks through the ORM's wrapping."""
    seen = 0
    while error is not None and seen < 5:  # noqa: PLR2004 - wrapped no deeper than this
        if isinstance(error, sqlite3.Error):
            return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _PASSING
        if isinstance(error, (*_OF_POSTGRES, DBConnectionError, OSError, TimeoutError)):
            return True
        wrapped = error.args[0] if isinstance(error, OperationalError) and error.args else None
        error = error.__cause__ or (wrapped if isinstance(wrapped, BaseException) else None)
        seen += 1
    return False
