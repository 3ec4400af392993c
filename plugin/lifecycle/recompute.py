"""After new facts: profiles, RFM, placements, stage history, memberships and the next due instant.

`recompute_customers` gives what `recompute_shop` gives for those customers, except for what is relative to all
buyers: the edges between their fifths (RFM) and the rhythm of the shop (lapse) are taken anew by `recompute_shop` only.
Jobs of one shop run one at a time: two recomputes of one customer at once could leave the older answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from plugin import metrics
from plugin.domain.columns import Ints
from plugin.domain.events import stage_changes
from plugin.domain.lapse import lapse_in_force
from plugin.domain.measures import measure
from plugin.domain.rfm import population_of
from plugin.ledger.computed import PLACEMENTS, PROFILES, TRANSITIONS, reconcile
from plugin.ledger.database import Database, Row, Session, Upsert
from plugin.ledger.events import is_taken_in, tell
from plugin.ledger.memberships import keep_members
from plugin.ledger.picks import MOST_IDS, Pick, among, id_ranges
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.lifecycle.choice import chosen_models, median_days
from plugin.lifecycle.frames import Frame, customer_ids, read_frame
from plugin.lifecycle.kept import read_kept
from plugin.lifecycle.lapse_fits import GapSums, settings_of, write_fit
from plugin.lifecycle.models import models_of
from plugin.lifecycle.outcome import Outcome, compute
from plugin.lifecycle.plan import Plan, edges_text, read_plan
from plugin.shops import ShopContext

Progress = Callable[[int, int], None]  # customers done, of how many
READ: Final = 50_000  # customers whose facts are in memory at once
CHUNK: Final = 10_000  # customers whose rows are
_MANY: Final = 50_000  # rows written, from which on the planner should hear of them
_POPULATION: Final = Upsert(
    table="rfm_populations", key=("shop_id",),
    columns=("shop_id", "taken_at", "last_order_day", "orders", "net_spend", "days_to_conversion"),
    update=("taken_at", "last_order_day", "orders", "net_spend", "days_to_conversion"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecomputeReport:
    """`told`: customers whose history was told anew. `transitions`: entries in the stage history of the primary model
    (of a whole shop); `by_stage`: its customers by stage; `written`: rows that had to be changed, 0 when everything was
    as it should be."""

    customers: int = 0
    told: int = 0
    transitions: int = 0
    by_stage: dict[str, int] = field(default_factory=dict)
    written: int = 0

    def plus(self, outcome: Outcome, written: int) -> RecomputeReport:
        by_stage = dict(self.by_stage)
        for stage, count in outcome.by_stage.items():
            by_stage[stage] = by_stage.get(stage, 0) + count
        return replace(
            self, customers=self.customers + len(outcome.customers), told=self.told + int(outcome.told.sum()),
            by_stage=by_stage, written=self.written + written,
        )  # fmt: skip


async def recompute_shop(
    store: Store,
    shop: ShopContext,
    *,
    as_of: datetime,
    progress: Progress | None = None,
    chunk: int = READ,
    anew: bool = False,
) -> RecomputeReport:
    """Everything about every customer, in chunks of `chunk`; rows of customers who are gone are removed. Histories that
    still stand (`kept.py`) are left as they are, unless all are to be told `anew`."""
    database = store.database
    plan = await read_plan(database, shop, as_of)
    ids = await customer_ids(database, shop.id)
    picks = id_ranges(ids, chunk)
    frames = _Frames(database, plan, picks)
    plan = await _take_stock(database, shop, plan, frames)
    report, live = RecomputeReport(), await is_taken_in(database, shop.id)
    async for pick, frame in frames.each():
        kept = None if anew else await read_kept(database, shop.id, pick, frame.ids, plan.models)
        outcome = await asyncio.to_thread(compute, frame, plan, kept)
        gone = frozenset[int]() if kept is None else kept.gone
        written = await _write((database, None), plan, pick, outcome, flipped_at={}, gone=gone, live=live)
        report = report.plus(outcome, written)
        if progress is not None:
            progress(report.customers, len(ids))
    if report.written > _MANY:
        await refresh_statistics(database, "profiles", "placements", "stage_transitions", "segment_members")
    entries = "SELECT COUNT(*) FROM stage_transitions WHERE shop_id = $1 AND model = $2"
    [(transitions,)] = await database.fetch(entries, shop.id, plan.primary_model)
    return replace(report, transitions=transitions)


async def recompute_customers(
    store: Store,
    shop: ShopContext,
    customer_ids: Iterable[int],
    *,
    as_of: datetime,
    flipped_at: Mapping[int, int] | None = None,
) -> RecomputeReport:
    """The same for these customers, in whose number unknown and deleted ones may be. Each batch of them is one
    transaction. `flipped_at`: for whom the clock is the reason, and at which instant their time came."""
    plan = await read_plan(store.database, shop, as_of)
    report, live = RecomputeReport(), await is_taken_in(store.database, shop.id)
    ids = sorted(set(customer_ids))
    for start in range(0, len(ids), MOST_IDS):
        pick = among(ids[start : start + MOST_IDS])
        frame = await _read(store.database, plan, pick)
        outcome = await asyncio.to_thread(compute, frame, plan)
        async with store.database.transaction() as session:
            written = await _write(
                (store.database, session), plan, pick, outcome, flipped_at=flipped_at or {}, gone=frozenset(), live=live
            )
        report = report.plus(outcome, written)
    return report


async def _write(
    writers: tuple[Database, Session | None],
    plan: Plan,
    pick: Pick,
    outcome: Outcome,
    *,
    flipped_at: Mapping[int, int],
    gone: frozenset[int],
    live: bool,
) -> int:
    """Profiles last: while an interrupted run is not done again, they say that their customers are due. `live`: whoever
    listens to the shop is told of each change."""
    shop_id, at = plan.shop_id, plan.as_of
    database, session = writers
    writer = session or database
    written = 0
    parts = list(_parts(pick, outcome))
    for part in parts:
        rows = outcome.transitions(part.low, part.high)
        entries = await reconcile(writer, TRANSITIONS, shop_id, part.pick, rows, at=at)
        metrics.STAGE_CHANGES.inc(entries)
        written += entries
        rows = outcome.placements(part.low, part.high)
        written += await _place(writers, plan, part.pick, rows, live=live)
    judged = frozenset(segment.id for segment in plan.segments)  # not one that was created meanwhile
    written += await keep_members(
        database,
        session,
        shop_id,
        pick,
        outcome.members,
        at=at,
        judged=judged,
        flipped_at=flipped_at,
        live=live,
    )
    for part in parts:
        rows = outcome.profiles(part.whose)
        written += await reconcile(writer, PROFILES, shop_id, part.pick, rows, at=at)
    moved = outcome.profiles(np.flatnonzero(outcome.moved))
    await writer.upsert(PROFILES.upsert, [(shop_id, *row, at) for row in moved])
    for of in (TRANSITIONS, PLACEMENTS, PROFILES):
        for some in _lists(sorted(gone)):
            written += await reconcile(writer, of, shop_id, among(some), [], at=at)
    return written + len(moved)


async def _place(
    writers: tuple[Database, Session | None], plan: Plan, pick: Pick, rows: list[Row], *, live: bool
) -> int:
    database, session = writers
    if not live:
        return await reconcile(session or database, PLACEMENTS, plan.shop_id, pick, rows, at=plan.as_of)
    moved: list[tuple[Row | None, Row | None]] = []
    async with database.transaction() if session is None else nullcontext(session) as writing:
        written = await reconcile(writing, PLACEMENTS, plan.shop_id, pick, rows, at=plan.as_of, moved=moved)
        changes = stage_changes(moved, at=plan.as_of, first_too=session is not None)
        await tell(writing, plan.shop_id, changes, now=plan.as_of)
    return written


@dataclass(frozen=True, slots=True)
class _Part:
    """Customers told whose rows are written together: they stand from `low` to before `high` in the outcome."""

    pick: Pick
    low: int
    high: int
    whose: Ints


def _parts(pick: Pick, outcome: Outcome) -> Iterator[_Part]:
    """Everybody in ranges that cover those who are gone, too; where most histories stand, the others by their ids."""
    ids, whose = outcome.customers, np.flatnonzero(outcome.told)
    if len(whose) < len(ids):
        for some in _lists(whose.tolist()):
            yield _Part(among(ids[some].tolist()), some[0], some[-1] + 1, np.array(some, dtype=np.int64))
    elif pick.few or len(ids) <= CHUNK:
        yield _Part(pick, 0, len(ids), whose)
    else:
        for low, part in zip(range(0, len(ids), CHUNK), pick.split(ids, CHUNK), strict=True):
            yield _Part(part, low, min(low + CHUNK, len(ids)), whose[low : low + CHUNK])


def _lists(values: list[int]) -> Iterator[list[int]]:
    yield from (values[start : start + MOST_IDS] for start in range(0, len(values), MOST_IDS))


async def _read(database: Database, plan: Plan, pick: Pick) -> Frame:
    return await read_frame(database, plan.shop_id, pick, history_from=plan.history_from, lines=plan.reads_lines)


class _Frames:
    """The chunks of a shop, read twice: for the population, then for everything. A shop of one chunk is read once."""

    def __init__(self, database: Database, plan: Plan, picks: list[Pick]) -> None:
        self._database, self._plan, self._picks = database, plan, picks
        self._only: Frame | None = None

    async def each(self) -> AsyncIterator[tuple[Pick, Frame]]:
        for pick in self._picks:
            frame = self._only or await _read(self._database, self._plan, pick)
            if len(self._picks) == 1:
                self._only = frame
            yield pick, frame


async def _take_stock(database: Database, shop: ShopContext, plan: Plan, frames: _Frames) -> Plan:
    """What is relative to all buyers, taken anew; seven numbers a buyer are all that is held of the shop at once."""
    parts, gaps = [], GapSums()
    async for _, frame in frames.each():
        parts.append(await asyncio.to_thread(_buyers, frame, plan))
        await asyncio.to_thread(gaps.add, frame, plan.as_of, plan.calendar)
    registered, first_order, *measured = np.concatenate(parts, axis=1)
    population, days = population_of(*measured), median_days(registered, first_order)
    texts = map(edges_text, (population.last_order_day, population.orders, population.net_spend))
    await database.upsert(_POPULATION, [(plan.shop_id, plan.as_of, *texts, days)])
    kept = await asyncio.to_thread(gaps.kept, plan.as_of)
    await write_fit(database, plan.shop_id, kept)
    models = chosen_models(shop, models_of(shop), days)
    return replace(plan, models=models, population=population, lapse=lapse_in_force(settings_of(shop), kept.fit))


def _buyers(frame: Frame, plan: Plan) -> Ints:
    """Days of registering and of the first and last order, orders and net spend of those who have orders: rows."""
    everyone, at = np.arange(len(frame), dtype=np.int64), np.full(len(frame), plan.as_of, dtype=np.int64)
    wanted = ("first_order_day", "last_order_day", "orders", "net_spend")
    columns = measure(frame.orders, everyone, at, calendar=plan.calendar, lapse=plan.lapse, wanted=frozenset(wanted))
    registered = plan.calendar.day_of(frame.created_at)
    return np.stack([registered, *(columns[name].values for name in wanted)])[:, columns["orders"].values > 0]
