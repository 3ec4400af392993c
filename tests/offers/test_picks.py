"""Fitted lists of customers, on both databases: stored, read, and left out when they no longer hold."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from plugin.domain.instants import to_us
from plugin.domain.recommend.methods import Use
from plugin.domain.rules import parse
from plugin.domain.rules.evaluate import evaluate
from plugin.ledger import unplaced
from plugin.ledger.picks import between
from plugin.ledger.recommendations import choices_of, replenishments_of
from plugin.ledger.rules_sql import compile_rule
from plugin.ledger.store import Store
from plugin.lifecycle.frames import read_frame
from plugin.lifecycle.offers import fit_offers, recommend
from plugin.lifecycle.outcome import present_batch
from plugin.lifecycle.plan import calendar_of, read_plan
from plugin.lifecycle.recommending import SELLABLE
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from tests.support.small_shop import DAY, NOW, TODAY, a_shop, put, sell, stock

SHOP = a_shop()
BASKETS = {1: (1, 2), 2: (1, 2), 3: (1, 2, 3), 4: (1,), 5: (3, 4), 6: (3, 4)}


async def _fitted(store: Store) -> None:
    orders = [{"id": 100 + who, "customer": who, "products": products} for who, products in BASKETS.items()]
    await stock(store.database, 1, 2, 3, 4)
    await sell(store.database, orders)
    await fit_offers(store, SHOP, now=NOW)


async def _list(store: Store, customer: int, use: Use | None = None) -> list[tuple[int, str]]:
    found = await recommend(store, SHOP, [], customer_id=customer, first=10, now=NOW, use=use)
    return [(each.product_id, each.because[0].text) for each in found]


async def test_a_customer_has_a_list_of_new_products_and_one_of_her_own(store: Store):
    await _fitted(store)
    assert await _list(store, 4) == [
        (2, "bought with Product 1 by 3 customers, 1.5 times more often than chance"),
        (3, "bought by 3 customers in the last 90 days of the shop's history"),
        (4, "bought by 2 customers in the last 90 days of the shop's history"),
    ]
    assert await _list(store, 1, Use.BUY_AGAIN) == [(1, "bought once before"), (2, "bought once before")]
    assert await _list(store, 99, Use.BUY_AGAIN) == []
    assert await _list(store, 4, Use.NEW_FOR_YOU) == await _list(store, 4)


@pytest.mark.parametrize(
    "change", [{"status": "DRAFT"}, {"gift_card": True}, {"available": False}, {"published_at": None}], ids=str
)
async def test_stored_lists_are_held_to_what_can_be_sold_and_was_bought_since(store: Store, change: dict[str, object]):
    await _fitted(store)
    await stock(store.database, 2, **change)
    assert [product for product, _ in await _list(store, 4)] == [3, 4]
    assert [product for product, _ in await _list(store, 1, Use.BUY_AGAIN)] == [1]
    await sell(store.database, [{"id": 900, "customer": 4, "products": [3]}])
    assert [product for product, _ in await _list(store, 4)] == [4]


async def test_who_first_buys_after_the_fit_is_offered_what_goes_with_it(store: Store):
    await _fitted(store)
    await sell(store.database, [{"id": 900, "customer": 50, "products": [1]}])
    assert (await _list(store, 50))[0] == (2, "bought with Product 1 by 3 customers, 1.5 times more often than chance")


async def test_a_second_fit_leaves_the_same_rows_and_drops_lists_of_customers_who_are_gone(store: Store):
    async def rows() -> list[tuple[object, ...]]:
        columns = "customer_id, use, rank, product_id, score, anchor_id, together, lift"
        return await store.database.fetch(
            f"SELECT {columns} FROM customer_picks WHERE shop_id = $1 ORDER BY 1, 2, 3", 1
        )

    await _fitted(store)
    first = await rows()
    assert first
    await fit_offers(store, SHOP, now=NOW)
    assert await rows() == first
    await store.database.execute("UPDATE orders SET voided_at = 1 WHERE shop_id = $1 AND customer_id = 4", 1)
    await fit_offers(store, SHOP, now=NOW.replace(microsecond=NOW.microsecond ^ 1))
    assert {row[0] for row in await rows()} == {1, 2, 3, 5, 6}


async def test_a_young_shop_says_that_nothing_was_tested(store: Store):
    await _fitted(store)
    assert [(row.use, row.method, row.recall, row.cases) for row in await choices_of(store.database, 1)] == [
        ("BOUGHT_TOGETHER", "customers log lift", None, 0),
        ("BUY_AGAIN", "favourites", None, 0),
        ("NEW_FOR_YOU", "popularity 30 days", None, 0),
    ]


async def test_a_shop_with_a_past_tests_its_methods_on_it_and_shows_the_figures(store: Store):
    random = np.random.default_rng(5)
    orders = [
        {"id": who * 100 + nth, "customer": who, "day": TODAY - 7 * nth,
         "products": sorted({int(each) for each in random.integers(1, 6, 3) + 5 * (who % 2)})}
        for who in range(1, 41) for nth in range(1, 9)
    ]  # fmt: skip
    await stock(store.database, *range(1, 11))
    await sell(store.database, orders)
    await fit_offers(store, SHOP, now=NOW)
    found = {row.use: row for row in await choices_of(store.database, 1)}
    together = found["BOUGHT_TOGETHER"]
    assert together.cases >= 50
    assert (together.recall or 0) >= (together.popularity_recall or 0) > 0
    assert (together.tested_until or 0) > (together.tested_from or 0) > 0
    beside = await recommend(store, SHOP, [1], customer_id=None, first=4, now=NOW)
    assert {each.product_id for each in beside} <= {2, 3, 4, 5}


async def test_what_is_about_to_be_needed_again_is_told_until_it_is_bought_in_the_same_need(store: Store):
    await stock(store.database, 1, 2, product_type="Coffee")
    orders = [
        {"id": who * 10 + nth, "customer": who, "products": [1], "day": TODAY - 28 - 30 * nth}
        for who in range(1, 6) for nth in range(4)
    ]  # fmt: skip
    await sell(store.database, orders)
    await fit_offers(store, SHOP, now=NOW)

    async def due(customer: int) -> list[tuple[int, int]]:
        at = TODAY * DAY
        found = await replenishments_of(store.database, 1, [customer], now=at, sellable=SELLABLE)
        return [(row.product_id, round((row.due_at - at) / DAY)) for row in found[customer]]

    assert await due(1) == [(1, 2)]
    await sell(store.database, [{"id": 900, "customer": 1, "products": [2], "day": TODAY + 1}])
    assert await due(1) == []
    await stock(store.database, 1, product_type="Coffee", available=False)
    assert await due(2) == []


async def _who(store: Store, query: str, now: datetime = NOW) -> list[int]:
    """By SQL; the same in memory."""
    calendar, rule = calendar_of(SHOP), parse(query).rule
    condition, values = compile_rule(
        rule,
        shop_id=1,
        at=to_us(now),
        calendar=calendar,
        dialect=store.database.dialect,
        primary_model="buyer-activity",
    )
    rows = await store.database.fetch(f"SELECT p.customer_id FROM profiles p WHERE {condition}", *values)
    found = sorted(row[0] for row in rows)
    frame = await read_frame(store.database, 1, between(1, 100))
    plan = await read_plan(store.database, SHOP, now)
    assert frame.ids[evaluate(rule, present_batch(frame, plan)).holds].tolist() == found
    return found


async def test_rules_know_when_somebody_needs_something_again(store: Store):
    """Coffee each 30 days, filters each 90: the sooner counts; who has bought since is not waited for."""
    await stock(store.database, 1, 2, product_type="Coffee")
    await stock(store.database, 3, product_type="Filters")
    await put(store.database, "customers", [{"id": who} for who in range(1, 8)])
    coffee = [
        {"id": who * 10 + nth, "customer": who, "products": [1], "day": TODAY - 22 - who - 30 * nth}
        for who in range(1, 6) for nth in range(4)
    ]  # fmt: skip
    filters = [
        {"id": 500 + who * 10 + nth, "customer": who, "products": [3], "day": TODAY - 80 - 90 * nth}
        for who in range(4, 7) for nth in range(4)
    ]  # fmt: skip
    await sell(store.database, [*coffee, *filters])
    await recompute_shop(store, SHOP, as_of=NOW)
    assert await _who(store, "next_replenishment_date IS NOT NULL") == []

    await fit_offers(store, SHOP, now=NOW)
    noted = await unplaced.take(store.database, 1)
    assert noted == {1, 2, 3, 4, 5, 6}
    await recompute_customers(store, SHOP, sorted(noted), as_of=NOW)
    rows = await store.database.fetch("SELECT customer_id, replenishment_day FROM profiles WHERE shop_id = $1", 1)
    days = {who: day and day - TODAY for who, day in rows}
    assert days == {1: 7, 2: 6, 3: 5, 4: 4, 5: 3, 6: 10, 7: None}
    assert await _who(store, "next_replenishment_date <= +5d") == [3, 4, 5]
    assert await _who(store, "next_replenishment_date = +10d") == [6]
    assert await _who(store, "next_replenishment_date IS NULL") == [7]
    await unplaced.settle(store.database, 1)
    await fit_offers(store, SHOP, now=NOW)
    assert await unplaced.take(store.database, 1) == set()  # nobody has moved

    await sell(
        store.database, [{"id": 900 + who, "customer": who, "products": [2], "day": TODAY + 1} for who in (1, 5)]
    )
    later = NOW + timedelta(days=2)
    await recompute_shop(store, SHOP, as_of=later)
    assert await _who(store, "next_replenishment_date <= +3d", later) == [3, 4]
    assert await _who(store, "next_replenishment_date IS NULL", later) == [1, 7]
    assert await _who(store, "next_replenishment_date = +8d", later) == [5, 6]  # 5 still has filters to buy
