"""The guard before the app: slow and large bodies, full lanes, floods, errors. The app behind it is a small one."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plugin.web.guard import Guard
from plugin.web.limits import GRAPHQL, OPERATIONS, PAGES, TOUCHPOINTS, WEBHOOKS, Lane, Meter, Often, lane_of

Door = Callable[[Request], Awaitable[Response]]


async def _ok(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


def guarded(door: Door = _ok, *, lanes: Callable[[str], Lane] = lane_of) -> Starlette:
    paths = ("/", "/healthz", "/webhooks", "/graphql", "/touchpoints")
    routes = [Route(path, door if path != "/healthz" else _ok, methods=["GET", "POST"]) for path in paths]
    return Starlette(routes=routes, middleware=[Middleware(Guard, meter=Meter(clock=lambda: 0.0), lanes=lanes)])


def asking(app: Starlette, address: str = "203.0.113.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://rebloom.test")


def narrowed(lane: Lane, **changes: Any) -> Callable[[str], Lane]:
    narrow = replace(lane, **changes)
    return lambda path: narrow if lane_of(path) is lane else lane_of(path)


async def test_every_answer_carries_the_id_of_its_request() -> None:
    async with asking(guarded()) as http:
        one, other = await http.get("/"), await http.get("/nowhere")
    assert (one.status_code, other.status_code) == (200, 404)
    assert len({one.headers["x-request-id"], other.headers["x-request-id"]}) == 2


async def test_a_body_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_is() -> None:
    seen: list[int] = []

    async def door(request: Request) -> Response:
        seen.append(len(await request.body()))
        return JSONResponse({})

    async def endless() -> Any:
        while True:
            yield b"x" * 10_000

    async with asking(guarded(door)) as http:
        for content in (b"x" * (TOUCHPOINTS.body + 1), endless()):
            reply = await http.post("/touchpoints", content=content)
            assert (reply.status_code, reply.json()["error"]["code"]) == (413, "TOO_LARGE")
            assert reply.headers["connection"] == "close"
        assert (await http.post("/touchpoints", content=b"x" * TOUCHPOINTS.body)).status_code == 200
    assert seen == [TOUCHPOINTS.body]


async def test_a_body_that_comes_too_slowly_is_refused_and_holds_no_place_meanwhile() -> None:
    lanes = narrowed(WEBHOOKS, running=1, queued=0, body_within=0.3)
    slow_started = asyncio.Event()

    async def slowly() -> Any:
        slow_started.set()
        yield b"{"
        await asyncio.sleep(30)

    async with asking(guarded(lanes=lanes)) as http:
        slow = asyncio.create_task(http.post("/webhooks", content=slowly()))
        await slow_started.wait()
        assert (await http.post("/webhooks", content=b"{}")).status_code == 200
        reply = await slow
        assert (reply.status_code, reply.json()["error"]["code"]) == (408, "TOO_SLOW")


async def test_a_full_lane_queues_some_and_refuses_the_rest_and_other_lanes_do_not_notice() -> None:
    gate = asyncio.Event()

    async def door(_: Request) -> Response:
        await gate.wait()
        return JSONResponse({})

    lanes = narrowed(GRAPHQL, running=2, queued=3, patience=20)
    async with asking(guarded(door, lanes=lanes)) as http:
        asked = [asyncio.create_task(http.post("/graphql")) for _ in range(10)]
        while sum(task.done() for task in asked) < 5:  # noqa: ASYNC110 - the tasks have no event
            await asyncio.sleep(0)
        assert (await http.get("/healthz")).status_code == 200
        gate.set()
        replies = await asyncio.gather(*asked)
        assert (await http.post("/graphql")).status_code == 200
    refused = [reply for reply in replies if reply.status_code == 503]
    assert len(refused) == 5
    assert {reply.headers["retry-after"] for reply in refused} == {"2"}
    assert refused[0].json()["errors"][0]["extensions"]["code"] == "OVERLOADED"


async def test_who_queues_too_long_is_refused() -> None:
    inside, gate = asyncio.Event(), asyncio.Event()

    async def door(_: Request) -> Response:
        inside.set()
        await gate.wait()
        return JSONResponse({})

    async with asking(guarded(door, lanes=narrowed(PAGES, running=1, queued=5, patience=0.05))) as http:
        first = asyncio.create_task(http.get("/"))
        await inside.wait()
        assert (await http.get("/")).json()["error"]["code"] == "OVERLOADED"
        gate.set()
        assert (await first).status_code == 200


async def test_work_beyond_its_deadline_is_cancelled_and_answered() -> None:
    ended: list[str] = []

    async def door(_: Request) -> Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return JSONResponse({})

    async with asking(guarded(door, lanes=narrowed(PAGES, within=0.05))) as http:
        reply = await http.get("/")
    assert (reply.status_code, reply.headers["retry-after"], ended) == (503, "5", ["cancelled"])


async def test_a_flood_from_one_address_is_told_when_to_come_again_and_nobody_else_is() -> None:
    app = guarded(lanes=narrowed(TOUCHPOINTS, address=Often(10, 20)))
    async with asking(app) as flood, asking(app, "203.0.113.2") as other:
        replies = [await flood.post("/touchpoints", content=b"{}") for _ in range(30)]
        assert [reply.status_code for reply in replies] == [200] * 20 + [429] * 10
        assert replies[-1].headers["retry-after"] == "1"
        assert replies[-1].json()["error"]["code"] == "TOO_MANY_REQUESTS"
        assert (await other.post("/touchpoints", content=b"{}")).status_code == 200
        for path in ("/webhooks", "/graphql", "/healthz"):
            assert (await flood.post(path)).status_code == 200


async def test_a_token_is_counted_by_itself_whatever_address_it_comes_from() -> None:
    app = guarded(lanes=narrowed(GRAPHQL, credential=Often(1, 2)))
    a, b = {"Authorization": "Bearer a"}, {"Authorization": "Bearer b"}
    async with asking(app) as one, asking(app, "203.0.113.2") as other:
        assert [(await each.post("/graphql", headers=a)).status_code for each in (one, other, one)] == [200, 200, 429]
        assert (await one.post("/graphql", headers=b)).status_code == 200


async def test_webhooks_and_health_are_never_counted_by_address() -> None:
    assert (WEBHOOKS.address, WEBHOOKS.credential, OPERATIONS.address) == (None, None, None)


CANARY = "canary@example.com shpat_canary"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError(CANARY), 500, "INTERNAL"),
        (asyncpg.SyntaxOrAccessError(CANARY), 500, "INTERNAL"),
        (sqlite3.OperationalError(f"no such column: {CANARY}"), 500, "INTERNAL"),
        (asyncpg.CannotConnectNowError(CANARY), 503, "UNAVAILABLE"),
        (asyncpg.DeadlockDetectedError(CANARY), 503, "UNAVAILABLE"),
        (ConnectionRefusedError(CANARY), 503, "UNAVAILABLE"),
    ],
)
async def test_an_error_is_a_stable_answer_with_a_request_id_and_its_text_is_nowhere(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def door(_: Request) -> Response:
        raise error

    caplog.set_level(logging.DEBUG)
    async with asking(guarded(door)) as http:
        reply = await http.get("/")
    told = reply.json()["error"]
    assert (reply.status_code, told["code"]) == (status, code)
    assert told["requestId"] == reply.headers["x-request-id"]
    assert ("retry-after" in reply.headers) == (status == 503)
    assert "canary" not in reply.text + caplog.text


async def test_a_locked_database_is_passing_trouble() -> None:
    async def door(_: Request) -> Response:
        one, other = sqlite3.connect(":memory:"), None
        try:
            one.execute("ATTACH 'file:shared?mode=memory&cache=shared' AS s")
            other = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True, timeout=0)
            other.execute("CREATE TABLE IF NOT EXISTS t (x)")
            third = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True, timeout=0)
            other.execute("BEGIN IMMEDIATE")
            other.execute("INSERT INTO t VALUES (1)")
            try:
                third.execute("BEGIN IMMEDIATE")
            finally:
                third.close()
        finally:
            for connection in (one, other):
                if connection is not None:
                    connection.close()
        return JSONResponse({})

    async with asking(guarded(door)) as http:
        assert (await http.get("/")).status_code == 503
