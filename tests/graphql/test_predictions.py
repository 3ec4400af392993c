"""From orders to predictions in the API and in rules."""

from plugin.lifecycle.predicting import fit_predictions
from plugin.lifecycle.recompute import recompute_shop
from tests.support.graphql_world import NOW, World
from tests.support.order_days import made_up
from tests.support.small_shop import DAY, NOW_US, TODAY, put, sell


async def test_predictions_fill_the_api_and_the_rules(world: World) -> None:
    store, shop, orders = world.store, world.b, made_up()
    for table in ("profiles", "placements", "customers", "products", "orders", "order_lines", "segments"):
        await store.database.execute(f"DELETE FROM {table} WHERE shop_id = $1", shop.id)
    people = [{"id": n, "created_at": NOW_US - 600 * DAY} for n in range(1, 402)]  # the last has never ordered
    await put(store.database, "customers", people, shop.id)
    await put(store.database, "products", [{"id": 1, "title": "Tea"}], shop.id)
    asked = """{ shop { predictionModels { days method reason n auc calibrationError testedUntil } }
        one: customer(id: "gid://shopify/Customer/1") { predictionsReason predictions { orderWithin30Days lifetimeValue
        { amount currencyCode } spendTier nextOrderDate expectedOrders90Days probabilityAlive fittedAt } }
        none: customer(id: "gid://shopify/Customer/401") { predictionsReason predictions { orderWithin30Days } }
        likely: customersCount(query: "probability_alive > 0.5 AND expected_orders_90d > 1") { count }
        due: customersCount(query: "predicted_next_order_date <= +30d AND predicted_clv > 10") { count }
        top: customersCount(query: "predicted_spend_tier = 'HIGH'") { count }
        unknown: customersCount(query: "predicted_clv IS NULL") { count } }"""
    await fit_predictions(store, shop, now=NOW)
    await recompute_shop(store, shop, as_of=NOW)
    before = await world.data(asked, caller="b")
    assert "needs 90 days of orders; this shop's go back 0" in before["one"]["predictionsReason"]
    assert [before["one"]["predictions"], before["likely"]["count"], before["unknown"]["count"]] == [None, 0, 401]

    last = int(orders.day.max())
    await sell(
        store.database,
        [
            {"id": n, "customer": int(buyer), "products": [1], "day": TODAY - last + int(day)}
            for n, (buyer, day) in enumerate(zip(orders.buyer, orders.day, strict=True), 1)
        ],
        shop.id,
    )
    await store.database.execute("UPDATE orders SET total = 200000 WHERE shop_id = $1", shop.id)
    assert await fit_predictions(store, shop, now=NOW) == 400
    await recompute_shop(store, shop, as_of=NOW)
    found = await world.data(asked, caller="b")
    near, far = found["shop"]["predictionModels"]
    assert (near["days"], far["days"], near["reason"], near["testedUntil"]) == (30, 90, None, str(NOW.date()))
    assert near["n"] >= 100
    assert found["one"]["predictionsReason"] is None
    assert 0 < found["one"]["predictions"]["orderWithin30Days"] < 1
    assert found["none"] == {
        "predictionsReason": "She had no order when the models were last fitted.", "predictions": None,
    }  # fmt: skip
    told = await store.database.fetch(
        "SELECT alive, orders, next_day, value, tier FROM predictions WHERE shop_id = $1", shop.id
    )
    assert found["likely"]["count"] == sum(row[0] > 0.5 and row[1] > 1 for row in told) > 0
    assert (
        found["due"]["count"]
        == sum(row[2] is not None and row[2] <= TODAY + 30 and row[3] > 100_000 for row in told)
        > 0
    )
    assert found["top"]["count"] == sum(row[4] == "HIGH" for row in told) > 0
    assert found["unknown"]["count"] == 1

    await fit_predictions(store, shop, now=NOW)
    again = await store.database.fetch(
        "SELECT alive, orders, next_day, value, tier FROM predictions WHERE shop_id = $1", shop.id
    )
    assert sorted(again, key=str) == sorted(told, key=str)
