"""What the engine must know of many customers, read in a fixed number of queries however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from plugin.domain.instants import to_us
from plugin.domain.offers import PRODUCT_KINDS, Discount, OfferKind, OfferPlacement, OfferResponse, Recommendation
from plugin.domain.plays.decide import fitting
from plugin.domain.plays.play import Channel, Play, Start
from plugin.domain.plays.situation import Due, Event, Grant, Situation, Standing
from plugin.domain.proof.uplift import helping
from plugin.ledger.database import Database, Row
from plugin.ledger.lists import among, id_list
from plugin.ledger.proofs import sides_of_plays
from plugin.ledger.recommendations import replenishments_of
from plugin.lifecycle.plan import calendar_of
from plugin.lifecycle.plays import PlayBook
from plugin.lifecycle.recommending import SELLABLE, recommendations_for
from plugin.lifecycle.triggers import matched_triggers
from plugin.shops import ShopContext

PRODUCTS_SHOWN: Final = 5  # in one offer
_SUBSCRIBED: Final = "SUBSCRIBED"
_SITUATION: Final = (
    "customer_id", "added_at", "added_day", "orders", "net_spend", "first_order_at", "first_order_day", "last_order_at",
    "last_order_day", "return_order_at", "return_order_day", "abandoned_checkout_at", "abandoned_checkout_day",
    "lapse_1", "lapse_2", "lapse_3", "email_status", "sms_status", "loyalty_tier",
)  # fmt: skip


async def situations_for(
    database: Database,
    shop: ShopContext,
    customer_ids: Sequence[int],
    book: PlayBook,
    *,
    placement: OfferPlacement | None,
    now: datetime,
    products: tuple[Recommendation, ...] | None = None,
) -> dict[int, Situation]:
    """Of those customers whom we know. Products are looked up for those who may be shown some, unless given."""
    ids, at = id_list(database.dialect, customer_ids), to_us(now)
    matched, complaints = await matched_triggers(database, shop, ids, book, at)
    standings = await _standings(database, shop.id, ids)
    grants = await _grants(database, shop.id, ids)
    dismissed = await _dismissed(database, shop.id, ids)
    costs = await open_costs(database, shop.id, book.plays.values(), at)
    proven = await proven_incentives(database, shop.id, book.plays.values())
    calendar = calendar_of(shop)
    today = calendar.today(at)
    shared: dict[str, Any] = {
        "shop_id": shop.id, "now": at, "today": today, "day_start": calendar.start_of_day(today),
        "installed_at": min(shop.installed_at, at), "granted_cost": costs,
        "proven": proven,
    }  # fmt: skip
    rows = await database.fetch(
        f"SELECT {', '.join(_SITUATION)} FROM profiles"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'customer_id', 2)}",
        shop.id, ids,
    )  # fmt: skip
    found = {}
    for row in rows:
        who = row[0]
        found[who] = replace(
            _situation(row, shared),
            standings=standings.get(who, {}), matched=frozenset(matched.get(who, ())), complaint=who in complaints,
            grants=tuple(grants.get(who, ())), dismissed=frozenset(dismissed.get(who, ())),
        )  # fmt: skip
    fits = {who: fitting(situation, book.plays.values(), placement) for who, situation in found.items()}
    return await _completed(database, shop, found, fits, products)


async def _completed(
    database: Database,
    shop: ShopContext,
    situations: dict[int, Situation],
    fits: Mapping[int, list[Play]],
    given: tuple[Recommendation, ...] | None,
) -> dict[int, Situation]:
    """With products and the shop's mean order, where an offer that may be made (`fits`) asks for them."""
    choosing = [who for who, plays in fits.items() if any(_shows_products(play) for play in plays)]
    bonus = any(play.ladder and not situations[who].orders for who, plays in fits.items() for play in plays)
    # A visitor has bought nothing, so that what comes back for one is what is popular.
    wanted = dict.fromkeys(choosing if given is None else ())
    now = next((situation.now for situation in situations.values()), 0)
    chosen = await recommendations_for(database, shop.id, wanted, first=PRODUCTS_SHOWN, now=now)
    value = await _order_value(database, shop.id) if bonus else None
    due = await _due(database, shop, [who for who, plays in fits.items() if any(map(_replenishes, plays))], now)
    return {
        who: replace(
            situation, products=tuple(chosen.get(who, ())) if given is None else given, shop_order_value=value,
            due=due.get(who),
        )
        for who, situation in situations.items()
    }  # fmt: skip


async def _due(database: Database, shop: ShopContext, ids: Sequence[int], now: int) -> dict[int, Due]:
    """What each is about to need first."""
    calendar = calendar_of(shop)
    found = await replenishments_of(database, shop.id, ids, now=now, sellable=SELLABLE)
    return {
        who: Due(rows[0].product_id, calendar.today(rows[0].due_at), calendar.today(rows[0].from_at))
        for who, rows in found.items()
        if rows
    }


def _replenishes(play: Play) -> bool:
    return play.kind is OfferKind.REPLENISHMENT or play.start is Start.DUE


def _shows_products(play: Play) -> bool:
    return play.kind in PRODUCT_KINDS or play.kind is OfferKind.WIN_BACK


async def _standings(database: Database, shop_id: int, ids: object) -> dict[int, dict[str, Standing]]:
    rows = await database.fetch(
        "SELECT customer_id, model, stage, rung FROM placements"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'customer_id', 2)}",
        shop_id, ids,
    )  # fmt: skip
    found: dict[int, dict[str, Standing]] = defaultdict(dict)
    for customer, model, stage, rung in rows:
        found[customer][model] = Standing(stage, rung)
    return found


async def _grants(database: Database, shop_id: int, ids: object) -> dict[int, list[Grant]]:
    """With its code where the shop has that."""
    rows = await database.fetch(
        "SELECT g.customer_id, g.offer_id, g.play, g.kind, g.rung, g.period, g.held, g.percentage, g.amount,"
        " g.granted_at, g.until_at, g.closed_at, g.closed_why, c.code FROM offer_grants g"
        " LEFT JOIN offer_codes c ON c.shop_id = g.shop_id AND c.customer_id = g.customer_id"
        " AND c.offer_id = g.offer_id AND c.state = 'active' AND c.source = 'play'"
        f" WHERE g.shop_id = $1 AND {among(database.dialect, 'g.customer_id', 2)}",
        shop_id, ids,
    )  # fmt: skip
    found: dict[int, list[Grant]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(
            Grant(
                offer_id=row[1], play=row[2], kind=row[3], rung=row[4], period=row[5], held=bool(row[6]),
                discounted=row[7] is not None or row[8] is not None, granted_at=row[9], until=row[10],
                closed_at=row[11], redeemed=row[12] == "redeemed", code=row[13],
                discount=None if row[7] is None and row[8] is None else Discount(row[7], row[8]),
            )
        )  # fmt: skip
    return found


async def _dismissed(database: Database, shop_id: int, ids: object) -> dict[int, set[int]]:
    rows = await database.fetch(
        "SELECT customer_id, offer_id FROM offer_responses"
        f" WHERE shop_id = $1 AND response = $3 AND {among(database.dialect, 'customer_id', 2)}",
        shop_id, ids, str(OfferResponse.DISMISSED),
    )  # fmt: skip
    found: dict[int, set[int]] = defaultdict(set)
    for customer, offer in rows:
        found[customer].add(offer)
    return found


async def open_costs(database: Database, shop_id: int, plays: Iterable[Play], now: int) -> dict[str, int]:
    """What the open offers of each play may cost together; asked for only where a play has a bound."""
    if all(play.most_cost is None for play in plays):
        return {}
    rows = await database.fetch(
        "SELECT play, SUM(cost) FROM offer_grants WHERE shop_id = $1 AND closed_at IS NULL AND NOT held"
        " AND (until_at IS NULL OR until_at > $2) GROUP BY play",
        shop_id, now,
    )  # fmt: skip
    return {play: int(cost or 0) for play, cost in rows}


async def proven_incentives(database: Database, shop_id: int, plays: Iterable[Play]) -> dict[str, frozenset[str]]:
    """By play; asked for only where proof decides about a ladder."""
    asking = [play.key for play in plays if play.ladder_raises and play.level]
    found = await sides_of_plays(database, shop_id) if asking else {}
    return {key: helping(found.get(key, {})) for key in asking}


async def _order_value(database: Database, shop_id: int) -> int | None:
    """The shop's mean order, ten-thousandths."""
    rows = await database.fetch(
        "SELECT SUM(net_spend), SUM(orders) FROM profiles WHERE shop_id = $1 AND orders > 0", shop_id
    )
    spend, orders = rows[0]
    return int(spend) // int(orders) if orders else None


def _situation(row: Row, shared: Mapping[str, Any]) -> Situation:
    consents = {Channel.EMAIL: row[16], Channel.SMS: row[17]}
    return Situation(
        customer_id=row[0], added=Event(row[1], row[2]), orders=row[3], net_spend=row[4],
        first_order=_event(row[5], row[6]), last_order=_event(row[7], row[8]), returned=_event(row[9], row[10]),
        checkout=_event(row[11], row[12]), lapse_days=(row[13], row[14], row[15]), tier=row[18], standings={},
        consents=frozenset(channel for channel, state in consents.items() if state == _SUBSCRIBED),
        matched=frozenset(), **shared,
    )  # fmt: skip


def _event(at: int | None, day: int | None) -> Event | None:
    return None if at is None or day is None else Event(at, day)
