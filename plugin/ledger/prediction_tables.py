"""The tables of what the nightly fit predicts."""

from __future__ import annotations

from typing import Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class Prediction(ShopRow):
    """What is expected of a buyer from the fit's day on (`plugin/domain/predict/forecast.py`); NULL where it cannot be
    said. `value` is money, `orders` an expected number. Personal by its customer: deleted with her."""

    customer_id = column.key()
    within_30 = column.real(null=False)
    within_90 = column.real()
    alive = column.real(null=False)
    orders = column.real()
    next_day = column.day()
    value = column.money(null=True)
    tier = column.name(null=True, length=16)
    fitted_at = column.instant()

    class Meta:
        table = "predictions"
        key = ("shop_id", "customer_id")


class PredictionModel(ShopRow):
    """The model of a horizon with its quality on held-out days, or the reason why there is none. Days are epoch days in
    the shop's zone: `first_day` of the orders used, the window from `tested_from` to before `tested_until`."""

    days = column.key()
    method = column.name(null=True)
    reason = column.text(null=True)
    auc = column.real()
    baseline_auc = column.real()
    calibration_error = column.real()
    rate = column.real()
    n = column.integer()
    candidates = column.integer()
    windows = column.integer()
    first_day = column.day()
    tested_from = column.day()
    tested_until = column.day()
    fitted_at = column.instant()

    class Meta:
        table = "prediction_models"
        key = ("shop_id", "days")


PREDICTION_TABLES: Final[tuple[type[ShopRow], ...]] = (Prediction, PredictionModel)
