"""Tags, consent and lifetime totals that webhooks tell one by one, on top of the customer's last whole statement.

Kept trait by trait with the instant each was told, the later winning, until a whole statement is newer. So any order of
arrival ends in the same customer: the whole statement, then what was said after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from plugin.domain.facts import TraitFact
from plugin.domain.text import fold
from plugin.ledger.database import Session, Upsert
from plugin.ledger.removals import is_gone
from plugin.ledger.store import Store

_CHUNK: Final = 200  # customers in one transaction
_TRAITS: Final = Upsert(
    table="customer_traits",
    columns=("shop_id", "customer_id", "kind", "name", "value", "at"),
    key=("shop_id", "customer_id", "kind", "name"),
    update=("value", "at"),
    where="customer_traits.at <= excluded.at",
)
_COLUMNS: Final = {"email": "email_status", "sms": "sms_status"}


async def write_traits(session: Session, shop_id: int, facts: Sequence[TraitFact]) -> set[int]:
    """The customers they are about; those who are gone stay as they are."""
    customers = {fact.customer_id for fact in facts}
    living = {each for each in customers if not await is_gone(session, shop_id, each)}
    rows = [
        (shop_id, fact.customer_id, fact.kind, fact.name, fact.value, fact.at)
        for fact in facts
        if fact.customer_id in living
    ]
    await session.upsert(_TRAITS, rows)
    await settle_traits(session, shop_id, living)
    return living


async def settle_traits(session: Session, shop_id: int, customers: Iterable[int]) -> None:
    """Put what was said since on top of what is stated; forget what a later whole statement includes."""
    ids = sorted(customers)
    if not ids:
        return
    rows = await session.fetch(
        "SELECT DISTINCT customer_id FROM customer_traits WHERE shop_id = $1 AND customer_id >= $2"
        " AND customer_id <= $3",
        shop_id,
        ids[0],
        ids[-1],
    )
    for customer_id in sorted({int(row[0]) for row in rows} & set(ids)):
        await _settle(session, shop_id, customer_id)


async def settle_all_traits(store: Store, shop_id: int) -> None:
    """After an export: every customer of whom something was said beside it."""
    rows = await store.database.fetch("SELECT DISTINCT customer_id FROM customer_traits WHERE shop_id = $1", shop_id)
    ids = sorted(int(row[0]) for row in rows)
    for start in range(0, len(ids), _CHUNK):
        async with store.database.transaction() as session:
            for customer_id in ids[start : start + _CHUNK]:
                await _settle(session, shop_id, customer_id)


async def _settle(session: Session, shop_id: int, customer_id: int) -> None:
    stated = await session.fetch(
        "SELECT traits_stated_at, tags FROM customers WHERE shop_id = $1 AND id = $2", shop_id, customer_id
    )
    if not stated or stated[0][0] is None:
        return  # nothing whole is known yet: it waits for that
    since, tags = stated[0]
    await session.execute(
        "DELETE FROM customer_traits WHERE shop_id = $1 AND customer_id = $2 AND at < $3", shop_id, customer_id, since
    )
    said = await session.fetch(
        "SELECT kind, name, value FROM customer_traits WHERE shop_id = $1 AND customer_id = $2 ORDER BY kind, name",
        shop_id,
        customer_id,
    )
    changes = _changes(tags, said)
    if changes:
        sets = ", ".join(f"{column} = ${place}" for place, column in enumerate(changes, 3))
        await session.execute(
            f"UPDATE customers SET {sets} WHERE shop_id = $1 AND id = $2", shop_id, customer_id, *changes.values()
        )


def _changes(tags: str | None, said: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    present = {fold(tag): tag for tag in json.loads(tags or "[]")}
    for kind, name, value in said:
        if kind in _COLUMNS:
            changes[_COLUMNS[kind]] = value
        elif kind == "totals":
            totals = json.loads(value)
            changes |= {"shop_orders": totals["orders"], "shop_spend": totals["spend"]}
        elif value is None:
            present.pop(name, None)
        else:
            present.setdefault(name, value)
    if any(kind == "tag" for kind, *_ in said):
        told = sorted(present.values(), key=lambda tag: (fold(tag), tag))
        changes["tags"] = json.dumps(told, ensure_ascii=False)
    return changes
