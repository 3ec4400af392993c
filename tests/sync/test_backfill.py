"""The whole copy of a shop from files, on both databases: exact totals, damage, kills."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from plugin.domain.instants import parse_instant
from plugin.errors import ShopAccessError, ShopUnavailableError
from plugin.ledger.events import told_since
from plugin.ledger.facts import read_person
from plugin.ledger.store import Store
from plugin.shops import ShopContext
from plugin.sync.backfill import SyncProgress, SyncReport, run_sync
from plugin.sync.jsonl import ExportFile
from tests.support.file_gateway import FileGateway

CASES: Final = Path(__file__).parent / "cases" / "shop"
SHARED: Final = Path(__file__).parents[3] / "shared" / "data" / "online_retail"
KINDS: Final = ("customers", "products", "orders")
NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
Sync = Callable[..., Any]


async def no_sleep(_: float) -> None:
    return None


def _ignore(_: SyncProgress) -> None:
    return None


@pytest.fixture
def sync(store: Store, shop: ShopContext, tmp_path: Path) -> Sync:
    async def run(gateway: FileGateway, *, progress: Callable[[SyncProgress], None] = _ignore) -> SyncReport:
        return await run_sync(
            store, shop, gateway, now=lambda: NOW, progress=progress, work_dir=tmp_path / "work", sleep=no_sleep
        )

    return run


async def dump(store: Store, shop: ShopContext) -> dict[str, list[tuple[Any, ...]]]:
    """The facts held, in one canonical form; `stated_at` of children and seals differ between runs."""
    tables = {
        "customers": "id, created_at, stated_at, account_status, email_domain, tags, shop_orders, shop_spend",
        "products": "id, title, status, tags, price, stated_at",
        "variants": "id, product_id, title, sku, price",
        "orders": "id, customer_id, processed_at, voided_at, total, refunded, current_total, items",
        "order_lines": "id, order_id, product_id, quantity, current_quantity, total",
        "refunds": "id, order_id, at, amount",
    }
    return {
        table: await store.database.fetch(f"SELECT {columns} FROM {table} WHERE shop_id = $1 ORDER BY id", shop.id)
        for table, columns in tables.items()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small shop that a test may damage."""
    return Path(shutil.copytree(CASES, tmp_path / "shop"))


async def test_a_small_shop_is_copied_to_the_cent(sync: Sync, store: Store, shop: ShopContext) -> None:
    report = await sync(FileGateway(CASES))
    assert report == SyncReport(customers=3, orders=6, order_lines=6, products=2, set_aside=0, history_from=None)
    at = parse_instant
    assert (await dump(store, shop))["orders"] == [
        (10, 1, at("2026-01-05T09:00:00Z"), None, 200_050, 0, 200_050, 2),
        (11, 1, at("2026-02-05T23:30:00Z"), at("2026-02-08T00:00:00Z"), 99_500, 99_500, 0, 1),
        (12, None, at("2026-02-06T00:00:00Z"), None, 75_000, 0, 75_000, 3),
        (13, 1, at("2026-03-01T12:00:00Z"), None, 130_000, 50_000, 80_000, 5),
        (14, 2, at("2026-03-02T00:00:00Z"), at("2026-03-02T06:00:00Z"), 1_000_000, 0, 0, 1),
        (15, 2, at("2026-03-04T00:00:00Z"), None, 0, 0, 0, 0),
    ]
    flags = await store.database.fetch(
        "SELECT id, counted, discounted, currency FROM orders WHERE shop_id = $1 ORDER BY id", shop.id
    )
    assert [(row[0], bool(row[1]), bool(row[2]), row[3]) for row in flags] == [
        (10, True, True, "EUR"), (11, True, False, "EUR"), (12, False, False, "EUR"), (13, True, False, "EUR"),
        (14, True, False, "EUR"), (15, False, False, "EUR"),
    ]  # fmt: skip


async def test_customers_and_products_are_kept_as_stated(sync: Sync, store: Store, shop: ShopContext) -> None:
    await sync(FileGateway(CASES))
    customers = await store.database.fetch(
        "SELECT id, email_domain, email_status, sms_status, language, tags, country, region, city, shop_orders,"
        " shop_spend, spend_tier, shop_rfm_group FROM customers WHERE shop_id = $1 ORDER BY id",
        shop.id,
    )
    assert customers == [
        (1, "mail.example", "SUBSCRIBED", "NOT_SUBSCRIBED", "de", '["VIP", "no, comma"]', "DE", "DE-BE",
         "DE-BE-BadHomburg", 3, 315_000, "HIGH", "CHAMPIONS"),
        (2, None, None, None, None, "[]", None, None, None, 1, 0, None, None),
        (3, None, None, None, None, "[]", None, None, None, None, None, None, None),
    ]  # fmt: skip
    products = await store.database.fetch(
        "SELECT id, title, status, tags, gift_card, inventory, price, available FROM products WHERE shop_id = $1"
        " ORDER BY id",
        shop.id,
    )
    assert [(*row[:4], bool(row[4]), row[5], row[6], bool(row[7])) for row in products] == [
        (100, "Tea", "ACTIVE", "\x1fgreen\x1forganic\x1f", False, None, 99_500, True),
        (200, "Gift card", "DRAFT", None, True, -2, 250_000, True),
    ]
    people = await store.database.fetch("SELECT id, sealed FROM persons WHERE shop_id = $1 ORDER BY id", shop.id)
    ada, _, noel = [read_person(store.vault, row[1]) for row in people]
    assert (ada.email, ada.phone, noel.display_name) == ("ada.canary@mail.example", "+4930123456", "Noël ZeroByte")


async def test_the_sync_state_tells_what_is_held(sync: Sync, store: Store, shop: ShopContext) -> None:
    seen: list[SyncProgress] = []
    await sync(FileGateway(CASES), progress=seen.append)
    [row] = await store.database.fetch(
        "SELECT phase, customers, orders, order_lines, products, started_at, finished_at, fresh_as_of, history_from,"
        " error FROM sync_states WHERE shop_id = $1",
        shop.id,
    )
    now = parse_instant(NOW.isoformat())
    assert row == ("done", 3, 6, 6, 2, now, now, now, None, None)
    assert list(dict.fromkeys(at.phase for at in seen)) == [
        "shop", "products", "customers", "orders", "checkouts", "done",
    ]  # fmt: skip
    assert SyncProgress(phase="orders", done=12, total=12) in seen


async def test_that_a_copy_is_complete_is_told_when_it_is_and_of_no_copy_that_is_broken_off(
    sync: Sync, store: Store, shop: ShopContext
) -> None:
    async def told() -> list[tuple[str, int]]:
        rows = await told_since(store.database, shop.id, 0, at_most=9)
        return [(str(row.event.kind), row.event.at) for row in rows]

    def stop(_: SyncProgress) -> None:
        raise ShopUnavailableError("stopped here")

    with pytest.raises(ShopUnavailableError):
        await sync(FileGateway(CASES), progress=stop)
    assert await told() == []
    await sync(FileGateway(CASES))
    assert await told() == [("syncFinished", parse_instant(NOW.isoformat()))]


async def test_with_sixty_days_of_orders_the_copy_says_from_when_it_knows(sync: Sync) -> None:
    report = await sync(FileGateway(CASES, scopes=frozenset({"read_orders"})))
    assert report.history_from == parse_instant("2026-09-21T00:00:00Z")


async def test_a_second_sync_changes_nothing(sync: Sync, store: Store, shop: ShopContext) -> None:
    gateway = FileGateway(CASES)
    await sync(gateway)
    first = await dump(store, shop)
    await sync(gateway)
    assert await dump(store, shop) == first
    assert gateway.exports == ["products", "customers", "orders"] * 2


@pytest.mark.parametrize("size", ["tiny", "tiny ungrouped", "small"])
async def test_real_orders_add_up_to_their_truth(sync: Sync, store: Store, shop: ShopContext, size: str) -> None:
    """On the shared data where it is; on a machine without it, the small shop stands for it."""
    size, _, shuffled = size.partition(" ")
    folder = SHARED / size if (SHARED / size).exists() else CASES
    mixed = folder / "orders.ungrouped.jsonl.gz"
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    report = await sync(FileGateway(folder, files={"orders": mixed} if shuffled and mixed.exists() else {}))
    assert report.customers == truth["customers"]["records"]
    assert report.orders == truth["orders"]["records"]
    assert report.order_lines == truth["lines"]["records"]
    assert report.products == truth["products"]["records"]
    [sums] = await store.database.fetch(
        "SELECT SUM(total), SUM(refunded), SUM(current_total), SUM(CASE WHEN cancelled_at IS NULL THEN items END),"
        " COUNT(cancelled_at) FROM orders WHERE shop_id = $1",
        shop.id,
    )
    money = truth["money"]
    assert [int(value) for value in sums] == [
        round(money["total_all_orders"] * 10_000),
        round(money["refunded_all"] * 10_000),
        round(money["net_current_total"] * 10_000),
        truth["lines"]["units_in_valid_orders"],
        truth["orders"]["cancelled"],
    ]


async def test_lines_in_any_order_give_the_same_state(
    sync: Sync, store: Store, shop: ShopContext, folder: Path
) -> None:
    await sync(FileGateway(CASES))
    undisturbed = await dump(store, shop)
    for name in ("orders", "products"):
        path = folder / f"{name}.jsonl"
        lines = path.read_bytes().splitlines()
        path.write_bytes(b"\n".join([*reversed(lines), lines[0], lines[-1]]))
    assert (await sync(FileGateway(folder))).set_aside == 0
    assert await dump(store, shop) == undisturbed


DAMAGE: Final[dict[str, bytes]] = {
    "garbage": b"%$&/ not json",
    "blank": b"",
    "a list": b"[1, 2]",
    "null": b"null",
    "no id": b'{"name": "#1"}',
    "id of another kind": b'{"id": "gid://shopify/Metafield/1"}',
    "id beyond 64 bits": b'{"id": "gid://shopify/Customer/9223372036854775808", "createdAt": "2026-01-01T00:00:00Z"}',
    "half a surrogate pair": b'{"id": "gid://shopify/LineItem/1", "title": "\\ud800", "quantity": 1}',
    "not UTF-8": b'{"id": "gid://shopify/LineItem/1", "title": "\xff", "quantity": 1}',
    "a child of nobody": b'{"id": "gid://shopify/LineItem/1", "title": "Tea", "quantity": 1}',
    "a number for money": b'{"id": "gid://shopify/Order/1", "createdAt": "2026-01-01T00:00:00Z", "updatedAt":'
    b' "2026-01-01T00:00:00Z", "totalPriceSet": {"shopMoney": {"amount": "NaN", "currencyCode": "EUR"}}}',
    "a day without zone": b'{"id": "gid://shopify/Customer/1", "createdAt": "2026-01-01", "updatedAt": "2026-01-01"}',
    "nested": b"[" * 5000,
    "half a line": b'{"id": "gid://shopify/Order/1", "na',
}


@pytest.mark.parametrize("name", sorted(DAMAGE))
async def test_a_bad_line_is_set_aside_with_its_number_and_its_neighbours_go_on(
    sync: Sync, store: Store, shop: ShopContext, folder: Path, name: str
) -> None:
    await sync(FileGateway(CASES))
    undisturbed = await dump(store, shop)
    path = folder / "orders.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], DAMAGE[name], *lines[3:], b""]))
    report = await sync(FileGateway(folder))
    assert report.set_aside == 1
    [(source, position, reason)] = await store.database.fetch(
        "SELECT source, position, reason FROM set_aside WHERE shop_id = $1", shop.id
    )
    assert (source, position) == ("orders", 4)
    assert reason.startswith("This line")
    assert await dump(store, shop) == undisturbed


async def test_lines_whose_order_never_came_are_not_kept(
    sync: Sync, store: Store, shop: ShopContext, folder: Path
) -> None:
    path = folder / "orders.jsonl"
    path.write_bytes(path.read_bytes().replace(b'/Order/13","name"', b'/Order/99","name"'))
    report = await sync(FileGateway(folder))
    assert (report.orders, report.order_lines) == (6, 4)


async def test_an_incomplete_file_is_fetched_again(sync: Sync, store: Store, shop: ShopContext) -> None:
    await sync(FileGateway(CASES))
    whole = await dump(store, shop)
    gateway = FileGateway(CASES, cuts=[100, 200])
    await sync(gateway)
    assert gateway.downloads == 5
    assert await dump(store, shop) == whole


async def test_a_file_left_by_something_else_under_the_same_name_is_not_taken(
    sync: Sync, store: Store, shop: ShopContext, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    planted = [work / f"{kind}-gid-shopify-BulkOperation-{n}.jsonl" for kind in KINDS for n in (1, 2, 3)]
    for path in planted:
        path.write_text('{"id":"gid://shopify/Customer/777"}\n')
    gateway = FileGateway(CASES)
    report = await sync(gateway)
    assert (report.customers, report.orders, report.products) == (3, 6, 2)
    assert gateway.downloads == 3
    assert sum(path.exists() for path in planted) == 6  # the three that were in the way are gone with their exports


@pytest.mark.parametrize("end", ["FAILED", "CANCELED", "EXPIRED"])
async def test_an_export_that_did_not_complete_is_asked_for_again(sync: Sync, end: str) -> None:
    gateway = FileGateway(CASES, statuses=[end, end])
    await sync(gateway)
    assert gateway.exports == ["products"] * 3 + ["customers", "orders"]


class ShortGateway(FileGateway):
    """Says one line more than it gives."""

    async def bulk_status(self, operation: str) -> Any:
        import dataclasses

        status = await super().bulk_status(operation)
        return dataclasses.replace(status, object_count=status.object_count + 1)


async def test_a_file_without_end_is_given_up_and_leaves_nothing(
    store: Store, shop: ShopContext, folder: Path, tmp_path: Path
) -> None:
    class Endless(FileGateway):
        sent = 0

        @asynccontextmanager
        async def open_download(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
            async def pieces() -> AsyncIterator[bytes]:
                while True:
                    self.sent += 2**20
                    yield b"x" * 2**20

            yield pieces()

    gateway = Endless(folder)
    with pytest.raises(ShopUnavailableError):
        await run_sync(
            store, shop, gateway, now=lambda: NOW, progress=_ignore, work_dir=tmp_path / "work", sleep=no_sleep
        )
    assert gateway.sent < 3 * 3 * 4 * 2**20  # three exports, each fetched three times, a few of a thousand kB each
    assert [path for path in (tmp_path / "work").rglob("*") if path.stat().st_size > 4 * 2**20] == []
    assert await store.database.fetch("SELECT 1 FROM customers WHERE shop_id = 1") == []


async def test_a_file_that_stays_short_is_never_taken_for_all(sync: Sync, store: Store, shop: ShopContext) -> None:
    gateway = ShortGateway(CASES)
    with pytest.raises(ShopUnavailableError, match="no whole export of its products"):
        await sync(gateway)
    assert gateway.downloads == 9
    assert all(rows == [] for rows in (await dump(store, shop)).values())
    [(phase, error)] = await store.database.fetch("SELECT phase, error FROM sync_states WHERE shop_id = $1", shop.id)
    assert (phase, error[:30]) == ("failed", "The shop gave no whole export ")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", range(1, 8))
async def test_killed_anywhere_the_next_run_ends_the_same(
    sync: Sync, store: Store, shop: ShopContext, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr("plugin.sync.backfill.BATCH", 3)
    left = after

    def die(_: SyncProgress) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    gateway = FileGateway(CASES)
    with pytest.raises(Killed):
        await sync(gateway, progress=die)
    report = await sync(gateway)
    assert gateway.exports == ["products", "customers", "orders"]
    assert report == SyncReport(customers=3, orders=6, order_lines=6, products=2, set_aside=0, history_from=None)


def test_a_file_goes_on_after_the_lines_that_are_done() -> None:
    with ExportFile(CASES / "customers.jsonl", skip=1) as file:
        batch = file.batch(1)
        assert batch is not None
        assert (batch.lines_done, [fact.id for fact in batch.customers]) == (2, [2])
        assert [fact.id for fact in (file.batch(9) or batch).customers] == [3]
        assert file.batch(9) is None


async def test_an_uninstall_stops_a_running_sync(sync: Sync, store: Store, shop: ShopContext) -> None:
    class Leaving(FileGateway):
        async def start_bulk_query(self, text: str) -> str:
            await store.database.execute("UPDATE shops SET status = 'uninstalled' WHERE id = $1", shop.id)
            return await super().start_bulk_query(text)

    gateway = Leaving(CASES)
    with pytest.raises(ShopAccessError, match="no longer installed"):
        await sync(gateway)
    assert gateway.exports == ["products"]


async def test_no_file_of_people_stays_behind(sync: Sync, tmp_path: Path) -> None:
    await sync(FileGateway(CASES))
    assert list((tmp_path / "work").iterdir()) == []


async def test_no_person_can_be_read_in_the_bytes_of_the_database(
    sync: Sync, store: Store, tmp_path: Path, database_url: str
) -> None:
    await sync(FileGateway(CASES))
    texts = await _all_bytes(store, tmp_path, database_url)
    assert b"TEA-S" in texts
    for canary in (b"Canary", b"canary@", b"4930123456", b"No\xc3\xabl"):
        assert canary not in texts


async def _all_bytes(store: Store, tmp_path: Path, url: str) -> bytes:
    """Every file of SQLite; on PostgreSQL every value of every table."""
    if url.startswith("sqlite"):
        return await asyncio.to_thread(_files, tmp_path)
    tables = ("customers", "persons", "orders", "order_lines", "products", "variants", "set_aside", "sync_states")
    found = [await store.database.fetch(f"SELECT * FROM {table} /* every shop */") for table in tables]
    return repr(found).encode()


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("rebloom.sqlite3*"))
