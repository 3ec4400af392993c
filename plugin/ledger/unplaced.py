"""Customers whose facts have changed and whose stage does not tell it yet.

Facts are written by one transaction and customers placed by another, so between the two stands this note: it is made
in the transaction of the facts and goes when all that follows from them is done. Whoever comes after a kill finds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from plugin.ledger.database import Database, Session, Upsert

_NOTES: Final = Upsert(
    table="unplaced_customers",
    columns=("shop_id", "customer_id", "taken"),
    key=("shop_id", "customer_id"),
    update=("taken",),
)


async def note(session: Session, shop_id: int, customers: Iterable[int]) -> None:
    """In the transaction of their facts. Noted again while a job is at it, they are placed again."""
    await session.upsert(_NOTES, [(shop_id, customer, False) for customer in sorted(set(customers))])


async def note_due(database: Database, shop_id: int, now: int) -> None:
    """Those whose verdicts may change by `now`, an instant in epoch microseconds."""
    await database.execute(
        "INSERT INTO unplaced_customers (shop_id, customer_id, taken)"
        " SELECT shop_id, customer_id, FALSE FROM profiles WHERE shop_id = $1 AND due_at <= $2"
        " ON CONFLICT (shop_id, customer_id) DO UPDATE SET taken = FALSE",
        shop_id, now,
    )  # fmt: skip


async def take(database: Database, shop_id: int) -> set[int]:
    """All that are noted, also those that a job before took and never settled."""
    async with database.transaction() as session:
        await session.execute("UPDATE unplaced_customers SET taken = TRUE WHERE shop_id = $1 AND NOT taken", shop_id)
        rows = await session.fetch("SELECT customer_id FROM unplaced_customers WHERE shop_id = $1 AND taken", shop_id)
    return {row[0] for row in rows}


async def settle(database: Database, shop_id: int) -> None:
    """What was taken is done, and what follows from it stands in line."""
    await database.execute("DELETE FROM unplaced_customers WHERE shop_id = $1 AND taken", shop_id)


async def shops_with_unplaced(database: Database) -> list[int]:
    """Installed shops in which somebody waits."""
    rows = await database.fetch(
        "SELECT DISTINCT u.shop_id FROM unplaced_customers u JOIN shops s ON s.id = u.shop_id"
        " WHERE s.status = 'installed'"
    )
    return sorted(int(row[0]) for row in rows)
