"""What a customer buys again: own products by count, by when they are due, or by a regression on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.recommend.history import DAY_US, Block, History, Purchases, Sparse, decayed, history_of
from plugin.domain.recommend.scorers import Scorer

_RATE_PRIOR: Final = 10.0  # as if each product had been bought this often more, again as often as any
_RIDGE: Final = 1.0
_NEWTON_STEPS: Final = 8
LEAST_PAIRS: Final = 500  # with fewer there is nothing to learn a regression from


@dataclass(frozen=True, slots=True)
class Owned:
    """One row per (buyer, product) bought: in how many orders, days since first and last, and the decayed count."""

    buyer: Ints
    product: Ints
    orders: Floats
    first: Floats
    last: Floats
    decayed: Floats


def owned_of(history: History, half_life: float | None) -> Owned:
    width = max(len(history.products), 1)
    pair = history.buyer * width + history.product
    keys = np.unique(pair * max(history.orders, 1) + history.order, return_index=True)[1]
    names, place = np.unique(pair[keys], return_inverse=True)
    age, count = history.age[keys], len(names)
    first, last = np.zeros(count), np.full(count, np.inf)
    np.maximum.at(first, place, age)
    np.minimum.at(last, place, age)
    return Owned(
        buyer=names // width,
        product=names % width,
        orders=np.bincount(place, minlength=count).astype(np.float64),
        first=first,
        last=last,
        decayed=np.bincount(place, weights=decayed(age, half_life), minlength=count).astype(np.float64),
    )


def favourites(history: History, half_life: float | None, popularity: Floats, power: float) -> Scorer:
    """Own products by how often they were bought, recent orders more, times recent popularity to a power."""
    owned = owned_of(history, half_life)
    return _scorer(history, owned, owned.decayed * (popularity[owned.product] + 1.0) ** power)


def due(history: History, popularity: Floats) -> Scorer:
    """Own products by count and by when they are due: the silence since the last one beside the product's own cycle."""
    owned = owned_of(history, None)
    lateness = np.log((owned.last + 1.0) / _cycles(history, owned)[owned.product])
    fits = 0.25 + np.exp(-0.5 * lateness**2)
    return _scorer(history, owned, owned.orders * fits * (popularity[owned.product] + 1.0) ** 0.25)


def learned(purchases: Purchases, history: History, horizon: float, popular_days: float) -> Scorer | None:
    """A logistic regression of "bought again within the horizon" on count, recency, rhythm, rate and popularity, taught
    on the horizon before `history.as_of`. None where there is too little to learn from."""
    end = history.as_of
    cut = end - int(horizon * DAY_US)
    before = history_of(purchases, cut, max(len(history.products), 1))
    owned = owned_of(before, popular_days)
    bought = _bought_between(purchases, before, cut, end)
    active = np.isin(owned.buyer, np.unique(bought // max(len(before.products), 1)))
    if int(active.sum()) < LEAST_PAIRS:
        return None
    truth = np.isin(owned.buyer * max(len(before.products), 1) + owned.product, bought)
    taught = _features(before, owned, before.popularity(popular_days))
    mean, spread = taught[active].mean(axis=0), taught[active].std(axis=0) + 1e-9
    weights = _logistic((taught[active] - mean) / spread, truth[active])
    now = owned_of(history, popular_days)
    rows = (_features(history, now, history.popularity(popular_days)) - mean) / spread
    return _scorer(history, now, 1.0 / (1.0 + np.exp(-(rows @ weights[1:] + weights[0]).clip(-30, 30))))


def _features(history: History, owned: Owned, popularity: Floats) -> Floats:
    baskets = np.bincount(owned.buyer, weights=owned.orders, minlength=len(history.buyers))
    orders = np.zeros(len(history.buyers))
    np.maximum.at(orders, owned.buyer, owned.orders)
    lateness = np.log((owned.last + 1.0) / _cycles(history, owned)[owned.product])
    return np.column_stack(
        [
            np.log1p(owned.orders),
            np.log1p(owned.decayed),
            np.log1p(owned.last),
            np.log1p(owned.first - owned.last),
            lateness,
            lateness**2,
            np.log1p(popularity[owned.product]),
            np.log(_rates(history, owned)[owned.product]),
            np.log(owned.orders / orders[owned.buyer]),
            np.log1p(baskets[owned.buyer]),
        ]
    )


def _rates(history: History, owned: Owned) -> Floats:
    """Of the times a product was bought, how many were again: shrunk to the shop's share."""
    width = len(history.products)
    times = np.bincount(owned.product, weights=owned.orders, minlength=width)
    again = np.bincount(owned.product, weights=owned.orders - 1, minlength=width)
    whole = (again.sum() + 1) / (times.sum() + 2)
    shrunk: Floats = (again + _RATE_PRIOR * whole) / (times + _RATE_PRIOR)
    return shrunk


def _cycles(history: History, owned: Owned) -> Floats:
    """Days between purchases of each product by one customer, shrunk to the shop's."""
    width = len(history.products)
    gaps = owned.orders - 1
    days = np.bincount(owned.product, weights=owned.first - owned.last, minlength=width)
    count = np.bincount(owned.product, weights=gaps, minlength=width)
    whole = (days.sum() + 30.0) / (count.sum() + 1.0)
    cycles: Floats = np.maximum((days + _RATE_PRIOR * whole) / (count + _RATE_PRIOR), 1.0)
    return cycles


def _bought_between(purchases: Purchases, history: History, first: int, end: int) -> Ints:
    later = purchases.where(first, end)
    buyer, product = (places_of(history.buyers, later.buyer), places_of(history.products, later.product))
    known: Bools = (buyer >= 0) & (product >= 0)
    return np.unique(buyer[known] * max(len(history.products), 1) + product[known])


def places_of(names: Ints, wanted: Ints) -> Ints:
    """Where each is in the ascending `names`, -1 where it is not."""
    if not len(names):
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.searchsorted(names, wanted).clip(max=len(names) - 1)
    return np.where(names[places] == wanted, places, -1)


def _logistic(rows: Floats, truth: Bools) -> Floats:
    """Weights, the constant first, by Newton's method with a small ridge."""
    design = np.column_stack([np.ones(len(rows)), rows])
    weights = np.zeros(design.shape[1])
    ridge = np.full(design.shape[1], _RIDGE)
    for _ in range(_NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-(design @ weights).clip(-30, 30)))
        slope = design.T @ (truth - chance) - ridge * weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(ridge)
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def _scorer(history: History, owned: Owned, values: Floats) -> Scorer:
    shape = (len(history.buyers), len(history.products))
    matrix: Sparse = sp.csr_matrix((values.astype(np.float32), (owned.buyer, owned.product)), shape=shape)

    def scores(rows: Ints) -> Block:
        block: Block = matrix[rows].toarray()
        return block

    return scores
