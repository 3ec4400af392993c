"""What no webhook brought is found by walking the shop: the end is that of a fresh copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integrations.devshop.server import DevShopConfig
from integrations.shopify.client import AdminClient, new_http
from integrations.shopify.gateway import ShopifyGateway
from integrations.shopify.pacing import Bucket, Pace
from plugin.domain.instants import to_us
from plugin.errors import NotFoundError, ShopUnavailableError
from plugin.ledger.store import Store
from plugin.settings import read_settings
from plugin.shops import ShopContext
from plugin.sync.backfill import run_sync
from plugin.sync.reconcile import reconcile, reconciliation_row
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, SHOP, small_data
from tests.support.shops import install_shop
from tests.sync.test_sync_on_devshop import grant

LATER = NOW + timedelta(minutes=40)  # within the life of a token


@dataclass
class Beside:
    running: RunningDevShop
    gateway: ShopifyGateway
    work: Path

    async def copy(self, store: Store, shop: ShopContext, at: Any) -> None:
        await run_sync(store, shop, self.gateway, now=lambda: at, progress=lambda _: None, work_dir=self.work)


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    config = DevShopConfig(app=APP, shops={SHOP: small_data()}, clock=lambda: NOW)
    with running_devshop(config) as running:
        settings = read_settings({**ENVIRONMENT, "SHOPIFY_SHOP_URL": f"{running.base}/{{shop}}"})
        pace = Pace(budget=5.0)
        async with new_http(settings) as http:
            client = AdminClient(settings, http, await grant(running, http), Bucket(pace), pace)
            yield Beside(running, ShopifyGateway(client), tmp_path / "work")


async def held(store: Store, shop_id: int) -> dict[str, list[tuple[Any, ...]]]:
    reads = {
        "customers": "id, stated_at, tags, email_status, shop_orders, city FROM {} WHERE deleted_at IS NULL AND",
        "orders": "id, customer_id, stated_at, voided_at, total, refunded, current_total, items FROM {}"
        " WHERE deleted_at IS NULL AND",
        "order_lines": "id, order_id, quantity, current_quantity, total FROM {} WHERE",
        "refunds": "id, order_id, at, amount FROM {} WHERE",
        "checkouts": "id, customer_id, created_at, stated_at, completed_at, total, items FROM {} WHERE",
        "products": "id, title, status, stated_at FROM {} WHERE deleted_at IS NULL AND",
    }
    return {
        table: await store.database.fetch(f"SELECT {what.format(table)} shop_id = $1 ORDER BY id", shop_id)
        for table, what in reads.items()
    }


def without_a_word(running: RunningDevShop) -> None:
    """A while in the shop of which nothing is told: nobody subscribed."""
    shop = running[SHOP]
    shop.advance(timedelta(minutes=20))
    made = shop.create_customer(first_name="Nova", email="nova@mail.example", tags=["new"])
    shop.place_order(made.id, [(11, 2)])
    shop.edit_tags(1, add=["loyal"])
    shop.refund_order(101, amount="1.00")
    shop.cancel_order(100)
    gone = shop.create_product("Soon gone", "1.00")
    shop.create_product("Pot", "19.90")
    shop.delete_product(gone.id)
    left = shop.begin_checkout(2, [(11, 3)])
    shop.begin_checkout(None, [(11, 1)])
    shop.begin_checkout(made.id, [(21, 1)])
    shop.update_checkout(shop.begin_checkout(1, [(11, 1)]).id, completed=True)
    shop.advance(timedelta(minutes=15))
    shop.update_checkout(left.id, completed=True)
    shop.delete_customer(3)


async def test_a_walk_ends_where_a_fresh_copy_does(store: Store, shop: ShopContext, beside: Beside) -> None:
    await beside.copy(store, shop, NOW)
    await asyncio.to_thread(without_a_word, beside.running)
    walked = await reconcile(store, shop, beside.gateway, now=lambda: LATER)
    fresh = await install_shop("fresh.myshopify.com")
    await beside.copy(store, fresh, LATER)
    ours, theirs = await held(store, shop.id), await held(store, fresh.id)
    assert {name: rows for name, rows in ours.items() if name != "customers"} == {
        name: rows for name, rows in theirs.items() if name != "customers"
    }
    known = {row[0] for row in theirs["customers"]}
    assert [row for row in ours["customers"] if row[0] in known] == theirs["customers"]
    # Customer, order, product, two checkouts that were left; a customer and two orders.
    assert (walked.missed, walked.outdated) == (5, 3)
    assert {1, 2} <= walked.changed
    assert [(row[1], row[4] is None, row[5], row[6]) for row in ours["checkouts"]] == [
        (2, False, 165_000, 3), (max(known), True, 122_500, 1),
    ]  # fmt: skip
    row = await reconciliation_row(store.database, shop.id)
    assert row is not None
    assert (row["missed"], row["outdated"], row["walked_to"], row["error"]) == (5, 3, to_us(LATER), None)
    again = await reconcile(store, shop, beside.gateway, now=lambda: LATER)
    assert (again.missed, again.outdated, again.gone, again.changed) == (0, 0, 0, frozenset())


async def test_what_is_gone_since_it_last_changed_is_found_by_its_id(
    store: Store, shop: ShopContext, beside: Beside
) -> None:
    await beside.copy(store, shop, NOW)
    shop_side = beside.running[SHOP]
    shop_side.advance(timedelta(minutes=20))
    made = shop_side.place_order(1, [(11, 1)])
    assert (await reconcile(store, shop, beside.gateway, now=lambda: NOW + timedelta(minutes=30))).missed == 1
    shop_side.delete_order(made.id)
    walked = await reconcile(store, shop, beside.gateway, now=lambda: LATER)
    assert (walked.gone, walked.changed) == (1, frozenset({1}))
    assert made.id not in {row[0] for row in (await held(store, shop.id))["orders"]}


async def test_a_walk_that_breaks_off_says_so_and_begins_where_it_began(
    store: Store, shop: ShopContext, beside: Beside
) -> None:
    with pytest.raises(NotFoundError, match="never copied"):
        await reconcile(store, shop, beside.gateway, now=lambda: NOW)
    await beside.copy(store, shop, NOW)
    await asyncio.to_thread(without_a_word, beside.running)

    class Down(ShopifyGateway):
        async def orders_page(self, updated_since: Any, after: str | None) -> Any:
            raise ShopUnavailableError("The shop is down.")

    with pytest.raises(ShopUnavailableError):
        await reconcile(store, shop, Down(beside.gateway._client), now=lambda: LATER)
    row = await reconciliation_row(store.database, shop.id)
    assert row is not None
    assert (row["error"], row["walked_to"], row["finished_at"]) == ("The shop is down.", None, None)
    walked = await reconcile(store, shop, beside.gateway, now=lambda: LATER)
    assert (walked.missed, walked.outdated) == (3, 2)  # orders and checkouts, which the broken walk did not reach
