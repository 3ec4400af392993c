"""Facts: what the shop last stated, frozen. The later statement (`stated_at`) wins; everything else is computed.

Instants are epoch microseconds, money ten-thousandths of the shop's currency (`shopMoney`), ids plain integers:
the form in which facts travel in bulk. Personal fields stand apart in `PersonFact`, so that one delete redacts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFact:
    platform_id: int
    domain: str
    name: str
    currency: str
    timezone: str  # IANA name
    primary_host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """Who the customer is. Encrypted at rest; the engine never needs it."""

    display_name: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFact:
    """A field that the statement does not carry is None and leaves what an earlier statement said
    (webhooks carry neither tags nor consent since 2025-01); `tags` None means not stated, () means none."""

    id: int
    created_at: int
    stated_at: int
    person: PersonFact | None
    account_status: str | None
    email_domain: str | None
    email_status: str | None
    sms_status: str | None
    language: str | None
    tags: tuple[str, ...] | None
    country: str | None
    region: str | None  # ISO 3166-2, "US-CA"
    city: str | None  # "US-CA-LosAngeles"
    shop_orders: int | None  # the shop's own lifetime figures, beside ours
    shop_spend: int | None
    shop_last_order_at: int | None
    spend_tier: str | None
    shop_rfm_group: str | None


class LineFact(NamedTuple):
    """A tuple, because most of what a shop states are these: made four times as fast as a frozen dataclass."""

    id: int
    product_id: int | None
    variant_id: int | None
    title: str
    sku: str | None
    quantity: int  # as ordered
    current_quantity: int  # after refunds and edits
    total: int  # discounted total of the line


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    id: int
    at: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """`customer_id` None is a guest order. `refunds` None: not stated (keep); () means none."""

    id: int
    name: str
    customer_id: int | None
    created_at: int
    processed_at: int
    stated_at: int
    cancelled_at: int | None
    test: bool
    currency: str
    financial_status: str | None
    total: int
    current_total: int
    refunded: int
    discounts: int
    shipping: int
    discount_codes: tuple[str, ...]
    app_id: int | None
    location_id: int | None
    lines: tuple[LineFact, ...]
    refunds: tuple[RefundFact, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFact:
    id: int
    title: str
    sku: str | None
    price: int | None
    available: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFact:
    id: int
    title: str
    handle: str
    status: str  # ACTIVE, ARCHIVED, DRAFT
    product_type: str
    vendor: str
    tags: tuple[str, ...]
    category: str | None
    gift_card: bool
    created_at: int
    stated_at: int
    published_at: int | None
    inventory: int | None
    price: int | None  # lowest variant price
    image_url: str | None
    variants: tuple[VariantFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitFact:
    """One thing that a webhook says of a customer beside whole statements. `kind` tag: `name` is the folded tag and
    `value` its spelling, None when it was taken away; email or sms: the consent; totals: JSON of orders and spend."""

    customer_id: int
    kind: str
    name: str
    value: str | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFact:
    """A checkout without the person. `completed_at` None: not (yet) an order. `customer_id` None: of a guest."""

    id: int
    customer_id: int | None
    created_at: int
    stated_at: int
    completed_at: int | None
    total: int
    items: int
