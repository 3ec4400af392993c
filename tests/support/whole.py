"""The whole product as a merchant meets it: the app and a dev shop, each on a real socket of this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from integrations.devshop.rows import Data
from integrations.devshop.server import DevShopConfig
from plugin.commands.serve import server_config
from plugin.settings import Settings, read_settings
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, SHOP

PATIENCE = 60.0


@dataclass
class Whole:
    """`ask` speaks GraphQL as the merchant of `SHOP`."""

    app_url: str
    settings: Settings
    devshop: RunningDevShop
    http: httpx.AsyncClient
    app: Starlette

    async def install(self) -> httpx.Response:
        return await self.http.get(f"{self.app_url}/auth", params={"shop": SHOP}, follow_redirects=True)

    async def post(self, document: str, **variables: Any) -> httpx.Response:
        token = self.devshop[SHOP].session_token()
        return await self.http.post(
            f"{self.app_url}/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {token}"},
        )

    async def ask(self, document: str, **variables: Any) -> Any:
        body = (await self.post(document, **variables)).json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait until `true`; fails after a minute."""
        async with asyncio.timeout(PATIENCE):
            while not await true():  # noqa: ASYNC110 - the other side is another program
                await asyncio.sleep(0.1)

    async def settled(self) -> None:
        """Installed, copied, placed and pushed."""

        async def pushed() -> bool:
            push = (await self.ask("{ shop { tagPush { finishedAt } } }"))["shop"]["tagPush"]
            return bool(push and push["finishedAt"])

        await self.until(pushed)

    def tags(self, customer: int) -> list[str]:
        return list(self.devshop[SHOP].state.data.customers[customer].tags)


@asynccontextmanager
async def running_whole(database_url: str, data: Data, **environment: str) -> AsyncIterator[Whole]:
    """Both sides on one fixed clock, the shop holding `data`; `environment` are settings of the app."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        app_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app_side = replace(
            APP, url=app_url, redirects=(f"{app_url}/auth/callback",), scopes=read_settings(ENVIRONMENT).scopes
        )
        config = DevShopConfig(app=app_side, shops={SHOP: data}, clock=lambda: NOW)
        with running_devshop(config) as devshop:
            settings = read_settings(
                {
                    **ENVIRONMENT,
                    "REBLOOM_DATABASE_URL": database_url,
                    "REBLOOM_APP_URL": app_url,
                    "SHOPIFY_SHOP_URL": f"{devshop.base}/{{shop}}",
                    **environment,
                }
            )
            app = create_app(settings, now=lambda: NOW)
            server = uvicorn.Server(server_config(app, host="127.0.0.1", port=0))
            serving = asyncio.create_task(server._serve(sockets=[listening]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event for it
                await asyncio.sleep(0.02)
            try:
                async with httpx.AsyncClient(timeout=20) as http:
                    yield Whole(app_url, settings, devshop, http, app)
            finally:
                server.should_exit = True
                await serving
