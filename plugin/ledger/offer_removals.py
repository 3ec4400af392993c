"""Offers, codes and points of customers who are merged, deleted or redacted."""

from __future__ import annotations

from typing import Final

from plugin.ledger.database import Session

# Rows whose key names the customer: table, that column, the others.
_GRANT: Final = (
    "offer_id, play, play_version, kind, rung, period, held, percentage, amount, cost, granted_at, until_at, closed_at,"
    " closed_why, share"
)
_MOVED: Final = (
    ("offer_grants", "customer_id", _GRANT),
    ("point_spends", "customer_id", "id, points, at, code_id"),
    ("referral_credits", "friend_id", "referrer_id, order_id, code_id, at"),
)
_REBIND: Final = (
    "UPDATE offer_codes SET customer_id = $3, state = CASE WHEN state = 'active' THEN 'intended' ELSE state END"
    " WHERE shop_id = $1 AND customer_id = $2"
)


def _moved(table: str, column: str, others: str) -> str:
    return (
        f"INSERT INTO {table} (shop_id, {column}, {others}) SELECT shop_id, CAST($3 AS BIGINT), {others} FROM {table}"
        f" WHERE shop_id = $1 AND {column} = $2 ON CONFLICT DO NOTHING"
    )


async def move_offers(session: Session, shop_id: int, folded: int, end: int) -> None:
    """What was given to `folded` is from now on what was given to `end`. A code is bound to its customer in the shop,
    so one that stands is intended anew."""
    for sql in (
        *(_moved(*table) for table in _MOVED),
        "UPDATE referral_credits SET referrer_id = $3 WHERE shop_id = $1 AND referrer_id = $2",
        "UPDATE offer_redemptions SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        _REBIND,
    ):
        await session.execute(sql, shop_id, folded, end)


async def orphan_codes(session: Session, shop_id: int, customer_id: int) -> None:
    """Codes of somebody who is gone are nobody's, until they are withdrawn from the shop."""
    await session.execute(
        "UPDATE offer_codes SET customer_id = 0, offer_id = NULL, state = 'leaving'"
        " WHERE shop_id = $1 AND customer_id = $2",
        shop_id,
        customer_id,
    )
