"""The pages a human sees, and the storefront's signed proxy to the app."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from integrations.devshop.admin import shop_of
from integrations.devshop.signing import encoded_host, oauth_hmac, proxy_signature, session_token

if TYPE_CHECKING:
    from starlette.requests import Request

    from integrations.devshop.shop import ShopState

PROXY_TIMEOUT = httpx.Timeout(10.0)
PROXY_PATH = "/apps/rebloom"
NOT_FORWARDED = {"host", "cookie", "content-length", "connection", "accept-encoding"}
NOT_RETURNED = {"set-cookie", "content-length", "content-encoding", "transfer-encoding", "connection"}
STYLE = """body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#202223}
main{background:#fff;border:1px solid #d9dcde;border-radius:12px;padding:1.5rem}dt{color:#6d7175}dd{margin:0 0 .5rem}
iframe{width:100%;height:75vh;border:1px solid #d9dcde;border-radius:8px}a{color:#2c6ecb}"""


def _page(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    top = f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head>'
    return HTMLResponse(f"{top}<body><h1>{escape(title)}</h1><main>{body}</main></body></html>")


async def front(request: Request) -> Response:
    shops = request.app.state.devshops.shops
    items = "".join(f'<li><a href="/{escape(name)}">{escape(name)}</a></li>' for name in shops)
    return _page("Dev shops", f"<ul>{items}</ul>")


async def admin_home(request: Request) -> Response:
    shop = shop_of(request)
    data = shop.data
    figures = {"Customers": len(data.customers), "Orders": len(data.orders), "Products": len(data.products)}
    facts = "".join(f"<dt>{name}</dt><dd>{count:,}</dd>" for name, count in figures.items())
    state = "installed" if shop.installed else "not installed yet"
    apps = (
        f"<h2>Apps</h2><ul><li><strong>{escape(shop.app.name)}</strong>, {state}: "
        f'<a href="/{shop.domain}/admin/apps/{shop.app.client_id}">open the app</a>, '
        f'<a href="{escape(shop.app.url)}/auth?{escape(_install_query(shop))}">install by code grant</a></li></ul>'
    )
    return _page(shop.name, f"<dl>{facts}</dl>{apps}")


def _install_query(shop: ShopState) -> str:
    params = {"shop": shop.domain, "host": encoded_host(shop.domain), "timestamp": str(int(shop.now().timestamp()))}
    return urlencode({**params, "hmac": oauth_hmac(shop.app.secret, params)})


async def embedded(request: Request) -> Response:
    """The app inside the shop's admin, as the platform opens it."""
    shop = shop_of(request)
    if request.path_params["client_id"] != shop.app.client_id:
        return PlainTextResponse("Not Found", 404)
    return _page(f"{shop.name} · {shop.app.name}", f'<iframe title="app" src="{escape(embedded_url(shop))}"></iframe>')


def embedded_url(shop: ShopState) -> str:
    now = shop.now()
    params = {
        "embedded": "1",
        "host": encoded_host(shop.domain),
        "id_token": session_token(shop.app.client_id, shop.app.secret, shop.domain, now=now),
        "locale": "en",
        "shop": shop.domain,
        "timestamp": str(int(now.timestamp())),
    }
    return f"{shop.app.url}/?{urlencode({**params, 'hmac': oauth_hmac(shop.app.secret, params)})}"


async def app_bridge(request: Request) -> Response:
    """The one thing of App Bridge that the app's page needs here: `shopify.idToken()`, a fresh token each time."""
    shop = shop_of(request)
    script = f"""const address = new URL("/{shop.domain}/_id_token", document.currentScript.src);
window.shopify = {{ idToken: async () => (await fetch(address)).text() }};
"""
    return Response(script, media_type="text/javascript")


async def id_token(request: Request) -> Response:
    """A session token, for the app's own pages alone."""
    shop = shop_of(request)
    if request.headers.get("origin") != shop.app.url:
        return PlainTextResponse("Forbidden", 403)
    token = session_token(shop.app.client_id, shop.app.secret, shop.domain, now=shop.now())
    return PlainTextResponse(token, headers={"Access-Control-Allow-Origin": shop.app.url, "Cache-Control": "no-store"})


async def proxy(request: Request) -> Response:
    """`/apps/rebloom/{path}` of the storefront: signed and sent on to `/storefront/{path}` of the app.

    Who is logged in is said by `?as=ID` or the cookie `devshop_customer`, both of which stay here.
    """
    shop = shop_of(request)
    pairs = [(key, value) for key, value in request.query_params.multi_items() if key != "as"]
    signed = signed_pairs(shop, pairs, request.query_params.get("as") or request.cookies.get("devshop_customer", ""))
    url = f"{shop.app.url}/storefront/{request.path_params['path']}?{urlencode(signed)}"
    headers = {key: value for key, value in request.headers.items() if key not in NOT_FORWARDED}
    try:
        async with httpx.AsyncClient(timeout=PROXY_TIMEOUT, follow_redirects=False) as client:
            answer = await client.request(request.method, url, content=await request.body(), headers=headers)
    except httpx.HTTPError:
        return PlainTextResponse("There was an error in the third-party application.", 502)
    kept = {key: value for key, value in answer.headers.items() if key not in NOT_RETURNED}
    return Response(answer.content, answer.status_code, kept)


def signed_pairs(shop: ShopState, pairs: list[tuple[str, str]], customer: str) -> list[tuple[str, str]]:
    own = {
        "shop": shop.domain,
        "logged_in_customer_id": customer,
        "path_prefix": PROXY_PATH,
        "timestamp": str(int(shop.now().timestamp())),
    }
    given = [(key, value) for key, value in pairs if key not in own and key != "signature"]
    listed: dict[str, list[str]] = {}
    for key, value in given:
        listed.setdefault(key, []).append(value)
    signature = proxy_signature(shop.app.secret, {**listed, **own})
    return [*given, *own.items(), ("signature", signature)]


async def log_in(request: Request) -> Response:
    """A customer signs in on the storefront: `/account/login?as=ID`."""
    shop = shop_of(request)
    answer = RedirectResponse(f"/{shop.domain}", 302)
    answer.set_cookie("devshop_customer", request.query_params.get("as", ""), httponly=True, samesite="lax")
    return answer


ROUTES = [
    Route("/", admin_home, methods=["GET"]),
    Route("/admin", admin_home, methods=["GET"]),
    Route("/admin/apps/{client_id}", embedded, methods=["GET"]),
    Route("/_app_bridge.js", app_bridge, methods=["GET"]),
    Route("/_id_token", id_token, methods=["GET"]),
    Route("/account/login", log_in, methods=["GET"]),
    Route("/apps/rebloom/{path:path}", proxy, methods=["GET", "POST"]),
]
