"""Methods that score every product for a block of rows: a row is a product (what goes with it) or a customer.

A method is fitted on a `History` and gives a `Scorer`; the same seam serves backtest and fit. Sources: EASE, Steck 2019
("Embarrassingly shallow autoencoders"), closed form on the Gram matrix; BM25 weighting, Robertson 1994; reciprocal-rank
fusion, Cormack 2009, k = 60.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy.linalg import lapack

from plugin.domain.columns import Ints
from plugin.domain.recommend.history import Block, History, Sparse

Scorer = Callable[[Ints], Block]  # indices of rows -> rows x products, higher is better, 0 is nothing known

EASE_PRODUCTS: Final = 3_000  # dense inverse: 36 MB a matrix, a second or two
LEAST_BUYERS: Final = 3
NEIGHBOURS: Final = 100
SHRINKAGE: Final = 5.0  # as if each pair had been seen, and expected, this many times more
SMOOTHING: Final = 30.0  # as if each product had been in this many more baskets, which hold whatever baskets hold
_REMEMBERED: Final = 8  # blocks of counts, as many as a cut of the backtest has
_GROUPS: Final = 8  # of columns, for each that is looked for
_FUSED: Final = 100
_STRIPE: Final = 256
_RRF: Final = 60.0
_FAINT: Final = 1e-4  # an unknown product still goes before none, by its popularity


def popular(history: History, days: float) -> Scorer:
    """The same for everybody: distinct buyers of the last days."""
    scores = history.popularity(days).astype(np.float32)
    return lambda rows: np.tile(scores, (len(rows), 1))


class Baskets:
    """How many baskets hold each two products. A basket is an `order` or all of a `buyer`; older ones count less, and
    so do large ones: `damping` 1 shares the one vote of a product among all that lie beside it, 0 gives each a vote, so
    that a dealer's order of hundred lines says more than a hundred orders of two. Counts stay those of pairs."""

    def __init__(self, history: History, unit: str, half_life: float | None, damping: float = 0.0) -> None:
        if unit == "order":
            self._matrix, weight = history.by_order(half_life)
        else:
            self._matrix, weight = history.by_buyer(), np.ones(len(history.buyers))
        size = np.diff(self._matrix.indptr)
        pairs = weight * size * (size - 1)
        weight = weight * np.maximum(size - 1.0, 1.0) ** -damping
        weight *= pairs.sum() / max(float((weight * size * (size - 1)).sum()), 1e-9) if damping else 1.0
        self._weighted = self._matrix.multiply(weight[:, None]).astype(np.float32).T.tocsr()
        self.size = np.asarray(self._weighted.sum(axis=1), dtype=np.float32).ravel()
        self.share = (self.size / max(float(weight.sum()), 1.0)).astype(np.float32)  # of baskets that hold a product
        self._counted: dict[bytes, Sparse] = {}

    def counts(self, rows: Ints) -> Block:
        """Products `rows` x products. Methods that differ only in what they make of the counts ask for the same."""
        key = rows.tobytes()
        if key not in self._counted:
            self._counted[key] = self._weighted[rows] @ self._matrix
            if len(self._counted) > _REMEMBERED:
                self._counted.pop(next(iter(self._counted)))
        counts: Block = self._counted[key].toarray()
        return counts


def together(baskets: Baskets, kind: str) -> Scorer:
    """Beside a product: `count` of shared baskets, count x `log lift` with shrinkage, or `damped`
    (by the fourth root of how often the other one sells: half way to cosine). `smoothed` counts are drawn towards what
    any basket holds, so that a product with few baskets borrows from the shop; `half damped` takes the eighth root."""

    def scores(rows: Ints) -> Block:
        block = baskets.counts(rows)
        if "smoothed" in kind:
            block += np.float32(SMOOTHING) * baskets.share
        if kind == "log lift":
            expected = np.outer(baskets.size[rows], baskets.share)
            block *= np.log((block + SHRINKAGE) / (expected + SHRINKAGE))
        elif "damped" in kind:
            block /= (baskets.size + SHRINKAGE) ** np.float32(0.125 if "half" in kind else 0.25)
        block[np.arange(len(rows)), rows] = 0
        return block

    return scores


def gram_of(history: History, half_life: float | None) -> tuple[Sparse, Ints, Block]:
    """Buyers x the most bought products, those products, and how strongly each two share buyers."""
    matrix = history.by_buyer(half_life)
    size = np.bincount(matrix.indices, minlength=len(history.products))
    enough = np.flatnonzero(size >= LEAST_BUYERS)
    chosen = np.sort(enough[np.argsort(-size[enough], kind="stable")[:EASE_PRODUCTS]])
    narrow = matrix[:, chosen]
    return narrow, chosen, (narrow.T @ narrow).toarray()


def item_item(matrix: Sparse, chosen: Ints, weights: Block, width: int) -> Scorer:
    """Each product a customer has votes for others by `weights`."""

    def scores(rows: Ints) -> Block:
        block = np.zeros((len(rows), width), dtype=np.float32)
        block[:, chosen] = np.maximum(matrix[rows] @ weights, 0)
        return block

    return scores


def ease(gram: Block, penalty: float) -> Block:
    """B = I - P diag(1/diag P), P = (G + penalty I)^-1."""
    if not len(gram):
        return gram
    regular = gram.copy()
    regular[np.diag_indices_from(regular)] += np.float32(penalty)
    factor, failed = lapack.spotrf(regular, lower=0, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed or failed_too:
        return np.zeros_like(gram)
    for start in range(0, len(inverse), _STRIPE):  # only its upper half was computed
        part = slice(start, start + _STRIPE)
        inverse[part, :start] = inverse[:start, part].T
        inverse[part, part] = np.triu(inverse[part, part]) + np.triu(inverse[part, part], 1).T
    weights: Block = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def cosine(gram: Block) -> Block:
    """Cosine with shrinkage, the closest neighbours only."""
    size = np.diag(gram) + np.float32(SHRINKAGE)
    weights: Block = (gram / np.sqrt(np.outer(size, size))).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return _closest(weights)


def bm25(matrix: Sparse, gram: Block) -> Block:
    """Products weighted by how rare they are, as terms are by BM25: `gram x idf`, damped by how many bought it."""
    buyers = matrix.shape[0]
    size = np.diag(gram)
    rarity = np.log1p((buyers - size + 0.5).clip(0) / (size + 0.5))
    length = size / max(float(size.mean()) if len(size) else 1.0, 1e-9)
    frequency = gram + 1.2 * (0.25 + 0.75 * length) * size[:, None] + 1e-6
    weights: Block = (gram * rarity[:, None] / frequency).astype(np.float32)
    np.fill_diagonal(weights, 0)
    return _closest(weights)


def _closest(weights: Block) -> Block:
    if len(weights) > NEIGHBOURS:
        least = np.partition(weights, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
        weights[weights < least[:, None]] = 0
    return weights


def trending(scorer: Scorer, popularity: Block, power: float) -> Scorer:
    """Scores times recent popularity to a power; what is not known at all goes last, by popularity."""
    factor = (popularity + 1.0) ** power
    tail = popularity / max(float(popularity.max(initial=0)), 1.0) * 1e-3

    def scores(rows: Ints) -> Block:
        block = scorer(rows)
        top = np.maximum(block.max(axis=1, keepdims=True, initial=0), 1e-9)
        result: Block = (np.maximum(block / top, 0) * factor + _FAINT * tail).astype(np.float32)
        return result

    return scores


def fused(scorers: Sequence[Scorer]) -> Scorer:
    """Reciprocal ranks of the first hundred of each, added up."""

    def scores(rows: Ints) -> Block:
        total: Block | None = None
        for scorer in scorers:
            block = scorer(rows)
            best = top_of(block, _FUSED)
            ranks = np.zeros_like(block)
            value = (1.0 / (_RRF + np.arange(1, best.shape[1] + 1))).astype(np.float32)
            np.put_along_axis(ranks, best, np.broadcast_to(value, best.shape), axis=1)
            total = ranks if total is None else total + ranks
        if total is None:
            raise ValueError("nothing to fuse")
        return total

    return scores


def blended(scorers: Sequence[Scorer]) -> Scorer:
    """Scores as shares of the row's best, added up."""

    def scores(rows: Ints) -> Block:
        total: Block = np.zeros((1, 1), dtype=np.float32)
        for scorer in scorers:
            block = scorer(rows)
            total = total + block / np.maximum(block.max(axis=1, keepdims=True, initial=0), 1e-9)
        return total

    return scores


def top_of(block: Block, count: int) -> Ints:
    """The columns of the highest scores of each row, best first; equal scores by column."""
    count = min(count, block.shape[1])
    if count == block.shape[1]:
        return np.argsort(-block, axis=1, kind="stable")
    least = _bound(block, count)[:, None]
    found = np.empty((len(block), count), dtype=np.int64)
    for row in range(len(block)):
        candidates = np.flatnonzero(block[row] >= least[row])
        found[row] = candidates[np.argsort(-block[row, candidates], kind="stable")[:count]]
    return found


def _bound(block: Block, count: int) -> Block:
    """Of each row a number that at least `count` entries reach and few more: the lowest of the `count` highest maxima
    of groups of columns, which one fast pass finds; partitioning whole rows took ten times as long."""
    groups = count * _GROUPS
    depth = block.shape[1] // groups
    if depth > 1:
        block = block[:, : depth * groups].reshape(len(block), depth, groups).max(axis=1)
    bound: Block = np.partition(block, -count, axis=1)[:, -count]
    return bound
