"""What the app writes: tags by the recorded rules, metafields in its own namespace, and the count of writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.devshop.tags import split_tags
from tests.devshop import documents
from tests.devshop.conftest import Client
from tests.support.devshop_data import SHOP

ADA = "gid://shopify/Customer/1"
WRITE_ALL = "write_customers,write_orders,write_products,read_all_orders"
STAGE = {"ownerId": ADA, "namespace": "$app:rebloom", "key": "stage", "type": "single_line_text_field"}


def add(client: Client, *tags: str, owner: str = ADA) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = client.data(documents.ADD_TAGS, {"id": owner, "tags": list(tags)})["tagsAdd"][
        "userErrors"
    ]
    return errors


def tags_of(client: Client, number: int = 1) -> list[str]:
    read = client.data(documents.CUSTOMER_BY_ID, {"id": f"gid://shopify/Customer/{number}"})
    tags: list[str] = read["customer"]["tags"]
    return tags


def test_tags_are_split_trimmed_folded_and_sorted(client: Client) -> None:
    assert add(client, "Zulu, alpha", "alpha", " spaced tag ", "", "VIP", "vip") == []
    assert tags_of(client) == ["alpha", "spaced tag", "VIP", "Zulu"]


def test_a_tag_in_another_case_is_the_same_tag(client: Client) -> None:
    add(client, "Red")
    before = client.run[SHOP].state.data.customers[1].updated_at
    assert add(client, "red") == []
    assert tags_of(client) == ["Red"]
    assert client.run[SHOP].state.data.customers[1].updated_at == before


def test_a_customers_tag_takes_the_spelling_the_shop_already_has(client: Client) -> None:
    client.install(scopes=WRITE_ALL)
    add(client, "a")
    add(client, "A", owner="gid://shopify/Customer/2")
    add(client, "A", owner="gid://shopify/Order/101")
    assert tags_of(client, 2) == ["a"]
    assert client.run[SHOP].state.data.orders[101].tags == ["A"]


@pytest.mark.parametrize(("owner", "left"), [("Customer/1", []), ("Product/10", []), ("Order/101", ["Red"])])
def test_removing_in_another_case_works_for_customers_and_products_only(
    client: Client, owner: str, left: list[str]
) -> None:
    client.install(scopes=WRITE_ALL)
    gid = f"gid://shopify/{owner}"
    add(client, "Red", owner=gid)
    answer = client.data(documents.REMOVE_TAGS, {"id": gid, "tags": ["red", "absent"]})
    assert answer["tagsRemove"]["userErrors"] == []
    kind, number = owner.split("/")
    rows = getattr(client.run[SHOP].state.data, f"{kind.lower()}s")
    assert rows[int(number)].tags == left


def test_an_unknown_customer_is_a_user_error(client: Client) -> None:
    body = client.data(documents.ADD_TAGS, {"id": "gid://shopify/Customer/999", "tags": ["a"]})
    assert body["tagsAdd"] == {
        "node": None,
        "userErrors": [{"field": ["id"], "message": "Customer does not exist"}],
    }


def test_a_kind_without_tags_is_a_top_level_error(client: Client) -> None:
    body = client.ask(documents.ADD_TAGS, {"id": "gid://shopify/Location/1", "tags": ["a"]})
    assert body["data"] == {"tagsAdd": None}
    error = body["errors"][0]
    assert (error["message"], error["path"], error["extensions"]["code"]) == (
        "invalid id",
        ["tagsAdd"],
        "RESOURCE_NOT_FOUND",
    )


def test_a_tag_of_256_characters_is_refused_and_nothing_written(client: Client) -> None:
    errors = add(client, "fine", "x" * 256)
    assert errors == [{"field": ["tags"], "message": "Tags is too long (maximum is 255 characters)"}]
    assert tags_of(client) == []
    assert add(client, "x" * 255) == []


def test_the_251st_tag_is_refused_and_nothing_written(client: Client) -> None:
    add(client, ",".join(f"t{number:03}" for number in range(250)))
    assert add(client, "more") == [{"field": ["tags"], "message": "Tags cannot be more than 250"}]
    assert len(tags_of(client)) == 250
    assert add(client, "t000") == []


def test_more_than_250_list_elements_are_refused_at_the_top(client: Client) -> None:
    body = client.ask(documents.ADD_TAGS, {"id": ADA, "tags": ["a"] * 251})
    error = body["errors"][0]
    assert error["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
    assert sorted(body) == ["errors", "extensions"]
    assert error["message"] == "The input array size of 251 is greater than the maximum allowed of 250."


@given(st.lists(st.text(alphabet="aAbB ,ß", max_size=8), max_size=8))
def test_splitting_again_changes_nothing(given_tags: list[str]) -> None:
    once = split_tags(given_tags)
    assert split_tags(once) == once
    assert len({tag.casefold() for tag in once}) == len(once)


def test_every_write_is_counted_by_its_root(client: Client) -> None:
    client.data(documents.SWAP_TAGS, {"id": ADA, "add": ["a"], "remove": ["b"]})
    assert dict(client.run[SHOP].state.writes) == {"tagsAdd": 1, "tagsRemove": 1}
    stats = client.http.get(f"{client.run.base}/_dev/{SHOP}/stats").json()
    assert stats["writes"] == {"tagsAdd": 1, "tagsRemove": 1}


def test_the_apps_namespace_is_kept_under_its_id_and_read_back_by_its_short_name(client: Client) -> None:
    answer = client.data(documents.SET_METAFIELDS, {"metafields": [STAGE | {"value": "new"}]})
    made = answer["metafieldsSet"]["metafields"][0]
    number = client.run[SHOP].state.app.number
    assert (made["namespace"], made["key"], made["ownerType"]) == (f"app--{number}--rebloom", "stage", "CUSTOMER")
    query = """query Q($id: ID!) { customer(id: $id) {
      short: metafield(namespace: "$app:rebloom", key: "stage") { value type }
      long: metafield(namespace: "app--NUMBER--rebloom", key: "stage") { value }
      other: metafield(namespace: "$app", key: "stage") { value } } }"""
    assert client.data(query.replace("NUMBER", str(number)), {"id": ADA})["customer"] == {
        "short": {"value": "new", "type": "single_line_text_field"},
        "long": {"value": "new"},
        "other": None,
    }


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"value": ""}, "INVALID_VALUE", "value"),
        ({"value": "a\nb"}, "INVALID_VALUE", "value"),
        ({"type": "date", "value": "23.11.2026"}, "INVALID_VALUE", "value"),
        ({"type": "number_integer", "value": "1.5"}, "INVALID_VALUE", "value"),
        ({"key": "x"}, "TOO_SHORT", "key"),
        ({"key": "x" * 65}, "TOO_LONG", "key"),
        ({"namespace": "app--1--theirs"}, "APP_NOT_AUTHORIZED", None),
        ({"ownerId": "gid://shopify/Customer/999"}, "INVALID", "ownerId"),
    ],
)
def test_one_bad_metafield_keeps_the_whole_batch_from_being_written(
    client: Client, change: dict[str, str], code: str, field: str | None
) -> None:
    rows = [STAGE | {"value": "fine"}, STAGE | {"key": "second", "value": "fine"} | change]
    answer = client.data(documents.SET_METAFIELDS, {"metafields": rows})["metafieldsSet"]
    assert [error["code"] for error in answer["userErrors"]] == [code]
    assert answer["userErrors"][0]["field"] == ["metafields", "1", *([field] if field else [])]
    assert client.run[SHOP].state.metafields.rows == {}


def test_more_than_25_metafields_at_once_are_refused(client: Client) -> None:
    rows = [STAGE | {"key": f"key{number}", "value": "v"} for number in range(26)]
    answer = client.data(documents.SET_METAFIELDS, {"metafields": rows})["metafieldsSet"]
    assert len(answer["userErrors"]) == 1
    assert client.run[SHOP].state.metafields.rows == {}


def test_a_code_discount_is_made_once_and_ended(client: Client) -> None:
    offer = {"title": "Come back", "code": "BACK10", "startsAt": "2026-11-01T00:00:00Z"}
    made = client.data(documents.OFFER_CREATE, {"basicCodeDiscount": offer})["discountCodeBasicCreate"]
    node = made["codeDiscountNode"]
    assert (node["codeDiscount"]["status"], node["codeDiscount"]["codesCount"]["count"]) == ("ACTIVE", 1)
    again = client.data(documents.OFFER_CREATE, {"basicCodeDiscount": offer | {"code": "back10"}})
    assert again["discountCodeBasicCreate"]["userErrors"] == [
        {
            "code": "TAKEN",
            "field": ["basicCodeDiscount", "code"],
            "message": "Code must be unique. Please try a different code.",
        }
    ]
    client.data(documents.OFFER_DEACTIVATE, {"id": node["id"]})
    query = '{ codeDiscountNodeByCode(code: "Back10") { codeDiscount { ... on DiscountCodeBasic { status } } } }'
    assert client.data(query)["codeDiscountNodeByCode"]["codeDiscount"]["status"] == "EXPIRED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": ""}, "BLANK"),
        ({"code": ""}, "TOO_SHORT"),
        ({"code": "x" * 256}, "TOO_LONG"),
        ({"code": "a\nb"}, "INVALID"),
        ({"endsAt": "2026-10-01T00:00:00Z"}, "INVALID"),
        ({"customerGets": {"value": {"percentage": 1.5}}}, "VALUE_OUTSIDE_RANGE"),
    ],
)
def test_a_wrong_discount_is_refused(client: Client, change: dict[str, Any], code: str) -> None:
    offer = {"title": "T", "code": "C", "startsAt": "2026-11-01T00:00:00Z"} | change
    answer = client.data(documents.OFFER_CREATE, {"basicCodeDiscount": offer})["discountCodeBasicCreate"]
    assert [error["code"] for error in answer["userErrors"]] == [code]
    assert client.run[SHOP].state.discounts == {}


def test_codes_added_in_bulk_fail_one_by_one(client: Client) -> None:
    offer = {"title": "T", "code": "FIRST", "startsAt": "2026-11-01T00:00:00Z"}
    made = client.data(documents.OFFER_CREATE, {"basicCodeDiscount": offer})["discountCodeBasicCreate"]
    codes = [{"code": each} for each in ("A", "a", "first", "B")]
    ids = {"discountId": made["codeDiscountNode"]["id"], "codes": codes}
    started = client.data(documents.OFFER_CODES_ADD, ids)["discountRedeemCodeBulkAdd"]["bulkCreation"]
    assert (started["done"], started["codesCount"], started["importedCount"]) == (False, 4, 0)
    done = client.data(documents.OFFER_CODES_STATUS, {"id": started["id"]})["discountRedeemCodeBulkCreation"]
    assert (done["done"], done["importedCount"], done["failedCount"]) == (True, 2, 2)
    assert [bool(row["errors"]) for row in done["codes"]["nodes"]] == [False, True, True, False]
