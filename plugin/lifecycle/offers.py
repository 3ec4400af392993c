"""Offers and recommendations from what is stored: fitted by a job, looked up in a few queries for any number of
customers, answered by id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Ints
from plugin.domain.cross_sell import LEAST_TOGETHER, POPULAR_DAYS, CoPurchases, baskets_of, co_purchases, popularity
from plugin.domain.instants import to_us
from plugin.domain.offers import (
    DAY_US,
    OfferDecision,
    OfferKind,
    OfferPlacement,
    OfferResponse,
    Play,
    Recommendation,
    Situation,
    cross_sell_offer,
    loyalty_offer,
    plays_for,
)
from plugin.errors import NotFoundError
from plugin.ledger.database import Arrays, Row, Upsert
from plugin.ledger.lists import among, id_list
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.lifecycle.recommending import SELLABLE, recommendations_for
from plugin.shops import DEFAULT_MODEL, ShopContext

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


async def offers_for(
    store: Store,
    shop: ShopContext,
    customer_ids: Sequence[int],
    *,
    placement: OfferPlacement | None,
    first: int,
    now: datetime,
) -> dict[int, list[OfferDecision]]:
    """The offers of each customer, best first, at most `first`; an empty list for one nobody knows. What was dismissed
    is left out. At most seven queries, however many customers."""
    decided = await _decide(store, shop, customer_ids, placement, now)
    dismissed = await _dismissed(store, shop, customer_ids)
    return {
        customer: [offer for offer in offers if (customer, offer.id) not in dismissed][: max(first, 0)]
        for customer, offers in decided.items()
    }


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


async def respond(  # noqa: PLR0917 - the signature agreed with the resolvers
    store: Store, shop: ShopContext, customer_id: int, offer: int, response: OfferResponse, now: datetime
) -> OfferDecision:
    """Record what a customer did with an offer that is hers now; the same answer twice is one. Raises NotFoundError,
    and records nothing, for an offer of somebody else, one that has expired, or a number made up."""
    decided = await _decide(store, shop, [customer_id], None, now)
    for known in decided[customer_id]:
        if known.id == offer:
            await store.database.upsert(_ANSWER, [(shop.id, offer, customer_id, str(response), to_us(now))])
            return known
    raise NotFoundError(f"This customer has no offer {offer} now; ask for the customer's offers again.")


async def _decide(
    store: Store, shop: ShopContext, customer_ids: Sequence[int], placement: OfferPlacement | None, now: datetime
) -> dict[int, list[OfferDecision]]:
    situations = await _situations(store, shop, customer_ids, now)
    plays = {customer: plays_for(situation, placement) for customer, situation in situations.items()}
    # A visitor has bought nothing, so that what comes back for one is what is popular.
    choosing = [customer for customer, fitting in plays.items() if _has(fitting, cross_sell=True)]
    products = await recommendations_for(
        store.database, shop.id, dict.fromkeys(choosing), first=PRODUCTS_SHOWN, now=to_us(now)
    )
    order_value = await _shop_order_value(store, shop, situations.values(), plays)
    offers: dict[int, list[OfferDecision]] = {customer: [] for customer in customer_ids}
    for customer, situation in situations.items():
        for play in plays[customer]:
            if play.kind is OfferKind.CROSS_SELL:
                offer = cross_sell_offer(shop.id, play, situation, products[customer])
            else:
                offer = loyalty_offer(
                    shop.id,
                    play,
                    situation,
                    installed_at=min(shop.installed_at, to_us(now)),
                    now=to_us(now),
                    shop_order_value=order_value,
                )
            offers[customer] += [offer] if offer else []
    return offers


def _has(plays: Iterable[Play], *, cross_sell: bool) -> bool:
    return any((play.kind is OfferKind.CROSS_SELL) == cross_sell for play in plays)


async def _situations(
    store: Store, shop: ShopContext, customer_ids: Sequence[int], now: datetime
) -> dict[int, Situation]:
    dialect = store.database.dialect
    rows = await store.database.fetch(
        "SELECT p.customer_id, s.stage, s.rung, p.added_at, p.added_day, p.orders, p.net_spend, p.last_order_at,"
        " p.last_order_day, p.return_order_at, p.return_order_day, p.lapse_1, p.lapse_2, p.lapse_3,"
        " CASE WHEN p.email_status = 'SUBSCRIBED' OR p.sms_status = 'SUBSCRIBED' THEN 1 ELSE 0 END"
        " FROM profiles p JOIN placements s"
        " ON s.shop_id = p.shop_id AND s.customer_id = p.customer_id AND s.model = $2"
        f" WHERE p.shop_id = $1 AND {among(dialect, 'p.customer_id', 3)}",
        shop.id,
        DEFAULT_MODEL,
        id_list(dialect, customer_ids),
    )
    today = ShopCalendar(shop.timezone).today(to_us(now))
    return {row[0]: _situation(row, today) for row in rows}


def _situation(row: Row, today: int) -> Situation:
    return Situation(
        customer_id=row[0],
        stage=row[1],
        rung=row[2],
        added_at=row[3],
        added_day=row[4],
        orders=row[5],
        net_spend=row[6],
        last_order_at=row[7],
        last_order_day=row[8],
        return_order_at=row[9],
        return_order_day=row[10],
        lapse_days=(row[11], row[12], row[13]),
        contactable=bool(row[14]),
        today=today,
    )


async def _shop_order_value(
    store: Store, shop: ShopContext, situations: Iterable[Situation], plays: Mapping[int, list[Play]]
) -> int | None:
    """The shop's mean order, ten-thousandths; asked for only where a bonus goes to someone without orders."""
    if not any(_has(plays[each.customer_id], cross_sell=False) and each.orders == 0 for each in situations):
        return None
    rows = await store.database.fetch(
        "SELECT SUM(net_spend), SUM(orders) FROM profiles WHERE shop_id = $1 AND orders > 0", shop.id
    )
    spend, orders = rows[0]
    return int(spend) // int(orders) if orders else None


async def _dismissed(store: Store, shop: ShopContext, customer_ids: Sequence[int]) -> set[tuple[Any, ...]]:
    dialect = store.database.dialect
    rows = await store.database.fetch(
        "SELECT customer_id, offer_id FROM offer_responses"
        f" WHERE shop_id = $1 AND response = $2 AND {among(dialect, 'customer_id', 3)}",
        shop.id,
        str(OfferResponse.DISMISSED),
        id_list(dialect, customer_ids),
    )
    return set(rows)
