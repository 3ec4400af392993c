"""One step by hand: sync, recompute, push, inbox. On a terminal each shows a bar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from plugin.installations import Gateways
from plugin.ledger.migrate import migrate
from plugin.ledger.store import Store, open_store
from plugin.lifecycle.offers import fit_offers
from plugin.lifecycle.predicting import fit_predictions
from plugin.lifecycle.publish import push_tags
from plugin.lifecycle.recompute import recompute_shop
from plugin.lifecycle.withdraw import withdraw
from plugin.settings import Settings
from plugin.shops import ShopContext, shop_by_domain, utc_now
from plugin.sync.backfill import run_sync
from plugin.sync.topics import WEBHOOK_PATH
from plugin.work import work_folder


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """A migrated store."""
    await migrate(settings.database_url)
    async with open_store(settings) as store:
        yield store


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """`show(what, done, of)`: one line a phase on a terminal, nothing elsewhere (the log tells it there)."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of)
            progress.update(tasks[what], completed=done, total=of)

        yield show


async def sync_shop(settings: Settings, domain: str) -> None:
    async with opened(settings) as store, gateways_of(settings, store) as gateways:
        shop = await shop_by_domain(store.database, domain)
        with _bar() as show:
            report = await run_sync(
                store,
                shop,
                await gateways.for_shop(shop.id),
                now=utc_now,
                progress=lambda at: show(at.phase, at.done, at.total),
                work_dir=work_folder(settings, shop.domain),
            )
            await _recompute(store, await shop_by_domain(store.database, domain), utc_now(), show)
        typer.echo(
            f"{report.customers} customers, {report.orders} orders, {report.order_lines} lines, "
            f"{report.products} products"
        )


async def recompute_one(settings: Settings, domain: str, as_of: datetime | None) -> None:
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain)
        with _bar() as show:
            by_stage = await _recompute(store, shop, as_of or utc_now(), show, anew=True)
        for stage, count in by_stage.items():
            typer.echo(f"{stage}: {count}")


async def _recompute(
    store: Store,
    shop: ShopContext,
    as_of: datetime,
    show: Callable[[str, int, int | None], None],
    *,
    anew: bool = False,
) -> dict[str, int]:
    await fit_predictions(store, shop, now=as_of)
    show("recommendations", 0, None)
    await fit_offers(store, shop, now=as_of)
    report = await recompute_shop(
        store, shop, as_of=as_of, progress=lambda done, of: show("stages", done, of), anew=anew
    )
    return report.by_stage


async def push_one(settings: Settings, domain: str, *, dry_run: bool) -> None:
    async with opened(settings) as store, gateways_of(settings, store) as gateways:
        shop = await shop_by_domain(store.database, domain)
        with _bar() as show:
            report = await push_tags(
                store,
                shop,
                await gateways.for_shop(shop.id),
                now=utc_now,
                dry_run=dry_run,
                progress=lambda done, of: show("tags", done, of),
            )
        would = "would be " if dry_run else ""
        typer.echo(
            f"{report.added} tags {would}added, {report.removed} {would}removed, "
            f"{report.skipped} customers as they should be"
        )
        for line in report.sample if dry_run else ():
            typer.echo(f"  {line}")
        if report.refused:
            typer.echo(f"{report.refused} customers refused by the shop; see their reason in push_states")


async def remove_one(settings: Settings, domain: str, *, dry_run: bool) -> None:
    async with opened(settings) as store, gateways_of(settings, store) as gateways:
        shop = await shop_by_domain(store.database, domain)
        with _bar() as show:
            work = await withdraw(
                store,
                shop,
                await gateways.for_shop(shop.id),
                address=settings.app_url + WEBHOOK_PATH,
                now=utc_now,
                show=show,
                dry_run=dry_run,
            )
        for what, count in work.counts.items():
            typer.echo(f"{count} {what} {'would be ' if dry_run else ''}taken away")
        if work.refused:
            typer.echo(f"{work.refused} customers refused by the shop; run it again later")
        if not dry_run:
            typer.echo("Nothing is written there any more. Now uninstall the app in the shop's admin.")


@asynccontextmanager
async def gateways_of(settings: Settings, store: Store) -> AsyncIterator[Gateways]:
    """The gateways of a command, closed at its end."""
    gateways = Gateways(settings, store, now=utc_now)
    try:
        yield gateways
    finally:
        await gateways.close()
