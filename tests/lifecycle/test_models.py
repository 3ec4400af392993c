"""The shipped models as data: what is promised to whoever reads them."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, known, text_column
from plugin.domain.instants import FOREVER
from plugin.domain.lifecycles import (
    BUYER_ACTIVITY,
    MODEL_VARIANTS,
    MODELS,
    UNPLACED,
    LifecycleModel,
    classify,
    without_optional,
)
from plugin.domain.model_review import made_up_orders
from plugin.domain.rules import Names, canonical, parse
from plugin.domain.rules.batch import Batch
from plugin.lifecycle.choice import chosen_models, median_days
from plugin.lifecycle.transitions import past_batch
from plugin.shops import DEFAULT_MODEL
from tests.lifecycle.test_history import frame_of, plan_of
from tests.support.plain_stages import PlainShop
from tests.support.small_shop import NOW, NOW_US, a_shop

BLANK = ("last_order_day", "return_order_day", "lapse_1", "lapse_2", "lapse_3", "nps_score")

EACH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def test_the_default_model_ships() -> None:
    assert MODELS[DEFAULT_MODEL] is BUYER_ACTIVITY


def test_buyer_activity_goes_from_visitor_to_returned() -> None:
    assert BUYER_ACTIVITY.keys == ("visitor", "new_buyer", "active", "departing", "returned")
    assert [stage.position for stage in BUYER_ACTIVITY.stages] == [1, 2, 3, 4, 5]
    assert [len(stage.rungs) for stage in BUYER_ACTIVITY.stages] == [0, 0, 0, 3, 0]


@EACH
def test_every_stage_says_its_name_its_meaning_and_its_rule_in_canonical_text(model: LifecycleModel) -> None:
    names = Names(models={key: other.keys for key, other in MODELS.items()}, primary_model=model.key)
    assert model.source
    for stage in model.stages:
        parsed = parse(stage.query, names=names, own_model=model.key)
        assert (canonical(parsed.rule), parsed.rule, parsed.warnings) == (stage.query, stage.rule, ())
        assert stage.name
        assert stage.meaning.endswith(".")
        assert stage is model.stage(stage.key)


@EACH
def test_the_first_rung_is_the_stage_itself(model: LifecycleModel) -> None:
    for stage in model.stages:
        assert stage.rule_of(None) is stage.rule
        if stage.rungs:
            assert stage.rungs[0].rule == stage.rule
            assert [stage.rule_of(rung) for rung in (1, 2, 3)] == [rung.rule for rung in stage.rungs]


def test_a_stage_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="champion"):
        BUYER_ACTIVITY.stage("champion")


CART = {
    "buyer-activity": ("visitor", "visitor"), "reach-loyalty": ("conversion", "reach"),
    "awareness-bonding": ("evaluation", "awareness"), "awareness-advocacy": ("consideration", "awareness"),
    "journey-funnel": ("consideration", "awareness"),
}  # fmt: skip


@EACH
def test_a_checkout_left_29_days_ago_is_still_open_and_one_of_30_days_is_not(model: LifecycleModel) -> None:
    calendar = ShopCalendar("Europe/Berlin")
    today = np.full(2, 20_000, dtype=np.int64)
    day = known(today - [29, 30])
    columns = {name: Column(np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.bool_)) for name in BLANK}
    columns |= {name: text_column([None, None]) for name in ("email_status", "sms_status")}
    columns |= {name: known(np.zeros(2, dtype=np.int64)) for name in ("orders", "purchase_days", "unbroken_days")}
    columns |= {"next_fact_at": known(np.full(2, FOREVER)), "abandoned_checkout_day": day, "abandoned_checkout_at": day}
    rows = frame_of([(NOW, []), (NOW, [])]).rows(np.arange(2))
    placed = classify(model, Batch(calendar.start_of(today), today, calendar, columns, rows))
    assert tuple(model.keys[stage] for stage in placed.stage) == CART[model.key]
    closes = FOREVER if model is BUYER_ACTIVITY else calendar.start_of_day(20_001)
    assert placed.valid_until.tolist() == [closes, FOREVER]


def test_without_its_optional_stage_a_model_still_covers_everybody_and_keeps_its_positions() -> None:
    model = MODELS["awareness-bonding"]
    bare = without_optional(model)
    assert [stage.key for stage in model.stages if stage.optional] == ["engagement"]
    assert [(stage.key, stage.position) for stage in bare.stages] == [
        ("awareness", 1), ("evaluation", 3), ("purchase", 4), ("experience", 5), ("bonding", 6),
    ]  # fmt: skip
    assert canonical(bare.stages[0].rule) == bare.stages[0].query
    assert bare.stages[1:] == model.stages[2:]
    assert without_optional(BUYER_ACTIVITY) is BUYER_ACTIVITY


@pytest.mark.parametrize(
    ("setting", "days", "on"),
    [("ON", None, True), ("OFF", 99.0, False), ("AUTO", None, False), ("AUTO", 7.0, False), ("AUTO", 7.5, True)],
)
def test_the_optional_stage_is_on_by_itself_where_half_of_the_buyers_took_longer_than_a_week(
    setting: str, days: float | None, on: bool
) -> None:
    shop = a_shop(optional_stages=setting, computed_models=("awareness-bonding",))
    chosen = chosen_models(shop, MODELS, days)
    assert [model.key for model in chosen] == ["buyer-activity", "awareness-bonding"]
    assert ("engagement" in chosen[1].keys) is on
    assert len(chosen_models(a_shop(computed_models=()), MODELS, days)) == len(MODELS)


def test_days_to_conversion_count_an_order_before_registering_as_none() -> None:
    assert median_days(np.array([10, 10, 10]), np.array([3, 12, 30])) == 2.0
    assert median_days(np.array([], dtype=np.int64), np.array([], dtype=np.int64)) is None


def test_the_b2b_funnel_counts_company_contacts_and_nobody_else() -> None:
    [variant] = MODEL_VARIANTS["journey-funnel"]
    funnel = MODELS["journey-funnel"]
    assert (variant.key, variant.keys) == ("journey-funnel-b2b", funnel.keys)
    orders = made_up_orders(NOW_US)
    people = len(orders.offsets) - 1
    frame = frame_of([(NOW - timedelta(days=3_000), [])] * people)
    contacts = np.arange(people) % 2 == 0
    company = Column(np.where(contacts, 77, 0), ~contacts)
    frame = replace(frame, orders=orders, attributes={**frame.attributes, "company_id": company})
    plan = plan_of(PlainShop("UTC"), NOW)
    at = np.full(people, NOW_US, dtype=np.int64)
    rules = (*variant, *funnel)
    batch = past_batch(rules, frame, plan, np.arange(people), at)
    theirs, everybodys = classify(variant, batch), classify(funnel, batch)
    assert (theirs.stage[contacts] == everybodys.stage[contacts]).all()
    assert (theirs.stage[~contacts] == UNPLACED).all()
    assert set(theirs.stage.tolist()) == {UNPLACED, 0, 1, 2, 3}  # advocacy: there are no touchpoints
