"""The tables of webhooks that we send. Personal: the payloads of `webhook_deliveries`, sealed; redaction and merge take
them away (`plugin/ledger/personal.py`), retention does after days."""

from __future__ import annotations

from typing import ClassVar, Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class WebhookEndpoint(ShopRow):
    """`query`: the subscription whose answers are sent; `kind` its event; `scopes` what it may read, and `token_id` the
    partner token that made it, NULL for the merchant. `seen`: the number of the last event looked at."""

    id = column.key()
    url = column.text()  # sealed: receivers put secrets into it
    query = column.text()
    kind = column.name(length=32)
    scopes = column.text()
    token_id = column.integer(null=True)
    secret = column.text()  # sealed
    old_secret = column.text(null=True)  # sealed; those that sign, too, until then, the newest first
    old_until = column.instant(null=True)
    created_at = column.instant()
    seen = column.integer()
    failing_since = column.instant(null=True)
    disabled_at = column.instant(null=True)
    disabled_why = column.text(null=True)

    class Meta:
        table = "webhook_endpoints"
        key = ("shop_id", "id")


class WebhookDelivery(ShopRow):
    """An event as it is told to one endpoint: the same `number` and payload however often it is tried."""

    endpoint_id = column.platform_id()
    number = column.key()
    customer_id = column.platform_id(null=True)
    payload = column.text()  # sealed
    state = column.name(length=16)  # pending, delivered, failed
    attempts = column.integer()
    next_at = column.instant(null=True)
    last_at = column.instant(null=True)
    status = column.integer(null=True)
    error = column.text(null=True)
    created_at = column.instant()

    class Meta:
        table = "webhook_deliveries"
        key = ("shop_id", "endpoint_id", "number")
        indexes: ClassVar = [("shop_id", "state", "next_at")]


WEBHOOK_TABLES: Final[tuple[type[ShopRow], ...]] = (WebhookEndpoint, WebhookDelivery)
