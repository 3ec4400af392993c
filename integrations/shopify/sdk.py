"""The only importer of ShopifyAPI: its pure functions, each call with its own key and secret.

The package is deprecated since 2026-08-26 and keeps its session on a class and a thread-local, which all shops in one
event loop would share; so nothing here activates a session, opens a connection or keeps anything between calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shopify import ApiVersion, Session, session_token


def _session(**keys: str) -> type[Any]:
    """A class of its own: `Session.setup` would set the keys of every shop of the process. It ships no types."""
    return type("OneShopSession", (Session,), keys)


def query_hmac(params: Mapping[str, str], secret: str) -> str:
    """HMAC of an install query over decoded pairs, `%`, `&` and a key's `=` escaped."""
    digest: str = _session(secret=secret).calculate_hmac(dict(params))
    return digest


def permission_url(domain: str, *, api_key: str, scopes: Sequence[str], redirect_uri: str, state: str) -> str:
    """Where the merchant grants access: https://{domain}/admin/oauth/authorize?… `domain` must be checked before."""
    session = _session(api_key=api_key)(domain, "unstable")
    url: str = session.create_permission_url(list(scopes), redirect_uri, state)
    return url


def api_path(version: str) -> str:
    """`/admin/api/2026-10`."""
    path: str = ApiVersion.coerce_to_version(version).api_path("")
    return path


def read_session_token(authorization: str, *, api_key: str, secret: str) -> Mapping[str, Any]:
    """The claims, by the package's own and weaker rules (it takes a token without `exp`): a second judge for tests."""
    claims: Mapping[str, Any] = session_token.decode_from_header(authorization, api_key, secret)
    return claims
