"""Top lists from a fitted method: beside each product, and for each customer, with the counts that are their reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.cross_sell import LEAST_TOGETHER, CoPurchases
from plugin.domain.ragged import ranges
from plugin.domain.recommend.again import Owned
from plugin.domain.recommend.backtest import BLOCK_ROWS, admissible
from plugin.domain.recommend.history import Block, History, Sparse
from plugin.domain.recommend.scorers import Scorer, top_of

BESIDE_PRODUCT: Final = 30
FOR_CUSTOMER: Final = 20


@dataclass(frozen=True, slots=True)
class Picks:
    """One row per customer and rank from 1. `anchor` is the own product it goes with best (0: none), `together` how
    many customers bought both (without an anchor: its buyers; to buy again: her orders of it), `lift` how many times
    more often than chance (NaN: none)."""

    customer: Ints
    rank: Ints
    product: Ints
    score: Floats
    anchor: Ints
    together: Ints
    lift: Floats


def beside_products(history: History, scorer: Scorer, offered: Bools) -> CoPurchases:
    """The best products beside each, of those `offered` and bought with it by two buyers or more; counts and lift are
    over buyers, whatever the method ranks by."""
    matrix = history.by_buyer()
    transposed = matrix.T.tocsr()
    size = np.diff(transposed.indptr)
    parts: list[tuple[Ints, ...]] = []
    scores: list[Floats] = []
    for start in range(0, len(history.products), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(history.products)))
        counts: Block = (transposed[rows] @ matrix).toarray()
        block = np.where((counts >= LEAST_TOGETHER) & offered, scorer(rows), 0)
        block[np.arange(len(rows)), rows] = 0
        best = top_of(block, BESIDE_PRODUCT)
        held = np.take_along_axis(block, best, axis=1)
        place, nth = np.nonzero(held > 0)
        other = best[place, nth]
        parts.append((rows[place], nth + 1, other, counts[place, other].round().astype(np.int64)))
        scores.append(held[place, nth].astype(np.float64))
    product, rank, other, together = (np.concatenate(column) for column in zip(*parts, strict=True))
    expected = size[product] * (size[other] / max(len(history.buyers), 1))
    return CoPurchases(
        product=history.products[product], rank=rank, other=history.products[other], together=together,
        lift=together / expected, score=np.concatenate(scores),
    )  # fmt: skip


def new_for_customers(
    history: History, scorer: Scorer, pairs: CoPurchases, offered: Bools, popularity: Floats
) -> Iterator[Picks]:
    """Lists of customers, a block at a time: nothing they ever bought, and only what is `offered`."""
    matrix = history.by_buyer()
    votes = _Votes(history, pairs)
    faint = popularity.astype(np.float32)
    faint /= max(float(faint.max(initial=0)), 1.0)
    withheld = np.flatnonzero(~offered)
    for rows in _blocks(history):
        owned = matrix[rows]
        block = admissible(scorer(rows), owned, faint)
        block[:, withheld] = -np.inf
        place, nth, product, score = _ranked(block)
        anchor, together, lift = votes.best(owned, place, product)
        lonely = anchor < 0
        yield Picks(
            customer=history.buyers[rows[place]], rank=nth, product=history.products[product], score=score,
            anchor=np.where(lonely, 0, history.products[anchor]),
            together=np.where(lonely, popularity[product].astype(np.int64), together),
            lift=np.where(lonely, np.nan, lift),
        )  # fmt: skip


def again_for_customers(history: History, scorer: Scorer, owned: Owned, offered: Bools) -> Iterator[Picks]:
    """Own products of each customer that are `offered`, best first, a block at a time."""
    width = max(len(history.products), 1)
    keys = owned.buyer * width + owned.product  # ascending
    mine = history.by_buyer()
    mine.data[:] = 1
    for rows in _blocks(history):
        block = np.where((mine[rows].toarray() > 0) & offered, scorer(rows), -np.inf)
        place, nth, product, score = _ranked(block)
        where = np.searchsorted(keys, rows[place] * width + product)
        yield Picks(
            customer=history.buyers[rows[place]], rank=nth, product=history.products[product], score=score,
            anchor=np.zeros(len(place), dtype=np.int64), together=owned.orders[where].astype(np.int64),
            lift=np.full(len(place), np.nan),
        )  # fmt: skip


def _blocks(history: History) -> Iterator[Ints]:
    people = np.flatnonzero(history.buyers > 0)
    for start in range(0, len(people), BLOCK_ROWS):
        yield people[start : start + BLOCK_ROWS]


def _ranked(block: Block) -> tuple[Ints, Ints, Ints, Floats]:
    """Row, rank, column and score of the best; nothing without any score."""
    best = top_of(block, FOR_CUSTOMER)
    held = np.take_along_axis(block, best, axis=1)
    place, nth = np.nonzero(held > 0)
    return place, nth + 1, best[place, nth], held[place, nth].astype(np.float64)


class _Votes:
    """The partners of each product, as ragged rows, to find which of her own products speaks most for a pick."""

    def __init__(self, history: History, pairs: CoPurchases) -> None:
        self._width = max(len(history.products), 1)
        kept = np.isin(pairs.product, history.products) & np.isin(pairs.other, history.products)
        pairs = CoPurchases(**{name: getattr(pairs, name)[kept] for name in CoPurchases.__slots__})
        product = np.searchsorted(history.products, pairs.product)
        self._start = np.searchsorted(product, np.arange(self._width + 1))
        self._other = np.searchsorted(history.products, pairs.other)
        self._pairs = pairs

    def best(self, owned: Sparse, place: Ints, product: Ints) -> tuple[Ints, Ints, Floats]:
        """For each pick its anchor (an index, -1: none), how many bought both, and the lift."""
        start = self._start[owned.indices]
        entry, whose = ranges(start, self._start[owned.indices + 1] - start)
        row = np.repeat(np.arange(owned.shape[0]), np.diff(owned.indptr))[whose]
        wanted = place * self._width + product
        by_key = np.argsort(wanted, kind="stable")
        keys = row * self._width + self._other[entry]
        spot = np.searchsorted(wanted[by_key], keys).clip(max=max(len(wanted) - 1, 0))
        fits = wanted[by_key][spot] == keys if len(wanted) else np.zeros(0, dtype=np.bool_)
        pick, entry, source = by_key[spot[fits]], entry[fits], owned.indices[whose[fits]].astype(np.int64)
        strongest = np.lexsort((source, -self._pairs.score[entry], pick))
        pick, entry, source = pick[strongest], entry[strongest], source[strongest]
        first = np.unique(pick, return_index=True)[1]
        anchor = np.full(len(place), -1, dtype=np.int64)
        together, lift = np.zeros(len(place), dtype=np.int64), np.zeros(len(place))
        anchor[pick[first]] = source[first]
        together[pick[first]] = self._pairs.together[entry[first]]
        lift[pick[first]] = self._pairs.lift[entry[first]]
        return anchor, together, lift
