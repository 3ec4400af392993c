"""The same sync over real HTTP, from the dev shop that executes the platform's own schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from integrations.devshop.oauth import EXCHANGE, ID_TOKEN
from integrations.devshop.server import DevShopConfig
from integrations.shopify.client import Access, AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket, Pace
from plugin.errors import ShopAccessError
from plugin.ledger.store import Store
from plugin.settings import read_settings
from plugin.shops import ShopContext
from plugin.sync.backfill import run_sync
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, SHOP, small_data


class Held:
    """`Tokens` that hold one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def current(self) -> Access:
        return Access(SHOP, self.token)

    async def renew(self, refused: Access) -> Access:
        raise ShopAccessError("no other token")

    async def lost(self, refused: Access) -> None:
        raise ShopAccessError("no other token")


async def grant(running: RunningDevShop, http: httpx.AsyncClient) -> Held:
    form = {
        "client_id": APP.client_id,
        "client_secret": APP.secret,
        "grant_type": EXCHANGE,
        "subject_token": running[SHOP].session_token(),
        "subject_token_type": ID_TOKEN,
        "expiring": "1",
    }
    reply = await http.post(f"{running.url(SHOP)}/admin/oauth/access_token", data=form)
    return Held(reply.json()["access_token"])


@pytest.fixture(params=[None, 7], ids=["children follow", "children anywhere"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[ShopifyGateway]:
    config = DevShopConfig(app=APP, shops={SHOP: small_data()}, clock=lambda: NOW, shuffle_bulk=request.param)
    with running_devshop(config) as running:
        settings = read_settings({**ENVIRONMENT, "SHOPIFY_SHOP_URL": f"{running.base}/{{shop}}"})
        pace = Pace(budget=5.0)
        async with new_http(settings) as http:
            yield ShopifyGateway(AdminClient(settings, http, await grant(running, http), Bucket(pace), pace))


async def test_the_dev_shop_is_copied_as_it_is(
    gateway: ShopifyGateway, store: Store, shop: ShopContext, tmp_path: Path
) -> None:
    data = small_data()
    report = await run_sync(store, shop, gateway, now=lambda: NOW, progress=lambda _: None, work_dir=tmp_path / "work")
    lines = [line for order in data.orders.values() for line in order.lines]
    assert (report.customers, report.products) == (len(data.customers), len(data.products))
    assert (report.orders, report.order_lines, report.set_aside) == (len(data.orders), len(lines), 0)
    [sums] = await store.database.fetch(
        "SELECT SUM(total), SUM(refunded), SUM(current_total), SUM(items) FROM orders WHERE shop_id = $1", shop.id
    )
    orders = data.orders.values()
    assert [int(value) for value in sums] == [
        sum(order.total for order in orders),
        sum(order.refunded for order in orders),
        sum(order.current_total for order in orders),
        sum(line.quantity for line in lines),
    ]
