"""Everything the platform signs with the app's secret; pure functions."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


def hex_hmac(secret: str, message: str) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def base64_hmac(secret: str, body: bytes) -> str:
    """`X-Shopify-Hmac-Sha256` of a webhook's raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def oauth_hmac(secret: str, params: Mapping[str, str]) -> str:
    """The `hmac` of an install or callback query: all other pairs sorted, percent-encoded, joined with `&`."""
    pairs = sorted((key, value) for key, value in params.items() if key != "hmac")
    return hex_hmac(secret, "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs))


def signed_oauth_query(secret: str, params: Mapping[str, str]) -> str:
    return urlencode({**params, "hmac": oauth_hmac(secret, params)})


def proxy_signature(secret: str, params: Mapping[str, str | Sequence[str]]) -> str:
    """The app proxy's `signature`: `key=value` (lists joined by `,`), sorted, with no separator between."""
    pairs = (
        f"{key}={value if isinstance(value, str) else ','.join(value)}"
        for key, value in params.items()
        if key != "signature"
    )
    return hex_hmac(secret, "".join(sorted(pairs)))


def encoded_host(shop: str) -> str:
    """The `host` parameter: where the embedded page stands in the admin, base64 without padding."""
    return base64.urlsafe_b64encode(f"admin.shopify.com/store/{shop.split('.', 1)[0]}".encode()).decode().rstrip("=")


def session_token(
    client_id: str, secret: str, shop: str, *, now: datetime, user: str = "1", lifetime: int = 60, **claims: object
) -> str:
    """The embedded page's `id_token`, valid `lifetime` seconds from `now`; `claims` override any claim."""
    at = int(now.timestamp())
    payload: dict[str, object] = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": client_id,
        "sub": user,
        "exp": at + lifetime,
        "nbf": at,
        "iat": at,
        "jti": str(uuid4()),
        "sid": str(uuid4()),
        **claims,
    }
    present = {key: value for key, value in payload.items() if value is not None}
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(present)}"
    return f"{head}.{_signature(secret, head)}"


def verified_claims(token: str, secret: str) -> dict[str, Any] | None:
    """The claims of a session token this secret signed; times and audience are the caller's to check."""
    head, _, signature = token.rpartition(".")
    if not head or not hmac.compare_digest(_signature(secret, head).encode(), signature.encode()):
        return None
    body = head.rpartition(".")[2]
    claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims if isinstance(claims, dict) else None


def _part(value: dict[str, object]) -> str:
    return _base64url(orjson.dumps(value))


def _signature(secret: str, head: str) -> str:
    return _base64url(hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
