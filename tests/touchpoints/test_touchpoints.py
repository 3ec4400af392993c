"""Touchpoints in the store and over GraphQL: once however often told, of the living only, and by whom it may be told."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.touchpoints import (
    KEPT,
    MERCHANT,
    PARTNER,
    PIXEL,
    PUBLIC_KINDS,
    Source,
    TouchpointError,
    TouchpointKind,
    read_touchpoint,
    storefront,
)
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import forget_old_touchpoints, record_touchpoints
from tests.support.graphql_world import World, running_world
from tests.support.small_shop import DAY, NOW, NOW_US

RECORD = """mutation($input: [TouchpointInput!]!) { touchpointRecord(input: $input) {
  recorded userErrors { field message code } } }"""
JOURNEY = """query($id: ID!, $first: Int, $after: String) { customer(id: $id) { journey(first: $first, after: $after) {
  nodes { kind channel at subject outcome score orderId amount { amount } product { title } }
  pageInfo { hasNextPage endCursor } } } }"""
STORE = "/storefront/graphql"


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with running_world(store) as running:
        yield running


def told(number: int = 1, **fields: object) -> dict[str, object]:
    return {"id": f"e-{number}", "kind": "visit", "customerId": "gid://shopify/Customer/5", **fields}


async def rows(world: World) -> list[tuple[object, ...]]:
    return await world.store.database.fetch(
        "SELECT shop_id, source, event_id, customer_id, kind, channel, at FROM touchpoints /* every shop */ ORDER BY 1, 2, 3"
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": None}, "kind"), ({"kind": "order"}, "kind"), ({"kind": "offer_redeemed"}, "kind"),
        ({"kind": "nonsense"}, "kind"), ({"id": None}, "id"), ({"id": "x" * 65}, "id"), ({"id": "a b"}, "id"),
        ({"id": "ann@shop.example"}, "id"), ({"subject": "Ann Lee"}, "subject"), ({"subject": "\0"}, "subject"),
        ({"customerId": None}, "customerId"), ({"customerId": "gid://shopify/Order/1"}, "customerId"),
        ({"customerId": str(2**63)}, "customerId"), ({"customerId": True}, "customerId"), ({"customerId": "-1"}, "customerId"),
        ({"at": "2026-11-26"}, "at"), ({"at": 5}, "at"), ({"at": "9999-12-31T23:59:59Z"}, "at"),
        ({"at": "1970-01-01T00:00:00Z"}, "at"), ({"score": 11}, "score"), ({"score": -1}, "score"),
        ({"score": "9"}, "score"), ({"score": True}, "score"), ({"channel": "fax"}, "channel"),
        ({"outcome": "sold"}, "outcome"), ({"productId": "gid://shopify/Customer/1"}, "productId"), ({"email": "x"}, "email"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(fields: dict[str, object], field: str) -> None:
    with pytest.raises(TouchpointError) as refused:
        read_touchpoint(told(**fields), PARTNER, now=NOW_US)
    assert refused.value.field == field


def test_a_touchpoint_as_told() -> None:
    read = read_touchpoint(
        told(kind="SURVEY", score=9, at="2026-01-01T00:00:00+01:00", subject="nps:1"), PARTNER, now=NOW_US
    )
    assert (read.source, read.kind, read.channel, read.score, read.subject) == (
        Source.PARTNER, TouchpointKind.SURVEY, "web", 9, "nps:1",
    )  # fmt: skip
    assert read.at % DAY == DAY - 3_600_000_000


def test_a_clock_that_is_ahead_counts_as_now_and_no_fact_stands_in_the_future() -> None:
    ahead = (NOW + timedelta(minutes=4)).isoformat()
    assert read_touchpoint(told(at=ahead), PIXEL, now=NOW_US).at == NOW_US
    with pytest.raises(TouchpointError):
        read_touchpoint(told(at=(NOW + timedelta(minutes=6)).isoformat()), PIXEL, now=NOW_US)


@pytest.mark.parametrize("kind", sorted(TouchpointKind))
def test_the_public_may_tell_only_what_a_browser_sees(kind: TouchpointKind) -> None:
    if kind in PUBLIC_KINDS:
        assert read_touchpoint(told(kind=kind.value), PIXEL, now=NOW_US).kind == kind
    else:
        with pytest.raises(TouchpointError):
            read_touchpoint(told(kind=kind.value), PIXEL, now=NOW_US)
        with pytest.raises(TouchpointError):
            read_touchpoint({"id": "1", "kind": kind.value, "visitor": "v"}, storefront(None), now=NOW_US)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=3,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw imports a table of Unicode
@given(
    st.dictionaries(
        st.sampled_from(["id", "kind", "channel", "at", "customerId", "visitor", "score", "subject", "zz"]), JSON
    )
)
def test_whatever_comes_is_read_or_refused(fields: dict[str, object]) -> None:
    for teller in (PIXEL, MERCHANT, storefront(5)):
        try:
            read = read_touchpoint(fields, teller, now=NOW_US)
        except TouchpointError:
            continue
        assert NOW_US - KEPT <= read.at <= NOW_US


async def test_told_twice_is_one_and_makes_its_customer_due(world: World) -> None:
    given_ = [{**told(1, kind="REVIEW", score=5)}, {**told(2, kind="EMAIL_CLICK"), "at": "2026-11-01T00:00:00Z"}]
    for again in range(2):
        answer = (await world.data(RECORD, input=given_))["touchpointRecord"]
        assert answer == {"recorded": 0 if again else 2, "userErrors": []}
    assert [(row[0], *row[2:6]) for row in await rows(world)] == [
        (world.a.id, "e-1", 5, "review", "web"), (world.a.id, "e-2", 5, "email_click", "email"),
    ]  # fmt: skip
    assert world.jobs.asked == [("sweep", world.a.id, {})]
    [(due,)] = await world.store.database.fetch(
        "SELECT due_at FROM profiles WHERE shop_id = $1 AND customer_id = 5", world.a.id
    )
    assert due <= NOW_US


async def test_one_fault_keeps_the_whole_batch_out(world: World) -> None:
    answer = await world.data(
        RECORD, input=[told(1, kind="VISIT"), told(2, kind="ORDER"), told(3, kind="VISIT", score=99)]
    )
    errors = answer["touchpointRecord"]["userErrors"]
    assert [error["field"] for error in errors] == [["input", "1", "kind"], ["input", "2", "score"]]
    assert (await rows(world), world.jobs.asked) == ([], [])
    for wrong in ([], [told(number, kind="VISIT") for number in range(101)]):
        refused = (await world.data(RECORD, input=wrong))["touchpointRecord"]
        assert (refused["recorded"], refused["userErrors"][0]["code"]) == (0, "INVALID")
    assert await rows(world) == []


async def test_the_scope_is_needed(world: World) -> None:
    document = 'mutation { touchpointRecord(input: [{id: "1", kind: VISIT, visitor: "v"}]) { recorded } }'
    assert await world.code(document, caller="a:read_customers,read_touchpoints") == "ACCESS_DENIED"
    assert (await world.data(document, caller="a:write_touchpoints"))["touchpointRecord"] == {"recorded": 1}
    assert [row[1] for row in await rows(world)] == ["partner"]
    assert (
        await world.code("{ customers { nodes { journey { nodes { kind } } } } }", caller="a:read_customers")
        == "ACCESS_DENIED"
    )


async def test_the_viewer_speaks_for_herself_and_nobody_else(world: World) -> None:
    document = (
        "mutation($input: [TouchpointInput!]!) { touchpointRecord(input: $input) { recorded userErrors { field } } }"
    )
    mine = {"id": "1", "kind": "SURVEY", "score": 10}
    assert (await world.data(document, caller="a:7", path=STORE, input=[mine]))["touchpointRecord"]["recorded"] == 1
    hers = {"id": "2", "kind": "VISIT", "customerId": "gid://shopify/Customer/8"}
    for caller in ("a:7", "a:"):
        refused = (await world.data(document, caller=caller, path=STORE, input=[hers]))["touchpointRecord"]
        assert refused == {"recorded": 0, "userErrors": [{"field": ["input", "0", "customerId"]}]}
    nobody = {"id": "3", "kind": "PRODUCT_VIEW", "visitor": "v-1", "productId": "gid://shopify/Product/1"}
    assert (await world.data(document, caller="a:", path=STORE, input=[nobody]))["touchpointRecord"]["recorded"] == 1
    assert [(row[1], row[3], row[4]) for row in await rows(world)] == [
        ("storefront", 7, "survey"), ("storefront", None, "product_view"),
    ]  # fmt: skip


async def test_a_browser_that_turns_out_to_be_a_customers_brings_what_it_did(world: World) -> None:
    before = [{"id": "1", "kind": "PRODUCT_VIEW", "visitor": "v-1"}, {"id": "2", "kind": "CART", "visitor": "v-2"}]
    await world.data(RECORD, input=before)
    await world.data(RECORD, input=[{"id": "3", "kind": "VISIT", "visitor": "v-1", "customerId": "5"}])
    assert [(row[2], row[3]) for row in await rows(world)] == [("1", 5), ("2", None), ("3", 5)]


async def test_a_journey_holds_touchpoints_and_orders_page_by_page(world: World) -> None:
    database = world.store.database
    await database.execute(
        "INSERT INTO orders (shop_id, id, customer_id, name, created_at, processed_at, stated_at, test, counted,"
        " discounted, currency, total, current_total, refunded, discounts, shipping, items)"
        " VALUES ($1, 11, 5, '#11', $2, $2, $2, $3, $4, $3, 'EUR', 420000, 420000, 0, 0, 0, 2)",
        world.a.id, NOW_US - 2 * DAY, False, True,
    )  # fmt: skip
    await database.execute(
        "INSERT INTO refunds (shop_id, id, order_id, at, amount) VALUES ($1, 1, 11, $2, 20000)",
        world.a.id,
        NOW_US - DAY,
    )
    views = [
        {
            **told(n, kind="PRODUCT_VIEW", productId="gid://shopify/Product/1"),
            "at": (NOW - timedelta(days=n)).isoformat(),
        }
        for n in (1, 2, 3)
    ]
    await world.data(RECORD, input=views)
    whole = (await world.data(JOURNEY, id="gid://shopify/Customer/5", first=10))["customer"]["journey"]["nodes"]
    assert [node["kind"] for node in whole] == ["PRODUCT_VIEW", "REFUND", "PRODUCT_VIEW", "ORDER", "PRODUCT_VIEW"]
    assert whole[0]["product"] == {"title": "Product 1"}
    assert [node["amount"] for node in whole] == [None, {"amount": "2.0"}, None, {"amount": "42.0"}, None]
    walked, after = [], None
    while True:
        page = (await world.data(JOURNEY, id="gid://shopify/Customer/5", first=2, after=after))["customer"]["journey"]
        walked += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert walked == whole
    theirs = await world.data(JOURNEY, id="gid://shopify/Customer/5", first=10, caller="b")
    assert theirs["customer"]["journey"]["nodes"] == []


async def test_who_is_gone_leaves_no_touchpoint_and_a_merge_moves_them(world: World) -> None:
    await world.data(
        RECORD,
        input=[told(1, kind="VISIT"), told(2, kind="VISIT", customerId="6"), told(3, kind="VISIT", customerId="7")],
    )
    async with world.store.database.transaction() as session:
        await merge_customers(session, world.a.id, kept=6, folded=5, at=NOW_US)
        await delete_customer(session, world.a.id, 7, at=NOW_US)
    late = [told(4, kind="VISIT"), told(5, kind="VISIT", customerId="7")]
    answer = (await world.data(RECORD, input=late))["touchpointRecord"]
    assert answer == {"recorded": 1, "userErrors": []}
    assert [(row[2], row[3]) for row in await rows(world)] == [("e-1", 6), ("e-2", 6), ("e-4", 6)]


async def test_the_old_is_forgotten(world: World) -> None:
    old = read_touchpoint(told(1), MERCHANT, now=NOW_US - KEPT - 1)
    new = read_touchpoint(told(2), MERCHANT, now=NOW_US)
    for shop in (world.a, world.b):
        await record_touchpoints(world.store, shop.id, [old, new], now=NOW)
    assert await forget_old_touchpoints(world.store.database, now=NOW) == 2
    assert [(row[0], row[2]) for row in await rows(world)] == [(world.a.id, "e-2"), (world.b.id, "e-2")]
