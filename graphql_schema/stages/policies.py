"""Changing how customers are placed: what would move is told first, and every change can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import QueryProblem, UserError, UserErrorCode, problem_of
from graphql_schema.pagination import given
from graphql_schema.shop.lapse import LapseInput, lapse_changes
from graphql_schema.stages.types import LifecycleModel, Stage, model_named, model_type, stage_named
from plugin.domain.lifecycles import LifecycleModel as Model
from plugin.domain.model_review import warnings
from plugin.domain.own_models import ModelError, ModelProblem, OwnModel, OwnStage
from plugin.errors import NotFoundError
from plugin.lifecycle.models import models_of, read_model, restore_model, save_model, with_model
from plugin.lifecycle.policy_preview import Move, PolicyPreview, preview_policy
from plugin.shops import ShopContext, shop_by_id

if TYPE_CHECKING:
    from graphql_schema.customers.types import Customer

_LIFECYCLE = [Access(scope=Scope.READ_LIFECYCLE)]
_PASSING = 100  # points: every customer of the shop is judged
_LONGEST_NOTE = 1_000


@strawberry.input(description="A stage of a lifecycle model to be.")
class LifecycleStageInput:
    key: str = strawberry.field(description="Its stable name: a to z, digits and underscores.")
    name: str = strawberry.field(description="Its name for people.")
    query: str = strawberry.field(description="The segment query that names its customers.")
    optional: bool = strawberry.field(default=False, description="Whether customers may pass it by.")
    rungs: list[str] = strawberry.field(
        default_factory=list, description="Queries of the steps within it, each harder to reach than the one before."
    )


@strawberry.input(description="A lifecycle model to be: a new one, or the next version of the one with this key.")
class LifecycleModelInput:
    key: str = strawberry.field(description="Its stable name: a to z, digits and hyphens.")
    name: str = strawberry.field(description="Its name for people.")
    stages: list[LifecycleStageInput] = strawberry.field(
        description="In the order of the journey; the first whose query holds names the customer's stage."
    )
    note: str | None = strawberry.field(default=None, description="What to remember about the change.")


@strawberry.type(description="What is wrong with a lifecycle model, and where.", directives=_LIFECYCLE)
class LifecycleModelProblem:
    stage: int | None = strawberry.field(description="The stage, from 0; null when it is the model's.")
    rung: int | None = strawberry.field(description="The rung, from 0; null when it is the stage's.")
    query_error: QueryProblem | None = strawberry.field(description="The fault of a query, with its place.")


@strawberry.type(description="Customers who would change their place.", directives=_LIFECYCLE)
class StageMove:
    from_: Stage | None = strawberry.field(name="from", description="Where they stand now; null for nowhere.")
    from_rung: int | None = strawberry.field(description="Their rung there.")
    to: Stage | None = strawberry.field(description="Where they would stand; null for nowhere.")
    to_rung: int | None = strawberry.field(description="Their rung there.")
    customers: int = strawberry.field(description="How many.")
    sample_ids: strawberry.Private[tuple[int, ...]]

    @strawberry.field(description="Some of them.", directives=needs(Scope.READ_CUSTOMERS, size=10))
    async def sample(self, info: Info) -> list[Annotated[Customer, strawberry.lazy("graphql_schema.customers.types")]]:
        from graphql_schema.customers.types import customer_of

        rows = await info.context.loaders.customers.load_many(list(self.sample_ids))
        return [customer_of(row) for row in rows if row is not None]


@strawberry.type(description="What would come of a change, before anything is applied.", directives=_LIFECYCLE)
class LifecycleModelPreview:
    customers: int = strawberry.field(description="Customers who were judged.")
    moved: int = strawberry.field(description="Of them, those who would stand elsewhere.")
    moves: list[StageMove] = strawberry.field(description="From where to where, the most frequent first.")
    tag_writes: int = strawberry.field(
        description="Stage tags that would be added or removed in the shop; 0 unless it is the primary model."
    )
    in_no_stage: int = strawberry.field(description="Customers for whom no rule would hold.")
    warnings: list[str] = strawberry.field(
        description="Rules that overlap, customers whom no rule names, rules that hold for nobody."
    )
    problems: list[LifecycleModelProblem] = strawberry.field(description="The places of the user errors, one for each.")
    user_errors: list[UserError] = strawberry.field(description="What to mend first; empty when it could be judged.")


@strawberry.type(description="What came of a change to a lifecycle model.", directives=_LIFECYCLE)
class LifecycleModelPayload:
    lifecycle_model: LifecycleModel | None = strawberry.field(
        description="The model as it is now; null when nothing was changed."
    )
    warnings: list[str] = strawberry.field(
        description="Rules that overlap, customers whom no rule names, rules that hold for nobody."
    )
    problems: list[LifecycleModelProblem] = strawberry.field(description="The places of the user errors, one for each.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type
class PolicyQueries:
    @strawberry.field(
        description="Who would move if this model were saved, or what is wrong with it; nothing is kept.",
        directives=needs(Scope.READ_LIFECYCLE, points=_PASSING),
    )
    async def lifecycle_model_preview(self, info: Info, input: LifecycleModelInput) -> LifecycleModelPreview:
        context = info.context
        try:
            model = read_model(context.shop, _text(input))
        except ModelError as error:
            return _refused_preview(_errors(error), _problems(error.problems))
        shop = with_model(context.shop, _text(input), model.version)
        return _preview(shop, model.key, await preview_policy(context.store, shop, model.key, now=context.now))

    @strawberry.field(
        description="Who would move in the primary model if the lapse were changed so; nothing is kept.",
        directives=needs(Scope.READ_LIFECYCLE, points=_PASSING),
    )
    async def lapse_preview(self, info: Info, lapse: LapseInput) -> LifecycleModelPreview:
        context = info.context
        _, wrong = lapse_changes(lapse)
        if wrong:
            refused = [UserError(field=["lapse"], message=message, code=UserErrorCode.INVALID) for message in wrong]
            return _refused_preview(refused, [])
        shop, key = _with_lapse(context.shop, lapse), context.shop.primary_model
        return _preview(shop, key, await preview_policy(context.store, shop, key, now=context.now, reviewed=False))


@strawberry.type
class PolicyMutations:
    @strawberry.mutation(
        description="Make a lifecycle model, or the next version of one; customers are placed by it from then on, and "
        "their histories told by it. Ask `lifecycleModelPreview` first.",
        directives=needs(Scope.WRITE_LIFECYCLE, points=_PASSING),
    )
    async def lifecycle_model_save(self, info: Info, input: LifecycleModelInput) -> LifecycleModelPayload:
        context, text, note = info.context, _text(input), given(input.note)
        if note is not None and (len(note) > _LONGEST_NOTE or "\0" in note):
            refused = f"A note has at most {_LONGEST_NOTE} characters, and none that cannot be stored."
            return _refused(UserError(field=["input", "note"], message=refused, code=UserErrorCode.TOO_LONG))
        try:
            model = await save_model(context.store, context.shop, text, note=note, now=context.now)
        except ModelError as error:
            return LifecycleModelPayload(
                lifecycle_model=None, warnings=[], problems=_problems(error.problems), user_errors=_errors(error)
            )
        await context.jobs.enqueue("recompute", context.shop.id)  # first: the pass below takes its time in a big shop
        shop = with_model(context.shop, text, model.version)
        found = await preview_policy(context.store, shop, model.key, now=context.now)
        return LifecycleModelPayload(
            lifecycle_model=model_type(model), warnings=_warnings(model, found), problems=[], user_errors=[]
        )

    @strawberry.mutation(
        description="Put an older version of a lifecycle model in force again; 0 is the model as shipped.",
        directives=needs(Scope.WRITE_LIFECYCLE, points=_PASSING),
    )
    async def lifecycle_model_restore(self, info: Info, key: str, version: int) -> LifecycleModelPayload:
        context = info.context
        try:
            await restore_model(context.store, context.shop, key, version)
        except NotFoundError as error:
            return _refused(UserError(field=["version"], message=str(error), code=UserErrorCode.NOT_FOUND))
        except ModelError as error:
            return LifecycleModelPayload(
                lifecycle_model=None, warnings=[], problems=_problems(error.problems), user_errors=_errors(error)
            )
        await context.jobs.enqueue("recompute", context.shop.id)
        model = model_named(await shop_by_id(context.store.database, context.shop.id), key)
        return LifecycleModelPayload(lifecycle_model=model_type(model), warnings=[], problems=[], user_errors=[])


def _text(input: LifecycleModelInput) -> OwnModel:
    stages = tuple(
        OwnStage(stage.key, stage.name, stage.query, stage.optional, tuple(stage.rungs)) for stage in input.stages
    )
    return OwnModel(input.key, input.name, stages)


def _with_lapse(shop: ShopContext, lapse: LapseInput) -> ShopContext:
    """As the shop would be; the input has been checked."""
    ladder = (lapse.ladder_days[0], lapse.ladder_days[1], lapse.ladder_days[2]) if lapse.ladder_days else shop.ladder
    shares = (lapse.quantiles[0], lapse.quantiles[1], lapse.quantiles[2]) if lapse.quantiles else shop.lapse_quantiles
    return replace(
        shop, lapse_mode=lapse.mode.value if lapse.mode else shop.lapse_mode, ladder=ladder, lapse_quantiles=shares
    )


def _errors(error: ModelError) -> list[UserError]:
    return [
        UserError(
            field=_path(problem),
            message=problem.says,
            code=UserErrorCode.INVALID_QUERY if problem.problem else UserErrorCode.INVALID,
        )
        for problem in error.problems
    ]


def _path(problem: ModelProblem) -> list[str]:
    within = [] if problem.stage is None else ["stages", str(problem.stage)]
    rung = [] if problem.rung is None else [str(problem.rung)]
    return ["input", *within, problem.field, *rung]


def _problems(problems: Sequence[ModelProblem]) -> list[LifecycleModelProblem]:
    return [
        LifecycleModelProblem(
            stage=each.stage, rung=each.rung, query_error=problem_of(each.problem) if each.problem else None
        )
        for each in problems
    ]


def _refused(error: UserError) -> LifecycleModelPayload:
    return LifecycleModelPayload(lifecycle_model=None, warnings=[], problems=[], user_errors=[error])


def _refused_preview(errors: list[UserError], problems: list[LifecycleModelProblem]) -> LifecycleModelPreview:
    return LifecycleModelPreview(
        customers=0, moved=0, moves=[], tag_writes=0, in_no_stage=0, warnings=[], problems=problems, user_errors=errors
    )


def _preview(shop: ShopContext, key: str, found: PolicyPreview) -> LifecycleModelPreview:
    model = models_of(shop)[key]
    return LifecycleModelPreview(
        customers=found.customers, moved=found.moved, moves=[_move(model, move) for move in found.moves],
        tag_writes=found.tag_writes, in_no_stage=found.own.gap if found.own else 0, warnings=_warnings(model, found),
        problems=[], user_errors=[],
    )  # fmt: skip


def _warnings(model: Model, found: PolicyPreview) -> list[str]:
    return list(warnings(model, found.own, found.made_up)) if found.own and found.made_up else []


def _move(model: Model, move: Move) -> StageMove:
    (left, left_rung), (entered, entered_rung) = move.before, move.after
    return StageMove(
        from_=stage_named(model, left) if left is not None else None, from_rung=left_rung,
        to=stage_named(model, entered) if entered is not None else None, to_rung=entered_rung,
        customers=move.customers, sample_ids=move.sample,
    )  # fmt: skip
