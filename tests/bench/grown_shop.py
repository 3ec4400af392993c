"""A made-up shop of any size, written by the database itself: every figure follows from the customer's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from plugin.ledger.database import Dialect
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store

DAY: Final = 86_400_000_000
NOW: Final = 20_600 * DAY  # 27 May 2026
LINES: Final = 4  # an order
ORDERS: Final = 4  # a customer, on average: 1 to 7
PRODUCTS: Final = 500


_AGE: Final = f"(({NOW} - c.created_at) / {DAY})"
_TABLES: Final = (
    # Known for up to three years; each attribute follows from the number.
    f"""INSERT INTO customers (shop_id, id, created_at, stated_at, country, email_status, tags)
        SELECT 1, n, {NOW} - (n * 7919 % 1100) * {DAY} - n % 86400 * 1000000, 0,
        CASE n % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'CA' ELSE 'FR' END,
        CASE n % 2 WHEN 0 THEN 'SUBSCRIBED' ELSE 'NOT_SUBSCRIBED' END, CASE WHEN n % 10 = 0 THEN '["vip"]' END
        FROM CUSTOMERS s""",
    # One to seven orders each, at any time since.
    f"""INSERT INTO orders (shop_id, id, customer_id, name, created_at, processed_at, stated_at, test, counted,
        discounted, currency, total, current_total, refunded, discounts, shipping, items)
        SELECT 1, c.id * 10 + s.n, c.id, '#1', 0, c.created_at + (c.id * 31 + s.n * 97) % ({_AGE} + 1) * {DAY}, 0,
        FALSE, TRUE, c.id % 5 = 0, 'EUR', (c.id * 7 + s.n * 13) % 90 * 10000 + 99900, 0, 0, 0, 0, 4
        FROM customers c JOIN SEVEN s ON s.n <= 1 + c.id % 7 WHERE c.shop_id = 1""",
    f"""INSERT INTO order_lines (shop_id, order_id, id, product_id, title, quantity, current_quantity, total, stated_at)
        SELECT 1, o.id, o.id * 10 + s.n, 1 + (o.id * 13 + s.n * 17) % {PRODUCTS}, 'Thing', 1, 1, 99900, 0
        FROM orders o CROSS JOIN FOUR s WHERE o.shop_id = 1""",
)
_COMPUTED: Final = (
    f"""INSERT INTO profiles (shop_id, customer_id, orders, net_spend, paid, refunded, purchase_days, unbroken_days, laps,
        first_order_at,
        first_order_day, last_order_at, last_order_day, lapse_1, lapse_2, lapse_3, average_order_value, rfm_recency,
        rfm_frequency, rfm_monetary, rfm_group, added_at, added_day, countries, tags, email_status, computed_at)
        SELECT 1, c.id, COUNT(o.id), SUM(o.total), SUM(o.total), 0, COUNT(o.id), 1, 0, MIN(o.processed_at),
        MIN(o.processed_at) / {DAY}, MAX(o.processed_at), MAX(o.processed_at) / {DAY}, 90, 180, 360,
        SUM(o.total) / 10000.0 / COUNT(o.id), 1 + c.id % 5, 1 + c.id / 5 % 5, 1 + c.id / 25 % 5, 'ACTIVE',
        c.created_at, c.created_at / {DAY}, '\x1f' || c.country || '\x1f',
        CASE WHEN c.id % 10 = 0 THEN '\x1fvip\x1f' END, c.email_status, 0
        FROM customers c JOIN orders o ON o.shop_id = c.shop_id AND o.customer_id = c.id
        WHERE c.shop_id = 1 GROUP BY c.shop_id, c.id""",
    """INSERT INTO placements (shop_id, model, customer_id, stage, since_at, since_day, because)
        SELECT 1, 'buyer-activity', customer_id, CASE customer_id % 3 WHEN 0 THEN 'new_buyer' WHEN 1 THEN 'active'
        ELSE 'departing' END, last_order_at, last_order_day, '[]' FROM profiles WHERE shop_id = 1""",
)


def _numbers(dialect: Dialect, last: int) -> str:
    """1..last for a FROM, as the column n."""
    if dialect == "postgres":
        return f"(SELECT generate_series(CAST(1 AS BIGINT), {last}) AS n)"
    return f"(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {last}) SELECT n FROM g)"


async def grow(store: Store, customers: int, *, lines: bool = True) -> None:
    """Customers, orders and their lines of shop 1."""
    await _run(store, _TABLES if lines else _TABLES[:2], {"CUSTOMERS": customers, "SEVEN": 7, "FOUR": LINES})
    await refresh_statistics(store.database, "customers", "orders", "order_lines")


async def grow_profiles(store: Store) -> None:
    """Their profiles and their places in one model, near enough to what a recompute would find; nobody is due."""
    await _run(store, _COMPUTED, {})
    await refresh_statistics(store.database, "profiles", "placements")


async def _run(store: Store, statements: Sequence[str], sizes: Mapping[str, int]) -> None:
    database = store.database
    for statement in statements:
        sql = statement
        for name, last in sizes.items():
            sql = sql.replace(f"{name} s", f"{_numbers(database.dialect, last)} s")
        await database.execute(sql)
