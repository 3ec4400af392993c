"""What is bought with what, and what is popular: counted from the shop's own history.

Pairs are ranked by `together x log(lift)` with the lift shrunk towards 1. Never by raw lift: that puts two products
that met in two baskets above everything else, and was measured to be worse than popularity (`tests/bench`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.ragged import offsets_of, ranges

TOP: Final = 30  # partners kept of each product
# Of a customer's own products only the closest partners vote: recall@10 of new products on online_retail is 0.041 with
# 10 partners each, 0.033 with 30.
VOTING_RANKS: Final = 10
LEAST_TOGETHER: Final = 2  # one shared basket is an accident
# As if each pair had been seen, and expected, this many times more: few data pull the lift towards 1.
SHRINKAGE: Final = 2.0
# Products beyond the most bought are left out of the pairs, so that the work stays bounded in a shop of any size.
MOST_PRODUCTS: Final = 20_000
POPULAR_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class CoPurchases:
    """One row per (product, partner), by product id and then by rank from 1. `lift` is raw: how many times more often
    than chance; `score` is what ranks."""

    product: Ints
    rank: Ints
    other: Ints
    together: Ints
    lift: Floats
    score: Floats


@dataclass(frozen=True, slots=True)
class Baskets:
    """Distinct (basket, product) pairs: those of basket b are `product[start[b]:start[b + 1]]`, as indices into `ids`
    (ascending); those of product p are the baskets `basket[begin[p]:begin[p + 1]]`."""

    count: int
    ids: Ints
    product: Ints
    start: Ints
    basket: Ints
    begin: Ints

    def sizes(self) -> Ints:
        """In how many baskets each product is."""
        return np.diff(self.begin)


def baskets_of(baskets: Ints, products: Ints, *, least: int = 1, most_products: int = MOST_PRODUCTS) -> Baskets:
    """Group (basket, product) pairs, which may repeat. A basket is whatever is counted once: an order, or everything
    one customer bought. Products in fewer than `least` baskets are left out; all baskets count."""
    names, basket = np.unique(baskets, return_inverse=True)
    ids, product = np.unique(products, return_inverse=True)
    pairs = np.unique(basket * max(len(ids), 1) + product)
    basket, product = np.divmod(pairs, max(len(ids), 1))
    kept = _most_bought(np.bincount(product, minlength=len(ids)), least, most_products)
    wanted = kept[product]
    basket, product = basket[wanted], (np.cumsum(kept) - 1)[product[wanted]]
    by_product = np.argsort(product, kind="stable")
    return Baskets(
        count=len(names),
        ids=ids[kept],
        product=product,
        start=offsets_of(basket, len(names)),
        basket=basket[by_product],
        begin=offsets_of(product, int(kept.sum())),
    )


def _most_bought(sizes: Ints, least: int, most: int) -> Bools:
    kept = sizes >= least
    if int(kept.sum()) > most:
        first = np.argsort(-sizes, kind="stable")[:most]
        kept = np.zeros(len(sizes), dtype=np.bool_)
        kept[first] = True
    return kept


def partners_of(baskets: Baskets, index: int) -> Ints:
    """How many baskets hold product `index` and each other product (0 for itself)."""
    holders = baskets.basket[baskets.begin[index] : baskets.begin[index + 1]]
    places, _ = ranges(baskets.start[holders], baskets.start[holders + 1] - baskets.start[holders])
    together = np.bincount(baskets.product[places], minlength=len(baskets.ids))
    together[index] = 0
    return together


def expected_together(baskets: Baskets, index: int) -> Floats:
    """How many baskets would hold product `index` and each other product if chance alone put them there."""
    sizes = baskets.sizes()
    share = float(sizes[index]) / max(baskets.count, 1)
    expected: Floats = sizes.astype(np.float64) * share
    return expected


def pair_scores(together: Ints, expected: Floats, *, shrinkage: float = SHRINKAGE) -> Floats:
    """`together x log(lift)` with the shrunk lift. 0 or less: no more often than chance."""
    seen = together.astype(np.float64)
    scores: Floats = seen * np.log((seen + shrinkage) / (expected + shrinkage))
    return scores


def co_purchases(
    baskets: Baskets,
    *,
    offered: Ints | None = None,
    top: int = TOP,
    least: int = LEAST_TOGETHER,
    shrinkage: float = SHRINKAGE,
) -> CoPurchases:
    """The `top` partners of every product that are bought with it at least `least` times and more often than chance,
    among the product ids `offered` (None: all). Ties go to the smaller id: the same history gives the same lists."""
    allowed = np.ones(len(baskets.ids), dtype=np.bool_) if offered is None else np.isin(baskets.ids, offered)
    none = np.zeros(0, dtype=np.int64)
    parts = [(none, none, np.zeros(0), np.zeros(0))]
    parts += [
        _best_partners(baskets, index, allowed, top=top, least=least, shrinkage=shrinkage)
        for index in range(len(baskets.ids))
    ]
    lengths = np.array([len(part[0]) for part in parts[1:]], dtype=np.int64)
    places, owners = ranges(np.zeros(len(lengths), dtype=np.int64), lengths)
    return CoPurchases(
        product=baskets.ids[owners],
        rank=places + 1,
        other=np.concatenate([part[0] for part in parts]),
        together=np.concatenate([part[1] for part in parts]),
        lift=np.concatenate([part[2] for part in parts]),
        score=np.concatenate([part[3] for part in parts]),
    )


def _best_partners(
    baskets: Baskets, index: int, allowed: Bools, *, top: int, least: int, shrinkage: float
) -> tuple[Ints, Ints, Floats, Floats]:
    together = partners_of(baskets, index)
    expected = expected_together(baskets, index)
    candidates = np.flatnonzero(allowed & (together >= least) & (together > expected))
    score = pair_scores(together[candidates], expected[candidates], shrinkage=shrinkage)
    best = np.lexsort((candidates, -score))[:top]
    others = candidates[best]
    return baskets.ids[others], together[others], together[others] / expected[others], score[best]


def popularity(buyers: Ints, products: Ints) -> tuple[Ints, Ints]:
    """Product ids by their number of distinct buyers, most first (ties: smaller id), and those numbers."""
    baskets = baskets_of(buyers, products, most_products=len(products))
    sizes = baskets.sizes()
    order = np.argsort(-sizes, kind="stable")
    return baskets.ids[order], sizes[order]
