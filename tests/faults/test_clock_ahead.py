"""Delays are dated by the wall clock of who put the job in; one dated by a clock an hour ahead is not waited for."""

import asyncio
from typing import Any

from dbos import DBOS

from plugin.jobs.queue import Jobs
from plugin.ledger.database import Database
from plugin.settings import Settings


async def test_a_job_dated_by_a_clock_an_hour_ahead_runs_soon_and_once(settings: Settings, database: Database) -> None:
    ran: list[int] = []

    async def work(shop_id: int) -> dict[str, Any]:
        ran.append(shop_id)
        return {}

    async def no_tick() -> None:
        return None

    jobs = Jobs(settings.database_url, database, runs=True, every=0.3)
    await jobs.start({"work": work}, no_tick)
    try:
        job = await jobs.nudge("work", 7)
        await DBOS.set_workflow_delay_async(job, delay_seconds=3_600)  # as it stands when that clock has gone back
        (status,) = await DBOS.list_workflows_async(workflow_ids=[job])
        assert status.status == "DELAYED"
        async with asyncio.timeout(60):
            await jobs.result(job)
    finally:
        await jobs.stop()
    assert ran == [7]
