"""An app on a real socket of this machine, served inside the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from plugin.commands.serve import server_config
from plugin.web.connections import Bounds


@asynccontextmanager
async def live(app: Any, bounds: Bounds | None = None) -> AsyncIterator[str]:
    """The base URL of `app`, which needs no lifespan, served as we serve ours."""
    # By its protocol asyncio knows that it may send at once, without waiting for an acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = server_config(app, host="127.0.0.1", port=0, bounds=bounds)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
