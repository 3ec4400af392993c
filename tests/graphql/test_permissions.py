"""Who may do what: each scope alone, another shop's ids, what an answer may tell."""

import json

import pytest

from graphql_schema.access import Scope
from tests.support.graphql_world import CANARY, World

READS = {
    "read_customers": [
        '{ customer(id: "gid://shopify/Customer/1") { id displayName email measures { orders } rfm { group } tags } }',
        "{ customers(first: 1) { nodes { id } } }",
        "{ customersCount { count } }",
        '{ segmentPreview(query: "number_of_orders > 0") { count } }',
    ],
    "read_lifecycle": ["{ lifecycleModels { key } }", '{ lifecycleModel(key: "buyer-activity") { counts { count } } }'],
    "read_segments": ["{ segments { nodes { name count } } }", '{ segment(id: "gid://rebloom/Segment/1") { query } }'],
    "read_offers": ["{ plays { key } }", '{ recommendations(productIds: ["gid://shopify/Product/1"]) { score } }'],
    "read_shop": ["{ shop { name sync { phase } tagPush { phase } } }", "{ productCosts { nodes { productId } } }"],
    "write_segments": ['mutation { segmentDelete(id: "gid://rebloom/Segment/99") { __typename } }'],
    "write_offers": ['mutation { offerAccept(id: "gid://rebloom/Offer/1-1") { __typename } }'],
    "write_shop": ["mutation { syncStart { __typename } }", "mutation { tagPushStart { __typename } }", "mutation { productCostsSet(costs: []) { __typename } }"],
    "write_tokens": ["{ shop { partnerTokens { name } } }"],
}  # fmt: skip
ALL = sorted({scope.value for scope in Scope} - {"any"})


@pytest.mark.parametrize("scope", READS)
async def test_a_field_is_open_to_its_scope_and_closed_to_all_others(world: World, scope: str) -> None:
    rest = ",".join(sorted(set(ALL) - {scope}))
    for document in READS[scope]:
        body = await world.ask(document, caller=f"a:{rest}")
        [error] = body["errors"]
        assert (error["extensions"]["code"], error["extensions"]["missingScopes"]) == ("ACCESS_DENIED", [scope])
        assert "data" not in body
        if scope != "write_tokens":  # no token can have it
            both = scope if scope != "write_tokens" else rest
            assert "errors" not in await world.ask(document, caller=f"a:{both},read_shop")
    assert world.jobs.asked == [] or scope == "write_shop"


async def test_a_fragment_hides_no_field_from_the_check(world: World) -> None:
    hidden = "query { shop { ...A } } fragment A on Shop { ... on Shop { primaryModel { key } } }"
    assert await world.code(hidden, caller="a:read_shop") == "ACCESS_DENIED"
    nested = "{ segments { nodes { ... @include(if: true) { customers { nodes { id } } } } } }"
    assert await world.code(nested, caller="a:read_segments") == "ACCESS_DENIED"


async def test_node_asks_for_the_scope_of_what_the_id_names(world: World) -> None:
    document = "query($id: ID!) { node(id: $id) { id } }"
    assert await world.code(document, caller="a:read_segments", id="gid://shopify/Customer/1") == "ACCESS_DENIED"
    assert await world.code(document, caller="a:read_customers", id="gid://rebloom/Segment/1") == "ACCESS_DENIED"
    found = await world.data(document, caller="a:read_segments", id="gid://rebloom/Segment/1")
    assert found == {"node": {"id": "gid://rebloom/Segment/1"}}


async def test_no_page_of_one_shop_shows_a_row_of_another(world: World) -> None:
    body = await world.ask(
        """{ customers { nodes { id displayName email tags segments(first: 5) { nodes { name } } } } }"""
    )
    segments = await world.ask("{ segments { nodes { name tag customers { nodes { displayName } } } } }")
    products = await world.ask(
        '{ recommendations(productIds: ["gid://shopify/Product/1"]) { product { title } because { text } } }'
    )
    for answer in (body, segments, products):
        assert "errors" not in answer
        assert CANARY.lower() not in json.dumps(answer).lower()
    theirs = await world.ask("{ customers { nodes { displayName } } }", caller="b")
    assert json.dumps(theirs).count(CANARY) == 6


async def test_a_failure_inside_is_masked_and_told_by_its_request_id(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = "secret-canary-text p1@shop.example"

    async def broken(*_: object) -> None:
        raise RuntimeError(canary)

    world.database.inner = type("Broken", (), {"fetch": staticmethod(broken), "dialect": world.database.dialect})()
    body = await world.ask("{ customers { nodes { id } } }")
    [error] = body["errors"]
    assert (error["message"], error["extensions"]["code"]) == ("Something went wrong on our side.", "INTERNAL")
    assert len(error["extensions"]["requestId"]) == 32
    assert canary not in json.dumps(body)
    assert canary not in "".join(capsys.readouterr())
