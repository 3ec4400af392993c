"""Jobs on the durable engine: on both databases, in order for a shop, taken over from the dead."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from plugin.errors import ShopAccessError
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

    async def tick(self) -> None:
        return None


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def jobs(settings: Settings, database: Database, work: Work) -> AsyncIterator[Jobs]:
    queue = Jobs(settings.database_url, database, runs=True)
    await queue.start({"note": work.note, "fail": work.fail, "first": work.first}, work.tick)
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
