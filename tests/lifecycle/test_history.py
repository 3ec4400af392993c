"""The vectorised history against a plain one that asks at every fact and every midnight."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Column, Ints, int_column, known, text_column
from plugin.domain.engagement import Table
from plugin.domain.instants import FOREVER, from_us, to_us
from plugin.domain.lapse import AdaptiveLapse, FixedLadder, Lapse
from plugin.domain.lifecycles import BUYER_ACTIVITY, MODELS, UNPLACED, classify, without_optional
from plugin.domain.measures import Orders
from plugin.domain.rfm import NOBODY
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.evaluate import evaluate
from plugin.lifecycle.frames import Frame
from plugin.lifecycle.outcome import compute
from plugin.lifecycle.plan import Plan
from plugin.lifecycle.touch_tables import touch_tables
from plugin.lifecycle.transitions import past_batch, trace
from tests.support.journeys import standing
from tests.support.plain_stages import PlainOrder, PlainRhythm, PlainShop

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Pacific/Kiritimati", "Asia/Kathmandu")
START = datetime(2017, 6, 1, tzinfo=UTC)
UNTIL = START + timedelta(days=900)

instants = st.integers(0, 899 * 1440).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def orders(draw: st.DrawFn) -> PlainOrder:
    processed = draw(instants)
    voided = draw(st.none() | st.integers(-1, 400 * 1440))
    return PlainOrder(processed, None if voided is None else processed + timedelta(minutes=voided))


customers = st.lists(st.tuples(instants, st.lists(orders(), max_size=7)), min_size=1, max_size=4)
ladders = st.lists(st.integers(1, 400), min_size=3, max_size=3).map(lambda days: tuple(sorted(days)))
rhythms = st.builds(PlainRhythm, st.floats(0.3, 20), st.floats(2, 800))
shops = st.builds(PlainShop, st.sampled_from(ZONES), st.just((90, 180, 360)) | ladders, st.none() | rhythms)


def frame_of(people: list[tuple[datetime, list[PlainOrder]]]) -> Frame:
    rows = [
        (owner, to_us(order.processed_at), FOREVER if order.voided_at is None else to_us(order.voided_at))
        for owner, (_, theirs) in enumerate(people)
        for order in sorted(theirs, key=lambda order: order.processed_at)
    ]
    owner, processed, voided = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)) if rows else [
        np.zeros(0, dtype=np.int64)] * 3  # fmt: skip
    nothing = np.zeros(0, dtype=np.int64)
    offsets = np.searchsorted(owner, np.arange(len(people) + 1))
    made = Orders(
        offsets=offsets, processed_at=processed, voided_at=voided, total=np.full(len(owner), 420_000),
        items=np.ones(len(owner), dtype=np.int64), discounted=np.zeros(len(owner), dtype=np.bool_),
        refund_order=nothing, refund_at=nothing, refund_amount=nothing,
    )  # fmt: skip
    created = np.array([to_us(created_at) for created_at, _ in people])
    ids = np.arange(1, len(people) + 1)
    return Frame(ids, created, {}, made, np.zeros(len(people), dtype=np.int64), untouched(ids, made))


def untouched(ids: Ints, made: Orders) -> dict[str, Table]:
    """Tables of customers who did nothing but order."""
    nothing = int_column([None] * len(made.total))
    orders: Table = (made.offsets, {
        "processed_at": known(made.processed_at), "voided_at": known(made.voided_at), "total": known(made.total),
        "app_id": nothing, "location_id": nothing,
    })  # fmt: skip
    names = (
        "customer_id",
        "at",
        "kind",
        "channel",
        "product_id",
        "collection_id",
        "subject",
        "outcome",
        "score",
        "tags",
    )
    found = {name: np.zeros(0, dtype=np.int64) for name in names}
    return {"orders": orders, **touch_tables(found, orders, ids)}


def lapse_of(shop: PlainShop) -> Lapse:
    return AdaptiveLapse(shop.rhythm.shape, shop.rhythm.rate) if shop.rhythm else FixedLadder(*shop.ladder)


def plan_of(shop: PlainShop, as_of: datetime) -> Plan:
    return Plan(
        shop_id=1, primary_model="buyer-activity", as_of=to_us(as_of), calendar=ShopCalendar(shop.zone),
        lapse=lapse_of(shop), models=(BUYER_ACTIVITY,), segments=(), population=NOBODY, history_from=None,
    )  # fmt: skip


@given(shops, customers, instants)
@settings(max_examples=60, deadline=None)
@example(PlainShop("America/Sao_Paulo"), [(START, [PlainOrder(datetime(2018, 8, 6, 12, tzinfo=UTC))])], UNTIL)
def test_the_history_is_what_asking_at_every_midnight_finds(
    shop: PlainShop, people: list[tuple[datetime, list[PlainOrder]]], until: datetime
) -> None:
    for model in MODELS.values():
        path = trace(model, frame_of(people), plan_of(shop, until)).path
        for number, (created_at, theirs) in enumerate(people):
            traced = [
                (from_us(at), standing(model.keys[stage], rung or None))
                for at, stage, rung in zip(
                    *(column[path.customer == number].tolist() for column in (path.at, path.stage, path.rung)),
                    strict=True,
                )
            ]
            assert traced == list(shop.history(created_at, theirs, until, model.key))


@given(shops, customers, st.lists(instants, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_exactly_one_stage_holds_for_everybody_at_any_time(
    shop: PlainShop, people: list[tuple[datetime, list[PlainOrder]]], times: list[datetime]
) -> None:
    for model in (*MODELS.values(), without_optional(MODELS["awareness-bonding"])):
        batch = past_batch(tuple(model), frame_of(people), plan_of(shop, UNTIL), *_pairs(len(people), times))
        rng = np.random.default_rng(len(batch))
        for name in batch.columns.keys() & {"email_status", "abandoned_checkout_day"}:
            batch.columns[name] = _sometimes(rng, name, batch)
        held = np.stack([evaluate(stage.rule, batch).holds for stage in model.stages])
        placed = classify(model, batch)
        assert held.sum(axis=0).tolist() == [1] * len(batch)
        assert np.array_equal(np.argmax(held, axis=0), placed.stage)
        assert not (placed.stage == UNPLACED).any()
        assert (placed.valid_until > batch.at).all()
        assert np.array_equal(
            placed.rung > 0, np.isin(placed.stage, [i for i, s in enumerate(model.stages) if s.rungs])
        )


@given(shops, customers, instants)
@settings(max_examples=40, deadline=None)
def test_a_placement_is_the_last_entry_of_its_history_and_stands_until_it_says(
    shop: PlainShop, people: list[tuple[datetime, list[PlainOrder]]], as_of: datetime
) -> None:
    plan = plan_of(shop, as_of)
    frame = frame_of(people)
    frame = replace(frame, attributes=_nothing(len(frame)))
    placements = compute(frame, plan).placements(0, len(frame))
    for model, customer, stage, rung, since, *_, valid_until, _ in placements:
        created_at, theirs = people[customer - 1]
        told = standing(stage, rung)
        assert (model, told) == ("buyer-activity", shop.stage(theirs, as_of))
        assert from_us(since) <= as_of
        for at in filter(None, (valid_until and from_us(valid_until - 1), as_of)):
            assert shop.stage(theirs, at) == told, created_at


def _sometimes(rng: np.random.Generator, name: str, batch: Batch) -> Column:
    """Consent, or an open cart, of half of the pairs."""
    nobody = rng.random(len(batch)) < 0.5
    if name == "email_status":
        return text_column([None if none else "SUBSCRIBED" for none in nobody])
    return Column(np.where(nobody, 0, batch.today - rng.integers(0, 60, len(batch))), nobody)


def _pairs(people: int, times: list[datetime]) -> tuple[Ints, Ints]:
    at = np.array([to_us(time) for time in times], dtype=np.int64)
    return np.repeat(np.arange(people, dtype=np.int64), len(at)), np.tile(at, people)


def _nothing(people: int) -> dict[str, Column]:
    """What the shop states of nobody in particular."""
    texts = ("account_status", "cities", "countries", "regions", "email_domain", "language", "tags", "email_status")
    more = ("sms_status", "spend_tier", "subscription_status")
    numbers = ("abandoned_checkout_at", "company_id", "created_by_app_id")
    return {name: text_column([None] * people) for name in (*texts, *more)} | {
        name: int_column([None] * people) for name in numbers
    }
