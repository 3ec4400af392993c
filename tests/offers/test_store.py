"""Fitted lists, recommendations and offers on both databases."""

from datetime import timedelta

import pytest

from plugin.domain.events import Event, EventKind
from plugin.domain.instants import to_us
from plugin.domain.offers import OfferPlacement, OfferResponse
from plugin.domain.plays.situation import Due
from plugin.errors import NotFoundError
from plugin.ledger.events import told_since
from plugin.ledger.store import Store
from plugin.lifecycle.deciding import offers_for, respond
from plugin.lifecycle.offers import fit_offers, recommend
from tests.support.plays import keep_plays, only
from tests.support.small_shop import DAY, NOW, TODAY, a_shop, place, sell, stock

SHOP = a_shop()
# 1 and 2 go together for customers 1-3, 3 and 4 for customers 5 and 6; customer 4 owns only product 1.
BASKETS = {1: (1, 2), 2: (1, 2), 3: (1, 2, 3), 4: (1,), 5: (3, 4), 6: (3, 4)}


async def _fitted(store: Store, shop_id: int = 1) -> None:
    orders = [{"id": 100 + who, "customer": who, "products": products} for who, products in BASKETS.items()]
    await stock(store.database, 1, 2, 3, 4, shop_id=shop_id)
    await sell(store.database, orders, shop_id)
    await fit_offers(store, a_shop(shop_id), now=NOW)
    await keep_plays(store.database, shop_id=shop_id)


async def _ids(store: Store, *products: int, customer: int | None = None, first: int = 10) -> list[int]:
    found = await recommend(store, SHOP, products, customer_id=customer, first=first, now=NOW)
    return [each.product_id for each in found]


async def _rows(store: Store) -> tuple[list, list]:
    pairs = await store.database.fetch(
        "SELECT product_id, rank, other_id, together, lift FROM copurchases WHERE shop_id = $1 ORDER BY 1, 2", 1
    )
    return pairs, await store.database.fetch(
        "SELECT rank, product_id, buyers FROM product_ranks WHERE shop_id = $1 ORDER BY rank", 1
    )


async def test_a_fit_writes_the_pairs_and_the_popular_and_a_second_one_the_same(store: Store):
    await _fitted(store)
    expected = (
        [(1, 1, 2, 3, 1.5), (2, 1, 1, 3, 1.5), (3, 1, 4, 2, 2.0), (4, 1, 3, 2, 2.0)],
        [(1, 1, 4), (2, 2, 3), (3, 3, 3), (4, 4, 2)],
    )
    assert await _rows(store) == expected
    report = await fit_offers(store, SHOP, now=NOW)
    assert await _rows(store) == expected
    assert tuple(report) == (6, 4, 4, 4)


async def test_a_fit_drops_what_no_longer_holds(store: Store):
    await _fitted(store)
    await store.database.execute("UPDATE orders SET voided_at = 1 WHERE shop_id = $1 AND customer_id > 3", 1)
    await stock(store.database, 3, status="ARCHIVED")
    await fit_offers(store, SHOP, now=NOW)
    assert await _rows(store) == ([], [(1, 1, 3), (2, 2, 3)])  # 1 and 2 in all three baskets: no more than chance


async def test_guests_count_as_buyers_and_returned_lines_tests_and_old_sales_do_not(store: Store):
    await stock(store.database, 1, 2)
    await sell(
        store.database,
        [
            {"id": 1, "customer": None, "products": [1, 2]},
            {"id": 2, "customer": None, "products": [1, 2]},
            {"id": 3, "customer": 9, "products": [1]},
            {"id": 4, "customer": 10, "products": [2], "test": True},
            {"id": 5, "customer": 11, "products": [2], "day": TODAY - 91},
            {"id": 6, "customer": 12, "products": [2]},
        ],
    )
    await store.database.execute("UPDATE order_lines SET current_quantity = 0 WHERE shop_id = $1 AND order_id = 6", 1)
    await fit_offers(store, SHOP, now=NOW)
    assert await _rows(store) == ([(1, 1, 2, 2, pytest.approx(4 * 2 / 9))] * 0 + [], [(1, 1, 3), (2, 2, 2)])


async def test_recommended_is_what_goes_with_it_with_its_sentence_then_what_is_popular(store: Store):
    await _fitted(store)
    found = await recommend(store, SHOP, [1], customer_id=None, first=3, now=NOW)
    assert [(each.product_id, each.anchor_id, each.together, each.lift) for each in found] == [
        (2, 1, 3, 1.5),
        (3, None, 3, None),
        (4, None, 2, None),
    ]
    assert found[0].because[0].text == "bought with Product 1 by 3 customers, 1.5 times more often than chance"
    assert found[1].because[0].text == "bought by 3 customers in the last 90 days of the shop's history"


async def test_what_the_customer_owns_or_sent_back_and_what_was_given_is_left_out(store: Store):
    await _fitted(store)
    assert await _ids(store, 1, customer=1) == [3, 4]
    assert await _ids(store, 3, customer=5) == [1, 2]
    assert await _ids(store, 1, 2, 3, 4) == []
    await store.database.execute("UPDATE order_lines SET current_quantity = 0 WHERE shop_id = $1", 1)
    assert await _ids(store, 1, customer=1) == [3, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "DRAFT"}, {"status": "ARCHIVED"}, {"gift_card": True}, {"available": False}, {"deleted_at": 1},
        {"published_at": None}, {"published_at": 2**60},
    ],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_sold_since_the_fit_is_never_recommended(store: Store, change: dict):
    await _fitted(store)
    assert await _ids(store, 1) == [2, 3, 4]
    await stock(store.database, 2, **change)
    assert await _ids(store, 1) == [3, 4]


async def test_a_cold_shop_an_unknown_product_and_nothing_asked_for_give_empty_lists(store: Store):
    assert await _ids(store, 1) == []
    await fit_offers(store, SHOP, now=NOW)
    assert await _ids(store, 1, customer=5) == []
    await _fitted(store)
    assert await _ids(store, 999, first=1) == [1]  # popular
    assert await _ids(store, 1, first=0) == []
    assert await _ids(store) == [1, 2, 3, 4]


async def test_another_shop_has_no_part_in_it(store: Store):
    await _fitted(store, shop_id=2)
    assert await _ids(store, 1, customer=1) == []


async def test_offers_of_many_customers_loyalty_first_each_with_its_own_products(store: Store):
    await _fitted(store)
    at = {"last_order_at": TODAY * DAY, "last_order_day": TODAY, "orders": 1, "net_spend": 200_000}
    await place(store.database, 4, "new_buyer", **at)
    await place(store.database, 5, "active", **at | {"orders": 2})
    await place(store.database, 8, "visitor")

    offers = await offers_for(store, SHOP, [4, 5, 8, 999], placement=None, first=5, now=NOW)

    shown = {
        who: [(offer.play.key, [each.product_id for each in offer.products]) for offer in each_offers]
        for who, each_offers in offers.items()
    }
    assert shown == {
        4: [("second-order", []), ("post-purchase", []), ("next-purchase", [2, 3, 4])],
        5: [("cross-sell", [1, 2])],
        8: [("welcome", []), ("popular", [1, 2, 3, 4])],
        999: [],
    }
    cross_sell = offers[5][0]
    assert cross_sell.because[:1] == cross_sell.products[0].because
    assert (cross_sell.cost, cross_sell.valid_until, cross_sell.code) == (0, None, None)
    assert offers[8][0].cost == 13_333  # 10 % of the shop's mean order: 40.00 over 3 orders
    assert await offers_for(store, SHOP, [4], placement=OfferPlacement.THANK_YOU, first=1, now=NOW) == {
        4: [offers[4][0]]
    }


async def test_the_number_of_queries_does_not_grow_with_the_customers(store: Store, monkeypatch: pytest.MonkeyPatch):
    await _fitted(store)
    customers = list(range(1, 120))
    for customer in customers:
        await place(store.database, customer, "visitor")
    asked: list[str] = []
    fetch = store.database.fetch
    monkeypatch.setattr(store.database, "fetch", lambda sql, *params: (asked.append(sql), fetch(sql, *params))[1])
    offers = await offers_for(store, SHOP, customers, placement=None, first=5, now=NOW)
    assert (len(offers), all(offers.values())) == (119, True)
    assert len(asked) <= 12


async def _answers(store: Store) -> list:
    return await store.database.fetch(
        "SELECT customer_id, offer_id, response FROM offer_responses WHERE shop_id = $1 ORDER BY 1, 2", 1
    )


async def test_what_was_dismissed_is_not_shown_again_and_saying_it_twice_is_saying_it_once(store: Store):
    await keep_plays(store.database)
    await place(store.database, 8, "visitor")
    (offer,) = (await offers_for(store, SHOP, [8], placement=None, first=5, now=NOW))[8]
    for _ in range(2):
        assert await respond(store, SHOP, 8, offer.id, OfferResponse.DISMISSED, NOW) == offer
    assert await _answers(store) == [(8, offer.id, "dismissed")]
    assert await offers_for(store, SHOP, [8], placement=None, first=5, now=NOW) == {8: []}

    assert await told_since(store.database, 1, 0, at_most=9) == []
    for response in (OfferResponse.ACCEPTED, OfferResponse.ACCEPTED, OfferResponse.DISMISSED, OfferResponse.ACCEPTED):
        await respond(store, SHOP, 8, offer.id, response, NOW)
    assert await offers_for(store, SHOP, [8], placement=None, first=5, now=NOW) == {8: [offer]}
    accepted = Event(
        kind=EventKind.OFFER_ACCEPTED, at=to_us(NOW), customer_id=8, subject=f"{offer.id} {offer.play.key}"
    )
    assert [told.event for told in await told_since(store.database, 1, 0, at_most=9)] == [accepted] * 2


async def test_an_offer_of_another_customer_another_shop_or_of_the_past_cannot_be_answered(store: Store):
    for number in (1, 2):
        await keep_plays(store.database, shop_id=number)
    await place(store.database, 8, "visitor")
    await place(store.database, 9, "visitor")
    await place(store.database, 8, "visitor", shop_id=2)
    (offer,) = (await offers_for(store, SHOP, [8], placement=None, first=5, now=NOW))[8]
    for shop, customer, number, at in (
        (SHOP, 9, offer.id, NOW),
        (a_shop(2), 8, offer.id, NOW),
        (SHOP, 8, offer.id + 1, NOW),
        (SHOP, 8, offer.id, NOW + timedelta(days=7)),
        (SHOP, 12345, offer.id, NOW),
    ):
        with pytest.raises(NotFoundError):
            await respond(store, shop, customer, number, OfferResponse.ACCEPTED, at)
    assert await _answers(store) == []
    assert await told_since(store.database, 1, 0, at_most=9) == []


async def test_what_is_due_again_is_offered_with_its_day_until_it_is_bought(store: Store):
    await stock(store.database, 1, 2)
    await keep_plays(store.database, only("replenishment"))
    at = {"last_order_at": (TODAY - 30) * DAY, "last_order_day": TODAY - 30, "orders": 3, "net_spend": 200_000}
    await place(store.database, 5, "active", **at)
    await store.database.execute(
        "INSERT INTO replenishments (shop_id, customer_id, product_id, due_at, from_at, until_at, cycle_days, units,"
        " repeats, own_repeats, fitted_at) VALUES ($1, 5, 2, $2, $3, $4, 30.0, 1, 9, 2, $5)",
        1, (TODAY + 1) * DAY, (TODAY - 3) * DAY, (TODAY + 9) * DAY, (TODAY - 1) * DAY,
    )  # fmt: skip
    (offer,) = (await offers_for(store, SHOP, [5], placement=OfferPlacement.HOME, first=5, now=NOW))[5]
    assert (offer.play.key, offer.due) == ("replenishment", Due(2, TODAY + 1, TODAY - 3))
    assert "due in 1 day" in [reason.text for reason in offer.because]
    await sell(store.database, [{"id": 77, "customer": 5, "products": [2]}])
    assert await offers_for(store, SHOP, [5], placement=OfferPlacement.HOME, first=5, now=NOW) == {5: []}
