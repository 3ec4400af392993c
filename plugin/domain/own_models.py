"""A lifecycle model as a merchant writes it, and the check that makes it one that can be computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from plugin.domain.errors import DomainError
from plugin.domain.lifecycles import LifecycleModel, RungRule, StageRule, models_read
from plugin.domain.rules import Names, Problem, Rule, RuleError, parse
from plugin.domain.rules.names import find_cycle
from plugin.domain.rules.reads import places

MOST_STAGES: Final = 20
MOST_RUNGS: Final = 9
_LONGEST_NAME: Final = 255
_MODEL_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_RELATIVE: Final = frozenset({"rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group"})
_STAGE_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class OwnStage:
    """`query` and `rungs` as the merchant typed them."""

    key: str
    name: str
    query: str
    optional: bool = False
    rungs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnModel:
    key: str
    name: str
    stages: tuple[OwnStage, ...]


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """`stage` and `rung` count from 0; `field` is `key`, `name`, `stages`, `query` or `rungs`. `problem` places the
    fault within the text of a rule."""

    field: str
    says: str
    stage: int | None = None
    rung: int | None = None
    problem: Problem | None = None


class ModelError(DomainError):
    """The model cannot be computed; every fault that was found is in `problems`."""

    def __init__(self, problems: list[ModelProblem]) -> None:
        super().__init__(" ".join(problem.says for problem in problems))
        self.problems = tuple(problems)


def compile_model(text: OwnModel, *, names: Names, version: int, like: LifecycleModel | None = None) -> LifecycleModel:
    """The model that `text` says. `like` is the shipped model that it changes: its meanings stay. Raises ModelError."""
    problems = _of_model(text)
    models = {**names.models, text.key: tuple(stage.key for stage in text.stages)}
    reading = _Reading(text.key, replace(names, models=models), problems)
    shipped = {stage.key: stage for stage in like.stages} if like else {}
    stages = tuple(reading.stage(number, stage, shipped.get(stage.key)) for number, stage in enumerate(text.stages))
    if problems:
        raise ModelError(problems)
    return LifecycleModel(
        key=text.key, name=text.name.strip(), source=like.source if like else "", stages=stages, version=version
    )


def cycle_of(models: Mapping[str, LifecycleModel], primary_model: str) -> tuple[str, ...]:
    """Models whose rules wait for each other's stages; empty when none do."""
    return find_cycle({
        key: models_read(model, primary_model) - {key}  # its own state before is no cycle
        for key, model in models.items()
    })  # fmt: skip


def _of_model(text: OwnModel) -> list[ModelProblem]:
    problems = []
    if not _MODEL_KEY.fullmatch(text.key):
        problems.append(ModelProblem("key", "The key of a model has up to 63 characters: a to z, digits and hyphens."))
    if not _is_name(text.name):
        problems.append(ModelProblem("name", f"A model needs a name of at most {_LONGEST_NAME} characters."))
    if not 1 <= len(text.stages) <= MOST_STAGES:
        problems.append(ModelProblem("stages", f"A model has 1 to {MOST_STAGES} stages, not {len(text.stages)}."))
    keys = [stage.key for stage in text.stages]
    problems += [
        ModelProblem("key", f"There are two stages {key[:60]!r}; a key names one stage.", stage=number)
        for number, key in enumerate(keys)
        if key in keys[:number]
    ]
    return problems


def _is_name(name: str) -> bool:
    plain = not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in name)
    return plain and bool(name.strip()) and len(name) <= _LONGEST_NAME


@dataclass(frozen=True, slots=True)
class _Reading:
    """The stages of one model on their way; what is wrong goes to `problems`."""

    model: str
    names: Names
    problems: list[ModelProblem]

    def stage(self, number: int, text: OwnStage, shipped: StageRule | None) -> StageRule:
        if not _STAGE_KEY.fullmatch(text.key):
            says = "The key of a stage has up to 63 characters: a to z, digits and underscores."
            self.problems.append(ModelProblem("key", says, stage=number))
        if not _is_name(text.name):
            says = f"A stage needs a name of at most {_LONGEST_NAME} characters."
            self.problems.append(ModelProblem("name", says, stage=number))
        if len(text.rungs) > MOST_RUNGS:
            self.problems.append(ModelProblem("rungs", f"A stage has at most {MOST_RUNGS} rungs.", stage=number))
        rungs = tuple(
            RungRule(query, self._rule(query, number, rung)) for rung, query in enumerate(text.rungs[:MOST_RUNGS])
        )
        return StageRule(
            key=text.key, name=text.name.strip(), meaning=shipped.meaning if shipped else "", query=text.query,
            rule=self._rule(text.query, number, None), position=number + 1, optional=text.optional, rungs=rungs,
            query_without=shipped.query_without if shipped and shipped.query == text.query else None,
        )  # fmt: skip

    def _rule(self, query: str, stage: int, rung: int | None) -> Rule:
        """A rule that stands in for one that cannot be read lets the others be read, too."""
        field = "query" if rung is None else "rungs"
        try:
            rule = parse(query, names=self.names, own_model=self.model).rule
        except RuleError as error:
            self.problems.extend(ModelProblem(field, each.message, stage, rung, each) for each in error.problems)
            return parse("number_of_orders = 0").rule
        relative = {place.column for place in places(rule, self.names.primary_model)} & _RELATIVE
        if relative:
            says = (
                f"Where somebody stood among others is not kept, and a stage has a history; leave out {min(relative)}."
            )
            self.problems.append(ModelProblem(field, says, stage, rung))
        return rule
