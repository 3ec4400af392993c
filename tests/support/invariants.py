"""What every story must end with: the ledger's invariants, the same that `rebloom doctor` asks."""

from __future__ import annotations

from plugin.invariants import broken, rows_of_nobody
from plugin.ledger.store import Store
from plugin.ledger.tables import Shop
from plugin.shops import Clock, ShopContext, context_of


async def assert_invariants(store: Store, *, now: Clock, shop: ShopContext | None = None) -> None:
    """Of one shop, or of all that have installed."""
    shops = [shop] if shop else [context_of(row) for row in await Shop.all()]
    assert shops
    found = [fault for each in shops for fault in await broken(store, each, now=now)]
    assert found == []
    if shop is None:
        assert await rows_of_nobody(store.database) == []
