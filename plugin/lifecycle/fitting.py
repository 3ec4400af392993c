"""The nightly fit of recommendations and replenishment: everything a request looks up is counted here, off the event
loop and a block of customers at a time. Each list is replaced in one transaction, so a fit that was killed leaves old
lists and new ones, never half a list, and may run again from its beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.cross_sell import LEAST_TOGETHER, POPULAR_DAYS, CoPurchases, baskets_of, co_purchases, popularity
from plugin.domain.instants import to_us
from plugin.domain.recommend.again import owned_of
from plugin.domain.recommend.backtest import Choice, choose, horizon_of
from plugin.domain.recommend.history import DAY_US, Purchases, history_of
from plugin.domain.recommend.lists import Picks, again_for_customers, beside_products, new_for_customers
from plugin.domain.recommend.methods import CATALOGUE, Fits, Use
from plugin.domain.recommend.replenish import Replenishments, replenishments
from plugin.ledger import unplaced
from plugin.ledger.database import Arrays, Row, Session, Upsert
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.lifecycle.recommending import SELLABLE
from plugin.shops import ShopContext

_RANKS_KEPT: Final = 1_000
_LOOKED_UP: Final = (
    "copurchases", "product_ranks", "customer_picks", "replenishments", "products", "orders", "order_lines",
    "customers", "profiles", "placements",
)  # fmt: skip
_PAIRS: Final = Upsert(
    table="copurchases",
    columns=("shop_id", "product_id", "rank", "other_id", "together", "lift", "score"),
    key=("shop_id", "product_id", "rank"),
)
_RANKS: Final = Upsert(
    table="product_ranks", columns=("shop_id", "rank", "product_id", "buyers"), key=("shop_id", "rank")
)
_PICKS: Final = Upsert(
    table="customer_picks",
    columns=(
        "shop_id", "customer_id", "use", "rank", "product_id", "score", "anchor_id", "together", "lift", "fitted_at",
    ),
    key=("shop_id", "customer_id", "use", "rank"),
)  # fmt: skip
_CHOICES: Final = Upsert(
    table="recommender_choices",
    columns=(
        "shop_id", "use", "method", "recall", "ndcg", "popularity_recall", "popularity_ndcg", "cases", "candidates",
        "horizon_days", "tested_from", "tested_until", "fitted_at",
    ),
    key=("shop_id", "use"),
)  # fmt: skip
_DUE: Final = Upsert(
    table="replenishments",
    columns=(
        "shop_id", "customer_id", "product_id", "due_at", "from_at", "until_at", "cycle_days", "units", "repeats",
        "own_repeats", "fitted_at",
    ),
    key=("shop_id", "customer_id", "product_id"),
)  # fmt: skip


class FitReport(NamedTuple):
    """`pairs` and `ranked`: rows kept of co-purchases and of popularity."""

    buyers: int
    products: int
    pairs: int
    ranked: int


class _Fit(NamedTuple):
    """What a shop's history gave, but for the lists of customers, which come a block at a time."""

    choices: dict[Use, Choice]
    buyers: int
    pairs: CoPurchases
    ranked: list[tuple[int, int]]
    due: Replenishments
    lists: Iterator[tuple[Use, Picks]]


async def fit_offers(store: Store, shop: ShopContext, *, now: datetime) -> FitReport:
    """Choose the methods by the shop's own backtest, and put their lists in the place of the old ones. A guest's order
    is a buyer of its own; orders undone and lines sent back do not count."""
    at = to_us(now)
    # The + keeps SQLite off the index by product, which it would read once for each order before it has statistics.
    lines = await store.database.arrays(
        "SELECT COALESCE(o.customer_id, -o.id) AS buyer, o.id AS number, l.product_id AS product,"
        " o.processed_at AS at, l.current_quantity AS units"
        " FROM orders o JOIN order_lines l ON l.shop_id = o.shop_id AND l.order_id = o.id"
        " WHERE o.shop_id = $1 AND o.deleted_at IS NULL AND o.voided_at IS NULL AND NOT o.test"
        " AND +l.product_id IS NOT NULL AND l.current_quantity > 0 AND o.processed_at <= $2",
        shop.id, at,
    )  # fmt: skip
    offered = await store.database.arrays(
        "SELECT pr.id AS id, pr.product_type AS kind,"
        f" CASE WHEN {SELLABLE.format(now=2)} THEN 1 ELSE 0 END AS sellable"
        " FROM products pr WHERE pr.shop_id = $1",
        shop.id, at,
    )  # fmt: skip
    fit = await asyncio.to_thread(_fit, lines, offered, at)
    pair_rows = await asyncio.to_thread(_pair_rows, shop.id, fit.pairs)
    rank_rows = [(shop.id, rank, *row) for rank, row in enumerate(fit.ranked, 1)]
    async with store.database.transaction() as session:
        for table in ("copurchases", "product_ranks", "recommender_choices", "replenishments"):
            await session.execute(f"DELETE FROM {table} WHERE shop_id = $1", shop.id)
        await session.upsert(_PAIRS, pair_rows)
        await session.upsert(_RANKS, rank_rows)
        await session.upsert(_CHOICES, [_choice_row(shop.id, choice, at) for choice in fit.choices.values()])
        await session.upsert(_DUE, _due_rows(shop.id, fit.due, at))
        await unplaced.note(session, shop.id, await _moved(session, shop.id, fit.due))
    await _store_lists(store, shop.id, fit.lists, at)
    await refresh_statistics(store.database, *_LOOKED_UP)
    return FitReport(fit.buyers, len(np.unique(fit.pairs.product)), len(pair_rows), len(rank_rows))


async def _moved(session: Session, shop_id: int, due: Replenishments) -> list[int]:
    """Customers whose profile has another next replenishment than this: they are to be placed again."""
    rows = await session.fetch(
        "SELECT customer_id, replenishment_at FROM profiles WHERE shop_id = $1 AND replenishment_at IS NOT NULL",
        shop_id,
    )
    customers, first = np.unique(due.customer, return_index=True)  # of each customer the soonest stands first
    return [who for who, _ in set(rows) ^ set(zip(customers.tolist(), due.due[first].tolist(), strict=True))]


async def _store_lists(store: Store, shop_id: int, lists: Iterator[tuple[Use, Picks]], at: int) -> None:
    while (block := await asyncio.to_thread(next, lists, None)) is not None:
        use, picks = block
        rows = await asyncio.to_thread(_pick_rows, shop_id, use, picks, at)
        if not rows:
            continue
        first, last = int(picks.customer.min()), int(picks.customer.max())
        async with store.database.transaction() as session:
            await session.execute(
                "DELETE FROM customer_picks WHERE shop_id = $1 AND use = $2 AND customer_id BETWEEN $3 AND $4",
                shop_id, str(use), first, last,
            )  # fmt: skip
            await session.upsert(_PICKS, rows)
    await store.database.execute("DELETE FROM customer_picks WHERE shop_id = $1 AND fitted_at <> $2", shop_id, at)


def _fit(lines: Arrays, catalogue: Arrays, at: int) -> _Fit:
    buyer, number, product, when, units = (
        lines[name].astype(np.int64) for name in ("buyer", "number", "product", "at", "units")
    )
    offered = catalogue["id"].astype(np.int64)[catalogue["sellable"].astype(np.int64) == 1]
    purchases = Purchases(buyer, number, product, when)
    as_of = int(when.max()) + 1 if len(when) else at
    choices = choose(purchases, as_of)
    history = history_of(purchases, as_of)
    horizon = horizon_of(purchases, as_of)
    fits = Fits(purchases, history, horizon)
    # Of both uses the catalogue is the same, larger one.
    own = Fits(purchases, history_of(purchases, as_of, CATALOGUE[Use.BUY_AGAIN]), horizon)
    sellable: Bools = np.isin(own.history.products, offered)
    pairs = _pairs(own, choices[Use.BOUGHT_TOGETHER], purchases, offered, sellable)
    recent = np.isin(product, offered)
    recent &= when > as_of - 1 - POPULAR_DAYS * DAY_US
    ids, buyers = popularity(buyer[recent], product[recent])
    named = buyer > 0
    return _Fit(
        choices=choices,
        buyers=len(history.buyers),
        pairs=pairs,
        ranked=list(zip(ids[:_RANKS_KEPT].tolist(), buyers[:_RANKS_KEPT].tolist(), strict=True)),
        due=_still_sold(
            replenishments(
                buyer[named], product[named], when[named], units[named],
                kinds=dict(zip(catalogue["id"].tolist(), catalogue["kind"].tolist(), strict=True)), as_of=at,
            ),
            offered,
        ),
        lists=_lists(fits, own, choices, pairs, offered),
    )  # fmt: skip


def _pairs(fits: Fits, choice: Choice, purchases: Purchases, offered: Ints, sellable: Bools) -> CoPurchases:
    scorer = fits.scorer(Use.BOUGHT_TOGETHER, choice.method)
    if choice.figures is None or scorer is None:
        return co_purchases(baskets_of(purchases.buyer, purchases.product, least=LEAST_TOGETHER), offered=offered)
    return beside_products(fits.history, scorer, sellable)


def _lists(
    fits: Fits, own: Fits, choices: dict[Use, Choice], pairs: CoPurchases, offered: Ints
) -> Iterator[tuple[Use, Picks]]:
    history, sellable = fits.history, np.isin(fits.history.products, offered)
    new = fits.scorer(Use.NEW_FOR_YOU, choices[Use.NEW_FOR_YOU].method)
    if new is not None:
        recent = history.popularity(POPULAR_DAYS)
        for picks in new_for_customers(history, new, pairs, sellable, recent):
            yield Use.NEW_FOR_YOU, picks
    owned, on_offer = own.history, np.isin(own.history.products, offered)
    again = own.scorer(Use.BUY_AGAIN, choices[Use.BUY_AGAIN].method)
    if again is not None:
        for picks in again_for_customers(owned, again, owned_of(owned, None), on_offer):
            yield Use.BUY_AGAIN, picks


def _still_sold(due: Replenishments, offered: Ints) -> Replenishments:
    kept = np.isin(due.product, offered)
    return Replenishments(**{name: getattr(due, name)[kept] for name in Replenishments.__slots__})


def _pair_rows(shop_id: int, pairs: CoPurchases) -> list[Row]:
    return _rows(shop_id, pairs.product, pairs.rank, pairs.other, pairs.together, pairs.lift, pairs.score)


def _pick_rows(shop_id: int, use: Use, picks: Picks, at: int) -> list[Row]:
    rows = zip(
        picks.customer.tolist(), picks.rank.tolist(), picks.product.tolist(), picks.score.tolist(),
        picks.anchor.tolist(), picks.together.tolist(), picks.lift.tolist(), strict=True,
    )  # fmt: skip
    return [
        (shop_id, customer, str(use), rank, product, score, anchor or None, both, None if np.isnan(lift) else lift, at)
        for customer, rank, product, score, anchor, both, lift in rows
    ]


def _due_rows(shop_id: int, due: Replenishments, at: int) -> list[Row]:
    rows = _rows(
        shop_id, due.customer, due.product, due.due, due.first, due.until, due.cycle, due.units, due.repeats, due.own
    )
    return [(*row, at) for row in rows]


def _rows(shop_id: int, *columns: Ints | Floats) -> list[Row]:
    return [(shop_id, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _choice_row(shop_id: int, choice: Choice, at: int) -> Row:
    figures, plain, span = choice.figures, choice.popularity, choice.tested_on or (None, None)
    return (
        shop_id, str(choice.use), choice.method, figures and figures.recall, figures and figures.ndcg,
        plain and plain.recall, plain and plain.ndcg, figures.n if figures else 0, choice.candidates, choice.horizon,
        *span, at,
    )  # fmt: skip
