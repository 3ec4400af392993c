"""Killed at a sync, the story ends as it does undisturbed, on SQLite. PostgreSQL, and many points, by `python -m tests.bench kills --big`."""

from pathlib import Path

from tests.faults.story import Fault, tell
from tests.faults.sweep import Tried, sweep

# In the first migration and while the copy is taken in.
ON_SQLITE = [Fault("sync", 8), Fault("sync", 48)]


async def tried(new, faults: list[Fault], folder: Path) -> list[Tried]:
    undisturbed = await tell(await new(folder), folder)
    assert not undisturbed.happened
    return [each async for each in sweep(new, faults, undisturbed, at_once=2)]


async def test_on_sqlite_it_ends_as_undisturbed(tmp_path: Path) -> None:
    async def new(folder: Path) -> str:
        return f"sqlite:///{folder / 'rebloom.sqlite3'}"

    ended = await tried(new, ON_SQLITE, tmp_path)
    assert [(each.fault, each.wrong) for each in ended if each.wrong] == []
    assert all(each.happened for each in ended), ended
