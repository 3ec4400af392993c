"""What each answer of the Admin API means, from its bytes alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.shopify.protocol import (
    Call,
    Cost,
    Reply,
    ThrottledError,
    TokenRefusedError,
    UncertainError,
    payload_of,
    read_reply,
    retry_after,
    user_errors,
)
from plugin.errors import ShopAccessError, ShopError, ShopRefusedError, ShopUnavailableError

COST = {
    "requestedQueryCost": 68,
    "actualQueryCost": 12,
    "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 1988, "restoreRate": 100.0},
}


def read(content: Any, status: int = 200, **headers: str) -> Reply:
    return read_reply(status, headers, json.dumps(content).encode())


def test_a_call_is_one_document_with_its_variables() -> None:
    call = Call(
        name="A", document="query A($id: ID!) { node(id: $id) { id } }", variables={"id": "gid://shopify/Customer/1"}
    )
    assert json.loads(call.body()) == {"query": call.document, "variables": {"id": "gid://shopify/Customer/1"}}


def test_data_and_cost_are_read() -> None:
    reply = read({"data": {"shop": {"name": "A"}}, "extensions": {"cost": COST}})
    assert reply.field("shop") == {"name": "A"}
    assert reply.cost == Cost(requested=68.0, maximum=2000.0, available=1988.0, restore_rate=100.0)


def test_partial_data_is_kept_beside_its_errors() -> None:
    denied = {
        "message": "Access denied for email field.",
        "path": ["customers", "nodes", 0, "email"],
        "extensions": {"code": "ACCESS_DENIED"},
    }
    reply = read({"data": {"customers": {"nodes": [{"id": "1", "email": None}]}}, "errors": [denied]})
    assert reply.field("customers") == {"nodes": [{"id": "1", "email": None}]}
    assert reply.errors == (denied,)


def test_a_root_field_refused_for_lack_of_a_scope_is_an_access_error_and_its_neighbour_is_read() -> None:
    denied = {"message": "Access denied for orders field.", "path": ["orders"], "extensions": {"code": "ACCESS_DENIED"}}
    reply = read({"data": {"orders": None, "shop": {"id": "1"}}, "errors": [denied]})
    assert reply.field("shop") == {"id": "1"}
    with pytest.raises(ShopAccessError, match="Access denied for orders field"):
        reply.field("orders")


def test_a_null_without_an_error_is_nothing() -> None:
    assert read({"data": {"customer": None}}).field("customer") is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, TokenRefusedError), (402, ShopAccessError), (403, ShopAccessError), (404, ShopAccessError),
        (423, ShopAccessError), (429, ThrottledError), (430, UncertainError), (500, UncertainError),
        (502, UncertainError), (503, UncertainError), (301, ShopRefusedError), (302, ShopRefusedError),
        (307, ShopRefusedError), (400, ShopRefusedError), (406, ShopRefusedError), (413, ShopRefusedError),
        (204, ShopRefusedError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":{"shop":{}}}'])
def test_a_status_other_than_200_is_its_error_whatever_the_body(
    status: int, error: type[ShopError], body: bytes
) -> None:
    with pytest.raises(ShopError) as caught:
        read_reply(status, {}, body)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html><body>Something went wrong</body></html>", b'{"data":{"shop":{"name":"A"', b"null", b'"x"', b"[]",
        b"[" * 100_000, b"\xff\xfe", b'{"data":NaN}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer_leaves_it_uncertain_what_was_done(body: bytes) -> None:
    with pytest.raises(UncertainError):
        read_reply(200, {}, body)


@pytest.mark.parametrize(
    ("errors", "error"),
    [
        ([{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], ThrottledError),
        ([{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}], UncertainError),
        ([{"message": "x", "extensions": {"code": "MAX_COST_EXCEEDED"}}], ShopRefusedError),
        ([{"message": "syntax error", "extensions": {"code": "PARSE_ERROR"}}], ShopRefusedError),
        ([{"message": "Malformed cursor", "extensions": {"code": "BAD_REQUEST"}}], ShopRefusedError),
        ([{"message": "x", "extensions": {"code": "ACCESS_DENIED"}}], ShopAccessError),
        ([{"message": "x"}], ShopRefusedError),
        ([{}], ShopRefusedError),
        ("[API] Invalid API key", ShopRefusedError),
        ([], UncertainError),
        (None, UncertainError),
    ],
)
def test_errors_without_data_are_told_apart_by_their_code(errors: Any, error: type[ShopError]) -> None:
    with pytest.raises(ShopError) as caught:
        read({"data": None, "errors": errors})
    assert type(caught.value) is error


def test_throttled_in_200_brings_the_buckets_level() -> None:
    content = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost": COST}}
    with pytest.raises(ThrottledError) as caught:
        read(content)
    assert caught.value.cost is not None
    assert caught.value.cost.available == 1988


def test_a_search_term_the_shop_ignored_is_an_error() -> None:
    warning = {"field": "updated", "message": "Invalid search field for this query.", "code": "invalid_field"}
    search = [{"path": ["customers"], "query": "updated:1", "parsed": {}, "warnings": [warning]}]
    with pytest.raises(ShopRefusedError, match="Invalid search field"):
        read({"data": {"customers": {"nodes": []}}, "extensions": {"search": search, "cost": COST}})


@pytest.mark.parametrize(
    "cost",
    [
        None,
        {},
        {"throttleStatus": None},
        {**COST, "requestedQueryCost": None},
        {**COST, "throttleStatus": {"maximumAvailable": "x"}},
        5,
        [],
    ],
)
def test_a_broken_cost_block_is_no_cost(cost: Any) -> None:
    assert read({"data": {}, "extensions": {"cost": cost}}).cost is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2.0", 2.0),
        ("0", 0.0),
        ("7", 7.0),
        ("3600", 60.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("1e9", None),
    ],
)
def test_retry_after_is_bounded(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_user_errors_name_the_field_and_refuse_the_payload() -> None:
    payload = {
        "userErrors": [{"field": ["id"], "message": "Customer does not exist"}, {"field": None, "message": "No"}]
    }
    assert user_errors(payload) == ("id: Customer does not exist", "No")
    with pytest.raises(ShopRefusedError, match="id: Customer does not exist; No"):
        payload_of(read({"data": {"tagsAdd": payload}}), "tagsAdd")
    with pytest.raises(ShopRefusedError):
        payload_of(read({"data": {"tagsAdd": None}}), "tagsAdd")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "errors",
                    "extensions",
                    "cost",
                    "search",
                    "warnings",
                    "message",
                    "path",
                    "code",
                    "throttleStatus",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from([200, 200, 200, 401, 503]), st.dictionaries(st.sampled_from(["data", "errors", "extensions"]), JSON)
)
def test_whatever_comes_is_a_reply_or_one_of_our_errors(status: int, content: Any) -> None:
    try:
        reply = read(content, status)
        reply.field("shop")
    except (ShopUnavailableError, ShopAccessError, ShopRefusedError):
        pass
