"""The shop's rhythm in the store: taken by a full recompute, kept, and used for one customer at a time."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from plugin.domain.calendar import ShopCalendar
from plugin.domain.instants import from_us, to_us
from plugin.domain.lapse import AdaptiveLapse, fit_gaps
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from plugin.lifecycle.lapse_fits import GapSums, KeptFit, read_fit, write_fit
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.sweep import sweep
from tests.lifecycle.conftest import NOW, dump, put_facts, some_facts
from tests.lifecycle.test_history import START, frame_of
from tests.lifecycle.test_plain_judge import REAL, Facts, plain_orders, real_facts
from tests.support.journeys import a_customer, an_order, standing
from tests.support.plain_stages import PlainOrder, PlainRhythm, PlainShop
from tests.support.small_shop import a_shop

APART = (
    "shop_id", "computed_at", "recorded_at", "joined_at", "taken_at", "rfm_recency", "rfm_frequency", "rfm_monetary",
    "rfm_group",
)  # fmt: skip
SHOP = a_shop(1, timezone="Europe/London", scopes=frozenset({"read_all_orders"}))


def with_regulars(seed: int) -> Facts:
    """`some_facts`, and fifty who buy six times, each at a pace of her own."""
    customers, orders = some_facts(seed)
    rng = np.random.default_rng(seed)
    for number, pace in enumerate(rng.gamma(2.0, 30.0, 50), 101):
        joined = NOW - timedelta(days=1_000, minutes=int(rng.integers(1440)))
        customers.append(a_customer(number, joined.isoformat()))
        for at in np.cumsum(rng.exponential(pace, 6)).tolist():
            if at < 990:
                orders.append(an_order(len(orders) + 1, number, (joined + timedelta(days=at)).isoformat()))
    return customers, orders


async def lapses(store: Store, shop_id: int = 1) -> dict[int, tuple[int, int, int, int, int]]:
    """Per buyer: purchase days, days from the first to the last, and the rungs."""
    rows = await store.database.fetch(
        "SELECT customer_id, purchase_days, last_order_day - first_order_day, lapse_1, lapse_2, lapse_3 FROM profiles"
        " WHERE shop_id = $1 AND purchase_days > 0 ORDER BY customer_id", shop_id,
    )  # fmt: skip
    return {row[0]: row[1:] for row in rows}


async def fitted(store: Store, shop_id: int = 1) -> KeptFit:
    kept = await read_fit(store.database, shop_id)
    assert kept is not None
    return kept


@pytest.mark.parametrize("source", [21, *(folder for folder in [REAL] if folder.is_dir())])
async def test_with_enough_history_everyone_is_judged_by_her_own_rhythm(store: Store, source: object) -> None:
    facts, as_of = (with_regulars(21), NOW) if source == 21 else real_facts(REAL)
    await put_facts(store, 1, facts)
    await recompute_shop(store, SHOP, as_of=as_of)
    kept, found = await fitted(store), await lapses(store)
    assert kept.fit is not None
    assert kept.gaps == sum(days - 1 for days, *_ in found.values()) >= 200
    assert kept.fit == fit_gaps(*np.array([(days - 1, span) for days, span, *_ in found.values()]).T)
    lapse = AdaptiveLapse(kept.fit.shape, kept.fit.rate)
    for days, span, *rungs in found.values():
        assert [int(each[0]) for each in lapse(np.array([days - 1]), np.array([span]))] == rungs
    assert len({each[2:] for each in found.values()}) > 20

    judge = PlainShop("Europe/London", rhythm=PlainRhythm(kept.fit.shape, kept.fit.rate))
    placed = await store.database.fetch(
        "SELECT customer_id, stage, rung FROM placements WHERE shop_id = $1 AND model = 'buyer-activity'", 1
    )
    judged = {customer: judge.stage(orders, as_of) for customer, orders in plain_orders(facts).items()}
    assert {customer: standing(stage, rung) for customer, stage, rung in placed} == judged


async def test_bit_by_bit_with_a_kept_fit_is_what_a_full_recompute_found_with_it(store: Store, now: datetime) -> None:
    customers, orders = with_regulars(22)
    await put_facts(store, 1, (customers, orders))
    await recompute_shop(store, SHOP, as_of=now, chunk=33)
    kept = await fitted(store)
    assert kept.gaps >= 200

    second = replace(SHOP, id=2)
    await write_fit(store.database, 2, kept)
    await write_customers(store, 2, customers)
    for part in (orders[1::2], orders[::2]):
        await write_orders(store, 2, part)
        await recompute_customers(store, second, [fact.id for fact in customers], as_of=now - timedelta(days=200))
    await store.database.execute("UPDATE profiles SET due_at = $2 WHERE shop_id = $1", 2, to_us(now))
    assert await sweep(store, second, as_of=now) == len(customers)  # the clock, too, uses what is kept
    full, bits = await dump(store, 1, but=APART), await dump(store, 2, but=APART)
    for table in ("profiles", "placements", "stage_transitions"):
        assert bits[table] == full[table], table
    assert await fitted(store, 2) == kept


async def test_one_fact_moves_one_customer_and_the_next_full_recompute_everybody(store: Store, now: datetime) -> None:
    await put_facts(store, 1, with_regulars(23))
    await recompute_shop(store, SHOP, as_of=now)
    kept, before = await fitted(store), await lapses(store)
    mover = next(customer for customer, (days, *_) in before.items() if days >= 3)
    daily = [an_order(9_000 + day, mover, (now - timedelta(days=day)).isoformat()) for day in range(1, 60)]
    await write_orders(store, 1, daily)
    await recompute_customers(store, SHOP, [mover], as_of=now)
    after = await lapses(store)
    assert await fitted(store) == kept
    assert {customer for customer in after if after[customer] != before[customer]} == {mover}
    assert after[mover][2] < before[mover][2]

    await recompute_shop(store, SHOP, as_of=now)
    assert (await fitted(store)).gaps > kept.gaps + 50
    new = await lapses(store)
    assert sum(new[customer] != after[customer] for customer in new) > len(new) / 2
    assert (await recompute_shop(store, SHOP, as_of=now)).written == 0


async def test_merchants_can_pin_either_way_and_little_history_means_the_ladder(store: Store, now: datetime) -> None:
    await put_facts(store, 1, some_facts(24, 120))
    ladder = replace(SHOP, ladder=(30, 60, 120))
    await recompute_shop(store, ladder, as_of=now)
    kept = await fitted(store)
    assert kept.fit is not None
    assert 20 <= kept.gaps < 200
    assert {rungs[2:] for rungs in (await lapses(store)).values()} == {(30, 60, 120)}

    pinned = replace(ladder, lapse_mode="ADAPTIVE", lapse_quantiles=(0.5, 0.5000001, 0.99))
    await recompute_shop(store, pinned, as_of=now)
    lapse = AdaptiveLapse(kept.fit.shape, kept.fit.rate, pinned.lapse_quantiles)
    for days, span, *rungs in (await lapses(store)).values():
        assert [int(each[0]) for each in lapse(np.array([days - 1]), np.array([span]))] == rungs
    await recompute_shop(store, replace(pinned, lapse_mode="FIXED"), as_of=now)
    assert {rungs[2:] for rungs in (await lapses(store)).values()} == {(30, 60, 120)}


async def test_a_shop_without_gaps_keeps_that_and_nothing_else(store: Store, now: datetime) -> None:
    await recompute_shop(store, replace(SHOP, lapse_mode="ADAPTIVE"), as_of=now)
    assert await fitted(store) == KeptFit(
        fitted_at=to_us(now), fit=None, gaps=0, customers=0, first_day=None, last_day=None, observed=()
    )
    assert (await fitted(store)).curve(40) == []


def test_gaps_count_as_observed_once_a_customer_and_made_up_orders_not_at_all() -> None:
    def bought(*days: int) -> tuple[datetime, list[PlainOrder]]:
        return START, [PlainOrder(START + timedelta(days=day)) for day in days]

    frame = frame_of([bought(0, 10, 30, 40, 60), bought(0, 20), bought(5), bought(0, 2_000), bought(1, 3)])
    frame = replace(frame, unseen=np.array([0, 0, 0, 0, 4]))
    calendar = ShopCalendar("UTC")
    sums = GapSums()
    sums.add(frame, to_us(START + timedelta(days=3_000)), calendar)
    kept = sums.kept(1)
    start = calendar.today(to_us(START))
    assert (kept.gaps, kept.customers, kept.first_day, kept.last_day) == (6, 3, start, start + 2_000)
    assert [kept.observed[days] for days in (0, 9, 10, 19, 20, 1_095)] == [
        10_000, 10_000, 8_333, 8_333, 3_333, 3_333]  # fmt: skip
    assert kept.fit is None
    weekly = [bought(*range(0, 85, 7)) for _ in range(30)]
    for people, fits in ((weekly, False), ([*weekly, bought(0, 90)], True)):
        sums = GapSums()
        sums.add(frame_of(people), to_us(START + timedelta(days=3_000)), calendar)
        assert (sums.kept(1).fit is not None) == fits  # 360 gaps within twelve weeks tell of no long one
    points = kept.curve(4)
    assert [(days, share) for days, share, _ in points] == [(0, None), (365, None), (730, None), (1095, None)]
    assert from_us(to_us(START)) == START
