"""A long push of many calls, paced by the shop's own accounts, with the time that calls are under way."""

import asyncio
import contextlib
from dataclasses import dataclass

import httpx
import pytest

from integrations.devshop.cost import Bucket as ShopsBucket
from integrations.shopify.client import Access, AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket
from plugin.errors import ShopUnavailableError
from plugin.lifecycle.push_run import side_by_side
from plugin.ports import TAG_BATCH, TagChange
from tests.support.rig import SETTINGS, OneToken
from tests.support.virtual_time import VirtualTime


class PlainShop:
    """Ten points a mutation out of the platform's bucket; a call is charged half way through its time."""

    def __init__(self, time: VirtualTime, *, rate: float, late: float) -> None:
        self.time, self.late = time, late
        self.bucket = ShopsBucket(20 * rate, rate, lambda: time.at)
        self.spent, self.throttled, self.calls, self.under_way, self.most = 0.0, 0, 0, 0, 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.time.sleep(self.late / 2)
        points = 10.0 * request.content.count(b"userErrors")
        body: dict[str, object] = {"data": {}}
        if self.bucket.take(points):
            self.spent += points
        else:
            self.throttled += 1
            body = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
        cost = {"requestedQueryCost": points, "actualQueryCost": points, "throttleStatus": self.bucket.status()}
        await self.time.sleep(self.late / 2)
        self.under_way -= 1
        return httpx.Response(200, json={**body, "extensions": {"cost": cost}})


@pytest.mark.parametrize("empty", [False, True], ids=["full", "empty"])
@pytest.mark.parametrize(("rate", "late"), [(50.0, 0.3), (100.0, 0.3), (100.0, 7.0), (1_000.0, 0.3), (1_000.0, 5.0)])
async def test_a_long_push_spends_what_the_bucket_gives_and_is_hardly_ever_throttled(
    rate: float, late: float, empty: bool
) -> None:
    time = VirtualTime()
    shop = PlainShop(time, rate=rate, late=late)
    if empty:  # by another process; ours cannot know
        shop.bucket.take(shop.bucket.size)
    given = 0.0 if empty else shop.bucket.size
    changes = [TagChange(customer_id=who, add=("a",), remove=("b",)) for who in range(1, TAG_BATCH + 1)]

    async with new_http(SETTINGS, httpx.MockTransport(shop)) as http:
        pace = time.pace()
        gateway = ShopifyGateway(AdminClient(SETTINGS, http, OneToken(), Bucket(pace), pace))

        async def push(_: int) -> None:
            await gateway.swap_tags(changes)

        began = time.at
        await time.run(side_by_side(range(150), push, lambda: gateway.calls_at_once(800.0)))
    took = time.at - began
    assert shop.spent == 150 * 800
    assert shop.spent / (given + rate * took) >= 0.9
    assert shop.throttled / shop.calls < 0.01
    assert shop.throttled <= empty
    assert shop.most <= 8


@dataclass
class Of:
    """`Tokens` of a shop by name."""

    domain: str

    async def current(self) -> Access:
        return Access(self.domain, "shpat_1")

    async def renew(self, refused: Access) -> Access:
        raise AssertionError("nobody refuses")

    async def lost(self, refused: Access) -> None:
        raise AssertionError("nobody refuses")


async def test_one_shop_that_is_silent_slows_another_by_nothing() -> None:
    """Eight workers wait for a shop that says nothing for half a minute a try, beside a push into another one."""
    took: dict[str, float] = {}
    for beside in ("alone", "beside"):
        time = VirtualTime()
        shop, silent = PlainShop(time, rate=100.0, late=0.3), [0]

        async def route(
            request: httpx.Request, shop: PlainShop = shop, silent: list[int] = silent, time: VirtualTime = time
        ) -> httpx.Response:
            if request.url.host != "down.myshopify.com":
                return await shop(request)
            silent[0] += 1
            await time.sleep(30.0)
            raise httpx.ReadTimeout("silent")

        changes = [TagChange(customer_id=who, add=("a",), remove=()) for who in range(1, TAG_BATCH + 1)]
        async with new_http(SETTINGS, httpx.MockTransport(route)) as http:
            pace = time.pace()
            up, down = (
                ShopifyGateway(AdminClient(SETTINGS, http, Of(f"{name}.myshopify.com"), Bucket(pace), pace))
                for name in ("up", "down")
            )

            async def work(down: ShopifyGateway = down) -> None:
                while True:
                    with contextlib.suppress(ShopUnavailableError):
                        await down.shop_info()

            async def push(_: int, up: ShopifyGateway = up, changes: list[TagChange] = changes) -> None:
                await up.swap_tags(changes)

            waiting = [asyncio.create_task(work()) for _ in range(8 if beside == "beside" else 0)]
            began = time.at
            await time.run(side_by_side(range(40), push, lambda up=up: up.calls_at_once(400.0)))
            took[beside] = time.at - began
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        assert (silent[0] > 8) == (beside == "beside")
    assert took["beside"] <= 1.1 * took["alone"]


async def test_after_a_failure_nothing_more_is_begun_and_what_is_under_way_ends() -> None:
    time, begun, ended = VirtualTime(), list[int](), list[int]()

    async def work(item: int) -> None:
        begun.append(item)
        await time.sleep(1.0 + item)
        if item == 1:
            raise ValueError(item)
        ended.append(item)

    with pytest.raises(ValueError, match="1"):
        await time.run(side_by_side(range(100), work, lambda: 3))
    assert (begun, ended) == ([0, 1, 2, 3], [0, 2, 3])
