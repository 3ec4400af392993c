"""Webhooks: nothing believed before its signature, nothing answered 2xx before it is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from integrations.shopify.oauth import TokenGrant
from plugin.installations import store_installation
from plugin.ledger.store import Store
from plugin.settings import Settings
from plugin.web.webhooks import LARGEST_BODY
from tests.support.doors import Doors, open_doors, uninstalled
from tests.support.platform_requests import NOW, SHOP, webhook_headers
from tests.support.scripted_shop import ScriptedShop

BODY = b'{"id": 820982911946154508, "note": "Zo\xc3\xab" }'
GRANT = TokenGrant(
    access_token="shpat_1", scopes=frozenset(), access_expires_at=None, refresh_token=None, refresh_expires_at=None
)


@pytest.fixture
async def doors(settings: Settings, store: Store) -> AsyncIterator[Doors]:
    await store_installation(store, SHOP, GRANT, NOW)
    async with open_doors(settings, store, ScriptedShop()) as opened:
        yield opened


async def post(doors: Doors, body: bytes = BODY, **changed: str) -> httpx.Response:
    return await doors.http.post("/webhooks", content=body, headers=webhook_headers(body, **changed))


async def deliveries(doors: Doors) -> list[tuple[Any, ...]]:
    return await doors.store.database.fetch(
        "SELECT shop_id, webhook_id, domain, topic, sealed_body, state FROM inbox /* every shop */ ORDER BY webhook_id"
    )


async def test_a_signed_delivery_is_stored_sealed_and_then_answered(doors: Doors) -> None:
    response = await post(doors)
    assert response.status_code == 200
    [(shop_id, webhook_id, domain, topic, sealed, state)] = await deliveries(doors)
    assert (shop_id, domain, topic, state) == (1, SHOP, "orders/create", "new")
    assert webhook_id == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert doors.store.vault.open(sealed).encode("latin-1") == BODY
    assert doors.jobs.noted == [("inbox", 1)]


BENT: dict[str, dict[str, str]] = {
    "no signature": {"X-Shopify-Hmac-Sha256": ""},
    "not base64": {"X-Shopify-Hmac-Sha256": "***"},
    "wrong length": {"X-Shopify-Hmac-Sha256": "AAAA"},
    "of other bytes": {"X-Shopify-Hmac-Sha256": webhook_headers(BODY.replace(b" ", b""))["X-Shopify-Hmac-Sha256"]},
    "of another app": {"X-Shopify-Hmac-Sha256": webhook_headers(BODY, secret="other")["X-Shopify-Hmac-Sha256"]},
    "in hexadecimal": {"X-Shopify-Hmac-Sha256": "0" * 64},
}


@pytest.mark.parametrize("changed", BENT.values(), ids=BENT.keys())
async def test_a_forged_delivery_is_refused_and_not_stored(doors: Doors, changed: dict[str, str]) -> None:
    response = await post(doors, **changed)
    assert (response.status_code, await deliveries(doors), doors.jobs.noted) == (401, [], [])


async def test_a_signature_in_other_letters_or_missing_is_refused(doors: Doors) -> None:
    headers: Any = {**webhook_headers(BODY), "X-Shopify-Hmac-Sha256": "é" * 44}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert (await doors.http.post("/webhooks", content=BODY, headers=raw)).status_code == 401
    assert (await doors.http.post("/webhooks", content=BODY)).status_code == 401
    assert await deliveries(doors) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"X-Shopify-Topic": ""},
        {"X-Shopify-Webhook-Id": ""},
        {"X-Shopify-Shop-Domain": ""},
        {"X-Shopify-Shop-Domain": "evil.com"},
        {"X-Shopify-Webhook-Id": "w" * 300},
    ],
)
async def test_a_signed_delivery_without_a_usable_name_is_refused_with_a_reason(
    doors: Doors, changed: dict[str, str]
) -> None:
    response = await post(doors, **changed)
    assert (response.status_code, await deliveries(doors)) == (400, [])
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"not JSON", b"\xff\x00", b"[" * 1_000, b'"\\ud800"'])
async def test_whatever_is_signed_is_stored_byte_for_byte(doors: Doors, body: bytes) -> None:
    assert (await post(doors, body)).status_code == 200
    [row] = await deliveries(doors)
    assert doors.store.vault.open(row[4]).encode("latin-1") == body


async def test_fifty_at_once_of_one_delivery_are_stored_once_and_all_answered(doors: Doors) -> None:
    answers = await asyncio.gather(*(post(doors) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await deliveries(doors)) == 1
    assert doors.jobs.noted == [("inbox", 1)]


async def test_a_body_beyond_the_bound_is_refused_before_it_is_checked(doors: Doors) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 4 * LARGEST_BODY:
            sent += 2**20
            yield b"x" * 2**20

    response = await doors.http.post("/webhooks", content=endless(), headers=webhook_headers(BODY))
    assert (response.status_code, await deliveries(doors)) == (413, [])


async def test_when_the_worker_cannot_be_woken_the_delivery_is_still_safe(doors: Doors) -> None:
    doors.jobs.broken = True
    assert (await post(doors)).status_code == 200
    assert len(await deliveries(doors)) == 1


async def test_a_queue_that_does_not_answer_holds_no_acknowledgement_up(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_kind: str, _shop: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(doors.jobs, "nudge", never)
    monkeypatch.setattr("plugin.web.webhooks._NUDGING", 0.05)
    assert (await post(doors)).status_code == 200
    assert len(await deliveries(doors)) == 1


async def test_when_it_cannot_be_stored_it_is_asked_for_again(doors: Doors) -> None:
    await doors.store.database.execute("ALTER TABLE inbox RENAME TO inbox_away /* every shop */")
    response = await post(doors)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "inbox" not in response.text
    await doors.store.database.execute("ALTER TABLE inbox_away RENAME TO inbox /* every shop */")
    assert (await post(doors)).status_code == 200
    assert doors.jobs.noted == [("inbox", 1)]


async def test_a_shop_we_never_knew_and_one_that_left_are_answered_and_recorded(doors: Doors, store: Store) -> None:
    stranger = {"X-Shopify-Shop-Domain": "new.myshopify.com", "X-Shopify-Topic": "customers/redact"}
    assert (await post(doors, **stranger)).status_code == 200
    await uninstalled(store, 1)
    assert (await post(doors, **{"X-Shopify-Topic": "shop/redact", "X-Shopify-Webhook-Id": "w2"})).status_code == 200
    assert [(row[0], row[3]) for row in await deliveries(doors)] == [(0, "customers/redact"), (1, "shop/redact")]
    assert doors.jobs.noted == [("inbox", 1)]


async def test_a_time_the_shop_wrote_oddly_is_no_reason_to_refuse(doors: Doors) -> None:
    assert (await post(doors, **{"X-Shopify-Triggered-At": "yesterday"})).status_code == 200
    assert await doors.store.database.fetch("SELECT triggered_at FROM inbox /* every shop */") == [(None,)]


async def test_only_post_is_a_delivery(doors: Doors) -> None:
    assert (await doors.http.get("/webhooks")).status_code == 405
