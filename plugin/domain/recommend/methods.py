"""The candidates of each use, by name, and how each is fitted. Names say everything: a choice is stored as its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import numpy as np

from plugin.domain.columns import Floats, Ints
from plugin.domain.recommend.again import due, favourites, learned
from plugin.domain.recommend.history import MOST_PRODUCTS, Block, History, Purchases, Sparse
from plugin.domain.recommend.scorers import (
    Baskets,
    Scorer,
    blended,
    bm25,
    cosine,
    ease,
    fused,
    gram_of,
    item_item,
    popular,
    together,
    trending,
)

HALF_LIVES: Final = (None, 180.0, 90.0, 45.0)
BUYER_HALF_LIVES: Final = (None, 120.0, 60.0)
POPULAR_DAYS: Final = (14.0, 30.0, 90.0)
PENALTIES: Final = (50.0, 100.0, 300.0)
POWERS: Final = (0.25, 0.5, 1.0)
KINDS: Final = ("count", "log lift", "damped", "smoothed count", "smoothed half damped", "smoothed damped")
DAMPINGS: Final = {"orders": 0.0, "orders by root of size": 0.5, "orders by size": 1.0}
PLAIN_DAYS: Final = 30.0  # popularity that methods are measured against, and blended with


class Use(StrEnum):
    BOUGHT_TOGETHER = "BOUGHT_TOGETHER"
    NEW_FOR_YOU = "NEW_FOR_YOU"
    BUY_AGAIN = "BUY_AGAIN"


_MADE_OF_OTHERS: Final = (" & ", " + ", " x popularity^")
_HELD: Final = 4  # fitted methods kept, the last used: of EASE each is 36 MB
# Own products are few for each customer, so that far more of them can be kept than are compared with each other.
# What goes with a product is counted for a block of products at a time, and is asked for of rare ones, too.
CATALOGUE: Final = {Use.BOUGHT_TOGETHER: 40_000, Use.NEW_FOR_YOU: MOST_PRODUCTS, Use.BUY_AGAIN: 40_000}
POPULARITY: Final = f"popularity {PLAIN_DAYS:.0f} days"
# Of a shop that is too young to test anything.
UNTESTED: Final = {
    Use.BOUGHT_TOGETHER: "customers log lift",
    Use.NEW_FOR_YOU: POPULARITY,
    Use.BUY_AGAIN: "favourites",
}
Makers = dict[str, Callable[[], Scorer | None]]


class Fits:
    """Everything that can be fitted on one history; what several methods share is computed once."""

    def __init__(self, purchases: Purchases, history: History, horizon: float) -> None:
        self._purchases, self.history, self._horizon = purchases, history, horizon
        self._popularity: dict[float, Floats] = {}
        self._grams: dict[float | None, tuple[Sparse, Ints, Block]] = {}
        self._baskets: dict[tuple[str, float | None, float], Baskets] = {}
        self._scorers: dict[tuple[Use, str], Scorer | None] = {}
        self._makers: Mapping[Use, Makers] = {
            Use.BOUGHT_TOGETHER: self._together(),
            Use.NEW_FOR_YOU: self._new(),
            Use.BUY_AGAIN: self._again(),
        }

    def names(self, use: Use) -> list[str]:
        """The methods that stand by themselves, the simplest first: of equals, that is taken."""
        return list(self._makers[use])

    def plain(self, use: Use) -> list[str]:
        """Those to begin with."""
        return [name for name in self.names(use) if use is Use.BUY_AGAIN or "half-life" not in name]

    def scorer(self, use: Use, name: str) -> Scorer | None:
        """None where there is too little to fit it. `a + b` is the fusion of the ranks of a and b, `a & b` the sum
        of their scores, each of the best's, `a x popularity^p` what it says.
        Raises KeyError for a name that no method has."""
        if any(mark in name for mark in _MADE_OF_OTHERS):
            return self._made(use, name)
        key = (use, name)
        found = self._scorers.pop(key) if key in self._scorers else self._makers[use][name]()
        self._scorers[key] = found
        while len(self._scorers) > _HELD:
            self._scorers.pop(next(iter(self._scorers)))
        return found

    def forget(self) -> None:
        """Let go of what was fitted."""
        self._scorers.clear()
        self._grams.clear()
        self._baskets.clear()

    def _made(self, use: Use, name: str) -> Scorer | None:
        base, _, power = name.partition(" x popularity^")
        if power:
            scorer = self.scorer(use, base)
            return scorer and trending(scorer, self.popularity(PLAIN_DAYS).astype(np.float32), float(power))
        mark, together_as = (" + ", fused) if " + " in name else (" & ", blended)
        parts = [scorer for part in name.split(mark) if (scorer := self.scorer(use, part)) is not None]
        return together_as(parts) if parts else None

    def popularity(self, days: float) -> Floats:
        if days not in self._popularity:
            self._popularity[days] = self.history.popularity(days)
        return self._popularity[days]

    def _popular(self) -> Makers:
        return {f"popularity {days:.0f} days": lambda days=days: popular(self.history, days) for days in POPULAR_DAYS}  # type: ignore[misc]  # the default binds the loop's value

    def _together(self) -> Makers:
        makers = self._popular()
        for kind in KINDS[:3]:
            makers[f"customers {kind}"] = lambda kind=kind: together(self._baskets_of("buyer", None), kind)  # type: ignore[misc]  # as above
        for life in HALF_LIVES:
            for unit, damping in DAMPINGS.items():
                for kind in KINDS:
                    makers[f"{unit} {kind}{_half(life)}"] = lambda life=life, damping=damping, kind=kind: together(  # type: ignore[misc]  # as above
                        self._baskets_of("order", life, damping), kind
                    )
        return makers

    def _baskets_of(self, unit: str, half_life: float | None, damping: float = 0.0) -> Baskets:
        key = (unit, half_life, damping)
        if key not in self._baskets:
            self._baskets = {key: Baskets(self.history, unit, half_life, damping)}  # one at a time, as of grams
        return self._baskets[key]

    def _new(self) -> Makers:
        makers = self._popular()
        for life in BUYER_HALF_LIVES:
            makers[f"cosine{_half(life)}"] = lambda life=life: self._items(life, "cosine")  # type: ignore[misc]  # as above
            makers[f"bm25{_half(life)}"] = lambda life=life: self._items(life, "bm25")  # type: ignore[misc]  # as above
            for penalty in PENALTIES:
                makers[f"ease {penalty:.0f}{_half(life)}"] = lambda life=life, penalty=penalty: self._items(  # type: ignore[misc]  # as above
                    life, "ease", penalty
                )
        return makers

    def _again(self) -> Makers:
        makers: Makers = dict(self._popular())
        for life in (None, 120.0, 60.0):
            makers[f"favourites{_half(life)}"] = lambda life=life: favourites(  # type: ignore[misc]  # as above
                self.history, life, self.popularity(PLAIN_DAYS), 0.0
            )
        makers["due"] = lambda: due(self.history, self.popularity(PLAIN_DAYS))
        makers["regression"] = lambda: learned(self._purchases, self.history, self._horizon, PLAIN_DAYS)
        return makers

    def _items(self, half_life: float | None, kind: str, penalty: float = 0.0) -> Scorer:
        if half_life not in self._grams:
            self._grams = {half_life: gram_of(self.history, half_life)}  # one at a time: methods come by half-life
        matrix, chosen, gram = self._grams[half_life]
        if kind == "ease":
            weights = ease(gram, penalty)
        elif kind == "cosine":
            weights = cosine(gram)
        else:
            weights = bm25(matrix, gram)
        return item_item(matrix, chosen, weights, len(self.history.products))


def _half(life: float | None) -> str:
    return "" if life is None else f", half-life {life:.0f} days"
