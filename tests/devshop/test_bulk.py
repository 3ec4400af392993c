"""Bulk operations: what is refused, what the file holds, how they end, and mutations by file."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from integrations.devshop.server import DevShopConfig
from tests.devshop import documents
from tests.devshop.conftest import Client, Inbox
from tests.support.devshop import running_devshop
from tests.support.devshop_data import SHOP


def start(client: Client, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.data(documents.BULK_EXPORT, {"query": query})["bulkOperationRunQuery"]
    return answer


def finished(client: Client, started: dict[str, Any]) -> dict[str, Any]:
    assert started["userErrors"] == []
    end = time.monotonic() + 10
    while time.monotonic() < end:
        state = client.data(documents.BULK_STATUS, {"id": started["bulkOperation"]["id"]})["bulkOperation"]
        if state["status"] not in ("CREATED", "RUNNING", "CANCELING"):
            found: dict[str, Any] = state
            return found
        time.sleep(0.01)
    raise TimeoutError("the bulk operation did not end")


def lines(client: Client, operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in client.http.get(operation["url"]).content.splitlines()]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { id } }", "Bulk queries must contain at least one connection."),
        ("{ orders { nodes { id } } }", "Invalid connection fields: 'orders'."),
        ("mutation { tagsAdd(id: 1, tags: []) { node { id } } }", "Invalid operation type. Only `query` operations are supported."),
        ("", "Invalid bulk query: syntax error, unexpected end of file"),
        (
            "{ orders { edges { node { id refunds { refundLineItems { edges { node { id } } } } } } } }",
            "Queries that contain a connection field within a list field are not currently supported.",
        ),
        ("{ orders { edges { node { id } } } " + " " * 65_501 + "}", "Query is too large (65537 bytes; maximum is 65535 bytes)"),
        ('{ node(id: "gid://shopify/Customer/1") { id } }', "Bulk queries cannot contain a top level `node` field."),
    ],
)  # fmt: skip
def test_a_query_no_bulk_operation_takes_is_refused(client: Client, query: str, message: str) -> None:
    answer = start(client, query)
    assert answer["bulkOperation"] is None
    assert [(error["code"], error["message"]) for error in answer["userErrors"]] == [("INVALID", message)]
    assert client.run[SHOP].state.bulk == {}


def test_a_parent_of_a_connection_must_select_its_id(client: Client) -> None:
    answer = start(client, "{ orders { edges { node { name lineItems { edges { node { id } } } } } } }")
    assert "must select the 'id' field" in answer["userErrors"][0]["message"]


def test_a_connection_three_deep_is_refused(client: Client) -> None:
    variants = "variants { edges { node { id metafields { edges { node { id } } } } } }"
    deep = f"products {{ edges {{ node {{ id {variants} }} }} }}"
    query = f"{{ customers {{ edges {{ node {{ id orders {{ edges {{ node {{ id lineItems {{ edges {{ node {{ id }} }} }} }} }} }} }} }} }} }} # {deep}"
    assert finished(client, start(client, query))["status"] == "COMPLETED"
    too_deep = query.replace(
        "lineItems { edges { node { id } } }", "lineItems { edges { node { id product { id " + variants + " } } } }"
    )
    assert "nesting depth" in start(client, too_deep)["userErrors"][0]["message"]


def test_an_export_holds_every_order_with_its_lines_behind_it(client: Client) -> None:
    done = finished(client, start(client, documents.BULK_ORDERS))
    assert (done["status"], done["objectCount"], done["rootObjectCount"]) == ("COMPLETED", "6", "3")
    raw = client.http.get(done["url"]).content
    assert int(done["fileSize"]) == len(raw)
    assert b"gid:\\/\\/shopify\\/Order\\/100" in raw  # a reader has to parse, not match text
    rows = lines(client, done)
    assert [row["id"].split("/")[-2] for row in rows] == ["Order", "LineItem"] * 3
    assert [row["__parentId"] for row in rows if "__parentId" in row] == [
        row["id"] for row in rows if "__parentId" not in row
    ]
    order, line = rows[2], rows[3]
    assert order["customer"] == {"id": "gid://shopify/Customer/1"}
    assert order["totalPriceSet"] == {"shopMoney": {"amount": "24.5", "currencyCode": "EUR"}}
    assert order["customerJourneySummary"] is None
    assert order["refunds"] == []
    assert line["originalUnitPriceSet"]["shopMoney"]["amount"] == "12.25"
    assert (line["quantity"], line["product"]) == (2, {"id": "gid://shopify/Product/20"})


@pytest.mark.parametrize("document", [documents.BULK_CUSTOMERS, documents.BULK_ORDERS, documents.BULK_PRODUCTS])
def test_an_exported_line_equals_the_object_read_alone(client: Client, document: str) -> None:
    rows = lines(client, finished(client, start(client, document)))
    inner = document[document.index("node {") + 6 :].rsplit("}", 4)[0]
    for row in rows:
        if "__parentId" not in row:
            kind = row["id"].split("/")[-2]
            selection = inner.replace("lineItems {", "lineItems(first: 50) {").replace(
                "variants {", "variants(first: 9) {"
            )
            alone = client.data(f'{{ node(id: "{row["id"]}") {{ ... on {kind} {{ {selection} }} }} }}')["node"]
            assert row == {key: value for key, value in alone.items() if key in row}
            assert set(alone) - set(row) <= {"lineItems", "variants"}


def test_children_can_be_put_anywhere(config: DevShopConfig, client: Client) -> None:
    grouped = lines(client, finished(client, start(client, documents.BULK_ORDERS)))
    client.run[SHOP].state.shuffle_bulk = 1
    shuffled = lines(client, finished(client, start(client, documents.BULK_ORDERS)))
    assert shuffled != grouped
    assert sorted(shuffled, key=lambda row: row["id"]) == sorted(grouped, key=lambda row: row["id"])


def test_a_bulk_search_narrows_the_export(client: Client) -> None:
    query = '{ customers(query: "updated_at:>=2026-11-21") { edges { node { id } } } }'
    rows = lines(client, finished(client, start(client, query)))
    assert [row["id"][-1] for row in rows] == ["2", "3"]


def test_nothing_found_has_no_url(client: Client) -> None:
    done = finished(client, start(client, '{ customers(query: "tag:none") { edges { node { id } } } }'))
    assert (done["status"], done["url"], done["objectCount"]) == ("COMPLETED", None, "0")


def test_a_missing_scope_fails_the_operation(client: Client) -> None:
    client.install(scopes="read_products")
    done = finished(client, start(client, documents.BULK_CUSTOMERS))
    assert (done["status"], done["errorCode"], done["url"]) == ("FAILED", "ACCESS_DENIED", None)


def test_old_orders_stay_out_without_the_scope_for_them(client: Client) -> None:
    client.install(scopes="read_orders,read_customers,read_products")
    done = finished(client, start(client, "{ orders { edges { node { id } } } }"))
    assert [row["id"][-3:] for row in lines(client, done)] == ["101", "102"]


def test_a_result_address_is_signed_and_lasts_seven_days(client: Client) -> None:
    url = finished(client, start(client, documents.BULK_CUSTOMERS))["url"]
    assert client.http.get(url.replace("Expires=1", "Expires=2")).status_code == 403
    assert client.http.get(url).status_code == 200
    client.run[SHOP].advance(timedelta(days=7, seconds=1))
    assert client.http.get(url).status_code == 403


def test_the_sixth_at_once_is_refused_with_the_ids_of_the_others(config: DevShopConfig, client: Client) -> None:
    with running_devshop(replace(config, bulk_pause=5)) as run:
        client.run = run
        client.install()
        ids = [start(client, documents.BULK_CUSTOMERS)["bulkOperation"]["id"] for _ in range(5)]
        sixth = start(client, documents.BULK_CUSTOMERS)
        assert sixth["bulkOperation"] is None
        error = sixth["userErrors"][0]
        assert error["code"] == "OPERATION_IN_PROGRESS"
        assert error["message"].endswith(f"already in progress: {', '.join(ids)}.")
        cancelled = client.data(documents.BULK_CANCEL, {"id": ids[0]})["bulkOperationCancel"]
        assert (cancelled["bulkOperation"]["status"], cancelled["userErrors"]) == ("CANCELING", [])
        for shop in run.shops.shops.values():
            shop.state.bulk_pause = 0
        run.settle()
    states = [row["status"] for row in run[SHOP].state.bulk.values()]
    assert states == ["CANCELED", "COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED"]


@pytest.mark.parametrize(
    ("number", "message"),
    [(999, "Bulk operation does not exist"), (0, "A bulk operation cannot be canceled when it is completed")],
)
def test_cancelling_what_is_not_running_is_refused(client: Client, number: int, message: str) -> None:
    done = finished(client, start(client, documents.BULK_CUSTOMERS))
    target = f"gid://shopify/BulkOperation/{number}" if number else done["id"]
    answer = client.data(documents.BULK_CANCEL, {"id": target})["bulkOperationCancel"]
    assert answer["userErrors"][0]["message"] == message


def stage(client: Client, content: bytes) -> str:
    given = {
        "resource": "BULK_MUTATION_VARIABLES",
        "filename": "a.jsonl",
        "mimeType": "text/jsonl",
        "httpMethod": "POST",
    }
    target = client.data(documents.STAGE, {"input": [given]})["stagedUploadsCreate"]["stagedTargets"][0]
    fields: dict[str, str] = {each["name"]: each["value"] for each in target["parameters"]}
    assert len(fields) == 9
    answer = client.http.post(target["url"], data=fields, files={"file": ("a.jsonl", content)})
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/xml")
    assert fields["key"] in answer.text
    return fields["key"]


def run_mutation(client: Client, mutation: str, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.data(documents.BULK_IMPORT, {"mutation": mutation, "stagedUploadPath": path})[
        "bulkOperationRunMutation"
    ]
    return answer


def test_a_mutation_runs_over_a_staged_file_and_answers_line_by_line(client: Client) -> None:
    rows = [
        {"id": "gid://shopify/Customer/1", "tags": ["rbl-stage-new"]},
        {"id": "gid://shopify/Customer/999", "tags": ["rbl-stage-new"]},
        {"id": "rubbish", "tags": ["a"]},
        {"tags": ["a"]},
    ]
    path = stage(client, b"\n".join(map(orjson.dumps, rows)) + b"\nnot json\n")
    done = finished(client, run_mutation(client, documents.ADD_TAGS, path))
    assert (done["status"], done["type"], done["objectCount"]) == ("COMPLETED", "MUTATION", "5")
    first, second, third, fourth, fifth = lines(client, done)
    assert first == {
        "data": {"tagsAdd": {"node": {"id": "gid://shopify/Customer/1"}, "userErrors": []}},
        "__lineNumber": 0,
    }
    assert second["data"]["tagsAdd"]["userErrors"][0]["message"] == "Customer does not exist"
    assert [line["errors"][0]["extensions"]["code"] for line in (third, fourth, fifth)] == ["INVALID_VARIABLE"] * 3
    assert [line["__lineNumber"] for line in (third, fourth, fifth)] == [2, 3, 4]
    state = client.run[SHOP].state
    assert [row.tags for row in state.data.customers.values()] == [["rbl-stage-new"], [], []]
    assert state.writes["tagsAdd"] == 2


def test_metafields_are_set_by_file_too(client: Client) -> None:
    entry = {"ownerId": "gid://shopify/Customer/1", "namespace": "$app:rebloom", "key": "stage"}
    entry |= {"type": "single_line_text_field", "value": "new"}
    path = stage(client, orjson.dumps({"metafields": [entry]}))
    done = finished(client, run_mutation(client, documents.SET_METAFIELDS, path))
    assert lines(client, done)[0]["data"]["metafieldsSet"]["userErrors"] == []
    assert [row.value for row in client.run[SHOP].state.metafields.rows.values()] == ["new"]


@pytest.mark.parametrize(
    ("mutation", "content", "code"),
    [
        (documents.ADD_TAGS, None, "NO_SUCH_FILE"),
        (documents.ADD_TAGS, b"", "INVALID_STAGED_UPLOAD_FILE"),
        ("{ shop { id } }", b"{}", "INVALID_MUTATION"),
        (documents.SWAP_TAGS, b"{}", None),
        ("mutation { tagsAdd(", b"{}", "INVALID_MUTATION"),
        ('mutation { bulkOperationCancel(id: "gid://shopify/BulkOperation/1") { userErrors { message } } }', b"{}", None),
    ],
)  # fmt: skip
def test_a_mutation_no_bulk_operation_takes_is_refused(
    client: Client, mutation: str, content: bytes | None, code: str | None
) -> None:
    path = "tmp/none" if content is None else stage(client, content)
    answer = run_mutation(client, mutation, path)
    assert answer["bulkOperation"] is None
    assert [error["code"] for error in answer["userErrors"]] == [code]


def test_the_end_is_told_by_webhook(client: Client, inbox: Inbox) -> None:
    wanted = {"topic": "BULK_OPERATIONS_FINISH", "webhookSubscription": {"uri": inbox.url}}
    client.data(documents.WEBHOOK_CREATE, wanted)
    done = finished(client, start(client, documents.BULK_CUSTOMERS))
    client.run.settle()
    headers, body = inbox.received[0]
    assert headers["x-shopify-topic"] == "bulk_operations/finish"
    told = orjson.loads(body)
    assert (told["admin_graphql_api_id"], told["status"], told["type"]) == (done["id"], "completed", "query")
