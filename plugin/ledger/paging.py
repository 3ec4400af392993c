"""Pages by keyset: at most so many rows between two positions, one statement for the pages of many parents.

Rows come in the direction of the request with one more than its size, so that the caller knows whether others follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from plugin.ledger.database import Database, Row
from plugin.ledger.lists import among, id_list

Position = tuple[Any, ...]
_UNION: Final = 400  # parents of one statement: SQLite takes 500 parts of a compound SELECT


class PageRequest(Protocol):
    """What a list read needs of a page: at most `fetch` rows between two positions, from the start or the end."""

    @property
    def fetch(self) -> int: ...
    @property
    def backward(self) -> bool: ...
    @property
    def after(self) -> Position | None: ...
    @property
    def before(self) -> Position | None: ...


@dataclass(slots=True)
class Binder:
    """Numbers parameters as they are bound, after those that are there."""

    values: list[Any]

    def __call__(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def among(self, database: Database, column: str, numbers: Sequence[int]) -> str:
        """`column` is one of `numbers`, as one parameter however many there are."""
        self.values.append(id_list(database.dialect, numbers))
        return among(database.dialect, column, len(self.values))


def keyset(bind: Binder, columns: Sequence[str], page: PageRequest, *, descending: bool) -> tuple[str, str]:
    """The condition (empty or beginning with AND) and the ORDER BY of a page of a list sorted by `columns`."""
    row = f"({', '.join(columns)})" if len(columns) > 1 else columns[0]

    def bound(position: Position) -> str:
        marks = ", ".join(f"CAST({bind(value)} AS {_kind(value)})" for value in position)
        return f"({marks})" if len(columns) > 1 else marks

    condition = ""
    if page.after is not None:
        condition += f" AND {row} {'<' if descending else '>'} {bound(page.after)}"
    if page.before is not None:
        condition += f" AND {row} {'>' if descending else '<'} {bound(page.before)}"
    direction = "DESC" if descending != page.backward else "ASC"
    return condition, ", ".join(f"{column} {direction}" for column in columns)


def _kind(value: Any) -> str:
    return "TEXT" if isinstance(value, str) else "BIGINT"


async def pages_of(
    database: Database, parents: Sequence[int], one: Callable[[Binder, int], str]
) -> dict[int, list[Row]]:
    """A page for each parent in one statement; a row begins with its parent. Each page is read by its own index scan,
    so the cost is that of the rows asked for."""
    found: dict[int, list[Row]] = {}
    for start in range(0, len(parents), _UNION):
        bind = Binder([])
        texts = [
            f"SELECT * FROM ({one(bind, parent)}) AS page_{number}"
            for number, parent in enumerate(parents[start : start + _UNION])
        ]
        for row in await database.fetch(" UNION ALL ".join(texts), *bind.values):
            found.setdefault(row[0], []).append(row)
    return found
