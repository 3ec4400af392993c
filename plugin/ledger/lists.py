"""A list of ids as one bound parameter, however long: drivers allow some 32,000 parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from plugin.ledger.database import Dialect


def among(dialect: Dialect, expression: str, position: int) -> str:
    """`expression` is one of the integers bound as `id_list` to `$position`."""
    if dialect == "postgres":
        return f"{expression} = ANY(CAST(${position} AS BIGINT[]))"
    return f"{expression} IN (SELECT value FROM json_each(${position}))"


def id_list(dialect: Dialect, ids: Iterable[int]) -> Any:
    """What the driver binds: an array, or the text of a JSON list."""
    listed = [int(number) for number in ids]
    return listed if dialect == "postgres" else orjson.dumps(listed).decode()


def among_texts(dialect: Dialect, expression: str, position: int) -> str:
    """`expression` is one of the texts bound as `text_list` to `$position`."""
    if dialect == "postgres":
        return f"{expression} = ANY(CAST(${position} AS TEXT[]))"
    return f"{expression} IN (SELECT value FROM json_each(${position}))"


def text_list(dialect: Dialect, texts: Iterable[str]) -> Any:
    """What the driver binds: an array, or the text of a JSON list."""
    listed = list(texts)
    return listed if dialect == "postgres" else orjson.dumps(listed).decode()
