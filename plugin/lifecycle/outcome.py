"""What a recompute finds out about a chunk of customers, as the rows of the computed tables. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from plugin.domain.columns import TEXT, Column, Ints, known
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import UNPLACED, LifecycleModel, classify
from plugin.domain.measures import MEASURES, measure
from plugin.domain.rfm import rfm_columns
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate
from plugin.ledger.computed import PROFILE_COLUMNS
from plugin.ledger.database import Row
from plugin.lifecycle.frames import Frame
from plugin.lifecycle.plan import Plan
from plugin.lifecycle.transitions import Trail, first_known, stated, trace


@dataclass(slots=True)
class Outcome:
    """Rows without their `shop_id`, in the columns of `plugin.ledger.computed`."""

    profiles: list[Row] = field(default_factory=list)
    placements: list[Row] = field(default_factory=list)
    transitions: list[Row] = field(default_factory=list)
    members: list[Row] = field(default_factory=list)


def compute(frame: Frame, plan: Plan) -> Outcome:
    """Everything about the customers of `frame` at `plan.as_of`."""
    outcome = Outcome()
    batch = present_batch(frame, plan)
    first = first_known(frame)
    due = np.where(first > plan.as_of, first, batch.columns["next_fact_at"].values)
    for model in plan.models:
        until = classify(model, batch).valid_until
        due = np.minimum(due, until)
        trail = trace(model, frame, plan)
        placed = _placed(trail, plan)
        outcome.transitions += _transition_rows(model, trail, frame.ids)
        outcome.placements += _placement_rows(model, placed, until, frame.ids)
        batch = replace(batch, columns={**batch.columns, **_stage_columns(model, placed, until)})
    for segment in plan.segments:
        verdicts = evaluate(segment.rule, batch)
        due = np.minimum(due, verdicts.valid_until)
        outcome.members += [(segment.id, customer) for customer in frame.ids[verdicts.holds].tolist()]
    outcome.profiles = _profile_rows(frame, batch, due)
    return outcome


def present_batch(frame: Frame, plan: Plan) -> Batch:
    """Each customer at `plan.as_of`, with every column of the profile, and `next_fact_at`."""
    at = np.full(len(frame), plan.as_of, dtype=np.int64)
    everyone = np.arange(len(frame), dtype=np.int64)
    columns = measure(frame.orders, everyone, at, calendar=plan.calendar, lapse=plan.lapse, wanted=frozenset(MEASURES))
    items = columns["first_order_items"]
    columns["first_order_items"] = Column(items.values, items.null | (frame.unseen > 0))
    recency, frequency, monetary = (columns[name].values for name in ("last_order_day", "orders", "net_spend"))
    columns |= rfm_columns(recency, frequency, monetary, plan.population) | stated(frame, plan)
    rows = frame.rows(everyone)
    return Batch(at, plan.calendar.day_of(at), plan.calendar, columns, rows, plan.primary_model)


class _Placed(NamedTuple):
    """Customers who stand somewhere, and their latest entry in the trail; stages as indexes, -1 for none."""

    customer: Ints
    stage: Ints
    rung: Ints
    since_at: Ints
    since_day: Ints
    previous: Ints
    because: list[str]


def _placed(trail: Trail, plan: Plan) -> _Placed:
    path, latest = trail.path, np.flatnonzero(trail.path.closes)
    since = trail.entered.since[latest]
    because = [trail.because[entry] for entry in latest.tolist()]
    return _Placed(
        path.customer[latest], path.stage[latest], path.rung[latest], since, plan.calendar.day_of(since),
        trail.entered.previous[latest], because,
    )  # fmt: skip


def _stage_columns(model: LifecycleModel, placed: _Placed, until: Ints) -> dict[str, Column]:
    """As rules read them: `stage:<model>` and its like."""
    keys = np.array([*model.keys, ""], dtype=TEXT)  # -1, in no stage, is the last

    def spread(values: Ints, nothing: int) -> Ints:
        everyone = np.full(len(until), nothing, dtype=np.int64)
        everyone[placed.customer] = values
        return everyone

    stage, previous = spread(placed.stage, -1), spread(placed.previous, -1)
    return {
        f"stage:{model.key}": Column(keys[stage], stage < 0),
        f"since_day:{model.key}": Column(spread(placed.since_day, 0), stage < 0),
        f"previous_stage:{model.key}": Column(keys[previous], (previous < 0) | (stage < 0)),
        f"stage_valid_until:{model.key}": known(until),
    }


def _placement_rows(model: LifecycleModel, placed: _Placed, until: Ints, ids: Ints) -> list[Row]:
    keys = (*model.keys, None)
    columns = zip(
        ids[placed.customer].tolist(), placed.stage.tolist(), placed.rung.tolist(), placed.since_at.tolist(),
        placed.since_day.tolist(), placed.previous.tolist(), until[placed.customer].tolist(), placed.because,
        strict=True,
    )  # fmt: skip
    return [
        (model.key, customer, keys[stage], rung or None, since, day, keys[previous], _finite(valid_until), because)
        for customer, stage, rung, since, day, previous, valid_until, because in columns
        if stage != UNPLACED
    ]


def _finite(instant: int) -> int | None:
    return None if instant == FOREVER else instant


def _transition_rows(model: LifecycleModel, trail: Trail, ids: Ints) -> list[Row]:
    path, keys = trail.path, (*model.keys, None)
    opens = path.opens
    came_from = np.where(opens, -1, np.roll(path.stage, 1))
    from_rung = np.where(opens, 0, np.roll(path.rung, 1))
    columns = zip(
        ids[path.customer].tolist(), path.at.tolist(), came_from.tolist(), from_rung.tolist(), path.stage.tolist(),
        path.rung.tolist(), trail.because, strict=True,
    )  # fmt: skip
    return [
        (model.key, customer, at, keys[before], rung_before or None, keys[stage], rung or None, because, model.version)
        for customer, at, before, rung_before, stage, rung, because in columns
        if before != stage or before != UNPLACED  # who begins in no stage has not moved
    ]


def _profile_rows(frame: Frame, batch: Batch, due: Ints) -> list[Row]:
    columns = [_values(batch.columns[name]) for name in PROFILE_COLUMNS]
    due_at = _values(Column(due, due == FOREVER))
    return list(zip(frame.ids.tolist(), *columns, due_at, strict=True))


def _values(column: Column) -> list[Any]:
    values: list[Any] = column.values.tolist()
    for row in np.flatnonzero(column.null).tolist():
        values[row] = None
    return values
