"""After an export is in: what follows from rows that came in any order, by passes of SQL, and the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plugin.ledger.database import Database

_WINDOW: Final = 5_000  # orders a statement: a webhook waits for at most one of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows held, those deleted or folded away left out."""

    customers: int
    orders: int
    order_lines: int
    products: int


async def settle_customers(database: Database, shop_id: int) -> None:
    """A person who was redacted while the export ran does not stay."""
    await database.execute(
        "DELETE FROM persons WHERE shop_id = $1 AND id IN (SELECT id FROM customers WHERE shop_id = $1"
        " AND (deleted_at IS NOT NULL OR merged_into IS NOT NULL))",
        shop_id,
    )


async def settle_products(database: Database, shop_id: int) -> None:
    """A product costs what its cheapest variant costs, and can be sold when one of its variants can."""
    of_product = "FROM variants WHERE shop_id = $1 AND product_id = products.id"
    await database.execute(
        "DELETE FROM variants WHERE shop_id = $1"
        " AND product_id IN (SELECT id FROM products WHERE shop_id = $1 AND deleted_at IS NOT NULL)",
        shop_id,
    )
    await database.execute(
        f"UPDATE products SET price = COALESCE(price, (SELECT MIN(price) {of_product})),"
        f" available = EXISTS (SELECT 1 {of_product} AND available)"
        f" WHERE shop_id = $1 AND deleted_at IS NULL AND EXISTS (SELECT 1 {of_product})",
        shop_id,
    )


async def settle_orders(database: Database, shop_id: int) -> int:
    """Units of each order, merged customers' orders, and lines whose order never came: how many of those there were."""
    await database.execute(
        "UPDATE orders SET customer_id = (SELECT merged_into FROM customers"
        " WHERE customers.shop_id = $1 AND customers.id = orders.customer_id) WHERE shop_id = $1 AND customer_id IN"
        " (SELECT id FROM customers WHERE shop_id = $1 AND merged_into IS NOT NULL)",
        shop_id,
    )
    await database.execute(
        "DELETE FROM refunds WHERE shop_id = $1"
        " AND order_id IN (SELECT id FROM orders WHERE shop_id = $1 AND deleted_at IS NOT NULL)",
        shop_id,
    )
    orphans = await _remove_orphans(database, shop_id)
    await _count_items(database, shop_id)
    return orphans


async def _count_items(database: Database, shop_id: int) -> None:
    last = 0
    while True:
        [(end,)] = await database.fetch(
            "SELECT MAX(id) FROM (SELECT id FROM orders WHERE shop_id = $1 AND id > $2 ORDER BY id LIMIT $3) AS part",
            shop_id,
            last,
            _WINDOW,
        )
        if end is None:
            return
        await database.execute(
            "UPDATE orders SET items = COALESCE((SELECT SUM(quantity) FROM order_lines"
            " WHERE order_lines.shop_id = $1 AND order_lines.order_id = orders.id), 0)"
            " WHERE shop_id = $1 AND id > $2 AND id <= $3",
            shop_id,
            last,
            end,
        )
        last = end


async def _remove_orphans(database: Database, shop_id: int) -> int:
    """Looked for by a read, so that no writer waits for it; looked at again before each is removed."""
    without = (
        "NOT EXISTS (SELECT 1 FROM orders WHERE orders.shop_id = $1 AND orders.id = order_lines.order_id"
        " AND orders.deleted_at IS NULL)"
    )
    rows = await database.fetch(f"SELECT DISTINCT order_id FROM order_lines WHERE shop_id = $1 AND {without}", shop_id)
    removed = 0
    for (order_id,) in rows:
        removed += await database.execute(
            f"DELETE FROM order_lines WHERE shop_id = $1 AND order_id = $2 AND {without}", shop_id, order_id
        )
    return removed


async def count_rows(database: Database, shop_id: int) -> Counts:
    [(customers, orders, order_lines, products)] = await database.fetch(
        "SELECT (SELECT COUNT(*) FROM customers WHERE shop_id = $1 AND deleted_at IS NULL AND merged_into IS NULL),"
        " (SELECT COUNT(*) FROM orders WHERE shop_id = $1 AND deleted_at IS NULL),"
        " (SELECT COUNT(*) FROM order_lines WHERE shop_id = $1),"
        " (SELECT COUNT(*) FROM products WHERE shop_id = $1 AND deleted_at IS NULL)",
        shop_id,
    )
    return Counts(customers=customers, orders=orders, order_lines=order_lines, products=products)
