"""The endpoints with the real credentials: a partner token counts for its shop and scopes until it is revoked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from graphql_schema.server import graphql_routes
from plugin.feed import Feed
from plugin.ledger.store import Store
from plugin.partners import create_token, revoke_token
from plugin.settings import Settings
from tests.support.graphql_world import NOW, Jobs
from tests.support.shops import install_shop


@dataclass(frozen=True, slots=True)
class Door:
    client: httpx.AsyncClient
    store: Store
    shop_id: int

    async def ask(self, token: str, document: str = "{ shop { domain } }", **params: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.client.post("/graphql", json={"query": document}, headers=headers, params=params)


@pytest.fixture
async def door(store: Store, settings: Settings) -> AsyncIterator[Door]:
    shop = await install_shop("real.myshopify.com")
    app = Starlette(routes=graphql_routes())
    app.state.store, app.state.settings, app.state.jobs, app.state.now = store, settings, Jobs(), lambda: NOW
    app.state.feed = Feed(store.database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rebloom.test") as client:
        yield Door(client, store, shop.id)


async def test_a_token_opens_its_scopes_and_nothing_once_it_is_revoked(door: Door) -> None:
    token, info = await create_token(door.store, door.shop_id, "Tool", ["read_shop"], NOW)
    good = await door.ask(token)
    assert (good.status_code, good.json()["data"]) == (200, {"shop": {"domain": "real.myshopify.com"}})
    denied = await door.ask(token, "{ customersCount { count } }")
    assert denied.json()["errors"][0]["extensions"]["missingScopes"] == ["read_customers"]
    await revoke_token(door.store, door.shop_id, info.id, NOW)
    assert (await door.ask(token)).status_code == 401


async def test_a_token_cut_made_up_or_in_the_address_opens_nothing(door: Door) -> None:
    token, _ = await create_token(door.store, door.shop_id, "Tool", ["read_shop"], NOW)
    for bad in (token[:-1], token + "x", "rbl_" + "A" * 40, "x", "a.b.c", ""):
        reply = await door.ask(bad)
        assert (reply.status_code, reply.headers["x-shopify-retry-invalid-session-request"]) == (401, "1")
    assert (await door.ask("", access_token=token)).status_code == 401
    assert (await door.ask(token, access_token=token)).status_code == 401


async def test_the_storefront_is_closed_without_the_proxys_signature(door: Door) -> None:
    reply = await door.client.post("/storefront/graphql", json={"query": "{ viewer { stage { key } } }"})
    assert (reply.status_code, reply.headers["cache-control"]) == (401, "private, no-store")
