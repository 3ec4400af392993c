"""Customers and orders for lifecycle tests, and the cases of tests/cases/ as facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.domain.facts import CustomerFact, OrderFact, RefundFact
from plugin.domain.instants import parse_instant
from plugin.domain.money import parse_amount
from plugin.shops import ShopContext
from tests.support.small_shop import a_shop

Case = Mapping[str, Any]
FOLDED = 1_000_000  # added to a customer's number: her other record, whose orders a case marks with `before_merge`


def a_customer(number: int, created_at: str, **changes: Any) -> CustomerFact:
    values: dict[str, Any] = {
        "id": number, "created_at": parse_instant(created_at), "stated_at": parse_instant(created_at), "person": None,
        "account_status": "ENABLED", "email_domain": None, "email_status": None, "sms_status": None, "language": None,
        "tags": (), "country": None, "region": None, "city": None, "shop_orders": None, "shop_spend": None,
        "shop_last_order_at": None, "spend_tier": None, "shop_rfm_group": None,
    }  # fmt: skip
    return CustomerFact(**{**values, **changes})


def an_order(number: int, customer: int | None, at: str, **changes: Any) -> OrderFact:
    """`total` and the amounts of `refunds` [(instant, amount)] as the shop writes money."""
    total = parse_amount(changes.pop("total", "42.00"))
    refunds = tuple(
        RefundFact(id=number * 100 + place, at=parse_instant(when), amount=parse_amount(amount))
        for place, (when, amount) in enumerate(changes.pop("refunds", ()))
    )
    refunded = sum(refund.amount for refund in refunds)
    values: dict[str, Any] = {
        "id": number, "name": f"#{number}", "customer_id": customer, "created_at": parse_instant(at),
        "processed_at": parse_instant(at), "stated_at": parse_instant(at), "cancelled_at": None, "test": False,
        "currency": "EUR", "financial_status": "PAID", "total": total, "current_total": total - refunded,
        "refunded": refunded, "discounts": 0, "shipping": 0, "discount_codes": (), "app_id": None, "location_id": None,
        "lines": (), "refunds": refunds,
    }  # fmt: skip
    return OrderFact(**{**values, **changes})


def case_shop(case: Case, number: int, model: str) -> ShopContext:
    ladder = tuple(case.get("ladder_days", (90, 180, 360)))
    return a_shop(
        number, timezone=case.get("time_zone", "UTC"), ladder=ladder, primary_model=model, computed_models=(model,),
        optional_stages=case.get("optional_stages", "ON"),
    )  # fmt: skip


def case_customer(case: Case, who: int) -> CustomerFact:
    """`email` and `sms` are the consent, as the shop states it."""
    return a_customer(who, case["registered_at"], email_status=case.get("email"), sms_status=case.get("sms"))


def case_orders(case: Case, who: int) -> list[OrderFact]:
    return [
        an_order(
            number, who + FOLDED if order.get("before_merge") else who, order["processed_at"], total=order.get("total", "42.00"), test=order.get("test", False),
            refunds=[(refund["at"], refund["amount"]) for refund in order.get("refunds", ())],
            cancelled_at=parse_instant(order["cancelled_at"]) if "cancelled_at" in order else None,
        )
        for number, order in enumerate(case["orders"], 100 * who)
    ]  # fmt: skip


def told(because: Sequence[Mapping[str, str]]) -> list[str]:
    """Reasons as the cases write them: "days_since_last_order 90 >= 90 (lapse_days)"."""
    return [" ".join(reason[part] for part in ("measure", "value", "operator", "threshold")) for reason in because]


def standing(stage: str, rung: int | None) -> str:
    return stage if rung is None else f"{stage} {rung}"
