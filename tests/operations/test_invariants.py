"""The invariants hold of a ledger made by the product, and each finds the damage it is there for."""

from datetime import timedelta

from plugin.domain.instants import to_us
from plugin.invariants import INVARIANTS, broken, rows_of_nobody
from plugin.ledger.facts import write_customers, write_orders
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_shop
from tests.support.invariants import assert_invariants
from tests.support.journeys import a_customer, an_order
from tests.support.shops import install_shop
from tests.support.small_shop import NOW, NOW_US, put

SEGMENT = {"id": 1, "name": "Buyers", "query": "number_of_orders > 0"}
# What is done to the ledger, and which invariant must notice.
DAMAGE = {
    "everybody stands where their stage history ends": "UPDATE placements SET stage = 'loyal' WHERE shop_id = $1 AND customer_id = 1",
    "whose stage history ends in a stage has a place in it": "DELETE FROM placements WHERE shop_id = $1 AND customer_id = 2",
    "a stage ends after it began": "UPDATE placements SET valid_until = since_at WHERE shop_id = $1 AND customer_id = 3",
    "everybody placed has a profile": "DELETE FROM profiles WHERE shop_id = $1 AND customer_id = 4",
    "everybody with a profile is a customer of the shop": "UPDATE customers SET deleted_at = 1 WHERE shop_id = $1 AND id = 5",
    "a segment has the members its events tell of": "DELETE FROM segment_members WHERE shop_id = $1 AND customer_id = 1",
    "a member of a segment has joined it": "DELETE FROM segment_events WHERE shop_id = $1 AND customer_id = 2",
    "an order's customer is known, and nobody who was folded into another": "UPDATE orders SET customer_id = 99 WHERE shop_id = $1 AND id = 1",
    "who was folded into another leads to the living one in one step": "UPDATE customers SET merged_into = 5 WHERE shop_id = $1 AND id IN (5, 6)",
    "of who is gone no name or address is kept": "INSERT INTO persons (shop_id, id, sealed, stated_at) VALUES ($1, 5, 'x', 0)",
    "a customer has at most one stage tag of ours": (
        "INSERT INTO tag_records (shop_id, customer_id, tag, state, written_at) VALUES"
        " ($1, 1, 'rbl-stage-a', 'written', 0), ($1, 1, 'rbl-stage-b', 'written', 0), ($1, 1, 'rbl-vip', 'written', 0)"
    ),
    "nothing is kept of a delivery that was applied": (
        "INSERT INTO inbox (shop_id, webhook_id, domain, topic, sealed_body, received_at, state, attempts)"
        " VALUES ($1, 'w', 'a', 'orders/create', 'sealed', 0, 'done', 0)"
    ),
    "nobody's time to be judged again has passed": "UPDATE profiles SET due_at = 1 WHERE shop_id = $1 AND customer_id = 3",
    "who is measured again has the same profile": "UPDATE profiles SET net_spend = 1 WHERE shop_id = $1 AND customer_id = 2",
}  # fmt: skip


async def test_each_invariant_finds_the_damage_it_is_there_for(store: Store) -> None:
    shop = await install_shop("a.myshopify.com")
    day = timedelta(days=1)
    people = [a_customer(number, (NOW - 300 * day).isoformat()) for number in range(1, 8)]
    await write_customers(store, shop.id, people)
    orders = [an_order(number, number, (NOW - number * 20 * day).isoformat()) for number in range(1, 4)]
    await write_orders(store, shop.id, orders)
    await put(store.database, "segments", [SEGMENT], shop.id)
    await recompute_shop(store, shop, as_of=NOW)
    await assert_invariants(store, now=lambda: NOW)

    assert {each.what for each in INVARIANTS} < DAMAGE.keys()
    for what, statement in DAMAGE.items():
        await store.database.execute(statement, shop.id)
        found = {fault.what: fault for fault in await broken(store, shop, now=lambda: NOW)}
        assert what in found, what
        assert found[what].examples
        assert found[what].mend

    assert await rows_of_nobody(store.database) == []
    await put(store.database, "segments", [{**SEGMENT, "name": "x"}], 77)
    [fault] = await rows_of_nobody(store.database)
    assert (fault.what, fault.examples) == ("segments has no rows of unknown shops", ("77",))


async def test_a_shop_that_does_not_let_us_in_is_not_waited_for(store: Store) -> None:
    shop = await install_shop("a.myshopify.com")
    await put(store.database, "profiles", [{"customer_id": 1, "due_at": 1}], shop.id)
    await store.database.execute("UPDATE shops SET status = 'no_access' WHERE id = $1", shop.id)
    late = "nobody's time to be judged again has passed"
    assert late in {fault.what for fault in await broken(store, shop, now=lambda: NOW)}
    from plugin.shops import shop_by_id

    outside = await shop_by_id(store.database, shop.id)
    assert late not in {fault.what for fault in await broken(store, outside, now=lambda: NOW)}
    assert to_us(NOW) == NOW_US
