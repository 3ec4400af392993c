"""`/graphql` and `/storefront/graphql` over HTTP, and what `/graphql` needs to know over WebSockets."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from graphql_schema.access import ALL_SCOPES, Scope
from graphql_schema.context import Context, calendar_of
from graphql_schema.cost import MERCHANT_RATE, STOREFRONT_RATE, Buckets, Rate
from graphql_schema.documents import Documents
from graphql_schema.execution import Answer, Engine
from graphql_schema.registered import trusted_documents
from graphql_schema.request import RequestRefusedError, answer_type, read_request
from graphql_schema.schema import MERCHANT_ACCESS, STOREFRONT_ACCESS, core, merchant_schema, storefront_schema
from graphql_schema.sockets import Opened, SocketBounds, Sockets
from graphql_schema.trusted import Trusted
from plugin.errors import ForbiddenError, RebloomError, UnauthenticatedError, UnavailableError
from plugin.ledger.trouble import come_again
from plugin.log import request_id as bound_request_id
from plugin.metrics import GRAPHQL_REFUSALS
from plugin.shops import ShopContext

_EXPLORER: Final = Path(__file__).with_name("explorer.html")
_JSON: Final = "application/json"
_RETRY: Final = 5.0  # seconds, where nothing better is known
_log = structlog.get_logger(__name__)


class MerchantCaller(Protocol):
    """Who a session token or partner token says is calling."""

    @property
    def shop(self) -> ShopContext: ...
    @property
    def kind(self) -> str: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def token_id(self) -> int | None: ...


class StorefrontViewer(Protocol):
    """Whose page a signed proxy request comes from; nobody's when `customer_id` is None."""

    @property
    def shop(self) -> ShopContext: ...
    @property
    def customer_id(self) -> int | None: ...
    @property
    def address(self) -> str: ...


Authenticate = Callable[[Request], Awaitable[MerchantCaller]]
AuthenticateSocket = Callable[[WebSocket, str | None], Awaitable[tuple[MerchantCaller, str]]]
AuthenticateViewer = Callable[[Request], Awaitable[StorefrontViewer]]


async def _authenticate(request: Request) -> MerchantCaller:
    from plugin.web.sessions import authenticate

    return await authenticate(request)


async def _authenticate_socket(socket: WebSocket, credential: str | None) -> tuple[MerchantCaller, str]:
    """By what `connection_init` brings, or else by the header that programs can send. The token, too."""
    from plugin.web.sessions import authenticate_token, bearer_token, refuse_token_in_address

    refuse_token_in_address(socket)
    token = bearer_token(socket) if credential is None else credential
    return await authenticate_token(socket, token), token


def _network(socket: WebSocket) -> Hashable:
    from plugin.web.limits import network_of

    return network_of(socket.client.host) if socket.client else ""


def _own_pages(socket: WebSocket) -> frozenset[str]:
    return frozenset({socket.app.state.settings.app_url})


async def _authenticate_viewer(request: Request) -> StorefrontViewer:
    from plugin.web.proxy import authenticate_proxy

    return await authenticate_proxy(request)


def graphql_routes(
    *,
    authenticate: Authenticate = _authenticate,
    authenticate_viewer: AuthenticateViewer = _authenticate_viewer,
    authenticate_socket: AuthenticateSocket = _authenticate_socket,
    clock: Callable[[], float] = time.monotonic,
    merchant_rate: Rate = MERCHANT_RATE,
    storefront_rate: Rate = STOREFRONT_RATE,
    trusted: Mapping[str, Trusted] | None = None,
    socket_bounds: SocketBounds | None = None,
) -> list[BaseRoute]:
    """The endpoints. The app's state holds `store`, `jobs`, `feed`, `settings` and `now`; `clock` is monotonic
    seconds. `trusted`: by endpoint; without it the documents of our own pages, beside any other."""
    trusted = trusted_documents() if trusted is None else trusted
    merchant = Engine(
        merchant_schema,
        MERCHANT_ACCESS,
        Buckets(merchant_rate, clock),
        Documents(core(merchant_schema), trusted=trusted["graphql"]),
    )
    storefront = Engine(
        storefront_schema,
        STOREFRONT_ACCESS,
        Buckets(storefront_rate, clock),
        Documents(core(storefront_schema), hide_suggestions=True, trusted=trusted["storefront"]),
        hide_suggestions=True,
    )

    async def for_merchants(request: Request) -> Response:
        if _wants_explorer(request):
            return HTMLResponse(_explorer(), headers=_EXPLORER_HEADERS)

        async def open_context() -> tuple[Context, Hashable]:
            caller = await authenticate(request)
            shown = request.headers.get("authorization", "").partition(" ")[2]  # however `Bearer` was written
            return await _caller_context(request, caller), _payer(caller, shown.strip(" "))

        return await _respond(request, merchant, open_context)

    async def for_storefront(request: Request) -> Response:
        async def open_context() -> tuple[Context, Hashable]:
            viewer = await authenticate_viewer(request)
            context = await _context(request, viewer.shop, frozenset({Scope.ANY, Scope.READ_PRODUCTS}))
            context.viewer_id = viewer.customer_id
            return context, (viewer.shop.id, viewer.customer_id or viewer.address)

        response = await _respond(request, storefront, open_context)
        response.headers.update({"Cache-Control": "private, no-store", "Vary": "*"})
        return response

    async def opened(socket: WebSocket, credential: str | None) -> Opened:
        async def open_context() -> Context:
            caller, _ = await authenticate_socket(socket, credential)
            return await _caller_context(socket, caller)

        caller, token = await authenticate_socket(socket, credential)
        return Opened(caller.shop.id, _payer(caller, token), open_context)

    sockets = Sockets(merchant, opened, _network, _own_pages, clock, socket_bounds or SocketBounds())

    async def by_socket(socket: WebSocket) -> None:
        await sockets(socket)

    methods = ["GET", "POST"]
    return [
        WebSocketRoute("/graphql", by_socket),
        Route("/graphql", for_merchants, methods=methods),
        Route("/storefront/graphql", for_storefront, methods=methods),
    ]


async def _respond(
    request: Request, engine: Engine, open_context: Callable[[], Awaitable[tuple[Context, Hashable]]]
) -> Response:
    """Whatever is asked gets an answer in JSON."""
    request_id = bound_request_id()
    media = _JSON
    try:
        media = answer_type(request.headers.get("accept"))
        context, payer = await open_context()
        asked = await read_request(request)
        reads_only = request.method == "GET"
        answer = await engine.answer(asked, context, payer=payer, reads_only=reads_only, request_id=request_id)
    except RequestRefusedError as error:
        return _failure(error.status, error.code, str(error), request_id, media, error.headers)
    except UnauthenticatedError as error:
        return _failure(401, error.code, str(error), request_id, media, _LOGIN_AGAIN)
    except ForbiddenError as error:
        return _failure(403, error.code, str(error), request_id, media)
    except UnavailableError as error:
        return _unavailable(error, request_id, media)
    except RebloomError as error:
        return _failure(400, error.code, str(error), request_id, media)
    except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer in JSON
        if come_again(error) is not None:
            return _unavailable(error, request_id, media)
        _log.error("request failed", request_id=request_id, error=type(error).__name__)
        return _failure(500, "INTERNAL", "Something went wrong on our side.", request_id, media)
    if answer.errors and not answer.executed:
        GRAPHQL_REFUSALS.labels(answer.errors[0]["extensions"]["code"]).inc()
    return _json(_status(answer, media), answer.body(), request_id, media)


_LOGIN_AGAIN: Final = {"WWW-Authenticate": "Bearer", "X-Shopify-Retry-Invalid-Session-Request": "1"}
_EXPLORER_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def _status(answer: Answer, media: str) -> int:
    """With the older media type a well-formed request is answered with 200 whatever the document was like."""
    if answer.executed or media == _JSON:
        return 200
    return 429 if answer.throttled else 400


def _unavailable(error: Exception, request_id: str, media: str) -> Response:
    _log.warning("request not done", request_id=request_id, error=type(error.__cause__ or error).__name__)
    headers = {"Retry-After": str(math.ceil(come_again(error) or _RETRY))}
    return _failure(503, UnavailableError.code, "Try again in a few seconds.", request_id, media, headers)


def _failure(
    status: int, code: str, message: str, request_id: str, media: str, headers: dict[str, str] | None = None
) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code, "requestId": request_id}}]}
    return _json(status, body, request_id, media, headers)


def _json(
    status: int, body: dict[str, Any], request_id: str, media: str, headers: dict[str, str] | None = None
) -> Response:
    kind = f"{media}; charset=utf-8"
    return Response(
        orjson.dumps(body),
        status_code=status,
        headers={
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request_id,
            "Vary": "Accept",
            **(headers or {}),
        },
    )


async def _context(connection: HTTPConnection, shop: ShopContext, scopes: frozenset[Scope]) -> Context:
    state = connection.app.state
    await calendar_of(shop)  # what resolvers call reads the calendar inside the loop
    return Context(store=state.store, shop=shop, scopes=scopes, now=state.now(), jobs=state.jobs, feed=state.feed)


async def _caller_context(connection: HTTPConnection, caller: MerchantCaller) -> Context:
    context = await _context(connection, caller.shop, _scopes_of(caller))
    context.token_id = caller.token_id
    context.loopback = connection.app.state.settings.loopback_shops
    return context


def _scopes_of(caller: MerchantCaller) -> frozenset[Scope]:
    return ALL_SCOPES if caller.kind == "merchant" else _known_scopes(caller.scopes)


def _known_scopes(names: frozenset[str]) -> frozenset[Scope]:
    """A scope that a later release took away gives nothing."""
    known = {scope.value: scope for scope in Scope}
    return frozenset({Scope.ANY} | {known[name] for name in names if name in known and name != Scope.WRITE_TOKENS})


def _payer(caller: MerchantCaller, token: str) -> Hashable:
    """One bucket for the merchant's page, one for each partner token, so that they do not drain each other."""
    if caller.kind == "merchant":
        return caller.shop.id, "merchant"
    return caller.shop.id, hashlib.sha256(token.encode()).digest()


def _wants_explorer(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return request.method == "GET" and "text/html" in accept and not {"query", "documentId"} & set(request.query_params)


def _explorer() -> str:
    return _EXPLORER.read_text(encoding="utf-8")
