"""`rebloom doctor`: what is wrong with this installation, and the mend of each."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx

from plugin.errors import EncryptionError, SettingsError
from plugin.ledger.database import open_database
from plugin.ledger.rotation import under_older_keys
from plugin.ledger.store import Store, open_store
from plugin.ledger.tables import Shop
from plugin.settings import Settings, read_settings
from plugin.sync.reconcile import reconciliation_row

_CLOCK_TOLERANCE: Final = 30.0  # seconds: signatures live 90, session tokens 60
_TIMEOUT: Final = 10.0
_LITTLE_DISK: Final = 1 << 30
_FEW, _MUCH = 10, 0.2  # changes that a walk had to mend: more than these, and webhooks do not come


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` is empty when all is well."""

    what: str
    mend: str = ""


async def examine(environ: Mapping[str, str], *, say: Callable[[str], object]) -> int:
    """Say each finding; exit status 1 when anything needs mending."""
    findings = [finding async for finding in _findings(environ)]
    for finding in findings:
        say(f"{'✗' if finding.mend else '✓'} {finding.what}" + (f"\n    → {finding.mend}" if finding.mend else ""))
    faults = sum(bool(finding.mend) for finding in findings)
    say("All is well." if not faults else f"{faults} to mend.")
    return 1 if faults else 0


async def _findings(environ: Mapping[str, str]) -> AsyncIterator[Finding]:
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        for line in str(error).splitlines()[1:]:
            yield Finding(
                f"setting {line.strip()}", "mend it in the environment (deploy/.env.example lists every setting)"
            )
        return
    yield Finding("settings are complete")
    database = await _database(settings)
    yield database
    if database.mend:
        return
    try:
        async with open_store(settings) as store:
            yield Finding("the encryption key fits the database")
            if len(settings.encryption_keys) > 1:
                yield await _keys(store)
            for shop in await Shop.filter(status__in=["installed", "no_access"]):
                yield await _shop(settings, shop)
                yield await _walked(store, shop)
                async for finding in _invariants(store, shop):
                    yield finding
    except EncryptionError as error:
        yield Finding("the encryption key does not fit the database", str(error))


async def _database(settings: Settings) -> Finding:
    where = str(settings.sqlite_path) if settings.on_sqlite else "PostgreSQL"
    if settings.on_sqlite and not settings.sqlite_path.exists():
        return Finding(f"database {where} is not there yet", "run: rebloom migrate")
    try:
        async with asyncio.timeout(_TIMEOUT):
            database = await open_database(settings.database_url)
            try:
                await database.fetch("SELECT key FROM meta LIMIT 1")
            finally:
                await database.close()
    except Exception as error:  # noqa: BLE001 - each driver has its own; the mend is the same
        name = type(error).__name__
        if "Undefined" in name or "no such table" in str(error):
            return Finding(f"database {where} has no tables", "run: rebloom migrate")
        return Finding(f"database {where} does not answer ({name})", "check REBLOOM_DATABASE_URL and that it runs")
    if settings.on_sqlite:
        free = await asyncio.to_thread(_free_bytes, settings.sqlite_path)
        if free < _LITTLE_DISK:
            return Finding(f"{free >> 20} MiB left on the disk of {where}", "make room: 1 GiB at least")
    return Finding(f"database {where} answers")


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path.resolve().parent).free


async def _keys(store: Store) -> Finding:
    left = await under_older_keys(store)
    if left:
        return Finding(f"{left} secrets are still sealed with an older key", "wait an hour, or run: rebloom rotate")
    return Finding("no secret needs an older key: REBLOOM_ENCRYPTION_KEYS may hold the newest alone")


async def _shop(settings: Settings, shop: Shop) -> Finding:
    if shop.status == "no_access":
        return Finding(f"{shop.domain}: {shop.status_reason or 'no access'}", "open Rebloom once from the shop's admin")
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            reply = await client.get(f"{settings.shop_base(shop.domain)}/admin", follow_redirects=False)
    except httpx.HTTPError as error:
        return Finding(
            f"{shop.domain} cannot be reached ({type(error).__name__})", "check the network and SHOPIFY_SHOP_URL"
        )
    date = reply.headers.get("date")
    drift = abs(time.time() - parsedate_to_datetime(date).timestamp()) if date else 0.0
    if drift > _CLOCK_TOLERANCE:
        return Finding(f"the clock is {drift:.0f} s off the shop's", "synchronise it (NTP): signatures live 90 s")
    return Finding(f"{shop.domain} is reached")


async def _walked(store: Store, shop: Shop) -> Finding:
    """Webhooks that stopped coming show in how much the daily walk had to mend."""
    row = await reconciliation_row(store.database, shop.id)
    if row is None or row["finished_at"] is None:
        why = f" ({row['error']})" if row and row["error"] else ""
        return Finding(f"{shop.domain}: not walked through yet{why}")
    late = row["missed"] + row["outdated"]
    if late > row["looked_at"] * _MUCH and late > _FEW:
        return Finding(
            f"{shop.domain}: {late} of {row['looked_at']} changes came by no webhook",
            "check that the platform reaches REBLOOM_APP_URL/webhooks; subscriptions are asked for again daily",
        )
    return Finding(f"{shop.domain}: the last walk mended {late} of {row['looked_at']} changes")


async def _invariants(store: Store, shop: Shop) -> AsyncIterator[Finding]:
    """What must hold of every shop's rows at any moment."""
    checks = {
        "every placed customer has a profile": (
            """SELECT count(*) FROM placements q
               LEFT JOIN profiles p ON p.shop_id = q.shop_id AND p.customer_id = q.customer_id
               WHERE q.shop_id = $1 AND p.customer_id IS NULL""",
            "run: rebloom recompute",
        ),
        "no delivery is set aside": (
            "SELECT count(*) FROM inbox WHERE shop_id = $1 AND state = 'set_aside'",
            "look at them: rebloom inbox",
        ),
    }
    for what, (sql, mend) in checks.items():
        ((count,),) = await store.database.fetch(sql, shop.id)
        yield Finding(f"{shop.domain}: {what}" + (f" ({count} against)" if count else ""), mend if count else "")
