"""On PostgreSQL the job that applies a delivery commits with the delivery's row, or not at all."""

import asyncio
from functools import partial

import pytest

from plugin.jobs.queue import Jobs
from plugin.ledger.database import Session
from plugin.ledger.inbox import Delivery, record_delivery
from plugin.ledger.store import Store
from plugin.settings import Settings
from tests.jobs.test_schedule import a_shop_row

ROW = "SELECT count(*) FROM inbox WHERE shop_id = 1"
JOB = "SELECT count(*) FROM dbos.workflow_status WHERE queue_partition_key = '1'"


def a_delivery(number: int) -> Delivery:
    return Delivery(
        webhook_id=f"w{number}", event_id=None, domain="a.myshopify.com", topic="orders/create", body=b"{}",
        triggered_at=None, received_at=number,
    )  # fmt: skip


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_row_and_its_job_are_one_transaction(settings: Settings, store: Store) -> None:
    applied = asyncio.Event()

    async def inbox(shop_id: int) -> dict[str, int]:
        applied.set()
        return {"of": shop_id}

    async def no_tick() -> None:
        return None

    await a_shop_row(store, access_token=store.vault.seal("shpat_0"))
    jobs = Jobs(settings.database_url, store.database, runs=True)
    await jobs.start({"inbox": inbox}, no_tick)
    try:
        ride = partial(jobs.riding, "inbox")

        def broken(shop_id: int):
            put = ride(shop_id)
            assert put is not None

            async def after(session: Session) -> None:
                await put(session)
                raise ConnectionError("the database went away before the commit")

            return after

        with pytest.raises(ConnectionError):
            await record_delivery(store, a_delivery(1), beside=broken)
        assert [await store.database.fetch(each) for each in (ROW, JOB)] == [[(0,)], [(0,)]]

        assert await record_delivery(store, a_delivery(1), beside=ride)
        assert [await store.database.fetch(each) for each in (ROW, JOB)] == [[(1,)], [(1,)]]
        assert not await record_delivery(store, a_delivery(1), beside=ride)  # the same again: no further job
        assert await store.database.fetch(JOB) == [(1,)]
        # Nobody nudged, as after a kill between the commit and the answer; the job runs all the same.
        async with asyncio.timeout(15):
            await applied.wait()
        await jobs.nudge("inbox", 1)
        assert jobs.riding("inbox", 1) is None  # this second has one
    finally:
        await jobs.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_has_its_jobs_in_another_file_and_the_row_is_what_counts(settings: Settings, store: Store) -> None:
    jobs = Jobs(settings.database_url, store.database, runs=False)
    assert jobs.riding("inbox", 1) is None
