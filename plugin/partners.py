"""Partner tokens: `rbl_` and 40 letters, shown once, kept as a hash, limited to scopes of one shop."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from plugin.domain.instants import from_us, to_us
from plugin.errors import BadRequestError
from plugin.ledger.store import Store
from plugin.outgoing.endpoints import REVOKED
from plugin.shops import ShopContext, ShopRow, context_of

PREFIX: Final = "rbl_"
SCOPES: Final = frozenset({
    "read_customers", "read_lifecycle", "write_lifecycle", "read_segments", "write_segments", "read_offers",
    "write_offers", "read_products", "read_touchpoints", "write_touchpoints", "read_shop", "write_shop",
    "write_webhooks",
})  # fmt: skip
# A merchant may do everything; a token must not make tokens.
MERCHANT_SCOPES: Final = SCOPES | {"write_tokens"}
_SHOP: Final = ", ".join(f"s.{column}" for column in ShopRow._fields)
_TOKEN = re.compile(r"rbl_[A-Za-z0-9_-]{40}")
_SHOWN: Final = 8  # letters of the token kept to recognise it by
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerTokenInfo:
    """A token without its secret. `prefix` is how it begins."""

    id: int
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerGrant:
    """What a presented token may do, in which shop."""

    shop: ShopContext
    token_id: int
    scopes: frozenset[str]


async def create_token(
    store: Store, shop_id: int, name: str, scopes: Iterable[str], now: datetime
) -> tuple[str, PartnerTokenInfo]:
    """The token, never to be seen again, and what is kept of it. Raises BadRequestError for a bad name or scope."""
    wanted = frozenset(scopes)
    _check(name, wanted)
    token = PREFIX + secrets.token_urlsafe(30)
    async with store.database.transaction() as session:
        rows = await session.fetch(
            "INSERT INTO partner_tokens (shop_id, id, name, token_hash, prefix, scopes, created_at)"
            " SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, $4, $5, $6 FROM partner_tokens WHERE shop_id = $1"
            " RETURNING id",
            shop_id,
            name,
            _hash(token),
            token[:_SHOWN],
            ",".join(sorted(wanted)),
            to_us(now),
        )
    info = PartnerTokenInfo(
        id=int(rows[0][0]), name=name, prefix=token[:_SHOWN], scopes=wanted, created_at=now, revoked_at=None
    )
    return token, info


async def list_tokens(store: Store, shop_id: int) -> list[PartnerTokenInfo]:
    """All tokens of the shop, revoked ones too, oldest first."""
    rows = await store.database.fetch(
        "SELECT id, name, prefix, scopes, created_at, revoked_at FROM partner_tokens WHERE shop_id = $1 ORDER BY id",
        shop_id,
    )
    return [
        PartnerTokenInfo(
            id=number,
            name=name,
            prefix=prefix,
            scopes=frozenset(scopes.split(",")),
            created_at=from_us(created_at),
            revoked_at=None if revoked_at is None else from_us(revoked_at),
        )
        for number, name, prefix, scopes, created_at, revoked_at in rows
    ]


async def revoke_token(store: Store, shop_id: int, token_id: int, now: datetime) -> bool:
    """Good for no further request, in any process, and what it had us send is sent no more. False when the shop has no
    such token in force."""
    async with store.database.transaction() as session:
        changed = await session.execute(
            "UPDATE partner_tokens SET revoked_at = $1 WHERE shop_id = $2 AND id = $3 AND revoked_at IS NULL",
            to_us(now),
            shop_id,
            token_id,
        )
        await session.execute(
            "UPDATE webhook_endpoints SET disabled_at = $1, disabled_why = $4 WHERE shop_id = $2 AND token_id = $3"
            " AND disabled_at IS NULL",
            to_us(now),
            shop_id,
            token_id,
            REVOKED,
        )
    return changed > 0


async def find_token(store: Store, token: str) -> PartnerGrant | None:
    """The grant of a presented token; None when it is malformed, unknown or revoked. The token names the shop."""
    if not _TOKEN.fullmatch(token):
        return None
    rows = await store.database.fetch(
        f"SELECT t.id, t.scopes, {_SHOP} FROM partner_tokens t JOIN shops s ON s.id = t.shop_id"
        " WHERE t.token_hash = $1 AND t.revoked_at IS NULL",
        _hash(token),
    )
    if len(rows) != 1:
        return None
    token_id, scopes, *shop = rows[0]
    shop_context = context_of(ShopRow._make(shop))
    return PartnerGrant(shop=shop_context, token_id=token_id, scopes=frozenset(scopes.split(",")))


def _hash(token: str) -> str:
    """240 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check(name: str, scopes: frozenset[str]) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BadRequestError(f"A token's name must have 1 to {_LONGEST_NAME} printable characters.")
    unknown = sorted(scopes - SCOPES)
    if unknown or not scopes:
        named = f"{unknown[0][:64]!r} is not a scope" if unknown else "A token needs at least one scope"
        raise BadRequestError(f"{named}; choose from {', '.join(sorted(SCOPES))}.")
