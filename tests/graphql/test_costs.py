"""Stating unit costs, and the margins they give, through the API."""

import re
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.costs import MOST_COSTS
from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.lifecycle.proving import refresh_proofs
from plugin.settings import Settings
from tests.proof.test_costs_store import order
from tests.proof.test_store import offer
from tests.support.graphql_world import NOW, World, rows_of
from tests.support.small_shop import stock

README = Path(__file__).parents[2] / "graphql_schema" / "README.md"
SET = """mutation ($costs: [ProductCostInput!]!) { productCostsSet(costs: $costs) { changed
  userErrors { field message code } } }"""
READ = """{ productCosts { nodes { productId variantId unitCost { amount currencyCode } setAt setBy product { title } } } }"""
PROOF = """{ plays(stage: "visitor") { key proof { coveredShare marginUnknown
  netRevenue { offered { amount } } margin { offered { amount currencyCode } heldOut { amount }
    difference { value { amount } low { amount } high { amount } } ratio { value } verdict }
  needed(outcome: MARGIN) { baseline weeks never why advisedShare } } } }"""


def a_cost(product: int, amount: str | None, variant: int | None = None, currency: str = "EUR") -> dict[str, Any]:
    cost: dict[str, Any] = {"productId": f"gid://shopify/Product/{product}"}
    cost["unitCost"] = None if amount is None else {"amount": amount, "currencyCode": currency}
    return cost if variant is None else cost | {"variantId": f"gid://shopify/ProductVariant/{variant}"}


async def state(world: World, *costs: dict[str, Any], caller: str = "a") -> dict[str, Any]:
    return (await world.data(SET, caller=caller, costs=list(costs)))["productCostsSet"]


async def a_variant(world: World, number: int, product: int, shop_id: int) -> None:
    await world.store.database.execute(
        "INSERT INTO variants (shop_id, id, product_id, title, available, stated_at) VALUES ($1, $2, $3, '', $4, 0)",
        shop_id, number, product, True,
    )  # fmt: skip


async def goods(world: World) -> None:
    for shop in (world.a, world.b):
        await stock(world.store.database, 1, 2, shop_id=shop.id)
    await stock(world.store.database, 9001, shop_id=world.b.id)
    await a_variant(world, 11, 1, world.a.id)
    await a_variant(world, 12, 1, world.b.id)


async def test_costs_are_stated_read_and_taken_away(world: World) -> None:
    await goods(world)
    assert (await world.data(READ))["productCosts"] == {"nodes": []}
    stated = (a_cost(2, "0"), a_cost(1, "12.3456"), a_cost(1, "7", 11))
    assert await state(world, *stated, caller="a:read_shop,write_shop:7") == {"changed": 3, "userErrors": []}
    nodes = (await world.data(READ))["productCosts"]["nodes"]
    common = {"setAt": NOW.isoformat().replace("+00:00", "Z"), "setBy": "gid://rebloom/PartnerToken/7"}
    first = {"productId": "gid://shopify/Product/1", "product": {"title": "Product 1"}, **common}
    assert nodes == [
        {**first, "variantId": None, "unitCost": {"amount": "12.3456", "currencyCode": "EUR"}},
        {**first, "variantId": "gid://shopify/ProductVariant/11", "unitCost": {"amount": "7.0", "currencyCode": "EUR"}},
        {
            **common, "productId": "gid://shopify/Product/2", "product": {"title": "Product 2"}, "variantId": None,
            "unitCost": {"amount": "0.0", "currencyCode": "EUR"},
        },
    ]  # fmt: skip
    before = await rows_of(world.store, world.a.id)
    assert await state(world, *stated) == {"changed": 0, "userErrors": []}  # again, by the merchant: it stays as it is
    assert await rows_of(world.store, world.a.id) == before
    assert await state(world, a_cost(1, "8", 11)) == {"changed": 1, "userErrors": []}
    assert [each["setBy"] for each in (await world.data(READ))["productCosts"]["nodes"]][1] is None
    assert await state(world, a_cost(1, None, 11), a_cost(2, None)) == {"changed": 2, "userErrors": []}
    assert await state(world, a_cost(1, None, 11), a_cost(2, None)) == {"changed": 0, "userErrors": []}
    assert await state(world) == {"changed": 0, "userErrors": []}
    assert len((await world.data(READ))["productCosts"]["nodes"]) == 1
    assert (await world.data(READ, caller="b"))["productCosts"] == {"nodes": []}
    assert world.jobs.asked == [("proofs", world.a.id, {})] * 5


async def test_pages_of_costs(world: World) -> None:
    await goods(world)
    await state(world, a_cost(2, "1"), a_cost(1, "2"), a_cost(1, "3", 11))
    page = "{ nodes { unitCost { amount } } pageInfo { endCursor hasNextPage } }"
    found, after = [], None
    while True:
        text = f"query($after: String) {{ productCosts(first: 1, after: $after) {page} }}"
        here = (await world.data(text, after=after))["productCosts"]
        found += [each["unitCost"]["amount"] for each in here["nodes"]]
        after = here["pageInfo"]["endCursor"]
        if not here["pageInfo"]["hasNextPage"]:
            break
    assert found == ["2.0", "3.0", "1.0"]
    of_one = f'{{ productCosts(productId: "gid://shopify/Product/1", last: 5) {page} }}'
    assert len((await world.data(of_one))["productCosts"]["nodes"]) == 2
    assert await world.code('{ productCosts(productId: "x") { nodes { productId } } }') == "BAD_REQUEST"


REFUSED = [
    (a_cost(1, "-0.01"), ["unitCost", "amount"], "INVALID", "A unit cost is from 0 to 1,000,000,000, not -0.01; null takes"),
    (a_cost(1, "1000000000.01"), ["unitCost", "amount"], "INVALID", "A unit cost is from 0 to 1,000,000,000, not 1000000000.01"),
    (a_cost(1, "1e99999"), ["unitCost", "amount"], "INVALID", "A unit cost is from 0 to 1,000,000,000, not 1E+99999"),
    (a_cost(1, "1", currency="USD"), ["unitCost", "currencyCode"], "INVALID", "The shop's currency is EUR, not 'USD'; state"),
    (a_cost(1, "1", currency="eur"), ["unitCost", "currencyCode"], "INVALID", "The shop's currency is EUR, not 'eur'; state"),
    (a_cost(9001, "1"), ["productId"], "NOT_FOUND", "The shop has no product gid://shopify/Product/9001; take"),
    (a_cost(777, "1"), ["productId"], "NOT_FOUND", "The shop has no product gid://shopify/Product/777; take"),
    (a_cost(1, "1", 12), ["variantId"], "NOT_FOUND", "gid://shopify/Product/1 has no variant gid://shopify/ProductVariant/12"),
    (a_cost(2, "1", 11), ["variantId"], "NOT_FOUND", "gid://shopify/Product/2 has no variant gid://shopify/ProductVariant/11"),
    (a_cost(1, None, 99), ["variantId"], "NOT_FOUND", "gid://shopify/Product/1 has no variant gid://shopify/ProductVariant/99"),
    ({"productId": "gid://shopify/Product/1"}, ["unitCost"], "BLANK", "Say what one piece costs; null takes its cost away."),
    ({**a_cost(1, "1"), "productId": "gid://shopify/Customer/1"}, ["productId"], "INVALID", "'gid://shopify/Customer/1' is not"),
    ({**a_cost(1, "1"), "variantId": "11"}, ["variantId"], "INVALID", "'11' is not a global id of the form"),
    (a_cost(2, "5"), ["productId"], "TAKEN", "The product gid://shopify/Product/2 stands at 0 already; state each"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field", "code", "says"), REFUSED, ids=lambda each: str(each)[-40:])
async def test_what_is_wrong_is_told_by_its_place_and_changes_nothing(
    world: World, wrong: dict[str, Any], field: list[str], code: str, says: str
) -> None:
    await goods(world)
    await state(world, a_cost(1, "4"), caller="b")
    before = [await rows_of(world.store, shop.id) for shop in (world.a, world.b)]
    asked = list(world.jobs.asked)
    found = await state(world, a_cost(2, "3"), wrong)
    assert found["changed"] == 0
    [error] = found["userErrors"]
    assert (error["field"], error["code"]) == (["costs", "1", *field], code)
    assert error["message"].startswith(f"costs[1]: {says}")
    assert [await rows_of(world.store, shop.id) for shop in (world.a, world.b)] == before
    assert world.jobs.asked == asked


async def test_every_fault_is_told_at_once_and_too_many_are_refused(world: World) -> None:
    await goods(world)
    found = await state(world, a_cost(1, "-1"), a_cost(1, "1", 12), a_cost(2, "1"), a_cost(2, None))
    assert [(each["field"][1], each["code"]) for each in found["userErrors"]] == [
        ("0", "INVALID"), ("1", "NOT_FOUND"), ("3", "TAKEN"),
    ]  # fmt: skip
    found = await state(world, *(a_cost(1, "1") for _ in range(MOST_COSTS + 1)))
    assert found["userErrors"] == [
        {
            "field": ["costs"], "code": "LIMIT_REACHED",
            "message": "At most 250 costs are stated at once, not 251; send the rest in another call.",
        }
    ]  # fmt: skip
    await stock(world.store.database, *range(1_000, 1_000 + MOST_COSTS), shop_id=world.a.id)
    found = await state(world, *(a_cost(number, "1.5") for number in range(1_000, 1_000 + MOST_COSTS)))
    assert found == {"changed": MOST_COSTS, "userErrors": []}


async def test_a_deleted_product_can_still_be_given_a_cost(world: World) -> None:
    """Past orders have it."""
    await goods(world)
    await state(world, a_cost(1, "7", 11))
    for sql in (
        "UPDATE products SET deleted_at = 1 WHERE shop_id = $1 AND id = 1",
        "DELETE FROM variants WHERE shop_id = $1",
    ):
        await world.store.database.execute(sql, world.a.id)
    assert (await state(world, a_cost(1, "3"), a_cost(1, "8", 11)))["changed"] == 2
    found = (await world.data(READ))["productCosts"]["nodes"]
    assert [(each["unitCost"]["amount"], each["product"]) for each in found] == [("3.0", None), ("8.0", None)]


async def test_a_margin_is_shown_once_costs_are_stated_and_what_it_lacks_before(
    world: World, settings: Settings
) -> None:
    await goods(world)
    await offer(world.store, *range(1_001, 1_401), held=False, share=5_000)
    await offer(world.store, *range(1_401, 1_801), held=True, share=5_000)
    for number in (*range(1_001, 1_201), *range(1_401, 1_501)):  # half, and a quarter
        await order(world.store, number, number, 20, [(1, 11, 2), (2 if number % 2 else None, None, 0)])
    await order(world.store, 5_000, 1_001, 10, [(2, None, 1), (None, None, 1)])
    await refresh_proofs(world.store, world.a, now=NOW)
    proof = (await world.data(PROOF))["plays"][0]["proof"]
    assert (proof["margin"], proof["coveredShare"]) == (None, 0)
    assert proof["marginUnknown"] == (
        "There is no order in this comparison of which all unit costs are known. Sold most without a cost: Product 1"
        " (gid://shopify/Product/1, in 300 orders); Product 2 (gid://shopify/Product/2, in 1 order). State their costs"
        " with `productCostsSet`. Lines of no product, whose cost cannot be stated, are in 1 order."
    )
    assert (proof["needed"]["why"], proof["needed"]["advisedShare"]) == (proof["marginUnknown"], None)
    await state(world, a_cost(1, "6"))
    [(kind, shop_id, _)] = world.jobs.asked
    gateways = Gateways(settings, world.store, lambda: NOW)
    assert await Handlers(settings, world.store, gateways, world.jobs, lambda: NOW).by_kind()[kind](shop_id) == {
        "plays": 1
    }
    proof = (await world.data(PROOF))["plays"][0]["proof"]
    assert (proof["marginUnknown"], proof["coveredShare"]) == (None, pytest.approx(300 / 301, abs=0.002))
    margin = proof["margin"]
    assert (margin["offered"], margin["heldOut"]) == ({"amount": "4.0", "currencyCode": "EUR"}, {"amount": "2.0"})
    assert margin["difference"]["value"] == {"amount": "2.0"}
    low, high = (float(margin["difference"][side]["amount"]) for side in ("low", "high"))
    assert 0 < low < 2 < high
    assert margin["verdict"] == "HELPS"
    assert (proof["needed"]["baseline"], proof["needed"]["never"]) == (3.0, True)
    assert {play["proof"] is None for play in (await world.data(PROOF, caller="b"))["plays"]} == {True}


async def test_costs_are_not_in_the_storefronts_schema_and_need_their_scope(world: World) -> None:
    body = await world.ask("{ productCosts { nodes { productId } } }", caller="a:5", path="/storefront/graphql")
    assert "Cannot query field" in body["errors"][0]["message"]
    assert await world.code(READ, caller="a:read_products,read_offers,write_offers") == "ACCESS_DENIED"
    assert await world.code(READ, caller="a:read_shop") == "ACCESS_DENIED"  # `product` needs its own
    assert "errors" not in await world.ask(READ, caller="a:read_shop,read_products")
    assert await world.code(SET, caller="a:read_shop,write_offers", costs=[]) == "ACCESS_DENIED"


async def test_the_documents_of_the_page_run(world: World) -> None:
    await goods(world)
    await offer(world.store, 1_001, held=False)
    await refresh_proofs(world.store, world.a, now=NOW)
    section = README.read_text("utf-8").partition("## Unit costs and margins")[2].partition("\n## ")[0]
    stated, shown = re.findall(r"```graphql\n(.*?)```", section, re.DOTALL)
    assert (await world.data(stated))["productCostsSet"] == {"changed": 1, "userErrors": []}
    proof = (await world.data(shown))["plays"][0]["proof"]
    assert proof["marginUnknown"] == "None of its customers has ordered within 30 days yet, so there is no margin."
