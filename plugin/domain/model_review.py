"""What a merchant should hear about a lifecycle model before it is applied: stages that overlap, customers whom no rule
names, rules that name nobody. Judged on customers, real ones and made-up ones, because no text of a rule tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final, NamedTuple

import numpy as np

from plugin.domain.columns import Bools
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import LifecycleModel
from plugin.domain.measures import Orders
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate

_DAY: Final = 86_400_000_000
_EDGES: Final = (0, 1, 6, 7, 8, 29, 30, 31, 59, 60, 61, 89, 90, 91, 179, 180, 181, 359, 360, 361, 800)  # days
_COARSE: Final = (1, 29, 31, 91, 181, 400)


class Overlap(NamedTuple):
    """Customers for whom the rules of both stages hold; they stand in `first`."""

    first: str
    second: str
    customers: int


@dataclass(frozen=True, slots=True)
class Review:
    """`held`: for how many customers each stage's rule holds; `alone`: and no stage above it names them first."""

    customers: int
    gap: int
    held: dict[str, int]
    alone: dict[str, int]
    overlaps: tuple[Overlap, ...]

    @property
    def never(self) -> tuple[str, ...]:
        """Stages whose rule holds for nobody."""
        return tuple(key for key, count in self.held.items() if not count)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Stages whose rule holds, but only for customers whom an earlier stage takes."""
        return tuple(key for key, count in self.alone.items() if self.held[key] and not count)

    def __add__(self, other: Review) -> Review:
        """Of both crowds together; the model is the same."""
        pairs = {(each.first, each.second): each.customers for each in self.overlaps}
        for each in other.overlaps:
            pairs[each.first, each.second] = pairs.get((each.first, each.second), 0) + each.customers
        return Review(
            self.customers + other.customers, self.gap + other.gap,
            {key: count + other.held[key] for key, count in self.held.items()},
            {key: count + other.alone[key] for key, count in self.alone.items()},
            tuple(Overlap(*pair, count) for pair, count in pairs.items()),
        )  # fmt: skip


def review(model: LifecycleModel, batch: Batch) -> Review:
    """Of the pairs in `batch`, each one customer."""
    holds: dict[str, Bools] = {stage.key: evaluate(stage.rule, batch).holds for stage in model.stages}
    taken = np.zeros(len(batch), dtype=np.bool_)
    alone: dict[str, int] = {}
    for key, held in holds.items():
        alone[key] = int((held & ~taken).sum())
        taken |= held
    both = ((first, second, int((holds[first] & holds[second]).sum())) for first, second in combinations(holds, 2))
    return Review(
        len(batch), int((~taken).sum()), {key: int(held.sum()) for key, held in holds.items()}, alone,
        tuple(Overlap(*pair) for pair in both if pair[2]),
    )  # fmt: skip


def warnings(model: LifecycleModel, own: Review, made_up: Review) -> tuple[str, ...]:
    """For people, the gravest first. `own` are the shop's customers, `made_up` others who may come."""
    names = {stage.key: stage.name for stage in model.stages}
    both = own + made_up
    told = []
    if own.gap:
        told.append(f"No rule holds for {own.gap} of {own.customers} customers: they would stand in no stage.")
    elif made_up.gap:
        told.append("No rule holds for some customers who may come, none of them there yet: they would be in no stage.")
    told += [f"The rule of {names[key]} holds for nobody." for key in both.never]
    told += [f"Whoever the rule of {names[key]} names stands in an earlier stage already." for key in both.hidden]
    told += [
        f"{names[each.first]} and {names[each.second]} both hold for {_of_whom(each, own)}; they stand in"
        f" {names[each.first]}."
        for each in both.overlaps
    ]
    return tuple(told)


def _of_whom(overlap: Overlap, own: Review) -> str:
    here = sum(each.customers for each in own.overlaps if each[:2] == overlap[:2])
    return f"{here} customers" if here else "customers who may come"


def made_up_orders(at: int) -> Orders:
    """Orders of made-up customers at `at`: none to three purchases, with gaps and silences on both sides of the days
    that rules are usually cut at. The same whenever it is asked."""
    shapes = list(_silences())
    processed = [sorted(at - days * _DAY for days in shape) for shape in shapes]
    flat = np.array([instant for theirs in processed for instant in theirs], dtype=np.int64)
    numbers = np.arange(len(flat), dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    return Orders(
        offsets=np.cumsum([0, *map(len, shapes)], dtype=np.int64), processed_at=flat,
        voided_at=np.full(len(flat), FOREVER, dtype=np.int64), total=(numbers % 7 + 1) * 200_000, items=numbers % 6 + 1,
        discounted=numbers % 3 == 0, refund_order=nothing, refund_at=nothing, refund_amount=nothing,
    )  # fmt: skip


def _silences() -> Iterator[tuple[int, ...]]:
    """Of each made-up customer: how many days ago each purchase was."""
    yield ()
    yield from ((silence,) for silence in _EDGES)
    yield from ((silence, silence + gap) for silence, gap in product(_EDGES, _EDGES))
    yield from _sums(product(_EDGES, _COARSE, _COARSE))


def _sums(shapes: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, ...]]:
    yield from ((silence, silence + last, silence + last + first) for silence, last, first in shapes)
