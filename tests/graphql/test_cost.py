"""Prices: worked examples, never more answered than asked, buckets that do not drain each other."""

import ast
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphql_schema.cost import Buckets, Rate
from plugin.ledger.store import Store
from tests.support.graphql_world import World, running_world

README = Path(__file__).parents[2] / "graphql_schema" / "README.md"
EXAMPLES = {  # document → points asked, points answered on the small shop
    "{ __typename }": (0, 0),
    "{ shop { name domain } }": (1, 1),
    "{ shop { sync { phase } primaryModel { key } } }": (3, 3),
    "{ customers(first: 10) { pageInfo { hasNextPage } } }": (11, 1),
    "{ customers(first: 10) { nodes { id } } }": (11, 11),
    "{ customers(first: 50) { nodes { id } } }": (51, 24),
    "{ customers { nodes { id } } }": (51, 24),
    "{ customers(first: 10) { edges { cursor node { id } } } }": (21, 21),
    "{ customers(first: 10) { nodes { id } edges { cursor } } }": (21, 21),
    "{ customers(first: 10) { nodes { stage { stage { key } because { text } } } } }": (41, 41),
    "{ customers(first: 10) { nodes { segments { nodes { id } } } } }": (121, 39),
    "{ customers(first: 2) { nodes { offers(first: 5) { title } } } }": (15, 8),
    "{ customersCount { count } }": (11, 11),
    '{ customer(id: "gid://shopify/Customer/999") { stage { rung } } }': (2, 0),
    '{ lifecycleModel(key: "buyer-activity") { counts { count stage { key } } } }': (13, 13),
    "mutation { syncStart { userErrors { code } } }": (22, 22),
    "query { ...A ...A } fragment A on Query { shop { name } }": (2, 2),
}


async def test_worked_examples(world: World) -> None:
    for document, expected in EXAMPLES.items():
        cost = (await world.ask(document))["extensions"]["cost"]
        assert (document, cost["requestedQueryCost"], cost["actualQueryCost"]) == (document, *expected)


ROW = re.compile(r"^\| (storefront: )?`(.+)` \| (\d+) \| ([0-9+×() ]+) \|$", re.MULTILINE)


def worked_out(sum_: str) -> int:
    """Of whole numbers, sums, products and parentheses."""

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.BinOp):
            left, right = value(node.left), value(node.right)
            return left + right if isinstance(node.op, ast.Add) else left * right
        assert isinstance(node, ast.Constant)
        return int(node.value)

    return value(ast.parse(sum_.replace("×", "*"), mode="eval").body)


async def test_what_the_page_works_out_is_what_is_asked_for(world: World) -> None:
    rows = ROW.findall(README.read_text("utf-8"))
    assert len(rows) == README.read_text("utf-8").partition("| sum |")[2].partition("\n\n")[0].count("\n| ") - 1
    for storefront, document, points, sum_ in rows:
        more = {"caller": "a:4", "path": "/storefront/graphql"} if storefront else {}
        cost = (await world.ask(document, **more))["extensions"]["cost"]
        assert (document, cost["requestedQueryCost"], worked_out(sum_)) == (document, int(points), int(points))


async def test_the_size_may_be_a_variable_with_or_without_a_default(world: World) -> None:
    document = "query($n: Int = 7) { customers(first: $n) { nodes { id } } }"
    assert (await world.ask(document))["extensions"]["cost"]["requestedQueryCost"] == 8
    assert (await world.ask(document, n=3))["extensions"]["cost"]["requestedQueryCost"] == 4
    assert (await world.ask(document, n=None))["extensions"]["cost"]["requestedQueryCost"] == 51
    # A size that is refused later is priced as the largest page, never as nothing.
    assert (await world.ask(document, n=10**6))["extensions"]["cost"]["requestedQueryCost"] == 251


async def test_a_query_over_the_limit_is_refused_before_it_runs(world: World) -> None:
    body = await world.ask("{ customers(first: 250) { nodes { segments(first: 250) { nodes { id } } } } }")
    [error] = body["errors"]
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert error["message"].startswith("This query costs 63001 points; one query may cost at most 1000.")
    assert body["extensions"]["cost"]["requestedQueryCost"] == 63001
    assert body["extensions"]["cost"]["actualQueryCost"] is None
    assert body["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 10_000
    assert world.database.statements == []


@pytest.fixture
async def small(store: Store) -> AsyncIterator[World]:
    async with running_world(store, rate=Rate(size=100, restore=10)) as running:
        yield running


async def test_an_empty_bucket_answers_throttled_until_it_is_filled_again(small: World) -> None:
    document = "{ customers(first: 23) { nodes { stage { rung } } } }"  # 1 + 23 * 2 = 47
    assert (await small.ask(document))["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 53
    assert "errors" not in await small.ask(document)
    body = await small.ask(document)
    [error] = body["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Throttled", "THROTTLED")
    status = body["extensions"]["cost"]["throttleStatus"]
    assert status == {"maximumAvailable": 100, "currentlyAvailable": 6, "restoreRate": 10}
    small.seconds[0] += 4.1
    assert "errors" not in await small.ask(document)
    small.seconds[0] += 1_000
    assert (await small.ask("{ __typename }"))["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 100


async def test_two_credentials_and_two_shops_do_not_drain_each_other(small: World) -> None:
    document = "{ customers(first: 23) { nodes { stage { rung } } } }"
    scopes = "read_customers,read_lifecycle"
    for caller in ("a", "b", f"a:{scopes}", f"a:{scopes},read_offers"):
        assert "errors" not in await small.ask(document, caller=caller)
        assert "errors" not in await small.ask(document, caller=caller)
    assert await small.code(document, caller="a") == "THROTTLED"


async def test_throttled_is_429_for_those_who_take_the_newer_media_type(small: World) -> None:
    headers = {"Authorization": "Bearer a", "Accept": "application/graphql-response+json"}
    for _ in range(2):
        await small.ask("{ customers(first: 23) { nodes { stage { rung } } } }")
    reply = await small.client.post("/graphql", json={"query": "{ customers { nodes { id } } }"}, headers=headers)
    assert reply.status_code == 429


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 3)), max_size=30))
def test_a_bucket_never_gives_more_than_its_size_and_its_rate(asked: list[tuple[int, float]]) -> None:
    now = [0.0]
    buckets = Buckets(Rate(size=50, restore=10), lambda: now[0])
    taken = 0
    for points, pause in asked:
        now[0] += pause
        taken += points if buckets.take("x", points) else 0
        assert taken <= 50 + 10 * now[0] + 1e-6
        assert 0 <= buckets.status("x")["currentlyAvailable"] <= 50
