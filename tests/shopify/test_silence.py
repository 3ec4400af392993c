"""Shops that do not answer, beside shops that do, in one process: the real client in virtual time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from integrations.shopify.client import AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket
from integrations.shopify.silence import Silence, SilentError, Tries
from plugin.errors import ShopRefusedError, ShopUnavailableError
from plugin.jobs.failures import failure_of, waits
from tests.shopify.test_pacing import Of
from tests.support.rig import SETTINGS
from tests.support.virtual_time import VirtualTime

PLACES = 8  # for jobs, of one process
SHOP = {
    "shop": {
        "id": "gid://shopify/Shop/1", "myshopifyDomain": "some.myshopify.com", "name": "Some Shop",
        "currencyCode": "EUR", "ianaTimezone": "Europe/Paris", "primaryDomain": {"host": "some.example"},
    }
}  # fmt: skip


@dataclass
class Street:
    """Shops of one process; who is `down` says nothing for half a minute. `asked`: requests that came, by shop."""

    time: VirtualTime
    down: set[str]
    refuses: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    gateways: dict[str, ShopifyGateway] = field(default_factory=dict)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host.partition(".")[0]
        self.asked[name] += 1
        if name in self.down:
            await self.time.sleep(30.0)
            raise httpx.ReadTimeout("silent")
        await self.time.sleep(0.3)
        if name in self.refuses:
            return httpx.Response(200, json={"errors": [{"message": "Access denied"}]})
        return httpx.Response(200, json={"data": SHOP})

    async def ask(self, name: str) -> float:
        """When the answer was there, in seconds."""
        await self.gateways[name].shop_info()
        return self.time.at


@asynccontextmanager
async def street(*names: str, down: set[str]) -> AsyncIterator[Street]:
    time, tries = VirtualTime(), Tries()
    shops = Street(time, down)
    async with new_http(SETTINGS, httpx.MockTransport(shops)) as http:
        for name in names:
            pace, of = time.pace(), Of(f"{name}.myshopify.com")
            client = AdminClient(SETTINGS, http, of, Bucket(pace), pace, silence=Silence(tries))
            shops.gateways[name] = ShopifyGateway(client)
        yield shops


async def ended(shops: Street, *names: str) -> list[tuple[str, float]]:
    """How each call ended, all begun at once, and how many seconds later."""
    began = shops.time.at

    async def one(name: str) -> tuple[str, float]:
        try:
            await shops.ask(name)
        except ShopUnavailableError as error:
            return type(error).__name__, round(shops.time.at - began, 1)
        except ShopRefusedError:
            return "refused", round(shops.time.at - began, 1)
        return "answered", round(shops.time.at - began, 1)

    async def all_of_them() -> list[tuple[str, float]]:
        return await asyncio.gather(*map(one, names))

    return await shops.time.run(all_of_them())


async def test_a_silent_shop_is_tried_once_in_two_places_until_it_answers() -> None:
    async with street("a", "b", "c", "up", down={"a", "b", "c"}) as shops:
        patient = await ended(shops, "a", "b", "c", "up")
        assert patient[:3] == [("UncertainError", 60.5)] * 3  # two tries of half a minute
        assert patient[3] == ("answered", 0.3)
        assert shops.asked == {"a": 2, "b": 2, "c": 2, "up": 1}

        # one try each of two shops; the third has no place, and another call of the first waits for what its try finds
        assert await ended(shops, "a", "b", "c", "a", "up") == [
            ("UncertainError", 30.0), ("UncertainError", 30.0), ("SilentError", 0.0), ("SilentError", 30.0),
            ("answered", 0.3),
        ]  # fmt: skip
        assert shops.asked == {"a": 3, "b": 3, "c": 2, "up": 2}

        shops.down.clear()
        assert await ended(shops, "a", "a", "a") == [("answered", 0.3), ("answered", 0.6), ("answered", 0.6)]
        shops.down.add("a")  # and patience is back
        assert await ended(shops, "a") == [("UncertainError", 60.5)]
        assert shops.asked["a"] == 3 + 3 + 2


async def test_a_refusal_is_an_answer() -> None:
    async with street("a", down={"a"}) as shops:
        await ended(shops, "a")
        shops.down.clear()
        shops.refuses.add("a")
        assert await ended(shops, "a") == [("refused", 0.3)]
        shops.refuses.clear()
        shops.down.add("a")
        assert await ended(shops, "a") == [("UncertainError", 60.5)]


async def test_a_call_that_cannot_be_repeated_proves_no_silence() -> None:
    silence, sent = Silence(Tries()), []

    async def fails() -> None:
        sent.append("patiently")
        raise ShopUnavailableError

    async def once() -> None:
        sent.append("once")

    for repeatable in (False, False, True):
        with pytest.raises(ShopUnavailableError):
            await silence.broken(fails, once, repeatable=repeatable)
    await silence.broken(fails, once, repeatable=True)
    assert sent == ["patiently", "patiently", "patiently", "once"]


async def test_a_try_that_is_broken_off_gives_its_place_back() -> None:
    async with street("a", "b", "c", down={"a", "b", "c"}) as shops:
        await ended(shops, "a", "b", "c")
        tries = [asyncio.create_task(shops.ask(name)) for name in ("a", "b")]
        await asyncio.sleep(0.01)
        with pytest.raises(SilentError):
            await shops.ask("c")
        for one in tries:
            one.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
        assert await ended(shops, "c", "a") == [("UncertainError", 30.0), ("UncertainError", 30.0)]


async def test_twelve_silent_shops_keep_no_job_of_another_waiting_after_the_first_minutes() -> None:
    """Jobs as the queue runs them: eight places, what failed in passing comes again after growing waits."""
    names = [f"down{number}" for number in range(12)]
    async with street("up", *names, down=set(names)) as shops:
        places, waited = asyncio.Semaphore(PLACES), list[tuple[float, float]]()
        time = shops.time
        began = time.at

        async def silent(name: str) -> None:
            attempt = 0
            while True:
                try:
                    async with places:
                        await shops.ask(name)
                except ShopUnavailableError as error:
                    await time.sleep(waits(failure_of(error), attempt) or 600.0)
                    attempt += 1

        async def healthy() -> None:
            while time.at < began + 3_600.0:
                put_in = time.at
                async with places:
                    waited.append((put_in - began, time.at - put_in))
                    await shops.ask("up")
                await time.sleep(5.0)

        down = [asyncio.create_task(silent(name)) for name in names]
        await time.run(healthy())
        for task in down:
            task.cancel()
        await asyncio.gather(*down, return_exceptions=True)
    assert max(wait for at, wait in waited if at < 120.0) > 30.0  # nobody knew yet that they are silent
    assert max(wait for at, wait in waited if at >= 130.0) == 0.0
    assert len(waited) > 600
