"""Session tokens of the embedded page, checked more strictly than the platform's own libraries do.

https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from integrations.shopify.oauth import check_shop
from plugin.errors import BadRequestError, UnauthenticatedError
from plugin.settings import Settings

_LEEWAY: Final = timedelta(seconds=10)
_LONGEST_LIFE: Final = timedelta(minutes=5)  # the platform's tokens live for one
_LARGEST: Final = 8_192
# A header that brings its own key, or extensions that a reader must understand: the platform sends none of them.
_FOREIGN_HEADERS: Final = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "crit", "b64"})
_SHORTEST_KEY: Final = 32
_JWS = PyJWS(algorithms=["HS256"])


class _Claims(msgspec.Struct):
    iss: str
    dest: str
    aud: str
    sub: str
    sid: str
    jti: str
    exp: int
    nbf: int
    iat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClaims:
    """Who is using the embedded page. `domain` is a shop's by its form; that it installed the app is not checked."""

    domain: str
    user: str
    session: str
    expires_at: datetime


def read_session_token(token: str, settings: Settings, now: datetime) -> SessionClaims:
    """Raises UnauthenticatedError, and never anything else, whatever `token` is."""
    claims = _signed_claims(token, settings)
    _check_times(claims, now)
    if claims.aud != settings.api_key:
        raise _refused("is for another app")
    if not (claims.sub and claims.sid and claims.jti):
        raise _refused("lacks a user or a session")
    return SessionClaims(
        domain=_shop_of(claims),
        user=claims.sub,
        session=claims.sid,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
    )


def _refused(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"The session token {why}; the page must fetch a new one.")


def _signed_claims(token: str, settings: Settings) -> _Claims:
    if len(token) > _LARGEST or not token.isascii():
        raise _refused("is not one")
    for secret in settings.api_secrets:
        try:
            opened: dict[str, Any] = _JWS.decode_complete(token, _key(secret), algorithms=["HS256"])
            if opened["header"].keys() & _FOREIGN_HEADERS:
                raise _refused("brings its own key")
            return msgspec.json.decode(opened["payload"], type=_Claims)
        except (PyJWTError, msgspec.MsgspecError, ValueError, RecursionError):
            continue
    raise _refused("is not signed with this app's secret or lacks a claim")


def _key(secret: str) -> bytes:
    """HMAC fills a short key up with zeros anyway; done here, because PyJWT warns of one on every call."""
    return secret.encode().ljust(_SHORTEST_KEY, b"\0")


def _check_times(claims: _Claims, now: datetime) -> None:
    leeway, at = _LEEWAY.total_seconds(), now.timestamp()
    if at >= claims.exp + leeway:
        raise _refused("has expired")
    if at < claims.nbf - leeway or at < claims.iat - leeway:
        raise _refused("is not valid yet; check this machine's clock")
    if claims.exp - min(claims.iat, claims.nbf) > _LONGEST_LIFE.total_seconds():
        raise _refused("lives longer than the shop's tokens do")


def _shop_of(claims: _Claims) -> str:
    try:
        issuer, destination = urlsplit(claims.iss), urlsplit(claims.dest)
        domain = check_shop(destination.netloc)
    except (ValueError, BadRequestError):
        raise _refused("names no shop") from None
    if claims.dest != f"https://{domain}" or issuer.scheme != "https" or issuer.netloc != domain:
        raise _refused("was issued by one shop for another")
    return domain
