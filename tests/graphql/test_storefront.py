"""The storefront: the verified viewer and nobody else, nothing personal, nothing kept by a cache."""

import json

from tests.support.graphql_world import CANARY, World

STORE = "/storefront/graphql"
VIEWER = """{ viewer { stage { key name } offers(first: 10) { id kind title percentage products { product { title } because } }
  recommendations(productIds: ["gid://shopify/Product/1"], first: 2) { product { id title } because } } }"""


async def test_the_viewer_sees_her_stage_offers_and_picks(world: World) -> None:
    viewer = (await world.data(VIEWER, caller="a:4", path=STORE))["viewer"]
    assert viewer["stage"] == {"key": "visitor", "name": "Visitor"}
    assert [(offer["kind"], offer["percentage"]) for offer in viewer["offers"]] == [
        ("WELCOME", 10),
        ("CROSS_SELL", None),
    ]
    assert viewer["recommendations"][0] == {
        "product": {"id": "gid://shopify/Product/2", "title": "Product 2"},
        "because": ["bought with Product 1 by 34 customers, 5.2 times more often than chance"],
    }


async def test_a_visitor_gets_only_what_is_for_everybody(world: World) -> None:
    found = await world.data(
        '{ viewer { stage { key } } recommendations(productIds: ["gid://shopify/Product/1"], first: 1) { product { title } } }',
        caller="a:", path=STORE,
    )  # fmt: skip
    assert found == {"viewer": None, "recommendations": [{"product": {"title": "Product 2"}}]}


async def test_a_customer_unknown_to_us_has_no_stage_and_no_offers(world: World) -> None:
    viewer = (await world.data(VIEWER, caller="a:9001", path=STORE))["viewer"]
    assert (viewer["stage"], viewer["offers"]) == (None, [])
    assert CANARY not in json.dumps(viewer)


async def test_an_offer_of_somebody_else_can_be_neither_accepted_nor_dismissed(world: World) -> None:
    theirs = (await world.data(VIEWER, caller="a:4", path=STORE))["viewer"]["offers"][0]["id"]
    for field in ("offerAccept", "offerDismiss"):
        document = f"mutation($id: ID!) {{ {field}(id: $id) {{ offerId userErrors {{ message code }} }} }}"
        answers = [
            (await world.data(document, caller=caller, path=STORE, id=offer))[field]
            for caller, offer in (("a:8", theirs), ("a:", theirs), ("b:4", theirs), ("a:8", "gid://rebloom/Offer/8-1"))
        ]
        assert answers[0]["userErrors"][0]["code"] == "NOT_FOUND"
        assert all(answer == answers[0] for answer in answers)
    rows = await world.store.database.fetch("SELECT count(*) FROM offer_responses WHERE shop_id = $1", world.a.id)
    assert rows == [(0,)]
    own = "mutation($id: ID!) { offerAccept(id: $id) { offerId userErrors { code } } }"
    assert (await world.data(own, caller="a:4", path=STORE, id=theirs))["offerAccept"] == {
        "offerId": theirs,
        "userErrors": [],
    }


async def test_no_answer_is_kept_by_a_cache(world: World) -> None:
    for caller, status in (("a:4", 200), ("a:", 200), ("x", 401)):
        reply = await world.client.post(STORE, json={"query": VIEWER}, headers={"Authorization": f"Bearer {caller}"})
        assert (reply.status_code, reply.headers["cache-control"]) == (status, "private, no-store")


async def test_mistakes_name_no_other_field(world: World) -> None:
    body = await world.ask("{ viewer { stag } customers { nodes { email } } }", caller="a:4", path=STORE)
    assert len(body["errors"]) == 2
    assert "Did you mean" not in json.dumps(body)
    reply = await world.client.get(STORE, headers={"Accept": "text/html", "Authorization": "Bearer a:4"})
    assert reply.status_code == 406
