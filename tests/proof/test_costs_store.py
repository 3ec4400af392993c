"""Margins as the store counts them, on both databases: by hand, and beside a plain recount of made-up shops."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.proof.arms import WINDOW_DAYS, Arm, Side
from plugin.ledger.database import Upsert
from plugin.ledger.proofs import Uncosted, counted_of, sides_of_plays
from plugin.ledger.removals import delete_customer, delete_product, forget_shop
from plugin.ledger.store import Store
from plugin.lifecycle.proving import refresh_proofs
from tests.proof.test_store import BEFORE, offer
from tests.support.small_shop import DAY, NOW, NOW_US, a_shop, put, sell, stock

SHOP = a_shop()
OFFERED, HELD = Side("10%", 1_000, False), Side("10%", 1_000, True)
COSTS = Upsert(
    table="unit_costs",
    columns=("shop_id", "product_id", "variant_id", "amount", "currency", "set_at"),
    key=("shop_id", "product_id", "variant_id"),
    update=("amount", "currency"),
)
Line = tuple[int | None, int | None, int]  # product, variant, pieces kept


async def cost(store: Store, of: Mapping[tuple[int, int], float], shop_id: int = 1, currency: str = "EUR") -> None:
    rows = [(shop_id, *key, round(each * 10_000), currency, 0) for key, each in of.items()]
    await store.database.upsert(COSTS, rows)


async def order(
    store: Store, number: int, customer: int, paid: float, lines: list[Line], *, shop_id: int = 1, **changes: Any
) -> None:
    row = {"id": number, "customer": customer, "products": [], "day": BEFORE + 1, "total": round(paid * 10_000)}
    await sell(store.database, [{**row, **changes}], shop_id)
    rows = [
        {
            "id": number * 100 + place, "order_id": number, "product_id": product, "variant_id": variant, "quantity": 9,
            "current_quantity": pieces,
        }
        for place, (product, variant, pieces) in enumerate(lines)
    ]  # fmt: skip
    await put(store.database, "order_lines", rows, shop_id)


async def refund(store: Store, number: int, order_id: int, amount: float, shop_id: int = 1) -> None:
    await store.database.execute(
        "INSERT INTO refunds (shop_id, id, order_id, at, amount) VALUES ($1, $2, $3, $4, $5)",
        shop_id, number, order_id, NOW_US, round(amount * 10_000),
    )  # fmt: skip


async def a_story(store: Store) -> None:
    """Product 1 costs 4; of 2 the variant 21 costs 3 and the others 5; of 3 nobody said what it costs; 4 costs nothing;
    of 5 only the variant 51 has a cost."""
    await stock(store.database, 1, 2, 3, 4, 5)
    await cost(store, {(1, 0): 4, (2, 0): 5, (2, 21): 3, (4, 0): 0, (5, 51): 2.5})
    await offer(store, 1, 2, 3, held=False)
    await offer(store, 4, 5, 6, held=True)
    await order(store, 10, 1, 50, [(1, 11, 2), (2, 21, 1)])  # 50 - 8 - 3 = 39
    await order(store, 11, 1, 30, [(2, 22, 1), (4, 41, 7)])  # 30 - 5 = 25, with 10 given back: 15
    await refund(store, 1, 11, 6)
    await refund(store, 2, 11, 4)
    await order(store, 12, 2, 20, [(1, None, 0), (3, None, 0), (4, 41, 1)])  # what was given back costs nothing: 20
    await order(store, 13, 3, 9, [(1, 11, 1), (3, 31, 1)])  # of one piece it is not known
    await order(store, 20, 4, 6, [(1, 11, 3)])  # sold for less than it cost: 6 - 12 = -6
    await order(store, 21, 5, 11, [(5, 52, 1)])  # another variant's cost is not this one's
    await order(store, 22, 5, 8, [(5, 51, 2)])  # 8 - 5 = 3
    await order(store, 23, 6, 7, [(None, None, 1)])  # a line of no product
    await order(store, 24, 6, 2, [])  # of which no line is known


GIVEN = Arm(
    n=3, ordered=3, orders=4, order_squares=6, revenue=990_000, revenue_squares=70.0**2 + 20**2 + 9**2,
    covered=3, covered_revenue=900_000, margin=740_000, margin_squares=54.0**2 + 20**2, most_squares=54.0**2 + 20**2 + 9**2,
)  # fmt: skip
NOT_GIVEN = Arm(
    n=3, ordered=3, orders=5, order_squares=9, revenue=340_000, revenue_squares=6.0**2 + 19**2 + 9**2,
    covered=2, covered_revenue=140_000, margin=-30_000, margin_squares=6.0**2 + 3**2, most_squares=6.0**2 + 14**2 + 9**2,
)  # fmt: skip


async def test_an_orders_margin_is_what_was_paid_less_what_the_pieces_kept_cost(store: Store) -> None:
    await a_story(store)
    await refresh_proofs(store, SHOP, now=NOW)
    assert (await sides_of_plays(store.database, 1))["welcome"] == {OFFERED: GIVEN, HELD: NOT_GIVEN}
    assert (await counted_of(store.database, 1)).uncosted == {
        "welcome": [Uncosted(0, "", 1), Uncosted(3, "Product 3", 1), Uncosted(5, "Product 5", 1)]
    }


async def test_costs_stated_later_recount_those_still_there(store: Store) -> None:
    """Also of days long past; of customers who have gone, what was known when they went stays."""
    await a_story(store)
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 3, at=NOW_US)  # of order 13 not all was known
        await delete_customer(session, 1, 1, at=NOW_US)
    await refresh_proofs(store, SHOP, now=NOW)
    assert (await sides_of_plays(store.database, 1))["welcome"] == {OFFERED: GIVEN, HELD: NOT_GIVEN}
    await cost(store, {(3, 0): 1, (5, 0): 4, (1, 0): 2})
    await refresh_proofs(store, SHOP, now=NOW)
    found = (await sides_of_plays(store.database, 1))["welcome"]
    assert (found[OFFERED].covered, found[OFFERED].margin) == (3, 740_000)
    assert (found[HELD].covered, found[HELD].margin) == (3, 100_000)  # 6 - 6, 11 - 4, 8 - 5
    uncosted = (await counted_of(store.database, 1)).uncosted
    assert uncosted == {"welcome": [Uncosted(0, "", 1)]}


async def test_a_cost_outlives_its_product_and_goes_with_the_shop(store: Store) -> None:
    await a_story(store)
    await cost(store, {(1, 0): 77}, shop_id=2)
    async with store.database.transaction() as session:
        await delete_product(session, 1, 1, at=NOW_US)
    await refresh_proofs(store, SHOP, now=NOW)
    assert (await sides_of_plays(store.database, 1))["welcome"][OFFERED] == GIVEN
    async with store.database.transaction() as session:
        await forget_shop(session, 1, keep_delivery="")
    left = await store.database.fetch("SELECT shop_id, amount FROM unit_costs /* every shop */")
    assert left == [(2, 770_000)]
    assert await store.database.fetch("SELECT * FROM uncosted_products WHERE shop_id = $1", 1) == []


async def test_what_was_sold_or_stated_in_another_currency_is_not_covered(store: Store) -> None:
    await stock(store.database, 1, 2)
    await cost(store, {(1, 0): 4})
    await cost(store, {(2, 0): 4, (1, 11): 40}, currency="USD")
    await offer(store, 1, held=False)
    await order(store, 10, 1, 50, [(1, None, 1)], currency="USD")
    await order(store, 11, 1, 50, [(2, None, 1)])
    await order(store, 12, 1, 50, [(1, 11, 1)])  # the product's is stated as it should be
    await refresh_proofs(store, SHOP, now=NOW)
    found = (await sides_of_plays(store.database, 1))["welcome"][OFFERED]
    assert (found.orders, found.covered, found.margin) == (3, 1, 460_000)


async def test_another_shops_costs_do_not_count(store: Store) -> None:
    await a_story(store)
    await cost(store, {(3, 0): 1, (1, 0): 99, (5, 52): 1}, shop_id=2)
    await refresh_proofs(store, SHOP, now=NOW)
    assert (await sides_of_plays(store.database, 1))["welcome"] == {OFFERED: GIVEN, HELD: NOT_GIVEN}


PRODUCTS = st.integers(1, 4)
AMOUNTS = st.integers(0, 99_999_999)
LINES = st.lists(
    st.tuples(st.one_of(PRODUCTS, st.none()), st.one_of(st.integers(11, 13), st.none()), st.integers(0, 5)), max_size=3
)
ORDERS = st.lists(
    st.fixed_dictionaries({
        "customer": st.integers(1, 5), "day": st.integers(BEFORE - 1, BEFORE + WINDOW_DAYS + 2), "paid": AMOUNTS,
        "lines": LINES, "back": st.lists(AMOUNTS, max_size=2), "counted": st.sampled_from((True, True, True, False)),
    }),
    max_size=8,
)  # fmt: skip
STATED = st.dictionaries(
    st.tuples(PRODUCTS, st.sampled_from((0, 0, 11, 12))), st.sampled_from((0, 1, 20_000, 333_333)), max_size=8
)
_shops = count(100)


def plainly(orders: list[dict[str, Any]], costs: dict[tuple[int, int], int], customers: list[int]) -> Arm:
    """The same in plain Python, one customer after another."""
    found = Arm()
    for customer in customers:
        paid = covered_paid = margin = orders_of = covered = 0
        for each in orders:
            after = each["day"] - BEFORE
            if each["customer"] != customer or not each["counted"] or not 0 < after <= WINDOW_DAYS:
                continue
            net, goods = each["paid"] - sum(each["back"]), 0
            known = bool(each["lines"])
            for product, variant, pieces in each["lines"]:
                own = costs.get((product, variant)) if variant is not None else None
                unit = costs.get((product, 0)) if own is None else own
                if pieces and (product is None or unit is None):
                    known = False
                elif pieces:
                    goods += pieces * unit
            orders_of, paid = orders_of + 1, paid + net
            if known:
                covered, covered_paid, margin = covered + 1, covered_paid + net, margin + net - goods
        most = margin + paid - covered_paid
        found += Arm(
            n=1, ordered=int(orders_of > 0), orders=orders_of, order_squares=orders_of**2, revenue=paid,
            revenue_squares=(paid / 10_000) ** 2, covered=covered, covered_revenue=covered_paid, margin=margin,
            margin_squares=(margin / 10_000) ** 2, most_squares=(most / 10_000) ** 2,
        )  # fmt: skip
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=ORDERS, costs=STATED)
async def test_the_stores_sums_are_those_of_a_plain_recount(
    store: Store, orders: list[dict[str, Any]], costs: dict[tuple[int, int], int]
) -> None:
    shop_id = next(_shops)
    for customers, held in (([1, 2, 3], False), ([4, 5], True)):
        await offer(store, *customers, held=held, shop_id=shop_id)
    await cost(store, {key: amount / 10_000 for key, amount in costs.items()}, shop_id)
    for number, each in enumerate(orders, 1):
        await order(
            store, number, each["customer"], each["paid"] / 10_000, each["lines"], shop_id=shop_id, day=each["day"],
            counted=each["counted"],
        )  # fmt: skip
        for place, amount in enumerate(each["back"]):
            await refund(store, number * 10 + place, number, amount / 10_000, shop_id)
    await refresh_proofs(store, a_shop(shop_id), now=NOW)
    found = (await sides_of_plays(store.database, shop_id))["welcome"]
    for side, customers in ((OFFERED, [1, 2, 3]), (HELD, [4, 5])):
        wanted = plainly(orders, costs, customers)
        for name in Arm.__dataclass_fields__:
            assert getattr(found[side], name) == pytest.approx(getattr(wanted, name), rel=1e-12), name
    # Who goes leaves what was counted of her.
    async with store.database.transaction() as session:
        for customer in (1, 4):
            await delete_customer(session, shop_id, customer, at=NOW_US)
    await refresh_proofs(store, a_shop(shop_id), now=NOW)
    left = (await sides_of_plays(store.database, shop_id))["welcome"]
    for side in (OFFERED, HELD):
        assert left[side].margin == found[side].margin
        assert left[side].most_squares == pytest.approx(found[side].most_squares, rel=1e-12)


def test_the_day_of_the_offers_is_midnight() -> None:
    """The plain recount counts whole days."""
    assert (BEFORE * DAY) % DAY == 0
