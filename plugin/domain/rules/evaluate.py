"""A rule over many (customer, instant) pairs at once: verdicts, and until when they stand."""

from __future__ import annotations

import numpy as np

from plugin.domain.columns import Bools, Ints
from plugin.domain.instants import FOREVER
from plugin.domain.rules.batch import Batch, Leaf, Verdicts
from plugin.domain.rules.clauses import answer
from plugin.domain.rules.syntax import And, Not, Or, Rule


def evaluate(rule: Rule, batch: Batch) -> Verdicts:
    """The rule for each pair. It must have passed the check: an ill-typed clause raises TypeError."""
    leaf = _evaluate(rule, batch)
    return Verdicts(leaf.holds, _instants(leaf))


def _evaluate(rule: Rule, batch: Batch) -> Leaf:
    match rule:
        case Not(term):
            inner = _evaluate(term, batch)
            return Leaf(~inner.holds, inner.until)
        case And(terms):
            return _joined([_evaluate(term, batch) for term in terms], decides=False)
        case Or(terms):
            return _joined([_evaluate(term, batch) for term in terms], decides=True)
        case _:
            return answer(rule, batch)


def _joined(leaves: list[Leaf], *, decides: bool) -> Leaf:
    """OR is decided by one term that is true, AND by one that is false.

    While a deciding term stands, so does the whole: then the longest-standing of them bounds it, else the first flip
    of any term.
    """
    decided = np.logical_or.reduce([leaf.holds == decides for leaf in leaves])
    holds: Bools = decided if decides else ~decided
    if all(leaf.until is None for leaf in leaves):
        return Leaf(holds)
    untils: list[Ints] = [_instants(leaf) for leaf in leaves]
    first: Ints = np.minimum.reduce(untils)
    longest: Ints = np.maximum.reduce(
        [np.where(leaf.holds == decides, until, 0) for leaf, until in zip(leaves, untils, strict=True)]
    )
    return Leaf(holds, np.where(decided, longest, first))


def _instants(leaf: Leaf) -> Ints:
    return np.full(len(leaf.holds), FOREVER, dtype=np.int64) if leaf.until is None else leaf.until
