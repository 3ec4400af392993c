"""The commands and their options. Imports of heavy parts stand inside, so that `rebloom --help` is quick."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from structlog.contextvars import bind_contextvars

from plugin.errors import BadRequestError
from plugin.log import configure_logging
from plugin.settings import Settings, read_settings

app = typer.Typer(
    name="rebloom",
    help="Know where every customer of a shop stands, and what to offer next.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
token_app = typer.Typer(help="Partner tokens: shown once, stored hashed.", no_args_is_help=True)
app.add_typer(token_app, name="token")

ShopArgument = Annotated[str, typer.Argument(metavar="SHOP", help="The shop's domain, x.myshopify.com.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


@app.callback()
def _begin(context: typer.Context) -> None:
    bind_contextvars(command=context.invoked_subcommand)


def _settings() -> Settings:
    configure_logging()
    settings = read_settings(os.environ)
    configure_logging(level=settings.log_level)
    return settings


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Also run jobs in this process.")] = True,
) -> None:
    """The web app; with a worker inside unless told otherwise, so that one process is enough."""
    from plugin.commands.serve import run_server

    run_server(_settings(), host=host, port=port, with_worker=worker)


@app.command()
def worker(
    health_port: Annotated[
        int | None, typer.Option("--health-port", help="Answer /healthz, /readyz and /metrics here.", min=1, max=65535)
    ] = None,
) -> None:
    """A worker alone: any number, on any number of hosts, on PostgreSQL."""
    from plugin.commands.serve import run_worker

    asyncio.run(run_worker(_settings(), health_port=health_port))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the main job, with a JSON summary.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="A folder of bulk-format JSONL instead of the shipped orders.")
    ] = None,
    port: Port = 8000,
    customers: Annotated[int, typer.Option(help="How many customers of the shipped orders.", min=1)] = 1000,
) -> None:
    """Rebloom and a dev shop with real orders, from installing to pushing tags."""
    from plugin.commands.demo import run_demo

    configure_logging(level="WARNING")
    raise SystemExit(asyncio.run(run_demo(once=once, data=data, port=port, customers=customers)))


@app.command()
def devshop(
    data: Annotated[Path, typer.Option(help="A folder of bulk-format JSONL.")],
    port: Port = 9292,
    shop: Annotated[str, typer.Option(help="The shop's name.")] = "rebloom-demo",
) -> None:
    """The dev shop alone, for your own client to play with."""
    from plugin.commands.devshop import run_devshop

    configure_logging()
    run_devshop(data=data, port=port, shop=shop)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables."""
    from plugin.ledger.migrate import migrate as run

    applied = asyncio.run(run(_settings().database_url))
    typer.echo(f"Applied: {', '.join(applied)}." if applied else "The database is up to date.")


@app.command()
def schema(storefront: Annotated[bool, typer.Option("--storefront", help="The storefront's schema.")] = False) -> None:
    """Print the GraphQL schema (SDL)."""
    from graphql_schema.schema import merchant_schema, storefront_schema

    typer.echo((storefront_schema if storefront else merchant_schema).as_str())


@app.command()
def documents() -> None:
    """List the registered documents: what may be asked for by `documentId`, and where."""
    from graphql_schema.registered import listed

    folder = os.environ.get("REBLOOM_DOCUMENTS", "").strip()
    for door, name, identifier in listed(Path(folder) if folder else None):
        typer.echo(f"{identifier}  {door:<10}  {name}")


@app.command()
def doctor() -> None:
    """Check settings, database, keys, clock and shops, and say what to do."""
    from plugin.commands.doctor import examine

    configure_logging(level="ERROR")
    raise SystemExit(asyncio.run(examine(os.environ, say=typer.echo)))


@app.command()
def sync(shop: ShopArgument) -> None:
    """Copy a shop now, by bulk export, and place its customers."""
    from plugin.commands.steps import sync_shop

    asyncio.run(sync_shop(_settings(), shop))


@app.command()
def recompute(
    shop: ShopArgument,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The instant judged, ISO 8601; default now.")] = None,
) -> None:
    """Measure and place every customer of a shop again from its facts."""
    from plugin.commands.steps import recompute_one

    asyncio.run(recompute_one(_settings(), shop, _instant(as_of)))


@app.command()
def push(
    shop: ShopArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")] = False,
) -> None:
    """Push stage and segment tags that differ to the shop."""
    from plugin.commands.steps import push_one

    asyncio.run(push_one(_settings(), shop, dry_run=dry_run))


@app.command()
def remove(
    shop: ShopArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be taken away; change nothing.")] = False,
) -> None:
    """Take away from a shop exactly what Rebloom wrote there, before uninstalling."""
    from plugin.commands.steps import remove_one

    asyncio.run(remove_one(_settings(), shop, dry_run=dry_run))


@app.command()
def inbox(
    shop: Annotated[str | None, typer.Argument(metavar="[SHOP]", help="One shop's only.")] = None,
    show: Annotated[str | None, typer.Option(metavar="ID", help="One delivery with its body.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Put what is listed back in line.")] = False,
    rerun: Annotated[str | None, typer.Option(metavar="ID", help="Put this one back in line.")] = None,
) -> None:
    """Deliveries set aside: which, and why; look at one; run them again."""
    from plugin.commands.upkeep import show_inbox

    asyncio.run(show_inbox(_settings(), shop, show=show, again=rerun or ("" if again else None)))


@app.command()
def reconcile(shop: ShopArgument) -> None:
    """Find and mend what no webhook brought since the last look; it is done daily by itself."""
    from plugin.commands.upkeep import reconcile_one

    asyncio.run(reconcile_one(_settings(), shop))


@app.command()
def person(
    shop: ShopArgument,
    request: Annotated[str | None, typer.Option(metavar="ID", help="The answer to this request, as JSON.")] = None,
) -> None:
    """Who asked the shop for the data held on them, and the answers to hand over."""
    from plugin.commands.upkeep import show_requests

    asyncio.run(show_requests(_settings(), shop, request))


@app.command()
def rotate() -> None:
    """Seal everything again with the newest encryption key; it is done hourly by itself while there are several."""
    from plugin.commands.upkeep import rotate as run

    asyncio.run(run(_settings()))


@token_app.command("create")
def token_create(
    shop: ShopArgument,
    name: Annotated[str, typer.Option(help="Whose it is.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated, e.g. read_customers,read_offers.")],
) -> None:
    """Make a token; it is shown this once."""
    from plugin.commands.tokens import create

    typer.echo(asyncio.run(create(_settings(), shop, name, scopes)))


@token_app.command("list")
def token_list(shop: ShopArgument) -> None:
    """The tokens of a shop, without their secrets."""
    from plugin.commands.tokens import listing

    typer.echo(json.dumps(asyncio.run(listing(_settings(), shop)), indent=2))


@token_app.command("revoke")
def token_revoke(
    shop: ShopArgument, token_id: Annotated[int, typer.Argument(help="The number `token list` shows.")]
) -> None:
    """Make a token useless, from the next request on."""
    from plugin.commands.tokens import revoke

    asyncio.run(revoke(_settings(), shop, token_id))
    sys.stderr.write("Revoked.\n")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"--as-of {text!r} is not an instant; write 2026-03-01T00:00:00Z") from None
    if instant.tzinfo is None:
        raise BadRequestError(f"--as-of {text!r} has no time zone; write {text}Z for UTC")
    return instant
