"""The database is locked, full, broken or in a deadlock under a real app with callers at each door: they get 503 with
`Retry-After`, what was acknowledged is kept, and everything goes on by itself. Each fault is seen, or the test fails."""

import asyncio
import contextlib
import sqlite3
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import orjson

from integrations.devshop.signing import base64_hmac
from plugin.invariants import broken
from plugin.ledger.store import Store, open_store
from plugin.settings import Settings
from plugin.shops import shop_by_domain
from tests.conftest import ENVIRONMENT, _with_database
from tests.faults.story import Story, begun
from tests.support.devshop_data import NOW, SHOP
from tests.support.processes import ROOT

READ = "{ customers(first: 2) { nodes { id stage { stage { key } } } } }"
WRITE = 'mutation { segmentCreate(name: "%s", query: "number_of_orders > 1") { userErrors { message } } }'


@dataclass
class Seen:
    """What callers were told at each door: how often each status; `bare`: 503 without Retry-After or not in JSON."""

    told: dict[str, Counter[int]] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)

    def note(self, door: str, answer: httpx.Response) -> int:
        self.told.setdefault(door, Counter())[answer.status_code] += 1
        if answer.status_code == 503 and not ("retry-after" in answer.headers and answer.json()):
            self.bare.append(f"{door}: {answer.headers}")
        return answer.status_code

    def refused(self, door: str) -> int:
        return self.told.get(door, Counter())[503]


@contextlib.asynccontextmanager
async def callers(story: Story) -> AsyncIterator[Seen]:
    """At every door, one after another without a pause, until the block ends."""
    seen, going, mark = Seen(), True, uuid.uuid4().hex[:6]

    async def deliver(http: httpx.AsyncClient) -> None:
        number = 0
        while going:
            number += 1
            person = {"id": 2, "created_at": "2026-01-01T12:00:00Z", "email": "bea@customers.example"}
            body = orjson.dumps({**person, "updated_at": f"2026-11-23T11:{number % 60:02}:00Z", "first_name": "Bea"})
            headers = {
                "X-Shopify-Topic": "customers/update", "X-Shopify-Shop-Domain": SHOP,
                "X-Shopify-Webhook-Id": f"{mark}-{number}",
                "X-Shopify-Hmac-Sha256": base64_hmac(ENVIRONMENT["SHOPIFY_API_SECRET"], body),
                "X-Shopify-Triggered-At": NOW.isoformat(),
            }  # fmt: skip
            answer = await http.post(f"{story.url}/webhooks", content=body, headers=headers)
            if seen.note("webhooks", answer) == 200:
                seen.acknowledged.append(f"{mark}-{number}")
            await asyncio.sleep(0.02)

    async def ask(http: httpx.AsyncClient, door: str) -> None:
        number = 0
        while going:
            number += 1
            document = READ if door == "read" else WRITE % f"{mark}-{number}"
            token = story.devshop[SHOP].session_token()
            answer = await http.post(
                f"{story.url}/graphql", json={"query": document}, headers={"Authorization": f"Bearer {token}"}
            )
            status = seen.note(door, answer)
            if status == 200:
                assert "errors" not in answer.json() or door == "write", answer.text
            if status == 200 and door == "write" and "errors" not in answer.json():
                seen.saved.append(f"{mark}-{number}")
            await asyncio.sleep(0.02)

    async with httpx.AsyncClient(timeout=40) as http, asyncio.TaskGroup() as group:
        group.create_task(deliver(http))
        group.create_task(ask(http, "read"))
        group.create_task(ask(http, "write"))
        try:
            yield seen
        finally:
            going = False


async def good_again(seen: Seen, *doors: str) -> None:
    """Every door lets somebody in again within ten seconds, by itself."""
    before = {door: seen.told.get(door, Counter())[200] for door in doors}
    async with asyncio.timeout(10):
        while any(seen.told.get(door, Counter())[200] <= before[door] + 2 for door in doors):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def all_is_well(story: Story, seen: Seen) -> None:
    """Only 200 and 503 were told; everything acknowledged is done; nothing refused was half done."""
    assert {status for told in seen.told.values() for status in told} <= {200, 503}, seen.told
    assert seen.bare == []
    await story.quiet()
    rows = await story.database.fetch("SELECT webhook_id, state FROM inbox WHERE shop_id = 1")
    states = dict(rows)
    assert {each: states.get(each) for each in seen.acknowledged if states.get(each) != "done"} == {}
    names = {row[0] for row in await story.database.fetch("SELECT name FROM segments WHERE shop_id = 1")}
    assert set(seen.saved) <= names
    async with open_store(story.settings) as store:
        assert await broken(store, await shop_by_domain(store.database, SHOP), now=lambda: NOW) == []


async def test_postgres_has_no_room_is_in_a_deadlock_or_locked(postgres_server: str, tmp_path: Path) -> None:
    """What else befalls a server stands in `test_postgres_away.py`."""
    name = f"rebloom_{uuid.uuid4().hex[:12]}"
    on_server = await asyncpg.connect(postgres_server)
    await on_server.execute(f"CREATE DATABASE {name}")
    url = _with_database(postgres_server, name)
    async with begun(url, tmp_path) as story:
        admin = await asyncpg.connect(url)
        for trouble in ("full", "deadlock", "serialization", "locked"):
            async with callers(story) as seen:
                await good_again(seen, "webhooks", "read", "write")
                async with postgres_in(admin, trouble):
                    async with asyncio.timeout(30):
                        while not (seen.refused("webhooks") and seen.refused("write")):  # noqa: ASYNC110
                            await asyncio.sleep(0.05)
                await good_again(seen, "webhooks", "read", "write")
            await all_is_well(story, seen)
        await admin.close()
    await on_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await on_server.close()


@contextlib.asynccontextmanager
async def postgres_in(admin: asyncpg.Connection, trouble: str) -> AsyncIterator[None]:
    """As the server itself says it: SQLSTATE 53100, 40P01, 40001; and a lock that nobody gets past."""
    codes = {"full": "53100", "deadlock": "40P01", "serialization": "40001"}
    if trouble == "locked":
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("LOCK TABLE inbox, segments IN ACCESS EXCLUSIVE MODE")
        yield
        await transaction.rollback()
    else:
        await admin.execute(
            "CREATE FUNCTION in_trouble() RETURNS trigger AS $$ BEGIN"
            f" RAISE EXCEPTION 'trouble' USING ERRCODE = '{codes[trouble]}'; END $$ LANGUAGE plpgsql"
        )
        for table in ("inbox", "segments"):
            await admin.execute(
                f"CREATE TRIGGER in_trouble BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION in_trouble()"
            )
        yield
        await admin.execute("DROP FUNCTION in_trouble() CASCADE")


async def test_sqlite_is_locked_full_or_broken(tmp_path: Path) -> None:
    path = tmp_path / "rebloom.sqlite3"
    async with begun(f"sqlite:///{path}", tmp_path) as story:
        for trouble in ("locked", "full", "broken"):
            async with callers(story) as seen:
                await good_again(seen, "webhooks", "read", "write")
                async with sqlite_in(trouble, path, story), asyncio.timeout(30):
                    while not (seen.refused("webhooks") and seen.refused("write")):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await good_again(seen, "webhooks", "read", "write")
            await all_is_well(story, seen)
        await story.a_second_order()


@contextlib.asynccontextmanager
async def sqlite_in(trouble: str, path: Path, story: Story) -> AsyncIterator[None]:
    """Another program writes and does not end; or the disk has no room, or no mercy, for whatever is written."""
    if trouble == "locked":
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
        other.close()
        return
    error = {"full": "ENOSPC", "broken": "EIO"}[trouble]
    calls = "pwrite64,fdatasync,fsync"
    assert story.app._process is not None
    tracer = await asyncio.create_subprocess_exec(
        "strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}",
        "-p", str(story.app._process.pid), stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield
    tracer.terminate()
    await tracer.wait()


async def test_two_processes_count_one_row_and_none_is_lost(store: Store, settings: Settings) -> None:
    times = 500
    await store.database.execute(
        "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, received_at, state, attempts)"
        " VALUES (1, 'counted', 'a', 'x', '', 0, 'new', 0)"
    )
    await store.database.execute(
        "INSERT INTO point_spends (shop_id, customer_id, id, points, at, code_id) VALUES (1, 1, 1, 0, 0, 1)"
    )
    url = settings.database_url.replace("sqlite:///", "sqlite:////")
    began = time.monotonic()
    both = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.counting_process", url, str(times), cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    ended = [await process.communicate() for process in both]
    assert [(process.returncode, said[1]) for process, said in zip(both, ended, strict=True)] == [(0, b""), (0, b"")]
    assert time.monotonic() - began < 120
    assert await store.database.fetch("SELECT attempts FROM inbox WHERE shop_id = 1") == [(2 * times,)]
    assert await store.database.fetch("SELECT points FROM point_spends WHERE shop_id = 1") == [(2 * times,)]
