"""`rebloom serve` and `rebloom worker`."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette

from plugin.settings import Settings
from plugin.web.app import create_app
from plugin.web.connections import Bounds, bounded, bounded_sockets
from plugin.web.health import routes as health_routes

_log = structlog.get_logger(__name__)
_GRACE: Final = 10  # seconds open requests have to end
_FILES_KEPT: Final = 256  # for databases, shops and everything else that is no connection to us
_MOST_FILES: Final = 65_536
_YOUNG: Final = 10_000  # objects made until the collector looks through them


def server_config(
    app: Starlette, *, host: str, port: int, trusted_proxies: tuple[str, ...] = (), bounds: Bounds | None = None
) -> uvicorn.Config:
    """How the app is served: our own log, bounds on what one process takes at once. uvicorn's own bound on concurrency
    is off: with it a thousand half-sent requests answer 503 to everybody, `/healthz` included."""
    bounds = bounds or Bounds()
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=bounded(bounds),
        ws=bounded_sockets(bounds),
        ws_per_message_deflate=False,  # its buffers cost each socket more memory than its answers
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        backlog=2_048,
        ws_max_size=256 * 1024,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_GRACE,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
    )


def raise_file_limit() -> int:
    """As many open files as this user may have; how many connections fit beside everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(64, min(Bounds().connections, max(soft, wanted) - _FILES_KEPT))


def keep_what_is_loaded() -> None:
    """Modules and schemas stay for good: 300,000 objects that the collector need not look through again and again, at a
    fifth of a second each time, in which nobody is answered. A page of an answer is some thousand objects: looked
    through each 700 of them, as Python comes, the collector takes an eighth of the page's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def run_server(settings: Settings, *, host: str, port: int, with_worker: bool) -> None:
    app = create_app(settings, with_worker=with_worker)
    bounds = Bounds(connections=raise_file_limit())
    _log.info("serving", address=f"http://{host}:{port}", worker=with_worker, connections=bounds.connections)
    keep_what_is_loaded()
    config = server_config(app, host=host, port=port, trusted_proxies=settings.trusted_proxies, bounds=bounds)
    uvicorn.Server(config).run()


async def run_worker(settings: Settings, *, health_port: int | None = None) -> None:
    """Take jobs until SIGTERM or Ctrl-C. With `health_port`, `/healthz`, `/readyz` and `/metrics` of this worker are
    answered there, on every address of this machine."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        _log.info("working", health_port=health_port)
        if health_port is None:
            await stop.wait()
        else:
            await _answer_health(app, health_port, stop)


async def _answer_health(app: Starlette, port: int, stop: asyncio.Event) -> None:
    door = Starlette(routes=health_routes)
    door.state = app.state
    config = uvicorn.Config(
        door, host="0.0.0.0", port=port, lifespan="off", log_config=None, access_log=False,  # noqa: S104 - its purpose
        http=bounded(Bounds(connections=256)), timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # noqa: SLF001 - `serve` would take our signal handlers
    await stop.wait()
    server.should_exit = True
    await serving
