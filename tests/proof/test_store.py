"""From what was offered and withheld to what is shown, on both databases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.domain.plays.decide import WhyNot, decide
from plugin.domain.plays.holdout import is_held_out
from plugin.domain.plays.play import Play
from plugin.domain.plays.situation import Situation
from plugin.domain.proof.arms import WINDOW_DAYS, Arm, Side
from plugin.ledger.database import Upsert
from plugin.ledger.proofs import sides_of_plays
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.store import Store
from plugin.lifecycle.deciding import decisions_for
from plugin.lifecycle.granting import grant_offers
from plugin.lifecycle.plays import play_book
from plugin.lifecycle.proving import refresh_proofs
from tests.support.plays import ANN, BY_KEY, EVERYTHING, keep_plays, only
from tests.support.small_shop import DAY, NOW, NOW_US, TODAY, a_shop, place, put, sell

SHOP = a_shop()
BEFORE = TODAY - 50  # the day of the offers
_GRANT = (
    "shop_id", "customer_id", "offer_id", "play", "play_version", "kind", "period", "held", "percentage", "granted_at",
    "share",
)  # fmt: skip
GRANTS = Upsert(table="offer_grants", columns=_GRANT, key=("shop_id", "customer_id", "offer_id"))


async def offer(store: Store, *customers: int, held: bool, shop_id: int = 1, **changes: Any) -> None:
    rows = [
        {
            "shop_id": shop_id, "customer_id": customer, "offer_id": customer, "play": "welcome", "play_version": 0,
            "kind": "WELCOME", "period": BEFORE, "held": held, "percentage": 10, "granted_at": BEFORE * DAY,
            "share": 1_000, **changes,
        }
        for customer in customers
    ]  # fmt: skip
    await store.database.upsert(GRANTS, [tuple(row[name] for name in _GRANT) for row in rows])


async def order(store: Store, number: int, customer: int, day: int, total: int, **changes: Any) -> None:
    row = {"id": number, "customer": customer, "products": [], "day": day, "total": total * 10_000, **changes}
    await sell(store.database, [row], changes.pop("shop_id", 1))


async def refund(store: Store, number: int, amount: int) -> None:
    await store.database.execute(
        "INSERT INTO refunds (shop_id, id, order_id, at, amount) VALUES ($1, $2, $3, $4, $5)",
        1, number, number, NOW_US, amount * 10_000,
    )  # fmt: skip


async def redeem(store: Store, number: int, customer: int, day: int, *, voided: bool = False) -> None:
    await store.database.execute(
        "INSERT INTO offer_redemptions (shop_id, order_id, code_id, customer_id, source, subject, offer_id, at,"
        " voided_at) VALUES ($1, $2, $3, $4, 'play', 'welcome', $5, $6, $7)",
        1, number, number, customer, customer, day * DAY, NOW_US if voided else None,
    )  # fmt: skip


async def a_story(store: Store) -> None:
    """Four are offered it and two held out; what counts of each is another thing."""
    for customer in (1, 2, 3, 4):
        await offer(store, customer, held=False)
    await offer(store, 5, held=True)
    await offer(store, 6, held=True)
    await order(store, 10, 1, BEFORE + 1, 50, discounts=50_000)
    await redeem(store, 10, 1, BEFORE + 1)
    await order(store, 11, 1, BEFORE + WINDOW_DAYS, 30)
    await refund(store, 11, 10)
    await order(store, 12, 1, BEFORE + WINDOW_DAYS + 1, 999)  # too late
    await order(store, 13, 2, BEFORE - 1, 999)  # before
    await order(store, 14, 2, BEFORE + 3, 999, voided_at=NOW_US, discounts=70_000)  # cancelled, and its code with it
    await redeem(store, 14, 2, BEFORE + 3, voided=True)
    await order(store, 15, 3, BEFORE + 2, 999, counted=False)  # a test
    await order(store, 16, 5, BEFORE + 5, 20)
    await offer(store, 4, held=True, offer_id=99, granted_at=(BEFORE + 1) * DAY)  # drawn again: the first stays
    await offer(store, 7, held=False, granted_at=(TODAY - 5) * DAY)  # her time is not over
    await order(store, 17, 7, TODAY - 4, 999)
    await offer(store, 8, held=False, share=0)  # while the play had no holdout
    await offer(store, 9, held=False, granted_at=NOW_US + DAY)  # not yet


GIVEN = Arm(
    n=4, waiting=1, recent=1, ordered=1, orders=2, order_squares=4, revenue=700_000, revenue_squares=4_900.0, redeemed=1,
    redeemed_cost=50_000, most_squares=4_900.0,
)  # fmt: skip
HELD = Arm(n=2, ordered=1, orders=1, order_squares=1, revenue=200_000, revenue_squares=400.0, most_squares=400.0)
SHOWN = {"welcome": {Side("10%", 1_000, False): GIVEN, Side("10%", 1_000, True): HELD}}


async def test_each_customer_counts_once_by_her_first_draw_with_what_she_did_in_her_window(store: Store) -> None:
    await a_story(store)
    assert await refresh_proofs(store, SHOP, now=NOW) == 1
    assert await sides_of_plays(store.database, 1) == SHOWN
    everything = "SELECT * FROM play_proofs WHERE shop_id = $1 ORDER BY held"
    rows = await store.database.fetch(everything, 1)
    assert await refresh_proofs(store, SHOP, now=NOW) == 1
    assert await store.database.fetch(everything, 1) == rows
    await refresh_proofs(store, SHOP, now=NOW + timedelta(days=27))  # then the time of the seventh is over
    later = (await sides_of_plays(store.database, 1))["welcome"][Side("10%", 1_000, False)]
    assert (later.n, later.waiting, later.recent) == (5, 1, 1)


async def test_shops_do_not_see_each_other(store: Store) -> None:
    await a_story(store)
    await offer(store, 1, held=False, shop_id=2)
    await order(store, 10, 1, BEFORE + 1, 77, shop_id=2)
    await refresh_proofs(store, SHOP, now=NOW)
    await refresh_proofs(store, a_shop(2), now=NOW)
    assert await sides_of_plays(store.database, 1) == SHOWN
    assert (await sides_of_plays(store.database, 2))["welcome"][Side("10%", 1_000, False)].n == 1


async def test_after_a_redaction_the_totals_stay_and_a_merge_counts_one_customer_once(store: Store) -> None:
    await a_story(store)
    await refresh_proofs(store, SHOP, now=NOW)
    for customer in (1, 5, 1, 7):  # the first of them twice, as a deletion and a redaction do
        async with store.database.transaction() as session:
            await delete_customer(session, 1, customer, at=NOW_US)
    await refresh_proofs(store, SHOP, now=NOW)
    assert await sides_of_plays(store.database, 1) == {
        "welcome": {
            Side("10%", 1_000, False): replace(GIVEN, waiting=0, recent=0),  # who had not had her time is not kept
            Side("10%", 1_000, True): HELD,
        }
    }
    kept = await store.database.fetch("SELECT * FROM offer_grants WHERE shop_id = $1 AND customer_id IN (1, 5, 7)", 1)
    assert kept == []
    async with store.database.transaction() as session:
        await merge_customers(session, 1, kept=6, folded=2, at=NOW_US)
    await refresh_proofs(store, SHOP, now=NOW)
    found = (await sides_of_plays(store.database, 1))["welcome"]
    assert sum(arm.n for arm in found.values()) == 5


async def test_the_share_is_set_once_by_the_shops_size_and_the_merchants_own_stays(store: Store) -> None:
    await offer(store, *(number for number in range(1, 101) if number % 10), held=False)
    await offer(store, *range(10, 101, 10), held=True)
    for number in range(1, 101, 2):
        await order(store, number, number, BEFORE + 1, 10)
    assert (await play_book(store.database, SHOP)).plays["welcome"].holdout == 1_000
    await refresh_proofs(store, SHOP, now=NOW)
    book = await play_book(store.database, SHOP)
    assert (book.plays["welcome"].holdout, book.plays["second-order"].holdout) == (500, 1_000)  # it will never show
    await offer(store, *range(101, 5_101), held=False, granted_at=NOW_US - DAY)  # a flood of customers
    await refresh_proofs(store, SHOP, now=NOW)
    assert (await play_book(store.database, SHOP)).plays["welcome"].holdout == 500
    await keep_plays(store.database, (replace(BY_KEY["welcome"], holdout=4_000),))
    assert (await play_book(store.database, SHOP)).plays["welcome"].holdout == 4_000


async def _decided(store: Store, customer: int) -> tuple[int, str | None, str]:
    (found,) = [
        each
        for each in (await decisions_for(store, SHOP, [customer], placement=None, now=NOW))[customer].offers
        if each.play.key == "welcome"
    ]
    return found.discount.percentage, found.ladder, found.title


@pytest.mark.parametrize(("helped", "percentage"), [(True, 15), (False, 10)])
async def test_a_higher_bonus_is_given_only_once_the_holdout_shows_that_it_helps(
    store: Store, helped: bool, percentage: int
) -> None:
    play = replace(BY_KEY["welcome"], level=1, ladder_raises=True)
    await keep_plays(store.database, only(play))
    await put(store.database, "customers", [{"id": number} for number in (1, 2)])
    await place(store.database, 1, "visitor")
    assert (await _decided(store, 1))[:2] == (
        10,
        "not 15 %: the holdout does not show that it helps; 10 % is the first, which needs no proof",
    )
    await grant_offers(store, SHOP, now=NOW)
    for held in (True, False):
        await offer(store, *range(101 - held, 500, 2), held=held, percentage=15, share=5_000)
    for number in range(100, 500):
        if number % 20 in {0, 1} or (helped and number % 4 == 1):
            await order(store, number, number, BEFORE + 1, 10)
    await refresh_proofs(store, SHOP, now=NOW)
    await place(store.database, 2, "visitor")
    found, why, title = await _decided(store, 2)
    assert (found, title) == (percentage, f"{percentage} % off your first order")
    assert why.startswith("15 %: the holdout shows that it helps" if helped else "not 15 %")
    assert (await _decided(store, 1))[:2] == (10, "10 % was given, and keeps its terms")
    await grant_offers(store, SHOP, now=NOW)
    rows = await store.database.fetch(
        "SELECT customer_id, percentage, share FROM offer_grants WHERE shop_id = $1 AND customer_id < 3 ORDER BY 1", 1
    )
    assert [tuple(row) for row in rows] == [(1, 10, 0), (2, percentage, 0)]


def _held(key: str) -> tuple[Situation, Play]:
    """Someone whom the play's draw holds out."""
    play = replace(BY_KEY[key], holdout=5_000)
    customer = next(number for number in range(1, 99) if is_held_out(1, key, number, play.holdout))
    return replace(ANN, customer_id=customer, matched=EVERYTHING), play


def test_the_holdout_passes_what_an_offer_must_pass() -> None:
    """Who would not have been offered it for a better one is in neither group."""
    situation, play = _held("welcome")
    better = replace(BY_KEY["welcome"], key="better", priority=900)
    situation = replace(situation, matched=frozenset({"welcome", "better"}))
    alone = {each.play.key: each.why for each in decide(situation, (play,), None).refused}
    beside = {each.play.key: each.why for each in decide(situation, (play, better), None).refused}
    assert (alone, beside) == ({"welcome": WhyNot.HOLDOUT}, {"welcome": WhyNot.OUTRANKED})


async def test_once_held_out_she_stays_so_when_a_better_offer_comes(store: Store) -> None:
    situation, play = _held("welcome")
    who = situation.customer_id
    await keep_plays(store.database, only(play))
    await place(store.database, who, "visitor")
    await grant_offers(store, SHOP, now=NOW, customers=[who])
    better = replace(BY_KEY["welcome"], key="better", priority=900)
    await keep_plays(store.database, (*only(play), better))
    await grant_offers(store, SHOP, now=NOW, customers=[who])
    rows = await store.database.fetch(
        "SELECT play, held, closed_at FROM offer_grants WHERE shop_id = $1 AND customer_id = $2 ORDER BY play", 1, who
    )
    assert [(row[0], bool(row[1]), row[2]) for row in rows] == [("better", False, None), ("welcome", True, None)]
