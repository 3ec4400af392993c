"""Jobs on the durable engine: on both databases, in order for a shop, taken over from the dead."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from dbos._sys_db import SystemDatabase

from plugin.errors import RebloomError, ShopAccessError, ShopUnavailableError
from plugin.jobs import failures
from plugin.jobs.failures import failed_jobs, waiting_jobs
from plugin.jobs.liveness import beat
from plugin.jobs.queue import Jobs
from plugin.ledger.database import Database
from plugin.settings import Settings


class Work:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.running: set[int] = set()

    async def note(self, shop_id: int, number: int = 0) -> dict[str, int]:
        assert shop_id not in self.running, "two jobs of one shop ran at once"
        self.running.add(shop_id)
        await asyncio.sleep(0.01)
        self.running.remove(shop_id)
        self.seen.append((shop_id, number))
        return {"twice": number * 2}

    async def first(self, shop_id: int) -> dict[str, list[str]]:
        return {"then": ["note"]}

    async def fail(self, shop_id: int) -> dict[str, int]:
        self.seen.append((shop_id, -1))
        raise ShopAccessError("The token was revoked.")

    async def flaky(self, shop_id: int, times: int) -> dict[str, int]:
        self.seen.append((shop_id, -2))
        if self.seen.count((shop_id, -2)) <= times:
            raise ShopUnavailableError("the shop is away")
        return {"tried": times + 1}

    async def tick(self) -> None:
        return None


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def jobs(settings: Settings, database: Database, work: Work) -> AsyncIterator[Jobs]:
    queue = Jobs(settings.database_url, database, runs=True)
    await queue.start({"note": work.note, "fail": work.fail, "first": work.first, "flaky": work.flaky}, work.tick)
    yield queue
    await queue.stop()


async def test_a_job_gives_its_result_and_jobs_of_one_shop_never_overlap(jobs: Jobs, work: Work) -> None:
    ids = [await jobs.enqueue("note", shop, number=number) for number in range(4) for shop in (1, 2)]
    assert [await jobs.result(job) for job in ids] == [{"twice": 2 * number} for number in (0, 0, 1, 1, 2, 2, 3, 3)]
    assert sorted(work.seen) == [(shop, number) for shop in (1, 2) for number in range(4)]


async def test_the_same_once_makes_one_job(jobs: Jobs, work: Work) -> None:
    first = await jobs.enqueue("note", 1, once="tonight", number=7)
    assert await jobs.enqueue("note", 1, once="tonight", number=7) == first
    assert await jobs.result(first) == {"twice": 14}
    await asyncio.sleep(0.5)
    assert work.seen == [(1, 7)]


async def test_a_burst_of_nudges_is_one_job(jobs: Jobs, work: Work) -> None:
    ids = {await jobs.nudge("note", 5) for _ in range(20)}
    assert [await jobs.result(job) for job in ids] == [{"twice": 0}] * len(ids)
    assert len(ids) <= 2
    assert work.seen == [(5, 0)] * len(ids)


async def test_what_follows_a_job_runs_when_it_has_ended(jobs: Jobs, work: Work) -> None:
    first = await jobs.enqueue("first", 3)
    await jobs.result(first)
    assert await jobs.result(f"note-after-{first}") == {"twice": 0}
    assert work.seen == [(3, 0)]


async def test_a_lost_access_is_not_tried_again(jobs: Jobs, work: Work) -> None:
    job = await jobs.enqueue("fail", 1)
    with pytest.raises(ShopAccessError, match="revoked"):
        await jobs.result(job)
    assert work.seen == [(1, -1)]


async def test_jobs_of_a_process_that_missed_three_beats_are_taken_over_once(database: Database) -> None:
    await database.execute("INSERT INTO executors (id, beat_at) VALUES ($1, $2)", "dead", 1.0)
    if database.dialect == "sqlite":  # its one process is its own successor: there is nobody to watch
        assert await database.fetch("SELECT id FROM executors") == [("dead",)]
        return
    taken: list[str] = []

    async def resume(executor: str) -> int:
        taken.append(executor)
        return 1

    hearts = [asyncio.create_task(beat(database, name, resume=resume)) for name in ("a", "b")]
    await asyncio.sleep(1)
    for heart in hearts:
        heart.cancel()
    assert taken == ["dead"]
    assert sorted(await database.fetch("SELECT id FROM executors")) == [("a",), ("b",)]


async def test_a_process_that_stops_says_nothing_of_its_heart_and_lives_until_its_jobs_have_ended(
    settings: Settings, database: Database, work: Work
) -> None:
    jobs = Jobs(settings.database_url, database, runs=True, every=0.01)
    begun = asyncio.Event()

    async def slow(_: int) -> dict[str, int]:
        begun.set()
        await asyncio.sleep(0.5)
        work.seen.append((0, 0))
        return {}

    with structlog.testing.capture_logs() as logs:
        await jobs.start({"note": slow}, work.tick)
        await jobs.enqueue("note", 1)
        await begun.wait()
        await jobs.stop()
    assert work.seen == [(0, 0)]
    assert [line for line in logs if line["log_level"] == "warning"] == []
    if database.dialect == "postgres":
        assert await database.fetch("SELECT beat_at FROM executors") == [(0,)]  # the next beat of another takes over


async def test_a_job_that_fails_in_passing_is_tried_again_later_and_holds_no_place_meanwhile(
    jobs: Jobs, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT", 0.2)
    first = await jobs.enqueue("flaky", 1, times=2)
    behind = await jobs.enqueue("note", 1, number=5)
    assert await jobs.result(behind) == {"twice": 10}
    assert work.seen[:2] == [(1, -2), (1, 5)]
    assert await jobs.result(first) == {"tried": 3}
    assert work.seen == [(1, -2), (1, 5), (1, -2), (1, -2)]


async def test_a_job_that_fails_for_good_is_seen(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(failures, "ATTEMPTS", 2)
    before = datetime.now(UTC)
    job = await jobs.enqueue("flaky", 4, times=9)
    with pytest.raises(RebloomError, match="the shop is away"):
        await jobs.result(job)
    (failed,) = await failed_jobs(before)
    assert (failed.id, failed.kind, failed.shop_id, failed.error) == (f"{job}~1", "flaky", 4, "the shop is away")
    assert await waiting_jobs() == (0, 0.0)


async def test_a_job_whose_end_could_not_be_written_is_put_back(
    settings: Settings, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk was full: the engine's table says that it runs, and nobody runs it."""
    jobs = Jobs(settings.database_url, database, runs=True, every=0.2)
    await jobs.start({"note": work.note}, work.tick)
    try:
        lost = SystemDatabase.update_workflow_outcome
        broken: list[str] = []

        def full(self: SystemDatabase, workflow_id: str, *rest: Any, **more: Any) -> bool:
            if len(broken) < 2:  # the outcome, and then the failure to write it
                broken.append(workflow_id)
                raise OSError(28, "No space left on device")
            return lost(self, workflow_id, *rest, **more)

        monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", full)
        job = await jobs.enqueue("note", 1)
        assert await asyncio.wait_for(jobs.result(job), 20) == {"twice": 0}
        assert broken == [job, job]
    finally:
        await jobs.stop()
