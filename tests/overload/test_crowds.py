"""1,200 half-sent requests, without and with the shipped proxy: everybody else is answered, memory stays bounded."""

import asyncio
from urllib.parse import urlencode

import httpx

from tests.overload.conftest import Process, Proxy
from tests.support.crowd import asked_meanwhile, half_requests
from tests.support.platform_requests import webhook_headers

CROWD = 1_200
MORE = 100 * 2**20  # bytes that a crowd may cost: about 80 KiB each
SECONDS = 3


async def test_the_app_alone_answers_everybody_else(served: Process) -> None:
    before = served.resident()
    async with half_requests(served.port, CROWD) as waiting:
        took = await asked_meanwhile(f"http://127.0.0.1:{served.port}/healthz", SECONDS)
        assert sum(not reader.at_eof() for reader in waiting) == CROWD  # the crowd was there throughout
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as http:
            body = b'{"id": 1}'
            assert (await http.post("/webhooks", content=body, headers=webhook_headers(body))).status_code == 200
        assert served.resident() - before < MORE
    assert max(took) < 1


async def test_behind_the_proxy_everybody_else_is_answered(served: Process, proxied: Proxy) -> None:
    before = proxied.resident() + served.resident()
    async with half_requests(proxied.port, CROWD, proxied.tls) as waiting:
        took = await asked_meanwhile(f"https://127.0.0.1:{proxied.port}/healthz", SECONDS, verify=proxied.tls)
        assert sum(not reader.at_eof() for reader in waiting) == CROWD
        assert proxied.resident() + served.resident() - before < MORE
    assert max(took) < 1


async def test_a_flood_of_touchpoints_is_refused_and_webhooks_keep_their_time(proxied: Proxy) -> None:
    base = f"https://127.0.0.1:{proxied.port}"
    async with (
        httpx.AsyncClient(base_url=base, verify=proxied.tls, timeout=30) as flood,
        httpx.AsyncClient(base_url=base, verify=proxied.tls, timeout=5) as shop,
    ):
        flooding = [asyncio.create_task(flood.post("/touchpoints", json={"touchpoints": []})) for _ in range(400)]
        for number in range(10):
            body = b'{"id": %d}' % number
            headers = webhook_headers(body, **{"X-Shopify-Webhook-Id": f"flood-{number}"})
            assert (await shop.post("/webhooks", content=body, headers=headers)).status_code == 200
        replies = await asyncio.gather(*flooding)
    refused = [reply for reply in replies if reply.status_code == 429]
    assert len(refused) > 20
    assert {reply.headers["retry-after"] for reply in refused} == {"1"}
    assert {reply.json()["error"]["code"] for reply in refused} == {"TOO_MANY_REQUESTS"}


async def test_the_proxy_has_the_apps_limits_and_shows_no_operations(proxied: Proxy) -> None:
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{proxied.port}", verify=proxied.tls) as http:
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get("/readyz")).status_code == 404
        assert (await http.post("/touchpoints", content=b"x" * 131_073)).status_code == 413
        assert (await http.post("/auth", content=b"x" * 70_000)).status_code == 413
        assert (await http.post("/webhooks", content=b"x" * 2_000_000)).status_code == 401
        assert (await http.get("/graphql", headers={"X-Large": "x" * 40_000})).status_code in {400, 431, 494}


async def test_the_visitor_is_who_the_proxy_says_and_a_visitors_own_word_is_dropped(
    served: Process, proxied: Proxy
) -> None:
    headers = {"X-Forwarded-For": "198.51.100.77"}
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{proxied.port}", verify=proxied.tls) as http:
        # Each names another visitor; they are one all the same.
        replies = [
            await http.get("/auth?shop=", headers={"X-Forwarded-For": f"198.51.100.{number}"}) for number in range(230)
        ]
    assert 429 in {reply.status_code for reply in replies}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as proxy_itself:
        assert (
            await proxy_itself.get("/auth?shop=", headers=headers)
        ).status_code == 400  # another visitor's own count


async def test_no_log_line_holds_what_came_in_the_address(served: Process, proxied: Proxy) -> None:
    secret = "c4n4ry" * 6
    query = urlencode({"id_token": secret, "hmac": secret, "code": secret, "shop": f"{secret}@example.com"})
    bearer = {"Authorization": f"Bearer {secret}"}
    for base in (f"https://127.0.0.1:{proxied.port}", f"http://127.0.0.1:{served.port}"):
        async with httpx.AsyncClient(base_url=base, verify=proxied.tls) as http:
            for path in ("/", "/auth", "/auth/callback", "/graphql", "/webhooks", "/touchpoints"):
                assert (await http.post(f"{path}?{query}", headers=bearer)).status_code >= 400
                await http.get(f"{path}?{query}", headers=bearer)
    await asyncio.sleep(0.2)
    assert secret not in served.log.read_text(encoding="utf-8")
    assert secret not in proxied.log.read_text(encoding="utf-8")
    requests = [event for event in served.events() if event["event"] == "request"]
    assert {"path", "method", "status", "ms", "request_id", "timestamp", "level"} <= set(requests[-1])
    assert any(event["path"] == "/auth/callback" for event in requests)
