"""Orders that the shop counts but does not show: without `read_all_orders` it shows the last 60 days only.

A buyer of years must not be called a visitor because of that. The shop's lifetime figures of a customer say how many
orders are missing, what they came to and, where none is shown, when the last was. The rest is not known; it is taken
so that nothing is claimed which was not: the missing orders stand on two days close together (neither a first
purchase nor a return), as late as the figures allow (nobody is called silent for longer than proven).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.instants import FOREVER
from plugin.domain.ragged import ranges
from plugin.ledger.database import NULL_INT, Arrays

_MOST: Final = 10_000  # orders of one customer that are made up for; the shop's figure may be anything
_TWO_DAYS: Final = 2 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class OrderRows:
    """Orders sorted by (owner, processed_at, id); `owner` is a customer's index. NULL_INT where nothing is stated."""

    owner: Ints
    id: Ints
    processed_at: Ints
    voided_at: Ints
    total: Ints
    items: Ints
    discounted: Ints
    app_id: Ints
    location_id: Ints


def add_unseen(rows: OrderRows, customers: Arrays, history_from: int) -> tuple[OrderRows, Ints]:
    """The rows with the missing ones among them (ids below zero), and how many each customer misses."""
    count = len(customers["id"])
    shown = np.bincount(rows.owner, minlength=count)
    told = np.where(customers["shop_orders"] == NULL_INT, 0, customers["shop_orders"])
    older = customers["created_at"] < history_from  # a newer customer's orders are all shown
    missing = np.where(older, np.clip(told - shown, 0, _MOST), 0)
    return _with(rows, missing, _last_at(customers, shown, history_from), _spend(rows, customers, count)), missing


def _last_at(customers: Arrays, shown: Ints, history_from: int) -> Ints:
    """When the last missing order was, at the latest."""
    stated = customers["shop_last_order_at"]
    last = np.where((shown == 0) & (stated != NULL_INT), stated, history_from - 1)
    return np.maximum(last, customers["created_at"])


def _spend(rows: OrderRows, customers: Arrays, count: int) -> Ints:
    shown = np.zeros(count, dtype=np.int64)
    living = rows.voided_at == FOREVER
    np.add.at(shown, rows.owner[living], rows.total[living])
    told = np.where(customers["shop_spend"] == NULL_INT, 0, customers["shop_spend"])
    return np.maximum(told - shown, 0)


def _with(rows: OrderRows, missing: Ints, last_at: Ints, spend: Ints) -> OrderRows:
    number, owner = ranges(np.zeros(len(missing), dtype=np.int64), missing)
    is_last = number == missing[owner] - 1
    nothing = np.zeros(len(owner), dtype=np.int64)
    unstated = np.full(len(owner), NULL_INT, dtype=np.int64)
    made = OrderRows(
        owner=owner, id=-1 - np.arange(len(owner)), processed_at=last_at[owner] - np.where(is_last, 0, _TWO_DAYS),
        voided_at=np.full(len(owner), FOREVER), total=np.where(is_last, spend[owner], 0), items=nothing,
        discounted=nothing, app_id=unstated, location_id=unstated,
    )  # fmt: skip
    both = [np.concatenate([getattr(rows, field.name), getattr(made, field.name)]) for field in fields(rows)]
    order = np.lexsort((both[1], both[2], both[0]))
    return OrderRows(*(values[order] for values in both))
