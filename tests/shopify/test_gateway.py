"""The gateway against a scripted shop and a clock that only sleeping moves."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from integrations.shopify.client import AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket
from plugin.domain.facts import ShopFact
from plugin.errors import BadStatementError, ShopError, ShopRefusedError, ShopUnavailableError
from plugin.ports import (
    DiscountChange,
    DiscountResult,
    DiscountSpec,
    MetafieldError,
    MetafieldWrite,
    TagChange,
    TagResult,
)
from tests.support.rig import SETTINGS, Rig
from tests.support.scripted_shop import graphql


async def test_the_shop_states_itself(rig: Rig) -> None:
    assert await rig.gateway.shop_info() == ShopFact(
        platform_id=77,
        domain="some-shop.myshopify.com",
        name="Some Shop",
        currency="EUR",
        timezone="Europe/Berlin",
        primary_host="some-shop.example",
    )
    rig.shop.answers = [graphql({"shop": {"id": "x"}})]
    with pytest.raises(BadStatementError):
        await rig.gateway.shop_info()


def _connection(nodes: list[Any], after: str | None) -> dict[str, Any]:
    return {"nodes": nodes, "pageInfo": {"hasNextPage": after is not None, "endCursor": after or "end"}}


async def test_an_order_of_a_page_comes_with_all_its_lines(rig: Rig) -> None:
    order = {"id": "gid://shopify/Order/1", "lineItems": _connection([{"id": "a"}], "c1")}
    short = {"id": "gid://shopify/Order/2", "lineItems": _connection([{"id": "z"}], None)}
    rig.shop.answers = [
        graphql({"orders": _connection([order, short], "next")}),
        graphql({"order": {"lineItems": _connection([{"id": "b"}], "c2")}}),
        graphql({"order": {"lineItems": _connection([{"id": "c"}], None)}}),
    ]
    page = await rig.gateway.orders_page(datetime(2026, 11, 22, 3, tzinfo=UTC), None)
    assert [[line["id"] for line in node["lineItems"]["nodes"]] for node in page.nodes] == [["a", "b", "c"], ["z"]]
    assert page.after == "next"
    asked = [rig.shop.body(call)["variables"] for call in rig.shop.calls]
    assert asked[0]["query"] == "updated_at:>=2026-11-21"
    assert [variables.get("after") for variables in asked] == [None, "c1", "c2"]


async def test_nothing_by_that_id_is_none(rig: Rig) -> None:
    rig.shop.answers = [graphql({"order": None}), graphql({"customer": None}), graphql({"product": None})]
    assert await rig.gateway.node_order("gid://shopify/Order/9") is None
    assert await rig.gateway.node_customer("gid://shopify/Customer/9") is None
    assert await rig.gateway.node_product("gid://shopify/Product/9") is None


async def test_tags_of_many_customers_are_swapped_in_one_request_and_each_hears_its_own_error(rig: Rig) -> None:
    fine: dict[str, Any] = {"userErrors": []}
    gone = {"userErrors": [{"field": ["id"], "message": "Customer does not exist"}]}
    rig.shop.answers = [
        graphql(
            {"remove0": fine, "add0": fine, "add1": gone, "remove3": None},
            errors=[{"message": "invalid id", "path": ["remove3"], "extensions": {"code": "RESOURCE_NOT_FOUND"}}],
        )
    ]
    results = await rig.gateway.swap_tags(
        [
            TagChange(customer_id=1, add=("rbl-a",), remove=("rbl-b",)),
            TagChange(customer_id=2, add=("rbl-a",), remove=()),
            TagChange(customer_id=3, add=(), remove=()),
            TagChange(customer_id=4, add=(), remove=("rbl-b",)),
        ]
    )
    assert [(result.customer_id, result.error) for result in results[:3]] == [
        (1, None),
        (2, "id: Customer does not exist"),
        (3, None),
    ]
    assert "invalid id" in (results[3].error or "")
    body = rig.shop.body(rig.shop.calls[0])
    assert body["variables"] == {
        "id0": "gid://shopify/Customer/1",
        "remove0": ["rbl-b"],
        "add0": ["rbl-a"],
        "id1": "gid://shopify/Customer/2",
        "add1": ["rbl-a"],
        "id3": "gid://shopify/Customer/4",
        "remove3": ["rbl-b"],
    }


async def test_no_change_asks_nothing_and_a_comma_is_refused(rig: Rig) -> None:
    change = TagChange(customer_id=1, add=(), remove=())
    assert await rig.gateway.swap_tags([change]) == [TagResult(customer_id=1, error=None)]
    with pytest.raises(ValueError, match="comma"):
        await rig.gateway.swap_tags([TagChange(customer_id=1, add=("a,b",), remove=())])
    assert rig.shop.calls == []


async def test_metafield_errors_name_their_place(rig: Rig) -> None:
    error = {
        "field": ["metafields", "0", "value"],
        "message": "Value must be in YYYY-MM-DD format.",
        "code": "INVALID_VALUE",
        "elementIndex": None,
    }
    rig.shop.answers = [graphql({"metafieldsSet": {"metafields": [], "userErrors": [error]}})]
    item = MetafieldWrite(
        owner="gid://shopify/Customer/1", namespace="$app:rebloom", key="stage_since", type="date", value="x"
    )
    assert await rig.gateway.set_metafields([item]) == [
        MetafieldError(index=0, message="Value must be in YYYY-MM-DD format.", code="INVALID_VALUE")
    ]


async def test_a_subscription_that_is_there_already_is_a_success(rig: Rig) -> None:
    taken = {
        "field": ["webhookSubscription", "callbackUrl"],
        "message": "Address for this topic has already been taken",
    }
    http = {"field": ["webhookSubscription", "callbackUrl"], "message": "Address protocol http:// is not supported"}
    rig.shop.answers = [graphql({"webhookSubscriptionCreate": {"userErrors": [each]}}) for each in (taken, http)]
    await rig.gateway.subscribe("ORDERS_CREATE", "https://app.example.com/webhooks")
    with pytest.raises(ShopRefusedError, match=r"ORDERS_CREATE.*not supported"):
        await rig.gateway.subscribe("ORDERS_CREATE", "http://app.example.com/webhooks")


async def test_a_sixth_bulk_operation_waits_its_turn(rig: Rig) -> None:
    busy = {"field": None, "message": "already in progress", "code": "OPERATION_IN_PROGRESS"}
    bad = {"field": ["query"], "message": "Bulk queries must contain at least one connection.", "code": "INVALID"}
    rig.shop.answers = [
        graphql({"bulkOperationRunQuery": {"bulkOperation": None, "userErrors": [each]}}) for each in (busy, bad)
    ]
    with pytest.raises(ShopUnavailableError):
        await rig.gateway.start_bulk_query("{ x }")
    with pytest.raises(ShopRefusedError, match="at least one connection"):
        await rig.gateway.start_bulk_query("{ x }")


async def test_a_discount_is_made_for_its_customers_and_never_twice(rig: Rig) -> None:
    made = {"codeDiscountNode": {"id": "gid://shopify/DiscountCodeNode/5"}, "userErrors": []}
    rig.shop.answers = [graphql({"change0": made}), httpx.Response(500)]
    spec = DiscountSpec(
        title="Welcome",
        code="RBL-1",
        starts_at=datetime(2026, 11, 22, tzinfo=UTC),
        ends_at=None,
        customer_ids=(1,),
        percentage=Decimal("0.1"),
    )
    create = DiscountChange(kind="create", spec=spec)
    assert await rig.gateway.change_discounts([create]) == [DiscountResult(discount_id=5, error=None)]
    sent = rig.shop.body(rig.shop.calls[0])["variables"]["input0"]
    assert sent["context"] == {"customers": {"add": ["gid://shopify/Customer/1"]}}
    assert sent["customerGets"] == {"value": {"percentage": 0.1}, "items": {"all": True}}
    with pytest.raises(ShopUnavailableError):
        await rig.gateway.change_discounts([create])
    assert len(rig.shop.calls) == 2
    with pytest.raises(ValueError, match="at most 40"):
        await rig.gateway.change_discounts([create] * 41)


async def test_a_bulk_mutation_uploads_runs_waits_and_gives_each_lines_answer(rig: Rig) -> None:
    uploads: list[httpx.Request] = []
    operation = {
        "id": "gid://shopify/BulkOperation/1",
        "status": "RUNNING",
        "errorCode": None,
        "objectCount": "0",
        "rootObjectCount": "0",
        "url": None,
        "partialDataUrl": None,
    }
    lines = [
        {
            "data": {
                "tagsAdd": {"node": None, "userErrors": [{"field": ["id"], "message": "Customer does not exist"}]}
            },
            "__lineNumber": 1,
        },
        {"data": {"tagsAdd": {"node": {"id": "x"}, "userErrors": []}}, "__lineNumber": 0},
    ]
    result = b"\n".join(json.dumps(line).encode() for line in lines)
    staged = {
        "url": "https://storage.example/",
        "resourceUrl": "x",
        "parameters": [{"name": "key", "value": "tmp/1/bulk/vars"}],
    }
    answers = {
        "StageUpload": [graphql({"stagedUploadsCreate": {"stagedTargets": [staged], "userErrors": []}})],
        "BulkImport": [graphql({"bulkOperationRunMutation": {"bulkOperation": operation, "userErrors": []}})],
        "BulkStatus": [
            graphql({"bulkOperation": operation}),
            graphql({"bulkOperation": {**operation, "status": "COMPLETED", "url": "https://storage.example/result"}}),
        ],
    }

    async def answer(request: httpx.Request) -> httpx.Response:
        await request.aread()
        if request.url.host == "storage.example":
            assert "X-Shopify-Access-Token" not in request.headers
            uploads.append(request)
            if request.method == "POST":
                return httpx.Response(201)
            return httpx.Response(200, content=gzip.compress(result), headers={"Content-Encoding": "gzip"})
        rig.shop.calls.append(request)
        return answers[rig.shop.names[-1]].pop(0)

    async with new_http(SETTINGS, httpx.MockTransport(answer)) as http:
        pace = rig.time.pace()
        gateway = ShopifyGateway(AdminClient(SETTINGS, http, rig.tokens, Bucket(pace), pace))
        begun = await gateway.start_bulk_mutation("mutation M { x }", [{"id": "1"}, {"id": "2"}])
        got = [line async for line in gateway.bulk_answers(begun)]
    assert [(line.line, line.errors) for line in got] == [(1, ("id: Customer does not exist",)), (0, ())]
    assert b'{"id":"1"}\n{"id":"2"}\n' in uploads[0].content
    assert uploads[0].content.index(b'name="key"') < uploads[0].content.index(b'name="file"')
    assert rig.shop.body(rig.shop.calls[1])["variables"]["stagedUploadPath"] == "tmp/1/bulk/vars"
    assert rig.time.slept == [0.5]


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.example/x",
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "https://a@evil.example/",
        "https://",
        "ftp://x/",
        "//x",
        "https://[",
    ],
)
async def test_a_file_at_an_odd_address_is_not_fetched(rig: Rig, url: str) -> None:
    with pytest.raises(ShopRefusedError):
        async with rig.gateway.open_download(url):
            pass
    assert rig.shop.calls == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, ShopRefusedError),
        (404, ShopRefusedError),
        (302, ShopRefusedError),
        (429, ShopUnavailableError),
        (503, ShopUnavailableError),
    ],
)
async def test_a_download_that_is_refused_says_whether_trying_again_helps(
    rig: Rig, status: int, error: type[ShopError]
) -> None:
    rig.shop.answers = [httpx.Response(status, headers={"Location": "https://evil.example/"})]
    rig.shop.good = None
    with pytest.raises(error):
        async with rig.gateway.open_download("https://storage.example/x"):
            pass


class _Cut(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"id":1}\n{"i'
        raise httpx.RemoteProtocolError("peer closed connection")


async def test_a_cut_download_gives_what_came_and_then_fails(rig: Rig) -> None:
    rig.shop.answers = [httpx.Response(200, stream=_Cut())]
    got = []
    with pytest.raises(ShopUnavailableError):
        async with rig.gateway.open_download("https://storage.example/x") as pieces:
            async for piece in pieces:
                got.append(piece)  # noqa: PERF401 - what came before the cut is what is asked for
    assert got == [b'{"id":1}\n{"i']
