"""The gateway on real HTTP, against the dev shop that executes the platform's own schema."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from integrations.devshop.faults import Fault
from integrations.devshop.server import DevShopConfig
from integrations.shopify.queries import document
from plugin.errors import ShopRefusedError, ShopUnavailableError
from plugin.ports import (
    BulkStatus,
    DiscountChange,
    DiscountSpec,
    FoundDiscount,
    MetafieldName,
    MetafieldWrite,
    ShopGateway,
    TagChange,
    TagResult,
)
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import NOW, SHOP, small_data
from tests.support.devshop_gateway import APP, devshop_gateway


@pytest.fixture
def dev() -> Iterator[RunningDevShop]:
    with running_devshop(DevShopConfig(app=APP, shops={SHOP: small_data()}, clock=lambda: NOW)) as running:
        yield running


@pytest.fixture
async def gateway(dev: RunningDevShop) -> AsyncIterator[ShopGateway]:
    async with devshop_gateway(dev, SHOP) as opened:
        yield opened


async def finished(gateway: ShopGateway, operation: str) -> BulkStatus:
    for _ in range(200):
        status = await gateway.bulk_status(operation)
        if status.finished:
            return status
        await asyncio.sleep(0.05)
    raise TimeoutError


async def exported(gateway: ShopGateway, name: str) -> list[dict[str, Any]]:
    status = await finished(gateway, await gateway.start_bulk_query(document(name)))
    assert status.url is not None
    async with gateway.open_download(status.url) as pieces:
        content = b"".join([piece async for piece in pieces])
    return [json.loads(line) for line in content.splitlines()]


def _without_children(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name not in {"lineItems", "variants", "__parentId"}}


async def test_bulk_pages_and_single_nodes_state_the_same(gateway: ShopGateway) -> None:
    for name, page, one, children in (
        ("BulkCustomers", gateway.customers_page, gateway.node_customer, None),
        ("BulkOrders", gateway.orders_page, gateway.node_order, "lineItems"),
        ("BulkProducts", gateway.products_page, gateway.node_product, "variants"),
    ):
        lines = await exported(gateway, name)
        roots = {line["id"]: line for line in lines if "__parentId" not in line}
        nodes = {node["id"]: dict(node) for node in (await page(None, None)).nodes}
        assert {key: _without_children(node) for key, node in nodes.items()} == roots
        for key, node in nodes.items():
            assert dict(await one(key) or {}) == node
            if children:
                below = [_without_children(line) for line in lines if line.get("__parentId") == key]
                assert sorted(node[children]["nodes"], key=lambda each: each["id"]) == sorted(
                    below, key=lambda each: each["id"]
                )


async def test_pages_begin_where_asked(gateway: ShopGateway) -> None:
    page = await gateway.customers_page(datetime(2026, 11, 22, 5, tzinfo=UTC), None)
    assert [node["firstName"] for node in page.nodes] == ["Bea", "Cleo"]  # from the day before, by the overlap
    assert page.after is None


async def test_scopes_are_as_granted(gateway: ShopGateway) -> None:
    granted = await gateway.granted_scopes()
    assert {"write_customers", "read_orders"} <= granted


async def test_tags_are_swapped_and_a_missing_customer_is_told(gateway: ShopGateway, dev: RunningDevShop) -> None:
    rows = dev[SHOP].state.data.customers
    dev[SHOP].edit_tags(1, add=["VIP", "rbl-stage-visitor"])
    results = await gateway.swap_tags(
        [
            TagChange(customer_id=1, add=("rbl-stage-buyer",), remove=("rbl-stage-visitor",)),
            TagChange(customer_id=999, add=("rbl-stage-buyer",), remove=()),
        ]
    )
    assert results == [
        TagResult(customer_id=1, error=None),
        TagResult(customer_id=999, error="id: Customer does not exist"),
    ]
    assert sorted(rows[1].tags) == ["VIP", "rbl-stage-buyer"]


async def test_tags_by_bulk_mutation(gateway: ShopGateway, dev: RunningDevShop) -> None:
    variables = [{"id": f"gid://shopify/Customer/{number}", "tags": ["rbl-a"]} for number in (1, 2, 999)]
    operation = await gateway.start_bulk_mutation(document("AddTags"), variables)
    answers = {line.line: line.errors async for line in gateway.bulk_answers(operation)}
    assert answers == {0: (), 1: (), 2: ("id: Customer does not exist",)}
    assert [dev[SHOP].state.data.customers[number].tags for number in (1, 2, 3)] == [["rbl-a"], ["rbl-a"], []]


async def test_metafields_are_all_written_or_none(gateway: ShopGateway) -> None:
    def items(since: str) -> list[MetafieldWrite]:
        owner, namespace = "gid://shopify/Customer/1", "$app:rebloom"
        return [
            MetafieldWrite(owner=owner, namespace=namespace, key="stage", type="single_line_text_field", value="buyer"),
            MetafieldWrite(owner=owner, namespace=namespace, key="stage_since", type="date", value=since),
        ]

    assert await gateway.set_metafields(items("2026-11-22")) == []
    [error] = await gateway.set_metafields(items("yesterday"))
    assert (error.index, error.code) == (1, "INVALID_VALUE")


async def test_what_was_written_is_found_and_taken_away_again(gateway: ShopGateway, dev: RunningDevShop) -> None:
    state, owner = dev[SHOP].state, "gid://shopify/Customer/1"
    named = MetafieldName(owner=owner, namespace="$app:rebloom", key="stage")
    await gateway.set_metafields(
        [MetafieldWrite(owner=owner, namespace="$app:rebloom", key="stage", type="single_line_text_field", value="x")]
    )
    assert len(state.metafields.rows) == 1
    for _ in range(2):  # what is gone is no error
        await gateway.delete_metafields([named])
        assert state.metafields.rows == {}
    await gateway.subscribe("ORDERS_CREATE", "https://app.example/webhooks")
    (made,) = await gateway.subscriptions()
    assert (made.topic, made.uri) == ("ORDERS_CREATE", "https://app.example/webhooks")
    for _ in range(2):
        await gateway.unsubscribe(made.gid)
        assert await gateway.subscriptions() == []


def _spec(code: str, **changes: Any) -> DiscountSpec:
    spec = DiscountSpec(
        title="Second order", code=code, starts_at=NOW, ends_at=None, customer_ids=(1,), amount=Decimal("5.00")
    )  # fmt: skip
    return replace(spec, **changes)


async def test_codes_are_made_changed_ended_and_deleted_each_with_its_own_answer(
    gateway: ShopGateway, dev: RunningDevShop
) -> None:
    create = [DiscountChange(kind="create", spec=_spec(code)) for code in ("RBL-A", "RBL-B", "rbl-a")]
    first, second, taken = await gateway.change_discounts(create)
    assert (first.error, second.error, taken.taken, taken.discount_id) == (None, None, True, None)
    assert taken.error == "basicCodeDiscount.code: Code must be unique. Please try a different code."

    found = await gateway.discount_by_code("rbl-A")
    assert found == FoundDiscount(
        discount_id=first.discount_id or 0, title="Second order", customer_ids=frozenset({1})
    )  # fmt: skip
    assert await gateway.discount_by_code("RBL-NONE") is None
    update = DiscountChange(
        kind="update", discount_id=first.discount_id, spec=_spec("RBL-A", title="New", customer_ids=(2,), amount=None,
                                                                 percentage=Decimal("0.2"))
    )  # fmt: skip
    ended = DiscountChange(kind="deactivate", discount_id=second.discount_id)
    nobody = DiscountChange(kind="deactivate", discount_id=404)
    results = await gateway.change_discounts([update, ended, ended, nobody])
    assert [(each.error, each.gone) for each in results] == [
        (None, False), (None, False), (None, False), ("id: Code discount does not exist.", True),
    ]  # fmt: skip
    changed = dev[SHOP].state.discounts[first.discount_id or 0].discount
    assert (changed.title, changed.percentage, changed.amount, list(changed.customers)) == ("New", 0.2, None, [1, 2])
    assert dev[SHOP].state.discounts[second.discount_id or 0].discount.status(NOW) == "EXPIRED"
    gone = [DiscountChange(kind="delete", discount_id=each.discount_id) for each in (first, second, second)]
    assert [each.gone for each in await gateway.change_discounts(gone)] == [False, False, True]
    assert dev[SHOP].state.discounts == {}


async def test_many_codes_are_made_by_one_file(gateway: ShopGateway, dev: RunningDevShop) -> None:
    specs = [_spec(f"RBL-{number % 3}") for number in range(4)]
    results = {place: (result.error is None, result.taken) async for place, result in gateway.create_discounts(specs)}
    assert results == {0: (True, False), 1: (True, False), 2: (True, False), 3: (False, True)}
    assert len(dev[SHOP].state.discounts) == 3


async def test_subscribing_again_is_no_error(gateway: ShopGateway, dev: RunningDevShop) -> None:
    for _ in range(2):
        await gateway.subscribe("ORDERS_CREATE", "http://127.0.0.1:8000/webhooks")
    assert len(dev[SHOP].state.subscriptions) == 1


async def test_a_document_the_platform_refuses_is_refused(gateway: ShopGateway) -> None:
    with pytest.raises(ShopRefusedError):
        await gateway.start_bulk_query("{ shop { id } }")


async def test_an_emptied_bucket_is_waited_for(gateway: ShopGateway, dev: RunningDevShop) -> None:
    """A bucket of 400 points, 2,000 a second: ten pages ask for more than it holds."""
    bucket = dev[SHOP].state.bucket
    bucket.size, bucket.level, bucket.rate = 400.0, 0.0, 2_000.0
    pages = [await gateway.orders_page(None, None) for _ in range(10)]
    assert {len(page.nodes) for page in pages} == {3}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path="graphql.json", status=500),
        Fault(path="graphql.json", status=429, headers={"Retry-After": "0.1"}),
        Fault(path="graphql.json", status=200, body="<html>", content_type="text/html"),
        Fault(path="graphql.json", cut_after=20),
        Fault(path="graphql.json", reset=True),
    ],
)
async def test_one_fault_on_the_way_is_not_noticed(gateway: ShopGateway, dev: RunningDevShop, fault: Fault) -> None:
    dev.shops.faults.add(fault)
    assert (await gateway.shop_info()).domain == SHOP
    assert fault.seen >= 1


async def test_a_cut_download_is_told(gateway: ShopGateway, dev: RunningDevShop) -> None:
    status = await finished(gateway, await gateway.start_bulk_query(document("BulkOrders")))
    dev.shops.faults.add(Fault(path=httpx.URL(status.url or "").path, cut_after=100))
    got = 0
    with pytest.raises(ShopUnavailableError):
        async with gateway.open_download(status.url or "") as pieces:
            async for piece in pieces:
                got += len(piece)
    assert got == 100
