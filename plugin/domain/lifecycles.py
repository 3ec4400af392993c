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
from plugin.domain.rules.syntax import Rule

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
    rungs: tuple[RungRule, ...] = ()

    def rule_of(self, rung: int | None) -> Rule:
        """What decides that a customer stands here: the rule of the rung where the stage has rungs."""
        return self.rungs[rung - 1].rule if rung else self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleModel:
    """`source` names the text that the stages are taken from."""

    key: str
    name: str
    source: str
    stages: tuple[StageRule, ...]

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


def _stage(key: str, name: str, *, meaning: str, query: str, rungs: tuple[str, ...] = ()) -> StageRule:
    steps = tuple(RungRule(rung, parse(rung).rule) for rung in rungs)
    return StageRule(key=key, name=name, meaning=meaning, query=query, rule=parse(query).rule, position=0, rungs=steps)


def _journey(*stages: StageRule) -> tuple[StageRule, ...]:
    """Positions count from 1 in the order of the journey."""
    return tuple(replace(stage, position=position) for position, stage in enumerate(stages, 1))


BUYER_ACTIVITY: Final = LifecycleModel(
    key="buyer-activity",
    name="Buyer activity",
    source="002_100c901b39bcaa0f.txt",
    stages=_journey(
        _stage(
            "visitor", "Visitor",
            meaning="Known to the shop, but has no order that counts.",
            query="number_of_orders = 0",
        ),
        _stage(
            "new_buyer", "New buyer",
            meaning="Bought on exactly one day, and has been silent for less than lapse_days.",
            query="purchase_days = 1 AND days_since_last_order < lapse_days",
        ),
        _stage(
            "active", "Active",
            meaning="Bought on two days or more, has been silent for less than lapse_days, and did not just come back.",
            query="purchase_days >= 2 AND days_since_last_order < lapse_days AND NOT days_since_return < 30",
        ),
        _stage(
            "departing", "Departing",
            meaning="Silent for lapse_days or more: should have bought by now. The rung says how long the silence is.",
            query="days_since_last_order >= lapse_days",
            rungs=(
                "days_since_last_order >= lapse_days",
                "days_since_last_order >= lapse_days_rung_2",
                "days_since_last_order >= lapse_days_rung_3",
            ),
        ),
        _stage(
            "returned", "Returned",
            meaning="Was departing, then ordered: for 30 days from that order, the month of greatest attention.",
            query="days_since_return < 30 AND days_since_last_order < lapse_days",
        ),
    ),
)  # fmt: skip

MODELS: Final[Mapping[str, LifecycleModel]] = MappingProxyType({BUYER_ACTIVITY.key: BUYER_ACTIVITY})
