"""The field's claims beside the shop's own facts (lifecycle.md, section 6).

Claims that no shop can measure (messages seen a day, word of mouth) have no line.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugin.domain.calendar import ShopCalendar
from plugin.domain.fact_sheet.buying import ShopOrders, buying
from plugin.domain.fact_sheet.firsts import (
    first_purchase_day,
    further_purchases,
    second_by_basket,
    second_purchase,
)
from plugin.domain.fact_sheet.returns import back_after_months, continuation, return_by_silence, revenue_by_stage
from plugin.domain.fact_sheet.shapes import Claim, LeftOut, Line, Unit, Value, Verdict

__all__ = ["Claim", "FactSheet", "LeftOut", "Line", "ShopOrders", "Unit", "Value", "Verdict", "fact_sheet"]


@dataclass(frozen=True, slots=True)
class FactSheet:
    """`left_out` concerns every line. `time_zone` is the one of all days."""

    time_zone: str
    left_out: tuple[LeftOut, ...]
    lines: tuple[Line, ...]


def fact_sheet(orders: ShopOrders, *, as_of: int, calendar: ShopCalendar, lapse_days: int) -> FactSheet:
    """`as_of` in epoch microseconds; `lapse_days`: the silence that makes a buyer departing, of the fixed ladder."""
    bought = buying(orders, as_of=as_of, calendar=calendar)
    lines = (
        first_purchase_day(orders, bought, calendar), second_purchase(bought), further_purchases(bought),
        second_by_basket(bought), back_after_months(bought), return_by_silence(bought),
        continuation(bought, lapse_days), revenue_by_stage(bought, lapse_days),
    )  # fmt: skip
    left_out = (
        LeftOut("orders cancelled or refunded in full", bought.voided),
        LeftOut("orders dated after the day of the sheet", bought.dated_ahead),
    )
    return FactSheet(calendar.zone, left_out, lines)
