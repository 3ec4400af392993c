"""How often the shop is asked: its leaky bucket followed from here, and waits between tries. Clock and sleep come in.

A single bucket stands for one shop and this app, whoever calls: the price of a call is taken out before it is sent
(pacing on what a call cost afterwards drains the bucket when many start at once).
https://shopify.dev/docs/api/usage/limits
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from integrations.shopify.protocol import Call, Cost, ThrottledError, UncertainError
from plugin.errors import ShopUnavailableError

T = TypeVar("T")
# What the smallest shop seen has, until the first answer tells.
_FIRST_MAXIMUM: Final = 1_000.0
_FIRST_RATE: Final = 50.0
_FIRST_WAIT: Final = 0.5  # seconds
_LONGEST_WAIT: Final = 10.0
_LOOK_AGAIN: Final = 1.0  # seconds; while one call waits for the bucket, answers to others tell how full it is
# Seconds a document may be under way that costs what the bucket gives in as many: so many calls side by side spend all
# it gives even then, and the last of them still has most of its time when its turn comes.
_ROUND_TRIP: Final = 8.0
_MOST_AT_ONCE: Final = 8
_NOTHING: Final = 1e-6  # points; less is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Time as the client sees it, in seconds; tests pass their own. `budget`: how long one call may be tried for."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random  # 0 to 1
    budget: float = 60.0
    attempt: float = 30.0  # one try, from connecting to the last byte


class Bucket:
    """Points left at the shop, as far as its answers and our own reservations tell."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._maximum, self._rate, self._available = _FIRST_MAXIMUM, _FIRST_RATE, _FIRST_MAXIMUM
        self._at = pace.clock()
        self._held = 0.0  # reserved by calls still under way
        self._prices: dict[str, float] = {}
        self._turn = asyncio.Lock()  # first come, first served

    async def reserve(self, call: Call, deadline: float) -> float:
        """Wait until the call can be paid, and take its price. Raises ThrottledError when that is after `deadline`."""
        async with self._turn:
            price = min(self._prices.get(call.name, call.points), self._maximum)
            while (wait := self.wait_for(price)) > 0:
                if self._pace.clock() + wait > deadline:
                    raise ThrottledError
                await self._pace.sleep(min(wait, _LOOK_AGAIN))
            self._set(self._level() - price)
            self._held += price
            return price

    def wait_for(self, points: float) -> float:
        """Seconds until so many points will have been given, in one go or in several."""
        missing = points - self._level()
        return missing / self._rate if missing > _NOTHING else 0.0

    def calls_at_once(self, points: float) -> int:
        """How many calls of so many points to have under way, so that none of what the bucket gives is left."""
        return min(_MOST_AT_ONCE, max(1, math.ceil(_ROUND_TRIP * self._rate / max(1.0, points))))

    def settle(self, call: Call, price: float, cost: Cost | None) -> None:
        """The call is over. Without a cost block the reservation stays spent and the bucket refills by itself."""
        self._held -= price
        if cost is None:
            return
        self._prices[call.name] = cost.requested
        self._maximum, self._rate = max(cost.maximum, 1.0), max(cost.restore_rate, 1.0)
        # Of the calls under way the shop may have counted all, some or none: our own count is right between the two.
        self._set(min(cost.available, max(self._level(), cost.available - self._held)))

    def _level(self) -> float:
        return min(self._maximum, self._available + (self._pace.clock() - self._at) * self._rate)

    def _set(self, available: float) -> None:
        self._available, self._at = available, self._pace.clock()


class NotSentError(ShopUnavailableError):
    """No connection: the shop cannot have done anything."""

    def __init__(self) -> None:
        super().__init__("The shop cannot be reached; it will be tried again.")


async def with_retries(once: Callable[[float], Awaitable[T]], pace: Pace, *, repeatable: bool) -> T:
    """`once(deadline)` until it answers, waiting longer each time, at most `pace.budget` seconds in all.
    Raises the last ShopUnavailableError; other errors at once. What may have been done is repeated if `repeatable`."""
    deadline = pace.clock() + pace.budget
    for attempt in itertools.count():
        try:
            return await once(deadline)
        except ShopUnavailableError as error:
            wait = _wait(error, attempt, pace)
            if (isinstance(error, UncertainError) and not repeatable) or pace.clock() + wait > deadline:
                raise
        await pace.sleep(wait)
    raise AssertionError("itertools.count ends")


def _wait(error: ShopUnavailableError, attempt: int, pace: Pace) -> float:
    """Full jitter, so that a thousand shops do not come back at one moment; never less than the shop asked for."""
    backoff = pace.jitter() * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16))
    asked = error.retry_after if isinstance(error, ThrottledError | UncertainError) else None
    return max(asked or 0.0, backoff)
