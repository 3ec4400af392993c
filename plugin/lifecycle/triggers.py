"""The triggers of a book of plays as one statement, written once for a day of a zone.

Writing some thirty rules as SQL takes longer than asking them of a customer, and what is written is the same for all
customers and shops with the same plays until the day is over: the shop and the instant are put in for each request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from plugin.domain.rules import parse
from plugin.ledger.database import Database, Dialect
from plugin.ledger.lists import among
from plugin.ledger.rules_sql import compile_rule
from plugin.lifecycle.plan import calendar_of
from plugin.lifecycle.plays import PlayBook
from plugin.shops import ShopContext

_KEPT: Final = 64  # of one book: days, zones and primary models
_NUMBER: Final = re.compile(r"\$(\d+)")
_COMPLAINT: Final = parse("open_complaint = true").rule


class _Mark(int):
    """A value that is told from all equal ones by being this very object."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Triggers:
    """`sql` asks `$1` shop and `$2` customers; then come `values`, with the shop at `shops` and the instant at
    `instants` in place of those it was written with. Its rows: customer, one column a key, and whether a complaint is
    open."""

    keys: tuple[str, ...]
    sql: str
    values: tuple[Any, ...]
    shops: tuple[int, ...]
    instants: tuple[int, ...]

    def bound(self, shop_id: int, at: int) -> list[Any]:
        values = list(self.values)
        for place in self.shops:
            values[place] = shop_id
        for place in self.instants:
            values[place] = at
        return values


def triggers_of(book: PlayBook, shop: ShopContext, dialect: Dialect, at: int) -> Triggers:
    """Those of the plays that are on."""
    today = calendar_of(shop).today(at)
    key = (today, shop.timezone, dialect, shop.primary_model)
    kept = book.triggers.get(key)
    if kept is None:
        kept = _written(book, shop, dialect, at)
        while len(book.triggers) >= _KEPT:
            del book.triggers[next(iter(book.triggers))]
        book.triggers[key] = kept
    return kept


def _written(book: PlayBook, shop: ShopContext, dialect: Dialect, at: int) -> Triggers:
    keys = tuple(key for key in book.rules if book.plays[key].enabled)
    this_shop, this_instant = _Mark(shop.id), _Mark(at)
    values: list[Any] = []
    columns = []
    for rule in (*(book.rules[key] for key in keys), _COMPLAINT):
        condition, bound = compile_rule(
            rule, shop_id=this_shop, at=this_instant, calendar=calendar_of(shop), dialect=dialect,
            primary_model=shop.primary_model,
        )  # fmt: skip
        columns.append(f"CASE WHEN {_shifted(condition, 2 + len(values))} THEN 1 ELSE 0 END")
        values += bound
    sql = (
        f"SELECT p.customer_id, {', '.join(columns)} FROM profiles p"
        f" WHERE p.shop_id = $1 AND {among(dialect, 'p.customer_id', 2)}"
    )
    return Triggers(keys, sql, tuple(values), _places(values, this_shop), _places(values, this_instant))


def _shifted(condition: str, by: int) -> str:
    return _NUMBER.sub(lambda mark: f"${int(mark[1]) + by}", condition)


def _places(values: Sequence[Any], mark: _Mark) -> tuple[int, ...]:
    return tuple(place for place, value in enumerate(values) if value is mark)


async def matched_triggers(
    database: Database, shop: ShopContext, ids: object, book: PlayBook, at: int
) -> tuple[dict[int, set[str]], set[int]]:
    """The plays whose trigger holds, by customer, and the customers with an open complaint: one query for all. `ids` as
    `id_list` gives them."""
    triggers = triggers_of(book, shop, database.dialect, at)
    rows = await database.fetch(triggers.sql, shop.id, ids, *triggers.bound(shop.id, at))
    matched = {row[0]: {key for key, holds in zip(triggers.keys, row[1:], strict=False) if holds} for row in rows}
    return matched, {row[0] for row in rows if row[-1]}
