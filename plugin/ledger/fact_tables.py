"""The tables of facts: what the shop last stated, how far the copy of it is, and what waits to be applied."""

from __future__ import annotations

from typing import ClassVar

from tortoise.models import Model

from plugin.ledger import fields as column


class ShopRow(Model):
    shop_id = column.integer()

    class Meta:
        abstract = True


class SyncState(ShopRow):
    """How far the copy of one shop is. Counts are of the rows held."""

    shop_id = column.key()
    phase = column.name(length=16)
    customers = column.integer()
    orders = column.integer()
    order_lines = column.integer()
    products = column.integer()
    started_at = column.instant(null=True)
    finished_at = column.instant(null=True)
    fresh_as_of = column.instant(null=True)
    history_from = column.instant(null=True)
    error = column.text(null=True)

    class Meta:
        table = "sync_states"
        key = ("shop_id",)


class BulkRun(ShopRow):
    """One bulk export of one sync, resumable: `lines_done` lines of its file are in the ledger."""

    kind = column.text_key()
    operation = column.name(null=True)
    state = column.name(length=16)
    lines_done = column.integer()
    started_at = column.instant()

    class Meta:
        table = "bulk_runs"
        key = ("shop_id", "kind")


class SetAside(ShopRow):
    """A line or delivery that could not be read, with the reason; its neighbours went on."""

    source = column.name(length=64)
    position = column.key()
    reason = column.text()
    at = column.instant()

    class Meta:
        table = "set_aside"
        key = ("shop_id", "source", "position")


class Customer(ShopRow):
    """The shop's latest statement of a customer, without the person."""

    id = column.key()
    created_at = column.instant()
    stated_at = column.instant()
    traits_stated_at = column.instant(null=True)  # when tags, consent and totals were last stated: webhooks carry none
    account_status = column.name(null=True, length=32)
    email_domain = column.name(null=True)
    email_status = column.name(null=True, length=32)
    sms_status = column.name(null=True, length=32)
    language = column.name(null=True, length=32)
    tags = column.text(null=True)  # JSON list as the shop spells them
    country = column.name(null=True, length=8)
    region = column.name(null=True, length=32)
    city = column.name(null=True)
    shop_orders = column.integer(null=True)
    shop_spend = column.money(null=True)
    shop_last_order_at = column.instant(null=True)
    spend_tier = column.name(null=True, length=16)
    shop_rfm_group = column.name(null=True, length=32)
    deleted_at = column.instant(null=True)
    merged_into = column.platform_id(null=True)

    class Meta:
        table = "customers"
        key = ("shop_id", "id")


class Person(ShopRow):
    """Who a customer is: one sealed JSON text, so that redaction is one delete."""

    id = column.key()
    sealed = column.text()
    stated_at = column.instant()

    class Meta:
        table = "persons"
        key = ("shop_id", "id")


class Product(ShopRow):
    id = column.key()
    title = column.text()
    handle = column.name()
    status = column.name(length=16)
    product_type = column.name()
    vendor = column.name()
    tags = column.text(null=True)  # "\x1fa\x1fb\x1f", folded
    category = column.name(null=True)
    gift_card = column.flag()
    created_at = column.instant()
    stated_at = column.instant()
    published_at = column.instant(null=True)
    inventory = column.integer(null=True)
    price = column.money(null=True)
    image_url = column.text(null=True)
    available = column.flag()
    deleted_at = column.instant(null=True)

    class Meta:
        table = "products"
        key = ("shop_id", "id")


class Variant(ShopRow):
    id = column.key()
    product_id = column.platform_id()
    title = column.text()
    sku = column.name(null=True)
    price = column.money(null=True)
    available = column.flag()
    stated_at = column.instant()

    class Meta:
        table = "variants"
        key = ("shop_id", "id")
        indexes: ClassVar = [("shop_id", "product_id")]


class Order(ShopRow):
    """`counted`: has a customer, is neither a test nor deleted. It counts from `processed_at` until `voided_at`
    (cancelled, or refunded in full). `items`: units as ordered."""

    id = column.key()
    customer_id = column.platform_id(null=True)
    name = column.name()
    created_at = column.instant()
    processed_at = column.instant()
    stated_at = column.instant()
    cancelled_at = column.instant(null=True)
    voided_at = column.instant(null=True)
    deleted_at = column.instant(null=True)
    test = column.flag()
    counted = column.flag()
    discounted = column.flag()
    currency = column.name(length=3)
    financial_status = column.name(null=True, length=32)
    total = column.money()
    current_total = column.money()
    refunded = column.money()
    discounts = column.money()
    shipping = column.money()
    discount_codes = column.text(null=True)  # JSON list
    items = column.integer()
    app_id = column.platform_id(null=True)
    location_id = column.platform_id(null=True)

    class Meta:
        table = "orders"
        key = ("shop_id", "id")
        indexes: ClassVar = [("shop_id", "customer_id", "processed_at"), ("shop_id", "processed_at")]


class OrderLine(ShopRow):
    id = column.key()
    order_id = column.platform_id()
    product_id = column.platform_id(null=True)
    variant_id = column.platform_id(null=True)
    title = column.text()
    sku = column.name(null=True)
    quantity = column.integer()
    current_quantity = column.integer()
    total = column.money()
    stated_at = column.instant()

    class Meta:
        table = "order_lines"
        key = ("shop_id", "order_id", "id")
        indexes: ClassVar = [("shop_id", "product_id")]


class Refund(ShopRow):
    id = column.key()
    order_id = column.platform_id()
    at = column.instant()
    amount = column.money()

    class Meta:
        table = "refunds"
        key = ("shop_id", "order_id", "id")


class InboxDelivery(ShopRow):
    """A webhook as it came, sealed. `shop_id` 0: from a shop that is not installed."""

    webhook_id = column.text_key()
    event_id = column.name(null=True)
    domain = column.name()
    topic = column.name(length=128)
    sealed_body = column.text()
    triggered_at = column.instant(null=True)
    received_at = column.instant()
    state = column.name(length=16)  # new, done, set_aside
    attempts = column.integer()
    reason = column.text(null=True)
    applied_at = column.instant(null=True)

    class Meta:
        table = "inbox"
        key = ("shop_id", "webhook_id")
        indexes: ClassVar = [("shop_id", "state", "received_at")]
