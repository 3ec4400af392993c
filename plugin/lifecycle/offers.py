"""Recommendations from what is stored: fitted by a job, looked up in a few queries for any number of customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from plugin.domain.instants import to_us
from plugin.domain.offers import Recommendation
from plugin.domain.recommend.methods import Use
from plugin.ledger.store import Store
from plugin.lifecycle.fitting import FitReport, fit_offers
from plugin.lifecycle.recommending import buy_again_for, recommendations_for
from plugin.shops import ShopContext

__all__ = ["FitReport", "fit_offers", "recommend"]


async def recommend(
    store: Store,
    shop: ShopContext,
    product_ids: Sequence[int],
    *,
    customer_id: int | None,
    first: int,
    now: datetime,
    use: Use | None = None,
) -> list[Recommendation]:
    """What goes with `product_ids`, or, without any, the customer's own list of new products; then what is popular.
    Never those products themselves, what the customer ever bought, or what cannot be sold. With BUY_AGAIN, her own
    products that she is likeliest to buy again. Empty in a shop that has sold nothing yet."""
    customer = customer_id or 0
    if use is Use.BUY_AGAIN:
        again = await buy_again_for(store.database, shop.id, [customer], first=first, now=to_us(now))
        return again[customer]
    own = use is Use.NEW_FOR_YOU or (use is None and not product_ids)
    given = None if own and customer_id else list(product_ids)
    found = await recommendations_for(store.database, shop.id, {customer: given}, first=first, now=to_us(now))
    return found[customer]
