"""Installed shops, without an installation."""

from __future__ import annotations

from plugin.ledger.tables import Shop
from plugin.shops import DEFAULT_LADDER, DEFAULT_MODEL, DEFAULT_TAG_PREFIX, ShopContext, context_of


async def install_shop(domain: str, *, installed_at: int = 0) -> ShopContext:
    row = await Shop.create(
        domain=domain,
        status="installed",
        access_token="sealed",
        refresh_token="sealed",
        granted_scopes="read_customers,read_orders",
        installed_at=installed_at,
        primary_model=DEFAULT_MODEL,
        tag_prefix=DEFAULT_TAG_PREFIX,
        lapse_ladder=",".join(map(str, DEFAULT_LADDER)),
    )
    return context_of(row)
