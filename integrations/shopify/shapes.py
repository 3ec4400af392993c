"""The Admin API's nodes and bulk lines as typed structs: the fields Rebloom reads, the rest is ignored.

`gc=False`: none of them can hold itself, and an export has millions.
"""

from __future__ import annotations

from msgspec import Struct, field

from integrations.shopify.reading import Quantity


class Ref(Struct, gc=False):
    id: str


class Money(Struct, rename="camel", gc=False):
    amount: str
    currency_code: str


class MoneyBag(Struct, rename="camel", gc=False):
    shop_money: Money


class Email(Struct, rename="camel", gc=False):
    email_address: str | None = None
    marketing_state: str | None = None


class SmsConsent(Struct, gc=False):
    state: str | None = None


class Phone(Struct, rename="camel", gc=False):
    phone_number: str | None = None
    marketing_state: str | None = None
    sms_marketing_consent: SmsConsent | None = None


class Address(Struct, rename="camel", gc=False):
    country_code: str | None = field(default=None, name="countryCodeV2")
    province_code: str | None = None
    city: str | None = None


class LastOrder(Struct, rename="camel", gc=False):
    processed_at: str | None = None


class Statistics(Struct, rename="camel", gc=False):
    predicted_spend_tier: str | None = None
    rfm_group: str | None = None


class Customer(Struct, rename="camel", gc=False):
    id: str
    created_at: str
    updated_at: str
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: Email | None = field(default=None, name="defaultEmailAddress")
    phone: Phone | None = field(default=None, name="defaultPhoneNumber")
    address: Address | None = field(default=None, name="defaultAddress")
    state: str | None = None
    locale: str | None = None
    tags: list[str] = []
    number_of_orders: str | int | None = None
    amount_spent: Money | None = None
    last_order: LastOrder | None = None
    statistics: Statistics | None = None


class Refund(Struct, rename="camel", gc=False):
    id: str
    created_at: str | None = None
    processed_at: str | None = None
    total: MoneyBag | None = field(default=None, name="totalRefundedSet")


class Line(Struct, rename="camel", gc=False):
    id: str
    quantity: Quantity
    title: str = ""
    sku: str | None = None
    current_quantity: Quantity | None = None
    product: Ref | None = None
    variant: Ref | None = None
    total: MoneyBag | None = field(default=None, name="discountedTotalSet")
    undiscounted: MoneyBag | None = field(default=None, name="originalTotalSet")
    parent: str | None = field(default=None, name="__parentId")


class LineEdge(Struct, gc=False):
    node: Line


class Lines(Struct, gc=False):
    """A connection inside a node: `nodes` or `edges`, as the document asked."""

    nodes: list[Line] = []
    edges: list[LineEdge] = []


class Order(Struct, rename="camel", gc=False):
    id: str
    created_at: str
    updated_at: str
    total: MoneyBag = field(name="totalPriceSet")
    name: str = ""
    processed_at: str | None = None
    cancelled_at: str | None = None
    test: bool = False
    financial_status: str | None = field(default=None, name="displayFinancialStatus")
    current_total: MoneyBag | None = field(default=None, name="currentTotalPriceSet")
    refunded: MoneyBag | None = field(default=None, name="totalRefundedSet")
    discounts: MoneyBag | None = field(default=None, name="totalDiscountsSet")
    shipping: MoneyBag | None = field(default=None, name="totalShippingPriceSet")
    discount_codes: list[str] = []
    customer: Ref | None = None
    app: Ref | None = None
    refunds: list[Refund] | None = None
    lines: Lines | None = field(default=None, name="lineItems")


class CheckoutLine(Struct, gc=False):
    quantity: Quantity


class CheckoutLines(Struct, gc=False):
    nodes: list[CheckoutLine] = []


class Checkout(Struct, rename="camel", gc=False):
    id: str
    created_at: str
    updated_at: str
    total: MoneyBag = field(name="totalPriceSet")
    completed_at: str | None = None
    customer: Ref | None = None
    lines: CheckoutLines | None = field(default=None, name="lineItems")


class Category(Struct, rename="camel", gc=False):
    full_name: str | None = None


class Prices(Struct, rename="camel", gc=False):
    lowest: Money | None = field(default=None, name="minVariantPrice")


class Image(Struct, gc=False):
    url: str | None = None


class Preview(Struct, gc=False):
    image: Image | None = None


class Media(Struct, gc=False):
    preview: Preview | None = None


class Variant(Struct, rename="camel", gc=False):
    id: str
    title: str = ""
    sku: str | None = None
    price: str | None = None
    available: bool | None = field(default=None, name="availableForSale")
    parent: str | None = field(default=None, name="__parentId")


class VariantEdge(Struct, gc=False):
    node: Variant


class Variants(Struct, gc=False):
    nodes: list[Variant] = []
    edges: list[VariantEdge] = []


class Product(Struct, rename="camel", gc=False):
    id: str
    title: str
    created_at: str
    updated_at: str
    handle: str = ""
    status: str = "ACTIVE"
    product_type: str | None = None
    vendor: str | None = None
    tags: list[str] = []
    category: Category | None = None
    gift_card: bool = field(default=False, name="isGiftCard")
    published_at: str | None = None
    inventory: Quantity | None = field(default=None, name="totalInventory")
    media: Media | None = field(default=None, name="featuredMedia")
    prices: Prices | None = field(default=None, name="priceRangeV2")
    variants: Variants | None = None
