"""Which products to offer beside others, to whom, and again: looked up from the fitted lists, for many customers in a
fixed number of queries, and checked against what can be sold and what was bought now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from plugin.domain.cross_sell import TOP, VOTING_RANKS
from plugin.domain.offers import Recommendation, again_reason, popular_reason, together_reason
from plugin.domain.recommend.methods import Use
from plugin.ledger.database import Database, Row
from plugin.ledger.lists import among, id_list

# What can be sold now: `pr` is the products table, `{now}` the position of the instant.
SELLABLE: Final = (
    "pr.status = 'ACTIVE' AND NOT pr.gift_card AND pr.available AND pr.deleted_at IS NULL"
    " AND pr.published_at IS NOT NULL AND pr.published_at <= ${now}"
)
_POPULAR_READ: Final = 100  # from the top: a customer who owns all of these needs no list of popular products

# CROSS JOIN is a join all the same, but SQLite keeps its order: orders of the customer first, by the index that begins
# with the customer. Left alone it began with every line of the shop (1.1 s instead of 4 ms for 527,000 lines).
# `bought`: all that a customer ever had in an order, also what was sent back, so that it is not offered again.
_BOUGHT: Final = (
    "bought AS (SELECT o.customer_id, l.product_id,"
    " MAX(CASE WHEN o.voided_at IS NULL AND l.current_quantity > 0 THEN 1 ELSE 0 END) AS kept"
    " FROM orders o CROSS JOIN order_lines l"
    " WHERE o.shop_id = $1 AND {customers} AND o.deleted_at IS NULL"
    " AND l.shop_id = $1 AND l.order_id = o.id AND l.product_id IS NOT NULL"
    " GROUP BY o.customer_id, l.product_id)"
)
# Each partner of each anchor votes with its score; the anchor with the strongest vote gives the reason. What she had or
# named stands among the votes as a mark, so that one window over (customer, product) leaves it out: NOT EXISTS over a
# CTE was up to 200 times slower.
_NO_VOTE: Final = (
    "CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), CAST(NULL AS DOUBLE PRECISION), CAST(0 AS DOUBLE PRECISION), 1"
)
_VOTES: Final = (
    "entries AS (SELECT a.customer_id, c.other_id, c.product_id AS anchor_id, c.together, c.lift, c.score, 0 AS had"
    " FROM anchors a CROSS JOIN copurchases c WHERE c.shop_id = $1 AND c.product_id = a.product_id AND c.rank <= $3"
    f" UNION ALL SELECT customer_id, product_id, {_NO_VOTE} FROM bought"
    f" UNION ALL SELECT customer_id, product_id, {_NO_VOTE} FROM anchors),"
    " votes AS (SELECT e.*,"
    " SUM(e.score) OVER (PARTITION BY e.customer_id, e.other_id) AS total,"
    " MAX(e.had) OVER (PARTITION BY e.customer_id, e.other_id) AS had_any,"
    " ROW_NUMBER() OVER (PARTITION BY e.customer_id, e.other_id ORDER BY e.score DESC, e.anchor_id) AS nth"
    " FROM entries e),"
    " ranked AS (SELECT v.*,"
    " ROW_NUMBER() OVER (PARTITION BY v.customer_id ORDER BY v.total DESC, v.other_id) AS place FROM votes v"
    f" JOIN products pr ON pr.shop_id = $1 AND pr.id = v.other_id AND {SELLABLE.format(now=4)}"
    " WHERE v.nth = 1 AND v.had_any = 0)"
    " SELECT r.customer_id, r.other_id, r.total, r.lift, r.together, r.anchor_id, t.title FROM ranked r"
    " LEFT JOIN products t ON t.shop_id = $1 AND t.id = r.anchor_id"
    " WHERE r.place <= $5 ORDER BY r.customer_id, r.place"
)


async def recommendations_for(
    database: Database, shop_id: int, wanted: Mapping[int, Sequence[int] | None], *, first: int, now: int
) -> dict[int, list[Recommendation]]:
    """For each customer (0: nobody known) at most `first` products that go with the given ones, or with None, with what
    the customer owns; filled up with what is popular. Never what was given, was ever bought, or cannot be sold."""
    found: dict[int, list[Recommendation]] = {customer: [] for customer in wanted}
    if first <= 0 or not wanted:
        return found
    owners = [customer for customer, given in wanted.items() if given is None]
    listed = await _listed(database, shop_id, owners, Use.NEW_FOR_YOU, now)
    had = await _bought_of(database, shop_id, list(listed), {row[1] for rows in listed.values() for row in rows})
    for customer, picks in listed.items():
        fresh = [row for row in picks if (customer, row[1]) not in had]
        found[customer] += [_picked(row) for row in fresh[:first]]
    # Who first bought since the fit has no list yet: what goes with what she has.
    rows = await _of_owners(database, shop_id, [each for each in owners if each not in listed], first, now)
    for customer, given in wanted.items():
        if given:
            rows += await _of_products(database, shop_id, customer, given, first=first, now=now)
    for row in rows:
        found[row[0]].append(_bought_together(row))
    return await _filled(database, shop_id, wanted, found, first=first, now=now)


async def buy_again_for(
    database: Database, shop_id: int, customers: Sequence[int], *, first: int, now: int
) -> dict[int, list[Recommendation]]:
    """For each customer at most `first` of her own products that she is likeliest to buy again and that can be sold;
    of somebody who has bought nothing, none."""
    listed = await _listed(database, shop_id, customers, Use.BUY_AGAIN, now)
    return {
        customer: [
            Recommendation(row[1], row[2], None, row[4], None, (again_reason(row[4]),))
            for row in listed.get(customer, [])[: max(first, 0)]
        ]
        for customer in customers
    }


async def _listed(
    database: Database, shop_id: int, customers: Sequence[int], use: Use, now: int
) -> dict[int, list[Row]]:
    """The stored lists, of what can be sold now: customer, product, score, lift, together, anchor, its title."""
    found: dict[int, list[Row]] = {}
    if not customers:
        return found
    rows = await database.fetch(
        "SELECT c.customer_id, c.product_id, c.score, c.lift, c.together, c.anchor_id, t.title FROM customer_picks c"
        f" JOIN products pr ON pr.shop_id = $1 AND pr.id = c.product_id AND {SELLABLE.format(now=4)}"
        " LEFT JOIN products t ON t.shop_id = $1 AND t.id = c.anchor_id"
        f" WHERE c.shop_id = $1 AND c.use = $2 AND {among(database.dialect, 'c.customer_id', 3)}"
        " ORDER BY c.customer_id, c.rank",
        shop_id, str(use), id_list(database.dialect, customers), now,
    )  # fmt: skip
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _picked(row: Row) -> Recommendation:
    """With an anchor why it goes with it, without one how popular it is."""
    if row[5] is not None:
        return _bought_together(row)
    return Recommendation(row[1], row[2], None, row[4], None, (popular_reason(row[4]),))


async def _of_owners(database: Database, shop_id: int, owners: Sequence[int], first: int, now: int) -> list[Row]:
    if not owners:
        return []
    bought = _BOUGHT.format(customers=among(database.dialect, "o.customer_id", 2))
    anchors = "anchors AS (SELECT customer_id, product_id FROM bought WHERE kept = 1)"
    return await database.fetch(
        f"WITH {bought}, {anchors}, {_VOTES}", shop_id, id_list(database.dialect, owners), VOTING_RANKS, now, first
    )


async def _of_products(
    database: Database, shop_id: int, customer: int, given: Sequence[int], *, first: int, now: int
) -> list[Row]:
    bought = _BOUGHT.format(customers="o.customer_id = $2")
    chosen = among(database.dialect, "g.id", 6)
    anchors = (
        "anchors AS (SELECT CAST($2 AS BIGINT) AS customer_id, g.id AS product_id"
        f" FROM products g WHERE g.shop_id = $1 AND {chosen})"
    )
    return await database.fetch(
        f"WITH {bought}, {anchors}, {_VOTES}", shop_id, customer, TOP, now, first, id_list(database.dialect, given)
    )


def _bought_together(row: Row) -> Recommendation:
    _, product, score, lift, together, anchor, title = row
    reason = together_reason(title or f"product {anchor}", together, lift)
    return Recommendation(product, score, lift, together, anchor, (reason,))


async def _filled(
    database: Database,
    shop_id: int,
    wanted: Mapping[int, Sequence[int] | None],
    found: dict[int, list[Recommendation]],
    *,
    first: int,
    now: int,
) -> dict[int, list[Recommendation]]:
    short = [customer for customer, products in found.items() if len(products) < first]
    if not short:
        return found
    popular = await database.fetch(
        "SELECT r.product_id, r.buyers FROM product_ranks r"
        f" JOIN products pr ON pr.shop_id = r.shop_id AND pr.id = r.product_id AND {SELLABLE.format(now=2)}"
        " WHERE r.shop_id = $1 ORDER BY r.rank LIMIT $3",
        shop_id,
        now,
        _POPULAR_READ,
    )
    taken = await _bought_of(database, shop_id, short, [product for product, _ in popular])
    for customer in short:
        left_out = {each.product_id for each in found[customer]} | set(wanted[customer] or ())
        fitting = (
            row for row in popular if row[0] not in left_out and (customer, row[0]) not in taken
        )  # in order of popularity
        for product, buyers in fitting:
            if len(found[customer]) == first:
                break
            found[customer].append(Recommendation(product, 0.0, None, buyers, None, (popular_reason(buyers),)))
    return found


async def _bought_of(
    database: Database, shop_id: int, customers: Sequence[int], products: Collection[int]
) -> set[tuple[int, int]]:
    if not customers or not products:
        return set()
    dialect = database.dialect
    rows = await database.fetch(
        "SELECT DISTINCT o.customer_id, l.product_id FROM orders o CROSS JOIN order_lines l"
        f" WHERE o.shop_id = $1 AND {among(dialect, 'o.customer_id', 2)} AND o.deleted_at IS NULL"
        f" AND l.shop_id = $1 AND l.order_id = o.id AND {among(dialect, 'l.product_id', 3)}",
        shop_id,
        id_list(dialect, customers),
        id_list(dialect, products),
    )
    return {(customer, product) for customer, product in rows}
