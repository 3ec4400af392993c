"""RFM: where a buyer stands among the shop's buyers, in fifths (segment-language.md, 10.3).

Scores are relative to a population, which moves with everybody's orders. So the population is kept as its *edges*,
the values at the borders between fifths: one customer is scored against them at the same cost in any shop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.columns import TEXT, Bools, Column, Ints

FIFTHS: Final = 5
PROSPECTS: Final = "PROSPECTS"

# Rows: recency 1..5. Columns: (frequency + monetary) / 2 below 2, below 3, below 4, below 4.5, the rest.
_GROUPS: Final = np.array(
    [
        ["DORMANT", "DORMANT", "AT_RISK", "AT_RISK", "PREVIOUSLY_LOYAL"],
        ["ALMOST_LOST", "ALMOST_LOST", "AT_RISK", "AT_RISK", "PREVIOUSLY_LOYAL"],
        ["ALMOST_LOST", "NEEDS_ATTENTION", "NEEDS_ATTENTION", "LOYAL", "LOYAL"],
        ["PROMISING", "ACTIVE", "ACTIVE", "LOYAL", "LOYAL"],
        ["NEW", "ACTIVE", "ACTIVE", "CHAMPIONS", "CHAMPIONS"],
    ],
    dtype=TEXT,
)
_HALVES: Final = np.array([4, 6, 8, 9])  # the borders of the columns, times two: whole numbers compare exactly


@dataclass(frozen=True, slots=True)
class Edges:
    """For each score 2..5 the largest value that is still too small for it; empty for a shop without buyers."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """What the shop's buyers were when the edges were taken. Recency is by the last purchase day: later is better, and
    no midnight moves it."""

    last_order_day: Edges
    orders: Edges
    net_spend: Edges


NOBODY: Final = Population(Edges(()), Edges(()), Edges(()))


def edges_of(values: Ints) -> Edges:
    """With n values of which w are strictly worse, the score is `1 + floor(5 * w / n)`: so it is k or more where at
    least `ceil((k - 1) * n / 5)` values are worse, that is, above the value of that rank."""
    if not len(values):
        return Edges(())
    ranks = [-(-step * len(values) // FIFTHS) - 1 for step in range(1, FIFTHS)]
    ordered = np.partition(values, sorted(set(ranks)))
    return Edges(tuple(int(ordered[rank]) for rank in ranks))


def population_of(last_order_day: Ints, orders: Ints, net_spend: Ints) -> Population:
    """Of customers who have orders."""
    return Population(edges_of(last_order_day), edges_of(orders), edges_of(net_spend))


def scores(values: Ints, edges: Edges) -> Ints:
    """1..5; 5 is the top fifth, equal values score equally."""
    return 1 + np.searchsorted(np.array(edges.values, dtype=np.int64), values, side="left")


def groups(recency: Ints, frequency: Ints, monetary: Ints) -> NDArray[np.str_]:
    """The name of each cell, by Shopify's eleven names."""
    named: NDArray[np.str_] = _GROUPS[recency - 1, np.searchsorted(_HALVES, frequency + monetary, side="right")]
    return named


def rfm_columns(last_order_day: Ints, orders: Ints, net_spend: Ints, population: Population) -> dict[str, Column]:
    """The columns `rfm_*` of attributes.py. Without orders the scores are NULL and the group is PROSPECTS."""
    none: Bools = orders == 0
    recency = scores(last_order_day, population.last_order_day)
    frequency = scores(orders, population.orders)
    monetary = scores(net_spend, population.net_spend)
    named = groups(recency, frequency, monetary)
    return {
        "rfm_recency": Column(np.where(none, 0, recency), none),
        "rfm_frequency": Column(np.where(none, 0, frequency), none),
        "rfm_monetary": Column(np.where(none, 0, monetary), none),
        "rfm_group": Column(np.where(none, np.array(PROSPECTS, dtype=TEXT), named), np.zeros(len(none), np.bool_)),
    }
