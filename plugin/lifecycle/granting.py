"""Putting on record what is offered to whom, and what the holdout withholds: cool-downs, "never two in a rung", codes
and the measuring of uplift all rest on these rows. Doing it again changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

from plugin.domain.offers import Recommendation
from plugin.domain.plays.decide import Decisions, OfferDecision, WhyNot, decide
from plugin.domain.plays.play import Play
from plugin.domain.plays.situation import Grant, Situation
from plugin.ledger.database import Row, Upsert
from plugin.ledger.offer_outcomes import not_expired, note_expired
from plugin.ledger.store import Store
from plugin.lifecycle.frames import customer_ids
from plugin.lifecycle.plays import PlayBook, play_book
from plugin.lifecycle.situations import situations_for
from plugin.shops import ShopContext

_AT_ONCE: Final = 1_000  # customers
_ENDED: Final = "ended"
# Which products would be shown is nobody's business here; that there are some is taken for granted.
_SOMETHING: Final = (Recommendation(0, 0.0, None, 0, None, ()),)
_GRANTS: Final = Upsert(
    table="offer_grants",
    columns=(
        "shop_id", "customer_id", "offer_id", "play", "play_version", "kind", "rung", "period", "held", "percentage",
        "amount", "cost", "granted_at", "until_at", "share",
    ),
    key=("shop_id", "customer_id", "offer_id"),
)  # fmt: skip
_CLOSE: Final = (
    "UPDATE offer_grants SET closed_at = $4, closed_why = $5 WHERE shop_id = $1 AND customer_id = $2 AND offer_id = $3"
)
_REOPEN: Final = (
    "UPDATE offer_grants SET closed_at = NULL, closed_why = NULL"
    " WHERE shop_id = $1 AND customer_id = $2 AND offer_id = $3 AND closed_why <> 'redeemed'"
)
_WHY_CLOSED: Final = {
    WhyNot.SWITCHED_OFF: "off", WhyNot.ENDED: "ended", WhyNot.DISMISSED: "dismissed", WhyNot.REDEEMED: "redeemed",
    WhyNot.COMPLAINT: "complaint",
}  # fmt: skip


class GrantReport(NamedTuple):
    """Customers looked at, and rows that were new, new but withheld, brought back, or closed."""

    customers: int = 0
    granted: int = 0
    held: int = 0
    reopened: int = 0
    closed: int = 0


@dataclass(slots=True)
class _Changes:
    new: list[Row] = field(default_factory=list)
    reopened: list[Row] = field(default_factory=list)
    closed: list[Row] = field(default_factory=list)
    expired: list[Row] = field(default_factory=list)  # customer, offer, play, when


async def grant_offers(
    store: Store, shop: ShopContext, *, now: datetime, customers: Iterable[int] | None = None
) -> GrantReport:
    """For these customers, or all; each thousand in a transaction of its own. Jobs of one shop run one at a time: the
    bound on a play's cost counts on it."""
    book = await play_book(store.database, shop)
    wanted = sorted(set(customers)) if customers is not None else (await customer_ids(store.database, shop.id)).tolist()
    report = GrantReport()
    for start in range(0, len(wanted), _AT_ONCE):
        ids = wanted[start : start + _AT_ONCE]
        situations = await situations_for(
            store.database, shop, ids, book, placement=None, now=now, products=_SOMETHING
        )  # fmt: skip
        changes = await asyncio.to_thread(_changes, situations, book)
        await _write(store, shop.id, changes, now)
        held = sum(bool(row[8]) for row in changes.new)
        one = GrantReport(
            len(situations), len(changes.new) - held, held, len(changes.reopened), len(changes.closed)
        )  # fmt: skip
        report = GrantReport(*map(sum, zip(report, one, strict=True)))
    return report


def _changes(situations: Mapping[int, Situation], book: PlayBook) -> _Changes:
    changes, plays = _Changes(), tuple(book.plays.values())
    costs: dict[str, int] = {}
    for number, customer in enumerate(sorted(situations)):
        if not number:
            costs = dict(situations[customer].granted_cost)
        situation = replace(situations[customer], granted_cost=costs)  # what was just given counts for the next one
        decisions = decide(situation, plays, None)
        known = {grant.offer_id: grant for grant in situation.grants}
        wanted = set()
        for offer, held in _recorded(decisions):
            wanted.add(offer.id)
            grant = known.get(offer.id)
            if grant is None:
                changes.new.append(_row(situation, offer, held=held))
            elif grant.closed_at is not None:
                changes.reopened.append((situation.shop_id, customer, offer.id))
            if (grant is None or grant.closed_at is not None) and offer.discount is not None and not held:
                costs[offer.play.key] = costs.get(offer.play.key, 0) + (offer.cost or 0)
        why = {refusal.play.key: refusal.why for refusal in decisions.refused}
        for grant in situation.grants:
            if grant.closed_at is None and grant.offer_id not in wanted:
                at, reason = _end(grant, why.get(grant.play), situation.now)
                changes.closed.append((situation.shop_id, customer, grant.offer_id, at, reason))
                if reason == _ENDED and not grant.held:
                    changes.expired.append((customer, grant.offer_id, grant.play, at))
    return changes


def _recorded(decisions: Decisions) -> Iterator[tuple[OfferDecision, bool]]:
    """What is given and what is withheld, of plays that cost something or are measured."""
    for offer in decisions.offers:
        if _matters(offer.play):
            yield offer, False
    for refusal in decisions.refused:
        if refusal.why is WhyNot.HOLDOUT and refusal.offer is not None:
            yield refusal.offer, True


def _matters(play: Play) -> bool:
    return bool(play.ladder) or play.holdout > 0 or play.cool_down_days > 0


def _row(situation: Situation, offer: OfferDecision, *, held: bool) -> Row:
    discount = offer.discount
    return (
        situation.shop_id, situation.customer_id, offer.id, offer.play.key, offer.play.version, str(offer.kind),
        offer.play.rung, offer.period, held, discount.percentage if discount else None,
        discount.amount if discount else None, offer.cost, situation.now, offer.valid_until,
        offer.play.holdout,
    )  # fmt: skip


def _end(grant: Grant, why: WhyNot | None, now: int) -> tuple[int, str]:
    """When and why an open row ends."""
    if grant.until is not None and grant.until <= now:
        return grant.until, _ENDED
    return now, _WHY_CLOSED.get(why, "stage") if why is not None else "merged"


async def _write(store: Store, shop_id: int, changes: _Changes, now: datetime) -> None:
    if not (changes.new or changes.reopened or changes.closed):
        return
    async with store.database.transaction() as session:
        await session.upsert(_GRANTS, changes.new)
        for sql, rows in ((_REOPEN, changes.reopened), (_CLOSE, changes.closed)):
            for row in rows:
                await session.execute(sql, *row)
        await not_expired(session, shop_id, (row[2] for row in changes.reopened))
        await note_expired(store, session, shop_id, changes.expired, now=now)
