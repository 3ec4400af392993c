"""How long what is no longer needed is kept, table by table; the rest is deleted a little at a time.

The record of a delivery must outlive the sender's retries (four hours) and what comes a day late, so that a repetition
is known for one. Facts and what is computed from them are the shop's own and stay until the shop redacts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from plugin.domain.instants import to_us
from plugin.ledger.database import Database

_AT_ONCE: Final = 2_000  # rows of one transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of `table` that match `condition` are deleted `days` after the instant in `column`; `key` tells them apart
    within their shop."""

    table: str
    condition: str
    column: str
    days: int
    key: tuple[str, ...]


RETENTION: Final = (
    Kept("inbox", "state = 'done'", "received_at", 30, ("webhook_id",)),
    # Set aside, with a sealed body: an operator has a quarter to look at it.
    Kept("inbox", "state = 'set_aside'", "received_at", 90, ("webhook_id",)),
    Kept(
        "stage_transitions_superseded", "1 = 1", "superseded_at", 400,
        ("customer_id", "model", "at", "recorded_at", "reason"),
    ),
    # Listeners are told within seconds, webhooks within the days of their retries; what waits for an endpoint that is
    # off waits for nothing.
    Kept("shop_events", "1 = 1", "noted_at", 7, ("number",)),
    Kept("webhook_deliveries", "1 = 1", "created_at", 14, ("endpoint_id", "number")),
    # The answer to somebody who asked what is held: the law gives a month to hand it over.
    Kept("data_exports", "1 = 1", "made_at", 60, ("request_id",)),
    Kept("set_aside", "1 = 1", "at", 90, ("source", "position")),
)  # fmt: skip


async def let_go(database: Database, shop_id: int, *, now: datetime) -> dict[str, int]:
    """Delete what a shop's rows are past; how many by table. Safe to stop anywhere and to repeat."""
    gone: dict[str, int] = {}
    for kept in RETENTION:
        before = to_us(now - timedelta(days=kept.days))
        keys = ", ".join(kept.key)
        chosen = (
            f"SELECT {keys} FROM {kept.table} WHERE shop_id = $1 AND {kept.condition} AND {kept.column} < $2"
            f" LIMIT {_AT_ONCE}"
        )
        while count := await database.execute(
            f"DELETE FROM {kept.table} WHERE shop_id = $1 AND ({keys}) IN ({chosen})", shop_id, before
        ):
            gone[kept.table] = gone.get(kept.table, 0) + count
    return gone
