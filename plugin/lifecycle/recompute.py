"""After new facts: profiles, RFM, placements, stage history, memberships and the next due instant.

`recompute_customers` gives what `recompute_shop` gives for those customers, except for what is relative to all
buyers: the edges between their fifths (RFM) and the rhythm of the shop (lapse) are taken anew by `recompute_shop` only.
Jobs of one shop run one at a time: two recomputes of one customer at once could leave the older answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from plugin import metrics
from plugin.domain.columns import Ints
from plugin.domain.lapse import lapse_in_force
from plugin.domain.measures import measure
from plugin.domain.rfm import population_of
from plugin.ledger.computed import PLACEMENTS, PROFILES, TRANSITIONS, reconcile
from plugin.ledger.database import Database, Session, Upsert
from plugin.ledger.memberships import keep_members
from plugin.ledger.picks import MOST_IDS, Pick, among, id_ranges
from plugin.ledger.store import Store
from plugin.lifecycle.choice import chosen_models, median_days
from plugin.lifecycle.frames import Frame, customer_ids, read_frame
from plugin.lifecycle.lapse_fits import GapSums, settings_of, write_fit
from plugin.lifecycle.models import models_of
from plugin.lifecycle.outcome import Outcome, compute
from plugin.lifecycle.plan import Plan, edges_text, read_plan
from plugin.shops import ShopContext

Progress = Callable[[int, int], None]  # customers done, of how many
CHUNK: Final = 10_000  # customers in memory at once
_POPULATION: Final = Upsert(
    table="rfm_populations", key=("shop_id",),
    columns=("shop_id", "taken_at", "last_order_day", "orders", "net_spend", "days_to_conversion"),
    update=("taken_at", "last_order_day", "orders", "net_spend", "days_to_conversion"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecomputeReport:
    """`transitions`: entries in the stage history of the primary model; `by_stage`: its customers by stage;
    `written`: rows that had to be changed, 0 when everything was as it should be."""

    customers: int = 0
    transitions: int = 0
    by_stage: dict[str, int] = field(default_factory=dict)
    written: int = 0

    def plus(self, outcome: Outcome, written: int, model: str) -> RecomputeReport:
        by_stage = dict(self.by_stage)
        for of, _, stage, *_ in outcome.placements:
            if of == model:
                by_stage[stage] = by_stage.get(stage, 0) + 1
        transitions = sum(row[0] == model for row in outcome.transitions)
        customers = self.customers + len(outcome.profiles)
        return RecomputeReport(customers, self.transitions + transitions, by_stage, self.written + written)


async def recompute_shop(
    store: Store, shop: ShopContext, *, as_of: datetime, progress: Progress | None = None, chunk: int = CHUNK
) -> RecomputeReport:
    """Everything about every customer, in chunks of `chunk`; rows of customers who are gone are removed."""
    database = store.database
    plan = await read_plan(database, shop, as_of)
    ids = await customer_ids(database, shop.id)
    picks = id_ranges(ids, chunk)
    frames = _Frames(database, plan, picks)
    plan = await _take_stock(database, shop, plan, frames)
    report = RecomputeReport()
    async for pick, frame in frames.each():
        outcome = await asyncio.to_thread(compute, frame, plan)
        report = report.plus(outcome, await _write((database, None), plan, pick, outcome, {}), plan.primary_model)
        if progress is not None:
            progress(report.customers, len(ids))
    return report


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
    report = RecomputeReport()
    ids = sorted(set(customer_ids))
    for start in range(0, len(ids), MOST_IDS):
        pick = among(ids[start : start + MOST_IDS])
        frame = await _read(store.database, plan, pick)
        outcome = await asyncio.to_thread(compute, frame, plan)
        async with store.database.transaction() as session:
            written = await _write((store.database, session), plan, pick, outcome, flipped_at or {})
        report = report.plus(outcome, written, plan.primary_model)
    return report


async def _write(
    writers: tuple[Database, Session | None],
    plan: Plan,
    pick: Pick,
    outcome: Outcome,
    flipped_at: Mapping[int, int],
) -> int:
    """Profiles last: while an interrupted run is not done again, they say that their customers are due."""
    shop_id, at = plan.shop_id, plan.as_of
    database, session = writers
    writer = session or database
    written = await reconcile(writer, TRANSITIONS, shop_id, pick, outcome.transitions, at=at)
    metrics.STAGE_CHANGES.inc(written)
    written += await reconcile(writer, PLACEMENTS, shop_id, pick, outcome.placements, at=at)
    judged = frozenset(segment.id for segment in plan.segments)  # not one that was created meanwhile
    written += await keep_members(
        database, session, shop_id, pick, outcome.members, at=at, judged=judged, flipped_at=flipped_at
    )
    written += await reconcile(writer, PROFILES, shop_id, pick, outcome.profiles, at=at)
    return written


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
