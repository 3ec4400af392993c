"""Growth and overlap of segments through the API."""

from tests.support.graphql_world import World


async def test_growth_and_overlap_are_told_at_once(world: World) -> None:
    made = await world.data(
        """mutation { a: segmentCreate(name: "Story A", query: "number_of_orders >= 0") { segment { id count } }
        b: segmentCreate(name: "Story B", query: "number_of_orders >= 0") { segment { id count } } }"""
    )
    one, other = made["a"]["segment"], made["b"]["segment"]
    count = one["count"]
    assert count > 0
    found = await world.data(
        f"""{{ segment(id: "{one["id"]}") {{
        days: growth(since: "2026-11-22", until: "2026-11-24") {{ since until joined left members }}
        months: growth(since: "2026-10-31", until: "2026-12-05", granularity: MONTH) {{ since until joined members }} }}
        segmentOverlap(ids: ["{other["id"]}", "{one["id"]}", "gid://rebloom/Segment/987654"]) {{ one {{ id }} other {{ id }} count }}
        customers(first: 25) {{ nodes {{ rfm {{ recency asOf }} }} }} }}"""
    )
    assert found["segment"]["days"] == [
        {"since": "2026-11-22", "until": "2026-11-22", "joined": 0, "left": 0, "members": 0},
        {"since": "2026-11-23", "until": "2026-11-23", "joined": count, "left": 0, "members": count},
        {"since": "2026-11-24", "until": "2026-11-24", "joined": 0, "left": 0, "members": count},
    ]
    assert found["segment"]["months"] == [
        {"since": "2026-10-31", "until": "2026-11-29", "joined": count, "members": count},
        {"since": "2026-11-30", "until": "2026-12-05", "joined": 0, "members": count},
    ]
    assert found["segmentOverlap"] == [{"one": {"id": one["id"]}, "other": {"id": other["id"]}, "count": count}]
    assert {node["rfm"]["asOf"] for node in found["customers"]["nodes"] if node["rfm"]} == {None}  # never recomputed


async def test_spans_that_end_before_they_begin_or_are_too_many_are_refused(world: World) -> None:
    made = await world.data('mutation { segmentCreate(name: "S", query: "number_of_orders > 0") { segment { id } } }')
    gid = made["segmentCreate"]["segment"]["id"]
    for span, why in (
        ('since: "2026-11-22", until: "2026-11-21"', "lies before"),
        ('since: "2020-01-01", until: "2026-11-21"', "At most 400 spans"),
    ):
        answer = await world.ask(f'{{ segment(id: "{gid}") {{ growth({span}) {{ members }} }} }}')
        assert why in answer["errors"][0]["message"]
    answer = await world.ask(f"{{ segmentOverlap(ids: {[gid] * 21!r}) {{ count }} }}".replace("'", '"'))
    assert "At most 20 segments" in answer["errors"][0]["message"]
