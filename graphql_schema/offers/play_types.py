"""Plays as callers see them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import Info
from graphql_schema.offers.discounts import Discount, discount_of
from graphql_schema.offers.outcomes import OfferOutcomes, days_of, outcomes_of
from graphql_schema.offers.proofs import PlayProof, proof_of
from graphql_schema.pagination import given
from graphql_schema.scalars import Money, money
from plugin.domain.offers import OfferKind, OfferPlacement
from plugin.domain.outcomes import NOTHING
from plugin.domain.plays import play as plays
from plugin.domain.plays.play import SHARE_SCALE, Channel, Start

_OFFERS = [Access(scope=Scope.READ_OFFERS)]

strawberry.enum(OfferKind, description="What an offer is for.")
strawberry.enum(OfferPlacement, description="Where an offer can be shown; a MESSAGE needs consent.")
strawberry.enum(
    Channel, name="MessageChannel", description="What a message goes out by; each needs a consent of its own."
)
strawberry.enum(
    Start, name="PlayStart", description="The event an offer counts its days from; each such event gives one offer."
)


@strawberry.type(
    description="What a stage calls for: the trigger, the incentive and the term of an offer.", directives=_OFFERS
)
class Play:
    key: str = strawberry.field(description="Its stable name, such as `win-back-1`.")
    name: str = strawberry.field(description="Its name for people.")
    kind: OfferKind = strawberry.field(description="What its offers are for.")
    title: str = strawberry.field(description="What customers read; {discount}, {tier} and {orders} are filled in.")
    stage: str | None = strawberry.field(description="The stage it is for; null for any.")
    model: str = strawberry.field(description="The lifecycle model of that stage.")
    rung: int | None = strawberry.field(description="The rung of that stage it is for; null for any.")
    query: str = strawberry.field(description="The trigger: the segment query that says who it is for.")
    channels: list[Channel] = strawberry.field(description="What its messages go out by.")
    placements: list[OfferPlacement] = strawberry.field(description="Where its offers can be shown.")
    percentage: int | None = strawberry.field(description="Percent off the order, where the incentive is one.")
    ladder: list[Discount] = strawberry.field(description="The incentives, the smallest first; empty without any.")
    level: int = strawberry.field(description="Which of the ladder is in force, from 0.")
    ladder_raises: bool = strawberry.field(
        description="Whether proof decides: then no level above the first is given, up to `level`, but one that the "
        "holdout shows to help. Off unless the merchant switches it on."
    )
    start: Start = strawberry.field(description="The event an offer counts its days from.")
    valid_days: int | None = strawberry.field(description="How long an offer holds; null without a term.")
    cool_down_days: int = strawberry.field(description="Days after one offer before the customer gets the next.")
    schedule_hours: list[int] = strawberry.field(description="Hours after the start at which the messages are due.")
    priority: int = strawberry.field(description="Which of several fitting plays comes first: the highest.")
    holdout_share: float = strawberry.field(description="The share of customers who get nothing, to measure against.")
    most_cost: Money | None = strawberry.field(
        description="What its open offers may be expected to cost together; null without a bound."
    )
    tier: str | None = strawberry.field(description="The tier its offers belong to.")
    enabled: bool = strawberry.field(description="False when it is switched off.")
    version: int = strawberry.field(description="The version in force; 0 is the play as shipped.")

    @strawberry.field(
        description="What became of its offers, of all versions, on the days from `since` to `until`; of the last 30 "
        "days where they are left out."
    )
    async def outcomes(
        self, info: Info, since: date | None = strawberry.UNSET, until: date | None = strawberry.UNSET
    ) -> OfferOutcomes:
        days = await days_of(info, given(since), given(until))
        return outcomes_of((await info.context.loaders.outcomes.load(days.window)).get(self.key, NOTHING))

    @strawberry.field(
        description="What its holdout shows, of all versions: those it was offered to beside those it was withheld "
        "from. Counted nightly; null before the first count in which somebody was offered it."
    )
    async def proof(self, info: Info) -> PlayProof | None:
        context = info.context
        counted = await context.loaders.proofs.load(context.shop.id)
        sides = counted.plays.get(self.key) if counted is not None else None
        if counted is None or counted.at is None or sides is None:
            return None
        share = round(self.holdout_share * SHARE_SCALE)
        return proof_of(sides, counted.at, share, context.shop.currency, counted.uncosted.get(self.key, []))


def play_of(play: plays.Play, currency: str) -> Play:
    return Play(
        key=play.key, name=play.name, kind=play.kind, title=play.title, stage=play.stage, model=play.model,
        rung=play.rung, query=play.query, channels=list(play.channels), placements=list(play.placements),
        percentage=play.incentive.percentage if play.incentive else None,
        ladder=[discount_of(each, currency) for each in play.ladder], level=play.level,
        ladder_raises=play.ladder_raises, start=play.start, valid_days=play.valid_days,
        cool_down_days=play.cool_down_days, schedule_hours=list(play.schedule), priority=play.priority,
        holdout_share=play.holdout / SHARE_SCALE,
        most_cost=None if play.most_cost is None else money(play.most_cost, currency), tier=play.tier,
        enabled=play.enabled, version=play.version,
    )  # fmt: skip


@strawberry.input(description="An incentive to be: a percentage or an amount.")
class DiscountInput:
    percentage: int | None = strawberry.field(default=None, description="Percent off the whole order.")
    amount: Decimal | None = strawberry.field(default=None, description="The amount off, in the shop's currency.")


@strawberry.input(description="What is to be changed of a play; what is left out stays. Null takes a bound away.")
class PlayInput:
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Its name for people.")
    title: str | None = strawberry.field(
        default=strawberry.UNSET, description="What customers read; {discount}, {tier} and {orders} are filled in."
    )
    kind: OfferKind | None = strawberry.field(default=strawberry.UNSET, description="What its offers are for.")
    stage: str | None = strawberry.field(default=strawberry.UNSET, description="The stage it is for; null for any.")
    model: str | None = strawberry.field(default=strawberry.UNSET, description="The lifecycle model of that stage.")
    rung: int | None = strawberry.field(default=strawberry.UNSET, description="The rung it is for; null for any.")
    query: str | None = strawberry.field(default=strawberry.UNSET, description="The trigger, a segment query.")
    channels: list[Channel] | None = strawberry.field(
        default=strawberry.UNSET, description="What its messages go out by."
    )
    placements: list[OfferPlacement] | None = strawberry.field(
        default=strawberry.UNSET, description="Where its offers can be shown."
    )
    ladder: list[DiscountInput] | None = strawberry.field(
        default=strawberry.UNSET, description="The incentives, the smallest first; null or empty for none."
    )
    level: int | None = strawberry.field(default=strawberry.UNSET, description="Which of the ladder is in force.")
    ladder_raises: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether proof decides about levels above the first."
    )
    start: Start | None = strawberry.field(default=strawberry.UNSET, description="The event it counts from.")
    valid_days: int | None = strawberry.field(default=strawberry.UNSET, description="How long an offer holds.")
    cool_down_days: int | None = strawberry.field(default=strawberry.UNSET, description="Days before the next offer.")
    schedule_hours: list[int] | None = strawberry.field(
        default=strawberry.UNSET, description="Hours after the start at which the messages are due."
    )
    priority: int | None = strawberry.field(default=strawberry.UNSET, description="The highest comes first; to 1000.")
    holdout_share: float | None = strawberry.field(
        default=strawberry.UNSET, description="From 0 to less than 1: who gets nothing, to measure against."
    )
    most_cost: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="What its open offers may be expected to cost together."
    )
    tier: str | None = strawberry.field(default=strawberry.UNSET, description="The tier its offers belong to.")
    enabled: bool | None = strawberry.field(default=strawberry.UNSET, description="False switches it off.")
