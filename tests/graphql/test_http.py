"""Whatever is sent, the answer is JSON and never a 500."""

from typing import Any

import pytest

from graphql_schema.request import LARGEST_BODY
from tests.support.graphql_world import World

GOOD = b'{"query": "{ __typename }"}'
BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "null": (b"null", 400),
    "text": (b'"x"', 400),
    "number": (b"5", 400),
    "true": (b"true", 400),
    "batch": (b"[" + GOOD + b"]", 400),
    "empty batch": (b"[]", 400),
    "no query": (b"{}", 400),
    "query null": (b'{"query": null}', 400),
    "query number": (b'{"query": 5}', 400),
    "query list": (b'{"query": ["{ shop { id } }"]}', 400),
    "query blank": (b'{"query": "  "}', 400),
    "variables list": (b'{"query": "{ __typename }", "variables": []}', 400),
    "variables text": (b'{"query": "{ __typename }", "variables": "{}"}', 400),
    "operation name number": (b'{"query": "{ __typename }", "operationName": 1}', 400),
    "extensions list": (b'{"query": "{ __typename }", "extensions": []}', 400),
    "two queries": (b'{"query": "{ __typename }", "query": "{ shop { id } }"}', 400),
    "two queries, one escaped": (b'{"query": "{ __typename }", "qu\\u0065ry": "{ shop { id } }"}', 400),
    "two variables": (b'{"query": "{ __typename }", "variables": {}, "variables": {}}', 400),
    "NaN": (b'{"query": "{ __typename }", "variables": {"x": NaN}}', 400),
    "invalid UTF-8": (b'{"query": "{ __typename } #\xff"}', 400),
    "UTF-16": ('{"query": "{ __typename }"}'.encode("utf-16"), 400),
    "lone surrogate": (b'{"query": "{ __typename } #\\ud800"}', 400),
    "cut": (b'{"query": "{ __typ', 400),
    "nested lists": (b"[" * 100_000, 400),
    "nested in variables": (b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 900 + b"]" * 900 + b"}}", 200),
    "too large": (b'{"query": "' + b"x" * LARGEST_BODY + b'"}', 413),
    "large number": (b'{"query": "{ __typename }", "variables": {"x": 1' + b"0" * 400 + b"}}", 400),
    "NUL": (b'{"query": "{ __typename }\\u0000"}', 200),
    "good": (GOOD, 200),
    "good with a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400),
}


async def post(world: World, body: bytes, path: str = "/graphql", **headers: str) -> Any:
    sent = {"Authorization": "Bearer a", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.client.post(path, content=body, headers=sent)


@pytest.mark.parametrize("path", ["/graphql", "/storefront/graphql"])
async def test_every_body_gets_an_answer(world: World, path: str) -> None:
    for name, (body, status) in BODIES.items():
        reply = await post(world, body, path)
        assert (name, reply.status_code) == (name, status)
        assert reply.headers["content-type"] == "application/json; charset=utf-8"
        if status != 200:
            [error] = reply.json()["errors"]
            assert error["message"]
            assert set(error["extensions"]) == {"code", "requestId"}
            assert error["extensions"]["requestId"] == reply.headers["x-request-id"]


CONTENT_TYPES = (
        ("application/json", 200), ("APPLICATION/JSON", 200), ("application/json; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200), ("application/json; charset=latin-1", 415), ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415), ("multipart/form-data; boundary=x", 415), ("", 415),
        ("application/graphql", 415), ("application/json2", 415), ("text/plain; application/json", 415),
)  # fmt: skip


async def test_only_json_is_read(world: World) -> None:
    for content_type, status in CONTENT_TYPES:
        assert (content_type, (await post(world, GOOD, Content_Type=content_type)).status_code) == (
            content_type,
            status,
        )


async def test_a_compressed_body_and_other_methods_are_refused(world: World) -> None:
    assert (await post(world, GOOD, Content_Encoding="gzip")).status_code == 415
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await world.client.request(method, "/graphql")).status_code == 405


async def test_reading_by_get_works_and_writing_by_get_does_not(world: World) -> None:
    headers = {"Authorization": "Bearer a"}
    good = await world.client.get("/graphql", params={"query": "{ shop { name } }"}, headers=headers)
    assert good.json()["data"] == {"shop": {"name": "shop-a"}}
    bad = await world.client.get(
        "/graphql", params={"query": "mutation { syncStart { userErrors { code } } }"}, headers=headers
    )
    assert (bad.status_code, bad.headers["allow"], world.jobs.asked) == (405, "POST", [])
    both = "query A { shop { name } } mutation B { syncStart { userErrors { code } } }"
    chosen = await world.client.get("/graphql", params={"query": both, "operationName": "B"}, headers=headers)
    assert (chosen.status_code, world.jobs.asked) == (405, [])
    for params in ({"query": "{ __typename }", "variables": "[1"}, {"query": "{ __typename }", "variables": "[]"}, {}):
        assert (await world.client.get("/graphql", params=params, headers=headers)).status_code == 400
    twice = await world.client.get("/graphql?query={a}&query={b}", headers=headers)
    assert twice.status_code == 400


async def test_no_credential_is_401_with_the_header_that_fetches_a_new_one(world: World) -> None:
    for path in ("/graphql", "/storefront/graphql"):
        reply = await world.client.post(path, json={"query": "{ __typename }"})
        assert reply.status_code == 401
        assert reply.headers["x-shopify-retry-invalid-session-request"] == "1"
        assert reply.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


ACCEPTS = (
        ("application/json", "application/json"), ("*/*", "application/json"), ("", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/graphql-response+json, application/json;q=0.9", "application/graphql-response+json"),
        ("application/graphql-response+json;q=0, */*", "application/json"), ("text/html, */*", "application/json"),
        ("image/png", None), ("application/json;q=0", None),
)  # fmt: skip


async def test_the_answer_comes_in_the_media_type_asked_for(world: World) -> None:
    for accept, answer in ACCEPTS:
        reply = await post(world, GOOD, Accept=accept)
        told = (reply.status_code, reply.headers["content-type"])
        assert (accept, told) == (
            accept,
            (406, "application/json; charset=utf-8") if answer is None else (200, f"{answer}; charset=utf-8"),
        )


async def test_strangers_get_no_permission_to_read_across_origins(world: World) -> None:
    reply = await post(world, GOOD, Origin="https://evil.example")
    assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_the_explorer_is_one_page_that_loads_nothing_from_elsewhere(world: World) -> None:
    reply = await world.client.get("/graphql", headers={"Accept": "text/html,*/*"})
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert "http://" not in reply.text
    assert "https://" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]
