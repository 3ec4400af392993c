"""From an event to an answered request: deliveries are made once, and sent until they are taken or given up.

A delivery is made in the transaction that moves its endpoint on, so none is lost or made twice; a request may be sent
again when we are killed before its answer is on record, always with the same `webhook-id`, by which a receiver knows.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
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
from plugin.outgoing.addresses import NotPublicError, Resolve, addresses_for, resolved
from plugin.outgoing.endpoints import (
    DELIVERED,
    FAILED,
    PENDING,
    REVOKED,
    Endpoint,
    Letter,
    change_endpoint,
    endpoints_of,
    is_revoked,
    letter_of,
)
from plugin.shops import ShopContext

_AT_ONCE: Final = 200  # events of one transaction, deliveries of one look
_WITHIN: Final = 15.0  # seconds of one request
_CONNECTING: Final = 4.0  # seconds, to one address
_TRIED: Final = 3  # addresses of a name
_SLOW: Final = 5.0  # seconds after which an answer ends its endpoint's turn: a job holds a place that others wait for
_IN_A_ROW: Final = 3  # failures that end it: one bad delivery must not hold up the others, nor a dead receiver us
_RUN: Final = 30.0  # seconds after which a job begins no further request; the next minute's goes on
_MOST_READ: Final = 64 * 1024  # bytes of an answer, which is not kept
_GONE: Final = 410
_LATER: Final = frozenset({None, 429, 503})  # no answer, or one that asks us to wait
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
    """Requests to strangers. `loopback`: this machine may be sent to; `transport` replaces the network. `tls` is made
    once: reading the authorities takes longer than all the rest of a request."""

    loopback: bool = False
    resolve: Resolve = resolved
    transport: httpx.AsyncBaseTransport | None = None
    tls: ssl.SSLContext = field(default_factory=partial(httpx.create_ssl_context, trust_env=False))

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_WITHIN):
                judged = await addresses_for(host, port, loopback=self.loopback, resolve=self.resolve)
                return await self._sent_to_one(judged[:_TRIED], httpx.URL(url), host, headers, body)
        except NotPublicError as error:
            return Answer(None, str(error))
        except TimeoutError:
            return Answer(None, f"No answer within {_WITHIN:.0f} seconds.")
        except Exception as error:  # noqa: BLE001 - a stranger's server decides what goes wrong, and no other must suffer
            return Answer(None, f"The connection failed ({type(error).__name__}).")

    async def _sent_to_one(
        self, addresses: Sequence[str], url: httpx.URL, host: str, headers: dict[str, str], body: str
    ) -> Answer:
        """To the first that a connection can be made to: not every machine reaches both families of addresses."""
        *others, last = addresses
        for address in others:
            try:
                return await self._sent(url, host, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent
                continue
        return await self._sent(url, host, last, headers, body)

    async def _sent(self, url: httpx.URL, host: str, address: str, headers: dict[str, str], body: str) -> Answer:
        """To the address that was judged; the certificate must still be the host's. No proxy of the environment, which
        would look the name up again; no redirect is followed."""
        client = httpx.AsyncClient(  # one a request: by its pool two hosts of one address would share a certificate
            verify=self.tls,
            timeout=httpx.Timeout(_WITHIN, connect=_CONNECTING),
            follow_redirects=False,
            trust_env=False,
            transport=self.transport,
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
        """Make what deliveries there are to make and send what is due, endpoints side by side. Trouble with one does
        not stop the others; it is raised when they are done."""
        ends = self.clock() + _RUN
        there = [each for each in await endpoints_of(self.store, shop.id) if each.disabled_at is None]
        served = await asyncio.gather(*(self._serve(shop, each, ends) for each in there), return_exceptions=True)
        for outcome in served:
            if isinstance(outcome, BaseException):
                raise outcome
        done = [outcome for outcome in served if not isinstance(outcome, BaseException)]
        return {"made": sum(made for made, _ in done), "sent": sum(sent for _, sent in done)}

    async def _serve(self, shop: ShopContext, endpoint: Endpoint, ends: float) -> tuple[int, int]:
        if endpoint.token_id is not None and await is_revoked(self.store.database, shop.id, endpoint.token_id):
            await self._switch_off(shop, endpoint, REVOKED)
            return 0, 0
        halfway = (self.clock() + ends) / 2  # however much has come true, what was made before is sent, too
        return await self._make(shop, endpoint, halfway), await self._send_to(shop, endpoint, ends)

    async def _make(self, shop: ShopContext, endpoint: Endpoint, ends: float) -> int:
        made, seen = 0, endpoint.seen
        while told := await told_since(self.store.database, shop.id, seen, at_most=_AT_ONCE):
            wanted = [each for each in told if each.event.kind is endpoint.kind]
            try:
                answered = await self.payloads(shop, endpoint, wanted) if wanted else []
            except BadRequestError as error:
                await self._switch_off(shop, endpoint, str(error))
                return made
            rows = await self._kept(shop, endpoint, (seen, told[-1].number), answered)
            if rows is None:
                return made
            made, seen = made + rows, told[-1].number
            if self.clock() >= ends:
                break
        return made

    async def _kept(
        self, shop: ShopContext, endpoint: Endpoint, span: tuple[int, int], answered: Sequence[tuple[Told, str | None]]
    ) -> int | None:
        """How many deliveries were made of the events after and up to the numbers in `span`; None where the endpoint
        was switched off, asks for something else by now, or another process was here.

        What was asked for may hold a person who has been redacted since: her events are gone, and nothing is made of
        them. Those that are there are held until ours is to be seen, so that a redaction that waits finds it."""
        at, database = to_us(self.now()), self.store.database
        async with database.transaction() as session:
            moved = await session.execute(
                "UPDATE webhook_endpoints SET seen = $4 WHERE shop_id = $1 AND id = $2 AND seen = $3"
                " AND query = $5 AND scopes = $6 AND disabled_at IS NULL",
                shop.id, endpoint.id, *span, endpoint.query, ",".join(sorted(endpoint.scopes)),
            )  # fmt: skip
            if not moved:
                return None
            held = " FOR SHARE" if database.dialect == "postgres" else ""
            there = await session.fetch(
                "SELECT number, customer_id FROM shop_events WHERE shop_id = $1 AND number > $2 AND number <= $3"
                f" ORDER BY number{held}",
                shop.id, *span,
            )  # fmt: skip
            of_whom: dict[int, int | None] = dict(there)
            rows = [
                (
                    shop.id,
                    endpoint.id,
                    each.number,
                    of_whom[each.number],
                    self.store.vault.seal(payload),
                    PENDING,
                    0,
                    at,
                    at,
                )
                for each, payload in answered
                if payload is not None and each.number in of_whom
            ]
            await session.upsert(_DELIVERIES, rows)
        return len(rows)

    async def _send_to(self, shop: ShopContext, endpoint: Endpoint, ends: float) -> int:
        """In their order, until nothing is due or the endpoint's turn is over. Each is read when it is sent: what was
        redacted, or whose endpoint has moved, a moment ago is not sent as it was."""
        sent = in_a_row = 0
        while self.clock() < ends:
            due = await self.store.database.fetch(
                "SELECT number FROM webhook_deliveries WHERE shop_id = $1 AND endpoint_id = $2"
                f" AND state = '{PENDING}' AND next_at <= $3 ORDER BY next_at, number LIMIT {_AT_ONCE}",
                shop.id, endpoint.id, to_us(self.now()),
            )  # fmt: skip
            for (number,) in due:
                began = self.clock()
                letter = await letter_of(self.store, shop.id, endpoint.id, number, now=to_us(self.now()))
                if began >= ends or letter is None:
                    return sent
                if letter.payload is None:
                    continue
                answer = await self._tried(message_id(shop.id, endpoint.id, number), letter, letter.payload)
                sent += 1
                await self._record(shop, endpoint, number, letter.attempts + 1, answer)
                in_a_row = 0 if answer.taken else in_a_row + 1
                waits = not answer.taken and (answer.status in _LATER or in_a_row >= _IN_A_ROW)
                if waits or self.clock() - began > _SLOW:
                    return sent
            if len(due) < _AT_ONCE:
                break
        return sent

    async def _tried(self, name: str, letter: Letter, payload: str) -> Answer:
        now = self.now()
        signatures = [Webhook(secret).sign(name, now, payload) for secret in letter.secrets]
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
            "user-agent": "Rebloom",
        }
        answer = await self.sender.post(letter.url, headers, payload)
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
