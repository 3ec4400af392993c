"""The demo's orders as flat columns, where their package is installed."""

from __future__ import annotations

import numpy as np
import polars as pl

from integrations.devshop import completejourney
from plugin.domain.recommend.history import Purchases


def demo_purchases(households: int | None) -> Purchases | None:
    """Lines of so many households, by the demo's hash (None: all); None without the package. Times are the source's."""
    try:
        source = completejourney._source()
    except ModuleNotFoundError:
        return None
    rows = completejourney._part(completejourney._transactions(source), households)
    rows = rows.filter(pl.col("quantity") > 0)
    columns = (
        rows["household_id"],
        rows["basket_id"],
        rows["product_id"],
        rows["at"].dt.replace_time_zone("UTC").dt.timestamp("us"),
    )
    return Purchases(*(column.to_numpy().astype(np.int64) for column in columns))
