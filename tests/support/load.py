"""Load over HTTP/1.1 from a client that costs little, so that on two cores the server is what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Reply:
    """`seconds` from when the request was due."""

    status: int
    body: bytes
    seconds: float

    def data(self) -> Any:
        """Raises RuntimeError for an answer with errors, or of another status than 200."""
        found = orjson.loads(self.body) if self.status == 200 else {"errors": self.body[:300]}
        if "errors" in found:
            raise RuntimeError(f"answered {self.status}: {found['errors']}")
        return found["data"]


def post(path: str, content: Any, **headers: str) -> bytes:
    """A whole request as it goes over the wire; `content` is JSON unless it is bytes already."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    told = {"Host": "rebloom.test", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One kept-alive connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes, due: float | None = None) -> Reply:
        began = time.perf_counter() if due is None else due
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(int(length[15:]))
        return Reply(int(head[9:12]), body, time.perf_counter() - began)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Connection]]:
    opened = [await asyncio.open_connection("127.0.0.1", port, limit=2**22) for _ in range(count)]
    connections = [Connection(*pair) for pair in opened]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def closed_loop(connections: Sequence[Connection], requests: Sequence[bytes]) -> list[Reply]:
    """Each connection asks again as soon as it is answered."""
    left, replies = iter(requests), list[Reply]()

    async def work(connection: Connection) -> None:
        for request in left:  # shared: each takes the next
            replies.append(await connection.ask(request))

    await asyncio.gather(*map(work, connections))
    return replies


async def open_loop(connections: Sequence[Connection], requests: Sequence[bytes], rate: float) -> list[Reply]:
    """`rate` requests a second whether or not earlier ones are answered; waiting for a free connection counts."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    replies = list[Reply]()

    async def one(request: bytes, due: float) -> None:
        connection = await free.get()
        replies.append(await connection.ask(request, due))
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(request, due))
    return replies
