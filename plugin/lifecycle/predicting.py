"""The nightly fit of predictions. Everything is replaced in one transaction, so a fit that was killed changes nothing
and may run again from its beginning."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from typing import Final

import numpy as np

from plugin.domain.instants import to_us
from plugin.domain.money import SCALE
from plugin.domain.predict.choosing import Chosen, TooLittle
from plugin.domain.predict.features import OrderDays
from plugin.domain.predict.forecast import Forecast, Forecasts, forecast
from plugin.ledger.database import Arrays, Row, Upsert
from plugin.ledger.predictions import PredictionModelRow, PredictionRow
from plugin.ledger.store import Store
from plugin.lifecycle.plan import calendar_of
from plugin.shops import ShopContext

_PREDICTIONS: Final = Upsert(
    table="predictions", columns=("shop_id", *PredictionRow._fields), key=("shop_id", "customer_id")
)
_MODELS: Final = Upsert(
    table="prediction_models", columns=("shop_id", *PredictionModelRow._fields), key=("shop_id", "days")
)


async def fit_predictions(store: Store, shop: ShopContext, *, now: datetime) -> int:
    """Predict for every buyer of the shop; how many there are predictions of, 0 with the reason kept."""
    at, calendar = to_us(now), calendar_of(shop)
    found = await store.database.arrays(
        "SELECT o.customer_id AS buyer, o.processed_at AS at, o.total - COALESCE(r.amount, 0) AS amount"
        " FROM orders o LEFT JOIN (SELECT order_id, SUM(amount) AS amount FROM refunds WHERE shop_id = $1"
        " GROUP BY order_id) r ON r.order_id = o.id"
        " WHERE o.shop_id = $1 AND o.counted AND o.voided_at IS NULL AND o.customer_id IS NOT NULL"
        " AND o.processed_at <= $2",
        shop.id, at,
    )  # fmt: skip

    def fitted(rows: Arrays) -> tuple[Forecasts, int | None]:
        buyer, when = rows["buyer"].astype(np.int64), rows["at"].astype(np.int64)
        days = calendar.day_of(when)
        orders = OrderDays.of(buyer, days, rows["amount"].astype(np.float64) / SCALE)
        return forecast(orders, calendar.today(at)), int(days.min()) if len(days) else None

    told, first_day = await asyncio.to_thread(fitted, found)
    models = [(shop.id, *_model_row(days, model, first_day, at)) for days, model in told.models.items()]
    rows = [] if told.forecast is None else await asyncio.to_thread(_rows, shop.id, told.forecast, at)
    async with store.database.transaction() as session:
        for table in ("predictions", "prediction_models"):
            await session.execute(f"DELETE FROM {table} WHERE shop_id = $1", shop.id)
        await session.upsert(_MODELS, models)
        await session.upsert(_PREDICTIONS, rows)
    return len(rows)


def _rows(shop_id: int, told: Forecast, at: int) -> list[Row]:
    columns = zip(
        told.buyer.tolist(), told.soon.tolist(), told.later.tolist(), told.alive.tolist(), told.orders.tolist(),
        told.next_day.tolist(), told.value.tolist(), told.tier, strict=True,
    )  # fmt: skip
    return [
        (
            shop_id, buyer, soon, _said(later), round(alive, 6), _said(orders), day or None,
            None if math.isnan(value) else round(value * SCALE), tier or None, at,
        )
        for buyer, soon, later, alive, orders, day, value, tier in columns
    ]  # fmt: skip


def _said(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)  # as many digits as profiles carry


def _model_row(days: int, model: Chosen | TooLittle, first_day: int | None, at: int) -> PredictionModelRow:
    if isinstance(model, TooLittle):
        return PredictionModelRow(days, None, model.reason, None, None, None, None, 0, 0, 0, first_day, None, None, at)
    of = model.quality
    return PredictionModelRow(
        days, model.method, None, of.auc, of.baseline_auc, of.calibration_error, of.rate, of.n, model.candidates,
        model.windows, first_day, of.first, of.end, at,
    )  # fmt: skip
