"""Pushing tags and stage metafields into a dev shop that keeps the platform's own accounts: points spent over points
given, calls throttled, and from how many customers on files are quicker than calls.

The dev shop's bucket and the client's clock and sleep run some times as fast as the wall, so that minutes fit into
seconds: whatever either side computes counts as so many times as long, and the figures are too low rather than too
high. A bulk file takes the shop `RECORDED_FILE` seconds, the middle of what live shops were seen to take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from integrations.devshop import cost
from integrations.devshop.rows import Customer, Data
from integrations.devshop.server import DevShopConfig
from integrations.shopify.client import AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket, Pace
from plugin.ledger.store import Store, open_store
from plugin.lifecycle import publish
from plugin.log import configure_logging
from plugin.metrics import SHOP_CALLS
from plugin.settings import read_settings
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import NOW, SHOP
from tests.support.devshop_gateway import APP, Tokens
from tests.support.small_shop import TODAY, a_shop, place, put

RECORDED_FILE: Final = 3.0  # seconds
SPENT: Final = 0.9  # of what the bucket gives
THROTTLED: Final = 0.01  # of the calls at most
_QUICK: Final = 6.0
_SIZES: Final = (200, 250, 300)
_LATE: Final = 0.25  # seconds there and back, on the shop's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shop:
    """`fast`: times as fast as the wall."""

    name: str = ""
    size: float = 2_000.0
    rate: float = 100.0
    customers: int
    fast: float = _QUICK


_STEADY: Final = (
    _Shop(name="100 points/s", customers=2_000, fast=8.0),
    _Shop(name="1,000 points/s (Plus)", size=20_000.0, rate=1_000.0, customers=5_000, fast=2.0),
)


async def run(options: Options) -> list[Figure]:
    configure_logging(level="ERROR")
    figures = []
    for shop in _STEADY:
        figures += await _steady(options, shop)
    return [*figures, *await _crossing(options)]


@dataclass(frozen=True, slots=True)
class _Quick:
    """A clock so many times as fast as the wall's, and sleep by it."""

    times: float

    def clock(self) -> float:
        return time.monotonic() * self.times

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.times)


class _Late(httpx.AsyncHTTPTransport):
    """The way to the shop and back takes its time."""

    def __init__(self, quick: _Quick) -> None:
        super().__init__()
        self._quick = quick

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._quick.sleep(_LATE)
        return await super().handle_async_request(request)


@dataclass
class _Counted(cost.Bucket):
    spent: float = 0.0

    def take(self, points: float) -> bool:
        taken = super().take(points)
        self.spent += points if taken else 0.0
        return taken

    def give_back(self, points: float) -> None:
        super().give_back(points)
        self.spent -= points


@dataclass(frozen=True, slots=True)
class _Bench:
    store: Store
    dev: RunningDevShop
    gateway: ShopifyGateway
    quick: _Quick

    async def placed(self, customers: int, stage: str) -> None:
        everyone = range(1, customers + 1)
        await put(self.store.database, "customers", [{"id": who} for who in everyone])
        for who in everyone:
            await place(self.store.database, who, stage, since_day=TODAY)

    async def push(self) -> float:
        """Seconds on the shop's clock."""
        began = self.quick.clock()
        report = await publish.push_tags(self.store, a_shop(domain=SHOP), self.gateway, now=lambda: datetime.now(UTC))
        if report.refused:
            raise RuntimeError(f"the dev shop refused {report.refused} customers")
        return self.quick.clock() - began


@asynccontextmanager
async def _opened(options: Options, shop: _Shop) -> AsyncIterator[_Bench]:
    quick = _Quick(shop.fast)
    data = Data(currency="EUR")
    at = "2026-01-01T12:00:00Z"
    for number in range(1, shop.customers + 1):
        data.customers[number] = Customer(id=number, created_at=at, updated_at=at)
    config = DevShopConfig(
        app=APP, shops={SHOP: data}, clock=lambda: NOW, monotonic=quick.clock, bucket_size=shop.size,
        restore_rate=shop.rate, bulk_pause=RECORDED_FILE / quick.times,
    )  # fmt: skip
    database = await new_database(options, "sqlite")
    with running_devshop(config) as dev:
        settings = read_settings(
            {
                **ENVIRONMENT,
                "REBLOOM_DATABASE_URL": database.replace("sqlite://", "sqlite:///", 1),
                "SHOPIFY_SHOP_URL": f"{dev.base}/{{shop}}",
            }
        )
        pace = Pace(clock=quick.clock, sleep=quick.sleep)
        async with open_store(settings) as store, new_http(settings, _Late(quick)) as http:
            client = AdminClient(settings, http, Tokens(dev, SHOP, http), Bucket(pace), pace)
            yield _Bench(store, dev, ShopifyGateway(client), quick)


async def _steady(options: Options, shop: _Shop) -> list[Figure]:
    """By calls whatever their number, beginning with an empty bucket, which the client cannot know."""
    with _file_takes(float("inf")):
        async with _opened(options, shop) as bench:
            await bench.placed(shop.customers, "active")
            bucket = bench.dev[SHOP].state.bucket = _Counted(shop.size, shop.rate, bench.quick.clock)
            bucket.take(shop.size)
            bucket.spent = 0.0
            before = _calls()
            seconds = await bench.push()
            calls = {outcome: number - before.get(outcome, 0.0) for outcome, number in _calls().items()}
    throttled, total = calls.get("throttled", 0.0), sum(calls.values())
    return [
        Figure(name=f"push, {shop.name}: points spent", value=bucket.spent / seconds, unit="points/s", floor=shop.rate, goal=SPENT),
        Figure(
            name=f"push, {shop.name}: calls not throttled ({throttled:.0f} of {total:.0f} were)", value=total - throttled,
            unit="calls", floor=total, goal=1 - THROTTLED,
        ),
        Figure(name=f"push, {shop.name}: customers", value=shop.customers / seconds, unit="customers/s"),
    ]  # fmt: skip


async def _crossing(options: Options) -> list[Figure]:
    """First pushes of so many customers by calls and by files; from where on files are quicker."""
    figures, crossed = [], None
    for customers in _SIZES:
        seconds = {}
        for way, takes in (("calls", float("inf")), ("files", -1.0)):
            with _file_takes(takes):
                async with _opened(options, _Shop(customers=customers)) as bench:
                    await bench.placed(customers, "active")
                    seconds[way] = await bench.push()
        figures.append(
            Figure(
                name=f"push of {customers} customers, by files against calls", value=1 / seconds["files"], unit="1/s",
                floor=1 / seconds["calls"],
            )
        )  # fmt: skip
        if crossed is None and seconds["files"] < seconds["calls"]:
            crossed = customers
        per_file = seconds["files"] / 2  # additions and metafields
    figures.append(Figure(name="push: a bulk file takes", value=per_file, unit="s"))
    if crossed is not None:
        figures.append(Figure(name="push: files are quicker from", value=crossed, unit="customers"))
    return figures


@contextmanager
def _file_takes(seconds: float) -> Iterator[None]:
    kept = publish.FILE_TAKES
    publish.FILE_TAKES = seconds  # type: ignore[misc]  # both ways are measured, also where the other one is chosen
    try:
        yield
    finally:
        publish.FILE_TAKES = kept  # type: ignore[misc]  # as above


def _calls() -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for metric in SHOP_CALLS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
