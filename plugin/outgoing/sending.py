"""From an event to an answered request: deliveries are made once, and sent until they are taken or given up.

A delivery is made in the transaction that moves its endpoint on, so none is lost or made twice; a request may be sent
again when we are killed before its answer is on record, always with the same `webhook-id`, by which a receiver knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import structlog
from standardwebhooks import Webhook

from plugin import metrics
from plugin.domain.instants import to_us
from plugin.domain.retries import OFF_AFTER, wait_after
from plugin.errors import BadRequestError
from plugin.ledger.database import Upsert
from plugin.ledger.events import Told, told_since
from plugin.ledger.store import Store
from plugin.outgoing.addresses import NotPublicError, Resolve, address_for, resolved
from plugin.outgoing.endpoints import DELIVERED, FAILED, PENDING, Endpoint, change_endpoint, endpoints_of, secrets_of
from plugin.shops import ShopContext

_AT_ONCE: Final = 200  # events of one transaction, deliveries of one look
_SIDE_BY_SIDE: Final = 8  # endpoints sent to at once
_WITHIN: Final = 15.0  # seconds of one request
_RUN: Final = 45.0  # seconds after which a job begins no further request; the next minute's goes on
_MOST_READ: Final = 64 * 1024  # bytes of an answer, which is not kept
_GONE: Final = 410
_MICROSECOND: Final = 1_000_000
_DELIVERIES: Final = Upsert(
    table="webhook_deliveries",
    columns=(
        "shop_id", "endpoint_id", "number", "customer_id", "payload", "state", "attempts", "next_at", "created_at",
    ),
    key=("shop_id", "endpoint_id", "number"),
)  # fmt: skip
_log = structlog.get_logger(__name__)


class Payloads(Protocol):
    """What an endpoint's query answers to each event: JSON, or None where it does not ask for that one. Raises
    BadRequestError, with what is wrong, when the query can be answered no more."""

    async def __call__(
        self, shop: ShopContext, endpoint: Endpoint, told: Sequence[Told]
    ) -> Sequence[tuple[Told, str | None]]: ...


class Answer(NamedTuple):
    """`status` is HTTP's; None where there was no answer, and `error` says why."""

    status: int | None
    error: str | None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own


@dataclass(frozen=True, slots=True)
class Sender:
    """Requests to strangers. `loopback`: this machine may be sent to; `transport` replaces the network."""

    loopback: bool = False
    resolve: Resolve = resolved
    transport: httpx.AsyncBaseTransport | None = None

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_WITHIN):
                address = await address_for(host, port, loopback=self.loopback, resolve=self.resolve)
                return await self._sent(httpx.URL(url), host, address, headers, body)
        except NotPublicError as error:
            return Answer(None, str(error))
        except TimeoutError:
            return Answer(None, f"No answer within {_WITHIN:.0f} seconds.")
        except (httpx.HTTPError, OSError, ValueError) as error:
            return Answer(None, f"The connection failed ({type(error).__name__}).")

    async def _sent(self, url: httpx.URL, host: str, address: str, headers: dict[str, str], body: str) -> Answer:
        """To the address that was judged; the certificate must still be the host's. No proxy of the environment, which
        would look the name up again; no redirect is followed."""
        client = httpx.AsyncClient(
            timeout=_WITHIN, follow_redirects=False, trust_env=False, transport=self.transport, http2=False
        )
        async with client:
            request = client.build_request(
                "POST", url.copy_with(host=address), content=body.encode(),
                headers={"host": url.netloc.decode("ascii"), "content-type": "application/json", **headers},
                extensions={"sni_hostname": host},
            )  # fmt: skip
            response = await client.send(request, stream=True)
            try:
                read = 0
                async for piece in response.aiter_raw():
                    read += len(piece)
                    if read > _MOST_READ:
                        break
            finally:
                await response.aclose()
        taken = Answer(response.status_code, None)
        return taken if taken.taken else Answer(response.status_code, f"It answered {response.status_code}.")


@dataclass(slots=True)
class Outgoing:
    """The work of one process for endpoints of shops."""

    store: Store
    sender: Sender
    payloads: Payloads
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic

    async def run(self, shop: ShopContext) -> dict[str, int]:
        """Make what deliveries there are to make, then send what is due."""
        made = 0
        for endpoint in await endpoints_of(self.store.database, shop.id):
            if endpoint.disabled_at is None:
                made += await self._make(shop, endpoint)
        return {"made": made, "sent": await self._send(shop)}

    async def _make(self, shop: ShopContext, endpoint: Endpoint) -> int:
        made, seen = 0, endpoint.seen
        while told := await told_since(self.store.database, shop.id, seen, at_most=_AT_ONCE):
            wanted = [each for each in told if each.event.kind is endpoint.kind]
            try:
                answered = await self.payloads(shop, endpoint, wanted) if wanted else []
            except BadRequestError as error:
                await self._switch_off(shop, endpoint, str(error))
                return made
            at = to_us(self.now())
            rows = [
                (
                    shop.id, endpoint.id, each.number, each.event.customer_id, self.store.vault.seal(payload), PENDING,
                    0, at, at,
                )
                for each, payload in answered
                if payload is not None
            ]  # fmt: skip
            async with self.store.database.transaction() as session:
                moved = await session.execute(
                    "UPDATE webhook_endpoints SET seen = $4 WHERE shop_id = $1 AND id = $2 AND seen = $3"
                    " AND disabled_at IS NULL",
                    shop.id, endpoint.id, seen, told[-1].number,
                )  # fmt: skip
                if not moved:  # switched off, or another process was here
                    return made
                await session.upsert(_DELIVERIES, rows)
            made, seen = made + len(rows), told[-1].number
        return made

    async def _send(self, shop: ShopContext) -> int:
        """Each endpoint's in their order, endpoints side by side; one that fails waits for its next turn."""
        ends, sent = self.clock() + _RUN, 0
        places = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def to(endpoint: Endpoint) -> int:
            async with places:
                return await self._send_to(shop, endpoint, ends)

        there = [each for each in await endpoints_of(self.store.database, shop.id) if each.disabled_at is None]
        for count in await asyncio.gather(*(to(endpoint) for endpoint in there)):
            sent += count
        return sent

    async def _send_to(self, shop: ShopContext, endpoint: Endpoint, ends: float) -> int:
        sent = 0
        while self.clock() < ends:
            now = to_us(self.now())
            due = await self.store.database.fetch(
                "SELECT number, payload, attempts FROM webhook_deliveries WHERE shop_id = $1 AND endpoint_id = $2"
                f" AND state = '{PENDING}' AND next_at <= $3 ORDER BY next_at, number LIMIT {_AT_ONCE}",
                shop.id, endpoint.id, now,
            )  # fmt: skip
            for number, sealed, attempts in due:
                if self.clock() >= ends:
                    return sent
                answer = await self._tried(shop, endpoint, number, self.store.vault.open(sealed))
                if answer is None:
                    return sent
                sent += 1
                await self._record(shop, endpoint, number, attempts + 1, answer)
                if not answer.taken:
                    return sent
            if len(due) < _AT_ONCE:
                break
        return sent

    async def _tried(self, shop: ShopContext, endpoint: Endpoint, number: int, payload: str) -> Answer | None:
        """None when the endpoint is gone or off by now."""
        now = self.now()
        signers = await secrets_of(self.store, shop.id, endpoint.id, now=to_us(now))
        if not signers:
            return None
        name = message_id(shop.id, endpoint.id, number)
        signatures = [Webhook(secret).sign(name, now, payload) for secret in signers]
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
            "user-agent": "Rebloom",
        }
        answer = await self.sender.post(endpoint.url, headers, payload)
        metrics.WEBHOOKS_SENT.labels("taken" if answer.taken else "refused").inc()
        return answer

    async def _record(self, shop: ShopContext, endpoint: Endpoint, number: int, attempts: int, answer: Answer) -> None:
        at = to_us(self.now())
        wait = None if answer.taken else wait_after(attempts, number)
        state = DELIVERED if answer.taken else PENDING if wait is not None else FAILED
        next_at = None if wait is None else at + round(wait * _MICROSECOND)
        async with self.store.database.transaction() as session:
            await session.execute(
                "UPDATE webhook_deliveries SET state = $4, attempts = $5, next_at = $6, last_at = $7, status = $8,"
                f" error = $9 WHERE shop_id = $1 AND endpoint_id = $2 AND number = $3 AND state = '{PENDING}'",
                shop.id, endpoint.id, number, state, attempts, next_at, at, answer.status, answer.error,
            )  # fmt: skip
            failing = "NULL" if answer.taken else "COALESCE(failing_since, CAST($3 AS BIGINT))"
            [(since,)] = await session.fetch(
                f"UPDATE webhook_endpoints SET failing_since = {failing} WHERE shop_id = $1 AND id = $2"
                " RETURNING failing_since",
                shop.id, endpoint.id, *(() if answer.taken else (at,)),
            ) or [(None,)]  # fmt: skip
        if answer.status == _GONE:
            await self._switch_off(shop, endpoint, "It answered 410: it is gone and wants no more.")
        elif since is not None and at - since >= OFF_AFTER * _MICROSECOND:
            days = OFF_AFTER // 86_400
            await self._switch_off(shop, endpoint, f"Nothing was taken for {days} days. {answer.error or ''}".strip())

    async def _switch_off(self, shop: ShopContext, endpoint: Endpoint, why: str) -> None:
        _log.warning("webhook_endpoint_off", shop_id=shop.id, endpoint=endpoint.id)
        changes = {"disabled_at": to_us(self.now()), "disabled_why": why[:500]}
        await change_endpoint(self.store, shop.id, endpoint.id, changes)


def message_id(shop_id: int, endpoint_id: int, number: int) -> str:
    """The same for every attempt to tell an endpoint an event, and for no other."""
    return f"msg_{shop_id}_{endpoint_id}_{number}"
