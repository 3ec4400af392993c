"""What becomes of offers: seen, clicked, taken up, turned down, used in an order, run out.

Each is a touchpoint of Rebloom's own with an id that follows from what happened, so that it counts once whoever tells
it and however often: an impression and a click once for an offer, a placement and a day of the shop, all else once
for an offer (a code used in two orders: once for each).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from plugin.domain.offers import OfferKind, offer_gid
from plugin.domain.touchpoints import Channel, Source, Touchpoint, TouchpointKind

PREFIX: Final = "offer_"
TOLD_BY_PAGES: Final = frozenset({TouchpointKind.OFFER_SHOWN, TouchpointKind.OFFER_CLICKED})
# Cross-selling shows other products than those looked at or bought; upselling asks who buys already for more at once.
CROSS_SELLING: Final = frozenset({OfferKind.CROSS_SELL, OfferKind.PICKS, OfferKind.ABANDONED_BROWSE})
UPSELLING: Final = frozenset({
    OfferKind.SECOND_ORDER, OfferKind.TIER, OfferKind.COUPON, OfferKind.POINTS, OfferKind.EARLY_ACCESS,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How often each happened. `offers_shown`: different offers among `shown`; `taken_up`: those of them that were
    accepted or used in an order, whenever that was."""

    shown: int = 0
    clicked: int = 0
    accepted: int = 0
    dismissed: int = 0
    redeemed: int = 0
    expired: int = 0
    offers_shown: int = 0
    taken_up: int = 0

    @property
    def rate(self) -> float | None:
        """The share of the offers shown that were taken up; None where none was shown."""
        return self.taken_up / self.offers_shown if self.offers_shown else None


NOTHING: Final = Outcomes()


def total(each: Iterable[Outcomes]) -> Outcomes:
    listed = list(each)
    return Outcomes(**{name.name: sum(getattr(one, name.name) for one in listed) for name in fields(Outcomes)})


def of_kinds(
    outcomes: Mapping[str, Outcomes], kinds: Mapping[str, OfferKind], wanted: frozenset[OfferKind]
) -> Outcomes:
    """What came of the plays that make offers of the kinds `wanted`; both mappings are by play."""
    return total(each for play, each in outcomes.items() if kinds.get(play) in wanted)


def seen(told: Touchpoint, offer: int, play: str, day: int) -> Touchpoint:
    """An impression or a click, as it is counted. `day`: the shop's."""
    where = told.placement.value if told.placement else "ANY"
    return _own(told.kind, f"{offer}:{where}:{day}", told.customer_id or 0, offer, play, told.at, told)


def became(kind: TouchpointKind, customer_id: int, offer: int, play: str, *, at: int, order: str = "") -> Touchpoint:
    """All else. `order` tells the uses of one offer apart."""
    return _own(kind, f"{offer}{order}", customer_id, offer, play, at)


def event_id(kind: TouchpointKind, rest: str) -> str:
    return f"{kind.value.removeprefix(PREFIX)}:{rest}"


def _own(  # noqa: PLR0917 - the parts of one row
    kind: TouchpointKind, rest: str, customer: int, offer: int, play: str, at: int, told: Touchpoint | None = None
) -> Touchpoint:
    return Touchpoint(
        source=Source.REBLOOM,
        event_id=event_id(kind, rest),
        customer_id=customer,
        visitor=told.visitor if told else None,
        kind=kind,
        channel=told.channel if told else Channel.WEB,
        at=at,
        product_id=told.product_id if told else None,
        subject=offer_gid(customer, offer),
        placement=told.placement if told else None,
        play=play,
    )
