"""Touchpoints in the store: told twice is one, told of somebody who is gone is not kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from plugin.domain.instants import to_us
from plugin.domain.touchpoints import KEPT, Touchpoint
from plugin.ledger.database import Database, Session
from plugin.ledger.removals import living
from plugin.ledger.store import Store

KEY_PREFIX: Final = "rbw_"
_STITCHED: Final = 30 * 86_400_000_000  # how long a browser's earlier touchpoints wait for a name
_AT_ONCE: Final = 5_000
_COLUMNS: Final = (
    "shop_id", "source", "event_id", "customer_id", "visitor", "kind", "channel", "at", "product_id", "collection_id",
    "subject", "outcome", "score", "received_at", "placement", "play",
)  # fmt: skip
_MARKS: Final = ", ".join(f"${position}" for position in range(1, len(_COLUMNS) + 1))
_INSERT: Final = (
    f"INSERT INTO touchpoints ({', '.join(_COLUMNS)}) VALUES ({_MARKS})"
    " ON CONFLICT (shop_id, source, event_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """`customers`: whose lives they touch. `recorded`: how many were new."""

    recorded: int
    customers: frozenset[int]


async def record_touchpoints(
    store: Store, shop_id: int, told: Sequence[Touchpoint], *, now: datetime, session: Session | None = None
) -> Recorded:
    """Keep what is new, and make their customers due, all or nothing. A browser that turns out to be a customer's
    brings what it did before."""
    if session is not None:
        return await _record(session, shop_id, told, to_us(now))
    async with store.database.transaction() as own:
        return await _record(own, shop_id, told, to_us(now))


async def _record(session: Session, shop_id: int, told: Sequence[Touchpoint], now: int) -> Recorded:
    owners = await _owners(session, shop_id, {each.customer_id for each in told if each.customer_id is not None})
    kept = [
        replace(each, customer_id=None if each.customer_id is None else owners[each.customer_id])
        for each in told
        if each.customer_id is None or owners[each.customer_id] is not None
    ]
    recorded = 0
    for each in kept:
        recorded += await session.execute(_INSERT, *_row(shop_id, each, now))
    for visitor, customer in {(each.visitor, each.customer_id) for each in kept if each.visitor and each.customer_id}:
        await session.execute(
            "UPDATE touchpoints SET customer_id = $3 WHERE shop_id = $1 AND visitor = $2 AND customer_id IS NULL"
            " AND at >= $4",
            shop_id, visitor, customer, now - _STITCHED,
        )  # fmt: skip
    customers = frozenset(each.customer_id for each in kept if each.customer_id is not None)
    earliest = {of: min(each.at for each in kept if each.customer_id == of) for of in customers}
    for of, at in earliest.items():
        await session.execute(
            "UPDATE profiles SET due_at = $3 WHERE shop_id = $1 AND customer_id = $2"
            " AND (due_at IS NULL OR due_at > $3)",
            shop_id, of, at,
        )  # fmt: skip
    return Recorded(recorded=recorded, customers=customers)


async def _owners(session: Session, shop_id: int, ids: set[int]) -> dict[int, int | None]:
    """The living customer behind each id, None behind one who is gone. Who is not known yet may still come."""
    found: dict[int, int | None] = {}
    for number in ids:
        end = await living(session, shop_id, number)
        gone = await session.fetch(
            "SELECT 1 FROM customers WHERE shop_id = $1 AND id = $2 AND deleted_at IS NOT NULL", shop_id, end
        )
        found[number] = None if gone else end
    return found


def _row(shop_id: int, each: Touchpoint, now: int) -> tuple[Any, ...]:
    return (
        shop_id, each.source.value, each.event_id, each.customer_id, each.visitor, each.kind.value, each.channel.value,
        each.at, each.product_id, each.collection_id, each.subject,
        each.outcome and each.outcome.value, each.score, now, each.placement and each.placement.value, each.play,
    )  # fmt: skip


async def forget_old_touchpoints(database: Database, *, now: datetime) -> int:
    """Those older than the platform itself keeps such events, of every shop; how many."""
    removed = 0
    while True:
        rows = await database.fetch(
            "SELECT shop_id, source, event_id FROM touchpoints WHERE at < $1 LIMIT $2", to_us(now) - KEPT, _AT_ONCE
        )
        await database.execute_many(
            "DELETE FROM touchpoints WHERE shop_id = $1 AND source = $2 AND event_id = $3", rows
        )
        removed += len(rows)
        if len(rows) < _AT_ONCE:
            return removed


# --- the public key ---


async def new_key(database: Database, shop_id: int, *, now: datetime) -> str:
    """Another key for the shop; the one before is good no more."""
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    await database.execute(
        "INSERT INTO write_keys (shop_id, write_key, created_at) VALUES ($1, $2, $3) ON CONFLICT (shop_id)"
        " DO UPDATE SET write_key = excluded.write_key, created_at = excluded.created_at",
        shop_id, key, to_us(now),
    )  # fmt: skip
    return key


async def present_key(database: Database, shop_id: int) -> str | None:
    rows = await database.fetch("SELECT write_key FROM write_keys WHERE shop_id = $1", shop_id)
    return str(rows[0][0]) if rows else None


async def shop_of_key(database: Database, key: str) -> int | None:
    rows = await database.fetch("SELECT shop_id FROM write_keys WHERE write_key = $1", key)
    return int(rows[0][0]) if len(rows) == 1 else None
