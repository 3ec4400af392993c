"""The first thing every request meets: an id, bounds, and an answer whatever happens behind it.

A body is read whole before the request takes a place in its lane, so that a slow sender holds a few bytes and nobody's
place. Nothing here waits without a deadline, and `/healthz` shares no place with anything that can be flooded.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
import traceback
import uuid
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Literal

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugin import metrics
from plugin.errors import TooManyRequestsError
from plugin.ledger.trouble import come_again
from plugin.web.limits import MOST_BODIES, PAGES, Lane, Meter, Often, lane_of, network_of

_METER: Final = "rebloom.meter"
_SOON: Final = "2"  # seconds, where nothing better is known
_SLOW: Final = 2.0  # seconds: such a request is told of although it went well
_log = structlog.get_logger(__name__)


class _RefusedError(Exception):
    """Answered here, before the app saw it."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


class _Places:
    """The places of one lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._free = asyncio.Semaphore(lane.running)
        self._queued = 0
        self.held = 0  # bytes of bodies

    async def __aenter__(self) -> None:
        if self._free.locked():
            if self._queued >= self._lane.queued:
                raise self._full()
            self._queued += 1
            try:
                async with asyncio.timeout(self._lane.patience):
                    await self._free.acquire()
            except TimeoutError:
                raise self._full() from None
            finally:
                self._queued -= 1
        else:
            await self._free.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._free.release()

    def _full(self) -> _RefusedError:
        return _RefusedError(503, "OVERLOADED", "Too much at once; try again shortly.", {"Retry-After": _SOON})


class Guard:
    """ASGI middleware around the whole app. `meter` counts for this process; `lanes` says which lane a path is in."""

    def __init__(self, app: ASGIApp, meter: Meter | None = None, lanes: Callable[[str], Lane] = lane_of) -> None:
        self._app = app
        self._meter = meter or Meter()
        self._lane_of = lanes
        self._places: dict[str, _Places] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = self._lane_of(scope["path"])
        answer = _Answer(send, uuid.uuid4().hex, kept=lane is PAGES)
        scope[_METER] = self._meter
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=answer.request_id):
            try:
                async with asyncio.timeout(lane.within):
                    await self._admitted(lane, scope, receive, answer)
            except Exception as error:  # noqa: BLE001 - whatever it was, the caller gets an answer
                refusal = _refusal(error)
                if not answer.started:
                    await _tell(refusal, lane, answer)
                elif not answer.ended:
                    raise ConnectionAbortedError("the answer was cut off") from None  # and uvicorn ends the connection
            finally:
                _note(lane, scope, answer.status, time.perf_counter() - started)

    async def _admitted(self, lane: Lane, scope: Scope, receive: Receive, answer: _Answer) -> None:
        _count_in(self._meter, lane, scope)
        places = self._places.setdefault(lane.name, _Places(lane))
        body = await _whole_body(lane, places, scope, receive)
        try:
            async with places:
                await self._app(scope, _replayed(body, receive), answer.send)
        finally:
            places.held -= len(body)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = self._lane_of(scope["path"])
        scope[_METER] = self._meter
        with structlog.contextvars.bound_contextvars(request_id=uuid.uuid4().hex):
            try:
                _count_in(self._meter, lane, scope)
            except _RefusedError as error:
                metrics.REFUSALS.labels(lane.name, error.code).inc()
                await receive()
                await send({"type": "websocket.close", "code": 1013, "reason": error.code})
                return
            await self._app(scope, receive, send)


def charge(request: Request, what: str, key: Hashable, often: Often | None) -> None:
    """For a credential that only the route can see. Raises TooManyRequestsError. Nothing is counted where no guard
    stands before the app."""
    meter: Meter | None = request.scope.get(_METER)
    wait = meter.wait((what, key), often) if meter is not None and often else 0.0
    if wait:
        raise TooManyRequestsError(what, wait)


def retry_after(seconds: float) -> str:
    """As a header says it: whole seconds, and never none."""
    return str(max(1, math.ceil(seconds)))


def _count_in(meter: Meter, lane: Lane, scope: Scope) -> None:
    address = network_of(scope["client"][0]) if scope.get("client") else ""
    credential = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    by: list[tuple[Literal["address", "credential"], Hashable, Often | None]] = [("address", address, lane.address)]
    if credential:
        by.append(("credential", hashlib.blake2b(credential, digest_size=16).digest(), lane.credential))
    for what, key, often in by:
        wait = meter.wait((lane.name, what, key), often) if often else 0.0
        if wait:
            message = f"Too many requests from this {what}; try again in {math.ceil(wait)} s."
            raise _RefusedError(429, "TOO_MANY_REQUESTS", message, {"Retry-After": retry_after(wait)})


async def _whole_body(lane: Lane, places: _Places, scope: Scope, receive: Receive) -> bytes:
    """The body, counted into `places.held`; whatever is raised, nothing of it stays counted."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if declared.isdigit() and len(declared) < 20 and int(declared) > lane.body:  # noqa: PLR2004 - digits of 2**64
        raise _too_large(lane)
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(lane.body_within):
            await _read(lane, places, receive, pieces)
    except BaseException as error:
        places.held -= sum(map(len, pieces))
        if isinstance(error, TimeoutError):
            late = f"The body must arrive within {lane.body_within:.0f} s."
            raise _RefusedError(408, "TOO_SLOW", late) from None
        raise
    return b"".join(pieces)


async def _read(lane: Lane, places: _Places, receive: Receive, pieces: list[bytes]) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _RefusedError(400, "CUT_OFF", "The request was cut off.")
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
        size += len(pieces[-1])
        places.held += len(pieces[-1])
        if size > lane.body:
            raise _too_large(lane)
        if places.held > MOST_BODIES:
            raise _RefusedError(503, "OVERLOADED", "Too much at once; try again.", {"Retry-After": _SOON})


def _too_large(lane: Lane) -> _RefusedError:
    return _RefusedError(413, "TOO_LARGE", f"A request here may have {lane.body:,} bytes; send less at once.")


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class _Answer:
    """What is being answered, with the request's id on it. `kept`: a cache may, where the answer says nothing."""

    def __init__(self, send: Send, request_id: str, *, kept: bool) -> None:
        self._send = send
        self._kept = kept
        self.request_id = request_id
        self.status = 0
        self.started = self.ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Request-Id", self.request_id)
            if not self._kept:
                headers.setdefault("Cache-Control", "no-store")
        elif not message.get("more_body", False):
            self.ended = True
        await self._send(message)


def _refusal(error: Exception) -> _RefusedError:
    if isinstance(error, _RefusedError):
        return error
    wait = come_again(error)
    if wait is not None:
        _log.warning("request not done", error=type(error).__name__, where=_where(error))
        return _RefusedError(503, "UNAVAILABLE", "Try again in a few seconds.", {"Retry-After": retry_after(wait)})
    # Not its text: that may hold a row.
    _log.error("request failed", error=type(error).__name__, where=_where(error))
    return _RefusedError(500, "INTERNAL", "Something went wrong on our side.")


def _where(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


async def _tell(refusal: _RefusedError, lane: Lane, answer: _Answer) -> None:
    metrics.REFUSALS.labels(lane.name, refusal.code).inc()
    body: dict[str, Any]
    if lane.name in {"graphql", "storefront"}:
        extensions = {"code": refusal.code, "requestId": answer.request_id}
        body = {"errors": [{"message": str(refusal), "extensions": extensions}]}
    else:
        body = {"error": {"code": refusal.code, "message": str(refusal), "requestId": answer.request_id}}
    headers = {"Cache-Control": "no-store", **refusal.headers}
    if lane.name == "touchpoints":  # a page of another origin may read why
        headers["Access-Control-Allow-Origin"] = "*"
    if refusal.status in {400, 408, 413}:  # the rest of the body is not waited for
        headers["Connection"] = "close"
    response = JSONResponse(body, status_code=refusal.status, headers=headers)
    await answer.send({"type": "http.response.start", "status": refusal.status, "headers": response.raw_headers})
    await answer.send({"type": "http.response.body", "body": response.body})


def _note(lane: Lane, scope: Scope, status: int, seconds: float) -> None:
    metrics.REQUESTS.labels(lane.name, str(status)).observe(seconds)
    failed = status >= 400  # noqa: PLR2004 - HTTP's own
    told = _log.info if failed or seconds > _SLOW else _log.debug
    told("request", method=scope["method"], path=scope["path"][:200], status=status, ms=round(seconds * 1_000))
