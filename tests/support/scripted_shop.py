"""A shop as an httpx transport: it remembers what it was asked, and answers as the test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

from integrations.shopify.pacing import Pace

Answer = httpx.Response | Exception
SHOP_NODE = {
    "id": "gid://shopify/Shop/77",
    "name": "Some Shop",
    "myshopifyDomain": "some-shop.myshopify.com",
    "currencyCode": "EUR",
    "ianaTimezone": "Europe/Berlin",
    "primaryDomain": {"host": "some-shop.example"},
}
PAYLOADS: dict[str, dict[str, Any]] = {
    "ShopInfo": {"shop": SHOP_NODE},
    "Subscriptions": {"webhookSubscriptions": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}},
    "Subscribe": {
        "webhookSubscriptionCreate": {
            "webhookSubscription": {"id": "gid://shopify/WebhookSubscription/1"},
            "userErrors": [],
        }
    },
}


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.slept: list[float] = []

    def pace(self, **changed: Any) -> Pace:
        return Pace(**{"clock": lambda: self.at, "sleep": self.sleep, "jitter": lambda: 1.0, **changed})

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def graphql(data: Any = None, *, available: float = 1_990.0, requested: float = 10.0, **more: Any) -> httpx.Response:
    status = {"maximumAvailable": 2_000.0, "currentlyAvailable": available, "restoreRate": 100.0}
    cost = {"requestedQueryCost": requested, "actualQueryCost": requested, "throttleStatus": status}
    return httpx.Response(200, json={"data": data, "extensions": {"cost": cost}, **more})


def throttled(available: float, requested: float = 10.0) -> httpx.Response:
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    return graphql(None, available=available, requested=requested, errors=[error])


def a_grant(number: int, **changed: Any) -> httpx.Response:
    body = {
        "access_token": f"shpat_{number}",
        "scope": "read_orders,write_customers",
        "expires_in": 3600,
        "refresh_token": f"shprt_{number}",
        "refresh_token_expires_in": 7_776_000,
        **changed,
    }
    return httpx.Response(200, json={name: value for name, value in body.items() if value is not None})


class ScriptedShop(httpx.AsyncBaseTransport):
    """`answers` are taken in turn by Admin calls, then each call gets its usual payload; `grants` the same for token
    requests. `good` tokens are let in (None: all)."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[httpx.Request], httpx.Response]] = []
        self.grants: list[Answer] = []
        self.good: set[str] | None = None
        self.calls: list[httpx.Request] = []
        self.forms: list[dict[str, str]] = []

    @property
    def names(self) -> list[str]:
        """The operation of each Admin call."""
        return [self.body(call)["query"].split("(")[0].split("{")[0].split()[-1] for call in self.calls]

    @staticmethod
    def body(call: httpx.Request) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(call.content)
        return content

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        answer = self._token(request) if request.url.path.endswith("/access_token") else self._admin(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _token(self, request: httpx.Request) -> Answer:
        self.forms.append({key: values[0] for key, values in parse_qs(request.content.decode()).items()})
        return self.grants.pop(0) if self.grants else a_grant(len(self.forms))

    def _admin(self, request: httpx.Request) -> Answer:
        self.calls.append(request)
        if self.good is not None and request.headers["X-Shopify-Access-Token"] not in self.good:
            return httpx.Response(401, json={"errors": "[API] Invalid API key or access token"})
        if self.answers:
            answer = self.answers.pop(0)
            return answer(request) if callable(answer) else answer
        return graphql(PAYLOADS[self.names[-1]])
