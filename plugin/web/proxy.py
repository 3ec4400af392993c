"""Who is looking at the storefront: the shop's app proxy says so, and nobody else can."""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from integrations.shopify.oauth import check_shop
from integrations.shopify.signatures import check_proxy_query
from plugin.domain.ids import LARGEST_ID
from plugin.errors import BadRequestError, NotFoundError, UnauthenticatedError
from plugin.installations import UNINSTALLED
from plugin.shops import ShopContext, shop_by_domain
from plugin.web.limits import network_of

_CUSTOMER = re.compile(r"[1-9][0-9]{0,18}")
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]{1,64}){2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A visitor of the shop's storefront; `customer_id` None when nobody is logged in. `address`: whom requests of
    nobody are counted for, an IP address or the network of an IPv6 one."""

    shop: ShopContext
    customer_id: int | None
    address: str


async def authenticate_proxy(request: Request) -> Viewer:
    """The viewer of a proxied request. Raises UnauthenticatedError."""
    query = request.scope["query_string"].decode("ascii", "replace")
    state = request.app.state
    params = check_proxy_query(query, state.settings.api_secrets, state.now())
    if not _PREFIX.fullmatch(params["path_prefix"]):
        raise UnauthenticatedError("The app proxy's path_prefix is not in its form.")
    customer_id = _customer(params["logged_in_customer_id"])
    try:
        shop = await shop_by_domain(state.store.database, check_shop(params["shop"]))
    except (BadRequestError, NotFoundError):
        raise UnauthenticatedError("The app proxy is that of a shop which has not installed Rebloom.") from None
    if shop.status == UNINSTALLED:
        raise UnauthenticatedError("The app proxy is that of a shop which has not installed Rebloom.")
    structlog.contextvars.bind_contextvars(shop_id=shop.id)
    return Viewer(shop=shop, customer_id=customer_id, address=_visitor(request))


def _visitor(request: Request) -> str:
    """The platform puts the visitor's address last into X-Forwarded-For; proxies of ours put the platform's behind it.
    Only to be asked of a signed request: anybody else may say anything."""
    client = request.client.host if request.client else ""
    told = [part.strip() for part in ",".join(request.headers.getlist("x-forwarded-for")).split(",") if part.strip()]
    if request.app.state.settings.trusted_proxies and client in told:
        told = told[: -1 - told[::-1].index(client)]
    return network_of((told or [client])[-1][:64])


def _customer(text: str) -> int | None:
    if not text:
        return None
    if not _CUSTOMER.fullmatch(text) or int(text) > LARGEST_ID:
        raise UnauthenticatedError("The app proxy's logged_in_customer_id is not in its form.")
    return int(text)
