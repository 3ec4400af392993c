"""The Admin API: the app's documents, refusals, pages, search, price, access."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from integrations.devshop.server import DevShopConfig
from tests.devshop import documents
from tests.devshop.conftest import Client
from tests.support.devshop import running_devshop
from tests.support.devshop_data import SHOP

ADA = "gid://shopify/Customer/1"


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (documents.SHOP_INFO, {}),
        (documents.INSTALLATION_STATE, {}),
        (documents.CUSTOMERS_UPDATED_SINCE, {"query": ""}),
        (documents.ORDERS_UPDATED_SINCE, {"query": ""}),
        (documents.PRODUCTS_UPDATED_SINCE, {"query": ""}),
        (documents.CUSTOMER_BY_ID, {"id": ADA}),
        (documents.WEBHOOKS, {}),
        (documents.BULK_RUNNING, {}),
        (documents.BULK_STATUS, {"id": "gid://shopify/BulkOperation/1"}),
        (documents.OFFER_CODES_STATUS, {"id": "gid://shopify/DiscountRedeemCodeBulkCreation/1"}),
        (documents.SEGMENTS, {}),
    ],
)
def test_every_query_of_the_app_is_answered(client: Client, document: str, variables: dict[str, Any]) -> None:
    body = client.ask(document, variables)
    assert "errors" not in body
    assert body["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100


def test_an_order_is_read_with_its_refunds(client: Client) -> None:
    client.install(scopes="read_orders,read_returns,read_customers,read_products,read_all_orders")
    client.run[SHOP].refund_order(101, lines=[(1010, 1)], note="broken")
    order = client.data(documents.ORDER_WITH_REFUNDS, {"id": "gid://shopify/Order/101"})["order"]
    refund = order["refunds"][0]
    assert (order["returnStatus"], order["totalRefundedSet"]["shopMoney"]["amount"]) == ("RETURNED", "12.25")
    assert refund["note"] == "broken"
    line = refund["refundLineItems"]["nodes"][0]
    assert (line["quantity"], line["lineItem"]["id"]) == (1, "gid://shopify/LineItem/1010")
    assert line["subtotalSet"]["shopMoney"] == {"amount": "12.25", "currencyCode": "EUR"}


def test_a_customer_is_read_as_the_shop_keeps_her(client: Client) -> None:
    body = client.data(documents.CUSTOMERS_UPDATED_SINCE, {"query": "id:1"})
    ada = body["customers"]["nodes"][0]
    assert ada["numberOfOrders"] == "2"
    assert ada["amountSpent"] == {"amount": "30.0", "currencyCode": "EUR"}
    assert ada["defaultEmailAddress"]["emailAddress"] == "ada@customers.example"
    assert ada["lastOrder"] == {"id": "gid://shopify/Order/101", "processedAt": "2026-11-20T12:00:00Z"}
    assert ada["displayName"] == "Ada Test"


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ("{ customers(first: 1) { nodes { idx } } }", "undefinedField", "Field 'idx' doesn't exist on type 'Customer'"),
        ("{ customer { id } }", "missingRequiredArguments", "Field 'customer' is missing required arguments: id"),
        ("{ shop(id: 1) { id } }", "argumentNotAccepted", "Field 'shop' doesn't accept argument 'id'"),
        (
            "{ shop }",
            "selectionMismatch",
            "Field must have selections (field 'shop' returns Shop! but has no selections. Did you mean 'shop { ... }'?)",
        ),
        ("query Q($a: Int) { shop { id } }", "variableNotUsed", "Variable $a is declared by Q but not used"),
        ('{ customers(first: "1") { nodes { id } } }', "argumentLiteralsIncompatible", None),
        ('{ customer(id: "x") { id } }', "argumentLiteralsIncompatible", "Invalid global id 'x'"),
    ],
)
def test_what_the_platform_would_refuse_is_refused(
    client: Client, document: str, code: str, message: str | None
) -> None:
    body = client.ask(document)
    assert sorted(body) == ["errors"]  # neither data nor a cost
    assert body["errors"][0]["extensions"]["code"] == code
    assert message in (None, body["errors"][0]["message"])


def test_a_refusal_names_its_path_from_the_operation_down(client: Client) -> None:
    body = client.ask("query Mine { all: customers(first: 1) { nodes { idx } } }")
    assert body["errors"][0]["path"] == ["query Mine", "all", "nodes", "idx"]


def test_a_document_cut_off_is_a_parse_error(client: Client) -> None:
    error = client.ask("{ shop { id ")["errors"][0]
    assert error["message"] == "syntax error, unexpected end of file at [1, 13]"
    assert error["extensions"] == {"code": "PARSE_ERROR"}


@pytest.mark.parametrize(
    ("value", "explanation"),
    [("x", "Invalid global id 'x'"), (None, "Expected value to not be null")],
)
def test_a_wrong_variable_is_explained(client: Client, value: str | None, explanation: str) -> None:
    error = client.ask(documents.CUSTOMER_BY_ID, {} if value is None else {"id": value})["errors"][0]
    assert error["extensions"]["code"] == "INVALID_VARIABLE"
    assert error["extensions"]["problems"] == [{"path": [], "explanation": explanation}]


def test_an_unknown_id_reads_null_and_one_of_another_kind_is_refused(client: Client) -> None:
    assert client.data(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Customer/999"}) == {"customer": None}
    body = client.ask(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Order/101"})
    assert body["errors"][0]["extensions"]["code"] == "RESOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "you must provide one of first or last"),
        ("first: 1, last: 1", "providing both first and last is not supported"),
        ('first: 1, after: "rubbish"', "Malformed cursor"),
        ("first: 251", "first and last cannot exceed 250"),
    ],
)
def test_a_page_asked_for_wrongly_is_a_bad_request(client: Client, arguments: str, message: str) -> None:
    query = f"{{ customers({arguments}) {{ nodes {{ id }} }} }}" if arguments else "{ customers { nodes { id } } }"
    body = client.ask(query)
    assert body["data"] is None
    assert [(each["message"], each["extensions"]["code"]) for each in body["errors"]] == [(message, "BAD_REQUEST")]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sort", ["ID", "UPDATED_AT", "NAME"])
def test_walking_the_pages_both_ways_finds_everybody_once(client: Client, size: int, reverse: bool, sort: str) -> None:
    def walk(forward: bool) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            ends = ("first", "after", "hasNextPage", "endCursor", "hasPreviousPage", "startCursor")
            take, mark, more, edge = (
                ends[:2] + ends[2:4] if forward else ("last", "before", "hasPreviousPage", "startCursor")
            )
            after = f', {mark}: "{cursor}"' if cursor else ""
            arguments = f"{take}: {size}, sortKey: {sort}, reverse: {str(reverse).lower()}{after}"
            page = client.data(f"{{ customers({arguments}) {{ nodes {{ id }} pageInfo {{ {more} {edge} }} }} }}")[
                "customers"
            ]
            ids = [node["id"][-1] for node in page["nodes"]]
            found = found + ids if forward else ids + found
            cursor = page["pageInfo"][edge]
            if not page["pageInfo"][more]:
                return found

    expected = ["3", "2", "1"] if reverse else ["1", "2", "3"]
    assert walk(forward=True) == expected
    assert walk(forward=False) == expected


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("updated_at:>=2026-11-21", ["2", "3"]),
        ("updated_at:>='2026-11-21T23:59:59Z'", ["2", "3"]),  # the time of day is not looked at
        ("updated_at:<2026-11-21", ["1"]),
        ("id:2 OR id:3", ["2", "3"]),
        ("-id:2 state:enabled", ["1", "3"]),
        ("(id:1 OR id:2) orders_count:>1", ["1"]),
        ("email:ADA@customers.example", ["1"]),
        ("bea", ["2"]),
        ("tag:none", []),
    ],
)
def test_search_matches_whole_days_and_combines_terms(client: Client, search: str, found: list[str]) -> None:
    body = client.data("query Q($q: String) { customers(first: 9, query: $q) { nodes { id } } }", {"q": search})
    assert [node["id"][-1] for node in body["customers"]["nodes"]] == found


def test_an_unknown_search_field_is_dropped_with_a_warning(client: Client) -> None:
    body = client.ask('{ customers(first: 9, query: "colour:red") { nodes { id } } }')
    assert len(body["data"]["customers"]["nodes"]) == 3
    warning = body["extensions"]["search"][0]["warnings"][0]
    assert warning == {"field": "colour", "message": "Invalid search field for this query.", "code": "invalid_field"}


def test_counting_customers_ignores_the_email_as_recorded(client: Client) -> None:
    body = client.ask('{ customersCount(query: "email:ada@customers.example") { count } }')
    assert body["data"]["customersCount"]["count"] == 3
    assert body["extensions"]["search"][0]["warnings"][0]["code"] == "invalid_field"


@pytest.mark.parametrize(
    ("document", "variables", "price"),
    [
        ("{ products(first: 1) { nodes { id } } }", {}, 3),
        ("{ products(first: 50) { nodes { id } } }", {}, 9),
        ("{ products(first: 100) { nodes { id } } }", {}, 11),
        ("{ products(first: 250) { nodes { id } } }", {}, 13),
        (documents.SHOP_INFO, {}, 3),
        (documents.CUSTOMERS_UPDATED_SINCE, {"query": ""}, 56),
        (documents.CUSTOMERS_UPDATED_SINCE, {"query": "", "first": 250}, 68),
        (documents.ORDERS_UPDATED_SINCE, {"query": ""}, 78),
        (documents.ORDERS_UPDATED_SINCE, {"query": "", "first": 100, "lines": 50}, 227),
        (documents.ORDERS_UPDATED_SINCE, {"query": "", "first": 250, "lines": 100}, 343),
        (documents.PRODUCTS_UPDATED_SINCE, {"query": ""}, 79),
        (documents.ADD_TAGS, {"id": ADA, "tags": ["a"]}, 10),
        (documents.SWAP_TAGS, {"id": ADA, "add": ["a"], "remove": ["b"]}, 20),
        (documents.BULK_STATUS, {"id": "gid://shopify/BulkOperation/1"}, 1),
    ],
)
def test_documents_cost_what_was_recorded(client: Client, document: str, variables: dict[str, Any], price: int) -> None:
    cost = client.ask(document, variables)["extensions"]["cost"]
    assert cost["requestedQueryCost"] == price
    assert cost["actualQueryCost"] <= price


def test_an_unknown_id_costs_one(client: Client) -> None:
    cost = client.ask(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Customer/999"})["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (3, 1)


def test_an_empty_bucket_throttles_inside_http_200_and_leaks_back(config: DevShopConfig, client: Client) -> None:
    time = [0.0]
    small = replace(config, bucket_size=25, restore_rate=5, monotonic=lambda: time[0])
    with running_devshop(small) as run:
        client.run = run
        client.install()
        tags = {"id": ADA, "tags": ["a"]}
        assert client.data(documents.ADD_TAGS, tags)
        assert client.data(documents.ADD_TAGS, tags)
        throttled = client.ask(documents.ADD_TAGS, tags)
        assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert throttled["extensions"]["cost"]["throttleStatus"] == {
            "maximumAvailable": 25,
            "currentlyAvailable": 5,
            "restoreRate": 5,
        }
        assert run[SHOP].state.writes["tagsAdd"] == 2
        time[0] = 1.0
        assert client.data(documents.ADD_TAGS, tags)


def test_a_single_query_above_a_thousand_points_is_refused(client: Client) -> None:
    document = "{ a: orders(first: 250) { nodes { lineItems(first: 250) { nodes { product { variants(first: 250) { nodes { id } } } } } } } }"
    error = client.ask(document)["errors"][0]
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_a_missing_scope_denies_the_field_and_answers_the_rest(client: Client) -> None:
    client.install(scopes="read_products")
    body = client.ask("{ customers(first: 1) { nodes { id } } shop { name } }")
    assert body["data"] is None  # customers may not be null
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    body = client.ask('{ customer(id: "gid://shopify/Customer/1") { id } shop { name } }')
    assert body["data"] == {"customer": None, "shop": {"name": "First"}}
    error = body["errors"][0]
    assert error["message"] == "Access denied for customer field. Required access: `read_customers` access scope."
    assert (error["path"], error["extensions"]["code"]) == (["customer"], "ACCESS_DENIED")
    assert body["extensions"]["cost"]["actualQueryCost"] >= 1


def test_writing_tags_needs_the_scope_of_the_resource(client: Client) -> None:
    client.install(scopes="read_customers")
    body = client.ask(documents.ADD_TAGS, {"id": ADA, "tags": ["a"]})
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert client.run[SHOP].state.data.customers[1].tags == []


def test_old_orders_are_hidden_without_the_scope_for_them(client: Client) -> None:
    client.install(scopes="read_orders,read_customers")
    ids = client.data("{ orders(first: 9) { nodes { id } } }")["orders"]["nodes"]
    assert [node["id"][-3:] for node in ids] == ["101", "102"]
    assert client.data('{ order(id: "gid://shopify/Order/100") { id } }') == {"order": None}
    ada = client.data(
        '{ customer(id: "gid://shopify/Customer/1") { numberOfOrders orders(first: 9) { nodes { id } } } }'
    )
    assert ada["customer"]["numberOfOrders"] == "2"
    assert len(ada["customer"]["orders"]["nodes"]) == 1
    client.run[SHOP].advance(timedelta(days=60))
    assert client.data("{ orders(first: 9) { nodes { id } } }")["orders"]["nodes"] == []


def test_a_root_the_dev_shop_lacks_says_so(client: Client) -> None:
    body = client.ask("{ giftCards(first: 1) { nodes { id } } }")
    assert body["errors"][0]["extensions"]["code"] in ("NOT_IN_DEVSHOP", "ACCESS_DENIED")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"query": 5}'])
def test_a_body_that_is_no_request_gets_400(client: Client, content: bytes) -> None:
    headers = {"X-Shopify-Access-Token": client.token, "Content-Type": "application/json"}
    assert client.http.post(client.run.graphql(SHOP), content=content, headers=headers).status_code == 400
