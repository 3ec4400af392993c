"""Lifecycle models, their stages, and where a customer stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import numpy as np
import orjson
import strawberry

from graphql_schema.access import Access, Scope, costs
from graphql_schema.context import Info, calendar_of, certain, instant
from graphql_schema.pagination import Connection
from plugin.domain.calendar import epoch_day
from plugin.domain.instants import to_us
from plugin.domain.lifecycles import MODEL_VARIANTS, StageRule
from plugin.domain.lifecycles import LifecycleModel as Model
from plugin.domain.reasons import text as reason_text
from plugin.errors import BadRequestError
from plugin.ledger import stage_readers
from plugin.ledger.database import Row
from plugin.ledger.stage_readers import PlacementRow, SupersededRow, TransitionRow
from plugin.lifecycle.models import models_of, versions_of
from plugin.shops import ShopContext

_LIFECYCLE = [Access(scope=Scope.READ_LIFECYCLE)]
_CUSTOMERS = [Access(scope=Scope.READ_CUSTOMERS)]
_COUNTING = 10  # points of an aggregate over the whole shop


@strawberry.type(description="One comparison that decided a stage or an offer.", directives=[Access(scope=Scope.ANY)])
class Reason:
    measure: str = strawberry.field(description="What was compared, as named in segment queries.")
    value: str = strawberry.field(description="The customer's value.")
    operator: str = strawberry.field(description="How it was compared.")
    threshold: str = strawberry.field(description="What it was compared with.")
    text: str = strawberry.field(description="The comparison as a sentence for people.")


def reasons_of(because: str) -> list[Reason]:
    """Reasons as the ledger keeps them: a JSON list."""
    return [_reason(item) for item in orjson.loads(because)]


def _reason(item: Mapping[str, Any]) -> Reason:
    told = Reason(
        measure=item["measure"],
        value=item["value"],
        operator=item["operator"],
        threshold=item["threshold"],
        text=item.get("text", ""),
    )
    told.text = told.text or reason_text(told)
    return told


@strawberry.type(description="A stage of a lifecycle model.", directives=_LIFECYCLE)
class Stage:
    key: str = strawberry.field(description="Its stable name, such as `departing`.")
    name: str = strawberry.field(description="Its name for people.")
    query: str = strawberry.field(description="The segment query that names its customers.")
    optional: bool = strawberry.field(description="Whether customers may pass it by.")
    position: int = strawberry.field(description="Its place in the journey, from 1.")


def stage_of(rule: StageRule) -> Stage:
    return Stage(key=rule.key, name=rule.name, query=rule.query, optional=rule.optional, position=rule.position)


def stage_named(model: Model, key: str) -> Stage:
    """What was told under another version of the model may name a stage that this one does not have."""
    if key in model.keys:
        return stage_of(model.stage(key))
    return Stage(key=key, name=key, query="", optional=False, position=0)


@strawberry.type(description="How many customers stand in a stage, or on one rung of it.", directives=_LIFECYCLE)
class StageCount:
    stage: Stage = strawberry.field(description="The stage.")
    rung: int | None = strawberry.field(description="The rung, from 1, where the stage has rungs.")
    count: int = strawberry.field(description="Customers there.")


@strawberry.type(description="Moves from one stage to another within a period.", directives=_LIFECYCLE)
class StageFlow:
    from_: Stage | None = strawberry.field(name="from", description="The stage left; null for a first placement.")
    to: Stage = strawberry.field(description="The stage entered.")
    customers: int = strawberry.field(description="Different customers who made this move.")
    moves: int = strawberry.field(description="Moves, counting a customer as often as she moved.")


@strawberry.type(description="A version of a lifecycle model that a merchant saved.", directives=_LIFECYCLE)
class LifecycleModelVersion:
    version: int = strawberry.field(description="Its number, from 1.")
    name: str = strawberry.field(description="The model's name in it.")
    note: str | None = strawberry.field(description="What the merchant noted about the change.")
    created_at: datetime = strawberry.field(description="When it was saved.")


@strawberry.type(
    description="Another form of a shipped model, to be saved under its key with `lifecycleModelSave`; it is not "
    "computed before.",
    directives=_LIFECYCLE,
)
class LifecycleModelVariant:
    key: str = strawberry.field(description="The key to save it under, such as `journey-funnel-b2b`.")
    name: str = strawberry.field(description="Its name for people.")
    stages: list[Stage] = strawberry.field(description="Its stages in the order of the journey.")


@strawberry.type(
    description="An ordered list of stages, each with one rule; the first that holds names the customer's stage.",
    directives=_LIFECYCLE,
)
class LifecycleModel:
    key: str = strawberry.field(description="Its stable name, such as `buyer-activity`.")
    name: str = strawberry.field(description="Its name for people.")
    source: str | None = strawberry.field(description="The text that the stages are taken from.")
    version: int = strawberry.field(description="The version in force; 0 is as shipped.")
    model: strawberry.Private[Model]

    @strawberry.field(
        description="The versions that were saved, the newest first; 0, as shipped, is not among them.",
        directives=[costs(points=1)],
    )
    async def versions(self, info: Info) -> list[LifecycleModelVersion]:
        rows = await versions_of(info.context.store, info.context.shop.id, self.key)
        return [
            LifecycleModelVersion(version=version, name=name, note=note, created_at=certain(at))
            for version, name, note, at in rows
        ]

    @strawberry.field(description="Other forms of it that ship, such as that of `journey-funnel` for B2B.")
    def variants(self) -> list[LifecycleModelVariant]:
        return [
            LifecycleModelVariant(key=model.key, name=model.name, stages=[stage_of(rule) for rule in model.stages])
            for model in MODEL_VARIANTS.get(self.key, ())
        ]

    @strawberry.field(description="The stages in the order of the journey.")
    def stages(self) -> list[Stage]:
        return [stage_of(rule) for rule in self.model.stages]

    @strawberry.field(description="Customers by stage, now or at an instant.", directives=[costs(points=_COUNTING)])
    async def counts(self, info: Info, as_of: datetime | None = strawberry.UNSET) -> list[StageCount]:
        context = info.context
        database, shop_id = context.store.database, context.shop.id
        if not as_of:
            return _counts(self.model, await stage_readers.stage_counts(database, shop_id, self.key))
        return _counts(self.model, await stage_readers.stage_counts_at(database, shop_id, self.key, to_us(as_of)))

    @strawberry.field(
        description="Moves between stages from the start of `since` to the end of `until`, days of the shop.",
        directives=[costs(points=_COUNTING)],
    )
    async def transitions(self, info: Info, since: date, until: date) -> list[StageFlow]:
        if until < since:
            raise BadRequestError(f"`until` ({until}) lies before `since` ({since}).")
        context = info.context
        calendar = await calendar_of(context.shop)
        start, end = calendar.start_of(np.array([epoch_day(since), epoch_day(until) + 1])).tolist()
        rows = await stage_readers.stage_flows(context.store.database, context.shop.id, self.key, start, end)
        return [_flow(self.model, row) for row in rows]


def _counts(model: Model, rows: list[Row]) -> list[StageCount]:
    """One for each stage, or for each of its rungs, empty ones included."""
    found = {(stage, rung): count for stage, rung, count in rows}
    return [
        StageCount(stage=stage_of(rule), rung=rung, count=found.get((rule.key, rung), 0))
        for rule in model.stages
        for rung in (range(1, len(rule.rungs) + 1) if rule.rungs else (None,))
    ]


def _flow(model: Model, row: Row) -> StageFlow:
    left, entered, customers, moves = row
    before = stage_named(model, left) if left is not None else None
    return StageFlow(from_=before, to=stage_named(model, entered), customers=customers, moves=moves)


def model_type(model: Model) -> LifecycleModel:
    return LifecycleModel(
        key=model.key, name=model.name, source=model.source or None, version=model.version, model=model
    )


def model_named(shop: ShopContext, key: str) -> Model:
    """Raises BadRequestError that names the models there are."""
    models = models_of(shop)
    model = models.get(key)
    if model is None:
        raise BadRequestError(f"There is no lifecycle model {key[:60]!r}; there are: {', '.join(models)}.")
    return model


@strawberry.type(description="Where a customer stands in a lifecycle model.", directives=_CUSTOMERS)
class StagePlacement:
    model: LifecycleModel = strawberry.field(description="The model.")
    stage: Stage = strawberry.field(description="The stage.")
    rung: int | None = strawberry.field(description="The rung within the stage, where it has rungs.")
    since: datetime = strawberry.field(description="When it became true.")
    valid_until: datetime | None = strawberry.field(
        description="The earliest instant at which it can change with no new order; null when time changes nothing."
    )
    because_json: strawberry.Private[str]

    @strawberry.field(description="The comparisons that decided it.")
    def because(self) -> list[Reason]:
        return reasons_of(self.because_json)

    @strawberry.field(
        description="Whether a lapse put her there: a buyer who has been silent for `lapse_days` or more, not somebody "
        "who never bought."
    )
    def lapsed(self) -> bool:
        return any(
            reason.measure == "days_since_last_order" and reason.operator == ">=" and "(lapse_days" in reason.threshold
            for reason in reasons_of(self.because_json)
        )


def placement_of(shop: ShopContext, row: PlacementRow) -> StagePlacement:
    [placement] = placements_of(shop, [row])
    return placement


def placements_of(shop: ShopContext, rows: Iterable[PlacementRow]) -> list[StagePlacement]:
    """Many share the few models and stages of the shop."""
    models: dict[str, tuple[Model, LifecycleModel]] = {}
    stages: dict[tuple[str, str], Stage] = {}
    found = []
    for row in rows:
        if row.model not in models:
            model = model_named(shop, row.model)
            models[row.model] = model, model_type(model)
        if (row.model, row.stage) not in stages:
            stages[row.model, row.stage] = stage_named(models[row.model][0], row.stage)
        found.append(
            StagePlacement(
                model=models[row.model][1],
                stage=stages[row.model, row.stage],
                rung=row.rung,
                since=certain(row.since_at),
                valid_until=instant(row.valid_until),
                because_json=row.because,
            )
        )
    return found


@strawberry.type(description="A change of stage or rung.", directives=_CUSTOMERS)
class StageTransition:
    from_: Stage | None = strawberry.field(name="from", description="The stage left; null for the first placement.")
    to: Stage = strawberry.field(description="The stage entered.")
    rung: int | None = strawberry.field(description="The rung entered, where the stage has rungs.")
    at: datetime = strawberry.field(description="When it became true, which may be before it was noticed.")
    model_version: int = strawberry.field(description="The version of the model that says so; 0 is as shipped.")
    because_json: strawberry.Private[str]

    @strawberry.field(description="The comparisons that decided it.")
    def because(self) -> list[Reason]:
        return reasons_of(self.because_json)


def transition_of(model: Model, row: TransitionRow) -> StageTransition:
    return StageTransition(
        from_=stage_named(model, row.from_stage) if row.from_stage is not None else None,
        to=stage_named(model, row.to_stage),
        rung=row.to_rung,
        at=certain(row.at),
        model_version=row.model_version,
        because_json=row.because,
    )


@strawberry.enum(description="Why the stage history says something else now.")
class SupersededReason(StrEnum):
    CORRECTED = "corrected"
    MODEL = "model"
    MERGED = "merged"


@strawberry.type(
    description="What the stage history said once: facts came late or changed (CORRECTED), the model did (MODEL), or "
    "it was said of a customer who was merged into this one (MERGED).",
    directives=_CUSTOMERS,
)
class SupersededTransition:
    from_: Stage | None = strawberry.field(name="from", description="The stage left; null for the first placement.")
    to: Stage | None = strawberry.field(description="The stage entered; null for none.")
    rung: int | None = strawberry.field(description="The rung entered, where the stage has rungs.")
    at: datetime = strawberry.field(description="When it was said to have become true.")
    model_version: int = strawberry.field(description="The version of the model that said so; 0 is as shipped.")
    recorded_at: datetime = strawberry.field(description="From when on it was said.")
    superseded_at: datetime = strawberry.field(description="Until when.")
    reason: SupersededReason = strawberry.field(description="Why it is said no more.")
    because_json: strawberry.Private[str]

    @strawberry.field(description="The comparisons that had decided it.")
    def because(self) -> list[Reason]:
        return reasons_of(self.because_json)


def superseded_of(model: Model, row: SupersededRow) -> SupersededTransition:
    return SupersededTransition(
        from_=stage_named(model, row.from_stage) if row.from_stage is not None else None,
        to=stage_named(model, row.to_stage) if row.to_stage is not None else None,
        rung=row.to_rung,
        at=certain(row.at),
        model_version=row.model_version,
        recorded_at=certain(row.recorded_at),
        superseded_at=certain(row.superseded_at),
        reason=SupersededReason(row.reason),
        because_json=row.because,
    )


@strawberry.type(description="A page of changes of stage, newest first.", directives=[Access(scope=Scope.ANY)])
class StageTransitionConnection(Connection[StageTransition]):
    pass
