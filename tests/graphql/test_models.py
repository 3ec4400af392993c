"""Every model over GraphQL: where customers stand, what counts say, how two models see the same people."""

from dataclasses import replace

import pytest

from plugin.domain.lifecycles import MODELS
from plugin.ledger.facts import write_customers, write_orders
from plugin.lifecycle.recompute import recompute_shop
from tests.support.graphql_world import World
from tests.support.journeys import a_customer, an_order
from tests.support.small_shop import NOW

FACTS = (
    [a_customer(n, "2024-01-01T00:00:00Z", email_status="SUBSCRIBED" if n == 902 else None) for n in range(901, 905)],
    [an_order(9031, 903, "2024-02-01T00:00:00Z"), an_order(9041, 904, NOW.isoformat())],
)
STANDING = {
    901: ["visitor", "reach", "awareness", "awareness", "awareness"],
    902: ["visitor", "acquisition", "engagement", "awareness", "awareness"],  # on by itself: buyers take long here
    903: ["departing", "retention", "awareness", "consideration", "consideration"],
    904: ["new_buyer", "retention", "purchase", "conversion", "purchase"],
}
COUNTS = "counts { stage { key } count }"


async def filled(world: World) -> None:
    """Shop A of nothing but FACTS, in all models."""
    for table in ("orders", "customers"):
        await world.store.database.execute(f"DELETE FROM {table} WHERE shop_id = $1", world.a.id)
    await write_customers(world.store, world.a.id, FACTS[0])
    await write_orders(world.store, world.a.id, FACTS[1])
    await recompute_shop(world.store, replace(world.a, computed_models=(), lapse_mode="FIXED"), as_of=NOW)


async def test_a_customer_stands_in_every_model_and_says_whether_a_lapse_put_her_there(world: World) -> None:
    await filled(world)
    for number, stages in STANDING.items():
        found = await world.data(
            """query($id: ID!) { customer(id: $id) { stages { model { key } stage { key } lapsed }
            stage(model: "journey-funnel") { stage { key } } stageHistory(model: "reach-loyalty") { nodes { to { key } } }
            } }""",
            id=f"gid://shopify/Customer/{number}",
        )
        placed = {row["model"]["key"]: row["stage"]["key"] for row in found["customer"]["stages"]}
        assert placed == dict(zip(MODELS, stages, strict=True))
        assert found["customer"]["stage"] == {"stage": {"key": stages[-1]}}
        assert found["customer"]["stageHistory"]["nodes"][0] == {"to": {"key": stages[1]}}
        lapsed = {row["model"]["key"] for row in found["customer"]["stages"] if row["lapsed"]}
        assert lapsed == ({*MODELS} - {"reach-loyalty"} if number == 903 else set())  # one occasion: retained as before


@pytest.mark.parametrize("when", ["", ', asOf: "2024-02-02T00:00:00Z"'])
async def test_a_crosswalk_counts_everybody_once_and_agrees_with_the_counts_of_both_models(
    world: World, when: str
) -> None:
    await filled(world)
    counts = COUNTS if not when else COUNTS.replace("counts", f"counts({when.removeprefix(', ')})")
    found = (
        await world.data(
            f"""{{ lifecycleCrosswalk(a: "buyer-activity", b: "reach-loyalty"{when}) {{
            counts {{ a {{ key }} b {{ key }} count }} a {{ key {counts} }} b {{ key {counts} }} }} }}"""
        )
    )["lifecycleCrosswalk"]
    assert len(found["counts"]) == 25
    cells = {(cell["a"]["key"], cell["b"]["key"]): cell["count"] for cell in found["counts"] if cell["count"]}
    visitors = {("visitor", "reach"): 2 if when else 1, ("visitor", "acquisition"): 1}
    buyers = {("new_buyer", "retention"): 1} | ({} if when else {("departing", "retention"): 1})
    assert cells == visitors | buyers
    for side in ("a", "b"):
        for of in MODELS[found[side]["key"]].stages:
            told = sum(row["count"] for row in found[side]["counts"] if row["stage"]["key"] == of.key)
            assert told == sum(cell["count"] for cell in found["counts"] if cell[side]["key"] == of.key)


async def test_the_shop_says_which_models_are_computed_and_changes_it(world: World) -> None:
    ask = "shop { computedModels { key } optionalStages }"
    everything = {"computedModels": [{"key": key} for key in MODELS], "optionalStages": "AUTO"}
    assert await world.data(f"{{ {ask} }}") == {"shop": everything}
    refused = await world.data(
        f'mutation {{ shopUpdate(optionalStages: ON, computedModels: ["none"]) {{ {ask} userErrors {{ field code }} }} }}'
    )
    assert refused["shopUpdate"] == {"shop": None, "userErrors": [{"field": ["computedModels"], "code": "INVALID"}]}
    assert (await world.data(f"{{ {ask} }}"))["shop"] == everything
    assert world.jobs.asked == []
    changed = await world.data(
        f'mutation {{ shopUpdate(optionalStages: ON, computedModels: ["reach-loyalty"]) {{ {ask} userErrors {{ code }} }} }}'
    )
    kept = {"computedModels": [{"key": "buyer-activity"}, {"key": "reach-loyalty"}], "optionalStages": "ON"}
    assert changed["shopUpdate"] == {"shop": kept, "userErrors": []}
    assert world.jobs.asked == [("recompute", world.a.id, {})]
