"""Installing: `/auth` → the shop → `/auth/callback`, or silently by token exchange when the embedded page is opened.

Nothing is asked of the shop before its signature, the time, the shop and the browser were checked, and a state is
spent before its code is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from integrations.shopify import oauth
from integrations.shopify.oauth import STATE_COOKIE, STATE_LIFE, Callback, TokenGrant, check_shop
from integrations.shopify.session_tokens import read_session_token
from plugin.domain.instants import to_us
from plugin.errors import (
    BadRequestError,
    NotFoundError,
    RebloomError,
    ShopAccessError,
    ShopError,
    UnauthenticatedError,
    UnavailableError,
)
from plugin.installations import INSTALLED, store_installation, write_shop
from plugin.ledger.trouble import come_again
from plugin.log import request_id
from plugin.settings import Settings
from plugin.shops import ShopContext, shop_by_domain, shop_by_id
from plugin.sync.topics import subscribe_all

_FORGOTTEN: Final = timedelta(hours=1)
_STATUS: Final[tuple[tuple[type[RebloomError], int], ...]] = (
    (BadRequestError, 400), (UnauthenticatedError, 401), (ShopAccessError, 403), (ShopError, 503),
    (UnavailableError, 503),
)  # fmt: skip
_log = structlog.get_logger(__name__)
_one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
Endpoint = Callable[[Request], Awaitable[Response]]


def _plainly(endpoint: Endpoint) -> Endpoint:
    """A refusal as a plain page where a browser asks: there a person is looking, not a program."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RebloomError as error:
            status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
            if status is None or come_again(error) is not None:
                raise
            headers = {"Cache-Control": "no-store", **({"Retry-After": "5"} if status == 503 else {})}  # noqa: PLR2004
            if "text/html" in request.headers.get("accept", ""):
                return PlainTextResponse(f"{error}\n", status_code=status, headers=headers)
            told = {"code": error.code, "message": str(error), "requestId": request_id()}
            return JSONResponse({"error": told}, status_code=status, headers=headers)

    return answered


@_plainly
async def begin(request: Request) -> Response:
    """`GET /auth?shop=`: to the shop, with a state that only this browser can bring back."""
    settings: Settings = request.app.state.settings
    shops = request.query_params.getlist("shop")
    domain = check_shop(shops[0] if len(shops) == 1 else "")
    state = oauth.new_state()
    await _remember(request.app.state, state, domain)
    response = RedirectResponse(
        oauth.authorize_url(settings, domain, state), status_code=302, headers={"Cache-Control": "no-store"}
    )
    response.set_cookie(
        STATE_COOKIE,
        oauth.state_cookie(state, domain, settings.api_secrets[0]),
        max_age=int(STATE_LIFE.total_seconds()),
        path="/auth",
        secure=settings.app_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return response


@_plainly
async def finish(request: Request) -> Response:
    """`GET /auth/callback`: the code becomes an installation, once."""
    app_state = request.app.state
    settings: Settings = app_state.settings
    query = request.scope["query_string"].decode("ascii", "replace")
    callback = oauth.check_callback(query, request.cookies.get(STATE_COOKIE), settings, app_state.now())
    await _spend(app_state, callback)
    form = oauth.code_form(settings, callback.code)
    grant = await app_state.gateways.ask_token(callback.domain, form, repeatable=False)
    await settle_in(app_state, await _stored(app_state, callback.domain, grant))
    response = RedirectResponse(
        _home(settings, callback.domain), status_code=302, headers={"Cache-Control": "no-store"}
    )
    response.delete_cookie(STATE_COOKIE, path="/auth")
    return response


async def ensure_installed(app_state: Any, id_token: str) -> ShopContext:  # noqa: ANN401 - Starlette's State is untyped
    """The shop whose admin shows the page, installed by token exchange when it is new or let its tokens lapse.
    Raises UnauthenticatedError for a token that is not good, ShopAccessError or ShopUnavailableError of the shop."""
    claims = read_session_token(id_token, app_state.settings, app_state.now())
    async with _one_at_a_time.setdefault(claims.domain, asyncio.Lock()):
        try:
            shop = await shop_by_domain(app_state.store.database, claims.domain)
        except NotFoundError:
            shop = None
        if shop is None or shop.status != INSTALLED:
            form = oauth.exchange_form(app_state.settings, id_token)
            grant = await app_state.gateways.ask_token(claims.domain, form, repeatable=True)
            shop = await shop_by_id(app_state.store.database, await _stored(app_state, claims.domain, grant))
        return shop if shop.platform_id is not None else await settle_in(app_state, shop.id)


async def _stored(app_state: Any, domain: str, grant: TokenGrant) -> int:  # noqa: ANN401
    missing = oauth.missing_scopes(grant.scopes, app_state.settings.scopes)
    if missing:  # what needs them stops by itself, with the shop's own words; the rest goes on
        _log.warning("fewer scopes granted than asked for", shop=domain, missing=sorted(missing))
    return await store_installation(app_state.store, domain, grant, app_state.now())


async def settle_in(app_state: Any, shop_id: int) -> ShopContext:  # noqa: ANN401
    """What a stored installation needs before its first day, and its first copy put in line."""
    shop = await settle(app_state, shop_id)
    await app_state.jobs.enqueue("sync", shop_id, once=f"installed-{shop.installed_at}")
    return shop


async def settle(app_state: Any, shop_id: int) -> ShopContext:  # noqa: ANN401
    """Webhooks asked for, and the shop's own statement kept. The shop's own statement is kept last: a shop without one
    (`platform_id`) was interrupted here, and goes through this again when its page is opened."""
    gateway = await app_state.gateways.for_shop(shop_id)
    await subscribe_all(gateway, await shop_by_id(app_state.store.database, shop_id), app_state.settings)
    await write_shop(app_state.store.database, shop_id, await gateway.shop_info())
    return await shop_by_id(app_state.store.database, shop_id)


async def _remember(app_state: Any, state: str, domain: str) -> None:  # noqa: ANN401
    now = app_state.now()
    async with app_state.store.database.transaction() as session:
        await session.execute("DELETE FROM install_states WHERE created_at < $1", to_us(now - _FORGOTTEN))
        await session.execute(
            "INSERT INTO install_states (state_hash, domain, created_at) VALUES ($1, $2, $3)",
            oauth.state_hash(state),
            domain,
            to_us(now),
        )


async def _spend(app_state: Any, callback: Callback) -> None:  # noqa: ANN401
    """Of two callbacks with one state, one deletes the row. Raises UnauthenticatedError."""
    spent = await app_state.store.database.execute(
        "DELETE FROM install_states WHERE state_hash = $1 AND domain = $2 AND created_at >= $3",
        oauth.state_hash(callback.state),
        callback.domain,
        to_us(app_state.now() - STATE_LIFE),
    )
    if not spent:
        raise UnauthenticatedError("This installation took too long or was finished before; start again from the shop.")


def _home(settings: Settings, domain: str) -> str:
    """Into the verified shop's admin; beside the dev shop, to our own page."""
    if settings.loopback_shops:
        return f"{settings.app_url}/?{urlencode({'shop': domain})}"
    return f"{settings.shop_base(domain)}/admin/apps/{settings.api_key}"


routes = [Route("/auth", begin, methods=["GET"]), Route(oauth.CALLBACK_PATH, finish, methods=["GET"])]
