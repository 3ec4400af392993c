"""`rebloom serve` and `rebloom worker`."""

from __future__ import annotations

import asyncio
import signal

import structlog
import uvicorn
from starlette.applications import Starlette

from plugin.settings import Settings
from plugin.web.app import create_app

_log = structlog.get_logger(__name__)
_GRACE = 10  # seconds open requests have to end


def server_config(app: Starlette, *, host: str, port: int) -> uvicorn.Config:
    """How the app is served: our own log, bounds on what one process takes at once."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        limit_concurrency=1_000,
        backlog=512,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE,
    )


def run_server(settings: Settings, *, host: str, port: int, with_worker: bool) -> None:
    app = create_app(settings, with_worker=with_worker)
    _log.info("serving", address=f"http://{host}:{port}", worker=with_worker)
    uvicorn.Server(server_config(app, host=host, port=port)).run()


async def run_worker(settings: Settings) -> None:
    """Take jobs until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        _log.info("working")
        await stop.wait()
