"""`rebloom token …`."""

from __future__ import annotations

from typing import Any

from plugin.commands.steps import opened
from plugin.partners import create_token, list_tokens, revoke_token
from plugin.settings import Settings
from plugin.shops import shop_by_domain, utc_now


async def create(settings: Settings, domain: str, name: str, scopes: str) -> str:
    """The token itself, never to be seen again."""
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain)
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        token, _ = await create_token(store, shop.id, name, wanted, utc_now())
        return token


async def listing(settings: Settings, domain: str) -> list[dict[str, Any]]:
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain)
        return [
            {
                "id": token.id,
                "name": token.name,
                "begins": token.prefix,
                "scopes": sorted(token.scopes),
                "created": token.created_at.isoformat(),
                "revoked": token.revoked_at.isoformat() if token.revoked_at else None,
            }
            for token in await list_tokens(store, shop.id)
        ]


async def revoke(settings: Settings, domain: str, token_id: int) -> None:
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain)
        await revoke_token(store, shop.id, token_id, utc_now())
