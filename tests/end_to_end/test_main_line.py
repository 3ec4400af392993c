"""The main line as a story: given a shop, when it installs and lives on, then every part follows."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plugin.jobs.watch import depths
from tests.conftest import ENVIRONMENT
from tests.support.devshop_data import NOW, SHOP, small_data
from tests.support.invariants import assert_invariants
from tests.support.live_server import live
from tests.support.whole import Whole, running_whole

README = Path(__file__).resolve().parents[2] / "README.md"
STAGES = "{ customers(first: 10) { nodes { id stage { stage { key } rung since because { text } } tags } } }"
AS_OF = """query AsOf($id: ID!, $at: DateTime!) {
  customer(id: $id, asOf: $at) { stage { stage { key } rung since } }
}"""


ENDPOINT = """mutation Make($url: String!) {
  webhookEndpointCreate(url: $url, query: "subscription { stageChanged { to { key } } }") { secret }
}"""


def by_customer(answer: dict) -> dict[int, str]:
    nodes = answer["customers"]["nodes"]
    return {int(node["id"].rpartition("/")[2]): node["stage"]["stage"]["key"] for node in nodes}


async def test_from_installing_to_uninstalling(database_url: str) -> None:
    async with running_whole(database_url, small_data()) as whole:
        reply = await whole.install()
        assert reply.status_code == 200
        await whole.settled()

        sync = (await whole.ask("{ shop { domain currencyCode sync { customers orders orderLines products } } }"))[
            "shop"
        ]
        assert sync["sync"] == {"customers": 3, "orders": 3, "orderLines": 3, "products": 2}
        assert by_customer(await whole.ask(STAGES)) == {1: "returned", 2: "new_buyer", 3: "visitor"}

        # Ada had been silent since 7 May; the past is answered, too.
        ada = "gid://shopify/Customer/1"
        stage = (await whole.ask(AS_OF, id=ada, at="2026-09-01T00:00:00Z"))["customer"]["stage"]
        assert (stage["stage"]["key"], stage["rung"]) == ("departing", 1)

        assert whole.tags(1) == ["rbl-stage-returned"]
        assert whole.tags(3) == ["rbl-stage-visitor"]
        await the_readme_queries_run(whole)
        await a_second_push_writes_nothing(whole)
        await an_order_moves_a_visitor(whole)
        await the_storefront_knows_its_viewer_and_nobody_else(whole)
        await the_invariants_hold_when_it_is_quiet(whole)
        await the_doctor_has_looked_at_everything(whole, database_url)
        await uninstalling_ends_everything(whole)


async def the_readme_queries_run(whole: Whole) -> None:
    queries = re.findall(r"```graphql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) == 3
    for query in queries:
        assert await whole.ask(query)


async def a_second_push_writes_nothing(whole: Whole) -> None:
    before = of_the_push(whole)
    started = (await whole.ask("{ shop { tagPush { startedAt added } } }"))["shop"]["tagPush"]
    assert started["added"] == 3
    await whole.ask("mutation { tagPushStart { userErrors { message } } }")

    async def pushed_again() -> bool:
        push = (await whole.ask("{ shop { tagPush { phase added removed skipped } } }"))["shop"]["tagPush"]
        return push["phase"] == "DONE" and push["skipped"] == 3

    await whole.until(pushed_again)
    assert of_the_push(whole) == before


def of_the_push(whole: Whole) -> dict[str, int]:
    """The writes that a push makes; codes of offers are made beside it."""
    writes = whole.devshop[SHOP].state.writes
    return {name: count for name, count in writes.items() if name in {"tagsAdd", "tagsRemove", "metafieldsSet"}}


async def an_order_moves_a_visitor(whole: Whole) -> None:
    """Whoever listens is told within seconds, and so is a partner."""
    shop = whole.devshop[SHOP]
    told = asyncio.create_task(first_change(whole, shop.session_token()))
    await until_listened_to(whole)
    got: list[tuple[dict[str, str], str]] = []
    async with live(Starlette(routes=[Route("/hook", taken(got), methods=["POST"])])) as partner:
        made = (await whole.ask(ENDPOINT, url=f"{partner}/hook"))["webhookEndpointCreate"]
        await the_order_moves_her(whole)
        await whole.until(partial(some, got))
    [(headers, body)] = got
    at = datetime.fromtimestamp(
        int(headers["webhook-timestamp"]), UTC
    )  # the story's own clock, days from the machine's
    assert headers["webhook-signature"] == Webhook(made["secret"]).sign(headers["webhook-id"], at, body)
    assert json.loads(body)["data"] == {"to": {"key": "new_buyer"}}
    async with asyncio.timeout(10):
        assert await told == {
            "stageChanged": {
                "from": {"key": "visitor"}, "to": {"key": "new_buyer"}, "customer": {"id": "gid://shopify/Customer/3"},
            },
        }  # fmt: skip


def taken(got: list[tuple[dict[str, str], str]]) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        got.append((dict(request.headers), (await request.body()).decode()))
        return Response(status_code=204)

    return take


async def some(found: list) -> bool:
    return bool(found)


async def the_order_moves_her(whole: Whole) -> None:
    shop = whole.devshop[SHOP]
    shop.edit_tags(3, add=["VIP", "rbl-looks-like-ours"])
    shop.place_order(3, [(11, 2)])

    async def swapped() -> bool:
        return "rbl-stage-new_buyer" in whole.tags(3)

    await whole.until(swapped)
    # The merchant's tags stay, also the one that only looks like ours.
    assert whole.tags(3) == ["rbl-looks-like-ours", "rbl-stage-new_buyer", "VIP"]
    assert by_customer(await whole.ask(STAGES))[3] == "new_buyer"


async def first_change(whole: Whole, token: str) -> dict:
    transport = WebsocketsTransport(
        whole.app_url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=transport) as session:
        query = gql("subscription { stageChanged { from { key } to { key } customer { id } } }")
        async for change in session.subscribe(query):
            return change
    raise AssertionError("it ended without a change")


async def until_listened_to(whole: Whole) -> None:
    async def listened_to() -> bool:
        return any(shop.events for shop in whole.app.state.feed._shops.values())

    await whole.until(listened_to)


async def the_storefront_knows_its_viewer_and_nobody_else(whole: Whole) -> None:
    document = "{ viewer { stage { key } offers(placement: HOME, first: 3) { title } } }"
    address = f"{whole.devshop.url(SHOP)}/apps/rebloom/graphql"
    one = await whole.http.post(address, params={"as": "1"}, json={"query": document})
    assert one.json()["data"]["viewer"]["stage"]["key"] == "returned"
    assert "no-store" in one.headers["cache-control"]
    nobody = await whole.http.post(address, json={"query": document})
    assert nobody.json()["data"]["viewer"] is None
    straight = await whole.http.post(f"{whole.app_url}/storefront/graphql", json={"query": document})
    assert straight.status_code in {401, 403}


async def the_invariants_hold_when_it_is_quiet(whole: Whole) -> None:
    store = whole.app.state.store

    async def quiet() -> bool:
        waiting = await store.database.fetch("SELECT 1 FROM inbox /* every shop */ WHERE state = 'new'")
        return not waiting and not await depths(whole.settings, store.database)

    await whole.until(quiet)
    await assert_invariants(store, now=lambda: NOW)


async def the_doctor_has_looked_at_everything(whole: Whole, database_url: str) -> None:
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "REBLOOM_DATABASE_URL": database_url,
        "REBLOOM_APP_URL": whole.app_url,
        "SHOPIFY_SHOP_URL": whole.settings.shop_url,
    }
    doctor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plugin", "doctor", env=environment, stdout=asyncio.subprocess.PIPE
    )
    said = (await doctor.communicate())[0].decode()
    for line in (
        "settings are complete",
        "the database has every migration",
        "the encryption key fits the database",
        "no row is of an unknown shop",
        f"{SHOP} is reached, and its clock agrees with ours",
        f"{SHOP}: every webhook is subscribed",
    ):
        assert f"✓ {line}" in said, said
    # By the true clock this shop's days have passed; everything else holds.
    assert set(re.findall(r"not so: (.*?) \(", said)) <= {"nobody's time to be judged again has passed"}


async def uninstalling_ends_everything(whole: Whole) -> None:
    assert (await whole.post("{ shop { name } }")).status_code == 200
    whole.devshop[SHOP].uninstall()

    async def refused() -> bool:
        return (await whole.post("{ shop { name } }")).status_code == 401

    await whole.until(refused)
    before, asked = dict(whole.devshop[SHOP].state.writes), whole.app.state.jobs
    [(shop_id,)] = await whole.app.state.store.database.fetch("SELECT id FROM shops")
    for kind in ("push", "codes", "sync", "reconcile"):
        ended = await asked.result(await asked.enqueue(kind, shop_id, once="after-uninstalling"))
        assert ended == {"stopped": "uninstalled"}
    assert dict(whole.devshop[SHOP].state.writes) == before
