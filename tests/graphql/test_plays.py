"""Plays through the API: shown, changed, copied, switched off, brought back; and why a customer is offered what."""

import pytest

from plugin.domain.plays.shipped import PLAYS
from tests.support.graphql_world import World

UPDATE = """mutation Change($key: String!, $input: PlayInput!) { playUpdate(key: $key, input: $input, note: "try") {
  play { key percentage query holdoutShare enabled version scheduleHours mostCost { amount } ladder { percentage
  amount { amount } } }
  problems { kind offset length } userErrors { field message code } } }"""
CREATE = """mutation Make($key: String!, $copyOf: String, $input: PlayInput!) {
  playCreate(key: $key, copyOf: $copyOf, input: $input) { play { key kind version stage } userErrors { field code } } }"""


async def test_every_shipped_play_is_shown_whole(world: World):
    found = await world.data(
        "{ plays { key name kind title stage model rung query channels placements percentage level ladderRaises start"
        " validDays coolDownDays scheduleHours priority holdoutShare tier enabled version ladder { percentage } } }"
    )
    assert [play["key"] for play in found["plays"]] == [play.key for play in PLAYS]
    welcome = found["plays"][0]
    assert (welcome["scheduleHours"], welcome["holdoutShare"], welcome["version"]) == ([0, 24, 72, 144], 0.1, 0)
    assert welcome["ladder"] == [{"percentage": 10}, {"percentage": 15}]


async def test_a_change_is_a_new_version_and_the_shipped_one_can_be_brought_back(world: World):
    changes = {"ladder": [{"amount": "7.50"}], "holdoutShare": 0.25, "mostCost": "500", "scheduleHours": [0, 48]}
    saved = (await world.data(UPDATE, key="welcome", input=changes))["playUpdate"]
    assert saved["userErrors"] == []
    assert saved["play"] == {
        "key": "welcome", "percentage": None, "query": PLAYS[0].query, "holdoutShare": 0.25, "enabled": True,
        "version": 1, "scheduleHours": [0, 48], "mostCost": {"amount": "500.0"},
        "ladder": [{"percentage": None, "amount": {"amount": "7.5"}}],
    }  # fmt: skip
    again = (await world.data(UPDATE, key="welcome", input={"enabled": False}))["playUpdate"]["play"]
    assert (again["version"], again["enabled"], again["holdoutShare"]) == (2, False, 0.25)
    assert world.jobs.asked[-1][0] == "offers"

    versions = await world.data('{ playVersions(key: "welcome") { version note play { enabled scheduleHours } } }')
    assert [(each["version"], each["note"], each["play"]["enabled"]) for each in versions["playVersions"]] == [
        (2, "try", False),
        (1, "try", True),
    ]
    restored = await world.data(
        'mutation { playRestore(key: "welcome", version: 1) { play { version enabled } userErrors { code } } }'
    )
    assert restored["playRestore"] == {"play": {"version": 1, "enabled": True}, "userErrors": []}
    shipped = await world.data('mutation { playRestore(key: "welcome", version: 0) { play { version percentage } } }')
    assert shipped["playRestore"]["play"] == {"version": 0, "percentage": 10}
    gone = await world.data('mutation { playRestore(key: "welcome", version: 9) { userErrors { field code } } }')
    assert gone["playRestore"]["userErrors"] == [{"field": ["version"], "code": "NOT_FOUND"}]


async def test_what_is_wrong_is_named_and_nothing_is_changed(world: World):
    bad = {"query": "number_of_orders = 0 AND colour = 1", "validDays": 0, "holdoutShare": 1.0}
    refused = (await world.data(UPDATE, key="welcome", input=bad))["playUpdate"]
    assert refused["play"] is None
    assert [(error["field"], error["code"]) for error in refused["userErrors"]] == [
        (["input", "validDays"], "INVALID"),
        (["input", "holdoutShare"], "INVALID"),
        (["input", "query"], "INVALID_QUERY"),
    ]
    assert refused["problems"] == [{"kind": "unknown_attribute", "offset": 25, "length": 6}]
    for key, changes, field in (
        ("nobody", {}, ["key"]),
        ("welcome", {"name": None}, ["input", "name"]),
        ("welcome", {"stage": "gone"}, ["input", "stage"]),
    ):
        answer = (await world.data(UPDATE, key=key, input=changes))["playUpdate"]
        assert (answer["play"], [error["field"] for error in answer["userErrors"]]) == (None, [field])
    assert (await world.data('{ playVersions(key: "welcome") { version } }'))["playVersions"] == []
    assert world.jobs.asked == []


async def test_a_play_of_ones_own_is_a_copy_or_made_from_scratch(world: World):
    made = await world.data(CREATE, key="win-back-vip", copyOf="win-back-1", input={"query": "amount_spent > 500"})
    assert made["playCreate"] == {
        "play": {"key": "win-back-vip", "kind": "WIN_BACK", "version": 1, "stage": "departing"}, "userErrors": [],
    }  # fmt: skip
    taken = await world.data(CREATE, key="win-back-vip", copyOf="win-back-1", input={})
    assert taken["playCreate"] == {"play": None, "userErrors": [{"field": ["key"], "code": "INVALID"}]}
    scratch = {
        "name": "Own", "title": "For you", "kind": "TIPS", "query": "number_of_orders > 3", "placements": ["HOME"],
        "start": "MATCHED", "priority": 5,
    }  # fmt: skip
    assert (await world.data(CREATE, key="own", input=scratch))["playCreate"]["play"]["kind"] == "TIPS"
    missing = (await world.data(CREATE, key="own-2", input={**scratch, "kind": None}))["playCreate"]
    assert missing["userErrors"] == [{"field": ["input", "kind"], "code": "BLANK"}]
    keys = [play["key"] for play in (await world.data('{ plays(stage: "departing") { key } }'))["plays"]]
    assert keys == ["win-back-1", "win-back-2", "win-back-3", "win-back-vip"]


async def test_plays_of_one_shop_are_not_anothers(world: World):
    await world.data(UPDATE, key="welcome", input={"priority": 1})
    other = await world.data('{ plays(stage: "visitor") { key version } }', caller="b")
    assert other["plays"][0] == {"key": "welcome", "version": 0}


@pytest.mark.parametrize("placement", ["HOME", "MESSAGE"])
async def test_every_play_is_answered_for_with_the_reason(world: World, placement: str):
    found = await world.data(
        'query Why($placement: OfferPlacement) { customer(id: "gid://shopify/Customer/1") {'
        " offers(placement: $placement, first: 20) { id }"
        " offerDecisions(placement: $placement) { play { key } offer { id } whyNot text } } }",
        placement=placement,
    )  # fmt: skip
    verdicts = found["customer"]["offerDecisions"]
    assert sorted(each["play"]["key"] for each in verdicts) == sorted(play.key for play in PLAYS)
    assert [each["offer"] for each in verdicts if each["offer"]] == found["customer"]["offers"]
    assert all((each["offer"] is None) == bool(each["whyNot"] and each["text"]) for each in verdicts)
