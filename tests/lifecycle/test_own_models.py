"""A merchant's own lifecycle models: what is refused, what is warned of, what a preview tells and a version changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from plugin.domain.instants import parse_instant, to_us
from plugin.domain.lifecycles import BUYER_ACTIVITY, MODELS, LifecycleModel
from plugin.domain.model_review import made_up_orders, review, warnings
from plugin.domain.own_models import ModelError, OwnModel, OwnStage, compile_model, cycle_of
from plugin.domain.rules import NO_NAMES, Names, parse
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.removals import merge_customers
from plugin.ledger.stage_readers import placements, placements_at, stage_counts_at
from plugin.ledger.store import Store
from plugin.ledger.tables import Shop
from plugin.lifecycle.models import models_of, read_model, restore_model, save_model, versions_of, with_model
from plugin.lifecycle.policy_preview import PolicyPreview, preview_policy
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.transitions import past_batch
from plugin.shops import ShopContext, context_of
from tests.lifecycle.conftest import dump, put_facts, some_facts
from tests.lifecycle.test_history import START, frame_of, plan_of
from tests.support.journeys import a_customer, an_order
from tests.support.plain_stages import PlainShop
from tests.support.small_shop import NOW_US

HISTORY = ("profiles", "placements", "stage_transitions", "segment_members")
NOTED = ("shop_id", "computed_at", "recorded_at", "joined_at", "taken_at")


def a_model(*stages: tuple[str, str], key: str = "buyer-activity") -> OwnModel:
    return OwnModel(key, "Ours", tuple(OwnStage(name, name.title(), query) for name, query in stages))


def shipped() -> OwnModel:
    """Buyer activity as a merchant would copy it."""
    return OwnModel(
        BUYER_ACTIVITY.key, BUYER_ACTIVITY.name,
        tuple(
            OwnStage(stage.key, stage.name, stage.query, stage.optional, tuple(rung.query for rung in stage.rungs))
            for stage in BUYER_ACTIVITY.stages
        ),
    )  # fmt: skip


def changed(text: OwnModel, key: str, query: str) -> OwnModel:
    stages = (replace(stage, query=query) if stage.key == key else stage for stage in text.stages)
    return replace(text, stages=tuple(stages))


REFUSED = {
    "a rule that cannot be read": (a_model(("a", "number_of_orders = 0"), ("b", "orders >")), [("query", 1)]),
    "its own stage": (a_model(("a", "lifecycle_stage('ours') = 'a'"), key="ours"), [("query", 0)]),
    "a place among others": (a_model(("a", "rfm_recency >= 4 OR rfm_group = 'LOYAL'"), key="ours"), [("query", 0)]),
    "two stages of one key": (a_model(("a", "number_of_orders = 0"), ("a", "number_of_orders > 0")), [("key", 1)]),
    "no stages": (a_model(), [("stages", None)]),
    "keys of capitals": (a_model(("A", "number_of_orders = 0"), key="Ours"), [("key", None), ("key", 0)]),
    "no name": (OwnModel("x", " ", (OwnStage("a", "", "number_of_orders = 0"),)), [("name", None), ("name", 0)]),
    "a rung that cannot be read": (
        OwnModel("x", "X", (OwnStage("a", "A", "number_of_orders > 0", rungs=("number_of_orders > 1", "(")),)),
        [("rungs", 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_is_refused_with_the_stage_at_fault(what: str) -> None:
    text, expected = REFUSED[what]
    names = Names(models={model.key: model.keys for model in MODELS.values()}, primary_model="buyer-activity")
    with pytest.raises(ModelError) as refused:
        compile_model(text, names=names, version=1)
    assert [(problem.field, problem.stage) for problem in refused.value.problems] == expected


def test_the_place_within_the_rule_is_told() -> None:
    with pytest.raises(ModelError) as refused:
        compile_model(
            a_model(("a", "number_of_orders = 0"), ("b", "number_of_orders > zero")), names=NO_NAMES, version=1
        )
    [problem] = refused.value.problems
    assert problem.problem is not None
    assert (problem.problem.kind, problem.problem.offset) == ("type_mismatch", 19)


def test_models_that_wait_for_each_other_are_found() -> None:
    def waits(query: str) -> LifecycleModel:
        stage = replace(BUYER_ACTIVITY.stages[0], rule=parse(query).rule)
        return replace(BUYER_ACTIVITY, stages=(stage,))

    models = {
        "a": waits("lifecycle_stage('b') = 'x'"),
        "b": waits("days_in_stage > 3"),
        "c": waits("number_of_orders > 2"),
    }
    assert cycle_of({**models, **MODELS}, "buyer-activity") == ()
    assert cycle_of(models, "a") == ("a", "b", "a")


def reviewed(text: OwnModel) -> Sequence[str]:
    """What is warned of on made-up customers alone."""
    model = compile_model(text, names=NO_NAMES, version=1)
    orders = made_up_orders(to_us(START))
    people = len(orders.offsets) - 1
    frame = frame_of([(START - timedelta(days=3_000), [])] * people)
    at = np.full(people, to_us(START), dtype=np.int64)
    batch = past_batch(
        tuple(model), replace(frame, orders=orders), plan_of(PlainShop("UTC"), START), np.arange(people), at
    )
    found = review(model, batch)
    return warnings(model, found, found)


def test_what_a_model_leaves_open_is_told() -> None:
    assert reviewed(shipped()) == ()
    silent = changed(shipped(), "visitor", "number_of_orders = 0 AND purchase_days = 1")
    assert reviewed(silent) == (
        "No rule holds for 1 of 1219 customers: they would stand in no stage.", "The rule of Visitor holds for nobody.",
    )  # fmt: skip
    wide = a_model(("all", "number_of_orders >= 0"), ("some", "number_of_orders > 2"))
    assert reviewed(wide) == (
        "Whoever the rule of Some names stands in an earlier stage already.",
        "All and Some both hold for 756 customers; they stand in All.",
    )


async def a_real_shop(**changes: object) -> ShopContext:
    values = {
        "domain": "ours.myshopify.com", "name": "ours", "currency": "EUR", "timezone": "UTC", "status": "installed",
        "platform_id": 77, "installed_at": NOW_US, "primary_model": "buyer-activity", "tag_prefix": "rbl-",
        "lapse_ladder": "90,180,360", "lapse_mode": "FIXED", "computed_models": "buyer-activity", **changes,
    }  # fmt: skip
    return context_of(await Shop.create(**values))


async def again(shop: ShopContext) -> ShopContext:
    return context_of(await Shop.get(id=shop.id))


async def everything(store: Store, shop: ShopContext) -> object:
    more = [
        await store.database.fetch(f"SELECT * FROM {table} WHERE shop_id = $1", shop.id)
        for table in ("lifecycle_models", "stage_transitions_superseded")
    ]
    return await dump(store, shop.id, but=()), more, await again(shop)


async def _stands(store: Store, shop: ShopContext) -> dict[int, tuple[str, int | None]]:
    rows = await store.database.fetch("SELECT customer_id, stage, rung FROM placements WHERE shop_id = $1", shop.id)
    return {row[0]: (row[1], row[2]) for row in rows}


async def _previewed(store: Store, shop: ShopContext, text: OwnModel, now: datetime) -> PolicyPreview:
    model = read_model(shop, text)
    return await preview_policy(store, with_model(shop, text, model.version), text.key, now=now)


async def test_a_preview_writes_nothing_and_tells_what_the_recompute_then_does(store: Store, now: datetime) -> None:
    shop = await a_real_shop()
    await put_facts(store, shop.id, some_facts(21))
    await recompute_shop(store, shop, as_of=now)
    text = changed(shipped(), "active", "purchase_days >= 3 AND days_since_last_order < lapse_days")
    before, stood = await everything(store, shop), await _stands(store, shop)
    told = await _previewed(store, shop, text, now)
    lapse = await preview_policy(store, replace(shop, ladder=(30, 60, 90)), "buyer-activity", now=now, reviewed=False)
    assert await everything(store, shop) == before

    model = await save_model(store, shop, text, note="three days", now=now)
    shop = await again(shop)
    assert (model.version, models_of(shop)["buyer-activity"]) == (1, model)
    await recompute_shop(store, shop, as_of=now)
    stands = await _stands(store, shop)
    moved = {
        customer: (stood[customer], stands.get(customer, (None, None)))
        for customer in stood
        if stood[customer] != stands.get(customer, (None, None))
    }
    assert told.moved == len(moved) > 0
    assert {customer for move in told.moves for customer in move.sample} <= set(moved)
    for move in told.moves:
        assert sum(pair == (move.before, move.after) for pair in moved.values()) == move.customers
    assert told.tag_writes == sum(sum(at[0] is not None for at in pair) for pair in moved.values())
    assert told.own is not None
    assert told.own.gap == len(stood) - len(stands) > 0

    shorter = replace(await again(shop), ladder=(30, 60, 90), own_models="")
    await recompute_shop(store, shorter, as_of=now)
    changed_by_lapse = {
        customer for customer, stand in (await _stands(store, shop)).items() if stood[customer] != stand
    }
    assert lapse.moved == len(changed_by_lapse) > 0


async def test_a_version_rewrites_what_it_changes_and_the_old_one_comes_back(store: Store, now: datetime) -> None:
    shop = await a_real_shop()
    await write_customers(
        store, shop.id, [a_customer(1, "2026-01-01T09:00:00Z"), a_customer(2, "2026-01-01T09:00:00Z")]
    )
    await write_orders(store, shop.id, [an_order(1, 1, "2026-10-01T10:00:00Z"), an_order(2, 1, "2026-10-03T10:00:00Z")])
    await recompute_shop(store, shop, as_of=now)
    before = await dump(store, shop.id, but=NOTED)

    text = changed(shipped(), "new_buyer", "purchase_days = 5")
    await save_model(store, shop, text, now=now)
    later = now + timedelta(minutes=5)
    shop = await again(shop)
    await recompute_shop(store, shop, as_of=later)
    rows = await store.database.fetch(
        "SELECT from_stage, to_stage, model_version FROM stage_transitions WHERE shop_id = $1 AND customer_id = 1"
        " ORDER BY at", shop.id,
    )  # fmt: skip
    assert rows == [(None, "visitor", 1), ("visitor", None, 1), (None, "active", 1)]
    at = parse_instant("2026-10-02T00:00:00Z")
    assert await placements_at(store.database, shop.id, [1], at) == {}
    assert await stage_counts_at(store.database, shop.id, "buyer-activity", at) == [("visitor", None, 1)]
    [row] = (await placements(store.database, shop.id, [1]))[1]
    assert (row.stage, row.since_at) == ("active", parse_instant("2026-10-03T10:00:00Z"))
    gone = await store.database.fetch(
        "SELECT customer_id, from_stage, to_stage, model_version, recorded_at, superseded_at, reason"
        " FROM stage_transitions_superseded WHERE shop_id = $1 ORDER BY at", shop.id,
    )  # fmt: skip
    assert gone == [
        (1, "visitor", "new_buyer", 0, to_us(now), to_us(later), "model"),
        (1, "new_buyer", "active", 0, to_us(now), to_us(later), "model"),
    ]

    await restore_model(store, shop, "buyer-activity", 0)
    shop = await again(shop)
    assert (shop.own_models, models_of(shop)["buyer-activity"]) == ("", BUYER_ACTIVITY)
    await recompute_shop(store, shop, as_of=now)
    assert await dump(store, shop.id, but=NOTED) == before
    await restore_model(store, shop, "buyer-activity", 1)
    assert models_of(await again(shop))["buyer-activity"].version == 1
    assert [row[0] for row in await versions_of(store, shop.id, "buyer-activity")] == [1]


async def test_what_is_refused_leaves_the_models_as_they_were(store: Store, now: datetime) -> None:
    shop = await a_real_shop()
    before = await everything(store, shop)
    with pytest.raises(ModelError):
        await save_model(store, shop, a_model(("a", "orders >")), now=now)
    assert await everything(store, shop) == before


async def test_what_was_told_of_a_customer_stays_traceable(store: Store, now: datetime) -> None:
    shop = await a_real_shop()
    await write_customers(
        store, shop.id, [a_customer(1, "2026-01-01T09:00:00Z"), a_customer(2, "2026-02-01T09:00:00Z")]
    )
    await write_orders(store, shop.id, [an_order(1, 1, "2026-10-01T10:00:00Z")])
    await recompute_shop(store, shop, as_of=now)
    later = now + timedelta(minutes=5)
    await write_orders(store, shop.id, [an_order(2, 1, "2026-09-01T10:00:00Z")])
    await recompute_customers(store, shop, [1], as_of=later)
    await recompute_customers(store, shop, [1], as_of=later + timedelta(minutes=1))
    gone = (
        "SELECT customer_id, at, to_stage, recorded_at, superseded_at, reason FROM stage_transitions_superseded"
        " WHERE shop_id = $1 ORDER BY superseded_at, at"
    )
    late = (1, parse_instant("2026-10-01T10:00:00Z"), "new_buyer", to_us(now), to_us(later), "corrected")
    assert await store.database.fetch(gone, shop.id) == [late]
    merged = to_us(later + timedelta(minutes=9))
    async with store.database.transaction() as session:
        await merge_customers(session, shop.id, kept=1, folded=2, at=merged)
    assert await store.database.fetch(gone, shop.id) == [
        late, (1, parse_instant("2026-02-01T09:00:00Z"), "visitor", to_us(now), merged, "merged"),
    ]  # fmt: skip
