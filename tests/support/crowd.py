"""Many clients that misbehave, and one that asks how the server is meanwhile."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

HALF = b"POST /graphql HTTP/1.1\r\nHost: rebloom.test\r\nContent-Type: application/json\r\nX-Slow: "


@asynccontextmanager
async def half_requests(
    port: int, count: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """`count` connections that have sent half a request and wait."""
    gate = asyncio.Semaphore(100)  # at once while connecting; all of them stay

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            writer.write(HALF)
            await writer.drain()
            return reader, writer

    opened = await asyncio.gather(*(one() for _ in range(count)))
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def asked_meanwhile(url: str, times: int, *, verify: ssl.SSLContext | bool = True) -> list[float]:
    """Seconds each of `times` questions took, one a second on connections of their own; all answered 200."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        async with httpx.AsyncClient(verify=verify, timeout=10) as http:
            assert (await http.get(url)).status_code == 200
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(max(0.0, 1 - took[-1]))
    return took
