"""Reads of many customers as arrays: few rows through the pool, many through Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import Ints
from plugin.ledger.database import NULL_INT, Arrays, Database
from plugin.ledger.picks import Pick


async def read_picked(database: Database, sql: str, shop_id: int, pick: Pick) -> Arrays:
    """Few rows through the pool, many through Arrow. Integers with NULL_INT for NULL, texts as objects."""
    statement = pick.within(sql)
    if not pick.few:
        arrays = await database.arrays(statement, shop_id, *pick.params)
        return {name: values if values.dtype == object else whole(values) for name, values in arrays.items()}
    names = _names(sql)
    rows = await database.fetch(statement, shop_id, *pick.params)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: _array(values) for name, values in zip(names, columns, strict=True)}


def _names(sql: str) -> list[str]:
    """What the columns of our own SELECT are called."""
    listed = sql.partition(" FROM ")[0].removeprefix("SELECT ")
    depth, parts = 0, [""]
    for character in listed:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.split()[-1] for part in parts]


def _array(values: Sequence[object]) -> NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([NULL_INT if value is None else value for value in values], dtype=np.int64)


def whole(values: NDArray[Any]) -> Ints:
    """A column without any value has no type of its own."""
    if values.dtype == object:
        values = np.array([NULL_INT if value is None else value for value in values])
    numbers: Ints = values.astype(np.int64)
    return numbers
