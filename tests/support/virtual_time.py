"""Time for many tasks at once: it stands still while any of them can go on, then jumps to the next who wakes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from integrations.shopify.pacing import Pace

T = TypeVar("T")
_TURNS: Final = 60  # of the event loop; more than any chain of awaits without input or output is long


class VirtualTime:
    def __init__(self) -> None:
        self.at = 1_000.0
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def pace(self, **changed: Any) -> Pace:
        return Pace(**{"clock": lambda: self.at, "sleep": self.sleep, "jitter": lambda: 1.0, **changed})

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.at + seconds, next(self._order), woken))
        await woken

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which waits for nothing but this time."""
        task = asyncio.create_task(work)
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if task.done():
                return task.result()
            self.at, _, woken = heapq.heappop(self._asleep)
            if not woken.done():
                woken.set_result(None)
