"""What webhooks state → facts. Their bodies are the platform's REST shapes: snake case, plain numeric ids, money as
strings. Customer payloads carry neither tags nor consent since version 2025-01; order payloads carry all refunds.

https://shopify.dev/docs/api/webhooks (payloads by topic)
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec import Struct

from integrations.shopify.mapping import CUSTOMER
from integrations.shopify.reading import (
    Id,
    Quantity,
    clean,
    email_domain,
    instant_of,
    instant_or_none,
    name,
    number_of,
    place,
    read_body,
    scaled,
    short,
    upper,
)
from plugin.domain.facts import (
    CustomerFact,
    LineFact,
    OrderFact,
    PersonFact,
    ProductFact,
    RefundFact,
    VariantFact,
)


class _Ref(Struct):
    id: Id


class _Money(Struct):
    amount: Decimal
    currency_code: str | None = None


class _MoneyBag(Struct):
    shop_money: _Money


class _Address(Struct):
    country_code: str | None = None
    province_code: str | None = None
    city: str | None = None


class _Customer(Struct):
    id: Id
    created_at: str
    updated_at: str
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    state: str | None = None
    default_address: _Address | None = None


class _Transaction(Struct):
    amount: Decimal
    kind: str = "refund"
    status: str = "success"
    amount_set: _MoneyBag | None = None


class _Refund(Struct):
    id: Id
    created_at: str
    order_id: Id | None = None
    processed_at: str | None = None
    transactions: list[_Transaction] = []


class _Allocation(Struct):
    amount: Decimal
    amount_set: _MoneyBag | None = None


class _Line(Struct):
    id: Id
    quantity: Quantity
    price: Decimal
    title: str | None = None
    sku: str | None = None
    product_id: Id | None = None
    variant_id: Id | None = None
    current_quantity: Quantity | None = None
    price_set: _MoneyBag | None = None
    total_discount: Decimal | None = None
    discount_allocations: list[_Allocation] = []


class _Code(Struct):
    code: str


class _Order(Struct):
    id: Id
    created_at: str
    updated_at: str
    total_price: Decimal
    name: str = ""
    processed_at: str | None = None
    cancelled_at: str | None = None
    test: bool = False
    currency: str | None = None
    financial_status: str | None = None
    total_price_set: _MoneyBag | None = None
    current_total_price: Decimal | None = None
    current_total_price_set: _MoneyBag | None = None
    total_discounts: Decimal | None = None
    total_discounts_set: _MoneyBag | None = None
    total_shipping_price_set: _MoneyBag | None = None
    customer: _Ref | None = None
    app_id: Id | None = None
    location_id: Id | None = None
    discount_codes: list[_Code] = []
    line_items: list[_Line] = []
    refunds: list[_Refund] | None = None


class _Image(Struct):
    src: str | None = None


class _Category(Struct):
    full_name: str | None = None


class _Variant(Struct):
    id: Id
    title: str | None = None
    sku: str | None = None
    price: Decimal | None = None
    inventory_quantity: Quantity | None = None
    inventory_policy: str | None = None
    inventory_management: str | None = None


class _Product(Struct):
    id: Id
    title: str
    created_at: str
    updated_at: str
    handle: str | None = None
    status: str | None = None
    product_type: str | None = None
    vendor: str | None = None
    tags: str = ""
    category: _Category | None = None
    published_at: str | None = None
    image: _Image | None = None
    variants: list[_Variant] = []


class _Merge(Struct):
    admin_graphql_api_customer_kept_id: str
    admin_graphql_api_customer_deleted_id: str
    status: str | None = None


class _EditedOrder(Struct):
    order_id: Id


class _Edit(Struct):
    order_edit: _EditedOrder


class _Scopes(Struct):
    current: list[str]


class _Named(Struct):
    id: Id
    email: str | None = None
    phone: str | None = None


class _Redaction(Struct):
    customer: _Named


_MERGED: Final = frozenset({"completed", "succeeded"})


@dataclass(frozen=True, slots=True)
class RefundStatement:
    order_id: int
    refund: RefundFact


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A customer, and the `words` by which a text about them is known: number, address, telephone."""

    id: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """`done` False: the shop tells of a merge that failed, or is not finished."""

    kept: int
    folded: int
    done: bool


def read_customer(body: bytes) -> CustomerFact:
    """`customers/create`, `customers/update`. Raises BadStatementError, as all readers here do."""
    return read_body(body, _Customer, _customer)


def read_order(body: bytes) -> OrderFact:
    return read_body(body, _Order, _order)


def read_refund(body: bytes) -> RefundStatement:
    return read_body(body, _Refund, _refund_statement)


def read_product(body: bytes) -> ProductFact:
    return read_body(body, _Product, _product)


def read_id(body: bytes) -> int:
    """The `id` of a deletion."""
    return read_body(body, _Ref, lambda stated: stated.id)


def read_merge(body: bytes) -> Merge:
    return read_body(body, _Merge, _merge)


def read_edited_order_id(body: bytes) -> int:
    """`orders/edited` tells what changed, not the order."""
    return read_body(body, _Edit, lambda stated: stated.order_edit.order_id)


def read_scopes(body: bytes) -> frozenset[str]:
    """The scopes granted now (`app/scopes_update`)."""
    return read_body(body, _Scopes, lambda stated: frozenset(map(clean, stated.current)))


def read_person(body: bytes) -> NamedPerson:
    """Of `customers/redact` and `customers/data_request`."""

    def named(stated: _Redaction) -> NamedPerson:
        who = stated.customer
        return NamedPerson(who.id, tuple(word for word in (str(who.id), who.email, who.phone) if word))

    return read_body(body, _Redaction, named)


def _customer(stated: _Customer) -> CustomerFact:
    address = stated.default_address or _Address()
    country, region, city = place(address.country_code, address.province_code, address.city)
    whole = " ".join(part for part in (stated.first_name, stated.last_name) if part) or None
    return CustomerFact(
        id=stated.id,
        created_at=instant_of(stated.created_at),
        stated_at=instant_of(stated.updated_at),
        person=PersonFact(
            display_name=short(whole or stated.email),
            first_name=short(stated.first_name),
            last_name=short(stated.last_name),
            email=short(stated.email),
            phone=short(stated.phone),
        ),
        account_status=upper(stated.state),
        email_domain=email_domain(stated.email),
        email_status=None,
        sms_status=None,
        language=None,
        tags=None,
        country=country,
        region=region,
        city=city,
        shop_orders=None,
        shop_spend=None,
        shop_last_order_at=None,
        spend_tier=None,
        shop_rfm_group=None,
    )


def _order(stated: _Order) -> OrderFact:
    """A `…_set` says the amount in the shop's currency; the plain field beside it is in the shop's currency too."""
    refunds = None if stated.refunds is None else tuple(map(_refund, stated.refunds))
    refunded = sum(refund.amount for refund in refunds or ())
    total = _money(stated.total_price_set, stated.total_price)
    created_at = instant_of(stated.created_at)
    processed_at = instant_or_none(stated.processed_at)
    cancelled_at = instant_or_none(stated.cancelled_at)
    shop_money = stated.total_price_set.shop_money if stated.total_price_set else None
    shipping = stated.total_shipping_price_set
    return OrderFact(
        id=stated.id,
        name=name(stated.name),
        customer_id=stated.customer.id if stated.customer else None,
        created_at=created_at,
        processed_at=created_at if processed_at is None else processed_at,
        stated_at=instant_of(stated.updated_at),
        cancelled_at=cancelled_at,
        test=stated.test,
        currency=name((shop_money and shop_money.currency_code) or stated.currency, 3),
        financial_status=upper(stated.financial_status),
        total=total,
        current_total=_current(stated, total - refunded),
        refunded=refunded,
        discounts=_money(stated.total_discounts_set, stated.total_discounts or Decimal(0)),
        shipping=_money(shipping, Decimal(0)),
        discount_codes=tuple(clean(code.code) for code in stated.discount_codes),
        app_id=stated.app_id,
        location_id=stated.location_id,
        lines=tuple(map(_line, stated.line_items)),
        refunds=refunds,
    )


def _current(stated: _Order, otherwise: int) -> int:
    if stated.current_total_price is None and stated.current_total_price_set is None:
        return 0 if stated.cancelled_at else otherwise
    return _money(stated.current_total_price_set, stated.current_total_price or Decimal(0))


def _money(bag: _MoneyBag | None, plain: Decimal) -> int:
    return scaled(bag.shop_money.amount if bag else plain)


def _line(stated: _Line) -> LineFact:
    """What the customer paid for the line: price x quantity less the discounts allocated to it."""
    allocated = sum(_money(part.amount_set, part.amount) for part in stated.discount_allocations)
    discount = allocated or scaled(stated.total_discount or Decimal(0))
    current = stated.current_quantity
    return LineFact(
        id=stated.id,
        product_id=stated.product_id,
        variant_id=stated.variant_id,
        title=clean(stated.title or ""),
        sku=short(stated.sku),
        quantity=stated.quantity,
        current_quantity=stated.quantity if current is None else current,
        total=scaled((stated.price_set.shop_money.amount if stated.price_set else stated.price) * stated.quantity)
        - discount,
    )


def _refund(stated: _Refund) -> RefundFact:
    """The money that went back; a refund that only restocks has none."""
    return RefundFact(
        id=stated.id,
        at=instant_of(stated.processed_at or stated.created_at),
        amount=sum(
            _money(part.amount_set, part.amount)
            for part in stated.transactions
            if part.kind == "refund" and part.status == "success"
        ),
    )


def _refund_statement(stated: _Refund) -> RefundStatement:
    if stated.order_id is None:
        raise ValueError("a refund has no order_id")
    return RefundStatement(stated.order_id, _refund(stated))


def _product(stated: _Product) -> ProductFact:
    variants = tuple(map(_variant, stated.variants))
    counts = [variant.inventory_quantity for variant in stated.variants if variant.inventory_quantity is not None]
    return ProductFact(
        id=stated.id,
        title=clean(stated.title),
        handle=name(stated.handle),
        status=upper(stated.status, 16) or "ACTIVE",
        product_type=name(stated.product_type),
        vendor=name(stated.vendor),
        tags=tuple(tag.strip() for tag in clean(stated.tags).split(",") if tag.strip()),
        category=short(stated.category.full_name) if stated.category else None,
        gift_card=False,
        created_at=instant_of(stated.created_at),
        stated_at=instant_of(stated.updated_at),
        published_at=instant_or_none(stated.published_at),
        inventory=sum(counts) if counts else None,
        price=min((variant.price for variant in variants if variant.price is not None), default=None),
        image_url=clean(stated.image.src) if stated.image and stated.image.src else None,
        variants=variants,
    )


def _variant(stated: _Variant) -> VariantFact:
    return VariantFact(
        id=stated.id,
        title=clean(stated.title or ""),
        sku=short(stated.sku),
        price=None if stated.price is None else scaled(stated.price),
        available=_available(stated),
    )


def _available(stated: _Variant) -> bool | None:
    """A variant can be sold when it is not counted, may be oversold, or is in stock; None where nothing is said."""
    if stated.inventory_policy is None and stated.inventory_quantity is None:
        return None
    uncounted = stated.inventory_management is None
    return uncounted or stated.inventory_policy == "continue" or (stated.inventory_quantity or 0) > 0


def _merge(stated: _Merge) -> Merge:
    return Merge(
        kept=number_of(stated.admin_graphql_api_customer_kept_id, CUSTOMER),
        folded=number_of(stated.admin_graphql_api_customer_deleted_id, CUSTOMER),
        done=stated.status is None or stated.status.lower() in _MERGED,
    )
