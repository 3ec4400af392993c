"""What must hold of a ledger at any quiet moment: asked by `rebloom doctor`, and by the tests after each story.

Quiet: deliveries are applied and no recompute is running. Reads only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from plugin.domain.instants import from_us, to_us
from plugin.ledger.computed import PROFILE_COLUMNS
from plugin.ledger.database import Database
from plugin.ledger.picks import among
from plugin.ledger.store import Store
from plugin.ledger.tables import SHOP_TABLES
from plugin.lifecycle.frames import read_frame
from plugin.lifecycle.outcome import compute
from plugin.lifecycle.plan import read_plan
from plugin.shops import Clock, ShopContext

_RECOMPUTE: Final = "run: rebloom recompute SHOP"
_SYNC: Final = "run: rebloom sync SHOP"
_SAMPLE: Final = 20  # customers at each end of the list who are measured again
_LATE: Final = 15 * 60 * 1_000_000  # microseconds that a sweep may be behind; it comes once a minute


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sql` gives up to a few keys of rows against it; `$1` is the shop."""

    what: str
    sql: str
    mend: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold, and some of the rows against it (numbers of the platform, nothing personal)."""

    what: str
    examples: tuple[str, ...]
    mend: str


_LAST_ENTRY: Final = """
    SELECT max(u.at) FROM stage_transitions u
    WHERE u.shop_id = q.shop_id AND u.customer_id = q.customer_id AND u.model = q.model"""
INVARIANTS: Final = (
    Invariant(
        "everybody stands where their stage history ends",
        f"""SELECT q.customer_id, q.model FROM placements q WHERE q.shop_id = $1 AND NOT EXISTS (
            SELECT 1 FROM stage_transitions t WHERE t.shop_id = q.shop_id AND t.customer_id = q.customer_id
            AND t.model = q.model AND t.at = ({_LAST_ENTRY}) AND t.to_stage = q.stage
            AND COALESCE(t.to_rung, 0) = COALESCE(q.rung, 0) AND q.since_at <= t.at)""",
        _RECOMPUTE,
    ),
    Invariant(
        "whose stage history ends in a stage has a place in it",
        """SELECT t.customer_id, t.model FROM stage_transitions t WHERE t.shop_id = $1 AND t.to_stage IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM stage_transitions u WHERE u.shop_id = t.shop_id
               AND u.customer_id = t.customer_id AND u.model = t.model AND u.at > t.at)
           AND NOT EXISTS (SELECT 1 FROM placements q WHERE q.shop_id = t.shop_id
               AND q.customer_id = t.customer_id AND q.model = t.model)""",
        _RECOMPUTE,
    ),
    Invariant(
        "a stage ends after it began",
        "SELECT customer_id, model FROM placements WHERE shop_id = $1 AND valid_until <= since_at",
        _RECOMPUTE,
    ),
    Invariant(
        "everybody placed has a profile",
        """SELECT q.customer_id, q.model FROM placements q WHERE q.shop_id = $1 AND NOT EXISTS (
           SELECT 1 FROM profiles p WHERE p.shop_id = q.shop_id AND p.customer_id = q.customer_id)""",
        _RECOMPUTE,
    ),
    Invariant(
        "everybody with a profile is a customer of the shop",
        """SELECT p.customer_id FROM profiles p WHERE p.shop_id = $1 AND NOT EXISTS (
           SELECT 1 FROM customers c WHERE c.shop_id = p.shop_id AND c.id = p.customer_id
           AND c.deleted_at IS NULL AND c.merged_into IS NULL)""",
        _RECOMPUTE,
    ),
    Invariant(
        "a segment has the members its events tell of",
        """SELECT s.segment_id, s.customer_id FROM (
               SELECT shop_id, segment_id, customer_id, sum(change) AS total FROM segment_events
               WHERE shop_id = $1 GROUP BY shop_id, segment_id, customer_id) s
           LEFT JOIN segment_members m ON m.shop_id = s.shop_id AND m.segment_id = s.segment_id
               AND m.customer_id = s.customer_id
           WHERE s.total <> CASE WHEN m.customer_id IS NULL THEN 0 ELSE 1 END""",
        _RECOMPUTE,
    ),
    Invariant(
        "a member of a segment has joined it",
        """SELECT m.segment_id, m.customer_id FROM segment_members m WHERE m.shop_id = $1 AND NOT EXISTS (
           SELECT 1 FROM segment_events e WHERE e.shop_id = m.shop_id AND e.segment_id = m.segment_id
           AND e.customer_id = m.customer_id)""",
        _RECOMPUTE,
    ),
    Invariant(
        "an order's customer is known, and nobody who was folded into another",
        """SELECT o.id, o.customer_id FROM orders o WHERE o.shop_id = $1 AND o.counted AND NOT EXISTS (
           SELECT 1 FROM customers c WHERE c.shop_id = o.shop_id AND c.id = o.customer_id
           AND c.merged_into IS NULL)""",
        _SYNC,
    ),
    Invariant(
        "who was folded into another leads to the living one in one step",
        """SELECT c.id, c.merged_into FROM customers c JOIN customers d ON d.shop_id = c.shop_id
           AND d.id = c.merged_into WHERE c.shop_id = $1 AND d.merged_into IS NOT NULL""",
        _SYNC,
    ),
    Invariant(
        "of who is gone no name or address is kept",
        """SELECT n.id FROM persons n JOIN customers c ON c.shop_id = n.shop_id AND c.id = n.id
           WHERE n.shop_id = $1 AND (c.deleted_at IS NOT NULL OR c.merged_into IS NOT NULL)""",
        _SYNC,
    ),
    Invariant(
        "a customer has at most one stage tag of ours",
        """SELECT r.customer_id FROM tag_records r JOIN shops s ON s.id = r.shop_id WHERE r.shop_id = $1
           AND r.state = 'written' AND substr(r.tag, 1, length(s.tag_prefix) + 6) = s.tag_prefix || 'stage-'
           GROUP BY r.customer_id HAVING count(*) > 1""",
        "run: rebloom push SHOP",
    ),
    Invariant(
        "nothing is kept of a delivery that was applied",
        "SELECT webhook_id FROM inbox WHERE shop_id = $1 AND state = 'done' AND sealed_body <> ''",
        "run: rebloom inbox SHOP",
    ),
)


async def broken(store: Store, shop: ShopContext, *, now: Clock) -> list[Broken]:
    """The invariants that do not hold of a shop. Longer than a request: each reads the shop's rows once."""
    found = [
        Broken(each.what, examples, each.mend)
        for each in INVARIANTS
        if (examples := await _examples(store.database, each.sql, shop.id))
    ]
    found += await _overdue(store.database, shop, to_us(now()))
    return found + await _measured_otherwise(store.database, shop)


async def rows_of_nobody(database: Database) -> list[Broken]:
    """Tables with rows of a shop that was never installed (0 marks deliveries of unknown shops)."""
    found = []
    for table in SHOP_TABLES:
        name = table._meta.db_table  # noqa: SLF001 - Tortoise's only way to say it
        sql = (
            f"SELECT DISTINCT shop_id FROM {name} WHERE shop_id <> 0 AND shop_id NOT IN (SELECT id FROM shops) LIMIT 3"
        )
        if rows := await database.fetch(sql):
            found.append(Broken(f"{name} has no rows of unknown shops", _shown(rows), "restore a whole backup"))
    return found


async def _overdue(database: Database, shop: ShopContext, at: int) -> list[Broken]:
    """Only where somebody should have come: a shop that lets us in."""
    if shop.status != "installed":
        return []
    sql = "SELECT customer_id FROM profiles WHERE shop_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT 3"
    rows = await database.fetch(sql, shop.id, at - _LATE)
    what, mend = "nobody's time to be judged again has passed", "see that a worker runs: rebloom worker"
    return [Broken(what, _shown(rows), mend)] if rows else []


async def _measured_otherwise(database: Database, shop: ShopContext) -> list[Broken]:
    """The first and the last customers, measured again at the instant at which their profiles were."""
    columns = ", ".join(PROFILE_COLUMNS)
    sql = f"SELECT customer_id, {columns}, due_at, computed_at FROM profiles WHERE shop_id = $1 ORDER BY customer_id"
    rows = {
        row[0]: row
        for order in ("ASC", "DESC")
        for row in await database.fetch(f"{sql} {order} LIMIT {_SAMPLE}", shop.id)
    }
    other: list[int] = []
    for at in sorted({row[-1] for row in rows.values()}):
        ids = sorted(number for number, row in rows.items() if row[-1] == at)
        again = await _measured(database, shop, ids, at)
        other += [number for number in ids if again.get(number) != rows[number][:-1]]
    what = "who is measured again has the same profile"
    return [Broken(what, tuple(map(str, other[:3])), _RECOMPUTE)] if other else []


async def _measured(database: Database, shop: ShopContext, ids: Sequence[int], at: int) -> dict[int, tuple[Any, ...]]:
    plan = await read_plan(database, shop, from_us(at))
    frame = await read_frame(
        database, shop.id, among(list(ids)), history_from=plan.history_from, lines=plan.reads_lines
    )
    outcome = await asyncio.to_thread(compute, frame, plan)
    width = 2 + len(PROFILE_COLUMNS)  # without the digest
    return {row[0]: row[:width] for row in outcome.profiles(np.arange(len(outcome.customers), dtype=np.int64))}


async def _examples(database: Database, sql: str, shop_id: int) -> tuple[str, ...]:
    return _shown(await database.fetch(f"{sql} LIMIT 3", shop_id))


def _shown(rows: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    return tuple("/".join(map(str, row)) for row in rows)
