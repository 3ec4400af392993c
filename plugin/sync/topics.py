"""Which webhooks Rebloom lives on, and asking the shop for them: at the installation, and again by a daily job, since
the platform deletes a subscription whose deliveries failed for four hours.

The three compliance topics belong to the app, not to a shop: they stand in `deploy/shopify.app.toml`.
"""

from __future__ import annotations

from typing import Final

import structlog

from plugin.errors import ShopAccessError, ShopRefusedError
from plugin.ports import ShopGateway
from plugin.settings import Settings
from plugin.shops import ShopContext

WEBHOOK_PATH: Final = "/webhooks"
COMPLIANCE: Final = ("customers/data_request", "customers/redact", "shop/redact")
TOPICS: Final = (
    "APP_UNINSTALLED", "APP_SCOPES_UPDATE", "SHOP_UPDATE", "BULK_OPERATIONS_FINISH",
    "CUSTOMERS_CREATE", "CUSTOMERS_UPDATE", "CUSTOMERS_DELETE", "CUSTOMERS_ENABLE", "CUSTOMERS_DISABLE",
    "CUSTOMER_TAGS_ADDED", "CUSTOMER_TAGS_REMOVED", "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
    "CUSTOMERS_MARKETING_CONSENT_UPDATE", "CUSTOMERS_PURCHASING_SUMMARY",
    "ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_EDITED", "ORDERS_CANCELLED", "ORDERS_DELETE", "REFUNDS_CREATE",
    "PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE",
    "CHECKOUTS_CREATE", "CHECKOUTS_UPDATE", "CHECKOUTS_DELETE",
)  # fmt: skip
_WITH_SCOPE: Final = {"read_customer_merge": "CUSTOMERS_MERGE"}  # a scope the merchant may grant later
_log = structlog.get_logger(__name__)


def wanted_topics(shop: ShopContext) -> tuple[str, ...]:
    """As the enum writes them, with those that the shop's scopes allow."""
    return (*TOPICS, *(topic for scope, topic in _WITH_SCOPE.items() if scope in shop.scopes))


async def subscribe_all(gateway: ShopGateway, shop: ShopContext, settings: Settings) -> list[str]:
    """Ask for every topic that the shop does not send yet; those it refused. Safe to repeat. Raises
    ShopUnavailableError."""
    refused = []
    for topic in await missing_topics(gateway, shop, settings):
        try:
            await gateway.subscribe(topic, settings.app_url + WEBHOOK_PATH)
        except (ShopRefusedError, ShopAccessError) as error:
            _log.warning("webhook not subscribed", topic=topic, error=str(error))
            refused.append(topic)
    return refused


async def missing_topics(gateway: ShopGateway, shop: ShopContext, settings: Settings) -> list[str]:
    """Topics that the shop does not send to this app's address."""
    uri = settings.app_url + WEBHOOK_PATH
    there = {each.topic for each in await gateway.subscriptions() if each.uri == uri}
    return [topic for topic in wanted_topics(shop) if topic not in there]
