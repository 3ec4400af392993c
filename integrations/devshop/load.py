"""Reading bulk-format JSONL (plain or gzip, children anywhere) into the dev shop's rows."""

from __future__ import annotations

import gc
import gzip
from contextlib import contextmanager
from sys import intern
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from integrations.devshop.rows import (
    Customer,
    Data,
    Line,
    Order,
    Product,
    Refund,
    Value,
    Variant,
    gid_number,
    money,
    normal_instant,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Amount(Struct, rename="camel", frozen=True):
    amount: str = "0.0"
    currency_code: str = "USD"


class Bag(Struct, rename="camel"):
    shop_money: Amount


class Ref(Struct):
    id: str


class RawEmail(Struct, rename="camel"):
    email_address: str | None = None
    marketing_state: str = "NOT_SUBSCRIBED"
    marketing_opt_in_level: str | None = None
    marketing_updated_at: str | None = None


class RawAddress(Struct, rename="camel"):
    country_code_v2: str | None = field(default=None, name="countryCodeV2")
    province_code: str | None = None
    city: str | None = None
    zip: str | None = None


class RawCustomer(Struct, rename="camel"):
    id: str
    created_at: str
    updated_at: str
    first_name: str | None = None
    last_name: str | None = None
    default_email_address: RawEmail | None = None
    state: str = "DISABLED"
    tags: list[str] = []
    note: str | None = None
    number_of_orders: str = "0"
    amount_spent: Amount = Amount()
    default_address: RawAddress | None = None
    locale: str = "en"


class RawRefund(Struct, rename="camel"):
    id: str
    created_at: str
    total_refunded_set: Bag


class RawOrderLine(Struct, rename="camel"):
    """A line of the orders file: an order, or (with `__parentId`) one of its line items."""

    id: str
    parent: str | None = field(default=None, name="__parentId")
    # of an order
    name: str = ""
    test: bool = False
    created_at: str = ""
    processed_at: str = ""
    updated_at: str = ""
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    display_financial_status: str | None = "PAID"
    total_price_set: Bag | None = None
    current_total_price_set: Bag | None = None
    total_shipping_price_set: Bag | None = None
    total_discounts_set: Bag | None = None
    total_refunded_set: Bag | None = None
    total_tax_set: Bag | None = None
    discount_codes: list[str] = []
    tags: list[str] = []
    customer: Ref | None = None
    refunds: list[RawRefund] = []
    # of a line item
    title: str = ""
    sku: str | None = None
    quantity: int = 0
    current_quantity: int | None = None
    product: Ref | None = None
    variant: Ref | None = None
    original_total_set: Bag | None = None
    discounted_total_set: Bag | None = None


class RawProductLine(Struct, rename="camel"):
    """A line of the products file: a product, or (with `__parentId`) one of its variants."""

    id: str
    parent: str | None = field(default=None, name="__parentId")
    title: str = ""
    handle: str = ""
    status: str = "ACTIVE"
    product_type: str = ""
    vendor: str = ""
    tags: list[str] = []
    created_at: str = ""
    updated_at: str = ""
    published_at: str | msgspec.UnsetType | None = msgspec.UNSET
    sku: str | None = None
    barcode: str | None = None
    price: str = "0.0"
    compare_at_price: str | None = None
    available_for_sale: bool = True
    inventory_quantity: int | None = 100
    position: int = 0


def load_data(folder: Path, *, orders_file: str = "orders") -> Data:
    """The rows of `customers`, `products` and `orders` `.jsonl` or `.jsonl.gz` in `folder`.

    `orders_file` may name another file of orders, such as `orders.ungrouped`.
    Raises FileNotFoundError when one is missing, msgspec.DecodeError when a line cannot be read.
    """
    with _collector_off():
        data = Data()
        for raw in _rows(_find(folder, "customers"), RawCustomer):
            _add_customer(data, raw)
        _add_products(data, _rows(_find(folder, "products"), RawProductLine))
        _add_orders(data, _rows(_find(folder, orders_file), RawOrderLine))
    return data


@contextmanager
def _collector_off() -> Iterator[None]:
    # Half a million new rows would make the cycle collector walk them again and again, and none forms a cycle.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"{folder} has no {name}.jsonl or {name}.jsonl.gz; point --data at a bulk-format folder")


def _rows(path: Path, kind: type[Any]) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(kind)
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            if not line.isspace():
                yield decoder.decode(line)


def _add_customer(data: Data, raw: RawCustomer) -> None:
    number = gid_number(raw.id)
    mail = raw.default_email_address or RawEmail()
    place = raw.default_address or RawAddress()
    data.currency = raw.amount_spent.currency_code
    data.customers[number] = Customer(
        id=number,
        created_at=normal_instant(raw.created_at),
        updated_at=normal_instant(raw.updated_at),
        first_name=raw.first_name,
        last_name=raw.last_name,
        email=mail.email_address,
        marketing_state=intern(mail.marketing_state),
        marketing_opt_in_level=mail.marketing_opt_in_level,
        marketing_updated_at=mail.marketing_updated_at,
        state=intern(raw.state),
        tags=raw.tags,
        note=raw.note,
        orders_count=int(raw.number_of_orders),
        amount_spent=money(raw.amount_spent.amount),
        country=place.country_code_v2,
        province=place.province_code,
        city=place.city,
        zip=place.zip,
        locale=intern(raw.locale),
    )


def _add_products(data: Data, rows: Iterator[RawProductLine]) -> None:
    children: list[RawProductLine] = []
    for raw in rows:
        if raw.parent is not None:
            children.append(raw)
            continue
        number = gid_number(raw.id)
        created = normal_instant(raw.created_at)
        data.products[number] = Product(
            id=number,
            title=raw.title,
            handle=raw.handle or f"product-{number}",
            created_at=created,
            updated_at=normal_instant(raw.updated_at),
            published_at=created if raw.published_at is msgspec.UNSET else raw.published_at,
            status=intern(raw.status),
            product_type=intern(raw.product_type),
            vendor=intern(raw.vendor),
            tags=raw.tags,
        )
    for raw in children:
        _add_variant(data.products[gid_number(raw.parent or "")], raw)


def _add_variant(product: Product, raw: RawProductLine) -> None:
    product.variants.append(
        Variant(
            id=gid_number(raw.id),
            product_id=product.id,
            title=raw.title or "Default Title",
            sku=raw.sku,
            price=money(raw.price),
            created_at=product.created_at,
            updated_at=normal_instant(raw.updated_at) if raw.updated_at else product.updated_at,
            compare_at=None if raw.compare_at_price is None else money(raw.compare_at_price),
            barcode=raw.barcode,
            available=raw.available_for_sale,
            inventory=raw.inventory_quantity,
            position=raw.position or len(product.variants) + 1,
        )
    )


def _add_orders(data: Data, rows: Iterator[RawOrderLine]) -> None:
    early: dict[str, list[Line]] = {}  # line items read before their order
    found: dict[str, list[Line]] = {}
    amounts: dict[str, int] = {}

    def scaled(bag: Bag | None) -> int:
        if bag is None:
            return 0
        text = bag.shop_money.amount
        known = amounts.get(text)
        if known is None:
            known = amounts[text] = money(text)
        return known

    for raw in rows:
        if raw.parent is None:
            order = _order(raw, scaled)
            data.orders[order.id] = order
            order.lines = found[raw.id] = early.pop(raw.id, [])
            if raw.total_price_set:
                data.currency = raw.total_price_set.shop_money.currency_code
        else:
            lines = found.get(raw.parent)
            if lines is None:
                lines = early.setdefault(raw.parent, [])
            lines.append(_line(raw, scaled))
    if early:
        raise ValueError(f"{len(early)} orders that line items name are missing, the first is {next(iter(early))}")


def _order(raw: RawOrderLine, scaled: Value) -> Order:
    number = gid_number(raw.id)
    total = scaled(raw.total_price_set)
    created = normal_instant(raw.created_at)
    processed = created if raw.processed_at == raw.created_at else normal_instant(raw.processed_at or created)
    updated = created if raw.updated_at == raw.created_at else normal_instant(raw.updated_at or created)
    refunds = [
        Refund(
            id=gid_number(refund.id),
            order_id=number,
            created_at=normal_instant(refund.created_at),
            total=scaled(refund.total_refunded_set),
        )
        for refund in raw.refunds
    ]
    return Order(
        id=number,
        name=raw.name or f"#{number}",
        created_at=created,
        processed_at=processed,
        updated_at=updated,
        customer_id=None if raw.customer is None else gid_number(raw.customer.id),
        total=total,
        current_total=total if raw.current_total_price_set is None else scaled(raw.current_total_price_set),
        test=raw.test,
        cancelled_at=None if raw.cancelled_at is None else normal_instant(raw.cancelled_at),
        cancel_reason=raw.cancel_reason,
        financial_status=None if raw.display_financial_status is None else intern(raw.display_financial_status),
        shipping=scaled(raw.total_shipping_price_set),
        discounts=scaled(raw.total_discounts_set),
        refunded=scaled(raw.total_refunded_set),
        tax=scaled(raw.total_tax_set),
        discount_codes=raw.discount_codes,
        tags=raw.tags,
        refunds=refunds,
    )


def _line(raw: RawOrderLine, scaled: Value) -> Line:
    original = scaled(raw.original_total_set or raw.discounted_total_set)
    return Line(
        id=gid_number(raw.id),
        title=intern(raw.title),
        sku=None if raw.sku is None else intern(raw.sku),
        quantity=raw.quantity,
        current_quantity=raw.quantity if raw.current_quantity is None else raw.current_quantity,
        product_id=None if raw.product is None else gid_number(raw.product.id),
        variant_id=None if raw.variant is None else gid_number(raw.variant.id),
        original_total=original,
        discounted_total=original if raw.discounted_total_set is None else scaled(raw.discounted_total_set),
    )
