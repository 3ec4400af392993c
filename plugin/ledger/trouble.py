"""Which errors of a database or of the machine are passing trouble of ours, and no fault of the request.

Looked at by the drivers' own codes, never by their text: that is of a language and of a version, and may hold a row.
PostgreSQL's are in https://www.postgresql.org/docs/current/errcodes-appendix.html, SQLite's in
https://www.sqlite.org/rescode.html.
"""

from __future__ import annotations

import errno
import socket
import sqlite3
from collections.abc import Iterator
from typing import Final

import asyncpg
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from tortoise.exceptions import DBConnectionError

# Seconds after which to come again.
_AT_ONCE: Final = 1.0  # another writer was first
_SOON: Final = 5.0  # a restart takes as long
_LATER: Final = 30.0  # a person has to make room, or a standby has to take over
_OF_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: _AT_ONCE, sqlite3.SQLITE_LOCKED: _AT_ONCE, sqlite3.SQLITE_FULL: _LATER,
    sqlite3.SQLITE_READONLY: _LATER, sqlite3.SQLITE_IOERR: _SOON, sqlite3.SQLITE_CANTOPEN: _SOON,
    sqlite3.SQLITE_NOMEM: _SOON,
}  # fmt: skip
# Codes, and classes of them: the longest that fits says how long.
_OF_POSTGRES: Final = {
    "08": _SOON,  # connection lost or never made
    "25006": _LATER,  # read-only
    "25P03": _SOON,  # idle too long in a transaction
    "40": _AT_ONCE,  # serialization, deadlock
    "53": _SOON, "53100": _LATER,  # too many connections, out of memory; disk full
    "55P03": _AT_ONCE,  # locked
    "57": _SOON,  # restarting, stopped, cancelled by the operator
    "58": _LATER,  # its disk fails
}  # fmt: skip
_OF_MACHINE: Final = {
    errno.ENOSPC: _LATER, errno.EDQUOT: _LATER, errno.EFBIG: _LATER, errno.EROFS: _LATER, errno.EIO: _SOON,
    errno.EMFILE: _SOON, errno.ENFILE: _SOON, errno.ENOMEM: _SOON, errno.EHOSTUNREACH: _SOON, errno.ENETUNREACH: _SOON,
    errno.EAGAIN: _SOON,
}  # fmt: skip
_ADBC_IO: Final = 10  # its status when there is no code of the server's
_DEEPEST: Final = 8  # wrapped no deeper than this


def come_again(error: BaseException | None) -> float | None:
    """The seconds after which the same request may do: the database is gone, locked, full, read-only, deadlocked, or
    its pool empty. None for anything else. Looks through the wrapping of the ORM and of the jobs' engine."""
    return next((wait for each in _wrapped(error) if (wait := _wait(each)) is not None), None)


def _wrapped(error: BaseException | None) -> Iterator[BaseException]:
    """The error, then what it was made from, nearest first."""
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        inner = getattr(error, "orig", None) or getattr(error, "original_error", None)  # SQLAlchemy's, GraphQL's
        inner = inner or (error.args[0] if error.args else None)  # Tortoise's
        error = inner if isinstance(inner, BaseException) else error.__cause__


def _wait(error: BaseException) -> float | None:
    if isinstance(error, sqlite3.Error):
        return _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest of an extended code is why
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return next((_OF_POSTGRES[state[:size]] for size in (5, 2) if state[:size] in _OF_POSTGRES), None)
    if isinstance(error, OSError):
        return _of_machine(error)
    # Without a code: the connection was never made, or is closed. asyncpg says values it cannot bind so, too; and a
    # connection cut in the midst of a statement can meet an error of its own state first.
    without_code = (psycopg.OperationalError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    lost = isinstance(error, without_code) and not isinstance(error, ValueError)
    if lost or isinstance(error, (DBConnectionError, PoolTimeoutError)):
        return _SOON
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _SOON
    return _SOON if getattr(error, "status_code", None) == _ADBC_IO else None


def _of_machine(error: OSError) -> float | None:
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror)):
        return _SOON
    if isinstance(error, (FileNotFoundError, PermissionError)):  # a socket is named by no file name
        return _SOON if error.filename is None else None
    return _OF_MACHINE.get(error.errno or 0)
