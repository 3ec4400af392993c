"""The cases of tests/cases/, which a merchant can read and extend, through the store on both databases."""

import json
from datetime import timedelta
from pathlib import Path

from plugin.domain.instants import from_us, parse_instant
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.removals import merge_customers
from plugin.ledger.stage_readers import placements_at
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from tests.support.journeys import FOLDED, Case, case_customer, case_orders, case_shop, standing, told

CASES = [
    (path.stem, case)
    for path in sorted((Path(__file__).parent.parent / "cases").glob("*.json"))
    for case in json.loads(path.read_text())
]
SHARED = ("as_of", "time_zone", "ladder_days", "optional_stages")  # cases that are alike in these share a shop


def shops_of_cases() -> list[tuple[str, list[Case]]]:
    """The model and the cases of each shop; a case that asks for AUTO is about the whole shop, and so alone in it."""
    shops: dict[str, tuple[str, list[Case]]] = {}
    for model, case in CASES:
        alone = case["name"] if case.get("optional_stages") == "AUTO" else ""
        key = repr((model, alone, *(case.get(name) for name in SHARED)))
        shops.setdefault(key, (model, []))[1].append(case)
    return list(shops.values())


async def register(store: Store, case: Case, number: int, who: int = 1) -> None:
    await write_customers(store, number, [case_customer(case, who)])
    async with store.database.transaction() as session:
        await merge_customers(session, number, kept=who, folded=who + FOLDED, at=parse_instant(case["as_of"]))


async def found(store: Store, model: str, case: Case, number: int, who: int = 1) -> dict[str, object]:
    """What the store says, in the words of the case, for what the case expects."""
    [row] = await store.database.fetch(
        "SELECT stage, rung, since_at, valid_until, previous_stage, because FROM placements"
        " WHERE shop_id = $1 AND model = $2 AND customer_id = $3", number, model, who,
    )  # fmt: skip
    said = {
        "stage": row[0], "rung": row[1], "since": _written(row[2]), "valid_until": _written(row[3]), "previous": row[4],
        "because": told(json.loads(row[5])),
    }  # fmt: skip
    return {name: said[name] for name in case["expect"]}


async def history(store: Store, model: str, number: int, who: int = 1) -> list[list[str | None]]:
    rows = await store.database.fetch(
        "SELECT at, to_stage, to_rung FROM stage_transitions WHERE shop_id = $1 AND model = $2 AND customer_id = $3"
        " ORDER BY at", number, model, who,
    )  # fmt: skip
    return [[_written(at), standing(stage, rung)] for at, stage, rung in rows]


def _written(instant: int | None) -> str | None:
    return None if instant is None else from_us(instant).isoformat().replace("+00:00", "Z")


async def test_every_case_holds(store: Store) -> None:
    assert len(CASES) >= 120
    for number, (model, cases) in enumerate(shops_of_cases(), 1):
        for who, case in enumerate(cases, 1):
            await register(store, case, number, who)
            await write_orders(store, number, case_orders(case, who))
        as_of = from_us(parse_instant(cases[0]["as_of"]))
        await recompute_shop(store, case_shop(cases[0], number, model), as_of=as_of)
        for who, case in enumerate(cases, 1):
            name = case["name"]
            assert (name, await found(store, model, case, number, who)) == (name, case["expect"])
            if "history" in case:
                assert (name, await history(store, model, number, who)) == (name, case["history"])
            for instant, expected in case.get("on", {}).items():
                there = (await placements_at(store.database, number, [who], parse_instant(instant))).get(who, [])
                assert (instant, [standing(row.stage, row.rung) for row in there]) == (
                    instant, [] if expected is None else [expected],
                )  # fmt: skip


async def test_facts_that_arrive_backwards_and_one_by_one_lead_to_the_same_history(store: Store) -> None:
    in_parts = [(model, case) for model, case in CASES if len(case["orders"]) > 1]
    for number, (model, case) in enumerate(in_parts[::2]):
        as_of, at_once, apart = from_us(parse_instant(case["as_of"])), 2 * number + 1, 2 * number + 2
        await register(store, case, at_once)
        await write_orders(store, at_once, case_orders(case, 1))
        await recompute_customers(store, case_shop(case, at_once, model), [1], as_of=as_of)
        await register(store, case, apart)
        for order in reversed(case_orders(case, 1)):
            await write_orders(store, apart, [order])
            await recompute_customers(store, case_shop(case, apart, model), [1], as_of=as_of - timedelta(hours=1))
        await recompute_customers(store, case_shop(case, apart, model), [1], as_of=as_of)
        assert await history(store, model, apart) == await history(store, model, at_once), case["name"]
        assert await found(store, model, case, apart) == case["expect"], case["name"]
