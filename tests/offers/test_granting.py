"""What was given and what was withheld is on record, once, and ends when it should; on both databases."""

from dataclasses import replace
from datetime import timedelta

from plugin.domain.offers import OfferResponse
from plugin.domain.plays.shipped import PLAYS
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.store import Store
from plugin.lifecycle.deciding import decisions_for, offers_for, respond
from plugin.lifecycle.granting import GrantReport, grant_offers
from tests.support.plays import BY_KEY, OPEN, keep_plays, only
from tests.support.small_shop import DAY, NOW, NOW_US, TODAY, a_shop, place, put

SHOP = a_shop()
SILENT = {"last_order_at": (TODAY - 95) * DAY, "last_order_day": TODAY - 95, "orders": 2, "net_spend": 1_000_000}
DEPARTING = {**SILENT, "first_order_at": 0, "first_order_day": 0, "added_day": TODAY - 500, "added_at": 0}


async def _rows(store: Store, columns: str = "customer_id, play, held, closed_why") -> list:
    rows = await store.database.fetch(
        f"SELECT {columns} FROM offer_grants WHERE shop_id = $1 ORDER BY customer_id, play", 1
    )
    return [tuple(row) for row in rows]


async def _customers(store: Store, *ids: int) -> None:
    await put(store.database, "customers", [{"id": number} for number in ids])


async def test_what_is_given_is_put_on_record_once_and_nothing_changes_by_doing_it_again(store: Store):
    await keep_plays(store.database, only("win-back-1", "welcome"))
    await _customers(store, 1, 2)
    await place(store.database, 1, "departing", rung=1, **DEPARTING)
    await place(store.database, 2, "visitor")
    assert await grant_offers(store, SHOP, now=NOW, customers=[1, 2]) == GrantReport(2, 2, 0, 0, 0)
    first = await _rows(store, "*")
    assert await grant_offers(store, SHOP, now=NOW + timedelta(hours=1)) == GrantReport(2, 0, 0, 0, 0)
    assert await _rows(store, "*") == first
    (shown,) = (await offers_for(store, SHOP, [1], placement=None, first=1, now=NOW))[1]
    rows = await _rows(store, "offer_id, period, percentage, cost, granted_at, until_at, rung")
    assert rows[0] == (shown.id, TODAY - 95, 10, 50_000, NOW_US, shown.valid_until, 1)


async def test_the_holdout_is_on_record_and_gets_nothing(store: Store):
    await keep_plays(store.database, only(replace(BY_KEY["welcome"], holdout=5_000)))
    for customer in range(1, 41):
        await place(store.database, customer, "visitor")
    report = await grant_offers(store, SHOP, now=NOW, customers=range(1, 41))
    assert (report.granted + report.held, report.held > 10, report.granted > 10) == (40, True, True)
    offers = await offers_for(store, SHOP, range(1, 41), placement=None, first=9, now=NOW)
    held = {row[0] for row in await _rows(store) if row[2]}
    assert {who for who, each in offers.items() if not [one for one in each if one.play.key == "welcome"]} == held


async def test_leaving_the_stage_switching_off_a_no_and_the_end_close_what_was_given(store: Store):
    await keep_plays(store.database, only("win-back-1", "second-order", "welcome"))
    for customer in (1, 2, 3):
        await place(store.database, customer, "departing", rung=1, **DEPARTING)
    await place(store.database, 4, "visitor")
    await place(store.database, 5, "new_buyer", **DEPARTING | {"last_order_at": NOW_US, "last_order_day": TODAY})
    await grant_offers(store, SHOP, now=NOW, customers=range(1, 6))
    (offer,) = (await offers_for(store, SHOP, [2], placement=None, first=1, now=NOW))[2]
    await respond(store, SHOP, 2, offer.id, OfferResponse.DISMISSED, NOW)
    await place(store.database, 1, "returned", **DEPARTING)
    await keep_plays(
        store.database,
        only("win-back-1", "welcome"),
    )
    report = await grant_offers(store, SHOP, now=NOW + timedelta(days=8), customers=range(1, 6))
    closed = {row[0]: row[3] for row in await _rows(store) if row[1] in {"win-back-1", "welcome", "second-order"}}
    assert closed == {1: "stage", 2: "dismissed", 3: None, 4: "ended", 5: "off"}
    assert report.closed == 4

    await keep_plays(store.database, only("win-back-1", "second-order", "welcome"))
    again = await grant_offers(store, SHOP, now=NOW + timedelta(days=8), customers=range(1, 6))
    assert again.reopened == 1  # switched on again within its term: the same offer, not another
    assert [row for row in await _rows(store) if row[0] == 5 and row[1] == "second-order"] == [
        (5, "second-order", 0, None)
    ]


async def test_a_bound_on_cost_stops_after_the_customers_it_pays_for(store: Store):
    await keep_plays(store.database, only(replace(BY_KEY["win-back-1"], most_cost=120_000)))
    for customer in range(1, 6):
        await place(store.database, customer, "departing", rung=1, **DEPARTING)
    for _ in range(2):
        await grant_offers(store, SHOP, now=NOW, customers=range(1, 6))
        assert [row[:2] for row in await _rows(store) if row[1] == "win-back-1"] == [
            (1, "win-back-1"),
            (2, "win-back-1"),
        ]
    refused = (await decisions_for(store, SHOP, [5], placement=None, now=NOW))[5].refused
    assert [str(each.why) for each in refused if each.play.key == "win-back-1"] == ["BUDGET"]


async def test_a_merge_moves_what_was_given_once_and_the_rung_gets_no_second_one(store: Store):
    await keep_plays(store.database, OPEN)
    for customer in (1, 2):
        await put(store.database, "customers", [{"id": customer}])
        await place(store.database, customer, "departing", rung=1, **DEPARTING)
    await grant_offers(store, SHOP, now=NOW, customers=[1])
    given = await _rows(store, "offer_id, play")
    async with store.database.transaction() as session:
        await merge_customers(session, 1, kept=2, folded=1, at=NOW_US)
    assert await _rows(store, "offer_id, play") == given
    await grant_offers(store, SHOP, now=NOW, customers=[1, 2])
    assert [row for row in await _rows(store) if row[1] == "win-back-1"] == [(2, "win-back-1", 0, None)]
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 2, at=NOW_US)
    assert await _rows(store) == []


async def test_shipped_plays_hold_a_tenth_out():
    assert {play.key for play in PLAYS if play.holdout == 0} == {
        "post-purchase", "survey", "points", "review", "returned-tips", "support",
    }  # fmt: skip
    assert {play.holdout for play in PLAYS} == {0, 1_000}
