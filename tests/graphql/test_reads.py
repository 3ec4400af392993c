"""Shape and values of what can be read, on a shop whose every row is known."""

import json

from plugin.domain.lifecycles import MODELS
from tests.support.graphql_world import CUSTOMERS, SEGMENTS, World, ago


async def test_the_shop_tells_who_it_is_and_how_far_its_copy_is(world: World) -> None:
    found = await world.data(
        """{ shop { id domain name currencyCode timezone tagPrefix lapse { mode ladderDays } primaryModel { key stages { key position } }
        sync { phase customers orders orderLines products startedAt } tagPush { phase dryRun added finishedAt } } }"""
    )
    assert found["shop"] == {
        "id": "gid://shopify/Shop/77",
        "domain": "shop-a.myshopify.com",
        "name": "shop-a",
        "currencyCode": "EUR",
        "timezone": "UTC",
        "tagPrefix": "rbl-",
        "lapse": {"mode": "AUTO", "ladderDays": [90, 180, 360]},
        "primaryModel": {
            "key": "buyer-activity",
            "stages": [
                {"key": "visitor", "position": 1},
                {"key": "new_buyer", "position": 2},
                {"key": "active", "position": 3},
                {"key": "departing", "position": 4},
                {"key": "returned", "position": 5},
            ],
        },
        "sync": {"phase": "WAITING", "customers": 0, "orders": 0, "orderLines": 0, "products": 0, "startedAt": None},
        "tagPush": {"phase": "WAITING", "dryRun": False, "added": 0, "finishedAt": None},
    }


async def test_a_customer_tells_everything_that_is_known_of_her(world: World) -> None:
    found = await world.data(
        """{ customer(id: "gid://shopify/Customer/6") { id displayName email
        stage { model { key } stage { key name query } rung since validUntil because { measure value operator threshold text } }
        stages { stage { key } }
        measures { orders netSpend { amount currencyCode } averageOrderValue { amount } firstOrderAt lastOrderAt
          daysSinceLastOrder orderGapMedianDays lapseDays firstOrderItems purchaseDays }
        rfm { recency frequency monetary group } predictions { fittedAt } predictionsReason tags
        segments(first: 3) { nodes { id name } pageInfo { hasNextPage } } } }"""
    )
    customer = found["customer"]
    assert customer["predictionsReason"].startswith("No model of repurchase")
    del customer["predictionsReason"]
    assert customer == {
        "id": "gid://shopify/Customer/6",
        "displayName": "Person 6",
        "email": "p6@shop.example",
        "stage": {
            "model": {"key": "buyer-activity"},
            "stage": {"key": "departing", "name": "Departing", "query": "days_since_last_order >= lapse_days"},
            "rung": 1,
            "since": "2026-11-23T12:00:00Z",
            "validUntil": None,
            "because": [
                {
                    "measure": "days_since_last_order",
                    "value": "91",
                    "operator": ">=",
                    "threshold": "90 (lapse_days)",
                    "text": "days since last order 91 >= 90 (lapse_days)",
                }
            ],
        },
        "stages": [{"stage": {"key": "departing"}}],
        "measures": {
            "orders": 1,
            "netSpend": {"amount": "75.0", "currencyCode": "EUR"},
            "averageOrderValue": {"amount": "12.5"},
            "firstOrderAt": "2026-10-04T00:00:00Z",
            "lastOrderAt": "2026-11-03T00:00:00Z",
            "daysSinceLastOrder": 20,
            "orderGapMedianDays": 15.5,
            "lapseDays": 90,
            "firstOrderItems": 2,
            "purchaseDays": 1,
        },
        "rfm": {"recency": 5, "frequency": 4, "monetary": 3, "group": "LOYAL"},
        "predictions": None,
        "tags": ["rbl-seg1", "rbl-seg2", "rbl-seg3", "rbl-stage-departing-1"],
        "segments": {
            "nodes": [
                {"id": "gid://rebloom/Segment/1", "name": "Segment 1"},
                {"id": "gid://rebloom/Segment/2", "name": "Segment 2"},
                {"id": "gid://rebloom/Segment/3", "name": "Segment 3"},
            ],
            "pageInfo": {"hasNextPage": False},
        },
    }


async def test_a_customer_is_where_she_was_at_an_instant_of_the_past(world: World) -> None:
    query = """query($at: DateTime) { customer(id: "gid://shopify/Customer/1", asOf: $at) {
        stage { stage { key } rung since validUntil }
        stageHistory(first: 2) { nodes { from { key } to { key } rung at } pageInfo { hasNextPage } } } }"""
    found = (await world.data(query, at=ago(35)))["customer"]
    assert found["stage"] == {"stage": {"key": "departing"}, "rung": 1, "since": ago(40), "validUntil": ago(30)}
    assert found["stageHistory"] == {
        "nodes": [
            {"from": {"key": "active"}, "to": {"key": "departing"}, "rung": 1, "at": ago(40)},
            {"from": {"key": "new_buyer"}, "to": {"key": "active"}, "rung": None, "at": ago(50)},
        ],
        "pageInfo": {"hasNextPage": True},
    }
    assert (await world.data(query, at=ago(71)))["customer"] is None
    assert await world.code(query, at="2030-01-01T00:00:00Z") == "BAD_REQUEST"
    assert await world.code(query, at="yesterday") == "BAD_USER_INPUT"


async def test_customers_are_found_by_a_segment_query_and_counted(world: World) -> None:
    query = "query($q: String) { customers(query: $q, sortKey: ID, first: 100) { nodes { id } } customersCount(query: $q) { count precision } }"
    found = await world.data(query, q="number_of_orders = 0")
    assert [node["id"] for node in found["customers"]["nodes"]] == [
        f"gid://shopify/Customer/{n}" for n in (4, 8, 12, 16, 20)
    ]
    assert found["customersCount"] == {"count": 5, "precision": "EXACT"}
    assert (await world.data("{ customersCount { count } }"))["customersCount"]["count"] == CUSTOMERS


async def test_a_wrong_query_is_refused_with_its_place(world: World) -> None:
    body = await world.ask('{ customersCount(query: "number_of_order > 3") { count } }')
    [error] = body["errors"]
    assert error["extensions"]["code"] == "INVALID_QUERY"
    problem = error["extensions"]["problem"]
    assert (problem["kind"], problem["offset"], problem["length"]) == ("unknown_attribute", 0, 15)
    assert "number_of_orders" in problem["suggestions"]


async def test_a_preview_counts_or_says_what_is_wrong(world: World) -> None:
    query = """query($q: String!) { segmentPreview(query: $q) { count sample { id } warnings { kind }
        error { kind message offset length line column suggestions hint } } }"""
    good = (await world.data(query, q="number_of_orders = 0"))["segmentPreview"]
    assert good["count"] == 5
    assert good["sample"][0] == {"id": "gid://shopify/Customer/4"}
    assert good["error"] is None
    bad = (await world.data(query, q="number_of_orders >\n"))["segmentPreview"]
    assert (bad["count"], bad["sample"], bad["error"]["kind"]) == (None, [], "unexpected_end")
    assert bad["error"]["line"] >= 1


async def test_a_lifecycle_model_counts_and_shows_its_flows(world: World) -> None:
    found = await world.data(
        """query($at: DateTime) { lifecycleModels { key } none: lifecycleModel(key: "x") { key }
        lifecycleModel(key: "buyer-activity") { name
          counts { stage { key } rung count } then: counts(asOf: $at) { stage { key } rung count }
          transitions(since: "2026-11-03", until: "2026-11-14") { from { key } to { key } customers moves } } }""",
        at=ago(35),
    )
    assert found["lifecycleModels"] == [{"key": key} for key in MODELS]
    assert found["none"] is None
    counts = [(row["stage"]["key"], row["rung"], row["count"]) for row in found["lifecycleModel"]["counts"]]
    assert counts == [
        ("visitor", None, 5),
        ("new_buyer", None, 0),
        ("active", None, 12),
        ("departing", 1, 6),
        ("departing", 2, 0),
        ("departing", 3, 0),
        ("returned", None, 0),
    ]
    then = [(row["stage"]["key"], row["count"]) for row in found["lifecycleModel"]["then"] if row["count"]]
    assert then == [("departing", 6)]
    assert found["lifecycleModel"]["transitions"] == [
        {"from": {"key": "active"}, "to": {"key": "departing"}, "customers": 6, "moves": 6},
        {"from": {"key": "returned"}, "to": {"key": "active"}, "customers": 6, "moves": 6},
    ]


async def test_segments_count_and_list_their_members(world: World) -> None:
    found = await world.data("{ segments { nodes { name query tag count customers(first: 2) { nodes { id } } } } }")
    nodes = found["segments"]["nodes"]
    assert [(node["name"], node["count"]) for node in nodes] == [
        ("Segment 1", 23), ("Segment 2", 11), ("Segment 3", 7), ("Segment 4", 5), ("Segment 5", 4),
    ]  # fmt: skip
    assert len(nodes) == SEGMENTS
    assert nodes[4]["customers"]["nodes"] == [{"id": "gid://shopify/Customer/5"}, {"id": "gid://shopify/Customer/10"}]


async def test_node_finds_a_customer_and_a_segment(world: World) -> None:
    query = "query($id: ID!) { node(id: $id) { __typename id ... on Segment { name } ... on Customer { email } } }"
    customer = await world.data(query, id="gid://shopify/Customer/2")
    segment = await world.data(query, id="gid://rebloom/Segment/2")
    assert customer["node"] == {"__typename": "Customer", "id": "gid://shopify/Customer/2", "email": "p2@shop.example"}
    assert segment["node"] == {"__typename": "Segment", "id": "gid://rebloom/Segment/2", "name": "Segment 2"}
    assert (await world.data(query, id="gid://shopify/Order/2"))["node"] is None
    assert await world.code(query, id="2") == "BAD_REQUEST"


async def test_offers_and_recommendations_say_why_and_what_they_cost(world: World) -> None:
    found = await world.data(
        """{ plays(stage: "departing") { key percentage }
        recommendations(productIds: ["gid://shopify/Product/1"], first: 2) { score lift boughtTogether product { title } because { text } }
        customer(id: "gid://shopify/Customer/4") { offers { __typename kind title costToMerchant { amount }
          ... on LoyaltyOffer { discount { percentage } } ... on CrossSellOffer { products { product { id } } } } } }"""
    )
    assert [play["key"] for play in found["plays"]] == ["win-back-1", "win-back-2", "win-back-3"]
    assert found["recommendations"][0] == {
        "score": 9.0,
        "lift": 5.2,
        "boughtTogether": 34,
        "product": {"title": "Product 2"},
        "because": [{"text": "bought with Product 1 by 34 customers, 5.2 times more often than chance"}],
    }
    kinds = {offer["kind"]: offer for offer in found["customer"]["offers"]}
    assert kinds["WELCOME"]["discount"] == {"percentage": 10}
    assert kinds["CROSS_SELL"]["products"] == [
        {"product": {"id": "gid://shopify/Product/4"}}, {"product": {"id": "gid://shopify/Product/5"}},
    ]  # fmt: skip


async def test_an_answer_states_its_price(world: World) -> None:
    body = await world.ask("{ customers(first: 3) { nodes { id stage { stage { key } } } } }")
    assert body["extensions"]["cost"] == {
        "requestedQueryCost": 10,
        "actualQueryCost": 10,
        "throttleStatus": {"maximumAvailable": 10000, "currentlyAvailable": 9990, "restoreRate": 500},
    }
    assert json.dumps(body)


async def test_a_merged_customer_is_the_one_she_was_merged_into_and_a_deleted_one_is_nobody(world: World) -> None:
    database = world.store.database
    for old, new in ((1, 2), (2, 3)):
        await database.execute(
            "UPDATE customers SET merged_into = $3 WHERE shop_id = $1 AND id = $2", world.a.id, old, new
        )
    await database.execute("UPDATE customers SET deleted_at = 1 WHERE shop_id = $1 AND id = 4", world.a.id)
    query = "query($id: ID!) { customer(id: $id) { id } }"
    assert await world.data(query, id="gid://shopify/Customer/1") == {"customer": {"id": "gid://shopify/Customer/3"}}
    assert await world.data(query, id="gid://shopify/Customer/4") == {"customer": None}
    found = await world.data("{ customersCount { count } customers(first: 2, sortKey: ID) { nodes { id } } }")
    assert found["customersCount"]["count"] == CUSTOMERS - 3
    assert [node["id"] for node in found["customers"]["nodes"]] == [
        "gid://shopify/Customer/3",
        "gid://shopify/Customer/5",
    ]


async def test_persons_are_unsealed_only_for_those_who_ask(world: World) -> None:
    await world.data("{ customers { nodes { id tags stage { rung } } } }")
    assert [sql for sql in world.database.statements if "persons" in sql] == []
