"""What this process tells its listeners as it comes true, whichever process made it true.

One loop looks once a second, and only while somebody listens: one short query for each shop with listeners. Nothing is
held for a listener but `HELD` events; one who falls further behind is let go of, and told so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog

from plugin.errors import TooSlowError
from plugin.ledger.database import Database
from plugin.ledger.events import Told, last_told, told_since
from plugin.ledger.readers import SyncRow, sync_row

EVERY: Final = 1.0  # seconds between two looks
HELD: Final = 1_000  # events that wait for one listener
_AT_ONCE: Final = 500  # rows of one query
_log = structlog.get_logger(__name__)


T = TypeVar("T")


class _Listener(Generic[T]):
    """Somebody who takes one after the other."""

    def __init__(self, held: int) -> None:
        self._waiting: asyncio.Queue[T] = asyncio.Queue(held)
        self._behind = False

    def put(self, news: T) -> None:
        if self._waiting.full():
            self._behind = True
        else:
            self._waiting.put_nowait(news)

    async def take(self) -> T:
        """Raises TooSlowError once what was held is taken and something after it was lost."""
        if self._behind and self._waiting.empty():
            raise TooSlowError("Too many changes waited to be read; listen again, and read what changed meanwhile.")
        return await self._waiting.get()


@dataclass(slots=True)
class _Shop:
    """`after`: the number of the last event told here."""

    after: int = 0
    sync: SyncRow | None = None
    events: set[_Listener[Told]] = field(default_factory=set)
    syncs: set[_Listener[SyncRow | None]] = field(default_factory=set)


class Feed:
    """`every` in seconds."""

    def __init__(self, database: Database, *, every: float = EVERY, held: int = HELD) -> None:
        self._database, self._every, self._held = database, every, held
        self._shops: dict[int, _Shop] = {}
        self._looking: asyncio.Task[None] | None = None

    async def events(self, shop_id: int) -> AsyncGenerator[Told]:
        """What comes true in the shop from now on, in its order."""
        listener = _Listener[Told](self._held)
        after = await last_told(self._database, shop_id)
        shop = self._shops.setdefault(shop_id, _Shop())
        if not shop.events:
            shop.after = after
        shop.events.add(listener)
        self._look()
        try:
            while True:
                yield await listener.take()
        finally:
            shop.events.discard(listener)
            self._leave(shop_id)

    async def syncs(self, shop_id: int) -> AsyncGenerator[SyncRow | None]:
        """How far the copy of the shop is: now, and whenever that is something else."""
        listener = _Listener[SyncRow | None](self._held)
        row = await sync_row(self._database, shop_id)
        shop = self._shops.setdefault(shop_id, _Shop())
        shop.syncs.add(listener)
        shop.sync = row
        for each in shop.syncs:  # whoever listened before must not miss what this look has seen
            each.put(row)
        self._look()
        try:
            last = object()
            while True:
                row = await listener.take()
                if row != last:
                    yield row
                last = row
        finally:
            shop.syncs.discard(listener)
            self._leave(shop_id)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again())

    def _leave(self, shop_id: int) -> None:
        shop = self._shops.get(shop_id)
        if shop is not None and not (shop.events or shop.syncs):
            del self._shops[shop_id]

    async def _look_again(self) -> None:
        trouble = False
        while self._shops:
            await asyncio.sleep(self._every)
            for shop_id, shop in list(self._shops.items()):
                try:
                    await self._tell(shop_id, shop)
                    trouble = False
                except Exception as error:  # noqa: BLE001 - the database may be there again in a second
                    if not trouble:
                        _log.warning("feed_stalled", shop_id=shop_id, error=type(error).__name__)
                    trouble = True

    async def _tell(self, shop_id: int, shop: _Shop) -> None:
        while shop.events:
            news = await told_since(self._database, shop_id, shop.after, at_most=_AT_ONCE)
            for told in news:
                for listener in shop.events:
                    listener.put(told)
            if news:
                shop.after = news[-1].number
            if len(news) < _AT_ONCE:
                break
        if shop.syncs:
            row = await sync_row(self._database, shop_id)
            if row != shop.sync:
                shop.sync = row
                for each in shop.syncs:
                    each.put(row)
