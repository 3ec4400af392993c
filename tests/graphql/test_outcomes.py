"""What became of offers: each once, whoever tells it and however often, and the rates from it; on both databases."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from plugin.domain.offers import read_offer_gid
from plugin.domain.touchpoints import PIXEL, read_touchpoint
from plugin.ledger.removals import merge_customers
from plugin.ledger.store import Store
from plugin.lifecycle.deciding import offers_for
from plugin.lifecycle.granting import grant_offers
from plugin.lifecycle.impressions import record_told
from plugin.lifecycle.redemptions import record_redemptions
from tests.support.graphql_world import World
from tests.support.plays import BY_KEY, keep_plays, only
from tests.support.small_shop import DAY, NOW, NOW_US, TODAY, a_shop, place, put

STORE = "/storefront/graphql"
OFFERS = "{ viewer { offers(first: 10) { id kind } } }"
RECORD = """mutation($input: [TouchpointInput!]!) { touchpointRecord(input: $input) {
  recorded userErrors { field code } } }"""
ANSWER = "mutation($id: ID!) { FIELD(id: $id) { offerId userErrors { code } } }"
OUTCOMES = """query($since: Date, $until: Date) { offerMetrics(since: $since, until: $until) {
  crossSellRate upsellRate outcomes { shown clicked accepted dismissed redeemed expired offersShown takenUp takenUpRate } }
  plays { key outcomes(since: $since, until: $until) { shown clicked accepted dismissed } } }"""
SILENT = {
    "last_order_at": (TODAY - 95) * DAY, "last_order_day": TODAY - 95, "orders": 2, "net_spend": 1_000_000,
    "first_order_at": 0, "first_order_day": 0, "added_day": TODAY - 500, "added_at": 0,
}  # fmt: skip
SHOP = a_shop()


async def _offers(world: World, viewer: int) -> dict[str, str]:
    found = (await world.data(OFFERS, caller=f"a:{viewer}", path=STORE))["viewer"]["offers"]
    return {offer["kind"]: offer["id"] for offer in found}


async def _tell(world: World, caller: str, path: str, *told: dict[str, Any]) -> Any:
    answer = (await world.data(RECORD, caller=caller, path=path, input=list(told)))["touchpointRecord"]
    return answer["userErrors"] or answer["recorded"]


def _shown(number: int, offer: str, **more: Any) -> dict[str, Any]:
    return {"id": f"e-{number}", "kind": "OFFER_SHOWN", "subject": offer, "placement": "HOME", **more}


async def test_an_offer_counts_once_a_placement_and_day_whoever_tells(world: World):
    offers = {viewer: await _offers(world, viewer) for viewer in (4, 5, 7)}
    cross, welcome, other = offers[4]["CROSS_SELL"], offers[4]["WELCOME"], offers[5]["CROSS_SELL"]
    early = {viewer: offers[viewer]["EARLY_ACCESS"] for viewer in (5, 7)}
    assert await _tell(world, "a:4", STORE, _shown(1, cross), _shown(2, cross), _shown(3, welcome)) == 2
    assert await _tell(world, "a:4", STORE, _shown(4, cross, placement="CART"), _shown(1, cross)) == 1
    partner = "a:write_touchpoints"
    again = {"customerId": "gid://shopify/Customer/4"}
    assert await _tell(world, partner, "/graphql", _shown(9, cross, **again)) == 0
    yesterday = {**again, "at": (NOW - timedelta(days=1)).isoformat()}
    assert await _tell(world, partner, "/graphql", _shown(10, cross, **yesterday)) == 1
    assert await _tell(world, "a:5", STORE, _shown(5, other), _shown(6, early[5])) == 2
    assert await _tell(world, "a:7", STORE, _shown(5, early[7])) == 1
    click = _shown(6, cross, kind="OFFER_CLICKED")
    assert await _tell(world, "a:4", STORE, click, {**click, "id": "e-7"}) == 1

    for field, offer in (("offerAccept", cross), ("offerAccept", cross), ("offerDismiss", welcome)):
        done = await world.data(ANSWER.replace("FIELD", field), caller="a:4", path=STORE, id=offer)
        assert done[field] == {"offerId": offer, "userErrors": []}
    taken = "mutation($id: ID!) { offerAccept(id: $id) { offer { id } } }"
    assert (await world.data(taken, id=early[7]))["offerAccept"] == {"offer": {"id": early[7]}}

    found = await world.data(OUTCOMES)
    assert found["offerMetrics"] == {
        "crossSellRate": 0.5, "upsellRate": 0.5,
        "outcomes": {
            "shown": 7, "clicked": 1, "accepted": 2, "dismissed": 1, "redeemed": 0, "expired": 0, "offersShown": 5,
            "takenUp": 2, "takenUpRate": 0.4,
        },
    }  # fmt: skip
    plays = {play["key"]: play["outcomes"] for play in found["plays"] if any(play["outcomes"].values())}
    assert plays.pop("welcome") == {"shown": 1, "clicked": 0, "accepted": 0, "dismissed": 1}
    assert plays.pop("early-access") == {"shown": 2, "clicked": 0, "accepted": 1, "dismissed": 0}
    assert sorted(plays.values(), key=lambda play: play["shown"]) == [  # two plays sell something that goes with it
        {"shown": 1, "clicked": 0, "accepted": 0, "dismissed": 0},
        {"shown": 3, "clicked": 1, "accepted": 1, "dismissed": 0},
    ]
    today, before = NOW.date().isoformat(), (NOW.date() - timedelta(days=1)).isoformat()
    since = (await world.data(OUTCOMES, since=today))["offerMetrics"]["outcomes"]
    until = (await world.data(OUTCOMES, until=before))["offerMetrics"]
    assert (since["shown"], until["outcomes"]["shown"], until["crossSellRate"]) == (6, 1, 1.0)
    assert (await world.data(OUTCOMES, caller="b"))["offerMetrics"]["outcomes"]["shown"] == 0
    assert await world.code(OUTCOMES, since=today, until=before) == "BAD_REQUEST"


async def test_an_offer_of_somebody_else_is_not_told_of_and_keeps_the_rest_out(world: World):
    hers = (await _offers(world, 4))["CROSS_SELL"]
    refused = [{"field": ["input", "1", "subject"], "code": "NOT_FOUND"}]
    fine = {"id": "e-0", "kind": "VISIT", "visitor": "v-1"}
    for caller, path, offer, more in (
        ("a:8", STORE, hers, {}), ("a:", STORE, hers, {"visitor": "v-1"}), ("b:4", STORE, hers, {}),
        ("a:4", STORE, "gid://rebloom/Offer/4-1", {}),
        ("a:write_touchpoints", "/graphql", hers, {"customerId": "gid://shopify/Customer/8"}),
    ):  # fmt: skip
        assert await _tell(world, caller, path, fine, _shown(1, offer, **more)) == refused
    rows = await world.store.database.fetch("SELECT COUNT(*) FROM touchpoints /* every shop */")
    assert rows == [(0,)]


async def test_what_a_holdout_withheld_cannot_have_been_shown(world: World):
    await keep_plays(world.store.database, only(replace(BY_KEY["welcome"], holdout=9_999)), world.a.id)
    await grant_offers(world.store, world.a, now=NOW, customers=[4])
    [(offer, held)] = await world.store.database.fetch(
        "SELECT offer_id, held FROM offer_grants WHERE shop_id = $1 AND customer_id = 4", world.a.id
    )
    assert held
    refused = [{"field": ["input", "0", "subject"], "code": "NOT_FOUND"}]
    assert await _tell(world, "a:4", STORE, _shown(1, f"gid://rebloom/Offer/4-{offer}")) == refused


async def _told(store: Store) -> list[tuple[Any, ...]]:
    rows = await store.database.fetch(
        "SELECT kind, customer_id, play, at, subject FROM touchpoints WHERE shop_id = $1 AND source = 'rebloom'"
        " ORDER BY kind, event_id",
        1,
    )
    return [(*row[:4], (read_offer_gid(row[4]) or (0, 0))[1]) for row in rows]


async def test_uses_follow_the_orders_and_what_was_used_has_not_run_out(store: Store):
    await keep_plays(store.database, only("win-back-1"))
    await put(store.database, "customers", [{"id": 1}, {"id": 2}])
    await place(store.database, 1, "departing", rung=1, **SILENT)
    await grant_offers(store, SHOP, now=NOW, customers=[1])
    (offer,) = (await offers_for(store, SHOP, [1], placement=None, first=1, now=NOW))[1]
    assert offer.valid_until is not None
    code = {
        "code_id": 7, "customer_id": 1, "source": "play", "subject": "win-back-1", "offer_id": offer.id, "code": "ABC",
        "folded": "abc", "state": "active", "title": "t", "starts_at": NOW_US, "created_at": NOW_US, "changed_at": NOW_US,
    }  # fmt: skip
    names = ", ".join(code)
    await store.database.execute(
        f"INSERT INTO offer_codes (shop_id, {names}) VALUES ($1, {', '.join(f'${n}' for n in range(2, len(code) + 2))})",
        1, *code.values(),
    )  # fmt: skip
    end = NOW + timedelta(days=60)
    await grant_offers(store, SHOP, now=end, customers=[1])
    expired = ("offer_expired", 1, "win-back-1", offer.valid_until, offer.id)
    assert await _told(store) == [expired]
    await grant_offers(store, SHOP, now=end, customers=[1])
    assert await _told(store) == [expired]

    async def order(**changes: Any) -> list[tuple[Any, ...]]:
        row = {
            "id": 50,
            "customer_id": 1,
            "processed_at": NOW_US + 5,
            "discount_codes": '["abc"]',
            "voided_at": None,
            **changes,
        }
        await put(store.database, "orders", [row])
        for _ in range(2):
            await record_redemptions(store, SHOP, now=end)
        return await _told(store)

    used = [("offer_redeemed", 1, "win-back-1", NOW_US + 5, offer.id)]
    assert await order() == used  # told late: it was used in its time
    assert await order(voided_at=NOW_US + 9) == []
    assert await order() == used
    async with store.database.transaction() as session:
        await merge_customers(session, 1, kept=2, folded=1, at=NOW_US)
    await record_redemptions(store, SHOP, now=end)
    assert [row[:2] for row in await _told(store)] == [("offer_redeemed", 2)]
    assert await order(customer_id=2, deleted_at=1, counted=False) == []


async def test_the_public_key_may_claim_an_impression_but_it_is_not_counted(world: World):
    hers = (await _offers(world, 4))["CROSS_SELL"]
    given = {"id": "p-1", "kind": "offer_shown", "customerId": 4, "subject": hers, "placement": "home"}
    done = await record_told(world.store, world.a, [read_touchpoint(given, PIXEL, now=NOW_US)], now=NOW)
    assert done.recorded == 1
    assert (await world.data(OUTCOMES))["offerMetrics"]["outcomes"]["shown"] == 0
