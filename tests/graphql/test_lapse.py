"""The lapse as GraphQL tells it and takes it."""

import pytest

from plugin.domain.lapse import GammaFit
from plugin.lifecycle.lapse_fits import KeptFit, write_fit
from plugin.shops import shop_by_id
from tests.support.graphql_world import World
from tests.support.small_shop import NOW_US

LAPSE = """{ shop { lapse { mode inForce ladderDays quantiles shape rate logLikelihood gaps customers windowStart windowEnd
    fittedAt curve(points: 3) { days share observed } } } }"""
KEPT = KeptFit(
    fitted_at=NOW_US, fit=GammaFit(2.0, 30.0, -1234.5, 200, 80), gaps=200, customers=80, first_day=20_000,
    last_day=20_700, observed=(10_000, 9_000, 5_000, 2_500, 100, *[0] * 1_091),
)  # fmt: skip
NOTHING = {
    "mode": "AUTO", "inForce": "FIXED", "ladderDays": [90, 180, 360], "quantiles": [0.8, 0.9, 0.95], "shape": None,
    "rate": None, "logLikelihood": None, "gaps": 0, "customers": 0, "windowStart": None, "windowEnd": None,
    "fittedAt": None, "curve": [],
}  # fmt: skip


async def test_the_lapse_is_published_with_its_fit_and_its_curve(world: World) -> None:
    assert (await world.data(LAPSE))["shop"]["lapse"] == NOTHING
    await write_fit(world.store.database, world.a.id, KEPT)
    curve = [
        {"days": 0, "share": 1.0, "observed": 1.0},
        {"days": 92, "share": pytest.approx((30 / 122) ** 2), "observed": 0.0},
        {"days": 183, "share": pytest.approx((30 / 213) ** 2), "observed": 0.0},  # from here on less than 2 %
    ]
    assert (await world.data(LAPSE))["shop"]["lapse"] == NOTHING | {
        "inForce": "ADAPTIVE", "shape": 2.0, "rate": 30.0, "logLikelihood": -1234.5, "gaps": 200, "customers": 80,
        "windowStart": "2024-10-04", "windowEnd": "2026-09-04", "fittedAt": "2026-11-23T12:00:00Z", "curve": curve,
    }  # fmt: skip
    assert (await world.data(LAPSE, caller="b"))["shop"]["lapse"] == NOTHING
    for points in (1, 201):
        assert await world.code(f"{{ shop {{ lapse {{ curve(points: {points}) {{ days }} }} }} }}") == "BAD_REQUEST"


async def test_a_merchant_pins_one_way_with_its_quantiles_and_goes_back(world: World) -> None:
    await write_fit(world.store.database, world.a.id, KEPT)
    change = """mutation($lapse: LapseInput) { shopUpdate(lapse: $lapse) {
        shop { lapse { mode inForce ladderDays quantiles } } userErrors { field code message } } }"""
    told = {"mode": "AUTO", "inForce": "ADAPTIVE", "ladderDays": [90, 180, 360], "quantiles": [0.8, 0.9, 0.95]}
    for given, after in (
        ({"mode": "FIXED"}, {"mode": "FIXED", "inForce": "FIXED"}),
        ({"ladderDays": [10, 20, 30]}, {"ladderDays": [10, 20, 30]}),
        ({"mode": "ADAPTIVE", "quantiles": [0.7, 0.85, 0.95]}, {
            "mode": "ADAPTIVE", "inForce": "ADAPTIVE", "quantiles": [0.7, 0.85, 0.95]}),
        ({"mode": "AUTO", "quantiles": None}, {"mode": "AUTO"}),
    ):  # fmt: skip
        told |= after
        found = (await world.data(change, lapse=given))["shopUpdate"]
        assert found == {"shop": {"lapse": told}, "userErrors": []}
    assert world.jobs.asked == [("recompute", world.a.id, {})] * 4
    shop = await shop_by_id(world.store.database, world.a.id)
    assert (shop.lapse_mode, shop.ladder, shop.lapse_quantiles) == ("AUTO", (10, 20, 30), (0.7, 0.85, 0.95))
    assert (await shop_by_id(world.store.database, world.b.id)).ladder == (90, 180, 360)

    both = (await world.data(change, lapse={"ladderDays": [3, 2, 1], "quantiles": [0.5]}))["shopUpdate"]
    assert [error["message"] for error in both["userErrors"]] == [
        "`ladderDays` are three rising numbers of days from 1 to 1095.",
        "`quantiles` are three rising numbers between 0 and 1.",
    ]
    assert (await shop_by_id(world.store.database, world.a.id)) == shop
