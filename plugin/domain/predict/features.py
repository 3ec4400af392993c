"""What is known of each buyer on a day, for models of whether she buys again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints

_WINDOWS: Final = (30, 90, 180, 365)  # days back of the counts of purchase days
_LATE: Final = 1.5  # of her own mean gaps


@dataclass(frozen=True, slots=True)
class OrderDays:
    """Counted orders, sorted by buyer, then day: epoch days in the shop's zone, amounts in whole currency units."""

    buyer: Ints
    day: Ints
    amount: Floats

    @classmethod
    def of(cls, buyer: Ints, day: Ints, amount: Floats) -> OrderDays:
        order = np.lexsort((day, buyer))
        return cls(buyer[order], day[order], amount[order])

    def before(self, cut: int) -> OrderDays:
        """Those of the days before `cut`."""
        return self._picked(self.day < cut)

    def within(self, first: int, end: int) -> OrderDays:
        """Those from the day `first` to before the day `end`."""
        return self._picked((self.day >= first) & (self.day < end))

    def _picked(self, kept: Bools) -> OrderDays:
        return OrderDays(self.buyer[kept], self.day[kept], self.amount[kept])


@dataclass(frozen=True, slots=True)
class Buyers:
    """Buyers with an order before a day, ascending, as arrays of one entry each. Days since the last and the first
    purchase day are at least 1 (the day itself is not over); `repeats` are purchase days after the first."""

    buyer: Ints
    recency: Ints
    age: Ints
    repeats: Ints
    orders: Ints
    spend: Floats
    recent: Ints  # purchase days in each of `_WINDOWS`: one row a window

    def __len__(self) -> int:
        return len(self.buyer)

    def matrix(self) -> Floats:
        """A row a buyer: recency, frequency, age, spend and the silence measured by the buyer's own rhythm, on
        logarithmic scales, where hazards of buying are close to straight lines."""
        days = self.repeats + 1
        # One gap of the whole age beside her own keeps the rhythm of who has few purchases sober.
        rhythm = self.age / (self.repeats + 1.0)
        again = self.repeats > 0
        gap = np.where(again, (self.age - self.recency) / np.maximum(self.repeats, 1), 1.0)  # her own mean
        silence = np.log1p(self.recency)
        often = np.log(days)
        columns = [
            silence, silence**2, often, often**2, silence * often, np.log1p(self.age),
            np.log(self.recency / rhythm + 0.1), np.log1p(np.maximum(self.spend, 0) / self.orders),
            ~again, np.log1p(gap) * again, again & (self.recency > _LATE * gap), *np.log1p(self.recent),
        ]  # fmt: skip
        return np.column_stack(columns).astype(np.float64)


def buyers_before(orders: OrderDays, cut: int) -> Buyers:
    """Everybody with an order before the day `cut`, from those orders only."""
    known = orders.before(cut)
    buyer, starts, counts = np.unique(known.buyer, return_index=True, return_counts=True)
    opens = np.ones(len(known.day), dtype=np.bool_)
    opens[1:] = (known.buyer[1:] != known.buyer[:-1]) | (known.day[1:] != known.day[:-1])
    owner = np.repeat(np.arange(len(buyer)), counts)
    first, last = known.day[starts], known.day[starts + counts - 1]
    recent = [_count(owner, opens & (known.day >= cut - window), len(buyer)) for window in _WINDOWS]
    return Buyers(
        buyer=buyer, recency=cut - last, age=cut - first, repeats=_count(owner, opens, len(buyer)) - 1, orders=counts,
        spend=np.bincount(owner, known.amount, len(buyer)).astype(np.float64), recent=np.array(recent, dtype=np.int64),
    )  # fmt: skip


def orders_after(orders: OrderDays, buyers: Buyers, cut: int, days: int) -> Ints:
    """How many orders each of `buyers` made from the day `cut` on, within `days` days."""
    later = orders.within(cut, cut + days)
    place = np.searchsorted(buyers.buyer, later.buyer)
    place = np.minimum(place, max(len(buyers) - 1, 0))
    mine = buyers.buyer[place] == later.buyer if len(buyers) else np.zeros(len(later.buyer), dtype=np.bool_)
    return np.bincount(place[mine], minlength=len(buyers)).astype(np.int64)


def _count(owner: Ints, chosen: Bools, size: int) -> Ints:
    return np.bincount(owner[chosen], minlength=size).astype(np.int64)
