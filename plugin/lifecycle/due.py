"""When a rule was added: customers whose answer the clock changes before anything else of theirs are due sooner."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import Column, Ints, text_column
from plugin.domain.instants import FOREVER, to_us
from plugin.domain.rules.attributes import FUNCTIONS
from plugin.domain.rules.batch import Batch, RowTable
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.places import Form
from plugin.domain.rules.reads import columns_read, functions_read, places
from plugin.domain.rules.syntax import Rule
from plugin.ledger.database import NULL_INT, Database
from plugin.ledger.picks import Pick, id_ranges
from plugin.lifecycle.frames import customer_ids, read_frame
from plugin.lifecycle.plan import calendar_of
from plugin.shops import ShopContext

_CHUNK: Final = 50_000
_AT_ONCE: Final = 1_000  # updates in one transaction


async def lower_due(database: Database, shop: ShopContext, rule: Rule, *, as_of: datetime) -> None:
    """One pass over the columns that `rule` reads, none when the clock cannot change its answer."""
    moving = {Form.AGE, Form.DATE}
    if not functions_read((rule,)) and not any(place.form in moving for place in places(rule, shop.primary_model)):
        return
    calendar, at = calendar_of(shop), to_us(as_of)
    for pick in id_ranges(await customer_ids(database, shop.id), _CHUNK):
        found = await database.arrays(_select(rule, shop, pick), shop.id, *pick.params)
        customers: Ints = found["customer_id"].astype(np.int64)
        rows = await _rows(database, shop, rule, pick, customers)
        texts = {place.value for place in places(rule, shop.primary_model) if place.form in (Form.TEXT, Form.LIST)}
        columns = {name: _column(found[alias], name in texts) for name, alias in _aliases(rule, shop).items()}
        instants = np.full(len(customers), at, dtype=np.int64)
        batch = Batch(instants, calendar.day_of(instants), calendar, columns, rows, shop.primary_model)
        until = (await asyncio.to_thread(evaluate, rule, batch)).valid_until
        sooner = until < found["due_at"]
        await _lower(database, shop.id, customers[sooner], until[sooner])


async def _lower(database: Database, shop_id: int, customers: Ints, until: Ints) -> None:
    """Whoever set an earlier instant meanwhile is right."""
    rows = [(shop_id, *row) for row in zip(customers.tolist(), until.tolist(), strict=True)]
    for start in range(0, len(rows), _AT_ONCE):
        await database.execute_many(
            "UPDATE profiles SET due_at = $3 WHERE shop_id = $1 AND customer_id = $2"
            " AND (due_at IS NULL OR due_at > $3)",
            rows[start : start + _AT_ONCE],
        )


def _aliases(rule: Rule, shop: ShopContext) -> dict[str, str]:
    """Names of columns, and what the statement calls them: `stage:buyer-activity` is no name in SQL."""
    return {name: f"c{number}" for number, name in enumerate(sorted(columns_read((rule,), shop.primary_model)))}


def _select(rule: Rule, shop: ShopContext, pick: Pick) -> str:
    models = sorted({place.model for place in places(rule, shop.primary_model) if place.model is not None})
    joins = "".join(
        f" LEFT JOIN placements m{number} ON m{number}.shop_id = p.shop_id AND m{number}.customer_id = p.customer_id"
        f" AND m{number}.model = '{model}'"  # the check lets only keys of models through here
        for number, model in enumerate(models)
    )
    columns = []
    for name, alias in _aliases(rule, shop).items():
        base, _, model = name.partition(":")
        table = f"m{models.index(model)}" if model else "p"
        columns.append(f", {table}.{base} AS {alias}")
    return (
        f"SELECT p.customer_id AS customer_id, COALESCE(p.due_at, {FOREVER}) AS due_at{''.join(columns)}"
        f" FROM profiles p{joins} WHERE p.shop_id = $1 AND {pick.condition('p.customer_id')} ORDER BY p.customer_id"
    )


def _column(values: NDArray[Any], is_text: bool) -> Column:
    """A column in which everything is NULL has no type of its own."""
    if is_text:
        return text_column(values.tolist() if values.dtype == object else [None] * len(values))
    if values.dtype == object:
        values = np.full(len(values), NULL_INT)
    if values.dtype.kind == "f":
        return Column(np.nan_to_num(values), np.isnan(values))
    return Column(np.where(values == NULL_INT, 0, values), values == NULL_INT)


async def _rows(database: Database, shop: ShopContext, rule: Rule, pick: Pick, customers: Ints) -> dict[str, RowTable]:
    """The rows that the functions of `rule` ask for; of a customer who is gone there are none."""
    asked = {FUNCTIONS[name].rows for name in functions_read((rule,))} - {""}
    if not asked:
        return {}
    frame = await read_frame(database, shop.id, pick, lines="order_lines" in asked)
    place = np.searchsorted(frame.ids, customers)
    known = np.isin(customers, frame.ids)
    rows = frame.rows(np.where(known, place, 0))
    return {
        name: RowTable(np.where(known, table.start, 0), np.where(known, table.stop, 0), table.columns)
        for name, table in rows.items()
    }
