"""Lifecycle models through GraphQL: preview, save, restore, and what is refused."""

from typing import Any

from tests.support.graphql_world import World

STAGES = [
    {"key": "nobody", "name": "Nobody", "query": "number_of_orders = 0"},
    {"key": "buyer", "name": "Buyer", "query": "number_of_orders > 0", "rungs": ["number_of_orders > 0"]},
]
PREVIEW = """query ($input: LifecycleModelInput!) { lifecycleModelPreview(input: $input) { customers moved tagWrites
  inNoStage warnings moves { from { key } fromRung to { key } toRung customers sample { id } }
  problems { stage rung queryError { kind offset } } userErrors { field code } } }"""
SAVE = """mutation ($input: LifecycleModelInput!) { lifecycleModelSave(input: $input) { lifecycleModel { key version
  source stages { key position } versions { version note } } warnings problems { stage } userErrors { field code } } }"""
RESTORE = """mutation ($key: String!, $version: Int!) { lifecycleModelRestore(key: $key, version: $version) {
  lifecycleModel { version stages { key } } userErrors { field code } } }"""


def an_input(**changes: Any) -> dict[str, Any]:
    return {"key": "buyer-activity", "name": "Ours", "stages": STAGES, **changes}


async def _rows(world: World) -> list[Any]:
    tables = ("lifecycle_models", "placements", "stage_transitions", "stage_transitions_superseded")
    shops = await world.store.database.fetch("SELECT id, own_models FROM shops ORDER BY id")
    found = [
        await world.store.database.fetch(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4 /* every shop */")
        for name in tables
    ]
    return [*found, shops]


async def test_a_preview_tells_who_would_move_and_writes_nothing(world: World) -> None:
    before = await _rows(world)
    found = (await world.data(PREVIEW, input=an_input()))["lifecycleModelPreview"]
    assert await _rows(world) == before
    assert (found["customers"], found["moved"], found["inNoStage"], found["userErrors"]) == (23, 23, 0, [])
    moves = {(move["from"]["key"], move["fromRung"]): move for move in found["moves"]}
    assert {at: move["customers"] for at, move in moves.items()} == {
        ("active", None): 12, ("departing", 1): 6, ("visitor", None): 5,
    }  # fmt: skip
    assert {move["to"]["key"] for move in moves.values()} == {"nobody"}  # the world's customers have no orders
    assert found["tagWrites"] == 46
    assert found["warnings"] == []
    assert [each["id"] for each in moves["visitor", None]["sample"]][:1] == ["gid://shopify/Customer/4"]
    lapse = "query ($to: LapseInput!) { lapsePreview(lapse: $to) { moved userErrors { field } } }"
    assert (await world.data(lapse, to={"ladderDays": [3, 2, 1]}))["lapsePreview"]["userErrors"] == [
        {"field": ["lapse"]}
    ]
    assert (await world.data(lapse, to={"ladderDays": [1, 2, 3]}))["lapsePreview"]["moved"] == 18
    assert await _rows(world) == before


async def test_saving_makes_a_version_and_restoring_brings_one_back(world: World) -> None:
    found = (await world.data(SAVE, input=an_input(note="two stages")))["lifecycleModelSave"]
    assert found["userErrors"] == []
    assert found["lifecycleModel"]["version"] == 1
    assert found["lifecycleModel"]["versions"] == [{"version": 1, "note": "two stages"}]
    assert [stage["key"] for stage in found["lifecycleModel"]["stages"]] == ["nobody", "buyer"]
    assert world.jobs.asked == [("recompute", world.a.id, {})]
    # Until the recompute is through, places are those of the version before, told by their keys.
    document = """{ customer(id: "gid://shopify/Customer/3") { stage { stage { key name } model { version } }
      supersededHistory { at } stageHistory(first: 1) { nodes { modelVersion } } } }"""
    assert (await world.data(document))["customer"] == {
        "stage": {"stage": {"key": "departing", "name": "departing"}, "model": {"version": 1}},
        "supersededHistory": [], "stageHistory": {"nodes": [{"modelVersion": 0}]},
    }  # fmt: skip
    assert (await world.data('{ lifecycleModel(key: "buyer-activity") { version } }', caller="b")) == {
        "lifecycleModel": {"version": 0}
    }
    found = (await world.data(RESTORE, key="buyer-activity", version=0))["lifecycleModelRestore"]
    assert (found["lifecycleModel"]["version"], len(found["lifecycleModel"]["stages"])) == (0, 5)
    found = (await world.data(RESTORE, key="buyer-activity", version=2))["lifecycleModelRestore"]
    assert found == {"lifecycleModel": None, "userErrors": [{"field": ["version"], "code": "NOT_FOUND"}]}


async def test_what_cannot_be_computed_is_refused_with_its_place_and_changes_nothing(world: World) -> None:
    before = await _rows(world)
    wrong = an_input(stages=[*STAGES, {"key": "late", "name": "Late", "query": "days_since_last_ordr > 3"}])
    found = (await world.data(PREVIEW, input=wrong))["lifecycleModelPreview"]
    assert found["userErrors"] == [{"field": ["input", "stages", "2", "query"], "code": "INVALID_QUERY"}]
    assert found["problems"] == [{"stage": 2, "rung": None, "queryError": {"kind": "unknown_attribute", "offset": 0}}]
    found = (await world.data(SAVE, input=wrong))["lifecycleModelSave"]
    assert (found["lifecycleModel"], found["problems"]) == (None, [{"stage": 2}])
    found = (await world.data(SAVE, input=an_input(note="x" * 1001)))["lifecycleModelSave"]
    assert found["userErrors"] == [{"field": ["input", "note"], "code": "TOO_LONG"}]
    assert await world.code(SAVE, input=an_input(), caller="a:read_lifecycle") == "ACCESS_DENIED"
    assert await _rows(world) == before
    assert world.jobs.asked == []
