"""`POST /touchpoints`: the public key writes what a browser may claim, a partner token what its scope allows."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from plugin.errors import RebloomError
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import new_key
from plugin.partners import create_token
from plugin.web import app as web
from plugin.web import touchpoints
from tests.support.doors import NotedJobs
from tests.support.shops import install_shop
from tests.support.small_shop import NOW, put

VISIT = {"id": "1", "kind": "visit", "visitor": "v-1"}


@dataclass
class Door:
    http: httpx.AsyncClient
    store: Store
    jobs: NotedJobs
    keys: dict[str, str]

    async def post(self, body: Any, credential: str | None = "pixel", **options: Any) -> httpx.Response:
        headers = {} if credential is None else {"Authorization": f"Bearer {self.keys.get(credential, credential)}"}
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        return await self.http.post("/touchpoints", content=content, headers=headers | options.get("headers", {}))

    async def kept(self) -> list[tuple[Any, ...]]:
        return await self.store.database.fetch(
            "SELECT shop_id, source, event_id, customer_id, kind FROM touchpoints /* every shop */ ORDER BY 1, 2, 3"
        )


@pytest.fixture
async def door(store: Store) -> AsyncIterator[Door]:
    a, b = await install_shop("a.myshopify.com"), await install_shop("b.myshopify.com")
    await put(store.database, "customers", [{"id": 5}], a.id)
    keys = {
        "pixel": await new_key(store.database, a.id, now=NOW),
        "pixel-b": await new_key(store.database, b.id, now=NOW),
    }
    for name, scope in (("partner", "write_touchpoints"), ("reader", "read_touchpoints")):
        keys[name], _ = await create_token(store, a.id, name, [scope], NOW)
    app = Starlette(routes=touchpoints.routes, exception_handlers={RebloomError: web._refused})
    jobs = NotedJobs()
    app.state.store, app.state.jobs, app.state.now = store, jobs, lambda: NOW
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rebloom.test") as http:
        yield Door(http, store, jobs, keys)


async def test_the_pixel_writes_and_reads_nothing(door: Door) -> None:
    body = {"touchpoints": [VISIT, {**VISIT, "id": "2", "kind": "product_view", "customerId": "5"}]}
    for again in range(2):
        answer = await door.post(body)
        assert answer.status_code == 202
        assert answer.json() == {"recorded": 0 if again else 2, "knownBefore": 2 if again else 0}
        assert answer.headers["access-control-allow-origin"] == "*"
    assert [row[1:] for row in await door.kept()] == [
        ("pixel", "1", 5, "visit"), ("pixel", "2", 5, "product_view"),
    ]  # fmt: skip
    assert len(door.jobs.noted) == 1
    flight = await door.http.options("/touchpoints", headers={"Origin": "null"})
    assert (flight.status_code, flight.headers["access-control-allow-methods"]) == (204, "POST")


async def test_where_no_header_can_be_sent_the_key_stands_in_the_body(door: Door) -> None:
    answer = await door.post({"key": door.keys["pixel-b"], "touchpoints": [VISIT]}, None)
    assert answer.status_code == 202
    [(shop, *_)] = await door.kept()
    assert shop == 2


@pytest.mark.parametrize("kind", ["review", "referral", "email_sent", "support", "order", "offer_accepted", "share"])
async def test_the_public_key_earns_nothing(door: Door, kind: str) -> None:
    answer = await door.post({"touchpoints": [VISIT, {**VISIT, "id": "2", "kind": kind}]})
    assert answer.status_code == 400
    [fault] = answer.json()["error"]["touchpoints"]
    assert (fault["index"], fault["field"]) == (1, "kind")
    assert await door.kept() == []
    partner = await door.post({"touchpoints": [{**VISIT, "kind": kind}]}, "partner")
    assert partner.status_code == (400 if kind in {"order", "offer_accepted"} else 202)


@pytest.mark.parametrize(
    ("credential", "status"),
    [(None, 401), ("", 401), ("rbw_" + "x" * 32, 401), ("rbl_" + "x" * 40, 401), ("x" * 10_000, 401), ("reader", 403)],
)
async def test_no_credential_writes_nothing(door: Door, credential: str | None, status: int) -> None:
    answer = await door.post({"touchpoints": [VISIT]}, credential)
    assert answer.status_code == status
    assert await door.kept() == []


async def test_a_replaced_key_and_a_shop_that_left_are_refused(door: Door) -> None:
    old = door.keys["pixel"]
    door.keys["pixel"] = await new_key(door.store.database, 1, now=NOW)
    assert (await door.post({"touchpoints": [VISIT]}, old)).status_code == 401
    await door.store.database.execute("UPDATE shops SET status = 'uninstalled' WHERE id = 1")
    assert (await door.post({"touchpoints": [VISIT]})).status_code == 401
    assert await door.kept() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"null", 400), (b"[]", 400), (b'"x"', 400), (b"{", 400), (b"\xff\xfe", 400), (b"[" * 5000, 400),
        ({}, 400), ({"touchpoints": []}, 400), ({"touchpoints": {}}, 400), ({"touchpoints": [VISIT], "shop": 2}, 400),
        ({"touchpoints": [VISIT] * 101}, 400), ({"touchpoints": [None]}, 400), ({"touchpoints": [[]]}, 400),
        (b'{"touchpoints": "' + b"x" * 140_000 + b'"}', 413),
    ],
)  # fmt: skip
async def test_what_is_no_batch_is_refused_and_changes_nothing(door: Door, body: Any, status: int) -> None:
    answer = await door.post(body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert await door.kept() == []
