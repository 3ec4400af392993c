"""Checkouts as the shop last stated them: the later statement wins, one that is gone stays gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from plugin.domain.facts import CheckoutFact
from plugin.ledger.database import Session, Upsert
from plugin.ledger.removals import is_gone, living

_STATED: Final = ("customer_id", "created_at", "stated_at", "completed_at", "total", "items")
_CHECKOUTS: Final = Upsert(
    table="checkouts",
    columns=("shop_id", "id", *_STATED),
    key=("shop_id", "id"),
    update=_STATED,
    where="checkouts.stated_at <= excluded.stated_at AND checkouts.deleted_at IS NULL",
)


async def write_checkouts(session: Session, shop_id: int, facts: Sequence[CheckoutFact]) -> set[int]:
    """The customers whose checkouts they were and are. Of somebody who is gone a checkout is nobody's."""
    latest = {fact.id: fact for fact in sorted(facts, key=lambda fact: fact.stated_at)}.values()
    before = await session.fetch(
        "SELECT customer_id FROM checkouts WHERE shop_id = $1 AND customer_id IS NOT NULL"
        f" AND id IN ({_marks(latest)})",
        shop_id,
        *(fact.id for fact in latest),
    )
    owners = await _owners(session, shop_id, sorted({fact.customer_id or 0 for fact in latest}))
    rows = [
        (
            shop_id, fact.id, owners[fact.customer_id or 0], fact.created_at, fact.stated_at, fact.completed_at,
            fact.total, fact.items,
        )
        for fact in latest
    ]  # fmt: skip
    await session.upsert(_CHECKOUTS, rows)
    return {int(row[0]) for row in before} | {owner for owner in owners.values() if owner is not None}


async def _owners(session: Session, shop_id: int, named: Sequence[int]) -> dict[int, int | None]:
    """Whose a checkout is that names this customer (0: nobody): followed to the living one, None when there is none."""
    gone = await session.fetch(
        "SELECT id FROM customers WHERE shop_id = $1 AND (deleted_at IS NOT NULL OR merged_into IS NOT NULL)"
        f" AND id IN ({_marks(named)})",
        shop_id,
        *named,
    )
    moved = {int(row[0]): await _living(session, shop_id, int(row[0])) for row in gone}
    return {customer: moved.get(customer, customer or None) for customer in named}


def _marks(values: Collection[object]) -> str:
    """Placeholders from the second on."""
    return ", ".join(f"${place}" for place in range(2, len(values) + 2))


async def _living(session: Session, shop_id: int, customer_id: int) -> int | None:
    owner = await living(session, shop_id, customer_id)
    return None if await is_gone(session, shop_id, owner) else owner


async def delete_checkout(session: Session, shop_id: int, checkout_id: int, *, at: int) -> set[int]:
    """The customer whose checkout it was."""
    before = await _owner(session, shop_id, checkout_id)
    await session.execute(
        "INSERT INTO checkouts (shop_id, id, created_at, stated_at, deleted_at, total, items)"
        " VALUES ($1, $2, 0, 0, $3, 0, 0) ON CONFLICT (shop_id, id) DO UPDATE SET customer_id = NULL, created_at = 0,"
        " stated_at = 0, completed_at = NULL, total = 0, items = 0, deleted_at = CASE WHEN checkouts.deleted_at"
        " <= excluded.deleted_at THEN checkouts.deleted_at ELSE excluded.deleted_at END",
        shop_id,
        checkout_id,
        at,
    )
    return before


async def _owner(session: Session, shop_id: int, checkout_id: int) -> set[int]:
    rows = await session.fetch("SELECT customer_id FROM checkouts WHERE shop_id = $1 AND id = $2", shop_id, checkout_id)
    return {int(row[0]) for row in rows if row[0] is not None}
