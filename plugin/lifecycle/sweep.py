"""The clock: customers whose verdicts may change by now, and nobody else."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from plugin.domain.instants import to_us
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers
from plugin.shops import ShopContext

_AT_ONCE: Final = 5_000


async def sweep(store: Store, shop: ShopContext, *, as_of: datetime) -> int:
    """Recompute customers with `due_at <= as_of` (an index finds them); how many there were."""
    swept = 0
    while True:
        due = await _due(store, shop.id, to_us(as_of))
        if due:
            await recompute_customers(store, shop, due, as_of=as_of, flipped_at=due)
        swept += len(due)
        if len(due) < _AT_ONCE:
            return swept


async def _due(store: Store, shop_id: int, now: int) -> dict[int, int]:
    """Customers, and when their time came."""
    rows = await store.database.fetch(
        "SELECT customer_id, due_at FROM profiles WHERE shop_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3",
        shop_id, now, _AT_ONCE,
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}
