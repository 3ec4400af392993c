"""Before a lifecycle model or the lapse is changed: who would move, and what the change leaves open. Nothing is
written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from plugin.domain.columns import Column, Ints, known
from plugin.domain.lifecycles import UNPLACED, LifecycleModel, classify, models_read
from plugin.domain.measures import Orders
from plugin.domain.model_review import Review, made_up_orders, review
from plugin.domain.rules.batch import Batch
from plugin.ledger.picks import Pick, id_ranges
from plugin.ledger.store import Store
from plugin.lifecycle.choice import computed_of
from plugin.lifecycle.frames import Frame, customer_ids, read_frame
from plugin.lifecycle.models import models_of
from plugin.lifecycle.plan import Plan, read_plan
from plugin.lifecycle.transitions import first_known, histories, past_batch, taken, with_columns
from plugin.shops import ShopContext

SAMPLE: Final = 10
_CHUNK: Final = 10_000  # customers in memory at once
_CONSENTS: Final = (None, "SUBSCRIBED", "NOT_SUBSCRIBED")

Stand = tuple[str | None, int | None]  # stage and rung; None in no stage, or not yet placed


@dataclass(frozen=True, slots=True)
class Move:
    """Customers who would change from one place to another, the lowest ids among them first."""

    before: Stand
    after: Stand
    customers: int
    sample: tuple[int, ...]


@dataclass(slots=True)
class PolicyPreview:
    """`moves` are the changes only. `tag_writes`: tags that the next push would add and remove for them, 0 unless the
    model is the shop's primary one. `made_up`: the review of generated customers, beside the shop's own."""

    customers: int = 0
    moves: list[Move] = field(default_factory=list)
    tag_writes: int = 0
    own: Review | None = None
    made_up: Review | None = None

    @property
    def moved(self) -> int:
        return sum(move.customers for move in self.moves)


async def preview_policy(
    store: Store, shop: ShopContext, key: str, *, now: datetime, reviewed: bool = True
) -> PolicyPreview:
    """What would come of it if `shop` were as given here (another lapse, another version of a model): the places in the
    model `key`, against those that are kept now. One pass over the shop."""
    plan = await read_plan(store.database, replace(shop, computed_models=()), now)
    model = next(model for model in plan.models if model.key == key)
    alone = replace(shop, computed_models=(key,), primary_model=key)
    needed = {other.key for other in computed_of(alone, models_of(shop))}
    plan = replace(plan, models=tuple(other for other in plan.models if other.key in needed), segments=())
    return await _preview(store, plan, model, reviewed=reviewed)


async def _preview(store: Store, plan: Plan, model: LifecycleModel, *, reviewed: bool) -> PolicyPreview:
    shown = PolicyPreview()
    counts: Counter[tuple[Stand, Stand]] = Counter()
    samples: dict[tuple[Stand, Stand], list[int]] = {}
    for pick in id_ranges(await customer_ids(store.database, plan.shop_id), _CHUNK):
        frame = await read_frame(
            store.database, plan.shop_id, pick, history_from=plan.history_from, lines=plan.reads_lines
        )
        present = await asyncio.to_thread(_present, frame, plan, model)
        ids, after = present.ids, _stands(model, present)
        before = await _placed(store, plan.shop_id, model.key, pick)
        shown.customers += len(ids)
        for customer, stand in zip(ids.tolist(), after, strict=True):
            was = before.get(customer, (None, None))
            if was != stand:
                counts[was, stand] += 1
                samples.setdefault((was, stand), [])
                if len(samples[was, stand]) < SAMPLE:
                    samples[was, stand].append(customer)
        if reviewed:
            here = await asyncio.to_thread(review, model, present.batch)
            shown.own = here if shown.own is None else shown.own + here
            if shown.made_up is None:
                shown.made_up = await asyncio.to_thread(_made_up, frame, plan, model)
    shown.moves = [Move(*pair, count, tuple(samples[pair])) for pair, count in counts.most_common()]
    if model.key == plan.primary_model:
        shown.tag_writes = sum(count * sum(at[0] is not None for at in pair) for pair, count in counts.items())
    return shown


class _Present(NamedTuple):
    """Per customer: what rules read of her, and where she stands."""

    batch: Batch
    ids: Ints
    stage: Ints
    rung: Ints


def _present(frame: Frame, plan: Plan, model: LifecycleModel) -> _Present:
    """Everyone who is known by now, as the history sees them at `plan.as_of`. What the rules read of stages is told
    first, by those same rules."""
    here = np.flatnonzero(first_known(frame) <= plan.as_of)
    at = np.full(len(here), plan.as_of, dtype=np.int64)
    batch = past_batch(tuple(model), frame, plan, here, at)
    if not models_read(model, plan.primary_model):
        return _Present(batch, frame.ids[here], *classify(model, batch)[:2])
    told = histories(frame, plan)
    columns: dict[str, Column] = {}
    for history in told.values():
        columns |= history.at(here, at, plan.calendar)
    path, latest = told[model.key].trail.path, np.full(len(frame), -1, dtype=np.int64)
    closes = np.flatnonzero(path.closes)
    latest[path.customer[closes]] = closes
    standing = path.stage[latest[here]], path.rung[latest[here]]
    return _Present(with_columns(batch, columns), frame.ids[here], *standing)


def _stands(model: LifecycleModel, present: _Present) -> list[Stand]:
    keys = model.keys
    return [
        (None, None) if index == UNPLACED else (keys[index], number or None)
        for index, number in zip(present.stage.tolist(), present.rung.tolist(), strict=True)
    ]


async def _placed(store: Store, shop_id: int, model: str, pick: Pick) -> Mapping[int, Stand]:
    mark = f"${len(pick.params) + 2}"
    rows = await store.database.fetch(
        "SELECT customer_id, stage, rung FROM placements WHERE shop_id = $1"
        f" AND {pick.condition('customer_id')} AND model = {mark}",
        shop_id, *pick.params, model,
    )  # fmt: skip
    return {customer: (stage, rung) for customer, stage, rung in rows}


def _made_up(like: Frame, plan: Plan, model: LifecycleModel) -> Review:
    """Of generated customers, who have only orders and consents; `like` gives the types of everything else."""
    orders = made_up_orders(plan.as_of)
    people = len(orders.offsets) - 1
    nobody = np.zeros(people, dtype=np.int64)
    attributes = {name: _nothing(column, people) for name, column in like.attributes.items()}
    for place, name in enumerate(("email_status", "sms_status")):
        attributes[name] = _consents(attributes[name], len(_CONSENTS) ** place)
    tables = {
        name: (np.zeros(people + 1, dtype=np.int64), {of: taken(column, nobody[:0]) for of, column in columns.items()})
        for name, (_, columns) in like.tables.items()
    }
    tables["orders"] = (orders.offsets, _order_rows(orders))
    made = Frame(nobody, nobody + plan.as_of - 900 * 86_400_000_000, attributes, orders, nobody, tables)
    return review(model, _present(made, plan, model).batch)


def _nothing(like: Column, people: int) -> Column:
    return Column(np.zeros(people, dtype=like.values.dtype), np.ones(people, dtype=np.bool_))


def _consents(column: Column, every: int) -> Column:
    chosen = [_CONSENTS[number // every % len(_CONSENTS)] for number in range(len(column.values))]
    values = np.array([choice or "" for choice in chosen], dtype=column.values.dtype)
    return Column(values, np.array([choice is None for choice in chosen], dtype=np.bool_))


def _order_rows(orders: Orders) -> dict[str, Column]:
    nothing = Column(np.zeros(len(orders.total), dtype=np.int64), np.ones(len(orders.total), dtype=np.bool_))
    return {
        "processed_at": known(orders.processed_at), "voided_at": known(orders.voided_at), "total": known(orders.total),
        "app_id": nothing, "location_id": nothing,
    }  # fmt: skip
