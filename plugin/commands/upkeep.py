"""Upkeep by hand: deliveries set aside, walking the shop again, answers to people, a new encryption key."""

from __future__ import annotations

import typer

from plugin.commands.steps import gateways_of, opened
from plugin.domain.instants import from_us
from plugin.errors import NotFoundError
from plugin.ledger.inbox import list_set_aside, open_aside, run_again
from plugin.ledger.person_export import list_exports, open_export
from plugin.ledger.rotation import seal_again, under_older_keys
from plugin.lifecycle.recompute import recompute_customers
from plugin.settings import Settings
from plugin.shops import shop_by_domain, utc_now
from plugin.sync.reconcile import reconcile


async def show_inbox(settings: Settings, domain: str | None, *, show: str | None, again: str | None) -> None:
    """`again`: an id, or empty for all that is listed."""
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain) if domain is not None else None
        if show is not None:
            aside, body = await open_aside(store, show)
            typer.echo(f"{aside.domain}  {aside.topic}  {aside.attempts} attempts: {aside.reason}")
            typer.echo(body)
            return
        rows = await list_set_aside(store, shop.id if shop else None)
        for row in rows:
            typer.echo(f"{row.domain}  {row.topic}  {row.webhook_id}  {row.attempts} attempts: {row.reason}")
        if again is not None:
            count = await run_again(store, shop.id if shop else None, again)
            if again and not count:
                raise NotFoundError(f"No delivery {again[:80]!r} is set aside; list them with: rebloom inbox")
            typer.echo(f"{count} back in line")
        elif not rows:
            typer.echo("No delivery is set aside.")


async def reconcile_one(settings: Settings, domain: str) -> None:
    async with opened(settings) as store, gateways_of(settings, store) as gateways:
        shop = await shop_by_domain(store.database, domain)
        walked = await reconcile(store, shop, await gateways.for_shop(shop.id), now=utc_now)
        if walked.changed:
            await recompute_customers(store, shop, sorted(walked.changed), as_of=utc_now())
        typer.echo(
            f"{walked.looked_at} looked at: {walked.missed} had never arrived, {walked.outdated} stood in an older "
            f"state, {walked.gone} are gone; all mended"
        )


async def show_requests(settings: Settings, domain: str, request: str | None) -> None:
    """Requests for the data held on a customer, or the answer to one as JSON."""
    async with opened(settings) as store:
        shop = await shop_by_domain(store.database, domain)
        if request is not None:
            typer.echo(await open_export(store, shop.id, request))
            return
        rows = await list_exports(store, shop.id)
        for name, customer_id, asked, _ in rows:
            typer.echo(f"{name}  customer {customer_id}  asked {from_us(asked).isoformat()}")
        if not rows:
            typer.echo("Nobody has asked.")


async def rotate(settings: Settings) -> None:
    async with opened(settings) as store:
        typer.echo(f"{await seal_again(store)} sealed again with the newest key")
        left = await under_older_keys(store)
        typer.echo(
            "The older keys can be taken out of REBLOOM_ENCRYPTION_KEYS now."
            if not left
            else f"{left} cannot be opened with any configured key; put back the key they were written with"
        )
