"""Reads of stages: where customers stand, stood, and how they moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from plugin.ledger.database import Database, Row
from plugin.ledger.paging import Binder, PageRequest, keyset, pages_of


class PlacementRow(NamedTuple):
    model: str
    customer_id: int
    stage: str
    rung: int | None
    since_at: int
    valid_until: int | None
    because: str  # JSON list of reasons


async def placements(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, list[PlacementRow]]:
    """The present placements, of every computed model, by customer."""
    bind = Binder([shop_id])
    listed = bind.among(database, "customer_id", ids)
    rows = await database.fetch(
        "SELECT model, customer_id, stage, rung, since_at, valid_until, because FROM placements "
        f"WHERE shop_id = $1 AND {listed} ORDER BY customer_id, model",
        *bind.values,
    )
    return _grouped(rows)


async def placements_at(database: Database, shop_id: int, ids: Sequence[int], at: int) -> dict[int, list[PlacementRow]]:
    """The placements at an instant, from the history; `valid_until` is the next change, None when none followed. A
    change of rung does not begin a stay anew."""
    bind = Binder([shop_id, at])
    listed = bind.among(database, "t.customer_id", ids)
    rows = await database.fetch(
        "SELECT t.model, t.customer_id, t.to_stage, t.to_rung, (SELECT max(e.at) FROM stage_transitions e WHERE "
        "e.shop_id = t.shop_id AND e.model = t.model AND e.customer_id = t.customer_id AND e.at <= t.at "
        "AND (e.from_stage IS NULL OR e.from_stage <> e.to_stage)), (SELECT min(n.at) FROM stage_transitions n WHERE "
        "n.shop_id = t.shop_id AND n.model = t.model AND n.customer_id = t.customer_id AND n.at > t.at), t.because "
        f"FROM stage_transitions t WHERE t.shop_id = $1 AND {listed} AND t.at = (SELECT max(m.at) FROM "
        "stage_transitions m WHERE m.shop_id = t.shop_id AND m.model = t.model AND m.customer_id = t.customer_id "
        "AND m.at <= $2) AND t.to_stage IS NOT NULL ORDER BY t.customer_id, t.model",
        *bind.values,
    )
    return _grouped(rows)


def _grouped(rows: Sequence[Row]) -> dict[int, list[PlacementRow]]:
    found: dict[int, list[PlacementRow]] = {}
    for row in rows:
        found.setdefault(row[1], []).append(PlacementRow._make(row))
    return found


@dataclass(frozen=True, slots=True)
class TransitionRow:
    customer_id: int
    at: int
    from_stage: str | None
    to_stage: str
    to_rung: int | None
    because: str
    model_version: int


@dataclass(frozen=True, slots=True)
class SupersededRow:
    """`to_stage` None: in no stage. `reason`: corrected, model or merged."""

    customer_id: int
    at: int
    from_stage: str | None
    to_stage: str | None
    to_rung: int | None
    because: str
    model_version: int
    recorded_at: int
    superseded_at: int
    reason: str


async def superseded(
    database: Database, shop_id: int, ids: Sequence[int], model: str, first: int
) -> dict[int, list[SupersededRow]]:
    """What each customer's history of one model said and says no more, the latest to go first."""

    def one(bind: Binder, customer_id: int) -> str:
        where = f"shop_id = {bind(shop_id)} AND model = {bind(model)} AND customer_id = {bind(customer_id)}"
        columns = "customer_id, at, from_stage, to_stage, to_rung, because, model_version, recorded_at, superseded_at"
        return (
            f"SELECT {columns}, reason FROM stage_transitions_superseded WHERE {where}"
            f" ORDER BY superseded_at DESC, at DESC, recorded_at DESC LIMIT {bind(first)}"
        )

    return {
        parent: [SupersededRow(*row) for row in rows] for parent, rows in (await pages_of(database, ids, one)).items()
    }


async def transitions_page(
    database: Database, shop_id: int, ids: Sequence[int], model: str, page: PageRequest
) -> dict[int, list[TransitionRow]]:
    """The same page of each customer's history of one model, newest first."""
    select = "SELECT customer_id, at, from_stage, to_stage, to_rung, because, model_version FROM stage_transitions"

    def one(bind: Binder, customer_id: int) -> str:
        where = f"shop_id = {bind(shop_id)} AND model = {bind(model)} AND customer_id = {bind(customer_id)}"
        where += " AND to_stage IS NOT NULL"
        condition, order = keyset(bind, ("at",), page, descending=True)
        return f"{select} WHERE {where}{condition} ORDER BY {order} LIMIT {bind(page.fetch)}"

    return {
        parent: [TransitionRow(*row) for row in rows] for parent, rows in (await pages_of(database, ids, one)).items()
    }


async def stage_counts(database: Database, shop_id: int, model: str) -> list[Row]:
    """(stage, rung, customers) of now."""
    return await database.fetch(
        "SELECT stage, rung, count(*) FROM placements WHERE shop_id = $1 AND model = $2 GROUP BY stage, rung",
        shop_id, model,
    )  # fmt: skip


async def stage_counts_at(database: Database, shop_id: int, model: str, at: int) -> list[Row]:
    """(stage, rung, customers) at an instant."""
    return await database.fetch(
        "SELECT t.to_stage, t.to_rung, count(*) FROM stage_transitions t JOIN (SELECT customer_id, max(at) AS at "
        "FROM stage_transitions WHERE shop_id = $1 AND model = $2 AND at <= $3 GROUP BY customer_id) l "
        "ON l.customer_id = t.customer_id AND l.at = t.at WHERE t.shop_id = $1 AND t.model = $2 "
        "AND t.to_stage IS NOT NULL "
        "GROUP BY t.to_stage, t.to_rung",
        shop_id, model, at,
    )  # fmt: skip


async def stage_flows(database: Database, shop_id: int, model: str, since: int, until: int) -> list[Row]:
    """(from stage or None, to stage, customers, moves) of the moves in [since, until)."""
    return await database.fetch(
        "SELECT from_stage, to_stage, count(DISTINCT customer_id), count(*) FROM stage_transitions "
        "WHERE shop_id = $1 AND model = $2 AND at >= $3 AND at < $4 AND to_stage IS NOT NULL "
        "GROUP BY from_stage, to_stage "
        "ORDER BY from_stage, to_stage",
        shop_id, model, since, until,
    )  # fmt: skip


async def crosswalk(database: Database, shop_id: int, a: str, b: str, at: int | None) -> list[Row]:
    """(stage in model `a`, stage in model `b`, customers in both) of now, or at an instant."""
    if at is None:
        return await database.fetch(
            "SELECT x.stage, y.stage, count(*) FROM placements x JOIN placements y ON y.shop_id = x.shop_id "
            "AND y.customer_id = x.customer_id AND y.model = $3 WHERE x.shop_id = $1 AND x.model = $2 "
            "GROUP BY x.stage, y.stage",
            shop_id, a, b,
        )  # fmt: skip
    return await database.fetch(
        f"SELECT x.to_stage, y.to_stage, count(*) FROM ({_LATEST.format(model='$2')}) x "
        f"JOIN ({_LATEST.format(model='$3')}) y ON y.customer_id = x.customer_id "
        "WHERE x.to_stage IS NOT NULL AND y.to_stage IS NOT NULL GROUP BY x.to_stage, y.to_stage",
        shop_id, a, b, at,
    )  # fmt: skip


_LATEST: Final = (
    "SELECT t.customer_id, t.to_stage FROM stage_transitions t JOIN (SELECT customer_id, max(at) AS at "
    "FROM stage_transitions WHERE shop_id = $1 AND model = {model} AND at <= $4 GROUP BY customer_id) l "
    "ON l.customer_id = t.customer_id AND l.at = t.at WHERE t.shop_id = $1 AND t.model = {model}"
)
