"""Visitors of the storefront whom nobody knows: each address pays for itself, and no cache hands on an answer."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphql_schema.cost import Rate
from graphql_schema.request import LARGEST_BODY
from plugin.ledger.store import Store
from plugin.settings import Settings
from plugin.web.guard import Guard
from plugin.web.limits import STOREFRONT, Often
from tests.support.graphql_world import NOW, World, running_world
from tests.support.live_server import live
from tests.support.platform_requests import proxy_params, proxy_query
from tests.support.processes import free_port

PLATFORM = "23.227.38.65"
NGINX = "172.30.30.2"
SHOWN = '{ recommendations(productIds: ["gid://shopify/Product/1"], first: 3) { product { title } } }'  # 1 + 3 * 2
VIEWER = "{ viewer { offers(first: 1) { id } } }"


@pytest.fixture
async def small(store: Store, settings: Settings) -> AsyncIterator[World]:
    async with running_world(store, rate=Rate(size=20, restore=1), real=settings) as running:
        yield running


def signed(world: World, customer: str = "", shop: str = "a") -> str:
    domain = getattr(world, shop).domain
    return proxy_query(proxy_params(customer, shop=domain, timestamp=str(int(NOW.timestamp()))))


async def asked(
    world: World, forwarded: str | None, *, peer: str = PLATFORM, customer: str = "", shop: str = "a"
) -> str:
    """`ok` or the code of the refusal, of a visitor as the platform passes him on."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    transport = httpx.ASGITransport(world.app, client=(peer, 443))
    async with httpx.AsyncClient(transport=transport, base_url="http://rebloom.test") as client:
        reply = await client.post(
            f"/storefront/graphql?{signed(world, customer, shop)}", json={"query": SHOWN}, headers=headers
        )
    errors = reply.json().get("errors")
    return errors[0]["extensions"]["code"] if errors else "ok"


async def drained(world: World, forwarded: str | None, **more: str) -> None:
    for _ in range(9):
        if await asked(world, forwarded, **more) == "THROTTLED":
            return
    raise AssertionError(f"{forwarded} is never throttled")


async def test_each_address_has_a_bucket_of_its_own(small: World) -> None:
    await drained(small, "198.51.100.1")
    assert await asked(small, "198.51.100.2") == "ok"
    assert await asked(small, "198.51.100.1", customer="5") == "ok"
    assert await asked(small, "198.51.100.1", shop="b") == "ok"
    assert await asked(small, "198.51.100.1") == "THROTTLED"
    small.seconds[0] += 20
    assert await asked(small, "198.51.100.1") == "ok"


async def test_what_a_visitor_says_of_himself_gives_him_no_other_bucket(small: World) -> None:
    """The platform adds the true address behind whatever came in."""
    await drained(small, "198.51.100.1")
    for said in ("192.0.2.9", PLATFORM, "x" * 500, f"192.0.2.9, {PLATFORM}", ""):
        assert await asked(small, f"{said}, 198.51.100.1") == "THROTTLED"
    await drained(small, "2001:db8:1:2::1")
    assert await asked(small, "2001:db8:1:2:ffff::9") == "THROTTLED"  # one household
    assert await asked(small, "2001:db8:1:3::1") == "ok"


async def test_behind_a_proxy_of_ours_it_is_still_the_visitor_who_is_counted(small: World) -> None:
    small.app.state.settings = replace(small.app.state.settings, trusted_proxies=(NGINX,))
    # As uvicorn hands it on: the peer is the platform, the last that no proxy of ours is.
    await drained(small, f"198.51.100.1, {PLATFORM}")
    assert await asked(small, f"198.51.100.2, {PLATFORM}") == "ok"
    assert await asked(small, f"{PLATFORM}, 198.51.100.1, {PLATFORM}") == "THROTTLED"
    assert await asked(small, f"198.51.100.1, {PLATFORM}, {NGINX}") == "THROTTLED"
    await drained(small, None)  # a proxy that drops what came in: all share one
    assert await asked(small, PLATFORM) == "THROTTLED"


async def test_every_answer_of_the_storefront_forbids_keeping_it(small: World) -> None:
    once = replace(STOREFRONT, address=Often(1, 14))
    guarded = Guard(small.app, lanes=lambda _: once)
    transport = httpx.ASGITransport(guarded, client=("192.0.2.1", 443))
    good, json = signed(small, "5"), {"Content-Type": "application/json"}
    requests: list[tuple[int, dict[str, Any]]] = [
        (200, {"json": {"query": VIEWER}}),
        (200, {"json": {"query": SHOWN}, "query": signed(small)}),
        (200, {"json": {"query": "{ viewer { email } }"}}),
        (200, {"json": {"documentId": "sha256:0"}}),
        (200, {"json": {"query": 'mutation { offerDismiss(id: "x") { offerId } }'}}),
        (200, {"method": "GET", "query": f"{good}&query={VIEWER}", "sign": True}),
        (400, {"content": b"{", "headers": json}),
        (401, {"json": {"query": VIEWER}, "query": ""}),
        (401, {"json": {"query": VIEWER}, "query": good[:-1] + "x"}),
        (405, {"method": "PUT", "json": {}}),
        (406, {"json": {"query": VIEWER}, "headers": {"Accept": "text/html"}}),
        (413, {"content": b" " * (LARGEST_BODY + 1), "headers": json}),
        (415, {"content": b"query=x", "headers": {"Content-Type": "text/plain"}}),
        (429, {"json": {"query": VIEWER}}),
    ]
    async with httpx.AsyncClient(transport=transport, base_url="http://rebloom.test") as client:
        for status, request in requests:
            small.seconds[0] += 60
            query, method = request.pop("query", good), request.pop("method", "POST")
            if request.pop("sign", False):
                query = proxy_query(
                    {**proxy_params("5", shop=small.a.domain, timestamp=str(int(NOW.timestamp()))), "query": VIEWER}
                )
            if status == 429:
                once = replace(once, address=Often(0.001, 1))
                await client.post(f"/storefront/graphql?{query}", **request)
            reply = await client.request(method, f"/storefront/graphql?{query}", **request)
            assert (reply.status_code, "no-store" in reply.headers["cache-control"]) == (status, True), request
            if status == 200:
                assert (reply.headers["cache-control"], reply.headers["vary"]) == ("private, no-store", "*")


@contextmanager
def keeping_everything(folder: Path, upstream: str) -> Iterator[str]:
    """A real nginx that keeps whatever it may, whoever asks: its key leaves out the signed customer."""
    port = free_port()
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; error_log {folder}/error.log; events {{}}
        http {{
          access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
          uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          proxy_cache_path {folder}/kept keys_zone=kept:1m;
          server {{ listen 127.0.0.1:{port};
            location / {{ proxy_pass {upstream}; proxy_cache kept; proxy_cache_key $uri; proxy_cache_valid any 10m;
              proxy_cache_methods GET POST; add_header X-Kept $upstream_cache_status always; }} }} }}""",
        encoding="utf-8",
    )
    command = [
        "nginx",
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-g",
        f"daemon off; master_process off; pid {folder}/pid;",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_caching_proxy_never_hands_one_viewers_answer_to_another(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    async with running_world(store, real=settings) as world, live(world.app) as base:
        with keeping_everything(tmp_path, base) as proxy:
            async with httpx.AsyncClient(base_url=proxy) as client:
                await until_it_answers(client)
                offers: dict[str, set[str]] = {"4": set(), "5": set(), "": set()}
                for _ in range(3):
                    for customer, seen in offers.items():
                        reply = await client.post(
                            f"/storefront/graphql?{signed(world, customer)}", json={"query": VIEWER}
                        )
                        assert reply.headers["x-kept"] == "MISS"
                        viewer = reply.json()["data"]["viewer"]
                        seen.update({offer["id"] for offer in viewer["offers"]} if viewer else {"nobody's"})
    assert offers[""] == {"nobody's"}
    assert all(f"/{customer}-" in offer for customer in ("4", "5") for offer in offers[customer])
    assert len(offers["4"] | offers["5"]) == 2


async def until_it_answers(client: httpx.AsyncClient) -> None:
    for _ in range(100):
        try:
            await client.get("/healthz")
        except httpx.TransportError:
            await asyncio.sleep(0.05)
        else:
            return
