"""Impressions and clicks as pages and tools tell them: only of an offer that is the customer's own, counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from plugin.domain.calendar import ShopCalendar
from plugin.domain.offers import read_offer_gid
from plugin.domain.outcomes import TOLD_BY_PAGES, seen
from plugin.domain.touchpoints import Source, Touchpoint, TouchpointError
from plugin.ledger.lists import among, id_list
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import Recorded, record_touchpoints
from plugin.lifecycle.deciding import decisions_for
from plugin.shops import ShopContext

_NOT_HERS = "This customer has no such offer; ask for the customer's offers, and tell of those."


class NotHerOfferError(TouchpointError):
    """`faults`: what is wrong with which of the touchpoints told; nothing was recorded."""

    def __init__(self, faults: Mapping[int, str]) -> None:
        super().__init__("subject", _NOT_HERS)
        self.faults = faults


async def record_told(store: Store, shop: ShopContext, told: Sequence[Touchpoint], *, now: datetime) -> Recorded:
    """Keep what was told, all or nothing. What is about an offer of ours must be about one of the customer's own, and
    counts once for an offer, a placement and a day. What the public key tells is kept as it is and never counted:
    anybody may have said it. Raises NotHerOfferError."""
    about = {
        index: offer
        for index, each in enumerate(told)
        if each.kind in TOLD_BY_PAGES and each.source is not Source.PIXEL and each.subject is not None
        for offer in [read_offer_gid(each.subject)]
        if offer is not None
    }
    if not about:
        return await record_touchpoints(store, shop.id, told, now=now)
    plays = await _plays(store, shop, set(about.values()), now)
    faults = {
        index: _NOT_HERS
        for index, offer in about.items()
        if told[index].customer_id != offer[0] or offer not in plays
    }  # fmt: skip
    if faults:
        raise NotHerOfferError(faults)
    calendar = await asyncio.to_thread(ShopCalendar, shop.timezone)
    counted = [
        seen(each, about[index][1], plays[about[index]], calendar.today(each.at)) if index in about else each
        for index, each in enumerate(told)
    ]
    return await record_touchpoints(store, shop.id, counted, now=now)


async def _plays(
    store: Store, shop: ShopContext, offers: Iterable[tuple[int, int]], now: datetime
) -> dict[tuple[int, int], str]:
    """The play of each (customer, offer) that was given, or is decided now. What a holdout withheld is nobody's."""
    wanted, database = set(offers), store.database
    rows = await database.fetch(
        "SELECT customer_id, offer_id, play, held FROM offer_grants"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'offer_id', 2)}",
        shop.id, id_list(database.dialect, sorted({offer for _, offer in wanted})),
    )  # fmt: skip
    on_record = {(row[0], row[1]): row[2] for row in rows if not row[3]}
    found = {offer: on_record[offer] for offer in wanted if offer in on_record}
    others = wanted - found.keys()
    if others:
        customers = sorted({customer for customer, _ in others})
        decided = await decisions_for(store, shop, customers, placement=None, now=now)
        for customer, decisions in decided.items():
            found |= {(customer, one.id): one.play.key for one in decisions.offers if (customer, one.id) in others}
    return found
