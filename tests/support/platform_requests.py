"""What the platform sends, signed as its pages say, written apart from the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

SECRET = "hush"
CLIENT_ID = "test-client-id"
SHOP = "some-shop.myshopify.com"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
AT = int(NOW.timestamp())


def hex_mac(message: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def install_query(params: dict[str, str], secret: str = SECRET) -> str:
    """A raw query string with its `hmac`, over percent-encoded pairs."""
    message = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(params.items()))
    return urlencode({**params, "hmac": hex_mac(message, secret)})


def callback_params(state: str, **changed: str) -> dict[str, str]:
    return {
        "code": "0907a61c0c8d55e99db179b68161bc00",
        "host": "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvc29tZS1zaG9w",
        "shop": SHOP,
        "state": state,
        "timestamp": str(AT),
        **changed,
    }


def proxy_params(customer: str = "", **changed: str) -> dict[str, str]:
    return {
        "shop": SHOP,
        "logged_in_customer_id": customer,
        "path_prefix": "/apps/rebloom",
        "timestamp": str(AT),
        **changed,
    }


def proxy_query(params: dict[str, str], secret: str = SECRET) -> str:
    message = "".join(f"{key}={value}" for key, value in sorted(params.items()))
    return urlencode({**params, "signature": hex_mac(message, secret)})


def webhook_headers(body: bytes, topic: str = "orders/create", secret: str = SECRET, **changed: str) -> dict[str, str]:
    return {
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode(),
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "X-Shopify-Triggered-At": "2026-11-22T09:59:58.877041743Z",
        "X-Shopify-API-Version": "2026-10",
        **changed,
    }


def claims(at: int = AT, **changed: Any) -> dict[str, Any]:
    """The claims of a good session token; a claim changed to None is left out."""
    whole = {
        "iss": f"https://{SHOP}/admin",
        "dest": f"https://{SHOP}",
        "aud": CLIENT_ID,
        "sub": "42",
        "exp": at + 60,
        "nbf": at,
        "iat": at,
        "jti": "00000000-0000-0000-0000-000000000000",
        "sid": "1111111111111111111111111111111111111111111111111111111111111111",
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def session_token(
    payload: Any = None, *, header: dict[str, Any] | None = None, secret: str = SECRET, digest: str = "sha256"
) -> str:
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    body = claims() if payload is None else payload
    signed = f"{_b64(json.dumps(head).encode())}.{_b64(json.dumps(body).encode())}"
    return f"{signed}.{_b64(hmac.new(secret.encode(), signed.encode(), digest).digest())}"
