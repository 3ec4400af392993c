"""Predictions of ordering again, on held-out days.

Protocol, the same for every shop. The shop's own backtest sees only orders before the cut and chooses the model there
(`plugin/domain/predict/choosing.py`); the days after the cut are used for nothing but the figures. Every customer with an
order before the cut is a case; it came true when she has an order within the horizon. Orders that were cancelled, and guests,
are left out; amounts are orders' totals. AUC counts ties half; the calibration error is the mean distance between what was
said and what came, over ten groups of equal size.
 - online_retail: cut 2011-10-01, 70 days ahead; all customers.
 - completejourney (the demo's orders; where the package is installed): the last 30 days held out; all 2,469 households.
 - without data: made-up buyers.
Floors are goals that were set beforehand. Neither data set was unseen when the candidates were written: they are regression
tests of the choice, no proof for another shop.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from integrations.devshop import completejourney
from plugin.domain.ids import parse_gid
from plugin.domain.instants import parse_instant
from plugin.domain.predict.choosing import TooLittle, choose
from plugin.domain.predict.features import OrderDays, buyers_before, orders_after
from plugin.domain.predict.quality import auc, calibration_error
from tests.bench.registry import Figure, Options
from tests.support.online_retail import CUT
from tests.support.order_days import made_up

DAY_US: Final = 86_400_000_000
RETAIL_DAYS: Final = 70
DEMO_DAYS: Final = 30
GOALS: Final = {"online_retail": (0.738, 0.03), "completejourney": (0.883, 0.02)}


class _Id(msgspec.Struct):
    id: str


class _Money(msgspec.Struct):
    amount: str


class _Price(msgspec.Struct, rename="camel"):
    shop_money: _Money


class _Order(msgspec.Struct, rename="camel"):
    """An order; a line of one has none of these."""

    processed_at: str | None = None
    cancelled_at: str | None = None
    customer: _Id | None = None
    total_price_set: _Price | None = None


async def run(options: Options) -> list[Figure]:
    return await asyncio.to_thread(_all, options)


def _all(options: Options) -> list[Figure]:
    figures: list[Figure] = []
    if options.data is None:
        figures += _held_out("made-up buyers", made_up(2_000), 440, DEMO_DAYS)
    else:
        figures += _held_out("online_retail", _retail(options.data), CUT // DAY_US, RETAIL_DAYS)
    demo = _demo()
    if demo is not None:
        figures += _held_out("completejourney", demo, int(demo.day.max()) - DEMO_DAYS + 1, DEMO_DAYS)
    return figures


def _held_out(name: str, orders: OrderDays, cut: int, days: int) -> list[Figure]:
    started = time.process_time()
    model = choose(orders.before(cut), cut, days)
    taken = time.process_time() - started
    if isinstance(model, TooLittle):
        raise ValueError(f"{name}: {model.reason}")  # noqa: TRY004 - the data is too small, not of another type
    buyers = buyers_before(orders, cut)
    came = (orders_after(orders, buyers, cut, days) > 0).astype(np.int64)
    said = model(buyers)
    right, wrong = auc(said, came) or 0.0, calibration_error(said, came)
    what = f"{name}, {days} days ahead (n {len(buyers):,}): {model.method}"
    least, most = GOALS.get(name, (None, None))
    goal = None if least is None else 1.0
    # As its inverse, so that more is better.
    inverse = None if most is None else 1 / most
    return [
        Figure(name=f"AUC {what}", value=right, unit="share", floor=least, goal=goal),
        Figure(name=f"1 / calibration error {what} ({wrong:.4f})", value=1 / wrong, unit="", floor=inverse, goal=goal),
        Figure(name=f"choosing and fitting, {name}", value=taken, unit="s of processor"),
    ]


def _retail(folder: Path) -> OrderDays:
    decoder = msgspec.json.Decoder(_Order)
    rows: list[tuple[int, int, float]] = []
    with gzip.open(folder / "orders.jsonl.gz") as file:
        for row in map(decoder.decode, file):
            if row.processed_at and row.customer and row.total_price_set and row.cancelled_at is None:
                day = parse_instant(row.processed_at) // DAY_US
                total = float(row.total_price_set.shop_money.amount)
                rows.append((parse_gid(row.customer.id, "Customer"), day, total))
    buyer, day, amount = (np.array(column) for column in zip(*rows, strict=True))
    return OrderDays.of(buyer.astype(np.int64), day.astype(np.int64), amount)


def _demo() -> OrderDays | None:
    try:
        source = completejourney._source()
    except ModuleNotFoundError:
        return None
    rows = completejourney._part(completejourney._transactions(source), None).filter(pl.col("quantity") > 0)
    orders = rows.group_by("basket_id", "household_id").agg(pl.col("at").min(), pl.col("paid").sum())
    days = orders["at"].dt.replace_time_zone("UTC").dt.timestamp("us").to_numpy() // DAY_US
    return OrderDays.of(
        orders["household_id"].to_numpy().astype(np.int64), days.astype(np.int64), orders["paid"].to_numpy() / 100
    )
