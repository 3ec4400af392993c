"""What a resolver may use: one shop, one caller, one instant, and loaders that live as long as the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

import strawberry

from graphql_schema.access import Scope
from graphql_schema.loaders import Loaders
from plugin.domain.calendar import ShopCalendar
from plugin.domain.instants import from_us, to_us
from plugin.ledger.events import Told
from plugin.ledger.readers import SyncRow
from plugin.ledger.store import Store
from plugin.shops import ShopContext

_ready_zones: set[str] = set()


class JobQueue(Protocol):
    """Work to be done after the answer."""

    async def enqueue(self, kind: str, shop_id: int, **arguments: str | int | bool) -> object: ...
    async def nudge(self, kind: str, shop_id: int) -> object: ...


class Feed(Protocol):
    """What comes true while somebody listens (`plugin/feed.py`)."""

    def events(self, shop_id: int) -> AsyncGenerator[Told]: ...
    def syncs(self, shop_id: int) -> AsyncGenerator[SyncRow | None]: ...


@dataclass(kw_only=True)
class Context:
    """`shop` is the credential's and nothing in a document can change it. `viewer_id` is the storefront's verified
    customer, None for a visitor who is not logged in and for the merchant's schema. `token_id`: the partner token's
    number, None for the merchant. `loopback`: beside the dev shop, this machine may be sent webhooks."""

    store: Store
    shop: ShopContext
    scopes: frozenset[Scope]
    now: datetime
    jobs: JobQueue
    feed: Feed
    viewer_id: int | None = None
    token_id: int | None = None
    loopback: bool = False
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.store, self.shop, self.now)

    @property
    def now_us(self) -> int:
        return to_us(self.now)


Info: TypeAlias = strawberry.Info[Context, None]


async def calendar_of(shop: ShopContext) -> ShopCalendar:
    """The shop's calendar; a zone's first use computes its table, which would hold the loop up."""
    if shop.timezone not in _ready_zones:
        await asyncio.to_thread(ShopCalendar, shop.timezone)
        _ready_zones.add(shop.timezone)
    return ShopCalendar(shop.timezone)


def instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def certain(us: int) -> datetime:
    """Of a column that is never NULL."""
    return from_us(us)
