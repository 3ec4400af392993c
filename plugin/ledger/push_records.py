"""What a push remembers between its lives: prefixes used, bulk files under way, and that a shop was cleared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from plugin.ledger.database import Database, Upsert

_PREFIX: Final = Upsert(table="tag_prefixes", columns=("shop_id", "prefix", "used_at"), key=("shop_id", "prefix"))
_FILE: Final = Upsert(
    table="push_files",
    columns=("shop_id", "kind", "operation", "lines", "started_at"),
    key=("shop_id", "kind"),
    update=("operation", "lines", "started_at"),
)


@dataclass(frozen=True, slots=True)
class File:
    """A bulk operation whose answers are not all on record; `lines` is what was written for line 0, 1, …"""

    kind: str
    operation: str
    lines: list[Any]
    started_at: int


async def use_prefix(database: Database, shop_id: int, prefix: str, *, at: int) -> None:
    """Before a tag with this prefix is written for the first time."""
    await database.upsert(_PREFIX, [(shop_id, prefix, at)])


async def used_prefixes(database: Database, shop_id: int) -> frozenset[str]:
    rows = await database.fetch("SELECT prefix FROM tag_prefixes WHERE shop_id = $1", shop_id)
    return frozenset(row[0] for row in rows)


async def file_started(database: Database, shop_id: int, file: File) -> None:
    text = orjson.dumps(file.lines).decode()
    await database.upsert(_FILE, [(shop_id, file.kind, file.operation, text, file.started_at)])


async def file_read(database: Database, shop_id: int, kind: str) -> None:
    """Its answers are on record, or will never come."""
    await database.execute("DELETE FROM push_files WHERE shop_id = $1 AND kind = $2", shop_id, kind)


async def open_files(database: Database, shop_id: int) -> list[File]:
    """Oldest first, which is the order in which they were to take effect."""
    rows = await database.fetch(
        "SELECT kind, operation, lines, started_at FROM push_files WHERE shop_id = $1 ORDER BY started_at, kind",
        shop_id,
    )
    return [File(kind, operation, orjson.loads(lines), started_at) for kind, operation, lines, started_at in rows]


async def withdraw(database: Database, shop_id: int, *, at: int) -> None:
    """From now on nothing is written to this installation's shop."""
    await database.execute(
        "INSERT INTO withdrawals (shop_id, installed_at, started_at)"
        " SELECT id, installed_at, $1 FROM shops WHERE id = $2 ON CONFLICT (shop_id) DO UPDATE SET"
        " installed_at = excluded.installed_at, started_at = excluded.started_at, finished_at = NULL"
        " WHERE withdrawals.installed_at <> excluded.installed_at",
        at,
        shop_id,
    )


async def withdrawal_ended(database: Database, shop_id: int, *, at: int) -> None:
    await database.execute("UPDATE withdrawals SET finished_at = $1 WHERE shop_id = $2", at, shop_id)


async def is_withdrawn(database: Database, shop_id: int) -> bool:
    """`rebloom remove` was begun for the present installation."""
    return bool(
        await database.fetch(
            "SELECT 1 FROM withdrawals w JOIN shops s ON s.id = w.shop_id AND s.installed_at = w.installed_at"
            " WHERE w.shop_id = $1",
            shop_id,
        )
    )
