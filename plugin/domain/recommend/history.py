"""What was bought by whom, as sparse matrices at an instant; nothing after it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from plugin.domain.columns import Floats, Ints

DAY_US: Final = 86_400_000_000
# Products beyond the most bought are left out, so that the work stays bounded in a shop of any size: a block of scores
# is 256 rows of at most 48 kB.
MOST_PRODUCTS: Final = 12_000
Block = NDArray[np.float32]
Sparse: TypeAlias = Any  # scipy.sparse.csr_matrix, which has no types


@dataclass(frozen=True, slots=True)
class Purchases:
    """One row per line sold. `buyer` below 0 is a guest's order, a buyer of its own; `at` epoch microseconds."""

    buyer: Ints
    order: Ints
    product: Ints
    at: Ints

    def where(self, first: int, end: int) -> Purchases:
        """Those at `first` or later and before `end`."""
        chosen = (self.at >= first) & (self.at < end)
        return Purchases(self.buyer[chosen], self.order[chosen], self.product[chosen], self.at[chosen])

    def before(self, end: int) -> Purchases:
        return self.where(-(2**63), end)


@dataclass(frozen=True, slots=True)
class History:
    """`buyers` and `products` are ids, ascending; `buyer`, `order` and `product` are indices, one row per line, `age`
    its days before `as_of`. Only the most bought products are in it; `sold` are the ids of all."""

    as_of: int
    buyers: Ints
    products: Ints
    sold: Ints
    orders: int
    buyer: Ints
    order: Ints
    product: Ints
    age: Floats

    def by_buyer(self, half_life: float | None = None) -> Sparse:
        """Buyers x products: 1 where bought, less the longer ago (half after `half_life` days)."""
        return self._matrix(self.buyer, len(self.buyers), half_life)

    def by_order(self, half_life: float | None = None) -> tuple[Sparse, Floats]:
        """Orders x products: 1 where in it; and the weight of each order."""
        ages = np.zeros(self.orders)
        ages[self.order] = self.age
        return self._matrix(self.order, self.orders, None), decayed(ages, half_life)

    def popularity(self, days: float) -> Floats:
        """Distinct buyers of each product in the last `days`."""
        recent = np.flatnonzero(self.age <= days)
        pairs = np.unique(self.buyer[recent] * max(len(self.products), 1) + self.product[recent])
        bought = np.bincount(pairs % max(len(self.products), 1), minlength=len(self.products))
        return bought.astype(np.float64)

    def _matrix(self, row: Ints, height: int, half_life: float | None) -> Sparse:
        values = decayed(self.age, half_life).astype(np.float32)
        matrix: Sparse = sp.csr_matrix((values, (row, self.product)), shape=(height, len(self.products)))
        matrix.sum_duplicates()
        np.minimum(matrix.data, 1.0, out=matrix.data)
        return matrix


def decayed(age: Floats, half_life: float | None) -> Floats:
    if half_life is None:
        return np.ones(len(age))
    weights: Floats = np.exp2(-age / half_life)
    return weights


def history_of(purchases: Purchases, as_of: int, most_products: int = MOST_PRODUCTS) -> History:
    """What was known at `as_of`. Ties between products that are bought equally often go to the smaller id."""
    known = purchases.before(as_of)
    ids, product = np.unique(known.product, return_inverse=True)
    kept = np.sort(np.argsort(-np.bincount(product, minlength=len(ids)), kind="stable")[:most_products])
    place = np.full(len(ids), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    wanted = place[product] >= 0
    buyers, buyer = np.unique(known.buyer[wanted], return_inverse=True)
    orders, order = np.unique(known.order[wanted], return_inverse=True)
    return History(
        as_of=as_of,
        buyers=buyers,
        products=ids[kept],
        sold=ids,
        orders=len(orders),
        buyer=buyer,
        order=order,
        product=place[product[wanted]],
        age=(as_of - known.at[wanted]) / DAY_US,
    )
