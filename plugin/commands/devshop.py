"""`rebloom devshop`: the local shop that speaks the platform's protocol, for the demo and for your own client."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import typer

from integrations.devshop.server import DevShopConfig, DevShops, serve
from integrations.devshop.shop import App
from plugin.errors import BadRequestError
from plugin.settings import DEFAULT_SCOPES


def domain_of(name: str) -> str:
    """`rebloom-demo` → `rebloom-demo.myshopify.com`."""
    return name if name.endswith(".myshopify.com") else f"{name}.myshopify.com"


def run_devshop(*, data: Path, port: int, shop: str) -> None:
    """Serve until Ctrl-C. The app it knows is that of SHOPIFY_API_KEY, SHOPIFY_API_SECRET and REBLOOM_APP_URL."""
    if not data.is_dir():
        raise BadRequestError(
            f"--data {data} is not a folder; give one with orders.jsonl, customers.jsonl, products.jsonl"
        )
    app_url = os.environ.get("REBLOOM_APP_URL", "http://127.0.0.1:8000")
    app = App(
        client_id=os.environ.get("SHOPIFY_API_KEY", "rebloom-dev"),
        secret=os.environ.get("SHOPIFY_API_SECRET", "rebloom-dev-secret"),
        url=app_url,
        redirects=(f"{app_url}/auth/callback",),
        scopes=DEFAULT_SCOPES,
    )
    try:
        shops = DevShops(DevShopConfig(app=app, shops={domain_of(shop): data}, base=f"http://127.0.0.1:{port}"))
    except FileNotFoundError as error:
        raise BadRequestError(str(error)) from None
    typer.echo(f"{domain_of(shop)} at http://127.0.0.1:{port}/{domain_of(shop)}")
    asyncio.run(serve(shops, port=port))
