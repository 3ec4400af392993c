"""Access tokens in the row: renewed once by many, stored before used, given up when the shop says so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest

from integrations.shopify.oauth import TokenGrant
from plugin.domain.instants import to_us
from plugin.errors import ShopAccessError, ShopUnavailableError
from plugin.installations import Gateways, store_installation
from plugin.ledger.store import Store
from plugin.settings import Settings
from plugin.shops import shop_by_domain
from tests.support.doors import uninstalled
from tests.support.platform_requests import NOW, SHOP
from tests.support.scripted_shop import FakeTime, ScriptedShop, a_grant

HOUR = timedelta(hours=1)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop() -> ScriptedShop:
    return ScriptedShop()


def grant(number: int = 1, *, refresh: bool = True, lasts: timedelta | None = HOUR) -> TokenGrant:
    return TokenGrant(
        access_token=f"shpat_{number}",
        scopes=frozenset({"read_orders"}),
        access_expires_at=NOW + lasts if lasts else None,
        refresh_token=f"shprt_{number}" if refresh else None,
        refresh_expires_at=NOW + timedelta(days=90) if refresh else None,
    )


def some_gateways(settings: Settings, store: Store, shop: httpx.AsyncBaseTransport, clock: Clock) -> Gateways:
    return Gateways(settings, store, clock, transport=shop, pace=FakeTime().pace())


@pytest.fixture
async def gateways(settings: Settings, store: Store, shop: ScriptedShop, clock: Clock) -> AsyncIterator[Gateways]:
    opened = some_gateways(settings, store, shop, clock)
    yield opened
    await opened.close()


def sent_with(shop: ScriptedShop) -> list[str]:
    return [call.headers["X-Shopify-Access-Token"] for call in shop.calls]


async def test_a_token_that_lives_is_used_as_it_is(store: Store, gateways: Gateways, shop: ScriptedShop) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    await (await gateways.for_shop(shop_id)).shop_info()
    assert (sent_with(shop), shop.forms) == (["shpat_1"], [])


async def test_a_token_near_its_end_is_renewed_before_it_is_used(
    store: Store, gateways: Gateways, shop: ScriptedShop, clock: Clock
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    clock.at = NOW + timedelta(minutes=56)
    shop.grants = [a_grant(2)]
    await (await gateways.for_shop(shop_id)).shop_info()
    assert [(form["grant_type"], form["refresh_token"]) for form in shop.forms] == [("refresh_token", "shprt_1")]
    assert sent_with(shop) == ["shpat_2"]


async def test_while_the_shop_cannot_renew_a_token_that_still_lives_is_used(
    store: Store, gateways: Gateways, shop: ScriptedShop, clock: Clock
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    clock.at = NOW + timedelta(minutes=56)
    shop.grants = [httpx.Response(503) for _ in range(50)]
    await (await gateways.for_shop(shop_id)).shop_info()
    assert sent_with(shop) == ["shpat_1"]
    clock.at = NOW + timedelta(minutes=61)
    shop.grants = [httpx.Response(503) for _ in range(500)]
    with pytest.raises(ShopUnavailableError):
        await (await gateways.for_shop(shop_id)).shop_info()
    assert (await shop_by_domain(store.database, SHOP)).status == "installed"


async def test_many_calls_of_two_processes_with_one_refused_token_make_one_refresh(
    settings: Settings, store: Store, shop: ScriptedShop, clock: Clock
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    shop.good = {"shpat_2"}
    shop.grants = [a_grant(2), a_grant(3)]
    processes = [some_gateways(settings, store, shop, clock) for _ in range(2)]
    sides = [await process.for_shop(shop_id) for process in processes for _ in range(5)]
    await asyncio.gather(*(side.shop_info() for side in sides))
    for process in processes:
        await process.close()
    assert len(shop.forms) == 1
    assert set(sent_with(shop)) == {"shpat_1", "shpat_2"}


async def test_new_tokens_stand_in_the_row_before_they_are_used(
    store: Store, gateways: Gateways, shop: ScriptedShop
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    shop.good = {"shpat_2"}
    shop.grants = [a_grant(2)]
    seen: list[str] = []
    send = shop.handle_async_request

    async def watched(request: httpx.Request) -> httpx.Response:
        rows = await store.database.fetch("SELECT access_token, refresh_token FROM shops WHERE id = $1", shop_id)
        if request.headers.get("X-Shopify-Access-Token") == "shpat_2":
            seen.extend(store.vault.open(sealed) for sealed in rows[0])
        return await send(request)

    shop.handle_async_request = watched  # type: ignore[method-assign]  # a wire tap
    await (await gateways.for_shop(shop_id)).shop_info()
    assert seen == ["shpat_2", "shprt_2"]


async def test_a_process_killed_while_refreshing_locks_nobody_out(
    store: Store, gateways: Gateways, shop: ScriptedShop, clock: Clock
) -> None:
    """The lease of the dead one runs out, and the old refresh token is still good."""
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    await store.database.execute("UPDATE shops SET refreshing_until = $1 WHERE id = $2", to_us(NOW + HOUR), shop_id)
    clock.at = NOW + 2 * HOUR
    shop.grants = [a_grant(2)]
    await (await gateways.for_shop(shop_id)).shop_info()
    assert ([form["refresh_token"] for form in shop.forms], sent_with(shop)) == (["shprt_1"], ["shpat_2"])


@pytest.mark.parametrize("refusal", [httpx.Response(400, json={"error": "invalid_grant"}), httpx.Response(401)])
async def test_a_refused_refresh_takes_the_shop_out_and_nothing_more_is_sent(
    store: Store, gateways: Gateways, shop: ScriptedShop, refusal: httpx.Response
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    shop.good = set()
    shop.grants = [refusal]
    gateway = await gateways.for_shop(shop_id)
    for _ in range(3):
        with pytest.raises(ShopAccessError):
            await gateway.shop_info()
    assert (len(shop.calls), len(shop.forms)) == (1, 1)
    [row] = await store.database.fetch("SELECT status, status_reason FROM shops")
    assert row[0] == "no_access"
    assert "HTTP 40" in row[1]


async def test_a_new_token_that_is_refused_too_takes_the_shop_out(
    store: Store, gateways: Gateways, shop: ScriptedShop
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    shop.good = set()
    gateway = await gateways.for_shop(shop_id)
    for _ in range(3):
        with pytest.raises(ShopAccessError):
            await gateway.shop_info()
    assert (len(shop.calls), len(shop.forms)) == (2, 1)
    assert (await shop_by_domain(store.database, SHOP)).status == "no_access"


async def test_a_lasting_token_without_a_successor_ends_with_its_first_refusal(
    store: Store, gateways: Gateways, shop: ScriptedShop
) -> None:
    shop_id = await store_installation(store, SHOP, grant(refresh=False, lasts=None), NOW)
    shop.good = set()
    with pytest.raises(ShopAccessError):
        await (await gateways.for_shop(shop_id)).shop_info()
    assert (len(shop.calls), shop.forms) == (1, [])
    assert (await shop_by_domain(store.database, SHOP)).status == "no_access"


async def test_after_an_uninstall_nothing_is_sent_and_no_token_is_kept(
    store: Store, gateways: Gateways, shop: ScriptedShop
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    gateway = await gateways.for_shop(shop_id)
    await gateway.shop_info()
    await uninstalled(store, shop_id)
    with pytest.raises(ShopAccessError, match="uninstalled"):
        await gateway.shop_info()
    assert len(shop.calls) == 1


async def test_tokens_of_an_uninstalled_shop_that_come_late_are_not_kept(
    store: Store, gateways: Gateways, shop: ScriptedShop
) -> None:
    shop_id = await store_installation(store, SHOP, grant(), NOW)
    shop.good = {"shpat_2"}
    send = shop.handle_async_request

    async def uninstalling(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/access_token"):
            await uninstalled(store, shop_id)
        return await send(request)

    shop.handle_async_request = uninstalling  # type: ignore[method-assign]  # between request and answer
    with pytest.raises(ShopAccessError):
        await (await gateways.for_shop(shop_id)).shop_info()
    assert await store.database.fetch("SELECT status, access_token FROM shops") == [("uninstalled", None)]
