"""Installing, sans I/O: who may ask, where the merchant is sent, what comes back, and the token requests.

Rules of https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens (authorization code grant,
token exchange, offline access tokens). Every token asked for is an expiring offline token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from integrations.shopify import sdk
from integrations.shopify.protocol import ThrottledError, UncertainError
from integrations.shopify.signatures import check_install_query
from plugin.errors import BadRequestError, ShopAccessError, ShopError, UnauthenticatedError
from plugin.settings import Settings

STATE_LIFE: Final = timedelta(minutes=10)
STATE_COOKIE: Final = "rebloom_install"
CALLBACK_PATH: Final = "/auth/callback"
_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,255}")
# A reply without `expires_in` once switched refreshing off for good (shopify-app-js issue 3400): ask again soon.
_UNSAID_LIFE: Final = timedelta(minutes=10)
_TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant's name
_ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105
_OFFLINE_TOKEN: Final = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A callback whose signature, time, shop and browser were checked; `state` is still to be spent."""

    domain: str
    code: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """Tokens as the shop gave them. `access_expires_at` None: the token does not expire."""

    access_token: str
    scopes: frozenset[str]
    access_expires_at: datetime | None
    refresh_token: str | None
    refresh_expires_at: datetime | None

    def __repr__(self) -> str:
        return f"TokenGrant(scopes={sorted(self.scopes)}, access_expires_at={self.access_expires_at})"


def check_shop(text: str) -> str:
    """`text`, when it is a shop's domain to the letter; refused and never repaired otherwise (BadRequestError).
    The dev shop's shops have the same form: there only the base URL differs."""
    if not _SHOP.fullmatch(text):
        raise BadRequestError("`shop` must be a shop's domain in full, such as my-shop.myshopify.com.")
    return text


def new_state() -> str:
    """256 random bits in letters that every way of signing encodes alike."""
    return secrets.token_urlsafe(32)


def state_hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def state_cookie(state: str, domain: str, secret: str) -> str:
    """The cookie that binds `state` to this browser and to this shop."""
    return f"{state}.{_cookie_mac(state, domain, secret)}"


def authorize_url(settings: Settings, domain: str, state: str) -> str:
    """Where to send the merchant of a checked `domain`."""
    url = sdk.permission_url(
        domain,
        api_key=settings.api_key,
        scopes=settings.scopes,
        redirect_uri=settings.app_url + CALLBACK_PATH,
        state=state,
    )
    return settings.shop_base(domain) + url.removeprefix(f"https://{domain}")


def check_callback(query: str, cookie: str | None, settings: Settings, now: datetime) -> Callback:
    """Raises UnauthenticatedError or BadRequestError; nothing was sent anywhere then."""
    params = check_install_query(query, settings.api_secrets, now)
    domain = check_shop(params.get("shop", ""))
    state, code = params.get("state", ""), params.get("code", "")
    if not _STATE.fullmatch(state) or not _is_ours(cookie or "", state, domain, settings):
        raise UnauthenticatedError("This installation was not begun in this browser; start again from the shop.")
    if not _CODE.fullmatch(code):
        raise BadRequestError("`code` is not an authorization code; start again from the shop.")
    return Callback(domain=domain, code=code, state=state)


def token_url(settings: Settings, domain: str) -> str:
    return settings.shop_base(domain) + "/admin/oauth/access_token"


def code_form(settings: Settings, code: str) -> dict[str, str]:
    return {**_client(settings), "code": code, "expiring": "1"}


def exchange_form(settings: Settings, id_token: str) -> dict[str, str]:
    return {
        **_client(settings),
        "grant_type": _TOKEN_EXCHANGE,
        "subject_token": id_token,
        "subject_token_type": _ID_TOKEN,
        "requested_token_type": _OFFLINE_TOKEN,
        "expiring": "1",
    }


def refresh_form(settings: Settings, refresh_token: str) -> dict[str, str]:
    return {**_client(settings), "grant_type": "refresh_token", "refresh_token": refresh_token}


class _TokenReply(msgspec.Struct):
    access_token: str
    scope: str = ""
    expires_in: int | None = None
    refresh_token: str | None = None
    refresh_token_expires_in: int | None = None


def read_token_reply(status: int, body: bytes, now: datetime) -> TokenGrant:
    """Raises ShopAccessError when the shop refuses for good, ShopUnavailableError when it may not next time."""
    if status != 200:  # noqa: PLR2004 - HTTP
        raise _refusal(status, body)
    try:
        reply = msgspec.json.decode(body, type=_TokenReply)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UncertainError("answered a token request with something else than a token") from None
    if not reply.access_token:
        raise UncertainError("answered a token request without a token")
    life = _UNSAID_LIFE if reply.refresh_token and not reply.expires_in else _seconds(reply.expires_in)
    refresh_life = _seconds(reply.refresh_token_expires_in)
    return TokenGrant(
        access_token=reply.access_token,
        scopes=frozenset(scope.strip() for scope in reply.scope.split(",")) - {""},
        access_expires_at=now + life if life else None,
        refresh_token=reply.refresh_token or None,
        refresh_expires_at=now + refresh_life if refresh_life else None,
    )


def missing_scopes(granted: frozenset[str], wanted: tuple[str, ...]) -> frozenset[str]:
    """What of `wanted` was not granted; `write_x` implies `read_x`."""
    implied = {scope.replace("write_", "read_", 1) for scope in granted if scope.startswith("write_")}
    return frozenset(wanted) - granted - implied


def _client(settings: Settings) -> dict[str, str]:
    return {"client_id": settings.api_key, "client_secret": str(settings.api_secrets[0])}


def _seconds(count: int | None) -> timedelta | None:
    return timedelta(seconds=min(count, 10**9)) if count and count > 0 else None


def _refusal(status: int, body: bytes) -> ShopError:
    if status == 429:  # noqa: PLR2004 - HTTP
        return ThrottledError()
    if status >= 500:  # noqa: PLR2004
        return UncertainError(f"answered a token request with HTTP {status}")
    word = _error_word(body)
    said = f" and {word!r}" if word else ""
    return ShopAccessError(
        f"The shop refused a token (HTTP {status}{said}). Open the app from the shop's admin to grant access again."
    )


def _error_word(body: bytes) -> str:
    """OAuth's own error code, `invalid_grant`; nothing else of a refusal is repeated."""
    try:
        reply = msgspec.json.decode(body, type=Mapping[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    word = reply.get("error")
    return word if isinstance(word, str) and re.fullmatch(r"[a-z_]{1,64}", word) else ""


def _cookie_mac(state: str, domain: str, secret: str) -> str:
    return hmac.digest(secret.encode(), f"rebloom-install:{domain}:{state}".encode(), hashlib.sha256).hex()


def _is_ours(cookie: str, state: str, domain: str, settings: Settings) -> bool:
    given = cookie.encode("utf-8", "surrogateescape")
    expected = [state_cookie(state, domain, secret).encode() for secret in settings.api_secrets]
    return any([hmac.compare_digest(given, each) for each in expected])  # noqa: C419 - all are compared
