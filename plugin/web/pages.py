"""The merchant's page: how far the sync is, where the customers stand and what plays bring. Drawn by `page.js` and
`plays.js` from `/graphql`."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from graphql_schema.trusted import own_document
from integrations.shopify.oauth import check_shop
from plugin.errors import UnauthenticatedError
from plugin.settings import Settings
from plugin.web.install import ensure_installed

_HERE: Final = Path(__file__).parent / "static"
_APP_BRIDGE: Final = "https://cdn.shopify.com/shopifycloud/app-bridge.js"  # must come first in the page's head


async def page(request: Request) -> Response:
    """`GET /`: with a valid `id_token` the page, installed by token exchange if need be; with a shop but a stale
    token, back through the shop's admin, which opens us again with a fresh one."""
    settings: Settings = request.app.state.settings
    token = request.query_params.get("id_token")
    shop = request.query_params.get("shop")
    if not token and not shop:
        return HTMLResponse(_welcome(settings), headers=_security("'none'"))
    try:
        context = await ensure_installed(request.app.state, token or "")
    except UnauthenticatedError:
        domain = check_shop(shop or "")
        return RedirectResponse(f"{settings.shop_base(domain)}/admin/apps/{settings.api_key}")
    base = settings.shop_base(context.domain)
    data = {
        "token": token,
        "reopen": f"{base}/admin/apps/{settings.api_key}",
        "document": own_document("graphql", "page"),
        "plays": own_document("graphql", "plays"),
    }
    bridge = f"{base}/_app_bridge.js" if settings.loopback_shops else _APP_BRIDGE
    body = (_HERE / "page.html").read_text(encoding="utf-8")
    body = body.replace("{{bridge}}", _script(bridge, settings.api_key))
    body = body.replace("{{data}}", html.escape(json.dumps(data)))
    ancestors = (
        f"{base.partition('/' + context.domain)[0] if settings.loopback_shops else base} https://admin.shopify.com"
    )
    return HTMLResponse(body, headers=_security(ancestors))


async def asset(request: Request) -> Response:
    """`page.js`, `plays.js` and `page.css`, and nothing else of this machine."""
    name = request.path_params["name"]
    kind = {"page.js": "text/javascript", "plays.js": "text/javascript", "page.css": "text/css"}.get(name)
    if kind is None:
        return Response(status_code=404)
    return Response((_HERE / name).read_text(encoding="utf-8"), media_type=kind)


def _script(address: str, key: str) -> str:
    return f'<script src="{html.escape(address)}" data-api-key="{html.escape(key)}"></script>'


def _welcome(settings: Settings) -> str:
    note = "Open Rebloom from your shop's admin, under Apps."
    body = (_HERE / "page.html").read_text(encoding="utf-8").replace("{{bridge}}", "")
    return body.replace("{{data}}", html.escape(json.dumps({"note": note, "app": settings.app_url})))


def _security(ancestors: str) -> dict[str, str]:
    """Each page names the one shop that may frame it (PLATFORM.md 3.4)."""
    return {
        "Content-Security-Policy": f"frame-ancestors {ancestors}; base-uri 'none'; object-src 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


routes = [Route("/", page), Route("/static/{name}", asset)]
