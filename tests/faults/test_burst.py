"""Two thousand deliveries in a few seconds, into an app that dies the moment the last is acknowledged; and a database
that takes three seconds for each row."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import orjson
import pytest

from integrations.devshop.signing import base64_hmac
from tests.conftest import ENVIRONMENT, _with_database
from tests.faults.story import Story, begun
from tests.support.devshop_data import NOW, SHOP

MANY, AT_ONCE = 2_000, 100
SENDER_WAITS = 5.0  # seconds, the platform's own
CEILING = 700_000  # kB that the app may have held at most


@pytest.fixture(params=["sqlite", "postgres"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rebloom.sqlite3'}"
        return
    server, name = request.getfixturevalue("postgres_server"), f"rebloom_{uuid.uuid4().hex[:12]}"
    for statement in (f"CREATE DATABASE {name}", f"DROP DATABASE {name} WITH (FORCE)"):
        connection = await asyncpg.connect(server)
        await connection.execute(statement)
        await connection.close()
        if statement.startswith("CREATE"):
            yield _with_database(server, name)


class Sender:
    """Orders of Cleo's, one delivery each; `slowest` answer in seconds."""

    def __init__(self, story: Story, http: httpx.AsyncClient) -> None:
        self._story, self._http = story, http
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.slowest = 0.0

    async def send(self, number: int) -> int:
        at = "2026-11-22T12:00:00Z"
        body = orjson.dumps({
            "id": 50_000 + number, "name": f"#{number}", "created_at": at, "processed_at": at, "updated_at": at,
            "currency": "EUR", "total_price": "1.00", "current_total_price": "1.00", "total_discounts": "0.00",
            "customer": {"id": 3}, "line_items": [], "refunds": [], "financial_status": "paid", "test": False,
        })  # fmt: skip
        headers = {
            "X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": SHOP, "X-Shopify-Webhook-Id": f"burst-{number}",
            "X-Shopify-Hmac-Sha256": base64_hmac(ENVIRONMENT["SHOPIFY_API_SECRET"], body),
            "X-Shopify-Triggered-At": NOW.isoformat(),
        }  # fmt: skip
        async with self._gate:
            began = time.monotonic()
            answer = await self._http.post(f"{self._story.url}/webhooks", content=body, headers=headers)
            self.slowest = max(self.slowest, time.monotonic() - began)
        return answer.status_code


async def test_two_thousand_at_once_and_a_kill_after_the_last_answer(empty_url: str, tmp_path: Path) -> None:
    async with begun(empty_url, tmp_path) as story, httpx.AsyncClient(timeout=30) as http:
        sender = Sender(story, http)
        told = await asyncio.gather(*(sender.send(number) for number in range(MANY)))
        assert set(told) == {200}
        assert sender.slowest < SENDER_WAITS
        assert story.app.held() < CEILING
        story.app.kill()
        await story.quiet()  # started again
        states = await story.database.fetch(
            "SELECT state, count(*) FROM inbox WHERE shop_id = 1 AND webhook_id LIKE 'burst-%' GROUP BY state"
        )
        assert states == [("done", MANY)]
        ((orders, spend),) = await story.database.fetch(
            "SELECT orders, net_spend FROM profiles WHERE shop_id = 1 AND customer_id = 3"
        )
        assert (orders, spend) == (MANY, MANY * 10_000)
        assert story.app.held() < CEILING


async def test_a_database_that_takes_three_seconds(postgres_server: str, tmp_path: Path) -> None:
    name = f"rebloom_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_server)
    await admin.execute(f"CREATE DATABASE {name}")
    async with (
        begun(_with_database(postgres_server, name), tmp_path) as story,
        httpx.AsyncClient(timeout=30) as http,
    ):
        slow = await asyncpg.connect(_with_database(postgres_server, name))
        await slow.execute(
            "CREATE FUNCTION slowly() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$"
            " LANGUAGE plpgsql; CREATE TRIGGER slowly BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION slowly()"
        )
        sender = Sender(story, http)
        told = await asyncio.gather(*(sender.send(number) for number in range(20)))
        assert 200 in told
        assert set(told) <= {200, 503}
        assert sender.slowest < SENDER_WAITS
        held = {
            row["webhook_id"]
            for row in await slow.fetch("SELECT webhook_id FROM inbox WHERE webhook_id LIKE 'burst-%'")
        }
        assert {f"burst-{number}" for number, status in enumerate(told) if status == 200} <= held
        await slow.execute("DROP FUNCTION slowly() CASCADE")
        assert [await sender.send(number) for number in range(20)] == [200] * 20  # the sender's next try
        await story.quiet()
        assert (
            await slow.fetchval("SELECT count(*) FROM inbox WHERE webhook_id LIKE 'burst-%' AND state = 'done'") == 20
        )
        await slow.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
