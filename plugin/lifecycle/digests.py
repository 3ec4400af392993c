"""A number for each customer that stands for everything her history is computed from.

While it is the same, and her time has not come, her history cannot have changed, so a recompute of the shop need not
tell it again. Two different states share a number once in 2^64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, Ints, text_numbers
from plugin.domain.instants import FOREVER
from plugin.domain.lapse import Lapse
from plugin.domain.measures import Orders
from plugin.domain.ragged import offsets_of
from plugin.lifecycle.frames import Frame
from plugin.lifecycle.plan import Plan

Hashes = NDArray[np.uint64]
REVISION: Final = 1  # raise it when a change of the code makes other histories of the same facts
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXES: Final = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST: Final = np.uint64(31)


def digests(frame: Frame, plan: Plan) -> Ints:
    """Per customer of `frame`, as signed 64-bit integers."""
    columns = [frame.created_at, frame.unseen, *(_whole(column) for _, column in sorted(frame.attributes.items()))]
    total = _rows([np.full(len(frame), _signature(plan), dtype=np.int64), *columns])
    orders = frame.orders
    total += _sum(_rows(_order_columns(orders)), orders.offsets)
    total += _sum(_refund_rows(orders), offsets_of(orders.refund_order, len(orders.processed_at))[orders.offsets])
    for _, (offsets, table) in sorted(frame.tables.items()):
        total += _sum(_rows([_whole(column) for _, column in sorted(table.items())]), offsets)
    total += _rhythm(orders, plan.calendar, plan.lapse)
    return _mixed(total).view(np.int64)


def _signature(plan: Plan) -> int:
    """What is the same for the whole shop: its models, its days, what of its history it shows."""
    models = [
        (
            model.key,
            model.version,
            [(stage.key, stage.query, [rung.query for rung in stage.rungs]) for stage in model.stages],
        )
        for model in plan.models
    ]
    days = plan.calendar.start_of(np.arange(0, 40_000, 7))  # a zone's rules may change under its name
    told = repr(
        (REVISION, plan.primary_model, models, plan.calendar.zone, plan.history_from, _text_hash(days.tobytes()))
    )
    return _text_hash(told.encode())


def _text_hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def _order_columns(orders: Orders) -> list[Ints]:
    return [orders.processed_at, orders.voided_at, orders.total, orders.items, orders.discounted.astype(np.int64)]


def _refund_rows(orders: Orders) -> Hashes:
    return _rows([orders.processed_at[orders.refund_order], orders.refund_at, orders.refund_amount])


def _rhythm(orders: Orders, calendar: ShopCalendar, lapse: Lapse) -> Hashes:
    """The rungs that `lapse` gives after each purchase day: a new fit of the shop's rhythm moves few of them by a whole
    day. Of a customer with a voided order they depend on when it was, so there the rhythm itself counts."""
    customers = len(orders.offsets) - 1
    owner = np.repeat(np.arange(customers, dtype=np.int64), np.diff(orders.offsets))
    days = calendar.day_of(orders.processed_at)
    opens = np.ones(len(days), dtype=np.bool_)
    opens[1:] = (owner[1:] != owner[:-1]) | (days[1:] != days[:-1])
    owner, days = owner[opens], days[opens]
    offsets = offsets_of(owner, customers)
    gaps = np.arange(len(owner), dtype=np.int64) - offsets[owner]
    rungs = _sum(_rows([gaps, *lapse(gaps, days - days[offsets[owner]])]), offsets)
    voids = np.concatenate([[0], np.cumsum(orders.voided_at < FOREVER)])
    voided = voids[orders.offsets[1:]] > voids[orders.offsets[:-1]]
    whole = _rows([np.full(customers, _text_hash(repr(lapse).encode()), dtype=np.int64)])
    return np.where(voided, whole, np.uint64(0)) + rungs


def _whole(column: Column) -> Ints:
    """Integers that differ where the values do."""
    values = column.values
    if values.dtype.kind == "T":
        values = text_numbers(values)
    elif values.dtype.kind == "f":
        values = values.view(np.int64)
    whole: Ints = values.astype(np.int64) ^ (column.null.astype(np.int64) << 62)
    return whole


def _rows(columns: Iterable[Ints]) -> Hashes:
    """One hash a row, of all columns in their order."""
    total: Hashes | None = None
    for column in columns:
        values = column.astype(np.int64, copy=False).view(np.uint64)
        total = _mixed(values if total is None else (total * _ODD) ^ values)
    return total if total is not None else np.zeros(0, dtype=np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    mixed: Hashes = values + _ODD
    for shift, factor in _MIXES:
        mixed = (mixed ^ (mixed >> shift)) * factor
    return mixed ^ (mixed >> _LAST)


def _sum(rows: Hashes, offsets: Ints) -> Hashes:
    """The sum of each group, modulo 2^64: rows of a group hold an id or an instant, so their order need not count."""
    sums = np.zeros(len(rows) + 1, dtype=np.uint64)
    np.cumsum(rows, out=sums[1:])
    return sums[offsets[1:]] - sums[offsets[:-1]]
