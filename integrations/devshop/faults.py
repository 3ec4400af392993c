"""The fault script: what goes wrong with which request, decided before the shop sees it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from integrations.devshop.rows import Value

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Fault:
    """One rule. It matches by a part of the path and of the body, and acts on the matching requests number
    `skip` + 1 to `skip` + `times` (`times` None: for ever).

    `status` answers at once with `body`; without it the real answer comes, late by `delay` seconds, cut after
    `cut_after` bytes, or with another `content_type` or `headers`. `reset` drops the connection instead.
    """

    path: str = ""
    operation: str = ""
    skip: int = 0
    times: int | None = 1
    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    delay: float = 0.0
    cut_after: int | None = None
    reset: bool = False
    seen: int = 0

    def matches(self, path: str, body: bytes) -> bool:
        return self.path in path and self.operation.encode() in body

    def counts(self) -> bool:
        """Count one matching request; whether the rule acts on it."""
        self.seen += 1
        number = self.seen - self.skip
        return number >= 1 and (self.times is None or number <= self.times)


@dataclass
class WebhookFault:
    """What happens to the next `times` deliveries of `topic` (empty: any): `lose`, `duplicate`, or `hold` until
    `times` have gathered, which then go out in reverse order."""

    kind: str
    topic: str = ""
    times: int = 1


@dataclass
class Faults:
    rules: list[Fault] = field(default_factory=list)
    webhooks: list[WebhookFault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *rules: Fault) -> None:
        with self.lock:
            self.rules.extend(rules)

    def clear(self) -> None:
        with self.lock:
            self.rules.clear()
            self.webhooks.clear()

    def pick(self, path: str, body: bytes) -> Fault | None:
        with self.lock:
            acting = [rule for rule in self.rules if rule.matches(path, body) and rule.counts()]
        return acting[0] if acting else None


class FaultMiddleware:
    """Plain ASGI, outermost: to cut or drop a connection it needs the server's own `send`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.faults.rules or scope["path"].startswith("/_dev"):
            await self.app(scope, receive, send)
            return
        body, replay = await _read(receive)
        fault = self.faults.pick(scope["path"], body)
        if fault is None:
            await self.app(scope, replay, send)
            return
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.reset:
            _transport(send).abort()
        elif fault.status is not None:
            await _answer(fault, send)
        else:
            await self.app(scope, replay, _Damaged(fault, send))


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = bool(message.get("more_body"))
    whole = b"".join(parts)
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": whole, "more_body": False}

    return whole, replay


def _transport(send: Send) -> Value:
    return send.__self__.transport  # type: ignore[attr-defined]  # as above


async def _answer(fault: Fault, send: Send) -> None:
    body = fault.body.encode()
    kind = fault.content_type or "application/json"
    headers = {"content-type": kind, "content-length": str(len(body)), **fault.headers}
    pairs = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


class _Damaged:
    """Passes an answer on with its headers changed, or cut off after so many bytes of body."""

    def __init__(self, fault: Fault, send: Send) -> None:
        self.fault = fault
        self.send = send
        self.left = fault.cut_after

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.send({**message, "headers": self._headers(message)})
        elif self.left is None:
            await self.send(message)
        elif self.left >= 0:
            await self._cut(message)

    async def _cut(self, message: Message) -> None:
        left = self.left or 0
        body = message.get("body", b"")
        if len(body) <= left and message.get("more_body"):
            self.left = left - len(body)
            await self.send(message)
            return
        await self.send({"type": "http.response.body", "body": body[:left], "more_body": True})
        self.left = -1
        await asyncio.sleep(0.02)  # what was written has to reach the other side before the line is cut
        _transport(self.send).close()

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        changed = {key.lower(): value for key, value in self.fault.headers.items()}
        if self.fault.content_type is not None:
            changed["content-type"] = self.fault.content_type
        kept = [(key, value) for key, value in message.get("headers", ()) if key.decode() not in changed]
        return [*kept, *((key.encode(), value.encode()) for key, value in changed.items())]
