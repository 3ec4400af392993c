"""`rebloom serve` as a process, every door of it asked over and over, and what each answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from plugin.ledger.store import Store, open_store
from plugin.ledger.touchpoints import new_key
from plugin.settings import Settings
from plugin.shops import ShopContext
from tests.conftest import ENVIRONMENT
from tests.support.invariants import assert_invariants
from tests.support.platform_requests import SHOP, claims, proxy_params, proxy_query, session_token, webhook_headers
from tests.support.processes import free_port, started
from tests.support.shops import install_shop

DOORS = ("webhooks", "graphql", "mutation", "storefront", "touchpoints", "install", "page", "ready")
WRITING = ("webhooks", "mutation", "touchpoints", "install")
GOOD = frozenset({200, 202, 302})
_TELLS = re.compile(r"select |insert |sqlite|postgres|asyncpg|/tmp|/work|traceback|errno", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    door: str
    key: str  # of the delivery, touchpoint or segment
    at: float  # monotonic seconds
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Doors:
    """`replies` in the order they came."""

    base: str
    http: httpx.AsyncClient
    shop: ShopContext
    write_key: str
    pid: int
    replies: list[Reply] = field(default_factory=list)
    _number: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    async def ask(self, door: str) -> Reply:
        number = self._number()
        request = {
            "webhooks": self._webhook, "graphql": self._graphql, "mutation": self._mutation,
            "storefront": self._storefront, "touchpoints": self._touchpoints, "install": self._install,
            "page": self._page, "ready": lambda _: self.http.get("/readyz"),
        }[door](number)  # fmt: skip
        answer = await request
        reply = Reply(door, str(number), time.monotonic(), answer.status_code, dict(answer.headers), answer.text)
        self.replies.append(reply)
        return reply

    @asynccontextmanager
    async def asked_meanwhile(self, doors: tuple[str, ...] = DOORS, every: float = 0.1) -> AsyncIterator[None]:
        """Each door asked again as soon as it answered, until the block ends."""
        done = asyncio.Event()

        async def over_and_over(door: str) -> None:
            while not done.is_set():
                await self.ask(door)
                await asyncio.sleep(every)

        async with asyncio.TaskGroup() as group:
            for door in doors:
                group.create_task(over_and_over(door))
            try:
                yield
            finally:
                done.set()

    async def well_again(self, doors: tuple[str, ...] = DOORS, within: float = 30.0) -> float:
        """Seconds until every door has answered well."""
        began = time.monotonic()
        async with asyncio.timeout(within):
            for door in doors:
                while (await self.ask(door)).status not in GOOD:  # noqa: ASYNC110 - another program answers
                    await asyncio.sleep(0.1)
        return time.monotonic() - began

    def acknowledged(self, door: str) -> set[str]:
        return {reply.key for reply in self.replies if reply.door == door and reply.status in GOOD}

    def check(self, *, troubled: tuple[str, ...] = DOORS) -> None:
        """Nothing but good answers and 503 of the documented form; each of the doors in trouble was asked in it."""
        for reply in self.replies:
            if reply.status not in GOOD:
                assert reply.status == 503, reply
                assert 1 <= int(reply.headers["retry-after"]) <= 30, reply
                assert _TELLS.search(reply.text) is None, reply
                body = json.loads(reply.text)
                if reply.door in {"graphql", "mutation", "storefront"}:
                    assert set(body) == {"errors"}, reply
                    (told,) = body["errors"]
                    assert told["extensions"]["code"] == "UNAVAILABLE", reply
                    assert told["extensions"]["requestId"] == reply.headers["x-request-id"], reply
                elif reply.door != "ready":
                    assert body["error"]["code"] == "UNAVAILABLE", reply
                    assert body["error"]["requestId"] == reply.headers["x-request-id"], reply
            elif reply.door in {"graphql", "mutation", "storefront"}:
                assert "errors" not in json.loads(reply.text), reply
        met = {reply.door for reply in self.replies if reply.status == 503}
        assert met >= set(troubled), f"the fault never happened at {set(troubled) - met}"

    def _webhook(self, number: int) -> Awaitable[httpx.Response]:
        customer = {"id": number, "first_name": "A", "created_at": "2026-01-01T00:00:00Z"}
        body = json.dumps({**customer, "updated_at": "2026-01-02T00:00:00Z"}).encode()
        headers = webhook_headers(body, "customers/update", **{"X-Shopify-Webhook-Id": str(number)})
        return self.http.post("/webhooks", content=body, headers=headers)

    def _ask(self, document: str) -> Awaitable[httpx.Response]:
        token = session_token(claims(int(time.time())))
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.post("/graphql", json={"query": document}, headers=headers)

    def _graphql(self, _: int) -> Awaitable[httpx.Response]:
        return self._ask("{ shop { name } customers(first: 3) { nodes { id stage { stage { key } } } } }")

    def _mutation(self, number: int) -> Awaitable[httpx.Response]:
        return self._ask(
            f'mutation {{ segmentCreate(name: "segment {number}", query: "number_of_orders > {number}")'
            " { segment { id } userErrors { message } } }"
        )

    def _storefront(self, _: int) -> Awaitable[httpx.Response]:
        query = proxy_query(proxy_params("1", timestamp=str(int(time.time()))))
        return self.http.post(f"/storefront/graphql?{query}", json={"query": "{ viewer { stage { key } } }"})

    def _touchpoints(self, number: int) -> Awaitable[httpx.Response]:
        told = [{"id": f"{number}-{each}", "kind": "visit", "visitor": "v"} for each in range(3)]
        return self.http.post(
            "/touchpoints", json={"touchpoints": told}, headers={"Authorization": f"Bearer {self.write_key}"}
        )

    def _install(self, _: int) -> Awaitable[httpx.Response]:
        return self.http.get("/auth", params={"shop": SHOP})

    def _page(self, _: int) -> Awaitable[httpx.Response]:
        return self.http.get("/", params={"shop": SHOP, "id_token": session_token(claims(int(time.time())))})


async def prepared(store: Store) -> tuple[ShopContext, str]:
    """An installed shop that needs nothing of the platform any more, and its write key."""
    from plugin.ledger.tables import Shop

    now = datetime.now(UTC)
    shop = await install_shop(SHOP, installed_at=round(now.timestamp() * 1_000_000))
    sealed = store.vault.seal("shpat_of_nobody")  # the shop itself is not there: nothing here asks it
    await Shop.filter(id=shop.id).update(platform_id=1, access_token=sealed, refresh_token=None)
    await store.database.execute(
        "INSERT INTO sync_states (shop_id, phase, customers, orders, order_lines, products, started_at, finished_at)"
        " VALUES ($1, 'done', 0, 0, 0, 0, $2, $2)", shop.id, shop.installed_at
    )  # fmt: skip
    key = await new_key(store.database, shop.id, now=now)
    return replace(shop, platform_id=1), key


@asynccontextmanager
async def served(
    settings: Settings, folder: Path, *, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None
) -> AsyncIterator[Doors]:
    """Every door of `rebloom serve` on a database that is migrated and empty; its log is `folder`/log."""
    async with open_store(settings) as store:
        shop, key = await prepared(store)
    port = free_port()
    url = settings.database_url.replace("sqlite:///", "sqlite:////")  # normalised it would be read as a relative path
    environment = {**ENVIRONMENT, "REBLOOM_DATABASE_URL": url, **(env or {})}
    command = ("plugin", "serve", "--port", str(port))
    base = f"http://127.0.0.1:{port}"
    with started(*command, env=environment, before=before, stderr=folder / "log") as process:
        async with httpx.AsyncClient(base_url=base, timeout=60) as http:
            doors = Doors(base, http, shop, key, process.pid)
            async with asyncio.timeout(60):
                while not await _ready(http):  # noqa: ASYNC110 - another program starts
                    await asyncio.sleep(0.1)
            yield doors


async def _kept(store: Store) -> tuple[set[str], set[str]]:
    deliveries = await store.database.fetch("SELECT webhook_id FROM inbox /* every shop */")
    told = await store.database.fetch("SELECT event_id FROM touchpoints /* every shop */")
    return {row[0] for row in deliveries}, {row[0] for row in told}


async def nothing_lost_and_nothing_half(doors: Doors, settings: Settings, within: float = 60.0) -> float:
    """Seconds until every delivery was applied; what was acknowledged is there, what is there is whole."""
    began, waiting = time.monotonic(), "SELECT 1 FROM inbox /* every shop */ WHERE state = 'new' LIMIT 1"
    async with open_store(settings) as store:
        async with asyncio.timeout(within):
            while await store.database.fetch(waiting):  # noqa: ASYNC110 - another program works
                await asyncio.sleep(0.2)
        took = time.monotonic() - began
        deliveries, told = await _kept(store)
        assert deliveries >= doors.acknowledged("webhooks")
        assert told >= {f"{key}-{each}" for key in doors.acknowledged("touchpoints") for each in range(3)}
        whole = {key.partition("-")[0] for key in told}
        assert told == {f"{key}-{each}" for key in whole for each in range(3)}
        customers = await store.database.fetch("SELECT id FROM customers WHERE shop_id = $1", doors.shop.id)
        assert {str(number) for (number,) in customers} == deliveries
        await assert_invariants(store, now=lambda: datetime.now(UTC))
    return took


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False
