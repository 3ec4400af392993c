"""What is asked for many objects at once: loaders, and resolvers with a form for many.

A loader collects the keys that are asked for in one turn of the loop and reads them together. Strawberry's makes a
future for each key; here all keys of a read wait for one, and a page brings its keys in one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
F = TypeVar("F", bound=Callable[..., Awaitable[Sequence[Any]]])

_MANY: Final[dict[object, Callable[..., Awaitable[Sequence[Any]]]]] = {}


def for_many(one: object) -> Callable[[F], F]:
    """Names the form for many of the resolver `one`: it takes a list of objects and the same arguments, and gives a
    value for each of them in their order. Both must answer alike, so the form for one calls it; what it raises ends the
    whole list, and each object is asked by itself."""

    def register(many: F) -> F:
        _MANY[one] = many
        return many

    return register


def many_of(one: object) -> Callable[..., Awaitable[Sequence[Any]]] | None:
    return _MANY.get(one)


@dataclass(slots=True, eq=False)
class _Batch(Generic[K, V]):
    """Keys that are read together. `done` is waited for through a shield: where a field that must not be null fails,
    its neighbours are cancelled, and what several wait for must not end with the first of them."""

    done: asyncio.Future[None]
    keys: list[K] = field(default_factory=list)
    begun: bool = False
    found: dict[K, V] = field(default_factory=dict)


class Loader(Generic[K, V]):
    """Reads each key once in its life, which is a request's. `read` gives a value for each key, in their order."""

    def __init__(self, read: Callable[[list[K]], Awaitable[Sequence[V]]]) -> None:
        self._read = read
        self._batches: dict[K, _Batch[K, V]] = {}
        self._open: _Batch[K, V] | None = None

    async def load(self, key: K) -> V:
        """Raises what reading raised, each time."""
        [value] = await self.load_many((key,))
        return value

    async def load_many(self, keys: Iterable[K]) -> list[V]:
        """In the order of `keys`. Raises what reading raised, each time."""
        asked, batches = list(keys), self._batches
        unread = dict.fromkeys(key for key in asked if key not in batches)
        if unread:
            batch = self._next()
            batch.keys += unread
            batches.update(dict.fromkeys(unread, batch))
        waited = dict.fromkeys(map(batches.__getitem__, asked))
        for batch in waited:
            await asyncio.shield(batch.done)
        if len(waited) == 1:
            return list(map(next(iter(waited)).found.__getitem__, asked))
        return [batches[key].found[key] for key in asked]

    def _next(self) -> _Batch[K, V]:
        """The batch that is still open."""
        batch = self._open
        if batch is None or batch.begun:
            loop = asyncio.get_running_loop()
            batch = self._open = _Batch(loop.create_future())
            # Two turns: whatever goes on side by side comes to its loaders in the first.
            loop.call_soon(self._begin, batch)
        return batch

    def _begin(self, batch: _Batch[K, V]) -> None:
        task = asyncio.create_task(self._filled(batch))
        _running.add(task)
        task.add_done_callback(_running.discard)

    async def _filled(self, batch: _Batch[K, V]) -> None:
        batch.begun = True
        try:
            values = await self._read(batch.keys)
            batch.found = dict(zip(batch.keys, values, strict=True))
        except Exception as error:  # noqa: BLE001 - it is raised to whoever waits
            batch.done.set_exception(error)
        else:
            batch.done.set_result(None)
        finally:
            if not batch.done.done():
                batch.done.cancel()


_running: Final[set[asyncio.Task[None]]] = set()  # the loop itself keeps none alive
