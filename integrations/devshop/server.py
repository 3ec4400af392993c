"""The dev shop served: many shops of the platform in one process, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from integrations.devshop import admin, bulk_run, control, pages
from integrations.devshop.faults import FaultMiddleware, Faults
from integrations.devshop.load import load_data
from integrations.devshop.merchant import DevShop
from integrations.devshop.outbox import Sender
from integrations.devshop.rows import Data
from integrations.devshop.shop import App, Now, ShopState, wall_clock

if TYPE_CHECKING:
    from starlette.types import ASGIApp

POLL = 0.05


@dataclass(frozen=True)
class DevShopConfig:
    """What the dev shop is started with.

    `shops` maps domains to their data: a folder of bulk-format JSONL, or rows already loaded (not shared between
    shops, each writes to its own). `base` is the address it is reached at.
    """

    app: App
    shops: Mapping[str, Path | Data]
    base: str = "http://127.0.0.1:9292"
    orders_file: str = "orders"
    timezone: str = "UTC"
    clock: Now = wall_clock
    monotonic: Callable[[], float] = time.monotonic
    bucket_size: float = 2000
    restore_rate: float = 100
    bulk_pause: float = 0.0
    shuffle_bulk: int | None = None
    webhook_retries: tuple[float, ...] = (0.5, 1, 2, 4, 8, 16, 32, 64)
    files: Path | None = None


@dataclass
class DevShops:
    """All shops of one process, by domain, with the faults and deliveries they share."""

    config: DevShopConfig
    shops: dict[str, DevShop] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    sender: Sender = field(init=False)
    wake: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.sender = Sender(self.config.webhook_retries, self.faults)
        self.fill()

    def fill(self) -> None:
        """Open every shop of the configuration as new, on data read again."""
        root = self.config.files
        if root is None:
            root = Path(tempfile.mkdtemp(prefix="devshop-"))
            weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        for domain, source in self.config.shops.items():
            folder = root / domain
            folder.mkdir(parents=True, exist_ok=True)
            data = source if isinstance(source, Data) else load_data(source, orders_file=self.config.orders_file)
            self.shops[domain] = DevShop(self._state(domain, data, folder))

    def _state(self, domain: str, data: Data, folder: Path) -> ShopState:
        config = self.config
        return ShopState(
            domain=domain,
            data=data,
            app=config.app,
            base_url=f"{config.base}/{domain}",
            files=folder,
            name=domain.split(".", 1)[0].replace("-", " ").title(),
            wake=self._wake,
            timezone=config.timezone,
            clock=config.clock,
            monotonic=config.monotonic,
            bucket_size=config.bucket_size,
            restore_rate=config.restore_rate,
            bulk_pause=config.bulk_pause,
            shuffle_bulk=config.shuffle_bulk,
        )

    def _wake(self) -> None:
        self.wake()

    def __getitem__(self, domain: str) -> DevShop:
        return self.shops[domain]

    async def work(self) -> None:
        """Background work until cancelled: bulk operations and webhooks."""
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended while a thread was finishing
                loop.call_soon_threadsafe(woken.set)

        self.wake = wake
        async with asyncio.TaskGroup() as group:
            while True:
                for shop in tuple(self.shops.values()):
                    while shop.state.jobs:
                        number, scopes, staged = shop.state.jobs.popleft()
                        group.create_task(asyncio.to_thread(bulk_run.run, shop.state, number, scopes, staged))
                    self.sender.take(shop.state, group)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), POLL)
                woken.clear()


def create_devshop(shops: DevShops) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(shops.work())
        async with shops.sender:
            yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    routes = [
        Route("/", pages.front, methods=["GET"]),
        Mount("/_dev", routes=control.ROUTES),
        Route("/{shop}", pages.admin_home, methods=["GET"]),
        Mount("/{shop}", routes=[*admin.ROUTES, *pages.ROUTES]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.devshops = shops
    return app


def asgi(shops: DevShops) -> ASGIApp:
    """The application with the fault script in front, which has to see the server's own connection."""
    return FaultMiddleware(create_devshop(shops), shops.faults)


async def serve(shops: DevShops, *, host: str = "127.0.0.1", port: int = 9292) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(asgi(shops), host=host, port=port, log_level="critical", access_log=False)
    await uvicorn.Server(config).serve()
