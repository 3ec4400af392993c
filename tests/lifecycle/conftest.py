import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.facts import CustomerFact, OrderFact
from plugin.ledger.database import Row
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from tests.support.journeys import a_customer, an_order

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMPUTED = ("profiles", "placements", "stage_transitions", "segment_members", "rfm_populations")


def some_facts(seed: int, people: int = 40) -> tuple[list[CustomerFact], list[OrderFact]]:
    """Buyers of the last three years: some cancel, some are refunded, one order is dated ahead."""
    rng = random.Random(seed)
    customers, orders = [], []
    for number in range(1, people + 1):
        joined = NOW - timedelta(days=rng.randrange(1, 1000), minutes=rng.randrange(1440))
        customers.append(
            a_customer(
                number, joined.isoformat(), tags=rng.choice([(), ("VIP",), ("Straße", "vip")]),
                country=rng.choice([None, "DE", "CA"]), email_domain=rng.choice([None, "Example.com"]),
            )
        )  # fmt: skip
        for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
            at = joined + timedelta(days=rng.randrange(900), minutes=rng.randrange(1440))
            if at > NOW + timedelta(days=3):
                continue
            changes: dict[str, object] = {"total": f"{rng.randrange(1, 500)}.50"}
            if rng.random() < 0.15:
                changes["cancelled_at"] = int((at + timedelta(days=rng.randrange(40))).timestamp() * 1_000_000)
            elif rng.random() < 0.2:
                changes["refunds"] = [((at + timedelta(days=5)).isoformat(), rng.choice(["0.50", changes["total"]]))]
            orders.append(an_order(len(orders) + 1, number, at.isoformat(), **changes))
    return customers, orders


async def put_facts(store: Store, shop_id: int, facts: tuple[Sequence[CustomerFact], Sequence[OrderFact]]) -> None:
    await write_customers(store, shop_id, facts[0])
    await write_orders(store, shop_id, facts[1])


async def dump(store: Store, shop_id: int, *, but: Sequence[str] = ("shop_id",)) -> dict[str, list[Row]]:
    """Every computed row of the shop, in a canonical order."""
    found = {}
    for table in COMPUTED:
        columns = [name for name in await _columns(store, table) if name not in but]
        rows = await store.database.fetch(f"SELECT {', '.join(columns)} FROM {table} WHERE shop_id = $1", shop_id)
        found[table] = sorted(rows, key=repr)
    return found


async def _columns(store: Store, table: str) -> list[str]:
    if store.database.dialect == "sqlite":
        rows = await store.database.fetch(f"SELECT name FROM pragma_table_info('{table}') /* every shop */")
    else:
        rows = await store.database.fetch(
            f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' /* every shop */"
        )
    return sorted(row[0] for row in rows)


@pytest.fixture
def now() -> datetime:
    return NOW
