"""Delivering webhooks: signed, in the background, repeated until a 2xx."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

import httpx

from integrations.devshop.signing import base64_hmac

if TYPE_CHECKING:
    from integrations.devshop.faults import Faults, WebhookFault
    from integrations.devshop.shop import Delivery, ShopState

TIMEOUT = httpx.Timeout(5.0, connect=1.0)
AT_ONCE = 16


def webhook_headers(shop: ShopState, delivery: Delivery) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        "X-Shopify-Topic": delivery.topic,
        "X-Shopify-Hmac-Sha256": base64_hmac(shop.app.secret, delivery.body),
        "X-Shopify-Shop-Domain": shop.domain,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": delivery.webhook_id,
        "X-Shopify-Event-Id": delivery.event_id,
        "X-Shopify-Triggered-At": delivery.triggered_at,
    }


class Sender:
    """Takes deliveries out of the shops' outboxes; `results` keeps (topic, webhook id, status) of every attempt."""

    def __init__(self, retries: tuple[float, ...], faults: Faults) -> None:
        self.retries = retries
        self.faults = faults
        self.results: list[tuple[str, str, int]] = []
        self.held: list[tuple[ShopState, Delivery]] = []
        self._flying = 0
        self._lock = threading.Lock()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        self.client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.client.aclose()

    def idle(self, shops: list[ShopState]) -> bool:
        with self._lock:
            return self._flying == 0 and not any(shop.outbox or shop.bulk_unfinished() for shop in shops)

    def take(self, shop: ShopState, group: asyncio.TaskGroup) -> None:
        while shop.outbox:
            with self._lock:
                delivery = shop.outbox.popleft()
                going = self._through_faults(shop, delivery)
                self._flying += len(going)
            for owner, each in going:
                group.create_task(self._deliver(owner, each))

    def _through_faults(self, shop: ShopState, delivery: Delivery) -> list[tuple[ShopState, Delivery]]:
        fault = next((each for each in self.faults.webhooks if each.times > 0 and each.topic in delivery.topic), None)
        if fault is None:
            return [(shop, delivery)]
        fault.times -= 1
        if fault.kind == "lose":
            return []
        if fault.kind == "duplicate":
            return [(shop, delivery), (shop, delivery)]
        return self._hold(fault, shop, delivery)

    def _hold(self, fault: WebhookFault, shop: ShopState, delivery: Delivery) -> list[tuple[ShopState, Delivery]]:
        self.held.append((shop, delivery))
        if fault.times > 0:
            return []
        released, self.held = list(reversed(self.held)), []
        return released

    async def _deliver(self, shop: ShopState, delivery: Delivery) -> None:
        try:
            for pause in (*self.retries, None):
                if await self._attempt(shop, delivery):
                    return
                if pause is not None:
                    await asyncio.sleep(pause)
            # Eight refusals in a row: the platform deletes a subscription made through the API.
            if delivery.subscription is not None:
                shop.subscriptions.pop(delivery.subscription, None)
        finally:
            with self._lock:
                self._flying -= 1

    async def _attempt(self, shop: ShopState, delivery: Delivery) -> bool:
        status = 0
        try:
            async with self._gate, asyncio.timeout(5.0):
                answer = await self.client.post(
                    delivery.uri, content=delivery.body, headers=webhook_headers(shop, delivery)
                )
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError):
            status = 0
        self.results.append((delivery.topic, delivery.webhook_id, status))
        return 200 <= status < 300  # noqa: PLR2004  (only 2xx counts; a redirect is a failure)


def summary(results: list[tuple[str, str, int]]) -> dict[str, Any]:
    delivered = sum(1 for _topic, _id, status in results if 200 <= status < 300)  # noqa: PLR2004  (2xx)
    return {"attempts": len(results), "delivered": delivered}
