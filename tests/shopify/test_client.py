"""The client against a scripted shop and a clock that only sleeping moves."""

import asyncio

import httpx
import pytest

from integrations.shopify.client import AdminClient, new_http
from integrations.shopify.pacing import Bucket
from integrations.shopify.protocol import Call
from plugin.errors import ShopAccessError, ShopError, ShopRefusedError, ShopUnavailableError
from tests.support.rig import READ, SETTINGS, SHOP, WRITE, Rig
from tests.support.scripted_shop import graphql, throttled


async def test_a_call_goes_to_the_pinned_version_with_the_token(rig: Rig) -> None:
    rig.shop.answers = [graphql(SHOP)]
    assert (await rig.client.run(READ)).data == SHOP
    [call] = rig.shop.calls
    assert str(call.url) == "https://some-shop.myshopify.com/admin/api/2026-10/graphql.json"
    assert call.headers["X-Shopify-Access-Token"] == "shpat_1"
    assert rig.time.slept == []


async def test_throttled_in_200_waits_until_the_bucket_holds_the_price(rig: Rig) -> None:
    rig.shop.answers = [throttled(available=40.0, requested=540.0), graphql(SHOP)]
    assert (await rig.client.run(READ)).data == SHOP
    assert sum(rig.time.slept) == pytest.approx(5.0)  # 500 points at 100 a second, the first backoff inside it
    assert len(rig.shop.calls) == 2


async def test_429_waits_as_long_as_the_shop_says(rig: Rig) -> None:
    rig.shop.answers = [httpx.Response(429, headers={"Retry-After": "7.0"}), graphql(SHOP)]
    await rig.client.run(READ)
    assert rig.time.slept == [7.0]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (None, 0.5), ("", 0.5), ("0", 0.5), ("0.2", 0.5), ("-1", 0.5), ("-7.5", 0.5), ("soon", 0.5), ("inf", 0.5),
        ("nan", 0.5), ("1e3", 0.5), ("0x10", 0.5), ("7, 9", 0.5), ("9" * 20, 0.5), ("2026-11-24T00:00:00Z", 0.5),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 0.5), ("7", 7.0), ("07.50", 7.5), ("60", 60.0), ("86400", 60.0),
    ],
)  # fmt: skip
async def test_whatever_retry_after_says_the_wait_is_bounded_and_never_shorter_than_asked(
    rig: Rig, asked: str | None, waited: float, status: int
) -> None:
    rig.shop.answers = [httpx.Response(status, headers={} if asked is None else {"Retry-After": asked}), graphql(SHOP)]
    assert (await rig.client.run(READ)).data == SHOP
    assert (rig.time.slept, len(rig.shop.calls)) == ([waited], 2)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500),
        httpx.Response(503, text="<html>"),
        httpx.Response(200, text="<html>Maintenance</html>"),
        httpx.Response(200, content=b'{"data":{"shop":{"id":'),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
        httpx.ConnectError("refused"),
    ],
)
async def test_passing_trouble_is_tried_again_with_growing_waits(rig: Rig, trouble: httpx.Response | Exception) -> None:
    rig.shop.answers = [trouble, trouble, trouble, graphql(SHOP)]
    assert (await rig.client.run(READ)).data == SHOP
    assert rig.time.slept == [0.5, 1.0, 2.0]


async def test_trying_stops_inside_the_budget(rig: Rig) -> None:
    rig.shop.answers = [httpx.Response(502) for _ in range(100)]
    with pytest.raises(ShopUnavailableError):
        await rig.client.run(READ)
    assert sum(rig.time.slept) <= rig.client.pace.budget
    assert len(rig.shop.calls) == 10  # 0.5 1 2 4 8 10 10 10 10, and the next wait would end too late


@pytest.mark.parametrize(
    "trouble", [httpx.Response(500), httpx.ReadTimeout("slow"), httpx.Response(200, text="<html>")]
)
async def test_what_may_have_been_done_and_may_not_be_done_twice_is_sent_once(
    rig: Rig, trouble: httpx.Response | Exception
) -> None:
    rig.shop.answers = [trouble, graphql({"x": 1})]
    with pytest.raises(ShopUnavailableError):
        await rig.client.run(WRITE)
    assert len(rig.shop.calls) == 1


@pytest.mark.parametrize("trouble", [httpx.ConnectError("refused"), httpx.Response(429), throttled(available=1_000.0)])
async def test_what_was_surely_not_done_is_sent_again_whatever_it_is(
    rig: Rig, trouble: httpx.Response | Exception
) -> None:
    rig.shop.answers = [trouble, graphql({"x": 1})]
    assert (await rig.client.run(WRITE)).data == {"x": 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (402, ShopAccessError),
        (403, ShopAccessError),
        (404, ShopAccessError),
        (423, ShopAccessError),
        (400, ShopRefusedError),
    ],
)
async def test_a_frozen_closed_gone_or_locked_shop_is_asked_once(rig: Rig, status: int, error: type[ShopError]) -> None:
    rig.shop.answers = [httpx.Response(status)]
    with pytest.raises(error):
        await rig.client.run(READ)
    assert (len(rig.shop.calls), rig.tokens.renewals, rig.time.slept) == (1, 0, [])


async def test_a_redirect_is_never_followed_with_the_token(rig: Rig) -> None:
    rig.shop.answers = [httpx.Response(307, headers={"Location": "https://evil.example/"})]
    with pytest.raises(ShopRefusedError):
        await rig.client.run(READ)
    assert [call.url.host for call in rig.shop.calls] == ["some-shop.myshopify.com"]


async def test_a_refused_token_is_renewed_once_and_the_call_goes_on(rig: Rig) -> None:
    rig.shop.good = {"shpat_2"}
    rig.shop.answers = [graphql(SHOP)]
    assert (await rig.client.run(READ)).data == SHOP
    assert (rig.tokens.renewals, len(rig.shop.calls), rig.tokens.given_up) == (1, 2, [])


async def test_a_second_refusal_ends_it_without_hammering(rig: Rig) -> None:
    rig.shop.good = set()
    with pytest.raises(ShopAccessError):
        await rig.client.run(READ)
    assert (rig.tokens.renewals, len(rig.shop.calls), rig.tokens.given_up) == (1, 2, ["shpat_2"])


async def test_a_price_is_reserved_before_sending_so_that_many_at_once_never_overdraw(rig: Rig) -> None:
    """A shop whose bucket holds 1,000 and refills 50 a second; 40 calls of 100 points start together."""
    level = 1_000.0
    lowest = level
    last = rig.time.at

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal level, lowest, last
        level, last = min(1_000.0, level + (rig.time.at - last) * 50.0), rig.time.at
        level -= 100.0
        lowest = min(lowest, level)
        await asyncio.sleep(0)
        status = {"maximumAvailable": 1_000.0, "currentlyAvailable": level, "restoreRate": 50.0}
        cost = {"requestedQueryCost": 100, "actualQueryCost": 100, "throttleStatus": status}
        return httpx.Response(200, json={"data": SHOP, "extensions": {"cost": cost}})

    async with new_http(SETTINGS, httpx.MockTransport(answer)) as http:
        pace = rig.time.pace(budget=600.0)
        client = AdminClient(SETTINGS, http, rig.tokens, Bucket(pace), pace)
        call = Call(name="Page", document="query Page { shop { id } }", points=100)
        replies = await asyncio.gather(*(client.run(call) for _ in range(40)))
    assert len(replies) == 40
    assert lowest >= 0.0
    assert sum(rig.time.slept) == pytest.approx(60.0)  # 3,000 points that were not in the bucket


async def test_a_wait_for_the_bucket_longer_than_the_budget_is_given_back(rig: Rig) -> None:
    rig.shop.answers = [throttled(available=0.0, requested=1_990.0), graphql(SHOP)]
    pace = rig.time.pace(budget=10.0)
    client = AdminClient(SETTINGS, rig.client.http, rig.tokens, Bucket(pace), pace)
    with pytest.raises(ShopUnavailableError):
        await client.run(READ)
    assert len(rig.shop.calls) == 1
    assert sum(rig.time.slept) <= 10.0


async def test_an_answer_that_never_ends_is_cut_off(rig: Rig) -> None:
    async def stuck(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return graphql(SHOP)

    async with new_http(SETTINGS, httpx.MockTransport(stuck)) as http:
        pace = rig.time.pace(attempt=0.02, budget=0.1)
        client = AdminClient(SETTINGS, http, rig.tokens, Bucket(pace), pace)
        with pytest.raises(ShopUnavailableError):
            await asyncio.wait_for(client.run(READ), 5)
