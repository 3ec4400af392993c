"""Installations: tokens sealed before they are used, one refresh a shop at a time, an end when the shop withdraws.

This is a place where things are put together: it gives the shell its `ShopGateway`s out of `integrations/shopify`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

import httpx
import structlog

from integrations.shopify import oauth
from integrations.shopify.client import Access, AdminClient, ask_token, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.oauth import TokenGrant
from integrations.shopify.pacing import Bucket, Pace
from integrations.shopify.silence import Silence, Tries
from plugin.domain.facts import ShopFact
from plugin.domain.instants import to_us
from plugin.errors import ShopAccessError, ShopUnavailableError
from plugin.ledger.database import Database, Session
from plugin.ledger.store import Store
from plugin.ports import ShopGateway
from plugin.settings import Settings
from plugin.shops import DEFAULT_LADDER, DEFAULT_MODEL, DEFAULT_TAG_PREFIX, Clock

INSTALLED, NO_ACCESS, UNINSTALLED = "installed", "no_access", "uninstalled"
_EARLY: Final = timedelta(minutes=5)  # a token that will not live through a long request is renewed before it
_LEASE: Final = timedelta(seconds=60)  # longer than a refresh may be tried for
_REFRESH_BUDGET: Final = 30.0  # seconds
_POLL: Final = 0.1
_POLLS: Final = 700  # longer than a lease
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """A shop's row as it stands; the sealed texts are what a compare-and-set compares."""

    domain: str
    status: str
    sealed_access: str | None
    sealed_refresh: str | None
    expires_at: int | None


async def store_installation(store: Store, domain: str, grant: TokenGrant, now: datetime) -> int:
    """Keep a new grant, sealed, and count the shop as installed from `now` on; the shop's id. What the merchant set
    before an uninstall (model, prefix, ladder) stays."""
    sealed = _sealed(store, grant)
    async with store.database.transaction() as session:
        rows = await session.fetch(
            "INSERT INTO shops (domain, status, access_token, refresh_token, access_expires_at, refresh_expires_at,"
            " granted_scopes, installed_at, primary_model, tag_prefix, lapse_ladder)"
            " VALUES ($1, 'installed', $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            " ON CONFLICT (domain) DO UPDATE SET status = 'installed', status_reason = NULL, uninstalled_at = NULL,"
            " refreshing_until = NULL, platform_id = NULL, access_token = excluded.access_token,"
            " refresh_token = excluded.refresh_token,"
            " access_expires_at = excluded.access_expires_at, refresh_expires_at = excluded.refresh_expires_at,"
            " granted_scopes = excluded.granted_scopes, installed_at = excluded.installed_at RETURNING id",
            domain,
            *sealed,
            to_us(now),
            DEFAULT_MODEL,
            DEFAULT_TAG_PREFIX,
            ",".join(str(days) for days in DEFAULT_LADDER),
        )
    return int(rows[0][0])


async def write_shop(writer: Database | Session, shop_id: int, fact: ShopFact) -> None:
    """What the shop states about itself."""
    await writer.execute(
        "UPDATE shops SET platform_id = $1, name = $2, currency = $3, timezone = $4, primary_host = $5 WHERE id = $6",
        fact.platform_id,
        fact.name[:255],
        fact.currency,
        fact.timezone,
        fact.primary_host[:255],
        shop_id,
    )


class Gateways:
    """The gateways of one process (and one event loop), sharing connections, each shop's bucket, and which shops do not
    answer."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        now: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.settings, self.store, self.now = settings, store, now
        self.pace = pace or Pace()
        self.http = new_http(settings, transport)
        self._buckets: dict[int, Bucket] = defaultdict(lambda: Bucket(self.pace))
        tries = Tries()
        self._silences: dict[int, Silence] = defaultdict(lambda: Silence(tries))
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def for_shop(self, shop_id: int) -> ShopGateway:
        """Asks nothing yet: whether the shop still lets us in shows at the first call."""
        tokens = ShopTokens(self, shop_id, self._locks[shop_id])
        bucket, silence = self._buckets[shop_id], self._silences[shop_id]
        return ShopifyGateway(AdminClient(self.settings, self.http, tokens, bucket, self.pace, silence=silence))

    async def refresh_ahead(self, shop_id: int, ahead: timedelta) -> None:
        """New tokens if the shop's end within `ahead`. Raises ShopAccessError or ShopUnavailableError."""
        await ShopTokens(self, shop_id, self._locks[shop_id]).refresh_ahead(ahead)

    async def close(self) -> None:
        await self.http.aclose()

    async def ask_token(self, domain: str, form: dict[str, str], *, repeatable: bool) -> TokenGrant:
        """A token request to `domain`, which must be checked. Raises ShopAccessError or ShopUnavailableError."""
        return await ask_token(
            self.http,
            oauth.token_url(self.settings, domain),
            form,
            now=self.now(),
            pace=self.pace,
            repeatable=repeatable,
        )


class ShopTokens:
    """`Tokens` of one shop, read from its row for every call: an uninstall or another process's refresh counts at
    once."""

    def __init__(self, gateways: Gateways, shop_id: int, lock: asyncio.Lock) -> None:
        self._gateways, self._shop_id, self._lock = gateways, shop_id, lock
        self._database, self._vault = gateways.store.database, gateways.store.vault

    async def current(self) -> Access:
        tokens = await self._row()
        access = self._access(tokens)
        if not self._ends_before(tokens, self._gateways.now() + _EARLY) or tokens.sealed_refresh is None:
            return access
        try:
            return await self.renew(access)
        except ShopUnavailableError:
            if self._ends_before(tokens, self._gateways.now()):
                raise
            return access

    async def refresh_ahead(self, ahead: timedelta) -> None:
        tokens = await self._row()
        access = self._access(tokens)
        if tokens.sealed_refresh is not None and self._ends_before(tokens, self._gateways.now() + ahead):
            await self.renew(access)

    async def renew(self, refused: Access) -> Access:
        """Whoever comes first asks the shop; all others, here and in other processes, get what it was given."""
        async with self._lock:
            for _ in range(_POLLS):
                tokens = await self._row()
                access = self._access(tokens)
                if access.token != refused.token:
                    return access
                if tokens.sealed_refresh is None:
                    await self._withdraw(tokens, "The access token was refused and there is no refresh token.")
                if await self._claim(tokens):
                    return await self._refresh(tokens)
                await asyncio.sleep(_POLL)
        raise ShopUnavailableError("Another process is renewing the access token; it will be tried again.")

    async def lost(self, refused: Access) -> None:
        tokens = await self._row()
        if self._access(tokens).token == refused.token:
            await self._withdraw(tokens, "The shop refused the access token, and its successor too.")

    async def _refresh(self, tokens: _Tokens) -> Access:
        refresh_token = self._vault.open(tokens.sealed_refresh or "")
        form = oauth.refresh_form(self._gateways.settings, refresh_token)
        try:
            async with asyncio.timeout(_REFRESH_BUDGET):
                grant = await self._gateways.ask_token(tokens.domain, form, repeatable=True)
        except ShopAccessError as error:
            await self._withdraw(tokens, str(error))
            raise
        except (ShopUnavailableError, TimeoutError):
            await self._release(tokens)
            raise ShopUnavailableError("The shop did not renew the access token; it will be tried again.") from None
        return await self._keep(tokens, grant)

    async def _keep(self, tokens: _Tokens, grant: TokenGrant) -> Access:
        """Stored before used. Killed before this: the old refresh token still works, until the new one is used."""
        access, refresh, access_ends, refresh_ends, scopes = _sealed(self._gateways.store, grant)
        kept = await self._database.execute(
            "UPDATE shops SET access_token = $1, refresh_token = COALESCE($2, refresh_token), access_expires_at = $3,"
            " refresh_expires_at = COALESCE($4, refresh_expires_at), granted_scopes = COALESCE($5, granted_scopes),"
            " refreshing_until = NULL WHERE id = $6 AND access_token = $7",
            access,
            refresh,
            access_ends,
            refresh_ends,
            scopes or None,
            self._shop_id,
            tokens.sealed_access,
        )
        if not kept:  # uninstalled or installed anew meanwhile: what stands in the row is newer
            return self._access(await self._row())
        _log.info("access token refreshed", shop_id=self._shop_id)
        return Access(tokens.domain, grant.access_token)

    async def _claim(self, tokens: _Tokens) -> bool:
        """A lease that would last longer than leases do is of a clock that has jumped since: it holds nobody up."""
        now = self._gateways.now()
        claimed = await self._database.execute(
            "UPDATE shops SET refreshing_until = $1 WHERE id = $2 AND access_token = $3"
            " AND (refreshing_until IS NULL OR refreshing_until <= $4 OR refreshing_until > $1)",
            to_us(now + _LEASE),
            self._shop_id,
            tokens.sealed_access,
            to_us(now),
        )
        return claimed > 0

    async def _release(self, tokens: _Tokens) -> None:
        await self._database.execute(
            "UPDATE shops SET refreshing_until = NULL WHERE id = $1 AND access_token = $2",
            self._shop_id,
            tokens.sealed_access,
        )

    async def _withdraw(self, tokens: _Tokens, reason: str) -> NoReturn:
        """No more calls until the merchant lets us in again. Raises ShopAccessError."""
        await self._database.execute(
            "UPDATE shops SET status = 'no_access', status_reason = $1, refreshing_until = NULL"
            " WHERE id = $2 AND access_token = $3 AND status = 'installed'",
            reason,
            self._shop_id,
            tokens.sealed_access,
        )
        _log.warning("shop withdrew its access", shop_id=self._shop_id, reason=reason)
        raise ShopAccessError(reason)

    async def _row(self) -> _Tokens:
        rows = await self._database.fetch(
            "SELECT domain, status, access_token, refresh_token, access_expires_at FROM shops WHERE id = $1",
            self._shop_id,
        )
        if not rows:
            raise ShopAccessError(f"There is no shop {self._shop_id}.")
        return _Tokens(*rows[0])

    def _access(self, tokens: _Tokens) -> Access:
        if tokens.status != INSTALLED or tokens.sealed_access is None:
            raise ShopAccessError(
                f"{tokens.domain} does not let Rebloom in ({tokens.status}); open the app from that shop's admin."
            )
        return Access(tokens.domain, self._vault.open(tokens.sealed_access))

    def _ends_before(self, tokens: _Tokens, instant: datetime) -> bool:
        return tokens.expires_at is not None and tokens.expires_at <= to_us(instant)


def _sealed(store: Store, grant: TokenGrant) -> tuple[str, str | None, int | None, int | None, str]:
    """access_token, refresh_token, access_expires_at, refresh_expires_at, granted_scopes as they stand in the row."""
    return (
        store.vault.seal(grant.access_token),
        store.vault.seal(grant.refresh_token) if grant.refresh_token else None,
        to_us(grant.access_expires_at) if grant.access_expires_at else None,
        to_us(grant.refresh_expires_at) if grant.refresh_expires_at else None,
        ",".join(sorted(grant.scopes)),
    )
