"""The first copy of a shop, and any later whole one: shop, products, customers, orders, by bulk exports; then, page by
page, the checkouts that were left.

It may be killed anywhere: run again, it goes on with the same exports from the last batch that is in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from integrations.shopify.mapping import checkout_from_node
from integrations.shopify.queries import document
from plugin.domain.instants import to_us
from plugin.errors import BadStatementError
from plugin.installations import write_shop
from plugin.ledger.checkouts import write_checkouts
from plugin.ledger.database import Database
from plugin.ledger.facts import write_customers_in_bulk, write_orders_in_bulk, write_products_in_bulk
from plugin.ledger.settle import Counts, count_rows, settle_customers, settle_orders, settle_products
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.ledger.traits import settle_all_traits
from plugin.ports import ShopGateway
from plugin.shops import Clock, ShopContext
from plugin.sync import states
from plugin.sync.exports import Exporter, Sleep
from plugin.sync.jsonl import Batch, ExportFile
from plugin.sync.states import CUSTOMERS, KINDS, ORDERS, PRODUCTS, Run

BATCH: Final = 20_000  # lines
ALL_ORDERS: Final = "read_all_orders"
RECENT: Final = timedelta(days=60)  # without that scope the shop shows no older orders
_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    PRODUCTS: ("products", "variants"),
    CUSTOMERS: ("customers", "persons"),
    ORDERS: ("orders", "order_lines", "refunds"),
}
_STALE: Final = timedelta(days=6)  # a file's address lives for 7 days: an older broken-off sync begins anew
_DOCUMENTS: Final = {PRODUCTS: "BulkProducts", CUSTOMERS: "BulkCustomers", ORDERS: "BulkOrders"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncProgress:
    """`done` of `total` lines of the phase's export; `total` None while the shop is still preparing it."""

    phase: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """Rows held at the end. `history_from`: the shop shows no orders before this instant (epoch microseconds).
    `set_aside`: lines that could not be read."""

    customers: int
    orders: int
    order_lines: int
    products: int
    set_aside: int
    history_from: int | None


async def run_sync(
    store: Store,
    shop: ShopContext,
    gateway: ShopGateway,
    *,
    now: Clock,
    progress: Callable[[SyncProgress], None],
    work_dir: Path,
    sleep: Sleep = asyncio.sleep,
) -> SyncReport:
    """Raises ShopError when the shop stops it; what is there then stays, and the next run goes on."""
    await asyncio.to_thread(work_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
    oldest = to_us(now() - _STALE)
    runs = await states.begin(store, shop.id, at=to_us(now()), oldest=oldest)
    copy = _Copy(store, shop, Exporter(store, shop.id, gateway, work_dir, now, sleep), now, progress)
    try:
        return await copy.run(runs)
    except Exception as error:
        await states.fail(store, shop.id, error)
        _log.warning("sync_stopped", shop_id=shop.id, error=str(error), kind=type(error).__name__)
        raise


@dataclass(frozen=True, slots=True)
class _Copy:
    store: Store
    shop: ShopContext
    exporter: Exporter
    now: Clock
    progress: Callable[[SyncProgress], None]

    async def run(self, runs: Mapping[str, Run]) -> SyncReport:
        await self._enter(states.SHOP)
        history_from = await self._shop()
        for kind in KINDS:
            run = runs.get(kind)
            if run is None or run.state != states.DONE:
                await self._enter(kind)
                await self._export(kind, run)
        await self._checkouts()
        return await self._finish(history_from)

    async def _enter(self, phase: str) -> None:
        await states.check_installed(self.store, self.shop.id)
        await states.enter(self.store, self.shop.id, phase)
        self.progress(SyncProgress(phase=phase, done=0, total=None))

    async def _shop(self) -> int | None:
        """The shop's own facts, and from when on it shows its orders."""
        fact = await self.exporter.gateway.shop_info()
        await write_shop(self.store.database, self.shop.id, fact)
        if ALL_ORDERS in await self.exporter.gateway.granted_scopes():
            return None
        begun = await states.started_at(self.store, self.shop.id)
        _log.info(
            "only_recent_orders",
            shop_id=self.shop.id,
            days=RECENT.days,
            meaning="orders older than this are known only as each customer's lifetime totals; grant read_all_orders",
        )
        return begun - RECENT // timedelta(microseconds=1)

    async def _export(self, kind: str, run: Run | None) -> None:
        run, path, total = await self.exporter.fetch(kind, document(_DOCUMENTS[kind]), run)
        await self._load(run, path, total)
        # Before the passes over what was just written, which plan badly without, and for whoever reads it next.
        await refresh_statistics(self.store.database, *_TABLES[kind])
        await _SETTLE[kind](self.store, self.shop.id)
        counts = await count_rows(self.store.database, self.shop.id)
        await states.finish_run(self.store, self.shop.id, kind, counts)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        _log.info("sync_phase_done", shop_id=self.shop.id, phase=kind, lines=total)

    async def _checkouts(self) -> None:
        """Killed here, it begins them again; what cannot be read is told in the log."""
        after, written, unread = None, 0, 0
        while True:
            page = await self.exporter.gateway.checkouts_page(None, after)
            facts = []
            for node in page.nodes:
                try:
                    facts.append(checkout_from_node(node))
                except BadStatementError:
                    unread += 1
            async with self.store.database.transaction() as session:
                await states.still_installed(session, self.shop.id)
                if facts:
                    await write_checkouts(session, self.shop.id, facts)
            written += len(facts)
            self.progress(SyncProgress(phase="checkouts", done=written, total=None))
            if page.after is None:
                break
            after = page.after
        _log.info("sync_phase_done", shop_id=self.shop.id, phase="checkouts", lines=written, bad=unread)

    async def _load(self, run: Run, path: Path, total: int) -> None:
        """The next batch is read while the last one is written."""
        file = await asyncio.to_thread(ExportFile, path, skip=run.lines_done)
        roots = 0
        with file:
            ahead = asyncio.create_task(asyncio.to_thread(file.batch, BATCH))
            try:
                while batch := await ahead:
                    ahead = asyncio.create_task(asyncio.to_thread(file.batch, BATCH))
                    await _WRITE[run.kind](self.store, self.shop.id, batch, run.started_at)
                    roots += batch.roots
                    await self._saved(run.kind, batch, roots, total)
            finally:
                await asyncio.wait([ahead])

    async def _saved(self, kind: str, batch: Batch, roots: int, total: int) -> None:
        await states.save_batch(
            self.store,
            self.shop.id,
            kind,
            lines_done=batch.lines_done,
            roots=roots,
            bad=batch.bad,
            at=to_us(self.now()),
        )
        self.progress(SyncProgress(phase=kind, done=batch.lines_done, total=max(total, batch.lines_done)))
        _log.info(
            "sync_progress", shop_id=self.shop.id, phase=kind, lines=batch.lines_done, of=total, bad=len(batch.bad)
        )

    async def _finish(self, history_from: int | None) -> SyncReport:
        counts = await count_rows(self.store.database, self.shop.id)
        await states.finish(self.store, self.shop.id, counts=counts, at=to_us(self.now()), history_from=history_from)
        self.progress(SyncProgress(phase=states.DONE, done=1, total=1))
        report = _report(counts, await _set_aside(self.store.database, self.shop.id), history_from)
        _log.info("sync_done", shop_id=self.shop.id, orders=counts.orders, set_aside=report.set_aside)
        return report


def _report(counts: Counts, set_aside: int, history_from: int | None) -> SyncReport:
    return SyncReport(
        customers=counts.customers,
        orders=counts.orders,
        order_lines=counts.order_lines,
        products=counts.products,
        set_aside=set_aside,
        history_from=history_from,
    )


async def _set_aside(database: Database, shop_id: int) -> int:
    [(count,)] = await database.fetch("SELECT COUNT(*) FROM set_aside WHERE shop_id = $1", shop_id)
    return int(count)


async def _write_products(store: Store, shop_id: int, batch: Batch, exported_at: int) -> None:
    await write_products_in_bulk(store, shop_id, batch.products, batch.variants, exported_at=exported_at)


async def _write_customers(store: Store, shop_id: int, batch: Batch, _: int) -> None:
    await write_customers_in_bulk(store, shop_id, batch.customers)


async def _write_orders(store: Store, shop_id: int, batch: Batch, exported_at: int) -> None:
    await write_orders_in_bulk(store, shop_id, batch.orders, batch.order_lines, exported_at=exported_at)


async def _settle_products(store: Store, shop_id: int) -> None:
    await settle_products(store.database, shop_id)


async def _settle_customers(store: Store, shop_id: int) -> None:
    await settle_customers(store.database, shop_id)
    await settle_all_traits(store, shop_id)


async def _settle_orders(store: Store, shop_id: int) -> None:
    orphans = await settle_orders(store.database, shop_id)
    if orphans:
        _log.warning("lines_without_order", shop_id=shop_id, lines=orphans)


_WRITE: Final[Mapping[str, Callable[[Store, int, Batch, int], Awaitable[None]]]] = {
    PRODUCTS: _write_products,
    CUSTOMERS: _write_customers,
    ORDERS: _write_orders,
}
_SETTLE: Final[Mapping[str, Callable[[Store, int], Awaitable[None]]]] = {
    PRODUCTS: _settle_products,
    CUSTOMERS: _settle_customers,
    ORDERS: _settle_orders,
}
