"""The fault script: each kind of trouble, for the requests it names and no others."""

from __future__ import annotations

import time

import httpx
import pytest

from integrations.devshop.faults import Fault
from tests.devshop import documents
from tests.devshop.conftest import Client
from tests.support.devshop_data import SHOP

QUERY = "query Mine { shop { name } }"


def test_a_status_with_headers_and_body_comes_instead_of_the_answer(client: Client) -> None:
    fault = Fault(path="graphql.json", status=429, headers={"Retry-After": "2"}, body="slow down")
    client.run.shops.faults.add(fault)
    answer = client.send(QUERY)
    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (429, "2", "slow down")
    assert client.send(QUERY).status_code == 200


def test_a_rule_counts_the_requests_it_matches(client: Client) -> None:
    client.run.shops.faults.add(Fault(operation="Mine", skip=1, times=2, status=503))
    other = [client.send(documents.SHOP_INFO).status_code for _ in range(2)]
    assert other == [200, 200]
    assert [client.send(QUERY).status_code for _ in range(4)] == [200, 503, 503, 200]


def test_an_answer_can_be_late(client: Client) -> None:
    client.run.shops.faults.add(Fault(operation="Mine", delay=0.1))
    began = time.monotonic()
    assert client.send(QUERY).status_code == 200
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("bytes_sent", [0, 10])
def test_an_answer_can_be_cut(client: Client, bytes_sent: int) -> None:
    client.run.shops.faults.add(Fault(operation="Mine", cut_after=bytes_sent))
    with pytest.raises(httpx.RemoteProtocolError):
        client.send(QUERY)
    assert client.send(QUERY).status_code == 200


def test_a_bulk_file_can_be_cut_in_the_middle(client: Client) -> None:
    state = client.run[SHOP].state
    (state.files / "bulk-1.jsonl").write_bytes(b"x" * 200_000)
    client.run.shops.faults.add(Fault(path="/_files/", cut_after=70_000))
    received = b""
    with (
        client.http.stream("GET", state.sign_file("bulk-1.jsonl")) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        for chunk in answer.iter_raw():
            received += chunk
    assert received == b"x" * 70_000


def test_the_connection_can_be_dropped_without_a_word(client: Client) -> None:
    client.run.shops.faults.add(Fault(operation="Mine", reset=True))
    with pytest.raises(httpx.TransportError):
        client.send(QUERY)
    assert client.send(QUERY).status_code == 200


def test_the_content_type_can_be_wrong(client: Client) -> None:
    client.run.shops.faults.add(Fault(operation="Mine", content_type="text/html"))
    answer = client.send(QUERY)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.json()["data"] == {"shop": {"name": "First"}}


def test_a_mutation_refused_by_a_fault_writes_nothing(client: Client) -> None:
    client.run.shops.faults.add(Fault(operation="tagsAdd", status=502, content_type="text/html", body="<h1>Bad</h1>"))
    tags = {"id": "gid://shopify/Customer/1", "tags": ["a"]}
    assert client.send(documents.ADD_TAGS, tags).status_code == 502
    assert client.run[SHOP].state.data.customers[1].tags == []


def test_the_script_is_set_and_cleared_over_http(client: Client) -> None:
    url = f"{client.run.base}/_dev/faults"
    script = {"requests": [{"operation": "Mine", "status": 500, "times": None}], "webhooks": [{"kind": "lose"}]}
    assert client.http.post(url, json=script).json() == {"rules": 2}
    assert client.send(QUERY).status_code == 500
    assert client.http.request("DELETE", url).json() == {"rules": 0}
    assert client.send(QUERY).status_code == 200
    assert client.http.post(url, json={"requests": [{"unknown": 1}]}).status_code == 400
