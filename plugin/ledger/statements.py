"""Facts as rows: how each table meets a statement it has heard before. The later statement of the shop wins; an equal
one restates. A row that is gone (deleted, or folded into another customer) stays gone, whatever arrives later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from plugin.domain.facts import CustomerFact, LineFact, OrderFact, ProductFact, RefundFact, VariantFact
from plugin.domain.orders import voided_at
from plugin.domain.text import list_text
from plugin.ledger.database import Row, Upsert

_GONE: Final = "customers.deleted_at IS NULL AND customers.merged_into IS NULL"
_STATED: Final = ("created_at", "account_status", "email_domain", "country", "region", "city")
# What only the Admin API states; webhooks carry none of it.
_TRAITS: Final = (
    "email_status",
    "sms_status",
    "language",
    "tags",
    "shop_orders",
    "shop_spend",
    "shop_last_order_at",
    "spend_tier",
    "shop_rfm_group",
)


def _later(table: str, column: str) -> str:
    return (
        f"CASE WHEN excluded.{column} >= COALESCE({table}.{column}, excluded.{column})"
        f" THEN excluded.{column} ELSE {table}.{column} END"
    )


def _kept_unless_stated(column: str) -> tuple[str, str]:
    """The later statement's value; where it says nothing, what the other one said."""
    return column, (
        f"CASE WHEN excluded.stated_at >= customers.stated_at THEN COALESCE(excluded.{column}, customers.{column})"
        f" ELSE COALESCE(customers.{column}, excluded.{column}) END"
    )


def _trait(column: str) -> tuple[str, str]:
    return column, (
        "CASE WHEN excluded.traits_stated_at >= COALESCE(customers.traits_stated_at, excluded.traits_stated_at)"
        f" THEN excluded.{column} ELSE customers.{column} END"
    )


CUSTOMERS: Final = Upsert(
    table="customers",
    columns=("shop_id", "id", "stated_at", "traits_stated_at", *_STATED, *_TRAITS),
    key=("shop_id", "id"),
    merge=(
        ("stated_at", _later("customers", "stated_at")),
        *(_kept_unless_stated(column) for column in _STATED),
        *(_trait(column) for column in _TRAITS),
        (
            "traits_stated_at",
            (
                "CASE WHEN excluded.traits_stated_at IS NULL THEN customers.traits_stated_at"
                f" ELSE {_later('customers', 'traits_stated_at')} END"
            ),
        ),
    ),
    where=_GONE,
)

PERSONS: Final = Upsert(
    table="persons",
    columns=("shop_id", "id", "sealed", "stated_at"),
    key=("shop_id", "id"),
    update=("sealed", "stated_at"),
    where="persons.stated_at <= excluded.stated_at",
)

_PRODUCT: Final = (
    "title", "handle", "status", "product_type", "vendor", "tags", "category", "gift_card", "created_at", "stated_at",
    "published_at", "inventory", "price", "image_url", "available",
)  # fmt: skip
PRODUCTS: Final = Upsert(
    table="products",
    columns=("shop_id", "id", *_PRODUCT),
    key=("shop_id", "id"),
    update=_PRODUCT,
    where="products.stated_at <= excluded.stated_at AND products.deleted_at IS NULL",
)

_VARIANT: Final = ("product_id", "title", "sku", "price", "available", "stated_at")
VARIANTS: Final = Upsert(
    table="variants",
    columns=("shop_id", "id", *_VARIANT),
    key=("shop_id", "id"),
    update=_VARIANT,
    where="variants.stated_at <= excluded.stated_at",
)

_ORDER: Final = (
    "customer_id", "name", "created_at", "processed_at", "stated_at", "cancelled_at", "voided_at", "test", "counted",
    "discounted", "currency", "financial_status", "total", "current_total", "refunded", "discounts", "shipping",
    "discount_codes", "app_id", "location_id",
)  # fmt: skip
# `items` is the sum of the order's lines, which may stand elsewhere in an export: counted afterwards.
ORDERS: Final = Upsert(
    table="orders",
    columns=("shop_id", "id", *_ORDER, "items"),
    key=("shop_id", "id"),
    update=_ORDER,
    where="orders.stated_at <= excluded.stated_at AND orders.deleted_at IS NULL",
)

_LINE: Final = ("product_id", "variant_id", "title", "sku", "quantity", "current_quantity", "total", "stated_at")
LINES: Final = Upsert(
    table="order_lines",
    columns=("shop_id", "order_id", "id", *_LINE),
    key=("shop_id", "order_id", "id"),
    update=_LINE,
    where="order_lines.stated_at <= excluded.stated_at",
)

_ORDER_AND_LINE: Final = itemgetter(0, 1)

REFUNDS: Final = Upsert(
    table="refunds",
    columns=("shop_id", "order_id", "id", "at", "amount"),
    key=("shop_id", "order_id", "id"),
    update=("at", "amount"),
)


def customer_row(shop_id: int, fact: CustomerFact) -> Row:
    traits_at = None if fact.tags is None else fact.stated_at
    return (
        shop_id,
        fact.id,
        fact.stated_at,
        traits_at,
        fact.created_at,
        fact.account_status,
        fact.email_domain,
        fact.country,
        fact.region,
        fact.city,
        fact.email_status,
        fact.sms_status,
        fact.language,
        None if fact.tags is None else json.dumps(fact.tags, ensure_ascii=False),
        fact.shop_orders,
        fact.shop_spend,
        fact.shop_last_order_at,
        fact.spend_tier,
        fact.shop_rfm_group,
    )


def product_row(shop_id: int, fact: ProductFact) -> Row:
    return (
        shop_id,
        fact.id,
        fact.title,
        fact.handle,
        fact.status,
        fact.product_type,
        fact.vendor,
        list_text(fact.tags, folded=True),
        fact.category,
        fact.gift_card,
        fact.created_at,
        fact.stated_at,
        fact.published_at,
        fact.inventory,
        fact.price,
        fact.image_url,
        not fact.variants or any(variant.available is not False for variant in fact.variants),
    )


def variant_row(shop_id: int, product_id: int, fact: VariantFact, stated_at: int) -> Row:
    """A variant of which nothing is said can be sold."""
    available = fact.available is not False
    return (shop_id, fact.id, product_id, fact.title, fact.sku, fact.price, available, stated_at)


def order_row(shop_id: int, fact: OrderFact) -> Row:
    return (
        shop_id,
        fact.id,
        fact.customer_id,
        fact.name,
        fact.created_at,
        fact.processed_at,
        fact.stated_at,
        fact.cancelled_at,
        voided_at(fact),
        fact.test,
        fact.customer_id is not None and not fact.test,
        fact.discounts > 0 or bool(fact.discount_codes),
        fact.currency,
        fact.financial_status,
        fact.total,
        fact.current_total,
        fact.refunded,
        fact.discounts,
        fact.shipping,
        json.dumps(fact.discount_codes, ensure_ascii=False) if fact.discount_codes else None,
        fact.app_id,
        fact.location_id,
        sum(line.quantity for line in fact.lines),
    )


def line_row(shop_id: int, order_id: int, fact: LineFact, stated_at: int) -> Row:
    return (
        shop_id,
        order_id,
        fact.id,
        fact.product_id,
        fact.variant_id,
        fact.title,
        fact.sku,
        fact.quantity,
        fact.current_quantity,
        fact.total,
        stated_at,
    )


def line_rows(shop_id: int, lines: Sequence[Row], stated_at: int) -> list[Row]:
    """Rows of lines given as (order's id, *LineFact); the last where a line is given twice."""
    rows = [(shop_id, *line, stated_at) for line in lines]
    if len(set(map(_ORDER_AND_LINE, lines))) == len(lines):
        return rows
    return list(dict(zip(map(_ORDER_AND_LINE, lines), rows, strict=True)).values())


def refund_row(shop_id: int, order_id: int, fact: RefundFact) -> Row:
    return (shop_id, order_id, fact.id, fact.at, fact.amount)
