"""Code discounts as the shop keeps them, how they are read, and what the checkout says of a code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from integrations.devshop.paging import Connection
from integrations.devshop.rows import Value, gid, gid_number, money, parse_instant

if TYPE_CHECKING:
    from integrations.devshop.shop import ShopState


@dataclass
class CodeDiscount:
    """`customers` are those it is bound to, with `segments`; both empty: everybody. `used` counts by customer."""

    title: str
    starts_at: str
    ends_at: str | None
    created_at: str
    updated_at: str
    usage_limit: int | None = None
    once: bool = False
    percentage: float | None = None
    amount: str | None = None
    customers: dict[int, None] = field(default_factory=dict)
    segments: list[str] = field(default_factory=list)
    codes: list[tuple[int, str]] = field(default_factory=list)
    used: Counter[int | None] = field(default_factory=Counter)
    bulk: bool = False

    def status(self, now: datetime) -> str:
        if self.ends_at and parse_instant(self.ends_at) <= now:
            return "EXPIRED"
        return "SCHEDULED" if parse_instant(self.starts_at) > now else "ACTIVE"

    def has(self, code: str) -> bool:
        """Codes are one regardless of letter case."""
        return any(each.casefold() == code.casefold() for _, each in self.codes)

    def take(self, given: dict[str, Any]) -> None:
        """What an input says; what it leaves out stays."""
        self.title = given.get("title", self.title)
        self.starts_at = given.get("startsAt", self.starts_at)
        self.ends_at = given.get("endsAt", self.ends_at)
        self.usage_limit = given.get("usageLimit", self.usage_limit)
        self.once = bool(given.get("appliesOncePerCustomer", self.once))
        value = (given.get("customerGets") or {}).get("value")
        if value:
            self.percentage = value.get("percentage")
            amount = value.get("discountAmount")
            self.amount = None if amount is None else str(amount["amount"])
        self._bind(given.get("context") or {})

    def _bind(self, context: dict[str, Any]) -> None:
        if context.get("all"):
            self.customers, self.segments = {}, []
        if customers := context.get("customers"):
            self.segments = []
            self.customers |= {gid_number(each): None for each in customers.get("add") or ()}
            for each in customers.get("remove") or ():
                self.customers.pop(gid_number(each), None)
        if segments := context.get("customerSegments"):
            self.customers = {}
            gone = set(segments.get("remove") or ())
            self.segments = [each for each in (*self.segments, *(segments.get("add") or ())) if each not in gone]

    def off(self, subtotal: int) -> int:
        """What the code takes off, in the rows' own scale."""
        if self.percentage is not None:
            return round(Decimal(subtotal) * Decimal(str(self.percentage)) / 100) * 100
        return min(money(self.amount or "0"), subtotal)


@dataclass
class DiscountNode:
    """What a discount's GID leads to."""

    id: int
    discount: CodeDiscount


def discount_of_code(state: ShopState, code: str) -> DiscountNode | None:
    return next((node for node in state.discounts.values() if node.discount.has(code)), None)


def refusal_at_checkout(state: ShopState, customer: int | None, code: str) -> str | None:
    """Why the checkout does not take the code; None when it does."""
    node = discount_of_code(state, code)
    if node is None or node.discount.status(state.now()) != "ACTIVE":
        return "Enter a valid discount code"
    discount = node.discount
    if (discount.customers or discount.segments) and customer not in discount.customers:
        return f"{code} discount code isn\u2019t available to you right now"
    if discount.once and customer is not None and discount.used[customer]:
        return f"{code} discount code isn\u2019t available to you right now"
    if discount.usage_limit is not None and discount.used.total() >= discount.usage_limit:
        return f"{code} discount code has reached its usage limit"
    return None


def _codes(row: CodeDiscount) -> Connection:
    rows = [{"id": gid("DiscountRedeemCode", number), "code": code, "asyncUsageCount": 0} for number, code in row.codes]
    keys = [(number, number) for number, _ in row.codes]
    return Connection(rows, keys, has_next=False, has_previous=False, total=len(rows))


def _context(row: CodeDiscount, call: Value, _args: Value) -> dict[str, Any]:
    if row.customers:
        rows = call.shop.data.customers
        living = [rows[number] for number in row.customers if number in rows]
        return {"__typename": "DiscountCustomers", "customers": living}
    if row.segments:
        found = [call.shop.segments.get(gid_number(each)) for each in row.segments]
        return {"__typename": "DiscountCustomerSegments", "segments": [each for each in found if each]}
    return {"__typename": "DiscountBuyerSelectionAll", "all": "ALL"}


def _gets(row: CodeDiscount, call: Value, _args: Value) -> dict[str, Any]:
    value: dict[str, Any] = {"__typename": "DiscountPercentage", "percentage": row.percentage}
    if row.percentage is None:
        amount = {"amount": row.amount, "currencyCode": call.shop.currency}
        value = {"__typename": "DiscountAmount", "amount": amount, "appliesOnEachItem": False}
    return {"__typename": "DiscountCustomerGets", "value": value}


DISCOUNT_NODE: dict[str, Any] = {
    "id": lambda row, _c, _a: gid("DiscountCodeNode", row.id),
    "codeDiscount": lambda row, _c, _a: row.discount,
}
DISCOUNT_BASIC: dict[str, Any] = {
    "title": lambda row, _c, _a: row.title,
    "status": lambda row, call, _a: row.status(call.now),
    "startsAt": lambda row, _c, _a: row.starts_at,
    "endsAt": lambda row, _c, _a: row.ends_at,
    "usageLimit": lambda row, _c, _a: row.usage_limit,
    "appliesOncePerCustomer": lambda row, _c, _a: row.once,
    "asyncUsageCount": lambda row, _c, _a: row.used.total(),
    "codesCount": lambda row, _c, _a: {"count": len(row.codes), "precision": "EXACT"},
    "codes": lambda row, _c, _a: _codes(row),
    "context": _context,
    "customerGets": _gets,
    "createdAt": lambda row, _c, _a: row.created_at,
    "updatedAt": lambda row, _c, _a: row.updated_at,
}
