"""One push on its way: what it counts, and how what the shop did or refused is put on record."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from plugin import metrics
from plugin.domain.instants import to_us
from plugin.ledger import tag_records as records
from plugin.ledger.store import Store
from plugin.lifecycle.tag_plan import Change
from plugin.ports import ShopGateway
from plugin.shops import Clock, ShopContext

T = TypeVar("T")
Progress = Callable[[int, int], None]
Stage = tuple[int, str, int]  # customer, stage, since_day
Tagged = tuple[int, list[str]]  # customer, tags


@dataclass(slots=True)
class Run:
    """`done` and `refused` are customers; `added` and `removed` count tags."""

    store: Store
    shop: ShopContext
    gateway: ShopGateway
    now: Clock
    progress: Progress | None
    total: int
    done: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    added: int = 0
    removed: int = 0

    def at(self) -> int:
        return to_us(self.now())

    def tell(self) -> None:
        if self.progress is not None:
            self.progress(len(self.done | self.refused), self.total)

    async def confirm(self, *, added: Sequence[Tagged], removed: Sequence[Tagged], at: int | None = None) -> None:
        """The shop did these, now or (a file read after a kill) not before `at`."""
        moment = self.at() if at is None else at
        await records.confirm(self.store.database, self.shop.id, added=added, removed=removed, at=moment)
        self.added += sum(len(tags) for _, tags in added)
        self.removed += sum(len(tags) for _, tags in removed)
        metrics.TAG_WRITES.labels("added").inc(sum(len(tags) for _, tags in added))
        metrics.TAG_WRITES.labels("removed").inc(sum(len(tags) for _, tags in removed))
        self.done.update(who for who, _ in (*added, *removed))
        self.tell()

    async def refuse(self, refusals: Sequence[tuple[int, str, str]]) -> None:
        """(customer, the shop's words, fingerprint of what it refused)."""
        await records.refuse(self.store.database, self.shop.id, refusals, at=self.at())
        self.refused.update(who for who, _, _ in refusals)
        metrics.TAG_WRITES.labels("refused").inc(len(refusals))
        self.tell()

    async def stages_done(self, stages: Sequence[Stage]) -> None:
        await records.stages_written(self.store.database, self.shop.id, stages, at=self.at())
        self.done.update(stage[0] for stage in stages)
        self.tell()


async def side_by_side(
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, None]], at_once: Callable[[], int]
) -> None:
    """`work` for each item, as many at a time as `at_once` says by then. When one fails no further one is begun; those
    under way are let end, since the shop has them and what it does is to be on record; then the failure is raised."""
    rest, under_way, failures = iter(items), set[asyncio.Task[None]](), list[BaseException]()
    try:
        while True:
            for item in islice(rest, 0 if failures else max(0, at_once() - len(under_way))):
                under_way.add(asyncio.create_task(work(item)))
            if not under_way:
                break
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            failures += [failure for task in done if (failure := task.exception())]
    finally:
        for task in under_way:
            task.cancel()
    if failures:
        raise failures[0]


def mark(change: Change) -> str:
    """The fingerprint of a change of tags."""
    return _fingerprint("+", *change.add, "-", *change.remove)


def stage_mark(stage: Stage) -> str:
    return _fingerprint("stage", stage[1], str(stage[2]))


def _fingerprint(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()
