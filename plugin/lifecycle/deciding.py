"""What customers are offered now, decided from what is stored; and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from plugin.domain.events import Event, EventKind
from plugin.domain.instants import to_us
from plugin.domain.offers import OfferPlacement, OfferResponse
from plugin.domain.outcomes import became
from plugin.domain.plays.decide import Decisions, OfferDecision, WhyNot, decide
from plugin.domain.touchpoints import TouchpointKind
from plugin.errors import NotFoundError
from plugin.ledger.events import tell
from plugin.ledger.store import Store
from plugin.ledger.touchpoints import record_touchpoints
from plugin.lifecycle.plays import play_book
from plugin.lifecycle.situations import situations_for
from plugin.shops import ShopContext

# The same answer again changes nothing, and gives no row.
_ANSWER: Final = (
    "INSERT INTO offer_responses (shop_id, customer_id, offer_id, response, at) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (shop_id, customer_id, offer_id) DO UPDATE SET response = excluded.response, at = excluded.at"
    " WHERE offer_responses.response <> excluded.response RETURNING response"
)
_TOLD: Final = {
    OfferResponse.ACCEPTED: TouchpointKind.OFFER_ACCEPTED,
    OfferResponse.DISMISSED: TouchpointKind.OFFER_DISMISSED,
}
_NOTHING: Final = Decisions((), ())


async def decisions_for(
    store: Store, shop: ShopContext, customer_ids: Sequence[int], *, placement: OfferPlacement | None, now: datetime
) -> dict[int, Decisions]:
    """For each customer what is offered and, of every other play, why not; nothing of one nobody knows. The number of
    queries does not grow with the customers."""
    book = await play_book(store.database, shop)
    situations = await situations_for(store.database, shop, customer_ids, book, placement=placement, now=now)
    plays = book.plays.values()
    return {
        customer: decide(situations[customer], plays, placement) if customer in situations else _NOTHING
        for customer in customer_ids
    }


async def offers_for(
    store: Store,
    shop: ShopContext,
    customer_ids: Sequence[int],
    *,
    placement: OfferPlacement | None,
    first: int,
    now: datetime,
) -> dict[int, list[OfferDecision]]:
    """The offers of each customer, best first, at most `first`; an empty list for one nobody knows."""
    found = await decisions_for(store, shop, customer_ids, placement=placement, now=now)
    return {customer: list(decisions.offers[: max(first, 0)]) for customer, decisions in found.items()}


async def respond(  # noqa: PLR0917 - the signature agreed with the resolvers
    store: Store, shop: ShopContext, customer_id: int, offer: int, response: OfferResponse, now: datetime
) -> OfferDecision:
    """Record what a customer did with an offer that is hers now, or that she turned down before; the same answer twice
    is one. Raises NotFoundError, and records nothing, for an offer of somebody else, one that has expired, or a number
    made up."""
    decisions = (await decisions_for(store, shop, [customer_id], placement=None, now=now))[customer_id]
    turned_down = (refusal.offer for refusal in decisions.refused if refusal.why is WhyNot.DISMISSED)
    for known in (*decisions.offers, *turned_down):
        if known is not None and known.id == offer:
            at = to_us(now)
            told = became(_TOLD[response], customer_id, offer, known.play.key, at=at)
            async with store.database.transaction() as session:
                news = await session.fetch(_ANSWER, shop.id, customer_id, offer, str(response), at)
                await record_touchpoints(store, shop.id, [told], now=now, session=session)
                if news and response is OfferResponse.ACCEPTED:
                    event = Event(
                        kind=EventKind.OFFER_ACCEPTED,
                        at=at,
                        customer_id=customer_id,
                        subject=f"{offer} {known.play.key}",
                    )
                    await tell(session, shop.id, [event], now=at)
            return known
    raise NotFoundError(f"This customer has no offer {offer} now; ask for the customer's offers again.")
