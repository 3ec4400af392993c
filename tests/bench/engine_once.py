"""`python -m tests.bench.engine_once WHAT URL CUSTOMERS`: one measurement over a grown shop, in this process alone."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from statistics import median
from typing import Any, Final

import numpy as np

from plugin.domain.instants import from_us
from plugin.domain.lifecycles import MODELS, classify
from plugin.ledger.facts import write_orders
from plugin.ledger.picks import id_ranges
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store, open_store
from plugin.ledger.tables import Shop
from plugin.lifecycle.frames import customer_ids, read_frame
from plugin.lifecycle.plan import read_plan
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.segments import create_segment, preview
from plugin.lifecycle.sweep import sweep
from plugin.lifecycle.transitions import past_batch
from plugin.settings import read_settings
from plugin.shops import ShopContext, context_of
from tests.bench.grown_shop import DAY, NOW, grow, grow_profiles
from tests.support.journeys import an_order
from tests.support.shops import install_shop

_KEY: Final = "a-key-for-benchmarks-of-thirty-two-characters"
RULES: Final = (
    "number_of_orders > 3",
    "amount_spent > 500",
    "days_since_last_order BETWEEN 30 AND 90",
    "last_order_date >= -30d",
    "customer_countries CONTAINS 'DE' AND number_of_orders >= 2",
    "customer_tags CONTAINS 'vip' OR amount_spent > 800",
    "lifecycle_stage = 'departing'",
    "email_subscription_status = 'SUBSCRIBED' AND days_since_last_order > 180",
    "rfm_recency >= 4 AND rfm_monetary >= 4",
    "first_order_date < -1y AND number_of_orders = 1",
)
_TIMES: Final = 40
Measured = dict[str, float]


async def main(what: str, url: str, customers: int) -> None:
    environment = {
        "SHOPIFY_API_KEY": "bench", "SHOPIFY_API_SECRET": "bench", "REBLOOM_ENCRYPTION_KEYS": _KEY,
        "REBLOOM_DATABASE_URL": url if url.startswith("postgres") else url.replace("sqlite://", "sqlite:///"),
    }  # fmt: skip
    async with open_store(read_settings(environment)) as store:
        rows = await Shop.filter(id=1)
        shop = context_of(rows[0]) if rows else await install_shop("grown.myshopify.com")
        found = await _WHAT[what](store, shop, customers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({**found, "peak_mb": peak}) + "\n")


async def _grow(store: Store, shop: ShopContext, customers: int) -> Measured:
    begun = time.perf_counter()
    await grow(store, customers)
    for number, query in enumerate(RULES):
        await create_segment(store, shop, name=f"Segment {number}", query=query, now=_now())
    return {"seconds": time.perf_counter() - begun}


async def _recompute(store: Store, shop: ShopContext, _: int) -> Measured:
    begun = time.perf_counter()
    report = await recompute_shop(store, shop, as_of=_now())
    return {"seconds": time.perf_counter() - begun, "customers": report.customers, "written": report.written}


async def _group(store: Store, shop: ShopContext, _: int) -> Measured:
    """What customers bought, from orders and lines as they stand in the database."""
    import duckdb
    import pyarrow as pa

    begun = time.perf_counter()
    orders = await store.database.arrays(
        "SELECT id, customer_id, processed_at, total FROM orders WHERE shop_id = $1", shop.id
    )
    lines = await store.database.arrays("SELECT order_id, quantity FROM order_lines WHERE shop_id = $1", shop.id)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        connection.register("orders", pa.table(orders))
        connection.register("lines", pa.table(lines))
        read = time.perf_counter()
        connection.execute(
            "SELECT customer_id, COUNT(*), SUM(total), MIN(processed_at), MAX(processed_at), SUM(items) FROM orders JOIN"
            " (SELECT order_id, SUM(quantity) AS items FROM lines GROUP BY order_id) l ON l.order_id = orders.id"
            " GROUP BY customer_id"
        ).fetchnumpy()
    ended = time.perf_counter()
    return {"seconds": ended - begun, "grouping": ended - read}


async def _grow_wide(store: Store, shop: ShopContext, customers: int) -> Measured:
    """Facts and profiles, no lines; memberships are filled by the segments."""
    begun = time.perf_counter()
    await grow(store, customers, lines=False)
    await grow_profiles(store)
    for number, query in enumerate(RULES):
        await create_segment(store, shop, name=f"Segment {number}", query=query, now=_now())
    await refresh_statistics(store.database, "segment_members", "segment_events")
    await store.database.execute("UPDATE profiles SET due_at = $2 WHERE shop_id = $1", 1, NOW + DAY)
    return {"seconds": time.perf_counter() - begun}


async def _fact(store: Store, shop: ShopContext, customers: int) -> Measured:
    """An order more for each of some customers: medians of placing them, and of a transaction of one row."""
    taken, bare = [], []
    for number in range(_TIMES):
        customer = 1 + number * 7919 % customers
        await write_orders(store, shop.id, [an_order(10**9 + number, customer, _now().isoformat())])
        taken.append(await _seconds(recompute_customers(store, shop, [customer], as_of=_now())))
        one = "UPDATE profiles SET computed_at = computed_at + 1 WHERE shop_id = $1 AND customer_id = $2"
        bare.append(await _seconds(store.database.execute(one, shop.id, customer)))
    return {"seconds": median(taken), "floor": median(bare)}


async def _sweep(store: Store, shop: ShopContext, due: int) -> Measured:
    """`due` customers' time has come, whose history is there; the floor is reading by its key as many."""
    ripen = "UPDATE profiles SET due_at = $2 WHERE shop_id = $1 AND customer_id <= $3"
    await store.database.execute(ripen, shop.id, NOW - DAY, due)
    await sweep(store, shop, as_of=_now())
    await refresh_statistics(store.database, "placements", "stage_transitions")  # as a nightly recompute leaves them
    await store.database.execute(ripen, shop.id, NOW - DAY, due)
    read = "SELECT customer_id FROM profiles WHERE shop_id = $1 AND customer_id <= $2"
    floor = await _seconds(store.database.fetch(read, shop.id, due))
    return {"seconds": await _seconds(sweep(store, shop, as_of=_now())), "floor": floor}


async def _preview(store: Store, shop: ShopContext, _: int) -> Measured:
    """The slowest of the rules, each the best of three; the floor is counting the shop's profiles."""
    whole = "SELECT COUNT(net_spend) FROM profiles WHERE shop_id = $1"
    floor = min([await _seconds(store.database.fetch(whole, shop.id)) for _ in range(3)])
    return {"floor": floor} | {
        query: min([await _seconds(preview(store, shop, query, now=_now())) for _ in range(3)]) for query in RULES
    }


async def _evaluate(store: Store, shop: ShopContext, _: int) -> Measured:
    """All models over everybody in memory; the floor is one plain comparison for each of their stages."""
    plan = await read_plan(store.database, shop, _now())
    ids = await customer_ids(store.database, shop.id)
    frame = await read_frame(store.database, shop.id, id_ranges(ids, len(ids))[0])
    models = list(MODELS.values())
    rules = tuple(rule for model in models for rule in model)
    begun = time.perf_counter()
    at = np.full(len(frame), NOW, dtype=np.int64)
    batch = past_batch(rules, frame, plan, np.arange(len(frame), dtype=np.int64), at)
    measured = time.perf_counter()
    for model in models:
        classify(model, batch)
    judged = time.perf_counter()
    days = batch.columns["last_order_day"].values
    for number in range(len(rules)):
        np.flatnonzero(days > number)
    floor = time.perf_counter() - judged
    customers = len(frame)
    return {
        "customers": customers, "measured": measured - begun, "seconds": judged - measured, "floor": floor,
        "models": len(models),
    }  # fmt: skip


async def _seconds(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def _now() -> datetime:
    return from_us(NOW)


_WHAT: Final[dict[str, Callable[[Store, ShopContext, int], Awaitable[Any]]]] = {
    "grow": _grow, "group": _group, "recompute": _recompute, "grow_wide": _grow_wide, "fact": _fact, "sweep": _sweep, "preview": _preview, "evaluate": _evaluate,
}  # fmt: skip

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
