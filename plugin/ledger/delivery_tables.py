"""The tables of what webhooks say beside whole statements, of walking the shop again, and of answers to people.

Personal: `customer_traits` (tags and consent of a customer), `checkouts` (by the customer's number alone) and
`data_exports` (sealed). Redaction and merge cover them: `plugin/ledger/personal.py`, `plugin/ledger/removals.py`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class CustomerTrait(ShopRow):
    """What was said of one trait since the customer's last whole statement (`plugin/ledger/traits.py`)."""

    customer_id = column.platform_id()
    kind = column.name(length=8)  # tag, email, sms, totals
    name = column.text_key()  # the folded tag, else empty
    value = column.text(null=True)
    at = column.instant()

    class Meta:
        table = "customer_traits"
        key = ("shop_id", "customer_id", "kind", "name")


class Checkout(ShopRow):
    """The shop's latest statement of a checkout: whose, when, for how much. No address, no e-mail, no lines."""

    id = column.key()
    customer_id = column.platform_id(null=True)
    created_at = column.instant()
    stated_at = column.instant()
    completed_at = column.instant(null=True)
    deleted_at = column.instant(null=True)
    total = column.money()
    items = column.integer()

    class Meta:
        table = "checkouts"
        key = ("shop_id", "id")
        indexes: ClassVar = [("shop_id", "customer_id")]


class Reconciliation(ShopRow):
    """The latest walk through what changed in the shop. `walked_to`: the next one starts there. `missed` never arrived,
    `outdated` arrived in an older state, `gone` is no longer in the shop. `error`: what stopped it."""

    shop_id = column.key()
    started_at = column.instant()
    finished_at = column.instant(null=True)
    walked_to = column.instant(null=True)
    looked_at = column.integer()
    missed = column.integer()
    outdated = column.integer()
    gone = column.integer()
    error = column.text(null=True)

    class Meta:
        table = "reconciliations"
        key = ("shop_id",)


class DataExport(ShopRow):
    """The answer to `customers/data_request`: everything held about a customer, as sealed JSON."""

    request_id = column.text_key()  # the delivery's
    customer_id = column.platform_id()
    requested_at = column.instant()
    made_at = column.instant()
    sealed = column.text()

    class Meta:
        table = "data_exports"
        key = ("shop_id", "request_id")
        indexes: ClassVar = [("shop_id", "customer_id")]


DELIVERY_TABLES: Final[tuple[type[ShopRow], ...]] = (CustomerTrait, Checkout, Reconciliation, DataExport)
