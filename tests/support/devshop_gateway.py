"""The real gateway, over HTTP, to a running dev shop; and one that dies around a write."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from integrations.devshop.oauth import EXCHANGE, ID_TOKEN
from integrations.shopify.client import Access, AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket, Pace
from plugin.errors import ShopAccessError
from plugin.ports import DiscountChange, DiscountResult, ShopGateway
from plugin.settings import read_settings
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop
from tests.support.devshop_data import APP as PLAIN_APP
from tests.support.memory_shop import Killed

APP = replace(PLAIN_APP, scopes=(*PLAIN_APP.scopes, "write_discounts"))


@dataclass
class Tokens:
    """A token by exchange, and another where its time is over: tests move the shop's clock."""

    dev: RunningDevShop
    shop: str
    http: httpx.AsyncClient
    token: str = ""

    async def current(self) -> Access:
        return Access(self.shop, self.token) if self.token else await self._exchange()

    async def renew(self, refused: Access) -> Access:
        return await self._exchange()

    async def lost(self, refused: Access) -> None:
        raise ShopAccessError("no other token")

    async def _exchange(self) -> Access:
        form = {
            "client_id": APP.client_id,
            "client_secret": APP.secret,
            "grant_type": EXCHANGE,
            "subject_token": self.dev[self.shop].session_token(),
            "subject_token_type": ID_TOKEN,
            "expiring": "1",
        }
        reply = await self.http.post(f"{self.dev.url(self.shop)}/admin/oauth/access_token", data=form)
        self.token = reply.json()["access_token"]
        return Access(self.shop, self.token)


@asynccontextmanager
async def devshop_gateway(dev: RunningDevShop, shop: str) -> AsyncIterator[ShopifyGateway]:
    settings = read_settings({**ENVIRONMENT, "SHOPIFY_SHOP_URL": f"{dev.base}/{{shop}}"})
    pace = Pace(budget=5.0)
    async with new_http(settings) as http:
        yield ShopifyGateway(AdminClient(settings, http, Tokens(dev, shop, http), Bucket(pace), pace))


@dataclass
class MortalGateway:
    """The process ends `before` or `after` the next change of discounts, as `fail` says."""

    real: ShopGateway
    fail: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def change_discounts(self, changes: Sequence[DiscountChange]) -> list[DiscountResult]:
        self._die("before")
        results = await self.real.change_discounts(changes)
        self._die("after")
        return results

    def _die(self, where: str) -> None:
        if self.fail == where:
            self.fail = None
            raise Killed
