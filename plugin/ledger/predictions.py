"""Reading what the nightly fit predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from plugin.ledger.database import Database
from plugin.ledger.lists import among, id_list


class PredictionRow(NamedTuple):
    """Probabilities from 0 to 1, `value` in ten-thousandths of the currency's unit, `next_day` an epoch day."""

    customer_id: int
    within_30: float
    within_90: float | None
    alive: float
    orders: float | None
    next_day: int | None
    value: int | None
    tier: str | None
    fitted_at: int


class PredictionModelRow(NamedTuple):
    """`method` or `reason` is None; figures are None without a method. Days are epoch days."""

    days: int
    method: str | None
    reason: str | None
    auc: float | None
    baseline_auc: float | None
    calibration_error: float | None
    rate: float | None
    n: int
    candidates: int
    windows: int
    first_day: int | None
    tested_from: int | None
    tested_until: int | None
    fitted_at: int


async def predictions_of(database: Database, shop_id: int, customers: Sequence[int]) -> dict[int, PredictionRow]:
    rows = await database.fetch(
        f"SELECT {', '.join(PredictionRow._fields)} FROM predictions WHERE shop_id = $1"
        f" AND {among(database.dialect, 'customer_id', 2)}",
        shop_id,
        id_list(database.dialect, customers),
    )
    return {row[0]: PredictionRow(*row) for row in rows}


async def prediction_models(database: Database, shop_id: int) -> list[PredictionModelRow]:
    """By horizon; empty before the first fit."""
    rows = await database.fetch(
        f"SELECT {', '.join(PredictionModelRow._fields)} FROM prediction_models WHERE shop_id = $1 ORDER BY days",
        shop_id,
    )
    return [PredictionModelRow(*row) for row in rows]
