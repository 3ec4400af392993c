"""Access that changes while we work: tokens revoked in the middle, with and without a way to new ones; a shop frozen,
closed, gone or locked; a scope taken away. Nothing is hammered, the state says what happened, webhooks are taken all the
while, and after the merchant let us in again the end is as in the shop beside it."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from integrations.devshop.faults import Fault
from plugin.domain.instants import to_us
from plugin.errors import ShopAccessError
from plugin.installations import store_installation
from plugin.lifecycle import publish
from tests.support.doors import open_doors
from tests.support.platform_requests import webhook_headers
from tests.support.scripted_shop import ScriptedShop
from tests.support.storms import CALM, STORMY, Storm

WORK = ("copy", "polling a copy", "push by call", "polling a push")


def at_call(number: int, operation: str, act: Callable[[], None]) -> Callable[[httpx.Request], None]:
    """`act` before the `number`-th call of the stormy shop that says `operation`."""
    seen = 0

    def before(request: httpx.Request) -> None:
        nonlocal seen
        if f"/{STORMY}/admin/api/" in request.url.path and operation.encode() in request.content:
            seen += 1
            if seen == number:
                act()

    return before


async def ready(storm: Storm, what: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Everything up to the work that is disturbed; (the work, what its calls in the middle of it say)."""
    monkeypatch.setattr(publish, "FILE_TAKES", -1.0 if "file" in what or "polling" in what else 1e9)
    monkeypatch.setattr(publish, "TAG_BATCH", 3)
    await storm.sync(CALM)
    if "copy" in what:
        return "sync", "BulkStatus" if "polling" in what else "BulkExport"
    await storm.sync(STORMY)
    for domain in (CALM, STORMY):
        await storm.place(domain, "active")
    await storm.push(CALM)
    return "push", "BulkStatus" if "polling" in what else "BulkImport" if "file" in what else "SwapTags"


async def state(storm: Storm, work: str) -> str:
    """What the merchant is told of the work."""
    table = {"sync": "sync_states", "push": "push_runs"}[work]
    [(phase, error)] = await storm.store.database.fetch(
        f"SELECT phase, error FROM {table} WHERE shop_id = $1", storm.ids[STORMY]
    )
    assert phase == "failed"
    return str(error)


async def installation(storm: Storm, domain: str = STORMY) -> tuple[str, str | None]:
    [(status, reason)] = await storm.store.database.fetch(
        "SELECT status, status_reason FROM shops WHERE id = $1", storm.ids[domain]
    )
    return status, reason


async def webhook_taken(storm: Storm) -> bool:
    body = b'{"id": 1, "updated_at": "2026-11-23T12:00:00Z"}'
    async with open_doors(storm.settings, storm.store, ScriptedShop(), storm.now) as doors:
        headers = webhook_headers(body, topic="customers/update", **{"X-Shopify-Shop-Domain": STORMY})
        answer = await doors.http.post("/webhooks", content=body, headers=headers)
    rows = await storm.store.database.fetch("SELECT state FROM inbox WHERE shop_id = $1", storm.ids[STORMY])
    return answer.status_code == 200 and rows == [("new",)]


@pytest.mark.parametrize("what", WORK)
async def test_tokens_that_are_gone_for_good_stop_the_work_at_the_first_refusal(
    storm: Storm, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, operation = await ready(storm, what, monkeypatch)
    shop = storm.dev[STORMY].state

    def revoke() -> None:
        shop.tokens.clear()
        shop.refresh_tokens.clear()
        storm.wire.sent.clear()

    storm.wire.before = at_call(2, operation, revoke)
    run = storm.sync if work == "sync" else storm.push
    with pytest.raises(ShopAccessError):
        await storm.as_job(work, lambda: run(STORMY))
    assert storm.attempts[work] == 0  # the queue does not try again what trying cannot mend
    in_flight = 1 if operation != "SwapTags" else 4  # of twelve customers by three
    assert 1 <= storm.wire.calls() - storm.wire.refreshes() <= in_flight
    assert storm.wire.refreshes() == 1
    status, reason = await installation(storm)
    assert (status, await state(storm, work)) == ("no_access", reason)
    storm.wire.sent.clear()
    with pytest.raises(ShopAccessError):
        await run(STORMY)
    assert storm.wire.sent == []
    assert await webhook_taken(storm)
    assert await installation(storm, CALM) == ("installed", None)
    await run(CALM)

    assert await store_installation(storm.store, STORMY, await storm.grant(STORMY), storm.now()) == storm.ids[STORMY]
    await storm.as_job(work, lambda: run(STORMY))
    await storm.assert_same()


@pytest.mark.parametrize("what", ["copy", "push by call", "polling a push"])
async def test_two_workers_mend_a_revoked_token_with_one_refresh_and_go_on(
    storm: Storm, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, operation = await ready(storm, what, monkeypatch)
    gateways, wire = storm.worker()
    other = await gateways.for_shop(storm.ids[STORMY])
    both = asyncio.Event()

    def revoke() -> None:
        storm.dev[STORMY].revoke_tokens()
        both.set()

    async def beside() -> None:
        await both.wait()
        await asyncio.gather(*(other.shop_info() for _ in range(5)))

    storm.wire.before = at_call(2, operation, revoke)
    run = storm.sync if work == "sync" else storm.push
    await asyncio.gather(storm.as_job(work, lambda: run(STORMY)), beside())
    await gateways.close()
    await storm.assert_same()
    assert both.is_set()
    assert storm.wire.refreshes() + wire.refreshes() == 1
    assert storm.attempts[work] == 0
    assert await installation(storm) == ("installed", None)
    assert storm.dev[STORMY].state.writes == storm.dev[CALM].state.writes


@pytest.mark.parametrize(
    ("what", "status"), [("polling a copy", 402), ("push by file", 403), ("polling a push", 404), ("copy", 423)]
)
async def test_a_shop_that_is_frozen_closed_gone_or_locked_is_asked_once_and_served_when_it_is_back(
    storm: Storm, what: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, operation = await ready(storm, what, monkeypatch)
    fault = Fault(path=f"{STORMY}/admin/api", operation=operation, skip=1, times=None, status=status)
    storm.dev.shops.faults.add(fault)
    run = storm.sync if work == "sync" else storm.push
    with pytest.raises(ShopAccessError):
        await storm.as_job(work, lambda: run(STORMY))
    assert (fault.seen, storm.attempts[work]) == (2, 0)
    assert f"HTTP {status}" in await state(storm, work)
    assert await webhook_taken(storm)
    storm.dev.shops.faults.clear()
    await storm.as_job(work, lambda: run(STORMY))
    await storm.assert_same()


@pytest.mark.parametrize("way", [1e9, -1.0], ids=["by call", "by file"])
async def test_without_a_scope_what_needs_it_stops_and_says_so_and_the_rest_goes_on(
    storm: Storm, way: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(storm, "push", monkeypatch)
    monkeypatch.setattr(publish, "FILE_TAKES", way)
    tokens = storm.dev[STORMY].state.tokens
    kept = {value: token.scopes for value, token in tokens.items()}
    for token in tokens.values():
        token.scopes -= {"write_customers"}
    before = storm.dev[STORMY].state.writes.total()
    with pytest.raises(ShopAccessError, match="Access denied"):
        await storm.as_job("push", lambda: storm.push(STORMY))
    assert "Access denied" in await state(storm, "push")
    assert await installation(storm) == ("installed", None)
    await storm.sync(STORMY)
    assert all(tags == [] for tags in storm.tags(STORMY).values())
    for value, token in tokens.items():
        token.scopes = kept[value]
    await storm.as_job("push", lambda: storm.push(STORMY))
    await storm.assert_same()
    assert storm.dev[STORMY].state.writes.total() > before


async def test_an_expired_token_is_renewed_by_whoever_comes_first(storm: Storm) -> None:
    await storm.sync(CALM)
    await storm.sleep(2 * 3_600.0)
    workers = [storm.worker() for _ in range(2)]
    sides = [await gateways.for_shop(storm.ids[STORMY]) for gateways, _ in workers]
    await asyncio.gather(*(side.shop_info() for side in sides for _ in range(4)))
    for gateways, _ in workers:
        await gateways.close()
    assert sum(wire.refreshes() for _, wire in workers) == 1
    [(ends,)] = await storm.store.database.fetch("SELECT access_expires_at FROM shops WHERE id = $1", storm.ids[STORMY])
    assert ends > to_us(storm.now())
