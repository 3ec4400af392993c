"""What operators and load balancers are told: the truth, in codes, and nothing of anybody."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from plugin.jobs.watch import depths
from plugin.ledger.store import Store
from plugin.settings import Settings, read_settings
from plugin.vault import Vault
from plugin.web import health
from plugin.web.app import create_app
from tests.conftest import ENVIRONMENT
from tests.support.shops import install_shop
from tests.support.small_shop import NOW, NOW_US


@dataclass
class Door:
    http: httpx.AsyncClient
    app: Starlette

    async def ready(self) -> tuple[int, dict[str, str]]:
        reply = await self.http.get("/readyz")
        return reply.status_code, reply.json()["checks"]

    async def gauges(self) -> dict[tuple[str, str], float]:
        text = (await self.http.get("/metrics")).text
        return {
            (sample.name, sample.labels.get("kind", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def door(settings: Settings, store: Store) -> AsyncIterator[Door]:
    app = Starlette(routes=health.routes)
    app.state.settings, app.state.store, app.state.now = settings, store, lambda: NOW
    app.state.pulse = health.Pulse(expected=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rebloom.test") as http:
        yield Door(http, app)


async def test_all_is_well(door: Door) -> None:
    assert await door.ready() == (200, {"database": "ok", "migrations": "ok", "key": "ok", "jobs": "none"})


async def test_a_database_that_is_behind_is_not_ready(door: Door, store: Store) -> None:
    await store.database.execute("DELETE FROM tortoise_migrations WHERE name <> '0001_initial'")
    status, checks = await door.ready()
    assert (status, checks["migrations"]) == (503, "behind")


async def test_a_key_that_does_not_fit_is_not_ready(door: Door, store: Store) -> None:
    door.app.state.store = replace(store, vault=Vault(["another-key-of-more-than-thirty-two-characters"]))
    status, checks = await door.ready()
    assert (status, checks["key"]) == (503, "mismatch")


async def test_a_database_that_is_away_is_not_ready_and_says_nothing_of_where_it_is(door: Door, store: Store) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError("connect to secret-host:5432 as secret-user failed")

    door.app.state.store = SimpleNamespace(database=SimpleNamespace(fetch=away, dialect="postgres"), vault=store.vault)
    reply = await door.http.get("/readyz")
    assert (reply.status_code, reply.json()["checks"]) == (503, {"database": "unreachable"})
    assert reply.headers["retry-after"] == "5"
    assert "secret" not in reply.text
    assert (await door.http.get("/healthz")).status_code == 200
    assert (await door.gauges())["rebloom_database_up", ""] == 0


async def test_jobs_that_no_longer_tick_are_not_ready(
    door: Door, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tick() -> None:
        return

    pulse = door.app.state.pulse = health.Pulse(expected=True)
    if store.database.dialect == "sqlite":
        assert (await door.ready())[1]["jobs"] == "ok"
        started = time.monotonic()
        monkeypatch.setattr(health.time, "monotonic", lambda: started + 200)
        assert await door.ready() == (503, {"database": "ok", "migrations": "ok", "key": "ok", "jobs": "stalled"})
        await pulse.around(tick)()
        assert (await door.ready())[1]["jobs"] == "ok"
        return
    assert (await door.ready())[1]["jobs"] == "stalled"
    await store.database.execute(
        "INSERT INTO executors (id, beat_at) VALUES ('a', EXTRACT(EPOCH FROM clock_timestamp()))"
    )
    assert (await door.ready())[1]["jobs"] == "ok"


async def test_what_waits_is_counted_with_its_age_and_nobody_is_named(door: Door, store: Store) -> None:
    shop = await install_shop("canary-shop.myshopify.com")
    for number, state in enumerate(["new", "new", "set_aside", "done"]):
        await store.database.execute(
            "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, received_at, state, attempts)"
            " VALUES ($1, $2, 'canary-shop.myshopify.com', 'orders/create', '', $3, $4, 0)",
            shop.id, f"canary-{number}", NOW_US - (number + 1) * 60_000_000, state,
        )  # fmt: skip
    gauges = await door.gauges()
    assert gauges["rebloom_inbox_deliveries", "new"] == 2
    assert gauges["rebloom_inbox_deliveries", "set_aside"] == 1
    assert gauges["rebloom_inbox_oldest_seconds", "new"] == 120
    assert gauges["rebloom_shops", "installed"] == 1
    assert gauges["rebloom_database_up", ""] == 1
    text = (await door.http.get("/metrics")).text
    assert "canary" not in text
    labels = {name for line in text.splitlines() for name in re.findall(r"[{,](\w+)=", line)}
    assert labels <= {"kind", "route", "status", "code", "what", "outcome", "le"}


async def test_many_scrapers_cost_one_reading(door: Door, store: Store) -> None:
    asked: list[str] = []

    class Counting:
        dialect = store.database.dialect

        async def fetch(self, sql: str, *params: object) -> object:
            asked.append(sql)
            return await store.database.fetch(sql, *params)

    door.app.state.store = SimpleNamespace(database=Counting(), vault=store.vault)
    await asyncio.gather(*(door.http.get("/metrics") for _ in range(20)))
    assert len(asked) == len(set(asked))


async def test_there_are_no_jobs_where_the_engine_never_ran(settings: Settings, store: Store) -> None:
    assert await depths(settings, store.database) == []


async def test_where_nothing_answers_the_path_is_named() -> None:
    app = create_app(read_settings(ENVIRONMENT))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://rebloom.test") as http:
        answer = await http.get("/nope?email=ada@mail.example")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error.pop("requestId") == answer.headers["x-request-id"]
    told = "Nothing answers at /nope; the merchant's page is at /, the API at /graphql."
    assert error == {"code": "HTTP", "message": told}
