"""The fact sheet of a shop: counted from all its orders at once by a job, kept, and read from there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec
import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.fact_sheet import FactSheet, LeftOut, ShopOrders, fact_sheet
from plugin.domain.instants import FOREVER, to_us
from plugin.ledger.database import Database, Upsert
from plugin.ledger.store import Store
from plugin.lifecycle.plan import calendar_of, history_from
from plugin.shops import ShopContext

_CUSTOMERS: Final = (
    "SELECT id, created_at FROM customers WHERE shop_id = $1 AND deleted_at IS NULL AND merged_into IS NULL ORDER BY id"
)
_ORDERS: Final = (
    f"SELECT customer_id, processed_at, COALESCE(voided_at, {FOREVER}) AS voided_at, total - refunded AS net, items"
    " FROM orders WHERE shop_id = $1 AND counted ORDER BY customer_id, processed_at, id"
)
_UNCOUNTED: Final = (
    "SELECT COALESCE(SUM(CASE WHEN customer_id IS NULL AND NOT test THEN 1 ELSE 0 END), 0),"
    " COALESCE(SUM(CASE WHEN test THEN 1 ELSE 0 END), 0)"
    " FROM orders WHERE shop_id = $1 AND NOT counted AND deleted_at IS NULL"
)
_WRITE: Final = Upsert(
    table="fact_sheets",
    columns=("shop_id", "computed_at", "sheet"),
    key=("shop_id",),
    update=("computed_at", "sheet"),
)


async def refresh_fact_sheet(store: Store, shop: ShopContext, *, now: datetime) -> FactSheet:
    """Count it anew as of `now`, and keep it. Raises BadStatementError for an unknown time zone."""
    database, as_of = store.database, to_us(now)
    calendar = await asyncio.to_thread(calendar_of, shop)
    orders, orphans = await _read(database, shop)
    [(guests, tests)] = await database.fetch(_UNCOUNTED, shop.id)
    sheet = await asyncio.to_thread(fact_sheet, orders, as_of=as_of, calendar=calendar, lapse_days=shop.ladder[0])
    left_out = (
        *sheet.left_out,
        LeftOut("orders of guests", int(guests)),
        LeftOut("test orders", int(tests)),
        LeftOut("orders of customers who are deleted or not known yet", orphans),
    )
    sheet = replace(sheet, left_out=left_out)
    await database.upsert(_WRITE, [(shop.id, as_of, msgspec.json.encode(sheet).decode())])
    return sheet


async def kept_fact_sheet(database: Database, shop_id: int) -> tuple[int, FactSheet] | None:
    """The latest, and as of when (epoch microseconds); None before the first, and for one that an earlier version of
    ours wrote in another shape."""
    rows = await database.fetch("SELECT computed_at, sheet FROM fact_sheets WHERE shop_id = $1", shop_id)
    if not rows:
        return None
    try:
        return rows[0][0], msgspec.json.decode(rows[0][1], type=FactSheet)
    except msgspec.ValidationError:
        return None


async def _read(database: Database, shop: ShopContext) -> tuple[ShopOrders, int]:
    """Orders of customers we know, and how many others there are."""
    customers = await database.arrays(_CUSTOMERS, shop.id)
    found = {name: values.astype(np.int64) for name, values in (await database.arrays(_ORDERS, shop.id)).items()}
    ids: Ints = customers["id"].astype(np.int64)
    owner = np.searchsorted(ids, found["customer_id"])
    known = owner < len(ids)
    known[known] = ids[owner[known]] == found["customer_id"][known]
    orders = ShopOrders(
        customer=owner[known], processed_at=found["processed_at"][known], voided_at=found["voided_at"][known],
        net=found["net"][known], items=found["items"][known], registered_at=customers["created_at"].astype(np.int64),
        history_from=await history_from(database, shop),
    )  # fmt: skip
    return orders, int((~known).sum())
