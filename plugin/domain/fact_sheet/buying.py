"""What the fact sheet is counted from: each customer's purchase days in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class ShopOrders:
    """Counted orders (a customer's, no test, not deleted), sorted by customer and instant; `customer` is an index of
    `registered_at`. `net`: ten-thousandths after refunds. `history_from`: orders before are not shown to us."""

    customer: Ints
    processed_at: Ints
    voided_at: Ints
    net: Ints
    items: Ints
    registered_at: Ints
    history_from: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Buying:
    """One entry a purchase day, by customer and day: `place` 0 is the customer's first, `ahead` days to the next (-1:
    none yet), `items` units of its first order, `at` when that was, `net` and `orders` of the whole day. `known`: the
    customer's first purchase is really the first, as far as we are shown. `today` is the shop's day of `as_of`."""

    customer: Ints
    day: Ints
    at: Ints
    place: Ints
    ahead: Ints
    items: Ints
    net: Ints
    orders: Ints
    known: Bools
    today: int
    voided: int  # orders that stopped counting
    dated_ahead: int

    def __len__(self) -> int:
        return len(self.day)

    @property
    def first(self) -> Bools:
        first: Bools = self.place == 0
        return first

    @property
    def unknown_firsts(self) -> int:
        return int((self.first & ~self.known).sum())

    @property
    def since(self) -> int:
        return int(self.day.min()) if len(self) else self.today


def buying(orders: ShopOrders, *, as_of: int, calendar: ShopCalendar) -> Buying:
    ahead, voided = orders.processed_at > as_of, orders.voided_at <= as_of
    kept = np.flatnonzero(~ahead & ~voided)
    customer, at = orders.customer[kept], orders.processed_at[kept]
    day = calendar.day_of(at)
    opens = np.ones(len(kept), dtype=np.bool_)
    opens[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    starts = np.flatnonzero(opens)
    owner, days = customer[starts], day[starts]
    return Buying(
        customer=owner, day=days, at=at[starts], place=_places(owner), ahead=_ahead(owner, days),
        items=orders.items[kept][starts], net=_summed(orders.net[kept], starts),
        orders=np.diff(starts, append=len(kept)), known=_known(orders, owner), today=calendar.today(as_of),
        voided=int((voided & ~ahead).sum()),
        dated_ahead=int(ahead.sum()),
    )  # fmt: skip


def _summed(values: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(values, starts) if len(starts) else values[:0]


def _places(owner: Ints) -> Ints:
    numbers = np.arange(len(owner), dtype=np.int64)
    heads = np.ones(len(owner), dtype=np.bool_)
    heads[1:] = owner[1:] != owner[:-1]
    places: Ints = numbers - np.maximum.accumulate(np.where(heads, numbers, 0))
    return places


def _ahead(owner: Ints, days: Ints) -> Ints:
    ahead = np.full(len(days), -1, dtype=np.int64)
    same = owner[1:] == owner[:-1]
    ahead[:-1][same] = np.diff(days)[same]
    return ahead


def _known(orders: ShopOrders, owner: Ints) -> Bools:
    """A customer registered before our history begins may have bought before it."""
    if orders.history_from is None:
        return np.ones(len(owner), dtype=np.bool_)
    known: Bools = orders.registered_at[owner] >= orders.history_from
    return known
