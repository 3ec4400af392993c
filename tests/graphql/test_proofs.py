"""What a play's holdout shows, through the API."""

import pytest

from plugin.installations import Gateways
from plugin.jobs.handlers import Handlers
from plugin.lifecycle.proving import refresh_proofs
from plugin.settings import Settings
from tests.proof.test_store import BEFORE, offer, order, redeem
from tests.support.graphql_world import NOW, World

PROOF = """{ plays(stage: "visitor") { key ladderRaises proof { computedAt windowDays offered heldOut waiting tooFew
  ordered { offered heldOut verdict } orders { offered heldOut verdict difference { value low high } ratio { value } }
  netRevenue { offered { amount currencyCode } difference { value { amount } low { amount } } verdict }
  margin { verdict } marginUnknown coveredShare bonusesCost { amount } bonusesAnyway { value { amount } high { amount } }
  incentives { discount { percentage } offered heldOut helps netRevenue { verdict } }
  needed { baseline customersPerWeek customers weeks never why holdoutShare advisedShare }
  far: needed(uplift: 0.01, outcome: NET_REVENUE) { never why } } } }"""


async def test_a_proof_is_shown_with_its_interval_and_what_it_takes(world: World) -> None:
    assert {play["proof"] is None for play in (await world.data(PROOF))["plays"]} == {True}
    await offer(world.store, *range(1_001, 1_401), held=False, share=5_000)
    await offer(world.store, *range(1_401, 1_801), held=True, share=5_000)
    for number in (*range(1_001, 1_201), *range(1_401, 1_501)):  # half, and a quarter
        await order(world.store, number, number, BEFORE + 1, 20, discounts=20_000)
    await redeem(world.store, 1_001, 1_001, BEFORE + 1)
    await refresh_proofs(world.store, world.a, now=NOW)
    found = {play["key"]: play["proof"] for play in (await world.data(PROOF))["plays"]}
    assert [key for key, proof in found.items() if proof is not None] == ["welcome"]
    proof = found["welcome"]
    assert (proof["offered"], proof["heldOut"], proof["waiting"], proof["tooFew"], proof["windowDays"]) == (
        400, 400, 0, None, 30,
    )  # fmt: skip
    assert proof["ordered"] == {"offered": 0.5, "heldOut": 0.25, "verdict": "HELPS"}
    difference = proof["orders"]["difference"]
    assert 0 < difference["low"] < difference["value"] == 0.25 < difference["high"]
    assert proof["orders"]["ratio"]["value"] == pytest.approx(2)
    assert proof["netRevenue"]["offered"] == {"amount": "10.0", "currencyCode": "EUR"}
    assert proof["netRevenue"]["difference"]["value"] == {"amount": "5.0"}
    assert (proof["margin"], proof["coveredShare"]) == (None, 0)
    assert proof["marginUnknown"] == "There is no order in this comparison of which all unit costs are known."
    assert proof["bonusesCost"] == {"amount": "2.0"}
    assert proof["bonusesAnyway"]["value"] == {"amount": "1.0"}
    assert proof["incentives"] == [
        {
            "discount": {"percentage": 10},
            "offered": 400,
            "heldOut": 400,
            "helps": True,
            "netRevenue": {"verdict": "HELPS"},
        }
    ]
    needed = proof["needed"]
    assert (needed["baseline"], needed["customersPerWeek"], needed["never"]) == (0.375, 0.0, True)
    assert needed["why"].endswith("this shop will not show it within 3 years.")
    assert (needed["holdoutShare"], needed["advisedShare"], proof["far"]["never"]) == (0.05, 0.05, True)
    assert {play["proof"] is None for play in (await world.data(PROOF, caller="b"))["plays"]} == {True}


async def test_the_nightly_recompute_counts_it(world: World, settings: Settings) -> None:
    await offer(world.store, 1_001, held=False)
    gateways = Gateways(settings, world.store, lambda: NOW)
    handlers = Handlers(settings, world.store, gateways, world.jobs, lambda: NOW)
    for _ in range(2):
        await handlers.recompute(world.a.id)
        proof = (await world.data("{ plays { key proof { computedAt offered tooFew } } }"))["plays"][0]["proof"]
        assert (proof["computedAt"], proof["tooFew"]) == (
            NOW.isoformat().replace("+00:00", "Z"), "0 customers were offered it and have had their time; an interval needs 30.",
        )  # fmt: skip


async def test_an_uplift_that_cannot_be_is_refused_with_its_bounds(world: World) -> None:
    await offer(world.store, 1_001, held=False)
    await refresh_proofs(world.store, world.a, now=NOW)
    for uplift in ("0", "-1", "11"):
        answer = await world.ask(f"{{ plays {{ proof {{ needed(uplift: {uplift}) {{ weeks }} }} }} }}")
        assert answer["errors"][0]["message"].startswith("`uplift` is from 0.001 to 10.0, not ")
        assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_it_needs_the_scope_of_offers(world: World) -> None:
    asked = "{ plays { proof { offered } } }"
    assert await world.code(asked, caller="a:read_customers") == "ACCESS_DENIED"
    assert "errors" not in await world.ask(asked, caller="a:read_offers")
