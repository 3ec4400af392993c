"""Codes of ours that were used: recognised in the orders, in any letter case, and on record with the order. Rebuilt
from what the orders say now, so the order in which they came does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import orjson

from plugin.domain.codes import folded
from plugin.ledger.codes import PLAY, REFERRAL
from plugin.ledger.database import Database, Row, Upsert
from plugin.ledger.lists import among, among_texts, id_list, text_list
from plugin.ledger.offer_outcomes import settle_redeemed
from plugin.ledger.store import Store
from plugin.shops import ShopContext

_AT_ONCE: Final = 1_000  # customers
_REDEMPTIONS: Final = Upsert(
    table="offer_redemptions",
    columns=("shop_id", "order_id", "code_id", "customer_id", "source", "subject", "offer_id", "at", "voided_at"),
    key=("shop_id", "order_id", "code_id"),
    update=("customer_id", "at", "voided_at"),  # which offer it was is known best when it was first seen
)
_ORDERS: Final = (
    "SELECT o.id, o.customer_id, o.processed_at, o.voided_at, o.discount_codes FROM orders o"
    " WHERE o.shop_id = $1 AND o.counted AND o.deleted_at IS NULL AND o.discount_codes IS NOT NULL"
    " AND {customers}"
)
_CREDITS: Final = Upsert(
    table="referral_credits",
    columns=("shop_id", "friend_id", "referrer_id", "order_id", "code_id", "at"),
    key=("shop_id", "friend_id"),
    update=("referrer_id", "order_id", "code_id", "at"),
)


class RedemptionReport(NamedTuple):
    """Rows that are new or gone, and customers whose referrals changed by a friend's order."""

    added: int
    removed: int
    referrers: frozenset[int]


async def record_redemptions(
    store: Store, shop: ShopContext, *, now: datetime, customers: Iterable[int] | None = None
) -> RedemptionReport:
    """Of the orders of these customers, or of everybody who could have used a code. A cancelled or fully refunded order
    stays on record as such; an order that is gone, a test, or somebody else's now, does not."""
    database = store.database
    if not await database.fetch("SELECT 1 FROM offer_codes WHERE shop_id = $1 LIMIT 1", shop.id):
        return RedemptionReport(0, 0, frozenset())
    ids = sorted(set(customers)) if customers is not None else await _everybody(database, shop.id)
    added = removed = 0
    referrers: set[int] = set()
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        more, less = await _record(database, shop.id, part)
        await _settle(database, shop.id, part)
        await settle_redeemed(store, shop.id, part, now=now)
        referrers |= await _credit(database, shop.id, part)
        added, removed = added + more, removed + less
    return RedemptionReport(added, removed, frozenset(referrers))


async def _everybody(database: Database, shop_id: int) -> list[int]:
    rows = await database.fetch(
        "SELECT customer_id FROM offer_redemptions WHERE shop_id = $1 AND customer_id IS NOT NULL UNION"
        " SELECT customer_id FROM orders WHERE shop_id = $1 AND customer_id IS NOT NULL AND discount_codes IS NOT NULL"
        " AND discount_codes <> '[]' ORDER BY 1",
        shop_id,
    )
    return [row[0] for row in rows]


async def _record(database: Database, shop_id: int, ids: Sequence[int]) -> tuple[int, int]:
    dialect = database.dialect
    orders = await database.fetch(
        _ORDERS.format(customers=among(dialect, "o.customer_id", 2)), shop_id, id_list(dialect, ids)
    )
    used = [(order, folded(text)) for order in orders for text in set(orjson.loads(order[4]))]
    codes = await _codes(database, shop_id, {text for _, text in used})
    rows = {(order[0], codes[text][0]): (order, codes[text]) for order, text in used if text in codes}
    there = await database.fetch(
        "SELECT order_id, code_id, at, voided_at, customer_id FROM offer_redemptions"
        f" WHERE shop_id = $1 AND {among(dialect, 'customer_id', 2)}",
        shop_id, id_list(dialect, ids),
    )  # fmt: skip
    known = {(row[0], row[1]): tuple(row[2:]) for row in there}
    wanted = [
        (shop_id, order[0], code[0], order[1], code[1], code[2], await _offer(database, shop_id, order, code), order[2],
         order[3])
        for key, (order, code) in rows.items()
        if known.get(key) != (order[2], order[3], order[1])
    ]  # fmt: skip
    await database.upsert(_REDEMPTIONS, wanted)
    gone = [key for key in known if key not in rows]
    await database.execute_many(
        "DELETE FROM offer_redemptions WHERE shop_id = $1 AND order_id = $2 AND code_id = $3",
        [(shop_id, *key) for key in gone],
    )
    return sum((row[1], row[2]) not in known for row in wanted), len(gone)


async def _codes(database: Database, shop_id: int, texts: set[str]) -> dict[str, Row]:
    """(number, source, subject, offer, starts_at, owner) by folded text."""
    if not texts:
        return {}
    rows = await database.fetch(
        "SELECT folded, code_id, source, subject, offer_id, starts_at, customer_id FROM offer_codes"
        f" WHERE shop_id = $1 AND {among_texts(database.dialect, 'folded', 2)}",
        shop_id, text_list(database.dialect, sorted(texts)),
    )  # fmt: skip
    return {row[0]: tuple(row[1:]) for row in rows}


async def _offer(database: Database, shop_id: int, order: Row, code: Row) -> int | None:
    """The offer whose code it was when the order was made: a code serves one offer after another."""
    _, source, subject, offer, starts_at, owner = code
    if source != PLAY or order[2] >= starts_at:
        return offer if isinstance(offer, int) else None
    rows = await database.fetch(
        "SELECT offer_id FROM offer_grants WHERE shop_id = $1 AND customer_id = $2 AND play = $3 AND NOT held"
        " AND granted_at <= $4 ORDER BY granted_at DESC LIMIT 1",
        shop_id, owner, subject, order[2],
    )  # fmt: skip
    return rows[0][0] if rows else None


async def _settle(database: Database, shop_id: int, ids: Sequence[int]) -> None:
    """A personal code that was used, also in an order that was cancelled since, is used up, and so is its offer; where
    the order is gone, it is not."""
    whose = among(database.dialect, "customer_id", 2)
    first = (
        "(SELECT MIN(r.at) FROM offer_redemptions r WHERE r.shop_id = $1 AND r.code_id = offer_codes.code_id)"
    )  # fmt: skip
    values = (shop_id, id_list(database.dialect, ids))
    await database.execute(
        f"UPDATE offer_codes SET redeemed_at = {first}, state = 'idle' WHERE shop_id = $1 AND {whose}"
        f" AND source <> '{REFERRAL}' AND redeemed_at IS NULL AND {first} IS NOT NULL AND state <> 'leaving'",
        *values,
    )
    await database.execute(
        f"UPDATE offer_codes SET redeemed_at = NULL, state = CASE WHEN state = 'idle' THEN 'intended' ELSE state END"
        f" WHERE shop_id = $1 AND {whose} AND redeemed_at IS NOT NULL AND {first} IS NULL",
        *values,
    )
    used = (
        "EXISTS (SELECT 1 FROM offer_redemptions r WHERE r.shop_id = $1"
        " AND r.customer_id = offer_grants.customer_id AND r.offer_id = offer_grants.offer_id)"
    )
    await database.execute(
        "UPDATE offer_grants SET closed_why = 'redeemed', closed_at = (SELECT MIN(r.at) FROM offer_redemptions r"
        " WHERE r.shop_id = $1 AND r.customer_id = offer_grants.customer_id AND r.offer_id = offer_grants.offer_id)"
        f" WHERE shop_id = $1 AND {whose} AND (closed_why IS NULL OR closed_why <> 'redeemed') AND {used}",
        *values,
    )
    await database.execute(
        f"UPDATE offer_grants SET closed_why = 'stage' WHERE shop_id = $1 AND {whose} AND closed_why = 'redeemed'"
        f" AND NOT {used}",
        *values,
    )


async def _credit(database: Database, shop_id: int, ids: Sequence[int]) -> set[int]:
    """Whose referrals changed. A friend counts by the first counted order, made with the code and with nothing of it
    refunded; friend and referrer are two customers who are both there."""
    whose = among(database.dialect, "r.customer_id", 2)
    values = (shop_id, id_list(database.dialect, ids))
    living = (
        "SELECT 1 FROM customers u WHERE u.shop_id = $1 AND u.deleted_at IS NULL AND u.merged_into IS NULL AND u.id"
    )
    rows = await database.fetch(
        "SELECT r.customer_id, c.customer_id, r.order_id, c.code_id, o.processed_at FROM offer_redemptions r"
        " JOIN offer_codes c ON c.shop_id = r.shop_id AND c.code_id = r.code_id"
        " JOIN orders o ON o.shop_id = r.shop_id AND o.id = r.order_id"
        f" WHERE r.shop_id = $1 AND {whose} AND r.source = '{REFERRAL}' AND c.customer_id <> r.customer_id"
        f" AND o.counted AND o.voided_at IS NULL AND o.refunded = 0"
        f" AND EXISTS ({living} = c.customer_id) AND EXISTS ({living} = r.customer_id)"
        " AND NOT EXISTS (SELECT 1 FROM orders e WHERE e.shop_id = $1 AND e.customer_id = r.customer_id AND e.counted"
        " AND e.voided_at IS NULL"
        " AND (e.processed_at < o.processed_at OR e.processed_at = o.processed_at AND e.id < o.id))"
        " ORDER BY r.customer_id, c.code_id DESC",
        *values,
    )
    wanted = {row[0]: tuple(row) for row in rows}  # of two codes in one order, the one with the lower number
    there = await database.fetch(
        "SELECT friend_id, referrer_id, order_id, code_id, at FROM referral_credits"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'friend_id', 2)}",
        *values,
    )
    known = {row[0]: tuple(row) for row in there}
    changed = [row for friend, row in wanted.items() if known.get(friend) != row]
    gone = [row for friend, row in known.items() if friend not in wanted]
    await database.upsert(_CREDITS, [(shop_id, *row) for row in changed])
    await database.execute_many(
        "DELETE FROM referral_credits WHERE shop_id = $1 AND friend_id = $2", [(shop_id, row[0]) for row in gone]
    )
    replaced = [known[row[0]] for row in changed if row[0] in known]
    return {row[1] for row in (*changed, *gone, *replaced)}
