"""Killed at a sync or at a write to the outside, the story ends as it does undisturbed, on both databases. A few points
here, many by `python -m tests.bench kills --big`."""

import uuid
from pathlib import Path

import asyncpg

from tests.conftest import _with_database
from tests.faults.story import Fault, tell
from tests.faults.sweep import Tried, sweep

# In the first migration and while the copy is taken in; in the first call of an installation and in a push.
ON_SQLITE = [Fault("sync", 8), Fault("sync", 48)]
ON_POSTGRES = [Fault("call", 120), Fault("call", 400)]


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


async def test_on_postgres_it_ends_as_undisturbed(postgres_server: str, tmp_path: Path) -> None:
    names: list[str] = []

    async def new(_: Path) -> str:
        name = f"rebloom_{uuid.uuid4().hex[:12]}"
        names.append(name)
        await on_server(f"CREATE DATABASE {name}")
        return _with_database(postgres_server, name)

    async def on_server(statement: str) -> None:
        connection = await asyncpg.connect(postgres_server)
        await connection.execute(statement)
        await connection.close()

    ended = await tried(new, ON_POSTGRES, tmp_path)
    for name in names:
        await on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    assert [(each.fault, each.wrong) for each in ended if each.wrong] == []
    assert all(each.happened for each in ended), ended
