"""Where customers stood since they were first known: every change of stage, at the instant it became true.

A verdict stands until a fact or the clock changes it. So each customer is judged at every fact's instant, then again
at each `valid_until` that comes before the next fact, until none is left: a few passes over arrays, no loop over
customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from plugin.domain.columns import Bools, Ints
from plugin.domain.instants import FOREVER


class Standing(NamedTuple):
    """Per (customer, instant) pair: index of the stage in its model (UNPLACED: in none), rung (0: the stage has none),
    and until when that stands with no new fact."""

    stage: Ints
    rung: Ints
    valid_until: Ints


Judge = Callable[[Ints, Ints], Standing]  # customers' indexes and instants, one entry a pair


@dataclass(frozen=True, slots=True)
class Journey:
    """Entries into a stage or rung, sorted by customer and instant; two in a row always differ."""

    customer: Ints
    at: Ints
    stage: Ints
    rung: Ints

    def __len__(self) -> int:
        return len(self.at)

    @property
    def opens(self) -> Bools:
        """Entries that are their customer's first."""
        opens = np.ones(len(self), dtype=np.bool_)
        opens[1:] = self.customer[1:] != self.customer[:-1]
        return opens

    @property
    def closes(self) -> Bools:
        """Entries that are their customer's latest."""
        closes = np.ones(len(self), dtype=np.bool_)
        closes[:-1] = self.customer[1:] != self.customer[:-1]
        return closes


def journey(customer: Ints, at: Ints, *, until: int, judge: Judge) -> Journey:
    """Follow customers from facts at (`customer`, `at`), in any order and with repeats, through the instant `until`."""
    customer, at = _distinct(customer, at)
    known = at <= until
    customer, at = customer[known], at[known]
    limit = np.full(len(at), until + 1, dtype=np.int64)  # the next fact judges from there on
    same = customer[1:] == customer[:-1]
    limit[:-1][same] = at[1:][same]
    passes: list[tuple[Ints, Ints, Standing]] = []
    while len(at):
        standing = judge(customer, at)
        passes.append((customer, at, standing))
        due = standing.valid_until < limit
        customer, at, limit = customer[due], standing.valid_until[due], limit[due]
    return _merged(passes)


class Before(NamedTuple):
    """Per pair, the state before its evaluation: the stage held until then (UNPLACED: none), since when, and the stage
    before that stay (-1: it was the first)."""

    stage: Ints
    since: Ints
    previous: Ints


JudgeInTurn = Callable[[Ints, Ints, Before], Standing]


def journey_in_turn(
    customer: Ints, at: Ints, *, until: int, judge: JudgeInTurn, again: Callable[[Ints], Ints]
) -> tuple[Journey, Ints]:
    """`journey` for rules that read the state before their own evaluation (segment-language.md, 10.1): each evaluation
    waits for the one before it, of all customers side by side. A change of stage is itself something that such rules
    read; they are asked again at `again` of its instant, which must lie later. Beside the journey, per customer's index
    up to the largest, when the latest verdict ends with no new fact (FOREVER for those without one)."""
    customer, at = _distinct(customer, at)
    people = int(customer.max(initial=-1)) + 1
    following = np.searchsorted(customer, np.arange(people + 1, dtype=np.int64))
    fact, last_fact = following[:-1].copy(), following[1:]
    wakes = np.full(people, FOREVER, dtype=np.int64)
    stage, since, previous = (np.full(people, -1, dtype=np.int64) for _ in Before._fields)
    passes: list[tuple[Ints, Ints, Standing]] = []
    while True:
        fact_at = np.where(fact < last_fact, at[np.minimum(fact, max(len(at) - 1, 0))], FOREVER) if len(at) else wakes
        now = np.minimum(fact_at, wakes)
        due = np.flatnonzero(now <= until)
        if not len(due):
            return _merged(passes), wakes
        standing = judge(due, now[due], Before(stage[due], since[due], previous[due]))
        passes.append((due, now[due], standing))
        moved = standing.stage != stage[due]
        gone = due[moved]
        previous[gone], since[gone], stage[gone] = stage[gone], now[gone], standing.stage[moved]
        wakes[due] = np.where(moved, np.minimum(standing.valid_until, again(now[due])), standing.valid_until)
        fact[due] += fact_at[due] <= now[due]


def _distinct(customer: Ints, at: Ints) -> tuple[Ints, Ints]:
    order = np.lexsort((at, customer))
    customer, at = customer[order], at[order]
    new = np.ones(len(at), dtype=np.bool_)
    new[1:] = (customer[1:] != customer[:-1]) | (at[1:] != at[:-1])
    return customer[new], at[new]


def _merged(passes: list[tuple[Ints, Ints, Standing]]) -> Journey:
    if not passes:
        nothing = np.zeros(0, dtype=np.int64)
        return Journey(nothing, nothing, nothing, nothing)
    customer = np.concatenate([judged[0] for judged in passes])
    at = np.concatenate([judged[1] for judged in passes])
    stage = np.concatenate([judged[2].stage for judged in passes])
    rung = np.concatenate([judged[2].rung for judged in passes])
    order = np.lexsort((at, customer))
    customer, at, stage, rung = customer[order], at[order], stage[order], rung[order]
    new = np.ones(len(at), dtype=np.bool_)
    new[1:] = (customer[1:] != customer[:-1]) | (stage[1:] != stage[:-1]) | (rung[1:] != rung[:-1])
    return Journey(customer[new], at[new], stage[new], rung[new])


class Entered(NamedTuple):
    """Per entry: where the unbroken stay in its stage began (a change of rung does not break it), and the stage before
    that stay (-1: it is the first)."""

    since: Ints
    previous: Ints


def stays(path: Journey) -> Entered:
    numbers = np.arange(len(path), dtype=np.int64)
    begins = path.opens
    begins[1:] |= path.stage[1:] != path.stage[:-1]
    begin = np.maximum.accumulate(np.where(begins, numbers, 0))
    before = np.where(path.opens[begin], -1, path.stage[np.maximum(begin - 1, 0)])
    return Entered(path.at[begin], before)
