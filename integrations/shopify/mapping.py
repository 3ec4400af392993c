"""What the Admin GraphQL API states → facts: lines of bulk exports and nodes of single queries.

A bulk export is JSONL: one object a line, children (line items, variants) on lines of their own with `__parentId`,
before or after their parent. What a line is, its global id says. Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from integrations.shopify import shapes
from integrations.shopify.reading import (
    amount_of,
    clean,
    describe,
    email_domain,
    instant_of,
    instant_or_none,
    name,
    number_of,
    numbers_of,
    place,
    short,
    upper,
)
from plugin.domain.facts import (
    CheckoutFact,
    CustomerFact,
    LineFact,
    OrderFact,
    PersonFact,
    ProductFact,
    RefundFact,
    VariantFact,
)
from plugin.errors import BadStatementError

T = TypeVar("T")
CUSTOMER: Final = "gid://shopify/Customer/"
ORDER: Final = "gid://shopify/Order/"
LINE: Final = "gid://shopify/LineItem/"
REFUND: Final = "gid://shopify/Refund/"
PRODUCT: Final = "gid://shopify/Product/"
VARIANT: Final = "gid://shopify/ProductVariant/"
APP: Final = "gid://shopify/App/"
CHECKOUT: Final = "gid://shopify/AbandonedCheckout/"


class OrderLine(NamedTuple):
    """A line of an order that may stand elsewhere in the export."""

    order_id: int
    line: LineFact


class ProductVariant(NamedTuple):
    product_id: int
    variant: VariantFact


FlatLine = tuple[Any, ...]  # an OrderLine as one plain tuple: the order's id, then the line's fields in their order
Statement = CustomerFact | OrderFact | OrderLine | ProductFact | ProductVariant


def read_line(line: bytes) -> Statement:
    """One line of a bulk export. Raises BadStatementError naming what is wrong with it."""
    try:
        gid = _HEAD.decode(line).id
        decoder, fact = _KINDS.get(gid[: gid.rfind("/") + 1], _UNKNOWN)
        return fact(decoder.decode(line))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadStatementError(f"This line of the export cannot be read: {describe(error)}.") from None


def read_children(lines: Sequence[bytes]) -> list[FlatLine] | None:
    """The same for lines that are likely line items, decoded together, since most lines are these. None when one
    of them is something else, or cannot be read so: `read_line` says which."""
    try:
        stated = _LINE_DECODER.decode_lines(b"".join(lines))
        numbers = numbers_of([line.id for line in stated], LINE)
        flat = [(_parent(line), *_line_fields(line, number)) for line, number in zip(stated, numbers, strict=True)]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return flat if len(flat) == len(lines) else None


def order_from_node(node: Mapping[str, Any]) -> OrderFact:
    """An order with its lines, from a query for one order or a page. Raises BadStatementError."""
    return _from_node(node, shapes.Order, _order)


def customer_from_node(node: Mapping[str, Any]) -> CustomerFact:
    """Raises BadStatementError."""
    return _from_node(node, shapes.Customer, _customer)


def product_from_node(node: Mapping[str, Any]) -> ProductFact:
    """Raises BadStatementError."""
    return _from_node(node, shapes.Product, _product)


def checkout_from_node(node: Mapping[str, Any]) -> CheckoutFact:
    """A checkout that was left, by the number that webhooks call it by; its units are those of the lines that came.
    Raises BadStatementError."""
    return _from_node(node, shapes.Checkout, _checkout)


def _from_node(node: Mapping[str, Any], shape: type[Any], fact: Callable[[Any], T]) -> T:
    try:
        return fact(msgspec.convert(node, shape))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadStatementError(f"The shop's answer cannot be read: {describe(error)}.") from None


def _customer(stated: shapes.Customer) -> CustomerFact:
    email = stated.email.email_address if stated.email else None
    address = stated.address or shapes.Address()
    country, region, city = place(address.country_code, address.province_code, address.city)
    statistics = stated.statistics or shapes.Statistics()
    return CustomerFact(
        id=number_of(stated.id, CUSTOMER),
        created_at=instant_of(stated.created_at),
        stated_at=instant_of(stated.updated_at),
        person=_person(stated, email),
        account_status=upper(stated.state),
        email_domain=email_domain(email),
        email_status=upper(stated.email.marketing_state) if stated.email else None,
        sms_status=_sms_status(stated.phone),
        language=short(stated.locale, 32),
        tags=tuple(map(clean, stated.tags)),
        country=country,
        region=region,
        city=city,
        shop_orders=_count(stated.number_of_orders),
        shop_spend=_amount(stated.amount_spent),
        shop_last_order_at=instant_or_none(stated.last_order.processed_at) if stated.last_order else None,
        spend_tier=short(statistics.predicted_spend_tier, 16),
        shop_rfm_group=short(statistics.rfm_group, 32),
    )


def _person(stated: shapes.Customer, email: str | None) -> PersonFact:
    whole = " ".join(part for part in (stated.first_name, stated.last_name) if part) or None
    return PersonFact(
        display_name=short(stated.display_name or whole or email),
        first_name=short(stated.first_name),
        last_name=short(stated.last_name),
        email=short(email),
        phone=short(stated.phone.phone_number) if stated.phone else None,
    )


def _sms_status(phone: shapes.Phone | None) -> str | None:
    """The consent object is new in 2026-10; before, the state stood on the phone number itself."""
    if phone is None:
        return None
    consent = phone.sms_marketing_consent or shapes.SmsConsent()
    return upper(consent.state or phone.marketing_state)


def _count(text: str | int | None) -> int | None:
    """`numberOfOrders` is a string of digits."""
    if text is None:
        return None
    count = int(text)
    if not 0 <= count < 2**31:
        raise ValueError(f"{count} is not a number of orders")
    return count


def _amount(money: shapes.Money | None) -> int | None:
    return None if money is None else amount_of(money.amount)


def _of_bag(bag: shapes.MoneyBag | None) -> int | None:
    return None if bag is None else amount_of(bag.shop_money.amount)


def _order(stated: shapes.Order) -> OrderFact:
    """Money is the shop's currency throughout, so the currency is that of the total, not of the checkout."""
    total = amount_of(stated.total.shop_money.amount)
    refunded = _of_bag(stated.refunded) or 0
    current = _of_bag(stated.current_total)
    created_at = instant_of(stated.created_at)
    processed_at = instant_or_none(stated.processed_at)
    lines = stated.lines or shapes.Lines()
    return OrderFact(
        id=number_of(stated.id, ORDER),
        name=name(stated.name),
        customer_id=number_of(stated.customer.id, CUSTOMER) if stated.customer else None,
        created_at=created_at,
        processed_at=created_at if processed_at is None else processed_at,
        stated_at=instant_of(stated.updated_at),
        cancelled_at=instant_or_none(stated.cancelled_at),
        test=stated.test,
        currency=name(stated.total.shop_money.currency_code, 3),
        financial_status=upper(stated.financial_status),
        total=total,
        current_total=total - refunded if current is None else current,
        refunded=refunded,
        discounts=_of_bag(stated.discounts) or 0,
        shipping=_of_bag(stated.shipping) or 0,
        discount_codes=tuple(map(clean, stated.discount_codes)),
        app_id=number_of(stated.app.id, APP) if stated.app else None,
        location_id=None,
        lines=tuple(map(_line_fact, (*lines.nodes, *(edge.node for edge in lines.edges)))),
        refunds=None if stated.refunds is None else tuple(map(_refund, stated.refunds)),
    )


def _refund(stated: shapes.Refund) -> RefundFact:
    """Raises ValueError for a refund without an instant."""
    at = stated.processed_at or stated.created_at
    if at is None:
        raise ValueError("a refund has no createdAt")
    return RefundFact(id=number_of(stated.id, REFUND), at=instant_of(at), amount=_of_bag(stated.total) or 0)


def _line_fields(stated: shapes.Line, number: int) -> tuple[Any, ...]:
    """The fields of a LineFact in their order. A plain tuple: a shop has millions of these."""
    current, total = stated.current_quantity, stated.total or stated.undiscounted
    return (
        number,
        _seen(stated.product.id, PRODUCT) if stated.product else None,
        _seen(stated.variant.id, VARIANT) if stated.variant else None,
        _seen_title(stated.title),
        _seen_sku(stated.sku),
        stated.quantity,
        stated.quantity if current is None else current,
        amount_of(total.shop_money.amount) if total else 0,
    )


def _line_fact(stated: shapes.Line) -> LineFact:
    return LineFact(*_line_fields(stated, number_of(stated.id, LINE)))


def _order_line(stated: shapes.Line) -> OrderLine:
    return OrderLine(_parent(stated), _line_fact(stated))


def _parent(stated: shapes.Line) -> int:
    if stated.parent is None:
        raise ValueError("a line item has no __parentId")
    return _seen(stated.parent, ORDER)


def _checkout(stated: shapes.Checkout) -> CheckoutFact:
    return CheckoutFact(
        id=number_of(stated.id, CHECKOUT),
        customer_id=number_of(stated.customer.id, CUSTOMER) if stated.customer else None,
        created_at=instant_of(stated.created_at),
        stated_at=instant_of(stated.updated_at),
        completed_at=instant_or_none(stated.completed_at),
        total=amount_of(stated.total.shop_money.amount),
        items=sum(line.quantity for line in stated.lines.nodes) if stated.lines else 0,
    )


def _product(stated: shapes.Product) -> ProductFact:
    variants = stated.variants or shapes.Variants()
    preview = stated.media.preview if stated.media else None
    return ProductFact(
        id=number_of(stated.id, PRODUCT),
        title=clean(stated.title),
        handle=name(stated.handle),
        status=upper(stated.status, 16) or "ACTIVE",
        product_type=name(stated.product_type),
        vendor=name(stated.vendor),
        tags=tuple(map(clean, stated.tags)),
        category=short(stated.category.full_name) if stated.category else None,
        gift_card=stated.gift_card,
        created_at=instant_of(stated.created_at),
        stated_at=instant_of(stated.updated_at),
        published_at=instant_or_none(stated.published_at),
        inventory=stated.inventory,
        price=_amount(stated.prices.lowest) if stated.prices else None,
        image_url=preview.image.url if preview and preview.image else None,
        variants=tuple(map(_variant_fact, (*variants.nodes, *(edge.node for edge in variants.edges)))),
    )


def _variant_fact(stated: shapes.Variant) -> VariantFact:
    return VariantFact(
        id=number_of(stated.id, VARIANT),
        title=clean(stated.title),
        sku=short(stated.sku),
        price=None if stated.price is None else amount_of(stated.price),
        available=stated.available,
    )


def _product_variant(stated: shapes.Variant) -> ProductVariant:
    if stated.parent is None:
        raise ValueError("a variant has no __parentId")
    return ProductVariant(number_of(stated.parent, PRODUCT), _variant_fact(stated))


def _stranger(stated: shapes.Ref) -> Statement:
    raise ValueError(f"{stated.id[:80]!r} is of a kind that was not asked for")


# What comes again and again in an export.
_seen: Final = lru_cache(maxsize=20_000)(number_of)
_seen_title: Final = lru_cache(maxsize=20_000)(clean)
_seen_sku: Final = lru_cache(maxsize=20_000)(short)
_LINE_DECODER: Final = msgspec.json.Decoder(shapes.Line)
_HEAD: Final = msgspec.json.Decoder(shapes.Ref)
_UNKNOWN: Final[tuple[Any, Callable[[Any], Statement]]] = (_HEAD, _stranger)
_KINDS: Final[dict[str, tuple[Any, Callable[[Any], Statement]]]] = {
    CUSTOMER: (msgspec.json.Decoder(shapes.Customer), _customer),
    ORDER: (msgspec.json.Decoder(shapes.Order), _order),
    LINE: (_LINE_DECODER, _order_line),
    PRODUCT: (msgspec.json.Decoder(shapes.Product), _product),
    VARIANT: (msgspec.json.Decoder(shapes.Variant), _product_variant),
}
