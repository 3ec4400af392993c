"""What a recompute finds out about a chunk of customers, as the rows of the computed tables. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from plugin.domain.columns import TEXT, Bools, Column, Ints, known
from plugin.domain.engagement import ENGAGEMENT
from plugin.domain.history import Standing
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import UNPLACED, LifecycleModel, classify, models_read
from plugin.domain.measures import MEASURES
from plugin.domain.rfm import rfm_columns
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate
from plugin.ledger.computed import PROFILE_COLUMNS
from plugin.ledger.database import NULL_INT, Row
from plugin.lifecycle.digests import digests
from plugin.lifecycle.frames import Frame
from plugin.lifecycle.kept import SCORES, Kept, KeptPlaces
from plugin.lifecycle.plan import Plan
from plugin.lifecycle.transitions import History, Trail, first_known, measured, stated, taken, trace, with_columns


class _Placed(NamedTuple):
    """Customers who stand somewhere, and their latest entry in the trail; stages as indexes, -1 for none."""

    customer: Ints
    stage: Ints
    rung: Ints
    since_at: Ints
    since_day: Ints
    previous: Ints
    because: list[str]


@dataclass(frozen=True, slots=True)
class _Told:
    """One model's history of the customers told."""

    model: LifecycleModel
    trail: Trail
    placed: _Placed
    until: Ints


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is true of `customers`. Those of whom `told` is true have their history anew; of the others everything
    stands as it is kept, but for the profiles of those in `moved`, whose scores or due instant are others now.
    `members`: pairs of a segment and a customer, of all. Rows, made a stretch of customers at a time, stand in the
    columns of `plugin.ledger.computed`, without their `shop_id`."""

    customers: Ints
    told: Bools
    moved: Bools
    members: tuple[Ints, Ints]
    by_stage: Mapping[str, int]  # of the primary model
    _models: tuple[_Told, ...]
    _batch: Batch
    _due: Ints
    _digest: Ints

    def profiles(self, whose: Ints) -> list[Row]:
        """`whose`: places in `customers`, ascending."""
        columns = [_values(taken(self._batch.columns[name], whose)) for name in PROFILE_COLUMNS]
        due = self._due[whose]
        due_at, digest = _values(Column(due, due == FOREVER)), self._digest[whose].tolist()
        return list(zip(self.customers[whose].tolist(), *columns, due_at, digest, strict=True))

    def placements(self, low: int, high: int) -> list[Row]:
        """Of the customers told at the places from `low` to before `high`."""
        rows = (_placement_rows(of, self.customers, low, high) for of in self._models)
        return [row for some in rows for row in some]

    def transitions(self, low: int, high: int) -> list[Row]:
        rows = (_transition_rows(of, self.customers, low, high) for of in self._models)
        return [row for some in rows for row in some]


def compute(frame: Frame, plan: Plan, kept: Kept | None = None) -> Outcome:
    """Everything about the customers of `frame` at `plan.as_of`: of all, or, beside what is `kept`, of those for whom
    that does not stand."""
    digest = digests(frame, plan)
    batch = present_batch(frame, plan)
    plain = [model for model in plan.models if not models_read(model, plan.primary_model)]
    standings = {model.key: classify(model, batch) for model in plain}
    told = np.ones(len(frame), dtype=np.bool_)
    if kept is not None:
        told = ~kept.hold(digest, standings, at=plan.as_of)
    first = first_known(frame)
    due = np.where(first > plan.as_of, first, batch.columns["next_fact_at"].values)
    models, by_stage, others = list[_Told](), dict[str, int](), dict[str, History]()
    for model in plan.models:
        before = None if kept is None else kept.places[model.key]
        trail = trace(model, frame, plan, whose=told, others=others)
        until = _until(trail, standings.get(model.key), told, before)
        due = np.minimum(due, until)
        others[model.key] = History(model, trail, until)
        models.append(_Told(model, trail, _placed(trail, plan), until))
        places = _present(models[-1].placed, told, before)
        batch = with_columns(batch, _stage_columns(model, places, until))
        if model.key == plan.primary_model:
            by_stage = _counted(model, places.stage)
    segments, members = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for segment in plan.segments:
        verdicts = evaluate(segment.rule, batch)
        due = np.minimum(due, verdicts.valid_until)
        members.append(frame.ids[verdicts.holds])
        segments.append(np.full(len(members[-1]), segment.id, dtype=np.int64))
    moved = np.zeros(len(frame), dtype=np.bool_) if kept is None else ~told & _moved(kept, batch, due)
    return Outcome(
        frame.ids, told, moved, (np.concatenate(segments), np.concatenate(members)), by_stage, tuple(models), batch,
        due, digest,
    )  # fmt: skip


def _until(trail: Trail, standing: Standing | None, told: Bools, kept: KeptPlaces | None) -> Ints:
    """When each customer's stage may end: as the rules say now or, where they read stages, as the trail says."""
    if standing is not None:
        return standing.valid_until
    until = np.full(len(told), FOREVER, dtype=np.int64) if trail.until is None else trail.until
    return until if kept is None else np.where(told, until, kept.valid_until)


def _moved(kept: Kept, batch: Batch, due: Ints) -> Bools:
    """Whose scores among the shop's buyers, or whose next instant, are others than before."""
    moved: Bools = kept.due_at != due
    for name, before in zip(SCORES, kept.scores, strict=True):
        column = batch.columns[name]
        moved |= np.where(column.null, NULL_INT, column.values) != before
    return moved


def present_batch(frame: Frame, plan: Plan) -> Batch:
    """Each customer at `plan.as_of`, with every column of the profile, and `next_fact_at`."""
    at = np.full(len(frame), plan.as_of, dtype=np.int64)
    everyone = np.arange(len(frame), dtype=np.int64)
    columns = measured(frame, plan, everyone, at, frozenset(MEASURES) | ENGAGEMENT)
    items = columns["first_order_items"]
    columns["first_order_items"] = Column(items.values, items.null | (frame.unseen > 0))
    recency, frequency, monetary = (columns[name].values for name in ("last_order_day", "orders", "net_spend"))
    columns |= rfm_columns(recency, frequency, monetary, plan.population) | stated(frame, plan)
    rows = frame.rows(everyone)
    return Batch(at, plan.calendar.day_of(at), plan.calendar, columns, rows, plan.primary_model)


def _placed(trail: Trail, plan: Plan) -> _Placed:
    path, latest = trail.path, np.flatnonzero(trail.path.closes)
    since = trail.entered.since[latest]
    because = [trail.because[entry] for entry in latest.tolist()]
    return _Placed(
        path.customer[latest], path.stage[latest], path.rung[latest], since, plan.calendar.day_of(since),
        trail.entered.previous[latest], because,
    )  # fmt: skip


class _Places(NamedTuple):
    """One entry a customer: indexes of stages, -1 for none."""

    stage: Ints
    since_day: Ints
    previous: Ints


def _present(placed: _Placed, told: Bools, kept: KeptPlaces | None) -> _Places:
    """Of those who were told anew from their trail, of the others as it is kept."""

    def spread(values: Ints, before: Ints | None, nothing: int) -> Ints:
        everyone = np.full(len(told), nothing, dtype=np.int64)
        if before is not None:
            everyone[~told] = before[~told]
        everyone[placed.customer] = values
        return everyone

    stage, since_day, previous = (None, None, None) if kept is None else (kept.stage, kept.since_day, kept.previous)
    return _Places(
        spread(placed.stage, stage, -1), spread(placed.since_day, since_day, 0), spread(placed.previous, previous, -1)
    )


def _stage_columns(model: LifecycleModel, places: _Places, until: Ints) -> dict[str, Column]:
    """As rules read them: `stage:<model>` and its like."""
    keys = np.array([*model.keys, ""], dtype=TEXT)  # -1, in no stage, is the last
    nowhere = places.stage < 0
    return {
        f"stage:{model.key}": Column(keys[places.stage], nowhere),
        f"since_day:{model.key}": Column(np.where(nowhere, 0, places.since_day), nowhere),
        f"previous_stage:{model.key}": Column(keys[places.previous], (places.previous < 0) | nowhere),
        f"stage_valid_until:{model.key}": known(until),
    }


def _counted(model: LifecycleModel, stage: Ints) -> dict[str, int]:
    counts = np.bincount(stage[stage != UNPLACED], minlength=len(model.keys)).tolist()
    return {key: count for key, count in zip(model.keys, counts, strict=True) if count}


def _placement_rows(of: _Told, ids: Ints, low: int, high: int) -> list[Row]:
    model, placed, keys = of.model, of.placed, (*of.model.keys, None)
    some = slice(*np.searchsorted(placed.customer, [low, high]).tolist())
    customer = placed.customer[some]
    columns = zip(
        ids[customer].tolist(), placed.stage[some].tolist(), placed.rung[some].tolist(), placed.since_at[some].tolist(),
        placed.since_day[some].tolist(), placed.previous[some].tolist(), of.until[customer].tolist(),
        placed.because[some], strict=True,
    )  # fmt: skip
    return [
        (model.key, customer, keys[stage], rung or None, since, day, keys[previous], _finite(valid_until), because)
        for customer, stage, rung, since, day, previous, valid_until, because in columns
        if stage != UNPLACED
    ]


def _finite(instant: int) -> int | None:
    return None if instant == FOREVER else instant


def _transition_rows(of: _Told, ids: Ints, low: int, high: int) -> list[Row]:
    model, path, keys = of.model, of.trail.path, (*of.model.keys, None)
    some = slice(*np.searchsorted(path.customer, [low, high]).tolist())
    opens = path.opens[some]
    came_from = np.where(opens, -1, np.roll(path.stage[some], 1))
    from_rung = np.where(opens, 0, np.roll(path.rung[some], 1))
    columns = zip(
        ids[path.customer[some]].tolist(), path.at[some].tolist(), came_from.tolist(), from_rung.tolist(),
        path.stage[some].tolist(), path.rung[some].tolist(), of.trail.because[some], strict=True,
    )  # fmt: skip
    return [
        (model.key, customer, at, keys[before], rung_before or None, keys[stage], rung or None, because, model.version)
        for customer, at, before, rung_before, stage, rung, because in columns
        if before != stage or before != UNPLACED  # who begins in no stage has not moved
    ]


def _values(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    for row in np.flatnonzero(column.null).tolist():
        values[row] = None
    return values
