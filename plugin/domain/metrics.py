"""Figures of a shop by period (lifecycle.md, section 8): their names and units."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class MetricName(StrEnum):
    ORDERS = "orders"
    NET_SALES = "net_sales"
    AVERAGE_ORDER_VALUE = "average_order_value"
    REPEAT_RATE = "repeat_rate"
    NEW_CUSTOMERS = "new_customers"
    NEW_BUYERS = "new_buyers"
    CONVERSION_RATE = "conversion_rate"
    DEPARTURES = "departures"
    RETURNS = "returns"
    VISITS = "visits"
    VISITORS = "visitors"
    PRODUCT_VIEWS = "product_views"
    MESSAGES_SENT = "messages_sent"
    OPEN_RATE = "open_rate"
    MESSAGE_CLICK_RATE = "message_click_rate"
    IMPRESSIONS = "impressions"
    CLICKS = "clicks"
    CLICK_THROUGH_RATE = "click_through_rate"
    NPS = "nps"


class MetricUnit(StrEnum):
    COUNT = "count"
    CURRENCY = "currency"
    RATE = "rate"
    SCORE = "score"


_M = MetricName
UNITS: Final = {
    **dict.fromkeys(_M, MetricUnit.COUNT),
    _M.NET_SALES: MetricUnit.CURRENCY,
    _M.AVERAGE_ORDER_VALUE: MetricUnit.CURRENCY,
    **dict.fromkeys(
        (_M.REPEAT_RATE, _M.CONVERSION_RATE, _M.OPEN_RATE, _M.MESSAGE_CLICK_RATE, _M.CLICK_THROUGH_RATE),
        MetricUnit.RATE,
    ),
    _M.NPS: MetricUnit.SCORE,
}
