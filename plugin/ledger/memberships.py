"""Who is in a segment, and the story of it: every change of membership is kept with its instant.

`at` of a change is the instant the verdict flipped where that is known: of a change by the clock, the instant for
which the customer was due (exact unless a sweep was so late that a second instant passed; then it is the first of
them, and who joined and left in between is not told of). Of a change by a fact or by a changed rule it is the instant
of the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.events import Event, EventKind
from plugin.ledger.bulk_reads import read_picked, whole
from plugin.ledger.computed import MEMBERS
from plugin.ledger.database import Database, Row, Session, Upsert
from plugin.ledger.events import tell
from plugin.ledger.paging import Binder
from plugin.ledger.picks import Pick

JOINED: Final = 1
LEFT: Final = -1
_AT_ONCE: Final = {"sqlite": 2_000, "postgres": 20_000}  # changes in one transaction
# Joined and left at one instant add up to nothing, and the sum of all changes is how many are in it, in any order.
ON_CONFLICT: Final = (
    "ON CONFLICT (shop_id, segment_id, at, customer_id) DO UPDATE SET change = segment_events.change + excluded.change"
)
_THERE: Final = "SELECT segment_id, customer_id FROM segment_members WHERE shop_id = $1 AND {customer_id}"
_EVENTS: Final = Upsert(
    table="segment_events", columns=("shop_id", "segment_id", "at", "customer_id", "change"),
    key=("shop_id", "segment_id", "at", "customer_id"), merge=(("change", "segment_events.change + excluded.change"),),
)  # fmt: skip


async def keep_members(
    database: Database,
    session: Session | None,
    shop_id: int,
    pick: Pick,
    members: tuple[Ints, Ints],
    *,
    at: int,
    judged: frozenset[int],
    flipped_at: Mapping[int, int],
    live: bool,
) -> int:
    """Make `members`, pairs of a segment and a customer as two arrays, the memberships of the picked customers in the
    `judged` segments, and note each change: at `flipped_at` of the customer, or else at `at`. Inside `session`, or in
    transactions of its own. `live`: whoever listens is told. How many changed."""
    found = await read_picked(database, _THERE, shop_id, pick)
    there = whole(found["segment_id"]), whole(found["customer_id"])
    ours = np.isin(there[0], np.array(sorted(judged), dtype=np.int64))
    joined, left = _differences(members, (there[0][ours], there[1][ours]))
    moves = [(*row, JOINED) for row in joined] + [(*row, LEFT) for row in left]
    size = _AT_ONCE[database.dialect]
    for start in range(0, len(moves), size):
        some = moves[start : start + size]
        events = [(shop_id, segment, flipped_at.get(of, at), of, change) for segment, of, change in some]
        async with database.transaction() if session is None else nullcontext(session) as writing:
            await writing.upsert(_EVENTS, events)
            new = [(shop_id, segment, of, when) for _, segment, when, of, change in events if change == JOINED]
            await writing.upsert(MEMBERS.upsert, new)
            await _remove(writing, database, shop_id, [(segment, of) for segment, of, change in some if change == LEFT])
            if live:
                await tell(writing, shop_id, map(_told, events), now=at)
    return len(moves)


def _told(moved: Row) -> Event:
    _, segment, at, customer, change = moved
    kind = EventKind.SEGMENT_JOINED if change == JOINED else EventKind.SEGMENT_LEFT
    return Event(kind=kind, at=at, customer_id=customer, subject=str(segment))


def _differences(
    wanted: tuple[Ints, Ints], there: tuple[Ints, Ints]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs that are wanted and not there, and the other way round, each ascending."""
    firsts, first = np.unique(np.concatenate([wanted[0], there[0]]), return_inverse=True)
    seconds, second = np.unique(np.concatenate([wanted[1], there[1]]), return_inverse=True)
    codes = first * max(len(seconds), 1) + second
    one, other = codes[: len(wanted[0])], codes[len(wanted[0]) :]

    def pairs(found: Ints) -> list[tuple[int, int]]:
        size = max(len(seconds), 1)
        return list(zip(firsts[found // size].tolist(), seconds[found % size].tolist(), strict=True))

    return pairs(np.setdiff1d(one, other)), pairs(np.setdiff1d(other, one))


async def _remove(session: Session, database: Database, shop_id: int, rows: Sequence[Row]) -> None:
    for segment in sorted({row[0] for row in rows}):
        bind = Binder([shop_id, segment])
        listed = bind.among(database, "customer_id", [of for number, of in rows if number == segment])
        await session.execute(
            f"DELETE FROM segment_members WHERE shop_id = $1 AND segment_id = $2 AND {listed}", *bind.values
        )


async def refill(session: Session, segment_id: int, condition: str, values: Sequence[object], *, at: int) -> None:
    """Those who meet `condition` over `profiles p` are members, by statements over the whole shop; who was one already
    keeps the instant of joining. `$1` of the condition is the shop."""
    number, when = f"CAST(${len(values) + 1} AS BIGINT)", f"CAST(${len(values) + 2} AS BIGINT)"
    gone = (
        f"m.shop_id = $1 AND m.segment_id = {number}"
        f" AND m.customer_id NOT IN (SELECT p.customer_id FROM profiles p WHERE {condition})"
    )
    events = "INSERT INTO segment_events (shop_id, segment_id, at, customer_id, change) SELECT"
    new = (
        f"{condition} AND NOT EXISTS (SELECT 1 FROM segment_members m WHERE m.shop_id = p.shop_id"
        f" AND m.segment_id = {number} AND m.customer_id = p.customer_id)"
    )
    await session.execute(
        f"{events} m.shop_id, {number}, {when}, m.customer_id, {LEFT} FROM segment_members m WHERE {gone}"
        f" {ON_CONFLICT}", *values, segment_id, at,
    )  # fmt: skip
    await session.execute(f"DELETE FROM segment_members AS m WHERE {gone}", *values, segment_id)
    await session.execute(
        f"{events} p.shop_id, {number}, {when}, p.customer_id, {JOINED} FROM profiles p WHERE {new} {ON_CONFLICT}",
        *values, segment_id, at,
    )  # fmt: skip
    await session.execute(
        "INSERT INTO segment_members (shop_id, segment_id, customer_id, joined_at) SELECT p.shop_id,"
        f" {number}, p.customer_id, {when} FROM profiles p WHERE {condition} ON CONFLICT DO NOTHING",
        *values, segment_id, at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Growth:
    """What happened in [`begins`, `ends`), in epoch microseconds, and how many were members at its end."""

    begins: int
    ends: int
    joined: int
    left: int
    members: int


async def growth(database: Database, shop_id: int, segment_id: int, edges: Sequence[int]) -> list[Growth]:
    """Between each two of the ascending `edges`. Who was deleted or merged into another since is left out."""
    bind = Binder([shop_id, segment_id])
    buckets = ", ".join(
        f"({number}, CAST({bind(low)} AS BIGINT), CAST({bind(high)} AS BIGINT))"
        for number, (low, high) in enumerate(pairwise(edges))
    )
    found = await database.fetch(
        f"WITH buckets(number, low, high) AS (VALUES {buckets}) SELECT b.number,"
        " SUM(CASE WHEN e.change > 0 THEN 1 ELSE 0 END), SUM(CASE WHEN e.change < 0 THEN 1 ELSE 0 END)"
        " FROM buckets b JOIN segment_events e ON e.shop_id = $1 AND e.segment_id = $2 AND e.at >= b.low"
        " AND e.at < b.high GROUP BY b.number",
        *bind.values,
    )
    moved = {number: (joined, left) for number, joined, left in found}
    members = await _members_before(database, shop_id, segment_id, edges[0])
    grown = []
    for number, (low, high) in enumerate(pairwise(edges)):
        joined, left = moved.get(number, (0, 0))
        members += joined - left
        grown.append(Growth(low, high, joined, left, members))
    return grown


async def _members_before(database: Database, shop_id: int, segment_id: int, at: int) -> int:
    rows = await database.fetch(
        "SELECT COALESCE(SUM(change), 0) FROM segment_events WHERE shop_id = $1 AND segment_id = $2 AND at < $3",
        shop_id, segment_id, at,
    )  # fmt: skip
    return int(rows[0][0])


async def overlaps(database: Database, shop_id: int, segment_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """How many are in both, for each two of the segments that share anybody; the lower id first."""
    bind = Binder([shop_id])
    one, other = (bind.among(database, f"{name}.segment_id", segment_ids) for name in ("a", "b"))
    rows = await database.fetch(
        "SELECT a.segment_id, b.segment_id, COUNT(*) FROM segment_members a JOIN segment_members b"
        " ON b.shop_id = a.shop_id AND b.customer_id = a.customer_id AND b.segment_id > a.segment_id"
        f" WHERE a.shop_id = $1 AND {one} AND {other} GROUP BY a.segment_id, b.segment_id",
        *bind.values,
    )
    return {(row[0], row[1]): row[2] for row in rows}
