"""`rebloom doctor`: what is wrong with this installation, and the mend of each. It changes nothing."""

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
import structlog

from plugin.errors import EncryptionError, RebloomError, SettingsError
from plugin.installations import Gateways
from plugin.invariants import broken, rows_of_nobody
from plugin.jobs.watch import depths, workers_alive
from plugin.ledger.database import Database, open_database
from plugin.ledger.inbox import list_set_aside
from plugin.ledger.migrate import missing_migrations
from plugin.ledger.rotation import under_older_keys
from plugin.ledger.store import Store, open_store
from plugin.ledger.tables import Shop
from plugin.settings import Settings, read_settings
from plugin.shops import ShopContext, context_of, utc_now
from plugin.sync.reconcile import reconciliation_row
from plugin.sync.topics import missing_topics

_CLOCK_TOLERANCE: Final = 30.0  # seconds: signatures live 90, session tokens 60
_TIMEOUT: Final = 10.0
_LITTLE_DISK: Final = 1 << 30
_FEW, _MUCH = 10, 0.2  # changes that a walk had to mend: more than these, and webhooks do not come
_LONG_QUEUE: Final = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` is empty when all is well."""

    what: str
    mend: str = ""


async def examine(environ: Mapping[str, str], *, say: Callable[[str], object]) -> int:
    """Say each finding as it is made; exit status 1 when anything needs mending."""
    faults = 0
    async for finding in _findings(environ):
        faults += bool(finding.mend)
        say(f"{'✗' if finding.mend else '✓'} {finding.what}" + (f"\n    → {finding.mend}" if finding.mend else ""))
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
    reached = True
    async for finding in _database(settings):
        reached &= not finding.mend
        yield finding
    if not reached:
        return
    try:
        async with open_store(settings) as store:
            yield Finding("the encryption key fits the database")
            if len(settings.encryption_keys) > 1:
                yield await _keys(store)
            async for finding in _ledger(settings, store):
                yield finding
    except EncryptionError as error:
        yield Finding("the encryption key does not fit the database", str(error))


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    where = str(settings.sqlite_path) if settings.on_sqlite else "PostgreSQL"
    if settings.on_sqlite and not settings.sqlite_path.exists():
        yield Finding(f"database {where} is not there yet", "run: rebloom migrate")
        return
    try:
        async with asyncio.timeout(_TIMEOUT):
            database = await open_database(settings.database_url)
            try:
                await database.fetch("SELECT 1")
                yield Finding(f"database {where} answers")
                yield await _migrations(database)
                if database.dialect == "postgres":
                    yield await _clock_of(database)
            finally:
                await database.close()
    except Exception as error:  # noqa: BLE001 - each driver has its own; the mend is the same
        name = type(error).__name__
        yield Finding(f"database {where} does not answer ({name})", "check REBLOOM_DATABASE_URL and that it runs")
        return
    if settings.on_sqlite:
        free = await asyncio.to_thread(_free_bytes, settings.sqlite_path)
        if free < _LITTLE_DISK:
            yield Finding(f"{free >> 20} MiB left on the disk of {where}", "make room: 1 GiB at least")


async def _migrations(database: Database) -> Finding:
    try:
        behind = await missing_migrations(database)
    except Exception:  # noqa: BLE001 - the table of migrations is not there
        return Finding("the database has no tables", "run: rebloom migrate")
    if behind:
        return Finding(f"the database is older than this version (lacks {', '.join(behind)})", "run: rebloom migrate")
    return Finding("the database has every migration")


async def _clock_of(database: Database) -> Finding:
    before = time.time()
    ((theirs,),) = await database.fetch("SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8")
    drift = abs((before + time.time()) / 2 - theirs)
    if drift > _CLOCK_TOLERANCE:
        return Finding(f"the clock is {drift:.0f} s off the database's", "synchronise both (NTP): signatures live 90 s")
    return Finding("the clock agrees with the database's")


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path.resolve().parent).free


async def _keys(store: Store) -> Finding:
    left = await under_older_keys(store)
    if left:
        return Finding(f"{left} secrets are still sealed with an older key", "wait an hour, or run: rebloom rotate")
    return Finding("no secret needs an older key: REBLOOM_ENCRYPTION_KEYS may hold the newest alone")


async def _ledger(settings: Settings, store: Store) -> AsyncIterator[Finding]:
    async for finding in _work(settings, store):
        yield finding
    strays = await rows_of_nobody(store.database)
    for fault in strays:
        yield Finding(f"not so: {fault.what} (shops {', '.join(fault.examples)})", fault.mend)
    if not strays:
        yield Finding("no row is of an unknown shop")
    gateways = Gateways(settings, store, now=utc_now)
    try:
        for row in await Shop.filter(status__in=["installed", "no_access"]).order_by("id"):
            with structlog.contextvars.bound_contextvars(shop_id=row.id):
                async for finding in _shop(settings, store, gateways, row):
                    yield finding
    finally:
        await gateways.close()


async def _work(settings: Settings, store: Store) -> AsyncIterator[Finding]:
    if store.database.dialect == "postgres":
        alive = await workers_alive(store.database)
        yield Finding(f"{alive} processes take jobs", "" if alive else "start one: rebloom worker")
    waiting = [depth for depth in await depths(settings, store.database) if depth.state == "waiting"]
    age = max((time.time() - depth.oldest_ms / 1_000 for depth in waiting), default=0.0)
    if age > _LONG_QUEUE:
        yield Finding(f"a job has waited for {age / 60:.0f} minutes", "see that a worker runs, or start more")
    else:
        yield Finding("no job waits long")


async def _shop(settings: Settings, store: Store, gateways: Gateways, row: Shop) -> AsyncIterator[Finding]:
    shop = context_of(row)
    if row.status == "no_access":
        why = row.status_reason or "no access"
        yield Finding(f"{shop.domain}: {why}", "open Rebloom once from the shop's admin")
    else:
        reached = await _reach(settings, shop)
        yield reached
        if not reached.mend:
            yield await _subscribed(settings, gateways, shop)
    yield await _walked(store, row)
    aside = await list_set_aside(store, shop.id)
    if aside:
        mend = f"look at them: rebloom inbox {shop.domain}"
        yield Finding(f"{shop.domain}: {len(aside)} deliveries are set aside", mend)
    faults = await broken(store, shop, now=utc_now)
    for fault in faults:
        mend = fault.mend.replace("SHOP", shop.domain)
        yield Finding(f"{shop.domain}: not so: {fault.what} ({', '.join(fault.examples)} …)", mend)
    if not faults:
        yield Finding(f"{shop.domain}: every invariant holds")


async def _reach(settings: Settings, shop: ShopContext) -> Finding:
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
    return Finding(f"{shop.domain} is reached, and its clock agrees with ours")


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


async def _subscribed(settings: Settings, gateways: Gateways, shop: ShopContext) -> Finding:
    """Every topic at our present address."""
    mend = f"run: rebloom sync {shop.domain}"
    try:
        async with asyncio.timeout(3 * _TIMEOUT):
            lacking = await missing_topics(await gateways.for_shop(shop.id), shop, settings)
    except (RebloomError, TimeoutError) as error:
        why = str(error) if isinstance(error, RebloomError) else "no answer in time"
        return Finding(f"{shop.domain}: its subscriptions cannot be read: {why}", "open Rebloom from the shop's admin")
    if lacking:
        return Finding(f"{shop.domain}: no webhooks come for {', '.join(sorted(lacking))}", mend)
    return Finding(f"{shop.domain}: every webhook is subscribed")
