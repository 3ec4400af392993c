"""`/graphql` over WebSockets, by the sub-protocol graphql-transport-ws: subscriptions, and anything else, with the
credentials, limits and prices of HTTP.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md (names and close codes). Written here because every
message must pass the one engine that prices and bounds documents, and everything a stranger may keep open must be
bounded: sockets, operations, unread answers, the time until a credential is shown and the time it is good for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from graphql_schema.context import Context
from graphql_schema.execution import Answer, Engine
from graphql_schema.request import checked_request
from plugin.errors import BadRequestError, RebloomError, UnauthenticatedError
from plugin.ledger.trouble import come_again

PROTOCOL: Final = "graphql-transport-ws"
_LONGEST_ID: Final = 128
_LONGEST_REASON: Final = 123  # bytes; https://www.rfc-editor.org/rfc/rfc6455#section-5.5
# What the server gives a socket to call once a credential was shown: longer messages are taken from then on.
ADMITTED: Final = "rebloom.admitted"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketBounds:
    """Of one process; times in seconds. `messages`: of one socket, on the mean of a minute."""

    sockets: int = 2_000
    of_address: int = 200
    of_shop: int = 200
    of_credential: int = 50
    operations: int = 20
    init_within: float = 10.0
    checked_every: float = 5.0  # whether the credential is still good
    messages: int = 600


@dataclass(slots=True)
class Opened:
    """A credential that was shown: who pays, and of which shop."""

    shop_id: int
    payer: Hashable
    open_context: Callable[[], Awaitable[Context]]


Authenticate = Callable[[WebSocket, str | None], Awaitable[Opened]]  # raises UnauthenticatedError


class _ClosedError(Exception):
    """Close the socket with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True)
class Places:
    """Who holds how many sockets of this process."""

    _held: Counter[Hashable] = field(default_factory=Counter)

    @contextmanager
    def taken(self, *bounds: tuple[Hashable, int]) -> Iterator[None]:
        """Raises _ClosedError when one of them has all it may have."""
        if any(self._held[key] >= most for key, most in bounds):
            raise _ClosedError(1013, "Too many connections")
        for key, _ in bounds:
            self._held[key] += 1
        try:
            yield
        finally:
            for key, _ in bounds:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]


@dataclass(slots=True)
class Sockets:
    """The endpoint. `origins`: pages that may connect from a browser; programs send no origin. `address_of` names
    whoever is to be counted as one."""

    engine: Engine
    authenticate: Authenticate
    address_of: Callable[[WebSocket], Hashable]
    origins: Callable[[WebSocket], frozenset[str]]
    clock: Callable[[], float]
    bounds: SocketBounds = field(default_factory=SocketBounds)
    _places: Places = field(default_factory=Places)

    async def __call__(self, socket: WebSocket) -> None:
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self.origins(socket):
            await socket.close(1008, "Foreign origin")  # before it is accepted: HTTP 403
            return
        spoken = PROTOCOL in socket.scope.get("subprotocols", ())
        await socket.accept(PROTOCOL if spoken else None)
        code, reason = 4406, "Subprotocol not acceptable"
        if spoken:
            try:
                address = self.address_of(socket)
                with self._places.taken(("all", self.bounds.sockets), (("from", address), self.bounds.of_address)):
                    await _Conversation(self, socket).held(self._places)
            except _ClosedError as error:
                code, reason = error.code, str(error)
            except WebSocketDisconnect:
                return
        if socket.application_state is not WebSocketState.DISCONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))


@dataclass(slots=True)
class _Conversation:
    """One socket from its acceptance to its end."""

    server: Sockets
    socket: WebSocket
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _allowed_at: float = 0.0

    async def held(self, places: Places) -> None:
        bounds = self.server.bounds
        try:
            async with asyncio.timeout(bounds.init_within):
                credential, opened = await self._initialised()
        except TimeoutError:
            raise _ClosedError(4408, "Connection initialisation timeout") from None
        counted = (("of", opened.shop_id), bounds.of_shop), (("by", opened.payer), bounds.of_credential)
        with places.taken(*counted):
            self.socket.scope.get("extensions", {}).get(ADMITTED, _nothing)()
            await self._send({"type": "connection_ack"})
            talk = asyncio.create_task(self._talk(opened))
            watch = asyncio.create_task(self._watch(credential))
            try:
                done, _ = await asyncio.wait({talk, watch}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                tasks = [talk, watch, *self._running.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _initialised(self) -> tuple[str | None, Opened]:
        while True:
            message = await self._message()
            kind = message.get("type")
            if kind == "connection_init":
                credential = _credential(message.get("payload"))
                return credential, await self._authenticated(credential)
            if kind == "subscribe":
                raise _ClosedError(4401, "Unauthorized")
            await self._pinged(message)

    async def _authenticated(self, credential: str | None) -> Opened:
        try:
            return await self.server.authenticate(self.socket, credential)
        except UnauthenticatedError:
            raise _ClosedError(4403, "Forbidden") from None
        except Exception as error:
            if come_again(error) is None and isinstance(error, RebloomError):
                raise _ClosedError(4403, "Forbidden") from None
            raise _ClosedError(1013, "Try again later") from error

    async def _watch(self, credential: str | None) -> None:
        """A credential that ends, or is taken back, ends the socket; a database that is away does not."""
        while True:
            await asyncio.sleep(self.server.bounds.checked_every)
            try:
                await self._authenticated(credential)
            except _ClosedError as error:
                if error.code != 1013:  # noqa: PLR2004 - "try again later"
                    raise

    async def _talk(self, opened: Opened) -> None:
        while True:
            message = await self._message()
            kind, name = message.get("type"), message.get("id")
            if kind == "connection_init":
                raise _ClosedError(4429, "Too many initialisation requests")
            if kind not in ("subscribe", "complete"):  # compared, not hashed: it may be a list
                await self._pinged(message)
                continue
            if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
                raise _ClosedError(4400, f"`id` must be a text of 1 to {_LONGEST_ID} characters")
            if kind == "complete":
                if name in self._running:
                    self._running.pop(name).cancel()
            elif name in self._running:
                raise _ClosedError(4409, f"Subscriber for {name[:60]} already exists")
            elif len(self._running) >= self.server.bounds.operations:
                raise _ClosedError(4429, f"At most {self.server.bounds.operations} operations at once")
            else:
                self._running[name] = asyncio.create_task(self._operation(name, message.get("payload"), opened))

    async def _operation(self, name: str, payload: object, opened: Opened) -> None:
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        try:
            request = checked_request(payload if isinstance(payload, dict) else {})
            stream = self.server.engine.stream(request, opened.open_context, payer=opened.payer, request_id=request_id)
            refused: Answer | None = None
            async with aclosing(stream) as answers:
                async for answer in answers:
                    if not answer.executed:
                        refused = answer
                        break
                    await self._send({"id": name, "type": "next", "payload": answer.body()})
            if refused is None:
                await self._send({"id": name, "type": "complete"})
            else:
                await self._send({"id": name, "type": "error", "payload": _errors(refused)})
        except BadRequestError as error:
            await self._send({"id": name, "type": "error", "payload": [_said(str(error), error.code, request_id)]})
        except (UnauthenticatedError, WebSocketDisconnect):
            return  # the watch, or the client, closes the socket
        except Exception as error:  # noqa: BLE001 - whatever it was, the operation ends and says so
            if come_again(error) is None:
                _log.error("operation failed", error=type(error).__name__)
                told = _said("Something went wrong on our side.", "INTERNAL", request_id)
            else:
                told = _said("Try again in a few seconds.", "UNAVAILABLE", request_id)
            with contextlib.suppress(WebSocketDisconnect):
                await self._send({"id": name, "type": "error", "payload": [told]})
        finally:
            if self._running.get(name) is asyncio.current_task():
                del self._running[name]

    async def _message(self) -> dict[str, Any]:
        event = await self.socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        self._count()
        try:
            message = orjson.loads(event.get("text") or b"")
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            raise _ClosedError(4400, "A message must be a JSON object in text")
        return message

    def _count(self) -> None:
        """A leaky bucket that a minute's messages fit into."""
        now, most = self.server.clock(), self.server.bounds.messages
        self._allowed_at = max(self._allowed_at, now) + 60 / most
        if self._allowed_at > now + 60:
            raise _ClosedError(4429, "Too many messages")

    async def _pinged(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case _:
                raise _ClosedError(4400, "Unknown type of message")

    async def _send(self, message: dict[str, Any]) -> None:
        """Waits while the client reads too slowly; the connection ends one that does not read at all
        (`plugin/web/connections.py`)."""
        async with self._sending:
            if self.socket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect(1006)
            await self.socket.send_text(orjson.dumps(message).decode())


def _nothing() -> None:
    """Of a server that bounds messages by itself."""


def _credential(payload: object) -> str | None:
    """As clients send it: `{"authorization": "Bearer …"}`, in any case of letters, or `{"token": "…"}`."""
    if not isinstance(payload, dict):
        return None
    for name, value in payload.items():
        if isinstance(value, str) and name.lower() in {"authorization", "token"}:
            scheme, _, rest = value.partition(" ")
            return rest.strip(" ") if scheme.lower() == "bearer" else value
    return None


def _errors(answer: Answer) -> list[dict[str, Any]]:
    if answer.cost is None:
        return answer.errors
    first, *others = answer.errors
    return [{**first, "extensions": {**first["extensions"], "cost": answer.cost}}, *others]


def _said(message: str, code: str, request_id: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code, "requestId": request_id}}
