"""Two equal shops of one dev shop, worked on by the whole client over real HTTP: one has trouble, the other is what the
first must be like at the end. Time is the test's own: only sleeping moves it, on both sides."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
from msgspec import structs

from integrations.devshop.faults import Fault
from integrations.devshop.oauth import EXCHANGE, ID_TOKEN
from integrations.devshop.rows import Data
from integrations.shopify.oauth import TokenGrant, read_token_reply
from plugin.errors import RebloomError
from plugin.installations import Gateways, store_installation
from plugin.jobs.failures import failure_of, waits
from plugin.ledger.store import Store
from plugin.lifecycle.publish import push_tags
from plugin.settings import Settings, read_settings
from plugin.shops import shop_by_id
from plugin.sync.backfill import run_sync
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop
from tests.support.devshop_data import NOW, OTHER_SHOP, SHOP, small_data
from tests.support.devshop_gateway import APP
from tests.support.scripted_shop import FakeTime
from tests.support.small_shop import TODAY, place

STORMY, CALM = SHOP, OTHER_SHOP
CUSTOMERS: Final = range(1, 13)
HTML: Final = "<html><body>Something went wrong</body></html>"
_COST: Final = {
    "requestedQueryCost": 10, "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 2_000, "currentlyAvailable": 0, "restoreRate": 100},
}  # fmt: skip
_THROTTLED: Final = json.dumps(
    {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost": _COST}}
)
WEATHER: Final[tuple[dict[str, Any], ...]] = (
    {"status": 500},
    {"status": 502, "body": HTML, "content_type": "text/html"},
    {"status": 503},
    {"status": 504, "headers": {"Retry-After": "3"}},
    {"status": 200, "body": HTML, "content_type": "text/html"},
    {"status": 200},
    {"status": 200, "body": _THROTTLED},
    {"status": 429},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 429, "headers": {"Retry-After": "-2"}},
    {"status": 429, "headers": {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}},
    {"reset": True},
    {"cut_after": 0},
    {"cut_after": 40},
)
LOSES: Final = "cut_after"  # the shop did it, and its answer is lost


def storm_data() -> Data:
    """The small shop with twelve customers."""
    data = small_data()
    for number in CUSTOMERS[3:]:
        row = structs.replace(data.customers[3], id=number, email=f"c{number}@customers.example", tags=[])
        data.customers[number] = row
    return data


def weather(seed: int, *, requests: int, share: float, path: str = "", operation: str = "") -> list[Fault]:
    """Trouble of every kind for a share of the stormy shop's next requests."""
    random = Random(seed)
    hit = [number for number in range(requests) if random.random() < share]
    kinds = [WEATHER[place % len(WEATHER)] for place in range(len(hit))]
    random.shuffle(kinds)
    return [
        Fault(path=f"{STORMY}{path}", operation=operation, skip=number, **kind)
        for number, kind in zip(hit, kinds, strict=True)
    ]


def happened(fault: Fault) -> bool:
    return fault.seen > fault.skip


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """What goes to the shops. `before` is called with the request before it is sent."""

    sent: list[httpx.Request] = field(default_factory=list)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    before: Callable[[httpx.Request], None] | None = None
    real: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.before is not None:
            self.before(request)
        self.sent.append(request)
        response = await self.real.handle_async_request(request)
        self.answered[request.url.path, response.status_code] += 1
        return response

    async def aclose(self) -> None:
        await self.real.aclose()

    def calls(self, domain: str = STORMY) -> int:
        return sum(f"/{domain}/" in request.url.path for request in self.sent)

    def refreshes(self, domain: str = STORMY) -> int:
        return sum(f"/{domain}/admin/oauth/access_token" in request.url.path for request in self.sent)


@dataclass
class Storm:
    store: Store
    settings: Settings
    dev: RunningDevShop
    time: FakeTime
    folder: Path
    wire: Wire
    ids: dict[str, int] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    gateways: Gateways = field(init=False)

    def __post_init__(self) -> None:
        self.gateways = self._gateways(self.wire)

    def _gateways(self, wire: Wire) -> Gateways:
        return Gateways(self.settings, self.store, self.now, transport=wire, pace=self.time.pace(sleep=self.sleep))

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.time.at - 1_000.0)

    async def sleep(self, seconds: float) -> None:
        """Of the sync; the dev shop's threads are let work meanwhile."""
        await self.time.sleep(seconds)
        await asyncio.sleep(0.002)

    def worker(self) -> tuple[Gateways, Wire]:
        """What another process of ours has of its own."""
        wire = Wire()
        return Gateways(
            self.settings, self.store, self.now, transport=wire, pace=self.time.pace(sleep=self.sleep)
        ), wire

    async def grant(self, domain: str) -> TokenGrant:
        form = {
            "client_id": APP.client_id, "client_secret": APP.secret, "grant_type": EXCHANGE,
            "subject_token": self.dev[domain].session_token(), "subject_token_type": ID_TOKEN, "expiring": "1",
        }  # fmt: skip
        async with httpx.AsyncClient() as http:
            reply = await http.post(f"{self.dev.url(domain)}/admin/oauth/access_token", data=form)
        return read_token_reply(reply.status_code, reply.content, self.now())

    async def sync(self, domain: str, gateways: Gateways | None = None) -> None:
        shop = await shop_by_id(self.store.database, self.ids[domain])
        gateway = await (gateways or self.gateways).for_shop(shop.id)
        await run_sync(
            self.store, shop, gateway, now=self.now, progress=lambda _: None, work_dir=self.folder / domain,
            sleep=self.sleep,
        )  # fmt: skip

    async def place(self, domain: str, stage: str) -> None:
        for who in CUSTOMERS:
            await place(self.store.database, who, stage, shop_id=self.ids[domain], since_day=TODAY)

    async def push(self, domain: str, gateways: Gateways | None = None) -> None:
        shop = await shop_by_id(self.store.database, self.ids[domain])
        await push_tags(self.store, shop, await (gateways or self.gateways).for_shop(shop.id), now=self.now)

    async def as_job(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Until it is done, with the waits of the queue; fails where the queue would give it up."""
        for attempt in range(1_000):
            try:
                return await work()
            except RebloomError as error:
                wait = waits(failure_of(error), attempt)
                if wait is None:
                    raise
                self.attempts[name] += 1
            await self.sleep(wait)
        raise AssertionError("the queue would have given up long ago")

    async def held(self, domain: str) -> dict[str, list[tuple[Any, ...]]]:
        """What stands in the ledger of this shop, in one canonical form."""
        return {
            table: await self.store.database.fetch(
                f"SELECT {columns} FROM {table} WHERE shop_id = $1 ORDER BY {columns}", self.ids[domain]
            )
            for table, columns in _TABLES.items()
        }

    def tags(self, domain: str) -> dict[int, list[str]]:
        return {who: row.tags for who, row in self.dev[domain].state.data.customers.items()}

    def metafields(self, domain: str) -> list[tuple[Any, ...]]:
        rows = self.dev[domain].state.metafields.rows
        return sorted((*place, row.value) for place, row in rows.items())

    async def assert_same(self) -> None:
        """The stormy shop is like the calm one, here and there."""
        assert await self.held(STORMY) == await self.held(CALM)
        assert self.tags(STORMY) == self.tags(CALM)
        assert self.metafields(STORMY) == self.metafields(CALM)


_TABLES: Final = {
    "customers": "id, created_at, account_status, shop_orders, shop_spend, deleted_at",
    "products": "id, title, status, price, deleted_at",
    "variants": "id, product_id, sku, price",
    "orders": "id, customer_id, processed_at, total, refunded, current_total, items, deleted_at",
    "order_lines": "id, order_id, product_id, quantity, total",
    "set_aside": "source, position",
    "tag_records": "customer_id, tag, state",
    "push_states": "customer_id, stage, stage_since_day, refusal",
    "push_files": "kind, operation",
}


@contextmanager
def effects_counted() -> Iterator[Counter[str]]:
    """How often a row's tags were changed, by shop: asking again for what is done counts as nothing."""
    from integrations.devshop import tags

    counted, plain = Counter[str](), tags.set_tags

    def counting(shop: Any, row: Any, new: list[str]) -> None:
        counted[shop.domain] += 1
        plain(shop, row, new)

    tags.set_tags = counting
    try:
        yield counted
    finally:
        tags.set_tags = plain


@asynccontextmanager
async def opened_storm(dev: RunningDevShop, store: Store, database_url: str, folder: Path) -> AsyncIterator[Storm]:
    """Both shops opened anew on a dev shop that runs."""
    settings = read_settings(
        {**ENVIRONMENT, "REBLOOM_DATABASE_URL": database_url, "SHOPIFY_SHOP_URL": f"{dev.base}/{{shop}}"}
    )
    time, wire = FakeTime(), Wire()
    storm = Storm(store, settings, dev, time, folder, wire)
    dev.shops.faults.clear()
    dev.shops.config = replace(
        dev.shops.config, shops={STORMY: storm_data(), CALM: storm_data()}, monotonic=lambda: time.at, clock=storm.now
    )
    dev.shops.fill()
    for domain in (STORMY, CALM):
        storm.ids[domain] = await store_installation(store, domain, await storm.grant(domain), NOW)
    try:
        yield storm
    finally:
        await storm.gateways.close()
