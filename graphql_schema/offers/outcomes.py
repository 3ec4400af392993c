"""What became of offers: impressions, clicks, answers, uses, and the rates that come from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info, calendar_of
from plugin.domain import outcomes as domain
from plugin.domain.calendar import day_date, epoch_day
from plugin.domain.offers import OfferKind
from plugin.errors import BadRequestError

_OFFERS = [Access(scope=Scope.READ_OFFERS)]
_USUAL: Final = 30  # days


@strawberry.type(description="How often each happened to offers.", directives=_OFFERS)
class OfferOutcomes:
    shown: int = strawberry.field(description="Impressions: once for an offer, a placement and a day of the shop.")
    clicked: int = strawberry.field(description="Clicks, counted alike.")
    accepted: int = strawberry.field(description="Offers taken up.")
    dismissed: int = strawberry.field(description="Offers turned down.")
    redeemed: int = strawberry.field(description="Uses of their codes in orders that were not cancelled.")
    expired: int = strawberry.field(description="Offers that ran out unused.")
    offers_shown: int = strawberry.field(description="Different offers among `shown`.")
    taken_up: int = strawberry.field(description="Those of them that were accepted or redeemed, whenever that was.")
    taken_up_rate: float | None = strawberry.field(description="Their share, 0 to 1; null where none was shown.")


def outcomes_of(found: domain.Outcomes) -> OfferOutcomes:
    return OfferOutcomes(
        shown=found.shown,
        clicked=found.clicked,
        accepted=found.accepted,
        dismissed=found.dismissed,
        redeemed=found.redeemed,
        expired=found.expired,
        offers_shown=found.offers_shown,
        taken_up=found.taken_up,
        taken_up_rate=found.rate,
    )


@strawberry.type(description="What became of all offers of a time.", directives=_OFFERS)
class OfferMetrics:
    since: date = strawberry.field(description="The first day counted, of the shop.")
    until: date = strawberry.field(description="The last day counted.")
    outcomes: OfferOutcomes = strawberry.field(description="Of all plays.")
    cross_sell_rate: float | None = strawberry.field(
        description="The share of offers of other products (CROSS_SELL, PICKS, ABANDONED_BROWSE) that were taken up, "
        "of those shown; null where none was."
    )
    upsell_rate: float | None = strawberry.field(
        description="The same of offers that ask a buyer for more (SECOND_ORDER, TIER, COUPON, POINTS, EARLY_ACCESS)."
    )


def metrics_of(found: Mapping[str, domain.Outcomes], kinds: Mapping[str, OfferKind], days: Days) -> OfferMetrics:
    return OfferMetrics(
        since=day_date(days.first),
        until=day_date(days.last),
        outcomes=outcomes_of(domain.total(found.values())),
        cross_sell_rate=domain.of_kinds(found, kinds, domain.CROSS_SELLING).rate,
        upsell_rate=domain.of_kinds(found, kinds, domain.UPSELLING).rate,
    )


class Days(NamedTuple):
    """Days of the shop, both in it, and the instants from which and before which they are."""

    first: int
    last: int
    window: tuple[int, int]


async def days_of(info: Info, since: date | None, until: date | None) -> Days:
    """Raises BadRequestError."""
    calendar = await calendar_of(info.context.shop)
    last = calendar.today(info.context.now_us) if until is None else epoch_day(until)
    first = last - _USUAL + 1 if since is None else epoch_day(since)
    if first > last:
        raise BadRequestError(f"`until` ({day_date(last)}) lies before `since` ({day_date(first)}).")
    return Days(first, last, (calendar.start_of_day(first), calendar.start_of_day(last + 1)))
