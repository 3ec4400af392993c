"""Installed shops, without an installation."""

from __future__ import annotations

from datetime import datetime

from plugin.domain.instants import to_us
from plugin.ledger.store import Store
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


async def copied(store: Store, shop_id: int, *, now: datetime) -> None:
    """As after its first copy: no job of its own accord asks the shop for anything."""
    await store.database.execute("UPDATE shops SET platform_id = $1 WHERE id = $1", shop_id)
    await store.database.execute(
        "INSERT INTO sync_states (shop_id, phase, customers, orders, order_lines, products, started_at)"
        " VALUES ($1, 'done', 0, 0, 0, 0, $2)",
        shop_id,
        to_us(now),
    )
