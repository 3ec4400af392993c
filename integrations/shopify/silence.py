"""Shops that do not answer: after a call that had its whole time for nothing, the next is one try, until one answers.

A call to a silent shop takes a minute, and a process has eight places for jobs: nine silent shops would hold them all,
round after round, and every other shop would wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from integrations.shopify.protocol import ThrottledError
from plugin.errors import ShopError, ShopUnavailableError

T = TypeVar("T")
_AT_ONCE: Final = 2  # silent shops that one process tries at a time


class SilentError(ShopUnavailableError):
    """Nothing was sent."""

    def __init__(self) -> None:
        super().__init__("The shop did not answer the last time; it will be tried again.")


class Tries:
    """The places of one process for trying silent shops."""

    def __init__(self) -> None:
        self._free = _AT_ONCE

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises SilentError at once when all are taken."""
        if self._free == 0:
            raise SilentError
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Silence:
    """Of one shop, as one process knows it."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries
        self._lasts = False
        self._trying: asyncio.Event | None = None

    async def broken(
        self, patiently: Callable[[], Awaitable[T]], once: Callable[[], Awaitable[T]], *, repeatable: bool
    ) -> T:
        """What `patiently` gives, or `once` where the shop is silent: one call tries, all others wait for its outcome.
        A call that is not `repeatable` fails early and proves nothing. Raises SilentError, and what was raised."""
        if self._trying is not None:
            await self._trying.wait()
            if self._lasts:
                raise SilentError
        if not self._lasts:
            return await self._noted(patiently, proves=repeatable)
        with self._tries.one():
            self._trying = asyncio.Event()
            try:
                return await self._noted(once, proves=True)
            finally:
                self._trying.set()
                self._trying = None

    async def _noted(self, call: Callable[[], Awaitable[T]], *, proves: bool) -> T:
        try:
            answer = await call()
        except ThrottledError:  # of the shop, or of our own count of its bucket
            raise
        except ShopUnavailableError:
            self._lasts = self._lasts or proves
            raise
        except ShopError:
            self._lasts = False
            raise
        self._lasts = False
        return answer
