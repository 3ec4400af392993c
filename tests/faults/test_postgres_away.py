"""PostgreSQL stopped, restarted, out of connections, full and read-only under a running `rebloom serve`."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from plugin.ledger.migrate import migrate
from plugin.settings import Settings, read_settings
from tests.conftest import ENVIRONMENT
from tests.support.doors_in_trouble import DOORS, WRITING, nothing_lost_and_nothing_half, served
from tests.support.own_postgres import OwnPostgres, own_postgres

ABSENCE = float(os.environ.get("REBLOOM_TEST_ABSENCE", "3"))  # seconds; set it to 30 for the whole absence


@pytest.fixture(scope="module")
def own() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
async def away(own: OwnPostgres) -> Settings:
    """A migrated database of this test's own on the server that may be stopped."""
    name = f"rebloom_{time.monotonic_ns()}"
    own.run(f"CREATE DATABASE {name}")
    url = own.url.removesuffix("/postgres") + f"/{name}"
    await migrate(url)
    return read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": url})


async def test_stopped_and_started_under_load_every_door_answers_503_and_then_all_goes_on(
    own: OwnPostgres, away: Settings, tmp_path: Path
) -> None:
    async with served(away, tmp_path) as doors:
        async with doors.asked_meanwhile():
            await asyncio.sleep(1.0)
            await asyncio.to_thread(own.stop)
            await asyncio.sleep(ABSENCE)
            await asyncio.to_thread(own.start)
            started = time.monotonic()
            await doors.well_again(within=15)
            again = time.monotonic() - started
        doors.check(troubled=DOORS)
        applied = await nothing_lost_and_nothing_half(doors, away)
        sys.stdout.write(f"away {ABSENCE} s: answers after {again:.1f} s, all applied {applied:.1f} s later\n")


async def test_read_only_and_out_of_connections_what_cannot_be_done_is_503_and_then_all_goes_on(
    own: OwnPostgres, away: Settings, tmp_path: Path
) -> None:
    name = away.database_url.rpartition("/")[2]
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    async with served(away, tmp_path) as doors:
        own.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")  # as a standby is
        own.run(cut)
        async with doors.asked_meanwhile():
            await asyncio.sleep(1.0)
        doors.check(troubled=WRITING)
        own.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        own.run(cut)
        await doors.well_again()

        before, doors.replies = doors.replies, []
        with contextlib.ExitStack() as hogs:
            mine = hogs.enter_context(psycopg.connect(own.url, autocommit=True))
            async with doors.asked_meanwhile():
                until = time.monotonic() + 1.5
                while time.monotonic() < until:
                    mine.execute(cut)
                    with contextlib.suppress(psycopg.OperationalError):
                        while True:
                            hogs.enter_context(psycopg.connect(own.url))
                    await asyncio.sleep(0.05)
        doors.check(troubled=WRITING)
        doors.replies = before + doors.replies
        await doors.well_again()
        await nothing_lost_and_nothing_half(doors, away)
