"""Lifecycle models: ordered stages, each with one rule; the first rule that holds, from the top, names the stage.

A model is data in the rule language (lifecycle.md, section 4). The rules of a shipped model exclude each other and
cover everybody, so that each can be read, and asked as a segment, on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Ints
from plugin.domain.history import Standing
from plugin.domain.instants import FOREVER
from plugin.domain.rules import parse
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate
from plugin.domain.rules.reads import places
from plugin.domain.rules.syntax import Rule
from plugin.domain.shipped_models import SHIPPED, VARIANTS, ModelText, StageText

UNPLACED: Final = -1


@dataclass(frozen=True, slots=True)
class RungRule:
    query: str
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRule:
    """`rungs` are steps within the stage, each harder to reach than the one before; the first is reached with the stage
    itself. The customer is on the highest rung whose rule, and that of all below it, holds."""

    key: str
    name: str
    meaning: str
    query: str
    rule: Rule
    position: int
    optional: bool = False
    query_without: str | None = None  # the rule while the model's optional stages are off
    rungs: tuple[RungRule, ...] = ()

    def rule_of(self, rung: int | None) -> Rule:
        """What decides that a customer stands here: the rule of the rung where the stage has rungs."""
        return self.rungs[rung - 1].rule if rung else self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleModel:
    """`source` names the text that the stages are taken from; nothing for a model of the merchant's own. `version` is 0
    as shipped, and counts up with every change that the merchant saves."""

    key: str
    name: str
    source: str
    stages: tuple[StageRule, ...]
    version: int = 0

    def __iter__(self) -> Iterator[Rule]:
        """Every rule of the model."""
        for stage in self.stages:
            yield stage.rule
            yield from (rung.rule for rung in stage.rungs)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(stage.key for stage in self.stages)

    def stage(self, key: str) -> StageRule:
        """Raises KeyError for a stage that the model does not have."""
        for stage in self.stages:
            if stage.key == key:
                return stage
        raise KeyError(key)


def models_read(model: LifecycleModel, primary_model: str) -> frozenset[str]:
    """Keys of the models whose stages its rules read, its own among them where they read the state before."""
    found = (place.model for rule in model for place in places(rule, primary_model))
    return frozenset(key for key in found if key is not None)


def classify(model: LifecycleModel, batch: Batch) -> Standing:
    """The stage and rung of each pair, and until when that stands with no new fact."""
    stage = np.full(len(batch), UNPLACED, dtype=np.int64)
    until = np.full(len(batch), FOREVER, dtype=np.int64)
    rung = np.zeros(len(batch), dtype=np.int64)
    for position, of in enumerate(model.stages):
        verdicts = evaluate(of.rule, batch)
        undecided = stage == UNPLACED
        until = np.where(undecided, np.minimum(until, verdicts.valid_until), until)
        here = undecided & verdicts.holds
        stage[here] = position
        reached, rung_until = _climb(of.rungs, batch, here)
        rung = np.where(here, reached, rung)
        until = np.minimum(until, np.where(here, rung_until, FOREVER))
    return Standing(stage, rung, until)


def _climb(rungs: tuple[RungRule, ...], batch: Batch, here: Bools) -> tuple[Ints, Ints]:
    rung = np.zeros(len(batch), dtype=np.int64)
    until = np.full(len(batch), FOREVER, dtype=np.int64)
    standing = here
    for number, of in enumerate(rungs, 1):
        verdicts = evaluate(of.rule, batch)
        until = np.where(standing, np.minimum(until, verdicts.valid_until), until)
        standing = standing & (verdicts.holds | (number == 1))
        rung[standing] = number
    return rung, until


def _built(text: ModelText) -> LifecycleModel:
    """Positions count from 1 in the order of the journey."""
    stages = tuple(_stage(stage, position) for position, stage in enumerate(text.stages, 1))
    return LifecycleModel(key=text.key, name=text.name, source=text.source, stages=stages)


def _stage(text: StageText, position: int) -> StageRule:
    return StageRule(
        key=text.key, name=text.name, meaning=text.meaning, query=text.query, rule=parse(text.query).rule,
        position=position, optional=text.optional, query_without=text.query_without,
        rungs=tuple(RungRule(rung, parse(rung).rule) for rung in text.rungs),
    )  # fmt: skip


def without_optional(model: LifecycleModel) -> LifecycleModel:
    """The model with its optional stages off; as it is, where no stage says what it covers then. Positions stay."""
    if all(stage.query_without is None for stage in model.stages):
        return model
    return replace(model, stages=tuple(_alone(stage) for stage in model.stages if not stage.optional))


def _alone(stage: StageRule) -> StageRule:
    query = stage.query_without
    return stage if query is None else replace(stage, query=query, rule=parse(query).rule)


MODELS: Final[Mapping[str, LifecycleModel]] = MappingProxyType({text.key: _built(text) for text in SHIPPED})
MODEL_VARIANTS: Final[Mapping[str, tuple[LifecycleModel, ...]]] = MappingProxyType(
    {key: tuple(map(_built, texts)) for key, texts in VARIANTS.items()}
)
BUYER_ACTIVITY: Final = MODELS["buyer-activity"]
