"""What the platform signs and how it is checked. No I/O: the clock's reading and the secrets come in as arguments.

Installing: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
App proxy: https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies
Webhooks: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from integrations.shopify import sdk
from plugin.errors import UnauthenticatedError

# Not in the platform's pages: both of its own libraries refuse what is further off.
WINDOW: Final = timedelta(seconds=90)
_LARGEST_QUERY: Final = 16_384
_PROXY_RESERVED: Final = ("shop", "timestamp", "path_prefix", "logged_in_customer_id", "signature")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")


def install_hmac(params: Mapping[str, str], secret: str) -> str:
    """The `hmac` of an install or callback query: everything but `hmac` itself, sorted, joined by `&`."""
    return sdk.query_hmac({key: value for key, value in params.items() if key != "hmac"}, secret)


def _install_hmac_encoded(params: Mapping[str, str], secret: str) -> str:
    """The same over percent-encoded pairs, as the platform's JavaScript library signs: the two disagree as soon as a
    value holds `/`, `+`, `:`, `=` or a blank, and pages of the platform do not say which is meant."""
    pairs = sorted((key, value) for key, value in params.items() if key != "hmac")
    return _hex_mac(urlencode(pairs), secret)


def proxy_signature(params: Mapping[str, Sequence[str]], secret: str) -> str:
    """The `signature` of a proxied query: `k=v1,v2` for each parameter, sorted, joined by nothing."""
    pairs = sorted(f"{key}={','.join(values)}" for key, values in params.items() if key != "signature")
    return _hex_mac("".join(pairs), secret)


def webhook_signature(body: bytes, secret: str) -> str:
    """The value of `X-Shopify-Hmac-Sha256` for a raw body."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode("ascii")


def check_install_query(query: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The parameters of a raw, signed query string. Parameters the platform adds later take part in the signature.
    Raises UnauthenticatedError: unsigned, wrongly signed, any parameter twice, or further than 90 s from `now`."""
    params: dict[str, str] = {}
    for key, value in _pairs(query):
        if key in params:
            raise UnauthenticatedError("The request repeats a parameter, which the shop never does.")
        params[key] = value
    given = params.get("hmac", "")
    expected = [sign(params, secret) for secret in secrets for sign in (install_hmac, _install_hmac_encoded)]
    _check_digest(given, expected)
    _check_fresh(params.get("timestamp", ""), now)
    return params


def check_proxy_query(query: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The reserved parameters of a raw query string signed by the shop's app proxy, each exactly once.
    Raises UnauthenticatedError."""
    params: dict[str, list[str]] = {}
    for key, value in _pairs(query):
        params.setdefault(key, []).append(value)
    if any(len(params.get(key, ())) != 1 for key in _PROXY_RESERVED):
        raise UnauthenticatedError("The request did not come through the shop's app proxy.")
    # Pairs are joined by nothing, so a visitor's own parameter could hold a second customer inside its value.
    if any("logged_in_customer_id" in f"{key}={value}" for key, value in _others(params)):
        raise UnauthenticatedError("The request names a customer where none may be named.")
    _check_digest(params["signature"][0], [proxy_signature(params, secret) for secret in secrets])
    _check_fresh(params["timestamp"][0], now)
    return {key: params[key][0] for key in _PROXY_RESERVED if key != "signature"}


def check_webhook(body: bytes, signature: str | None, secrets: Sequence[str]) -> None:
    """Raises UnauthenticatedError unless one of `secrets` signed exactly these bytes."""
    given = (signature or "").encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(webhook_signature(body, secret).encode(), given) for secret in secrets]
    if not any(matches):
        raise UnauthenticatedError("The delivery is not signed with this app's secret.")


def _others(params: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return [(key, value) for key, values in params.items() if key not in _PROXY_RESERVED for value in values]


def _pairs(query: str) -> list[tuple[str, str]]:
    if len(query) > _LARGEST_QUERY:
        raise UnauthenticatedError("The query string is too long to be the shop's.")
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise UnauthenticatedError("The query string cannot be read.") from None


def _hex_mac(message: str, secret: str) -> str:
    return hmac.digest(secret.encode(), message.encode(), hashlib.sha256).hex()


def _check_digest(given: str, expected: Sequence[str]) -> None:
    if not _HEX_DIGEST.fullmatch(given) or not any([hmac.compare_digest(given, each) for each in expected]):  # noqa: C419 - all are compared
        raise UnauthenticatedError("The request is not signed with this app's secret.")


def _check_fresh(timestamp: str, now: datetime) -> None:
    # `fullmatch` on [0-9]: `int` would take blanks, signs, underscores and other scripts' digits.
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise UnauthenticatedError(
            "The request is too old, or this machine's clock is wrong; start again from the shop."
        )
