"""The wall clock of a live worker jumps an hour ahead or back: no job is lost, done twice, or waits for an hour."""

import asyncio
import contextlib
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from plugin.jobs.queue import Jobs
from plugin.ledger.database import Database
from plugin.settings import Settings
from tests.jobs.test_processes import BEAT, WORKER, noted
from tests.support.processes import started, until

HOUR = 3_600


def faked(clock: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is what `clock` says, read again each time it looks."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


def shows(clock: Path) -> float:
    """What a process with this clock takes for the time, beside the true one: how far it is off, in seconds."""
    ask = "import json, time; print(json.dumps(time.time()))"
    told = subprocess.run(
        ["python3", "-c", ask],
        env={"PATH": "/usr/bin:/bin", **faked(clock)},
        capture_output=True,
        check=True,
        text=True,
    )
    true = subprocess.run(["date", "+%s"], capture_output=True, check=True, text=True)
    return float(json.loads(told.stdout)) - float(true.stdout)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_the_clock_of_the_only_worker_jumps(
    settings: Settings, database: Database, tmp_path: Path, jump: int
) -> None:
    clock, url = tmp_path / "clock", settings.database_url
    clock.write_text("+0")
    asking = Jobs(url, database, runs=False)

    async def no_tick() -> None:
        return None

    with started(WORKER, url, str(tmp_path), str(BEAT), env=faked(clock), stderr=tmp_path / "errors"):
        await until(lambda: len(list(tmp_path.glob("ready-*"))) == 1)
        await asking.start({}, no_tick)
        try:
            for shop in (1, 2):  # one in line behind another, in flight while the clock jumps
                await asking.enqueue("mark", shop, number=1, lasts=1.5)
                await asking.enqueue("mark", shop, number=2)
            await asking.nudge("mark", 3)  # waits for a second by the true clock
            await until(lambda: sum(noted(tmp_path, "begin").values()) >= 2)
            clock.write_text(f"{jump:+}")
            assert abs(shows(clock) - jump) < 5
            await until(lambda: sum(noted(tmp_path, "end").values()) == 5, within=60, what="five jobs")
            await asking.enqueue("mark", 4, number=1)
            await until(lambda: sum(noted(tmp_path, "end").values()) == 6, within=60, what="a job after the jump")
            clock.write_text("+0")
            await asking.enqueue("mark", 4, number=2)
            await until(
                lambda: sum(noted(tmp_path, "end").values()) == 7, within=60, what="a job after it was put right"
            )
            await asyncio.sleep(4 * BEAT)  # as long as a dead worker's jobs would take to be taken over
        finally:
            await asking.stop()
    assert set(noted(tmp_path, "begin").values()) == {1}
    assert (
        noted(tmp_path, "begin") == noted(tmp_path, "end") == Counter(["1-1", "1-2", "2-1", "2-2", "3-0", "4-1", "4-2"])
    )


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_of_two_workers_one_jumps_ahead_and_is_not_taken_for_dead(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    clock, url = tmp_path / "clock", settings.database_url
    clock.write_text("+0")
    asking = Jobs(url, database, runs=False)

    async def no_tick() -> None:
        return None

    with contextlib.ExitStack() as processes:
        # One after the other: of two that make the engine's tables at once one sleeps a second, and under faketime
        # Python's sleep fails.
        for count, env in enumerate(({}, faked(clock)), start=1):
            processes.enter_context(started(WORKER, url, str(tmp_path), str(BEAT), env=env))
            await until(lambda count=count: len(list(tmp_path.glob("ready-*"))) == count)
        await asking.start({}, no_tick)
        try:
            for shop in range(1, 7):
                await asking.enqueue("mark", shop, number=1, lasts=2.0)
            await until(lambda: sum(noted(tmp_path, "begin").values()) == 6)
            clock.write_text(f"{HOUR:+}")
            await asyncio.sleep(4 * BEAT)
            for shop in range(1, 7):
                await asking.enqueue("mark", shop, number=2)
            await until(lambda: sum(noted(tmp_path, "end").values()) == 12, within=60)
        finally:
            await asking.stop()
    assert set(noted(tmp_path, "begin").values()) == {1}
