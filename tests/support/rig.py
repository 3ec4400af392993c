"""A client on a scripted shop and a clock that only sleeping moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from integrations.shopify.client import Access, AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket
from integrations.shopify.protocol import Call
from plugin.settings import read_settings
from tests.support.scripted_shop import FakeTime, ScriptedShop

SETTINGS = read_settings({"SHOPIFY_API_KEY": "test-client-id", "SHOPIFY_API_SECRET": "hush"})
READ = Call(name="Shop", document="query Shop { shop { id } }")
WRITE = Call(name="Write", document="mutation Write { x }", repeatable=False)
SHOP = {"shop": {"id": "gid://shopify/Shop/1"}}


@dataclass
class OneToken:
    """`Tokens` without a database: each renewal gives the next number."""

    number: int = 1
    renewals: int = 0
    given_up: list[str] = field(default_factory=list)

    async def current(self) -> Access:
        return Access("some-shop.myshopify.com", f"shpat_{self.number}")

    async def renew(self, refused: Access) -> Access:
        self.renewals += 1
        self.number += 1
        return await self.current()

    async def lost(self, refused: Access) -> None:
        self.given_up.append(refused.token)


@dataclass
class Rig:
    shop: ScriptedShop
    time: FakeTime
    tokens: OneToken
    client: AdminClient

    @property
    def gateway(self) -> ShopifyGateway:
        return ShopifyGateway(self.client)


@asynccontextmanager
async def open_rig() -> AsyncIterator[Rig]:
    shop, time, tokens = ScriptedShop(), FakeTime(), OneToken()
    async with new_http(SETTINGS, shop) as http:
        pace = time.pace()
        yield Rig(shop, time, tokens, AdminClient(SETTINGS, http, tokens, Bucket(pace), pace))
