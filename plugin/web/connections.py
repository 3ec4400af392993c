"""uvicorn's HTTP protocol with what it leaves to a proxy: deadlines and sizes for headers, and for slow readers.

A connection that sends half a request and waits costs a file handle until its deadline, and nobody else's turn: when
all places are taken, the one that has waited longest goes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

from graphql_schema.sockets import ADMITTED

_quiet = logging.getLogger("rebloom.sockets")
_quiet.setLevel(logging.WARNING)  # below, uvicorn tells addresses with their query, and websockets each message


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of one server. Times in seconds, `head` in bytes."""

    connections: int = 8_000
    head: int = 32 * 1024  # request line and headers; a session token and cookies fit four times over
    head_within: float = 10.0
    reads_within: float = 30.0  # a client that takes nothing of its answer for so long is gone
    unknown: int = 16 * 1024  # bytes of a socket's message before a credential was shown


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    error = {"code": "HEADERS_TOO_LARGE", "message": "The request line and headers are too large."}
    answer = JSONResponse({"error": error}, status_code=431, headers={"Connection": "close"})
    await answer(scope, receive, send)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `bounds` and `waiting` (connections whose request is not whole, longest first) are the server's:
    see `bounded`."""

    bounds: ClassVar[Bounds]
    waiting: ClassVar[dict[BoundedProtocol, None]]

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.bounds.connections:
            next(iter(self.waiting)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._deadline is None:
            self._await_head()
        if self._deadline is not None:
            self._head += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head > self.bounds.head:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._head_came()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size <= self.bounds.head:
            super().on_headers_complete()
            return
        app, self.app = self.app, _too_large
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.bounds.reads_within, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Closing waits for the client to read what it was sent; one that has not by now never will."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _await_head(self) -> None:
        self._head = 0
        self._deadline = self.loop.call_later(self.bounds.head_within, self._head_late)
        self.waiting[self] = None

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.waiting.pop(self, None)

    def _head_late(self) -> None:
        self._deadline = None
        self.transport.abort()


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSockets with the deadline for slow readers, little held of whoever has shown no credential, and a
    log that tells no address and no message; `bounds` are the server's."""

    bounds: ClassVar[Bounds]

    _stalled: asyncio.TimerHandle | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = self.conn.logger = _quiet
        self.conn.debug = False
        self._longest, self.conn.max_message_size = self.conn.max_message_size, self.bounds.unknown

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.scope["extensions"][ADMITTED] = self._admitted  # type: ignore[assignment]  # ASGI lets a server put anything there

    def _admitted(self) -> None:
        self.conn.max_message_size = self._longest

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.bounds.reads_within, self.transport.abort)

    def resume_writing(self) -> None:
        self._go_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def _go_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def bounded(bounds: Bounds) -> type[BoundedProtocol]:
    """The HTTP protocol class of one server."""
    members: dict[str, Any] = {"bounds": bounds, "waiting": {}}
    return type("BoundedProtocol", (BoundedProtocol,), members)


def bounded_sockets(bounds: Bounds) -> type[BoundedSocket]:
    """The WebSocket protocol class of one server."""
    return type("BoundedSocket", (BoundedSocket,), {"bounds": bounds})
