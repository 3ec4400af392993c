"""Whole shops through the store, each customer judged again by the plain judge: made-up orders, and real ones where
the shared data lie beside this checkout."""

import gzip
import json
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.shopify.mapping import read_line
from plugin.domain.facts import CustomerFact, OrderFact
from plugin.domain.instants import from_us
from plugin.domain.lifecycles import MODELS
from plugin.domain.orders import voided_at
from plugin.ledger.stage_readers import stage_counts
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_shop
from tests.lifecycle.conftest import NOW, put_facts, some_facts
from tests.support.journeys import standing
from tests.support.plain_stages import PlainOrder, PlainShop
from tests.support.small_shop import a_shop

Facts = tuple[Sequence[CustomerFact], Sequence[OrderFact]]
REAL = Path(__file__).parents[3] / "shared/data/online_retail/tiny"
SHOPS = [("Europe/London", 11), ("Asia/Tokyo", 12), *(("UTC", folder) for folder in [REAL] if folder.is_dir())]


def stated_in(path: Path) -> list[object]:
    with gzip.open(path, "rb") as lines:
        return [read_line(line) for line in lines]


def real_facts(folder: Path) -> tuple[Facts, datetime]:
    """As of the instant that the truth beside them was taken."""
    stated = [*stated_in(folder / "customers.jsonl.gz"), *stated_in(folder / "orders.jsonl.gz")]
    orders = [fact for fact in stated if isinstance(fact, OrderFact)]
    as_of = datetime.fromisoformat(json.loads((folder / "truth.json").read_text())["as_of"]).replace(tzinfo=UTC)
    return ([fact for fact in stated if isinstance(fact, CustomerFact)], orders), as_of


def plain_orders(facts: Facts) -> dict[int, list[PlainOrder]]:
    theirs: dict[int, list[PlainOrder]] = {fact.id: [] for fact in facts[0]}
    for order in facts[1]:
        if order.customer_id in theirs and not order.test:
            voided = voided_at(order)
            theirs[order.customer_id].append(
                PlainOrder(from_us(order.processed_at), None if voided is None else from_us(voided))
            )
    return theirs


@pytest.mark.parametrize(("zone", "source"), SHOPS)
async def test_the_stage_and_history_of_every_customer_are_what_the_plain_judge_says(
    store: Store, zone: str, source: int | Path
) -> None:
    facts, as_of = real_facts(source) if isinstance(source, Path) else (some_facts(source, 80), NOW)
    await put_facts(store, 1, facts)
    shop = a_shop(
        1, timezone=zone, scopes=frozenset({"read_all_orders"}), lapse_mode="FIXED", computed_models=tuple(MODELS),
        optional_stages="ON",
    )  # fmt: skip
    report = await recompute_shop(store, shop, as_of=as_of)
    assert report.customers == len(facts[0])
    for model in MODELS:
        await _judge(store, model, PlainShop(zone), facts, as_of)


async def _judge(store: Store, model: str, judge: PlainShop, facts: Facts, as_of: datetime) -> None:
    theirs = plain_orders(facts)
    consent = {fact.id: fact.email_status == "SUBSCRIBED" for fact in facts[0]}
    judged = {
        customer: judge.stage(orders, as_of, model, contactable=consent[customer])
        for customer, orders in theirs.items()
    }
    placed = await store.database.fetch(
        "SELECT customer_id, stage, rung FROM placements WHERE shop_id = $1 AND model = $2", 1, model
    )
    assert {customer: standing(stage, rung) for customer, stage, rung in placed} == judged
    counted = {standing(stage, rung): count for stage, rung, count in await stage_counts(store.database, 1, model)}
    assert counted == {stage: list(judged.values()).count(stage) for stage in set(judged.values())}

    created = {fact.id: from_us(fact.created_at) for fact in facts[0]}
    kept = await store.database.fetch(
        "SELECT customer_id, at, to_stage, to_rung FROM stage_transitions WHERE shop_id = $1 AND model = $2"
        " ORDER BY customer_id, at", 1, model,
    )  # fmt: skip
    histories: dict[int, list[tuple[datetime, str]]] = {customer: [] for customer in theirs}
    for customer, at, stage, rung in kept:
        histories[customer].append((from_us(at), standing(stage, rung)))
    for customer in sorted(theirs)[:5]:
        told = list(judge.history(created[customer], theirs[customer], as_of, model, contactable=consent[customer]))
        assert histories[customer] == told, (model, customer)


async def test_rfm_in_the_store_is_what_its_definition_says(store: Store) -> None:
    await put_facts(store, 1, some_facts(13, 90))
    await recompute_shop(store, a_shop(1), as_of=NOW)
    rows = await store.database.fetch(
        "SELECT last_order_day, orders, net_spend, rfm_recency, rfm_frequency, rfm_monetary, rfm_group FROM profiles"
        " WHERE shop_id = $1", 1,
    )  # fmt: skip
    buyers = [row for row in rows if row[1]]
    assert 40 < len(buyers) < 90
    for axis in range(3):
        values = sorted(row[axis] for row in buyers)
        expected = [1 + 5 * bisect_left(values, row[axis]) // len(values) for row in buyers]
        assert [row[3 + axis] for row in buyers] == expected
    assert {row[3:] for row in rows if not row[1]} == {(None, None, None, "PROSPECTS")}
