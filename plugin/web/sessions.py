"""Who is asking: a merchant by session token, or a partner by token. The shop comes from the credential alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import structlog
from starlette.requests import HTTPConnection, Request

from integrations.shopify.session_tokens import read_session_token
from plugin.errors import NotFoundError, UnauthenticatedError
from plugin.installations import UNINSTALLED
from plugin.partners import MERCHANT_SCOPES, PREFIX, find_token
from plugin.shops import ShopContext, shop_by_domain

# With it, the page's App Bridge fetches a fresh session token and asks again.
RETRY_HEADERS: Final = {"X-Shopify-Retry-Invalid-Session-Request": "1"}
_LARGEST_HEADER: Final = 8_300


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A verified caller. `user` is the merchant's staff id, None for a partner; `token_id` the partner's token."""

    shop: ShopContext
    kind: Literal["merchant", "partner"]
    scopes: frozenset[str]
    user: str | None
    token_id: int | None = None


async def authenticate(request: Request) -> Caller:
    """The caller of a request by its `Authorization: Bearer` header. Raises UnauthenticatedError (401, sent with
    RETRY_HEADERS), always with the same text for a token that is not good."""
    refuse_token_in_address(request)
    return await authenticate_token(request, bearer_token(request))


def refuse_token_in_address(connection: HTTPConnection) -> None:
    """Addresses end up in logs and histories."""
    if any(value.startswith(PREFIX) for _, value in connection.query_params.multi_items()):
        raise UnauthenticatedError("A token in an address is not accepted; send it as Authorization: Bearer.")


async def authenticate_token(connection: HTTPConnection, token: str) -> Caller:
    """The same for a credential that came another way, such as `connection_init` of a WebSocket."""
    state = connection.app.state
    if token.startswith(PREFIX):
        grant = await find_token(state.store, token)
        if grant is None:
            raise UnauthenticatedError("The token is unknown or has been revoked.")
        shop = _present(grant.shop)
        return Caller(shop=shop, kind="partner", scopes=grant.scopes, user=None, token_id=grant.token_id)
    claims = read_session_token(token, state.settings, state.now())
    try:
        shop = await shop_by_domain(state.store.database, claims.domain)
    except NotFoundError as error:
        raise UnauthenticatedError(str(error)) from None
    return Caller(shop=_present(shop), kind="merchant", scopes=MERCHANT_SCOPES, user=claims.user)


def bearer_token(connection: HTTPConnection) -> str:
    """What follows `Bearer`, in any letter case, in the one Authorization header. Raises UnauthenticatedError."""
    headers = connection.headers.getlist("authorization")
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _LARGEST_HEADER:
        raise UnauthenticatedError("Send a session token or a partner token as Authorization: Bearer.")
    return token


def _present(shop: ShopContext) -> ShopContext:
    """A shop that withdrew its access can still be looked at; one that removed the app cannot."""
    structlog.contextvars.bind_contextvars(shop_id=shop.id)
    if shop.status == UNINSTALLED:
        raise UnauthenticatedError(f"{shop.domain} has uninstalled Rebloom; open the app from that shop's admin.")
    return shop
