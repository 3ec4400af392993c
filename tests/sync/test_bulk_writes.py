"""Batches of an export, big enough for the databases' bulk paths, meeting rows that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from plugin.domain.facts import LineFact, OrderFact
from plugin.ledger.facts import write_orders, write_orders_in_bulk
from plugin.ledger.settle import settle_orders
from plugin.ledger.store import Store
from plugin.shops import ShopContext

MANY: Final = 200


def order(number: int, stated_at: int, total: int) -> OrderFact:
    return OrderFact(
        id=number, name=f"#{number}", customer_id=1, created_at=1, processed_at=1, stated_at=stated_at, cancelled_at=None,
        test=False, currency="EUR", financial_status="PAID", total=total, current_total=total, refunded=0, discounts=0,
        shipping=0, discount_codes=(), app_id=None, location_id=None, lines=(), refunds=(),
    )  # fmt: skip


def line(number: int, quantity: int = 1) -> LineFact:
    return LineFact(
        id=number, product_id=7, variant_id=8, title="Tea", sku=None, quantity=quantity, current_quantity=quantity, total=5
    )  # fmt: skip


async def totals(store: Store, shop: ShopContext) -> dict[int, int]:
    rows = await store.database.fetch("SELECT total, COUNT(*) FROM orders WHERE shop_id = $1 GROUP BY total", shop.id)
    return {row[0]: row[1] for row in rows}


async def test_the_later_statement_wins_row_by_row(store: Store, shop: ShopContext) -> None:
    first = [order(number, 10, 100) for number in range(1, MANY + 1)]
    await write_orders_in_bulk(store, shop.id, first, [], exported_at=20)
    half = [order(number, 9 + number % 2 * 2, 300) for number in range(1, MANY + 100)]
    await write_orders_in_bulk(store, shop.id, half, [], exported_at=20)
    assert await totals(store, shop) == {100: MANY // 2, 300: MANY // 2 + 99}


async def test_a_batch_may_say_the_same_twice(store: Store, shop: ShopContext) -> None:
    twice = [order(number % MANY + 1, number, number) for number in range(2 * MANY)]
    lines = [(1, *line(number % MANY + 1)) for number in range(2 * MANY)]
    await write_orders_in_bulk(store, shop.id, twice, lines, exported_at=20)
    assert set(await totals(store, shop)) == set(range(MANY, 2 * MANY))
    assert await store.database.fetch("SELECT COUNT(*) FROM order_lines WHERE shop_id = $1", shop.id) == [(MANY,)]


async def test_a_webhook_later_than_the_export_keeps_its_lines(store: Store, shop: ShopContext) -> None:
    edited = replace(order(1, 30, 300), lines=(line(1, quantity=9),))
    await write_orders(store, shop.id, [edited])
    exported = [order(number, 10, 100) for number in range(1, MANY + 1)]
    lines = [(number, *line(number, quantity=2)) for number in range(1, MANY + 1)]
    await write_orders_in_bulk(store, shop.id, exported, lines, exported_at=20)
    assert await settle_orders(store.database, shop.id) == 0
    items = await store.database.fetch("SELECT id, items FROM orders WHERE shop_id = $1 ORDER BY id LIMIT 2", shop.id)
    assert items == [(1, 9), (2, 2)]


async def test_lines_of_no_order_are_counted_and_go(store: Store, shop: ShopContext) -> None:
    await write_orders_in_bulk(store, shop.id, [order(1, 10, 100)], [(1, *line(1)), (2, *line(2))], exported_at=20)
    assert await settle_orders(store.database, shop.id) == 1
    assert await store.database.fetch("SELECT order_id FROM order_lines WHERE shop_id = $1", shop.id) == [(1,)]
