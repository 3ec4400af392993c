"""Workers as processes: they share the work, the living take over from the dead, and they end when they are told to."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from plugin.jobs.liveness import MISSED
from plugin.jobs.queue import Jobs
from plugin.ledger.database import Database
from plugin.settings import Settings
from tests.conftest import ENVIRONMENT
from tests.support.processes import started, until

WORKER = "tests.faults.worker_process"
BEAT = 0.5  # tenfold, so that nobody waits; `python -m tests.bench workers` takes the time with the real one
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def lines(folder: Path) -> list[list[str]]:
    log = folder / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def noted(folder: Path, what: str) -> Counter[str]:
    return Counter(number for event, number, *_ in lines(folder) if event == what)


async def no_tick() -> None:
    return None


@on_postgres
async def test_of_two_workers_one_is_killed_and_the_other_does_its_work_soon(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    asking = Jobs(settings.database_url, database, runs=False)
    await asking.start({}, no_tick)
    try:
        with started(WORKER, settings.database_url, str(tmp_path), str(BEAT)) as first:
            await until(lambda: len(list(tmp_path.glob("ready-*"))) == 1)
            for shop in range(1, 4):
                await asking.enqueue("mark", shop, lasts=600.0)
            await until(lambda: sum(noted(tmp_path, "begin").values()) == 3)
            with started(WORKER, settings.database_url, str(tmp_path), str(BEAT)) as second:
                await until(lambda: len(list(tmp_path.glob("ready-*"))) == 2)
                first.kill()
                took = await until(lambda: sum(noted(tmp_path, "begin").values()) == 6, what="taking over", within=15)
                assert took >= (MISSED - 1) * BEAT  # before that nobody can know
                for shop in range(11, 15):
                    await asking.enqueue("mark", shop)
                await until(lambda: len(noted(tmp_path, "end")) == 4)
                assert {pid for event, number, pid in lines(tmp_path)[-4:]} == {str(second.pid)}
    finally:
        await asking.stop()
    assert set(noted(tmp_path, "begin").values()) == {1, 2}


async def test_a_worker_told_to_end_lets_its_job_end_and_exits_with_nought(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    with started(WORKER, settings.database_url, str(tmp_path), str(BEAT)) as worker:
        await until(lambda: bool(list(tmp_path.glob("ready-*"))))
        asking = Jobs(settings.database_url, database, runs=False)
        await asking.start({}, no_tick)
        try:
            await asking.enqueue("mark", 1, lasts=2.0)
            await until(lambda: bool(noted(tmp_path, "begin")))
            began = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            await asking.enqueue("mark", 2)
            assert await asyncio.to_thread(worker.wait, 20) == 0
            assert time.monotonic() - began < 15
        finally:
            await asking.stop()
    assert (noted(tmp_path, "begin"), noted(tmp_path, "end")) == ({"1-0": 1}, {"1-0": 1})


@on_postgres
async def test_a_job_that_does_not_end_in_time_goes_on_in_the_next_process(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    with started(WORKER, settings.database_url, str(tmp_path), str(BEAT)) as worker:
        await until(lambda: bool(list(tmp_path.glob("ready-*"))))
        asking = Jobs(settings.database_url, database, runs=False)
        await asking.start({}, no_tick)
        try:
            await asking.enqueue("mark", 1, lasts=30.0)
        finally:
            await asking.stop()
        await until(lambda: bool(noted(tmp_path, "begin")))
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 25) == 0
    with started(WORKER, settings.database_url, str(tmp_path), str(BEAT)):
        await until(lambda: noted(tmp_path, "begin")["1-0"] == 2, within=15, what="going on")


@on_sqlite
async def test_rebloom_worker_exits_with_nought(settings: Settings, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    env = {**ENVIRONMENT, "REBLOOM_DATABASE_URL": settings.database_url.replace("sqlite:///", "sqlite:////")}
    with started("plugin", "worker", env=env, stderr=errors) as worker:
        await until(lambda: errors.exists() and "working" in errors.read_text())
        os.kill(worker.pid, signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 20) == 0, errors.read_text()
