"""What became of offers, in the store: touchpoints that `rebloom` tells, kept equal to what orders and grants say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from plugin.domain.outcomes import Outcomes, became, event_id
from plugin.domain.touchpoints import Source, TouchpointKind
from plugin.ledger.codes import PLAY
from plugin.ledger.database import Database, Row, Session
from plugin.ledger.lists import among, id_list
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import record_touchpoints

_OWN: Final = f"source = '{Source.REBLOOM.value}'"
_FORGET: Final = f"DELETE FROM touchpoints WHERE shop_id = $1 AND {_OWN} AND event_id = $2"
_COUNTED: Final = tuple(kind for kind in TouchpointKind if kind.value.startswith("offer_"))
_TAKEN: Final = (
    "EXISTS (SELECT 1 FROM touchpoints u WHERE u.shop_id = $1 AND u.customer_id = t.customer_id"
    f" AND u.subject = t.subject AND u.{_OWN}"
    f" AND u.kind IN ('{TouchpointKind.OFFER_ACCEPTED}', '{TouchpointKind.OFFER_REDEEMED}'))"
)


async def outcomes_between(database: Database, shop_id: int, since: int, until: int) -> dict[str, Outcomes]:
    """By play, of `since` <= at < `until`; no entry for a play of which nothing happened."""
    window = f"FROM touchpoints t WHERE t.shop_id = $1 AND t.at >= $2 AND t.at < $3 AND t.{_OWN} AND t.play IS NOT NULL"
    rows = await database.fetch(
        f"SELECT t.play, t.kind, COUNT(*) {window} GROUP BY t.play, t.kind", shop_id, since, until
    )
    found: dict[str, dict[str, int]] = {}
    for play, kind, count in rows:
        if kind in _COUNTED:
            found.setdefault(play, {})[str(kind).removeprefix("offer_")] = count
    offers = await database.fetch(
        "SELECT play, COUNT(*), SUM(taken) FROM (SELECT t.play AS play, t.customer_id AS customer_id,"
        f" t.subject AS subject, MAX(CASE WHEN {_TAKEN} THEN 1 ELSE 0 END) AS taken {window}"
        f" AND t.kind = '{TouchpointKind.OFFER_SHOWN}' GROUP BY t.play, t.customer_id, t.subject) s GROUP BY play",
        shop_id, since, until,
    )  # fmt: skip
    for play, shown, taken in offers:
        found[play] |= {"offers_shown": shown, "taken_up": int(taken)}
    return {play: Outcomes(**counts) for play, counts in found.items()}


async def settle_redeemed(store: Store, shop_id: int, ids: Sequence[int], *, now: datetime) -> None:
    """The uses of offers by these customers, as the redemptions on record say: an order that was cancelled or is gone
    takes its use back, and what was used has not run out."""
    database = store.database
    whose = among(database.dialect, "customer_id", 2)
    values = (shop_id, id_list(database.dialect, ids))
    rows = await database.fetch(
        "SELECT order_id, code_id, customer_id, offer_id, subject, at FROM offer_redemptions"
        f" WHERE shop_id = $1 AND {whose} AND source = '{PLAY}' AND offer_id IS NOT NULL AND voided_at IS NULL",
        *values,
    )
    kind = TouchpointKind.OFFER_REDEEMED
    wanted = {
        each.event_id: each
        for order, code, customer, offer, play, at in rows
        for each in [became(kind, customer, offer, play, at=at, order=f":{order}:{code}")]
    }
    known = {
        row[0]: (row[1], row[2])
        for row in await database.fetch(
            f"SELECT event_id, customer_id, at FROM touchpoints WHERE shop_id = $1 AND {whose} AND {_OWN}"
            f" AND kind = '{kind}'",
            *values,
        )
    }
    stale = [
        one for one, what in known.items() if one not in wanted or what != (wanted[one].customer_id, wanted[one].at)
    ]
    new = [each for one, each in wanted.items() if one not in known or one in stale]
    ran_out = [event_id(TouchpointKind.OFFER_EXPIRED, str(row[3])) for row in rows] if new else []
    if not (stale or new):
        return
    async with database.transaction() as session:
        for one in (*stale, *(each.event_id for each in new), *ran_out):
            await session.execute(_FORGET, shop_id, one)
        await record_touchpoints(store, shop_id, new, now=now, session=session)


async def note_expired(store: Store, session: Session, shop_id: int, ended: Iterable[Row], *, now: datetime) -> None:
    """`ended`: (customer, offer, play, when) of offers that ran out unused."""
    told = [
        became(TouchpointKind.OFFER_EXPIRED, customer, offer, play, at=at) for customer, offer, play, at in ended
    ]  # fmt: skip
    if told:
        await record_touchpoints(store, shop_id, told, now=now, session=session)


async def not_expired(session: Session, shop_id: int, offers: Iterable[int]) -> None:
    """Offers that stand again."""
    for offer in offers:
        await session.execute(_FORGET, shop_id, event_id(TouchpointKind.OFFER_EXPIRED, str(offer)))
