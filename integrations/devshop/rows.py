"""What the dev shop keeps: its customers, orders and products as compact rows.

Ids are the numbers of the platform's GIDs. Money is an integer of 1/10,000 of the shop's currency unit. Instants
are texts like `2026-11-22T10:27:00Z`, always UTC and to the second, so that they sort as they stand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Struct, field

# A row of any kind, a JSON value, or a type of the platform's schema: what one table of readers has to pass through.
Value: TypeAlias = Any
UNIT = 10_000


class Customer(Struct, kw_only=True, gc=False):
    id: int
    created_at: str
    updated_at: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    marketing_state: str = "NOT_SUBSCRIBED"
    marketing_opt_in_level: str | None = None
    marketing_updated_at: str | None = None
    phone: str | None = None
    sms_state: str = "NOT_SUBSCRIBED"
    state: str = "DISABLED"
    tags: list[str] = field(default_factory=list)
    note: str | None = None
    orders_count: int = 0
    amount_spent: int = 0
    country: str | None = None
    province: str | None = None
    city: str | None = None
    zip: str | None = None
    locale: str = "en"


class RefundLine(Struct, kw_only=True, gc=False):
    id: int
    line_id: int
    quantity: int
    subtotal: int


class Refund(Struct, kw_only=True, gc=False):
    id: int
    order_id: int
    created_at: str
    total: int
    note: str | None = None
    lines: list[RefundLine] = field(default_factory=list)


class Line(Struct, kw_only=True, gc=False):
    id: int
    title: str
    sku: str | None
    quantity: int
    current_quantity: int
    product_id: int | None
    variant_id: int | None
    original_total: int
    discounted_total: int


class Order(Struct, kw_only=True, gc=False):
    id: int
    name: str
    created_at: str
    processed_at: str
    updated_at: str
    customer_id: int | None
    total: int
    current_total: int
    test: bool = False
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    financial_status: str | None = "PAID"
    shipping: int = 0
    discounts: int = 0
    refunded: int = 0
    tax: int = 0
    discount_codes: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    source_name: str = "web"


class Checkout(Struct, kw_only=True, gc=False):
    id: int
    token: str
    customer_id: int | None
    created_at: str
    updated_at: str
    completed_at: str | None = None
    total: int = 0
    items: list[tuple[int, int]] = field(default_factory=list)  # (variant id, quantity)


class Variant(Struct, kw_only=True, gc=False):
    id: int
    product_id: int
    title: str
    sku: str | None
    price: int
    created_at: str
    updated_at: str
    compare_at: int | None = None
    barcode: str | None = None
    available: bool = True
    inventory: int | None = 100
    position: int = 1


class Product(Struct, kw_only=True, gc=False):
    id: int
    title: str
    handle: str
    created_at: str
    updated_at: str
    published_at: str | None
    status: str = "ACTIVE"
    product_type: str = ""
    vendor: str = ""
    tags: list[str] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)


class Metafield(Struct, kw_only=True):
    id: int
    owner: str
    namespace: str
    key: str
    type: str
    value: str
    created_at: str
    updated_at: str


class Data(Struct, kw_only=True):
    """Everything a shop starts with; each shop needs a copy of its own, since it writes to it."""

    customers: dict[int, Customer] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    currency: str = "USD"


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def gid_number(text: str) -> int:
    return int(text[text.rindex("/") + 1 :])


def money(amount: str | Decimal | float) -> int:
    scaled = (Decimal(amount) * UNIT).to_integral_value(ROUND_HALF_EVEN)
    return int(scaled)


@lru_cache(maxsize=200_000)
def amount_text(scaled: int) -> str:
    """`231.1`, `0.0`: the platform writes no trailing zeros, but always a decimal point."""
    whole, rest = divmod(abs(scaled), UNIT)
    decimals = f"{rest:04d}".rstrip("0") or "0"
    return f"{'-' if scaled < 0 else ''}{whole}.{decimals}"


def instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def normal_instant(text: str) -> str:
    if len(text) == 20 and text[-1] == "Z":  # noqa: PLR2004  (already `YYYY-MM-DDTHH:MM:SSZ`)
        return text
    return instant(datetime.fromisoformat(text))
