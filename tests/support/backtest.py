"""Recall@10 of products new to the customer: rank by what was known before the cut, look at what was bought after."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from plugin.domain.columns import Floats, Ints
from plugin.domain.cross_sell import (
    POPULAR_DAYS,
    VOTING_RANKS,
    Baskets,
    baskets_of,
    co_purchases,
    expected_together,
    partners_of,
    popularity,
)

FIRST: Final = 10
DAY_US: Final = 86_400_000_000
Scores = Callable[[Ints], Floats]  # indices of the products owned → a score for each product


def recalls(buyer: Ints, at: Ints, product: Ints, bought_later: Mapping[int, Sequence[int]]) -> dict[str, float]:
    """Mean recall@10 over customers with anything new, by method; popularity breaks ties of all."""
    baskets = baskets_of(buyer, product)
    names = np.unique(buyer)
    popular = _popular(baskets, buyer, at, product)
    methods: dict[str, Scores] = {
        "popularity": lambda _owned: popular,
        "raw lift": _votes(_by_raw_lift(baskets)),
        "count x log lift": _votes(_by_score(baskets)),
    }
    tiny = popular / (popular.max(initial=1.0) * 1e9)
    hits: dict[str, list[float]] = {name: [] for name in methods}
    for customer, new in bought_later.items():
        place = int(np.searchsorted(names, customer))
        owned = baskets.product[baskets.start[place] : baskets.start[place + 1]]
        for name, scores in methods.items():
            ranked = scores(owned) + tiny
            ranked[owned] = -np.inf
            best = baskets.ids[np.argsort(-ranked, kind="stable")[:FIRST]]
            hits[name].append(np.isin(best, new).sum() / len(new))
    return {name: float(np.mean(found)) for name, found in hits.items()}


def _popular(baskets: Baskets, buyer: Ints, at: Ints, product: Ints) -> Floats:
    recent = at > at.max() - POPULAR_DAYS * DAY_US
    ids, buyers = popularity(buyer[recent], product[recent])
    scores = np.zeros(len(baskets.ids))
    scores[np.searchsorted(baskets.ids, ids)] = buyers
    return scores


def _votes(table: Floats) -> Scores:
    return lambda owned: table[owned].sum(axis=0, dtype=np.float64)


def _by_score(baskets: Baskets) -> Floats:
    pairs = co_purchases(baskets, top=VOTING_RANKS)
    table = np.zeros((len(baskets.ids), len(baskets.ids)), dtype=np.float32)
    table[np.searchsorted(baskets.ids, pairs.product), np.searchsorted(baskets.ids, pairs.other)] = pairs.score
    return table


def _by_raw_lift(baskets: Baskets) -> Floats:
    table = np.zeros((len(baskets.ids), len(baskets.ids)), dtype=np.float32)
    for index in range(len(baskets.ids)):
        lift = partners_of(baskets, index) / expected_together(baskets, index)
        best = np.argsort(-lift, kind="stable")[:VOTING_RANKS]
        table[index, best] = lift[best]
    return table
