"""The answer to a request for one's data: everything held about one customer and nothing of others, as JSON.

What is held is read off `plugin/ledger/personal.py`, table by table, so a new table is in it the day it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from plugin.domain.instants import from_us
from plugin.errors import NotFoundError
from plugin.ledger.database import Session
from plugin.ledger.personal import tables_of_customer
from plugin.ledger.store import Store
from plugin.ledger.tables import SHOP_TABLES

KEPT_DAYS: Final = 30  # the time the law gives for the answer
_FOREVER: Final = 253_402_300_800_000_000  # epoch microseconds: no date of Python's lies behind
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    table._meta.db_table: tuple(table._meta.fields_db_projection)  # noqa: SLF001 - Tortoise keeps columns there
    for table in SHOP_TABLES
}


async def everything_of(store: Store, session: Session, shop_id: int, customer_id: int) -> dict[str, Any]:
    """By table; the person opened. A table without a row of theirs is left out."""
    held: dict[str, Any] = {}
    for table, by in tables_of_customer():
        columns = [column for column in _COLUMNS[table] if column != "shop_id"]
        if table == "data_exports":  # earlier answers say the same again
            continue
        rows = await session.fetch(
            f"SELECT {', '.join(columns)} FROM {table} WHERE shop_id = $1 AND {by} = $2", shop_id, customer_id
        )
        if not rows:
            continue
        held[table] = [_shown(store, dict(zip(columns, row, strict=True))) for row in rows]
    orders = [row["id"] for row in held.get("orders", ())]
    if orders:
        held["order_lines"] = await _of_orders(session, shop_id, "order_lines", orders)
        held["refunds"] = await _of_orders(session, shop_id, "refunds", orders)
    return held


async def _of_orders(session: Session, shop_id: int, table: str, orders: list[int]) -> list[dict[str, Any]]:
    columns = [column for column in _COLUMNS[table] if column != "shop_id"]
    found: list[dict[str, Any]] = []
    for order_id in orders:
        rows = await session.fetch(
            f"SELECT {', '.join(columns)} FROM {table} WHERE shop_id = $1 AND order_id = $2", shop_id, order_id
        )
        found += [_readable(dict(zip(columns, row, strict=True))) for row in rows]
    return found


def _shown(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    sealed = row.pop("sealed", None)
    opened = orjson.loads(store.vault.open(sealed)) if sealed else {}
    return {**_readable(row), **opened}


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Instants as ISO 8601, money as the decimal it is: somebody reads this."""
    return {
        column: from_us(value).isoformat()
        if isinstance(value, int) and (column == "at" or column.endswith("_at")) and 0 < value < _FOREVER
        else value
        for column, value in row.items()
    }


async def keep_export(
    store: Store, session: Session, shop_id: int, customer_id: int, *, request_id: str, requested_at: int, at: int
) -> None:
    """Seal and keep the answer; asked twice, it is made anew."""
    content = {
        "request": request_id,
        "customer": customer_id,
        "asked": from_us(requested_at).isoformat(),
        "made": from_us(at).isoformat(),
        "money": "ten-thousandths of the shop's currency",
        "held": await everything_of(store, session, shop_id, customer_id),
    }
    await session.execute(
        "INSERT INTO data_exports (shop_id, request_id, customer_id, requested_at, made_at, sealed)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (shop_id, request_id) DO UPDATE SET made_at = excluded.made_at,"
        " sealed = excluded.sealed",
        shop_id,
        request_id,
        customer_id,
        requested_at,
        at,
        store.vault.seal(orjson.dumps(content).decode()),
    )


async def list_exports(store: Store, shop_id: int) -> list[tuple[str, int, int, int]]:
    """(request, customer, asked, made), the latest first; instants are epoch microseconds."""
    rows = await store.database.fetch(
        "SELECT request_id, customer_id, requested_at, made_at FROM data_exports WHERE shop_id = $1"
        " ORDER BY made_at DESC, request_id",
        shop_id,
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3])) for row in rows]


async def open_export(store: Store, shop_id: int, request_id: str) -> str:
    """The JSON. Raises NotFoundError."""
    rows = await store.database.fetch(
        "SELECT sealed FROM data_exports WHERE shop_id = $1 AND request_id = $2", shop_id, request_id
    )
    if not rows:
        raise NotFoundError(f"There is no data request {request_id!r} here; list them with: rebloom person SHOP")
    return store.vault.open(rows[0][0])
