"""Kill the story at one point after another and compare its ending with the undisturbed one. The suite tries a few
(`test_killed_anywhere.py`), `python -m tests.bench kills` more, and with `--big` many."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.story import CALLS, Ending, Fault, differences, tell

NewDatabase = Callable[[Path], Awaitable[str]]
_GROWTH: Final = 1.35


@dataclass(frozen=True)
class Tried:
    """`wrong`: what the ending did not have in common with the undisturbed one, or that there was none."""

    fault: Fault
    happened: bool
    wrong: tuple[str, ...]
    seconds: float


def points(count: int) -> list[Fault]:
    """`count` points of each kind: the first ones one by one, then ever further apart."""
    found, nth = [], 1.0
    for _ in range(count):
        found.append(int(nth))
        nth = max(nth + 1, nth * _GROWTH)
    return [Fault(what, each) for each in found for what in CALLS]


async def sweep(
    database: NewDatabase, faults: Iterable[Fault], undisturbed: Ending, *, at_once: int
) -> AsyncIterator[Tried]:
    """As they end. Past the last call of its kind a fault does not happen; it is told with `happened` False."""
    gate = asyncio.Semaphore(at_once)

    async def one(fault: Fault) -> Tried:
        async with gate:
            with tempfile.TemporaryDirectory(prefix="rebloom-fault-") as name:
                folder = Path(name)
                try:
                    ending = await tell(await database(folder), folder, fault)
                except (TimeoutError, AssertionError) as error:
                    return Tried(fault, True, (str(error)[:2_000],), 0.0)
        return Tried(fault, ending.happened, tuple(differences(undisturbed, ending)), ending.seconds)

    for ended in asyncio.as_completed([asyncio.create_task(one(fault)) for fault in faults]):
        yield await ended
