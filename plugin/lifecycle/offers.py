"""Offers and recommendations from what is stored: fitted by a job, looked up in a few queries for any number of
customers, answered by id."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.cross_sell import LEAST_TOGETHER, POPULAR_DAYS, CoPurchases, baskets_of, co_purchases, popularity
from plugin.domain.instants import to_us
from plugin.domain.offers import (
    DAY_US,
    Recommendation,
)
from plugin.ledger.database import Arrays, Row, Upsert
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.lifecycle.recommending import SELLABLE, recommendations_for
from plugin.shops import ShopContext

PRODUCTS_SHOWN: Final = 5  # in one cross-sell offer
_RANKS_KEPT: Final = 1_000
_LOOKED_UP: Final = (
    "copurchases", "product_ranks", "products", "orders", "order_lines", "customers", "profiles", "placements",
)  # fmt: skip
_PAIRS: Final = Upsert(
    table="copurchases",
    columns=("shop_id", "product_id", "rank", "other_id", "together", "lift", "score"),
    key=("shop_id", "product_id", "rank"),
)
_RANKS: Final = Upsert(
    table="product_ranks", columns=("shop_id", "rank", "product_id", "buyers"), key=("shop_id", "rank")
)
_ANSWER: Final = Upsert(
    table="offer_responses",
    columns=("shop_id", "offer_id", "customer_id", "response", "at"),
    key=("shop_id", "customer_id", "offer_id"),
    update=("response", "at"),
    where="offer_responses.response <> excluded.response",  # the same answer again changes nothing
)


class FitReport(NamedTuple):
    """`pairs` and `ranked`: rows kept of co-purchases and of popularity."""

    buyers: int
    products: int
    pairs: int
    ranked: int


async def fit_offers(store: Store, shop: ShopContext, *, now: datetime) -> FitReport:
    """Count what is bought with what and what is popular, and put the lists in the place of the old ones, in one
    transaction. A guest's order is a buyer of its own; orders undone and lines sent back do not count."""
    lines = await store.database.arrays(
        "SELECT COALESCE(o.customer_id, -o.id) AS buyer, l.product_id AS product, o.processed_at AS at"
        " FROM orders o JOIN order_lines l ON l.shop_id = o.shop_id AND l.order_id = o.id"
        " WHERE o.shop_id = $1 AND o.deleted_at IS NULL AND o.voided_at IS NULL AND NOT o.test"
        " AND l.product_id IS NOT NULL AND l.current_quantity > 0",
        shop.id,
    )
    offered = await store.database.arrays(
        f"SELECT pr.id FROM products pr WHERE pr.shop_id = $1 AND {SELLABLE.format(now=2)}", shop.id, to_us(now)
    )
    buyers, pairs, ranked = await asyncio.to_thread(_fit, lines, offered["id"].astype(np.int64))
    pair_rows = _pair_rows(shop.id, pairs)
    rank_rows = [(shop.id, rank, *row) for rank, row in enumerate(ranked, 1)]
    async with store.database.transaction() as session:
        await session.execute("DELETE FROM copurchases WHERE shop_id = $1", shop.id)
        await session.execute("DELETE FROM product_ranks WHERE shop_id = $1", shop.id)
        await session.upsert(_PAIRS, pair_rows)
        await session.upsert(_RANKS, rank_rows)
    await refresh_statistics(store.database, *_LOOKED_UP)
    return FitReport(buyers, len(np.unique(pairs.product)), len(pair_rows), len(rank_rows))


def _fit(lines: Arrays, offered: Ints) -> tuple[int, CoPurchases, list[tuple[int, int]]]:
    buyer, product, at = (lines[name].astype(np.int64) for name in ("buyer", "product", "at"))
    baskets = baskets_of(buyer, product, least=LEAST_TOGETHER)
    recent = np.isin(product, offered)
    if len(at):
        recent &= at > at.max() - POPULAR_DAYS * DAY_US
    ids, buyers = popularity(buyer[recent], product[recent])
    ranked = list(zip(ids[:_RANKS_KEPT].tolist(), buyers[:_RANKS_KEPT].tolist(), strict=True))
    return baskets.count, co_purchases(baskets, offered=offered), ranked


def _pair_rows(shop_id: int, pairs: CoPurchases) -> list[Row]:
    columns = (pairs.product, pairs.rank, pairs.other, pairs.together, pairs.lift, pairs.score)
    return [(shop_id, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


async def recommend(
    store: Store,
    shop: ShopContext,
    product_ids: Sequence[int],
    *,
    customer_id: int | None,
    first: int,
    now: datetime,
) -> list[Recommendation]:
    """What goes with `product_ids`, then what is popular; never those products themselves, what the customer ever
    bought, or what cannot be sold. Empty in a shop that has sold nothing yet."""
    wanted = {customer_id or 0: list(product_ids)}
    found = await recommendations_for(store.database, shop.id, wanted, first=first, now=to_us(now))
    return found[customer_id or 0]
