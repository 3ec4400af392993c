"""From orders to answers: facts, recompute, fit, and what the API then says, with nothing written by hand in between."""

from plugin.lifecycle.offers import fit_offers
from plugin.lifecycle.recompute import recompute_shop
from tests.support.graphql_world import NOW, World
from tests.support.small_shop import DAY, NOW_US, TODAY, put, sell


async def test_orders_become_stages_reasons_segments_and_offers(world: World) -> None:
    store, shop = world.store, world.b
    for table in (
        "profiles",
        "placements",
        "stage_transitions",
        "customers",
        "segment_members",
        "segments",
        "products",
    ):
        await store.database.execute(f"DELETE FROM {table} WHERE shop_id = $1", shop.id)
    await put(store.database, "products", [{"id": n, "title": f"Tea {n}"} for n in (1, 2, 3)], shop.id)
    await put(store.database, "customers", [{"id": n, "created_at": NOW_US - 400 * DAY} for n in (1, 2, 3)], shop.id)
    await sell(
        store.database,
        [
            {"id": 1, "customer": 1, "products": [1, 2], "day": TODAY - 200},
            {"id": 2, "customer": 2, "products": [1, 2], "day": TODAY - 40},
            {"id": 3, "customer": 2, "products": [3], "day": TODAY - 5},
        ],
        shop.id,
    )
    await recompute_shop(store, shop, as_of=NOW)
    await fit_offers(store, shop, now=NOW)
    made = await world.data(
        'mutation { segmentCreate(name: "Gone", query: "days_since_last_order > 90") { segment { count } userErrors { code } } }',
        caller="b",
    )
    assert made["segmentCreate"] == {"segment": {"count": 1}, "userErrors": []}

    found = await world.data(
        """{ customers(sortKey: ID) { nodes { stage { stage { key } rung because { text } } measures { orders daysSinceLastOrder }
        tags segments { nodes { name } } offers(first: 1) { kind } } }
        customersCount(query: "lifecycle_stage = 'departing'") { count }
        then: customer(id: "gid://shopify/Customer/1", asOf: "2026-06-01T00:00:00Z") { stage { stage { key } } } }""",
        caller="b",
    )
    departing, active, visitor = found["customers"]["nodes"]
    assert departing["stage"] == {
        "stage": {"key": "departing"},
        "rung": 2,
        "because": [{"text": "days since last order 180 >= 180 (lapse_days_rung_2)"}],  # as it was when she got there
    }
    assert departing["measures"] == {"orders": 1, "daysSinceLastOrder": 200}
    assert departing["segments"]["nodes"] == [{"name": "Gone"}]
    assert departing["offers"] == [{"kind": "WIN_BACK"}]
    assert departing["tags"] == ["rbl-stage-departing-2"]
    assert (active["stage"]["stage"]["key"], active["stage"]["rung"]) == ("active", None)
    assert (visitor["stage"]["stage"]["key"], visitor["tags"]) == ("visitor", ["rbl-stage-visitor"])
    assert found["customersCount"]["count"] == 1
    assert found["then"]["stage"]["stage"]["key"] == "new_buyer"
