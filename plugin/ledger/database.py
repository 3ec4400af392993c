"""The driver under the ORM: one SQL text for both databases, bulk writes, bulk reads into arrays.

Parameters are written `$1`, `$2`, … everywhere. A statement that names a table of shops' data must name `shop_id`,
or say `/* every shop */`: that is checked here for each statement, so no query can forget its shop.
Why not the ORM for these: `design.md` section 4 (bulk_create is 3-5 times slower and stops the loop).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from plugin.errors import RebloomError
from plugin.ledger.tables import SHOP_TABLES

Dialect = Literal["sqlite", "postgres"]
Row = tuple[Any, ...]
Arrays = dict[str, NDArray[Any]]

_TABLES = re.compile(r"\b(" + "|".join(table._meta.db_table for table in SHOP_TABLES) + r")\b")  # noqa: SLF001


@lru_cache(maxsize=4096)
def check_names_shop(sql: str) -> None:
    """Refuse a statement on shops' data that does not say which shop."""
    if _TABLES.search(sql) and "shop_id" not in sql and "/* every shop */" not in sql:
        raise RebloomError(f"This statement forgets its shop: {' '.join(sql.split())[:200]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """How rows meet rows that are there: by `key`; `update` columns are overwritten and `merge` columns get their
    expression (both empty: the row there stays) when `where` holds (`excluded.` is the new row, the table's own name
    the old one)."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    update: tuple[str, ...] = ()
    merge: tuple[tuple[str, str], ...] = ()
    where: str | None = None

    def statement(self, source: str) -> str:
        """`INSERT INTO table (…) {source} ON CONFLICT …`."""
        head = f"INSERT INTO {self.table} ({', '.join(self.columns)}) {source} ON CONFLICT ({', '.join(self.key)}) DO"
        if not (self.update or self.merge):
            return f"{head} NOTHING"
        overwritten = ((column, f"excluded.{column}") for column in self.update)
        sets = ", ".join(f"{column} = {value}" for column, value in (*overwritten, *self.merge))
        return f"{head} UPDATE SET {sets}" + (f" WHERE {self.where}" if self.where else "")


class Session(Protocol):
    """Statements on one connection, inside one transaction."""

    async def fetch(self, sql: str, *params: Any) -> list[Row]: ...
    async def execute(self, sql: str, *params: Any) -> int: ...
    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None: ...


class Database(Protocol):
    """What the ledger needs of a database. Rows come as tuples in the order of the SELECT."""

    dialect: Dialect

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        """All rows of a read."""
        ...

    async def execute(self, sql: str, *params: Any) -> int:
        """Run one statement in a transaction of its own; the number of rows changed."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Row]) -> None:
        """The same statement for many rows, in one transaction."""
        ...

    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None:
        """Write many rows in bulk; safe to repeat. Not one transaction: big batches are cut so that others get in."""
        ...

    async def arrays(self, sql: str, *params: int) -> Arrays:
        """A big read as NumPy arrays by column name (NULL is NaN in a numeric column, None in a text column)."""
        ...

    def stream(self, sql: str, *params: Any, size: int = 5_000) -> AsyncIterator[list[Row]]:
        """Rows in lists of at most `size`, without holding them all."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """Everything in the block happens, or nothing."""
        ...

    async def wipe_traces(self) -> None:
        """What was deleted or overwritten is not to be found in the files either: after a redaction."""
        ...

    async def close(self) -> None: ...


def with_literals(sql: str, params: Sequence[int]) -> str:
    """`sql` with integer parameters written in, for a driver that binds differently."""
    for position in range(len(params), 0, -1):
        sql = sql.replace(f"${position}", str(int(params[position - 1])))
    return sql


def table_arrays(table: Any) -> Arrays:
    """Columns of an Arrow table. An integer column with NULLs stays exact: NULL becomes the smallest int64."""
    arrays: Arrays = {}
    for name in table.column_names:
        column = table.column(name)
        if column.null_count and str(column.type).startswith(("int", "uint")):
            column = column.cast("int64").fill_null(NULL_INT)
        arrays[name] = column.to_numpy(zero_copy_only=False)
        if arrays[name].dtype == np.int32 or arrays[name].dtype == np.int16:
            arrays[name] = arrays[name].astype(np.int64)
    return arrays


NULL_INT = -(2**63)


async def open_database(url: str) -> Database:
    """The database of a normalised `Settings.database_url`."""
    if url.startswith("sqlite:"):
        from plugin.ledger.sqlite import SqliteDatabase

        return await asyncio.to_thread(SqliteDatabase, url.removeprefix("sqlite://"))
    from plugin.ledger.postgres import open_postgres

    return await open_postgres(url)
