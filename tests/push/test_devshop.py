"""The same push through the real client against the dev shop, which executes the platform's own schema."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations.devshop.server import DevShopConfig
from integrations.shopify.client import Access, AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket, Pace
from plugin.ledger.store import Store
from plugin.lifecycle import publish
from plugin.lifecycle.publish import push_tags
from plugin.settings import read_settings
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, SHOP, small_data
from tests.support.small_shop import TODAY, a_shop, place, put

CUSTOMERS = (1, 2, 3)


class Granted:
    """`Tokens` with the one token of an installation."""

    def __init__(self, token: str) -> None:
        self.access = Access(SHOP, token)

    async def current(self) -> Access:
        return self.access

    async def renew(self, refused: Access) -> Access:
        return self.access

    async def lost(self, refused: Access) -> None:
        raise AssertionError("the dev shop refused a fresh token")


async def _token(dev: RunningDevShop) -> str:
    async with httpx.AsyncClient(timeout=10) as http:
        asked = {"client_id": APP.client_id, "redirect_uri": f"{APP.url}/auth/callback", "state": "s"}
        begun = await http.get(
            f"{dev.url(SHOP)}/admin/oauth/authorize", params={**asked, "scope": "write_customers,read_orders"}
        )
        code = parse_qs(urlsplit(begun.headers["location"]).query)["code"][0]
        form = {"client_id": APP.client_id, "client_secret": APP.secret, "code": code}
        granted = await http.post(f"{dev.url(SHOP)}/admin/oauth/access_token", data=form)
        return str(granted.json()["access_token"])


@pytest.fixture
def dev() -> RunningDevShop:
    with running_devshop(DevShopConfig(app=APP, shops={SHOP: small_data()}, clock=lambda: NOW)) as running:
        yield running


@pytest.fixture
async def gateway(dev: RunningDevShop) -> AsyncIterator[ShopifyGateway]:
    settings = read_settings(
        {"SHOPIFY_API_KEY": APP.client_id, "SHOPIFY_API_SECRET": APP.secret, "SHOPIFY_SHOP_URL": f"{dev.base}/{{shop}}"}
    )
    async with new_http(settings) as http:
        pace = Pace()
        yield ShopifyGateway(AdminClient(settings, http, Granted(await _token(dev)), Bucket(pace), pace))


@pytest.mark.parametrize("file_takes", [1_000.0, -1.0], ids=["by batch", "by file"])
async def test_the_dev_shop_takes_our_tags_and_keeps_the_merchants(
    store: Store, dev: RunningDevShop, gateway: ShopifyGateway, file_takes: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publish, "FILE_TAKES", file_takes)
    at = NOW

    def now() -> datetime:
        nonlocal at
        at += timedelta(seconds=1)
        return at

    state = dev[SHOP].state
    held = state.data.customers
    held[1].tags, held[3].tags = ["VIP"], ["rbl-own", "b2b"]
    before = {who: list(held[who].tags) for who in CUSTOMERS}
    await put(store.database, "customers", [{"id": who} for who in CUSTOMERS])
    for who, stage in zip(CUSTOMERS, ("active", "new_buyer", "departing"), strict=True):
        await place(store.database, who, stage, rung=2 if stage == "departing" else None, since_day=TODAY)

    first = await push_tags(store, a_shop(domain=SHOP), gateway, now=now)
    assert (first.customers, first.added, first.refused) == (3, 3, 0)
    assert [sorted(held[who].tags) for who in CUSTOMERS] == [
        sorted([*before[who], tag])
        for who, tag in zip(
            CUSTOMERS, ("rbl-stage-active", "rbl-stage-new_buyer", "rbl-stage-departing-2"), strict=True
        )
    ]

    await place(store.database, 1, "returned", since_day=TODAY)
    second = await push_tags(store, a_shop(domain=SHOP), gateway, now=now)
    assert (second.customers, second.added, second.removed) == (1, 1, 1)
    assert sorted(held[1].tags) == sorted([*before[1], "rbl-stage-returned"])

    assert sum("rbl-stage" in tag for who in CUSTOMERS for tag in held[who].tags) == len(CUSTOMERS)

    writes = state.writes.total()
    third = await push_tags(store, a_shop(domain=SHOP), gateway, now=now)
    assert (third.customers, third.added, third.removed, third.skipped) == (0, 0, 0, 3)
    assert state.writes.total() == writes > 0
