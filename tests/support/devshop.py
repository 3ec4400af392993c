"""A dev shop on a free loopback port, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import uvicorn

from integrations.devshop.server import DevShopConfig, DevShops, asgi

if TYPE_CHECKING:
    from integrations.devshop.merchant import DevShop

STARTED_WITHIN = 20.0


@dataclass
class RunningDevShop:
    shops: DevShops
    base: str

    def __getitem__(self, domain: str) -> DevShop:
        return self.shops[domain]

    def url(self, domain: str) -> str:
        """The shop's base URL, as `SHOPIFY_SHOP_URL` would give it."""
        return f"{self.base}/{domain}"

    def graphql(self, domain: str, version: str = "2026-10") -> str:
        return f"{self.url(domain)}/admin/api/{version}/graphql.json"

    def settle(self, within: float = 10.0) -> None:
        """Wait until no bulk operation is under way and no webhook is on its way."""
        states = [shop.state for shop in self.shops.shops.values()]
        end = time.monotonic() + within
        while not self.shops.sender.idle(states):
            if time.monotonic() > end:
                raise TimeoutError(f"the dev shop's webhooks were not delivered within {within} s")
            time.sleep(0.01)


@contextlib.contextmanager
def running_devshop(config: DevShopConfig) -> Iterator[RunningDevShop]:
    """Serve `config` (its `base` is replaced by the real address) until the block ends."""
    # Named as TCP, or the server's event loop does not switch off Nagle's delay of 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    shops = DevShops(replace(config, base=base))
    server = uvicorn.Server(uvicorn.Config(asgi(shops), log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    end = time.monotonic() + STARTED_WITHIN
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError("the dev shop did not start")
        time.sleep(0.01)
    try:
        yield RunningDevShop(shops, base)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
