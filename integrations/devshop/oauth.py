"""The shop's OAuth: authorize, codes, token exchange, rotating refresh tokens, expiry by the shop's clock."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from integrations.devshop.shop import Token, granted
from integrations.devshop.signing import encoded_host, signed_oauth_query, verified_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from integrations.devshop.shop import ShopState

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  (a name from the standard, no secret)
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
ACCESS_LASTS = timedelta(seconds=3600)
REFRESH_LASTS = timedelta(seconds=7_776_000)
ONLINE_LASTS = timedelta(seconds=86_400)


LEEWAY = 10  # seconds, as the platform's libraries allow


class Refused(Exception):  # noqa: N818  (a refusal is no error of the dev shop)
    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.response = JSONResponse({"error": code, "error_description": description}, status)


def authorize(shop: ShopState, request: Request) -> Response:
    """The merchant always agrees: straight back to the app with a code."""
    query = request.query_params
    if query.get("client_id") != shop.app.client_id:
        return PlainTextResponse("Oauth error invalid_request: Could not find Shopify API application", 400)
    target = query.get("redirect_uri", "")
    if target not in (shop.app.redirects or (f"{shop.app.url}/auth/callback",)):
        return PlainTextResponse("Oauth error invalid_request: The redirect_uri is not whitelisted", 400)
    scopes = [each.strip() for each in query.get("scope", "").split(",") if each.strip()]
    code = secrets.token_hex(16)
    with shop.lock:
        shop.codes[code] = ",".join(scopes or shop.app.scopes)
    params = {
        "code": code,
        "host": encoded_host(shop.domain),
        "shop": shop.domain,
        "state": query.get("state", ""),
        "timestamp": str(int(shop.now().timestamp())),
    }
    return RedirectResponse(f"{target}?{signed_oauth_query(shop.app.secret, params)}", 302)


async def access_token(shop: ShopState, request: Request) -> Response:
    form = await _form(request)
    try:
        with shop.lock:
            return JSONResponse(_grant(shop, form))
    except Refused as refused:
        return refused.response


async def _form(request: Request) -> Mapping[str, str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        body = await request.json()
        return {key: str(value) for key, value in body.items()} if isinstance(body, dict) else {}
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def _grant(shop: ShopState, form: Mapping[str, str]) -> dict[str, Any]:
    if form.get("client_id") != shop.app.client_id or form.get("client_secret") != shop.app.secret:
        raise Refused("invalid_client", "The client credentials are wrong", 401)
    expiring = form.get("expiring") in ("1", "true")
    kind = form.get("grant_type", "authorization_code")
    if kind == EXCHANGE:
        return _exchange(shop, form, expiring=expiring)
    if kind == "refresh_token":
        return _refresh(shop, form)
    scopes = shop.codes.pop(form.get("code", ""), None)
    if scopes is None:
        raise Refused("invalid_request", "The authorization code was not found or was already used")
    return _install(shop, scopes.split(","), expiring=expiring)


def _exchange(shop: ShopState, form: Mapping[str, str], *, expiring: bool) -> dict[str, Any]:
    if form.get("subject_token_type") != ID_TOKEN:
        raise Refused("invalid_request", "subject_token_type is not an id_token")
    claims = verified_claims(form.get("subject_token", ""), shop.app.secret)
    if claims is None:
        raise Refused("invalid_subject_token", "The id_token is not signed with the app's secret")
    now = shop.now().timestamp()
    in_time = claims.get("nbf", now) <= now + LEEWAY and claims.get("exp", 0) >= now
    if not in_time or claims.get("aud") != shop.app.client_id or claims.get("dest") != f"https://{shop.domain}":
        raise Refused("invalid_subject_token", "The id_token has expired, or is for another app or shop")
    if form.get("requested_token_type") == ONLINE:
        token = _new_token(shop, granted(shop.app.scopes), ONLINE_LASTS, online=True)
        user = {"id": int(claims["sub"]), "account_owner": True, "email": f"staff@{shop.domain}.example"}
        body = {"access_token": token.value, "scope": _stated(shop.app.scopes), "expires_in": 86_399}
        return {**body, "associated_user_scope": body["scope"], "associated_user": user}
    return _install(shop, list(shop.app.scopes), expiring=expiring)


def _install(shop: ShopState, scopes: list[str], *, expiring: bool) -> dict[str, Any]:
    shop.installed = True
    return _tokens(shop, frozenset(scopes), expiring=expiring)


def _tokens(shop: ShopState, scopes: frozenset[str], *, expiring: bool) -> dict[str, Any]:
    token = _new_token(shop, granted(tuple(scopes)), ACCESS_LASTS if expiring else None)
    body: dict[str, Any] = {"access_token": token.value, "scope": _stated(tuple(scopes))}
    if expiring:
        shop.refresh_tokens.clear()  # a new one retires all older ones at once
        refresh = f"shprt_{secrets.token_hex(16)}"
        shop.refresh_tokens[refresh] = (scopes, shop.now() + REFRESH_LASTS)
        body |= {
            "expires_in": int(ACCESS_LASTS.total_seconds()),
            "refresh_token": refresh,
            "refresh_token_expires_in": int(REFRESH_LASTS.total_seconds()),
        }
    return body


def _refresh(shop: ShopState, form: Mapping[str, str]) -> dict[str, Any]:
    given = form.get("refresh_token", "")
    known = shop.refresh_tokens.get(given)
    if known is None or known[1] <= shop.now() or not shop.installed:
        raise Refused("invalid_grant", "The refresh token is unknown, expired or was already replaced", 401)
    old = shop.refresh_tokens.pop(given)
    body = _tokens(shop, known[0], expiring=True)
    # Since 2026-08-28 the old one stays usable until the new one is first used.
    shop.refresh_tokens[given] = old
    shop.replaced_by[body["refresh_token"]] = given
    if replaced := shop.replaced_by.pop(given, None):
        shop.refresh_tokens.pop(replaced, None)
    return body


def _new_token(shop: ShopState, scopes: frozenset[str], lasts: timedelta | None, *, online: bool = False) -> Token:
    expires: datetime | None = None if lasts is None else shop.now() + lasts
    token = Token(f"shpat_{secrets.token_hex(16)}", scopes, expires, online)
    shop.tokens[token.value] = token
    return token


def _stated(scopes: tuple[str, ...]) -> str:
    """The platform leaves out what a write scope implies."""
    implied = {"read_" + each.removeprefix("write_") for each in scopes if each.startswith("write_")}
    return ",".join(sorted(set(scopes) - implied))


def holder(shop: ShopState, value: str | None) -> Token | None:
    """The token's record while it is good."""
    token = shop.tokens.get(value or "")
    if token is None or not shop.installed:
        return None
    return None if token.expires_at is not None and token.expires_at <= shop.now() else token
