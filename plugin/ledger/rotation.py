"""A new encryption key: every sealed text is sealed again with the newest, a page at a time, while all else goes on.

Each text is replaced only where it still stands as it was read. When none is left under an older key, the older keys
can be taken out of REBLOOM_ENCRYPTION_KEYS; `rebloom doctor` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from plugin.errors import EncryptionError
from plugin.ledger.database import Row
from plugin.ledger.store import Store

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class _Sealed:
    """`key` begins with the shop where a table is a shop's."""

    table: str
    key: tuple[str, ...]
    column: str


SEALED: Final = (
    _Sealed("persons", ("shop_id", "id"), "sealed"),
    _Sealed("inbox", ("shop_id", "webhook_id"), "sealed_body"),
    _Sealed("data_exports", ("shop_id", "request_id"), "sealed"),
    _Sealed("offer_settings", ("shop_id",), "code_secret"),
    _Sealed("webhook_endpoints", ("shop_id", "id"), "url"),
    _Sealed("webhook_endpoints", ("shop_id", "id"), "secret"),
    _Sealed("webhook_endpoints", ("shop_id", "id"), "old_secret"),
    _Sealed("webhook_deliveries", ("shop_id", "endpoint_id", "number"), "payload"),
    _Sealed("shops", ("id",), "access_token"),
    _Sealed("shops", ("id",), "refresh_token"),
    _Sealed("meta", ("key",), "value"),  # the mark that proves the key, last
)


async def seal_again(store: Store) -> int:
    """How many texts were sealed anew. Safe to stop anywhere and to repeat. A text that no key opens is left alone."""
    changed = 0
    for sealed in SEALED:
        async for rows in _pages(store, sealed):
            renewed = await asyncio.to_thread(_renewed, store, rows)
            place = len(sealed.key)
            where = " AND ".join(f"{column} = ${number}" for number, column in enumerate(sealed.key, 3))
            async with store.database.transaction() as session:
                for row, text in renewed:
                    changed += await session.execute(
                        f"UPDATE {sealed.table} SET {sealed.column} = $1 WHERE {sealed.column} = $2 AND {where}",
                        text,
                        row[place],
                        *row[:place],
                    )
    return changed


async def under_older_keys(store: Store) -> int:
    """Sealed texts that the newest key does not open."""
    count = 0
    for sealed in SEALED:
        async for rows in _pages(store, sealed):
            count += await asyncio.to_thread(_older, store, rows)
    return count


async def _pages(store: Store, sealed: _Sealed) -> AsyncIterator[list[Row]]:
    """Rows (key, text) by key, those without a text left out."""
    keys = ", ".join(sealed.key)
    sql = (
        f"SELECT {keys}, {sealed.column} FROM {sealed.table} /* every shop */ WHERE {sealed.column} IS NOT NULL"
        f" AND {sealed.column} <> ''"
    )
    last: tuple[Any, ...] | None = None
    while True:
        further = ""
        if last is not None:
            further = f" AND ({keys}) > ({', '.join(f'${place}' for place in range(1, len(last) + 1))})"
        rows = await store.database.fetch(f"{sql}{further} ORDER BY {keys} LIMIT {_PAGE}", *(last or ()))
        if rows:
            yield rows
        if len(rows) < _PAGE:
            return
        last = rows[-1][:-1]


def _older(store: Store, rows: list[Row]) -> int:
    return sum(not store.vault.is_newest(row[-1]) for row in rows)


def _renewed(store: Store, rows: list[Row]) -> list[tuple[Row, str]]:
    renewed = []
    for row in rows:
        if store.vault.is_newest(row[-1]):
            continue
        try:
            renewed.append((row, store.vault.seal(store.vault.open(row[-1]))))
        except EncryptionError:
            continue
    return renewed
