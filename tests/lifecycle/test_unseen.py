"""A shop that shows 60 days of orders only: its lifetime figures stand in for what it does not show."""

from datetime import datetime, timedelta

from plugin.domain.instants import to_us
from plugin.ledger.database import Upsert
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_shop
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import a_shop

SINCE = "2024-03-01T09:00:00Z"


async def shown_from(store: Store, instant: datetime) -> None:
    how = Upsert(
        table="sync_states", key=("shop_id",),
        columns=("shop_id", "phase", "customers", "orders", "order_lines", "products", "history_from"),
    )  # fmt: skip
    await store.database.upsert(how, [(1, "done", 0, 0, 0, 0, to_us(instant))])


async def profile(store: Store, customer: int) -> tuple[object, ...]:
    [row] = await store.database.fetch(
        "SELECT l.stage, l.rung, p.orders, p.net_spend, p.last_order_at, p.first_order_items FROM profiles p"
        " JOIN placements l ON l.shop_id = p.shop_id AND l.customer_id = p.customer_id"
        " WHERE p.shop_id = $1 AND p.customer_id = $2", 1, customer,
    )  # fmt: skip
    return row


async def test_a_buyer_whose_orders_are_not_shown_is_no_visitor(store: Store, now: datetime) -> None:
    await shown_from(store, now - timedelta(days=60))
    half_a_year, weeks = now - timedelta(days=200), now - timedelta(days=70)
    await write_customers(store, 1, [
        a_customer(1, SINCE, shop_orders=7, shop_spend=900_000, shop_last_order_at=to_us(half_a_year)),
        a_customer(2, SINCE, shop_orders=3, shop_spend=100_000, shop_last_order_at=to_us(weeks)),
        a_customer(3, SINCE, shop_orders=1, shop_spend=100_000, shop_last_order_at=to_us(weeks)),
        a_customer(4, SINCE, shop_orders=0, shop_spend=0),
        a_customer(5, SINCE, shop_orders=2, shop_spend=50_000),
    ])  # fmt: skip
    await recompute_shop(store, a_shop(1), as_of=now)
    assert await profile(store, 1) == ("departing", 2, 7, 900_000, to_us(half_a_year), None)
    assert await profile(store, 2) == ("active", None, 3, 100_000, to_us(weeks), None)
    assert await profile(store, 3) == ("new_buyer", None, 1, 100_000, to_us(weeks), None)
    assert await profile(store, 4) == ("visitor", None, 0, 0, None, None)
    just_before = to_us(now - timedelta(days=60)) - 1  # no day is stated: as late as it can have been
    assert await profile(store, 5) == ("active", None, 2, 50_000, just_before, None)


async def test_orders_that_are_shown_count_as_they_are_and_the_rest_is_added(store: Store, now: datetime) -> None:
    await shown_from(store, now - timedelta(days=60))
    recent = now - timedelta(days=3)
    await write_customers(store, 1, [
        a_customer(1, SINCE, shop_orders=4, shop_spend=500_000, shop_last_order_at=to_us(recent)),
        a_customer(2, recent.isoformat(), shop_orders=5, shop_spend=500_000),
    ])  # fmt: skip
    await write_orders(store, 1, [
        an_order(1, 1, recent.isoformat(), total="10.00"), an_order(2, 2, recent.isoformat(), total="10.00"),
    ])  # fmt: skip
    await recompute_shop(store, a_shop(1), as_of=now)
    assert (await profile(store, 1))[:5] == ("active", None, 4, 500_000, to_us(recent))
    assert (await profile(store, 2))[:5] == ("new_buyer", None, 1, 100_000, to_us(recent))  # newer than the window


async def test_with_the_scope_for_all_orders_the_shown_ones_are_all(store: Store, now: datetime) -> None:
    await shown_from(store, now - timedelta(days=60))
    await write_customers(store, 1, [a_customer(1, SINCE, shop_orders=7, shop_spend=900_000)])
    shop = a_shop(1, scopes=frozenset({"read_orders", "read_all_orders"}))
    await recompute_shop(store, shop, as_of=now)
    assert await profile(store, 1) == ("visitor", None, 0, 0, None, None)
