"""Connections that send half, too much, or never read: on a real socket, with small bounds."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from plugin.commands.serve import server_config
from plugin.web.connections import Bounds

SMALL = Bounds(connections=20, head=4_096, head_within=0.5, reads_within=0.5)
GET = b"GET / HTTP/1.1\r\nHost: rebloom.test\r\n"


async def _page(_: Request) -> Response:
    return PlainTextResponse("here")


async def _much(_: Request) -> Response:
    return PlainTextResponse("x" * 20_000_000)


@asynccontextmanager
async def serving(bounds: Bounds) -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", _page), Route("/much", _much)])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = server_config(app, host="127.0.0.1", port=0, bounds=bounds)
        config.lifespan, config.timeout_keep_alive = "off", 1
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def said(port: int, *pieces: bytes) -> bytes:
    """All that the server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("half", [b"", b"GET", GET, GET + b"X-Slow: ", GET + b"\r\n\r\n", b"\r\n"], ids=range(6))
async def test_a_request_that_is_not_whole_in_time_ends(half: bytes) -> None:
    async with serving(SMALL) as port:
        assert (await said(port, half)).count(b"200 OK") == half.count(b"\r\n\r\n")


async def test_an_empty_line_after_an_answer_does_not_hold_the_connection() -> None:
    async with serving(SMALL) as port:
        assert (await said(port, GET + b"\r\n", b"\r\n")).count(b"200 OK") == 1


async def test_headers_that_are_too_large_are_refused_in_one_piece_or_in_many() -> None:
    line = b"X-Large: " + b"x" * 1_000 + b"\r\n"
    async with serving(SMALL) as port:
        assert b" 431 " in await said(port, GET + line * 10 + b"Connection: close\r\n\r\n")
        assert await said(port, *([GET] + [line] * 5_000)) == b""
        assert b" 431 " in await said(port, b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await said(port, GET + b"Connection: close\r\n\r\n")


async def test_when_all_places_are_taken_the_one_that_waits_longest_goes() -> None:
    async with serving(replace(SMALL, head_within=30)) as port:
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        assert b"200 OK" in await said(port, GET + b"Connection: close\r\n\r\n")
        await asyncio.sleep(0.1)
        assert [reader.at_eof() for reader, _ in waiting[:30]] == [True] * 30
        assert not waiting[-1][0].at_eof()
        for _, writer in waiting:
            writer.transport.abort()


async def test_who_never_reads_is_let_go() -> None:
    async with serving(SMALL) as port:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", port))
            await loop.sock_sendall(deaf, b"GET /much HTTP/1.1\r\nHost: rebloom.test\r\n\r\n")
            await asyncio.sleep(1.5)
            got = 0
            with suppress(ConnectionResetError):
                while piece := await loop.sock_recv(deaf, 1 << 20):
                    got += len(piece)
            assert got < 20_000_000
