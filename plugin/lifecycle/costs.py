"""Stating what goods cost. All that is stated at once is taken, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from plugin.domain.costs import CostFault, Stated, faults_of
from plugin.domain.instants import to_us
from plugin.domain.money import to_scaled
from plugin.ledger.costs import WHOLE_PRODUCT, CostRow, costs_of, goods_of, put_costs, take_costs
from plugin.ledger.store import Store
from plugin.shops import ShopContext


async def set_costs(
    store: Store, shop: ShopContext, stated: Sequence[Stated], *, token_id: int | None, now: datetime
) -> tuple[int, list[CostFault]]:
    """How many costs this changed, and what is wrong: then nothing was changed. A cost that stands as it is stated
    keeps who set it, and when. Amounts are kept to four decimals. A deleted product's, or variant's, can be stated
    still where it was known: past orders have it."""
    products, at = sorted({cost.product_id for cost in stated}), to_us(now)
    async with store.database.transaction() as session:
        known, variants = await goods_of(session, store.database, shop.id, products)
        rows = await costs_of(session, store.database, shop.id, products)
        there = {(row.product_id, row.variant_id): row for row in rows}
        variants |= {key for key in there if key[1] != WHOLE_PRODUCT}
        faults = faults_of(stated, shop.currency, known, variants)
        if faults:
            return 0, faults
        new, gone = [], []
        for cost in stated:
            key = (cost.product_id, WHOLE_PRODUCT if cost.variant_id is None else cost.variant_id)
            before = there.get(key)
            if cost.amount is None:
                gone += [key] if before else []
                continue
            amount = to_scaled(cost.amount)
            if before is None or (before.amount, before.currency) != (amount, shop.currency):
                new.append(CostRow(*key, amount, shop.currency, token_id, at))
        await put_costs(session, shop.id, new)
        await take_costs(session, shop.id, gone)
    return len(new) + len(gone), []
