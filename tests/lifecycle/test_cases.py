"""The cases of tests/cases/, which a merchant can read and extend, through the store on both databases."""

import json
from datetime import timedelta
from pathlib import Path

from plugin.domain.instants import from_us, parse_instant
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.stage_readers import placements_at
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from tests.support.journeys import Case, case_customer, case_orders, case_shop, standing, told

CASES = [
    (path.stem, case)
    for path in sorted((Path(__file__).parent.parent / "cases").glob("*.json"))
    for case in json.loads(path.read_text())
]


async def put(store: Store, case: Case, number: int) -> None:
    await write_customers(store, number, [case_customer(case)])
    await write_orders(store, number, case_orders(case))


async def found(store: Store, model: str, case: Case, number: int) -> dict[str, object]:
    """What the store says, in the words of the case, for what the case expects."""
    [row] = await store.database.fetch(
        "SELECT stage, rung, since_at, valid_until, previous_stage, because FROM placements"
        " WHERE shop_id = $1 AND model = $2 AND customer_id = 1", number, model,
    )  # fmt: skip
    said = {
        "stage": row[0], "rung": row[1], "since": _written(row[2]), "valid_until": _written(row[3]), "previous": row[4],
        "because": told(json.loads(row[5])),
    }  # fmt: skip
    return {name: said[name] for name in case["expect"]}


async def history(store: Store, model: str, number: int) -> list[list[str | None]]:
    rows = await store.database.fetch(
        "SELECT at, to_stage, to_rung FROM stage_transitions WHERE shop_id = $1 AND model = $2 AND customer_id = 1"
        " ORDER BY at", number, model,
    )  # fmt: skip
    return [[_written(at), standing(stage, rung)] for at, stage, rung in rows]


def _written(instant: int | None) -> str | None:
    return None if instant is None else from_us(instant).isoformat().replace("+00:00", "Z")


async def test_every_case_holds(store: Store) -> None:
    for number, (model, case) in enumerate(CASES, 1):
        await put(store, case, number)
        as_of = from_us(parse_instant(case["as_of"]))
        await recompute_shop(store, case_shop(case, number), as_of=as_of)
        assert (case["name"], await found(store, model, case, number)) == (case["name"], case["expect"])
        if "history" in case:
            assert (case["name"], await history(store, model, number)) == (case["name"], case["history"])
        for instant, expected in case.get("on", {}).items():
            rows = (await placements_at(store.database, number, [1], parse_instant(instant))).get(1, [])
            there = [row for row in rows if row.model == model]
            assert (instant, [standing(row.stage, row.rung) for row in there]) == (
                instant, [] if expected is None else [expected],
            )  # fmt: skip


async def test_facts_that_arrive_backwards_and_one_by_one_lead_to_the_same_history(store: Store) -> None:
    for number, (model, case) in enumerate(CASES):
        as_of, at_once, apart = from_us(parse_instant(case["as_of"])), 2 * number + 1, 2 * number + 2
        await put(store, case, at_once)
        await recompute_customers(store, case_shop(case, at_once), [1], as_of=as_of)
        await write_customers(store, apart, [case_customer(case)])
        for order in reversed(case_orders(case)):
            await write_orders(store, apart, [order])
            await recompute_customers(store, case_shop(case, apart), [1], as_of=as_of - timedelta(hours=1))
        await recompute_customers(store, case_shop(case, apart), [1], as_of=as_of)
        assert await history(store, model, apart) == await history(store, model, at_once), case["name"]
        assert await found(store, model, case, apart) == case["expect"], case["name"]
