"""What stands at which instant, for which shop; what is let go, and when; what is done for a shop that left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugin.domain.instants import to_us
from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.jobs.schedule import DAY, SCHEDULE, Periodic, due
from plugin.ledger.retention import RETENTION, let_go
from plugin.ledger.store import Store
from plugin.settings import Settings
from tests.support.scripted_shop import FakeTime, ScriptedShop

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NIGHTLY = Periodic(kind="recompute", every=DAY, at=timedelta(hours=3), spread=timedelta(hours=1))
LONG_AGO = NOW - timedelta(days=400)


def once(now: datetime, shop_id: int = 1, installed_at: datetime = LONG_AGO) -> list[str]:
    return [once for _, once in due([NIGHTLY], shop_id, installed_at, now)]


def test_a_period_is_one_job_however_often_it_is_asked_for_and_a_missed_night_is_made_up() -> None:
    night = datetime(2026, 11, 23, 3, tzinfo=UTC)
    asked = [once(night + timedelta(minutes=minutes)) for minutes in range(60, 24 * 60)]
    assert len({tuple(each) for each in asked}) == 1
    assert once(night + timedelta(hours=20)) == once(night + timedelta(hours=2))
    assert once(night + timedelta(hours=26)) != once(night + timedelta(hours=2))


def test_a_clock_that_jumps_back_an_hour_meets_what_is_done() -> None:
    before = once(NOW)
    assert once(NOW - timedelta(hours=1)) == before == once(NOW + timedelta(hours=1))


def test_shops_begin_at_moments_of_their_own_within_the_hour() -> None:
    began = {NIGHTLY.period(shop, NOW)[1] for shop in range(1, 200)}
    assert len(began) > 150
    assert max(began) - min(began) < timedelta(hours=1)


def test_the_period_in_which_a_shop_came_is_not_its_own() -> None:
    assert once(NOW, installed_at=NOW - timedelta(hours=1)) == []
    assert len(once(NOW + DAY, installed_at=NOW - timedelta(hours=1))) == 1


class Asked:
    """`Jobs` that only remembers."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, int, str | None]] = []

    async def enqueue(self, kind: str, shop_id: int, *, once: str | None = None, **_: Any) -> str:
        self.jobs.append((kind, shop_id, once))
        return kind

    async def nudge(self, kind: str, shop_id: int) -> str:
        return await self.enqueue(kind, shop_id)

    async def forget_before(self, _: datetime) -> int:
        return 0


async def a_shop_row(store: Store, **columns: Any) -> None:
    row = {
        "id": 1, "domain": "a.myshopify.com", "status": "installed", "installed_at": to_us(LONG_AGO),
        "primary_model": "buyer-activity", "tag_prefix": "rbl-", "lapse_ladder": "90,180,360", "platform_id": 7,
        **columns,
    }  # fmt: skip
    marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await store.database.execute(f"INSERT INTO shops ({', '.join(row)}) VALUES ({marks})", *row.values())


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def shop() -> ScriptedShop:
    return ScriptedShop()


@pytest.fixture
def handlers(settings: Settings, store: Store, asked: Asked, shop: ScriptedShop) -> Handlers:
    gateways = Gateways(settings, store, lambda: NOW, transport=shop, pace=FakeTime().pace())
    return Handlers(settings, store, gateways, asked, lambda: NOW)  # type: ignore[arg-type]  # as much of it as a tick asks


async def test_a_minute_asks_once_for_what_stands(handlers: Handlers, asked: Asked, store: Store) -> None:
    await a_shop_row(store, refresh_token="sealed", access_token="sealed", access_expires_at=to_us(NOW) + 1)
    await handlers.tick()
    kinds = sorted(kind for kind, _, _ in asked.jobs)
    assert kinds == sorted([*(entry.kind for entry in SCHEDULE), "settle", "token"])
    await handlers.tick()
    assert len(asked.jobs) == len(kinds)


async def test_a_token_is_renewed_before_it_ends(
    handlers: Handlers, store: Store, shop: ScriptedShop, asked: Asked
) -> None:
    seal = store.vault.seal
    tokens = {"access_token": seal("shpat_0"), "refresh_token": seal("shprt_0")}
    await a_shop_row(store, **tokens, access_expires_at=to_us(NOW + timedelta(minutes=9)))
    await handlers.by_kind()["token"](1)
    await handlers.by_kind()["token"](1)
    assert [form["refresh_token"] for form in shop.forms] == ["shprt_0"]
    await handlers.tick()
    assert "token" not in [kind for kind, _, _ in asked.jobs]


async def test_an_uninstalled_shop_is_stopped_by_the_minute_though_its_delivery_waits_behind_a_long_job(
    handlers: Handlers, store: Store, asked: Asked, shop: ScriptedShop
) -> None:
    await a_shop_row(store, access_token=store.vault.seal("shpat_0"))
    for topic, at in (("orders/create", NOW), ("app/uninstalled", LONG_AGO - DAY)):
        await store.database.execute(
            "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, triggered_at, received_at, state,"
            " attempts) VALUES ($1, $2, 'a.myshopify.com', $2, '', $3, $3, 'new', 0)", 1, topic, to_us(at),
        )  # fmt: skip
    await handlers.tick()
    assert await store.database.fetch("SELECT status FROM shops") == [("installed",)]  # that was an older installation
    await store.database.execute(
        "UPDATE inbox SET triggered_at = $1 WHERE shop_id = 1 AND topic = 'app/uninstalled'", to_us(NOW)
    )
    asked.jobs.clear()
    await handlers.tick()
    assert asked.jobs == [("inbox", 1, None)]
    for kind, work in handlers.by_kind().items():
        if kind != "inbox":
            assert await work(1) == {"stopped": "uninstalled"}, kind
    assert (shop.calls, shop.forms) == ([], [])


async def test_handled_deliveries_and_old_histories_are_let_go_after_their_time_and_no_others(store: Store) -> None:
    ages = [("done", 29, 1), ("done", 31, 1), ("set_aside", 89, 1), ("set_aside", 91, 1), ("new", 999, 1)]
    for state, age, shop_id in [*ages, ("done", 32, 2)]:
        await store.database.execute(
            "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, received_at, state, attempts)"
            " VALUES ($1, $2, 'a', 'x', '', $3, $4, 0)", shop_id, f"{state}-{age}", to_us(NOW - timedelta(days=age)),
            state,
        )  # fmt: skip
    assert await let_go(store.database, 1, now=NOW) == {"inbox": 2}
    left = await store.database.fetch("SELECT webhook_id FROM inbox WHERE shop_id IN (1, 2) ORDER BY 1")
    assert [row[0] for row in left] == ["done-29", "done-32", "new-999", "set_aside-89"]
    assert await let_go(store.database, 1, now=NOW) == {}
    assert {kept.table for kept in RETENTION} >= {"inbox", "stage_transitions_superseded"}
