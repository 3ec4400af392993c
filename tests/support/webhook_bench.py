"""A partner's server and the work of one process for it, over the two shops of `graphql_world`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graphql_schema.webhooks.payloads import QueryPayloads
from plugin.domain.events import Event, EventKind
from plugin.domain.instants import to_us
from plugin.ledger.events import tell
from plugin.outgoing.sending import Outgoing, Sender
from tests.support.graphql_world import REASON, World
from tests.support.live_server import live

QUERY = "subscription { stageChanged { to { key } customer { id email } } }"
CREATE = """mutation Make($url: String!, $query: String!) { webhookEndpointCreate(url: $url, query: $query) {
  endpoint { id url event enabled query } secret userErrors { field code message } } }"""
LIST = "{ webhookEndpoints { id enabled disabledReason failingSince } }"
SENT = """query Sent($id: ID!) { webhookDeliveries(endpointId: $id, first: 10) {
  nodes { id state attempts status error nextAttemptAt payload } } }"""


@dataclass
class Receiver:
    """A partner's server: answers `status`, or the statuses of `script` first."""

    url: str = ""
    status: int = 204
    script: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], str]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), (await request.body()).decode()))
        return Response(status_code=self.script.pop(0) if self.script else self.status)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with live(Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])) as base:
        receiver.url = f"{base}/hook"
        yield receiver


@dataclass
class Bench:
    """`now` is the clock of the jobs."""

    world: World
    receiver: Receiver
    now: datetime

    async def made(self, query: str = QUERY, caller: str = "a") -> tuple[str, str]:
        answer = await self.world.data(CREATE, caller=caller, url=self.receiver.url, query=query)
        made = answer["webhookEndpointCreate"]
        assert made["userErrors"] == []
        return made["endpoint"]["id"], made["secret"]

    async def moved(self, customer: int, to: str = "departing", shop: str = "a", **changes: Any) -> None:
        event = Event(
            kind=EventKind.STAGE_CHANGED, at=to_us(self.now), customer_id=customer, subject="buyer-activity",
            from_stage="active", to_stage=to, because=REASON,
        )  # fmt: skip
        async with self.world.store.database.transaction() as session:
            await tell(session, getattr(self.world, shop).id, [replace(event, **changes)], now=to_us(self.now))

    def outgoing(self, sender: Sender | None = None) -> Outgoing:
        payloads = QueryPayloads(self.world.store, self.world.jobs, lambda: self.now)
        return Outgoing(self.world.store, sender or Sender(loopback=True), payloads, lambda: self.now)

    async def run(self, shop: str = "a") -> dict[str, int]:
        return await self.outgoing().run(getattr(self.world, shop))

    async def sent(self, endpoint: str, caller: str = "a") -> list[dict[str, Any]]:
        answer = await self.world.data(SENT, caller=caller, id=endpoint)
        return answer["webhookDeliveries"]["nodes"]

    async def rows(self) -> list[tuple[Any, ...]]:
        fetch = self.world.store.database.fetch
        return [
            *await fetch("SELECT * FROM webhook_endpoints ORDER BY shop_id, id /* every shop */"),
            *await fetch("SELECT * FROM webhook_deliveries ORDER BY shop_id, endpoint_id, number /* every shop */"),
        ]
