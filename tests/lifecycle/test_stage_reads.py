"""Stage rules that read stages: of other models, and of their own model as it was before (segment-language.md, 10.1)."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.instants import from_us, parse_instant
from plugin.domain.lifecycles import MODELS
from plugin.domain.own_models import ModelError, OwnModel, OwnStage
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from plugin.lifecycle.models import models_of, read_model, with_model
from plugin.lifecycle.policy_preview import preview_policy
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.sweep import sweep
from plugin.shops import ShopContext
from tests.lifecycle.conftest import dump, put_facts, some_facts
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

HISTORY = ("profiles", "placements", "stage_transitions", "segment_members")
NOTED = ("shop_id", "computed_at", "recorded_at", "joined_at", "taken_at")
_shops = count(500)

CARE = OwnModel("care", "Care", (
    # Whoever came back from departing is cared for 14 days, then left alone; everybody else is in no need.
    OwnStage("lost", "Lost", "lifecycle_stage('buyer-activity') = 'departing'"),
    OwnStage("cared_for", "Cared for", "previous_stage('care') = 'quiet' AND days_in_stage('care') < 14 AND number_of_orders >= 2"
             " OR previous_stage('care') = 'lost' AND days_in_stage('care') < 14"),
    OwnStage("quiet", "Quiet", "number_of_orders >= 0"),
))  # fmt: skip


def with_care(shop: ShopContext, text: OwnModel = CARE) -> ShopContext:
    read_model(shop, text)  # raises what a merchant would be told
    return with_model(shop, text, 1)


async def told(store: Store, shop: ShopContext, model: str, customer: int = 1) -> list[tuple[str, str]]:
    rows = await store.database.fetch(
        "SELECT at, to_stage FROM stage_transitions WHERE shop_id = $1 AND model = $2 AND customer_id = $3 ORDER BY at",
        shop.id, model, customer,
    )  # fmt: skip
    return [(from_us(at).isoformat()[:16], stage) for at, stage in rows]


async def test_a_history_worked_out_by_hand(store: Store) -> None:
    shop = with_care(a_shop(1, lapse_mode="FIXED", computed_models=()))
    orders = [an_order(1, 1, "2026-01-10T09:00:00Z"), an_order(2, 1, "2026-05-20T09:30:00Z")]
    await put_facts(store, 1, ([a_customer(1, "2026-01-01T08:00:00Z")], orders))
    await recompute_shop(store, shop, as_of=from_us(parse_instant("2026-07-01T00:00:00Z")))
    assert await told(store, shop, "buyer-activity") == [
        ("2026-01-01T08:00", "visitor"), ("2026-01-10T09:00", "new_buyer"), ("2026-04-10T00:00", "departing"),
        ("2026-05-20T09:30", "returned"), ("2026-06-19T00:00", "active"),
    ]  # fmt: skip
    assert await told(store, shop, "care") == [
        ("2026-01-01T08:00", "quiet"),  # nothing was before
        ("2026-04-10T00:00", "lost"),  # at the instant at which the other model says so
        ("2026-05-20T09:30", "quiet"),  # the state before was `lost`, and before that `quiet`, 40 days ago
        ("2026-05-21T00:00", "cared_for"),  # the state before is `quiet`, and before that `lost`: asked at midnight
        ("2026-06-04T00:00", "quiet"),  # 14 days in it
    ]  # fmt: skip


KEEPING = OwnModel("keeping", "Keeping", (
    OwnStage("fresh", "Fresh", "number_of_orders >= 1 AND (days_in_stage('keeping') < 10 OR previous_stage('keeping') IS NULL)"
             " AND NOT days_since_last_order >= 40"),
    OwnStage("kept", "Kept", "number_of_orders >= 1"),
    OwnStage("nobody", "Nobody", "number_of_orders = 0"),
))  # fmt: skip


async def test_days_in_stage_end_a_stage_at_midnight_of_the_shop(store: Store) -> None:
    shop = with_care(a_shop(1, timezone="Europe/Berlin", lapse_mode="FIXED", computed_models=()), KEEPING)
    await put_facts(store, 1, ([a_customer(1, "2026-03-01T08:00:00Z")], [an_order(1, 1, "2026-03-20T09:00:00Z")]))
    await recompute_shop(store, shop, as_of=from_us(parse_instant("2026-06-01T00:00:00Z")))
    assert await told(store, shop, "keeping") == [
        ("2026-03-01T08:00", "nobody"),
        ("2026-03-20T09:00", "fresh"),  # nothing was before nobody
        ("2026-03-29T22:00", "kept"),  # ten days later by the shop's clock, which has moved meanwhile
        ("2026-03-30T22:00", "fresh"),  # zero days in a stage, asked at the next midnight …
        ("2026-04-09T22:00", "kept"),  # … and ten more
        ("2026-04-10T22:00", "fresh"),
        ("2026-04-20T22:00", "kept"),
        ("2026-04-21T22:00", "fresh"),
        ("2026-04-28T22:00", "kept"),  # 40 days since the order
    ]  # fmt: skip


QUERIES = (
    "lifecycle_stage('buyer-activity') = 'departing'", "lifecycle_stage('buyer-activity') IN ('active', 'returned')",
    "previous_stage('buyer-activity') = 'visitor'", "days_in_stage('buyer-activity') < 20", "number_of_orders >= 2",
    "previous_stage('ours') = 'a'", "previous_stage('ours') IS NULL", "days_in_stage('ours') >= 30",
    "NOT previous_stage('ours') = 'b'", "days_in_stage('ours') < 5 OR days_since_last_order < 10",
    "days_in_stage('ours') > 0.5 * days_in_stage('buyer-activity')",
)  # fmt: skip
models = st.lists(st.sampled_from(QUERIES), min_size=3, max_size=3).map(
    lambda queries: OwnModel(
        "ours", "Ours", tuple(OwnStage(key, key, query) for key, query in zip("abc", queries, strict=True))
    )
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=models, seed=st.integers(0, 5), zone=st.sampled_from(["UTC", "America/New_York"]))
async def test_bit_by_bit_by_the_clock_and_from_scratch_tell_one_history(
    store: Store, now: datetime, model: OwnModel, seed: int, zone: str
) -> None:
    bit, whole = (
        with_care(
            replace(
                a_shop(next(_shops), timezone=zone), lapse_mode="FIXED", computed_models=("ours",), optional_stages="ON"
            ),
            model,
        )
        for _ in range(2)
    )
    customers, orders = some_facts(seed, people=8)
    await write_customers(store, bit.id, customers)
    await recompute_shop(store, bit, as_of=now - timedelta(days=30))
    for number in range(3):
        as_of = now - timedelta(days=20 - 10 * number)
        await write_orders(store, bit.id, orders[number::3])
        await recompute_customers(store, bit, {order.customer_id for order in orders[number::3]}, as_of=as_of)
        await sweep(store, bit, as_of=as_of)
    await put_facts(store, whole.id, (customers, orders))
    await recompute_shop(store, whole, as_of=now)
    rfm = ("rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group")
    left, right = await dump(store, bit.id, but=(*NOTED, *rfm)), await dump(store, whole.id, but=(*NOTED, *rfm))
    for table in HISTORY:
        assert left[table] == right[table], table
    before = await dump(store, whole.id, but=())
    again = await recompute_shop(store, whole, as_of=now)
    assert again.written == 0
    assert await dump(store, whole.id, but=()) == before


async def test_who_reads_a_model_has_it_computed_and_comes_after_it(store: Store, now: datetime) -> None:
    shop = with_care(replace(a_shop(1), computed_models=("care",), primary_model="care"))
    await put_facts(store, 1, some_facts(1))
    report = await recompute_shop(store, shop, as_of=now)
    rows = await store.database.fetch("SELECT DISTINCT model FROM placements WHERE shop_id = $1", 1)
    assert sorted(row[0] for row in rows) == ["buyer-activity", "care"]
    assert sum(report.by_stage.values()) == 40


async def test_a_preview_tells_what_a_recompute_then_does(store: Store, now: datetime) -> None:
    shop = a_shop(1, computed_models=())
    await put_facts(store, 1, some_facts(2))
    await recompute_shop(store, shop, as_of=now)
    wanted = with_care(shop)
    shown = await preview_policy(store, wanted, "care", now=now)
    await recompute_shop(store, wanted, as_of=now)
    rows = await store.database.fetch(
        "SELECT stage, COUNT(*) FROM placements WHERE shop_id = $1 AND model = 'care' GROUP BY stage", 1
    )
    assert {move.after[0]: move.customers for move in shown.moves} == dict(rows)
    assert (await preview_policy(store, wanted, "care", now=now)).moves == []


def test_models_that_wait_for_each_other_are_refused() -> None:
    first = OwnModel("one", "One", (OwnStage("a", "A", "lifecycle_stage('buyer-activity') = 'active'"),))
    shop = with_care(a_shop(1), first)
    looped = OwnModel("buyer-activity", "Ours", (OwnStage("active", "A", "days_in_stage('one') > 3"),))
    with pytest.raises(ModelError, match="wait for each other: buyer-activity → one → buyer-activity"):
        read_model(shop, looped)
    assert models_of(shop)["buyer-activity"] is MODELS["buyer-activity"]
