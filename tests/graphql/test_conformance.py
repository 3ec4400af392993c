"""Outside judges against a live server: the specification's audits, and a client others really use."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from gql import Client
from gql import gql as document
from gql.transport.httpx import HTTPXAsyncTransport

from tests.support.graphql_world import CUSTOMERS, World
from tests.support.live_server import live

JUDGES = Path(__file__).resolve().parents[1] / "judges"


async def judged(world: World, script: str) -> Any:
    """What a script in Node makes of the endpoint, as merchant of shop A."""
    async with live(world.app) as base:
        process = await asyncio.create_subprocess_exec(
            "node", str(JUDGES / script), f"{base}/graphql", "a",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, trouble = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, trouble.decode()
    return json.loads(told)


async def test_the_graphql_over_http_audits_pass_without_exception(world: World) -> None:
    results = await judged(world, "audit.mjs")
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 60  # all of them, in the pinned release


async def test_the_client_gql_fetches_the_schema_and_reads_a_page(world: World) -> None:
    async with live(world.app) as base:
        transport = HTTPXAsyncTransport(f"{base}/graphql", headers={"Authorization": "Bearer a"})
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            found = await session.execute(document("{ customers(first: 2, sortKey: ID) { nodes { id } } }"))
    assert found == {"customers": {"nodes": [{"id": "gid://shopify/Customer/1"}, {"id": "gid://shopify/Customer/2"}]}}


async def test_the_client_graphql_request_walks_a_list_changes_something_and_is_refused(world: World) -> None:
    found = await judged(world, "client.mjs")
    assert found["ids"] == [f"gid://shopify/Customer/{number}" for number in range(1, CUSTOMERS + 1)]
    assert found["made"] == {"segment": {"name": "From Node", "query": "number_of_orders >= 2"}, "userErrors": []}
    assert found["refused"] == {"status": 200, "code": "BAD_REQUEST"}


async def test_documents_at_the_limits_hold_nobody_up(world: World) -> None:
    """The largest documents the limits let through to validation, one after the other, beside a plain question."""
    attacks = [
        "{ shop { " + " ".join(f"a{n}: name" for n in range(60)) + " name " * 20 + " } }",
        "{ " + " ".join(f"...F{n}" for n in range(20)) + " } "
        + " ".join(f"fragment F{n} on Query {{ " + "shop { id name domain } " * 9 + "}" for n in range(20)),
        "{ " + "shop { " + "... on Shop { " * 12 + " id name " * 18 + "} " * 12 + "} }",
        "{ " + "".join(f"b{n}: customers {{ nodes {{ id stage {{ rung }} rfm {{ group }} }} }} " for n in range(60)) + "}",
    ]  # fmt: skip
    slowest = 0.0
    for attack in attacks:
        began = time.monotonic()
        await world.ask(attack)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0  # generous: the figure itself is the benchmark's business
