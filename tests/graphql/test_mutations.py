"""What can be changed: done and told, or refused with `userErrors` and nothing changed."""

from typing import Any

import pytest

from tests.support.graphql_world import World

CREATE = """mutation($name: String!, $query: String!, $tag: String) { segmentCreate(name: $name, query: $query, tag: $tag) {
  segment { id name query tag count } queryError { kind offset } userErrors { field message code } } }"""


async def segments(world: World) -> list[dict[str, Any]]:
    return (await world.data("{ segments { nodes { id name query tag count } } }"))["segments"]["nodes"]


async def test_a_segment_is_made_changed_and_forgotten(world: World) -> None:
    made = (await world.data(CREATE, name="Big", query="number_of_orders >= 3", tag="Big Buyers"))["segmentCreate"]
    assert made["userErrors"] == []
    segment = made["segment"]
    assert segment == {
        "id": "gid://rebloom/Segment/6", "name": "Big", "query": "number_of_orders >= 3", "tag": "big-buyers", "count": 6,
    }  # fmt: skip
    changed = await world.data(
        'mutation($id: ID!) { segmentUpdate(id: $id, query: "number_of_orders = 0", tag: null) { segment { name query tag count } userErrors { code } } }',
        id=segment["id"],
    )
    assert changed["segmentUpdate"] == {
        "segment": {"name": "Big", "query": "number_of_orders = 0", "tag": None, "count": 5}, "userErrors": [],
    }  # fmt: skip
    gone = await world.data(
        "mutation($id: ID!) { segmentDelete(id: $id) { deletedSegmentId userErrors { code } } }", id=segment["id"]
    )
    assert gone["segmentDelete"] == {"deletedSegmentId": segment["id"], "userErrors": []}
    assert len(await segments(world)) == 5


@pytest.mark.parametrize(
    ("name", "query", "field", "code"),
    [
        ("", "number_of_orders > 0", "name", "BLANK"),
        ("x" * 256, "number_of_orders > 0", "name", "TOO_LONG"),
        ("Segment 1", "number_of_orders > 0", "name", "TAKEN"),
        ("New", "number_of_order > 0", "query", "INVALID_QUERY"),
        ("New", "", "query", "INVALID_QUERY"),
        ("New", "number_of_orders > 0'; DROP TABLE segments; --", "query", "INVALID_QUERY"),
    ],
)
async def test_a_segment_that_cannot_be_is_refused_and_nothing_changed(
    world: World, name: str, query: str, field: str, code: str
) -> None:
    before = await segments(world)
    refused = (await world.data(CREATE, name=name, query=query))["segmentCreate"]
    assert refused["segment"] is None
    [error] = refused["userErrors"]
    assert (error["field"], error["code"]) == ([field], code)
    assert (refused["queryError"] is not None) == (code == "INVALID_QUERY")
    assert await segments(world) == before


async def test_the_shops_settings_change_and_the_work_that_follows_is_asked_for(world: World) -> None:
    found = await world.data(
        """mutation { shopUpdate(tagPrefix: "bloom-", lapse: { mode: FIXED, ladderDays: [60, 120, 240] }) {
        shop { tagPrefix lapse { mode ladderDays } primaryModel { key } } userErrors { code } } }"""
    )
    assert found["shopUpdate"] == {
        "shop": {
            "tagPrefix": "bloom-",
            "lapse": {"mode": "FIXED", "ladderDays": [60, 120, 240]},
            "primaryModel": {"key": "buyer-activity"},
        },
        "userErrors": [],
    }
    assert world.jobs.asked == [("recompute", world.a.id, {})]
    assert (await world.data("{ shop { tagPrefix } }", caller="b"))["shop"]["tagPrefix"] == "rbl-"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ('tagPrefix: "Bloom"', "tagPrefix"), ('tagPrefix: "-"', "tagPrefix"), ('tagPrefix: "a,b-"', "tagPrefix"),
        ('primaryModel: "none"', "primaryModel"), ("lapse: { ladderDays: [1, 2] }", "lapse"),
        ("lapse: { ladderDays: [90, 90, 360] }", "lapse"), ("lapse: { ladderDays: [0, 90, 360] }", "lapse"),
        ("lapse: { ladderDays: [90, 180, 1096] }", "lapse"), ("lapse: { quantiles: [0.8, 0.9] }", "lapse"),
        ("lapse: { mode: ADAPTIVE, quantiles: [0.9, 0.8, 0.95] }", "lapse"),
        ("lapse: { mode: FIXED, quantiles: [0.8, 0.9, 1] }", "lapse"), ("lapse: { quantiles: [0, 0.9, 1] }", "lapse"),
    ],
)  # fmt: skip
async def test_bad_settings_are_refused_and_nothing_changed(world: World, arguments: str, field: str) -> None:
    body = (
        f'shopUpdate({arguments}, tagPrefix: "good-")' if "tagPrefix" not in arguments else f"shopUpdate({arguments})"
    )
    found = (await world.data(f"mutation {{ {body} {{ shop {{ id }} userErrors {{ field code }} }} }}"))["shopUpdate"]
    assert found == {"shop": None, "userErrors": [{"field": [field], "code": "INVALID"}]}
    assert world.jobs.asked == []
    shop = (await world.data("{ shop { tagPrefix lapse { mode ladderDays } } }"))["shop"]
    assert shop == {"tagPrefix": "rbl-", "lapse": {"mode": "AUTO", "ladderDays": [90, 180, 360]}}


async def test_work_is_asked_for(world: World) -> None:
    found = await world.data(
        """mutation { syncStart { sync { phase } userErrors { code } }
        reconcileStart { reconciliation { missed } userErrors { code } }
        dry: tagPushStart(dryRun: true) { tagPush { phase } userErrors { code } } tagPushStart { userErrors { code } } }"""
    )
    assert found["syncStart"] == {"sync": {"phase": "WAITING"}, "userErrors": []}
    assert found["reconcileStart"] == {"reconciliation": None, "userErrors": []}
    shop = world.a.id
    assert world.jobs.asked == [
        ("sync", shop, {}),
        ("reconcile", shop, {}),
        ("push", shop, {"dry_run": True}),
        ("push", shop, {}),
    ]


async def test_an_offer_is_dismissed_and_not_shown_again(world: World) -> None:
    ask = '{ customer(id: "gid://shopify/Customer/4") { offers(first: 20) { id kind } } }'
    offers = (await world.data(ask))["customer"]["offers"]
    welcome = next(offer["id"] for offer in offers if offer["kind"] == "WELCOME")
    answer = "mutation($id: ID!) { offerDismiss(id: $id) { offer { id kind } userErrors { field code } } }"
    assert (await world.data(answer, id=welcome))["offerDismiss"]["offer"] == {"id": welcome, "kind": "WELCOME"}
    left = (await world.data(ask))["customer"]["offers"]
    assert left == [offer for offer in offers if offer["id"] != welcome]
    for bad, code in (
        ("gid://rebloom/Offer/4-1", "NOT_FOUND"),
        ("gid://rebloom/Offer/9001-1", "NOT_FOUND"),
        ("1", "INVALID"),
    ):
        refused = (await world.data(answer, id=bad))["offerDismiss"]
        assert refused == {"offer": None, "userErrors": [{"field": ["id"], "code": code}]}
    assert (await world.data(ask))["customer"]["offers"] == left


async def test_a_partner_token_is_shown_once_and_revoked(world: World) -> None:
    made = (
        await world.data(
            """mutation { partnerTokenCreate(name: "Mailer", scopes: ["read_offers", "read_customers"]) {
            token partnerToken { id name prefix scopes revokedAt } userErrors { code } } }"""
        )
    )["partnerTokenCreate"]
    token, info = made["token"], made["partnerToken"]
    assert token.startswith("rbl_")
    assert token.startswith(info["prefix"])
    assert (info["name"], info["scopes"], info["revokedAt"]) == ("Mailer", ["read_customers", "read_offers"], None)
    listed = (await world.ask("{ shop { partnerTokens { id name prefix } } }"))["data"]["shop"]["partnerTokens"]
    assert listed == [{"id": info["id"], "name": "Mailer", "prefix": info["prefix"]}]
    revoke = "mutation($id: ID!) { partnerTokenRevoke(id: $id) { revokedPartnerTokenId userErrors { code } } }"
    assert (await world.data(revoke, id=info["id"]))["partnerTokenRevoke"]["revokedPartnerTokenId"] == info["id"]
    assert (await world.data(revoke, id=info["id"]))["partnerTokenRevoke"]["userErrors"] == [{"code": "NOT_FOUND"}]


@pytest.mark.parametrize("scopes", ["[]", '["write_tokens"]', '["everything"]'])
async def test_a_token_of_no_or_unknown_scopes_is_not_made(world: World, scopes: str) -> None:
    made = await world.data(
        f'mutation {{ partnerTokenCreate(name: "x", scopes: {scopes}) {{ token userErrors {{ code }} }} }}'
    )
    assert made["partnerTokenCreate"] == {"token": None, "userErrors": [{"code": "INVALID"}]}
    assert (await world.data("{ shop { partnerTokens { id } } }"))["shop"]["partnerTokens"] == []
