"""What holdouts show, as callers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import certain
from graphql_schema.offers.discounts import Discount, discount_of
from graphql_schema.scalars import Money, money
from plugin.domain.ids import gid
from plugin.domain.money import SCALE
from plugin.domain.plays.play import SHARE_SCALE
from plugin.domain.proof import needed as planning
from plugin.domain.proof.arms import WINDOW_DAYS, Arm, Outcome, Side, incentive_of
from plugin.domain.proof.uplift import Bounded, Proof, Verdict, of_incentive, prove
from plugin.errors import BadRequestError
from plugin.ledger.proofs import Uncosted

_OFFERS = [Access(scope=Scope.READ_OFFERS)]
_TITLE: Final = 60  # characters
_UPLIFTS: Final = (0.001, 10.0)

strawberry.enum(
    Verdict, name="ProofVerdict", description="Whether an interval lies above nothing, below it, or around."
)
strawberry.enum(Outcome, name="ProofOutcome", description="What customers did in the days after an offer.")


@strawberry.type(
    description="A value with its interval: 95 % at whatever moments one looks. No bounds while there are too few "
    "customers.",
    directives=_OFFERS,
)
class ProofInterval:
    value: float = strawberry.field(description="The estimate.")
    low: float | None = strawberry.field(description="The lower bound.")
    high: float | None = strawberry.field(description="The upper bound.")


@strawberry.type(description="The same of money.", directives=_OFFERS)
class ProofMoneyInterval:
    value: Money = strawberry.field(description="The estimate.")
    low: Money | None = strawberry.field(description="The lower bound.")
    high: Money | None = strawberry.field(description="The upper bound.")


@strawberry.type(
    description="A figure per customer: of those offered the play, and of those held out.", directives=_OFFERS
)
class ProofUplift:
    offered: float | None = strawberry.field(description="Of those offered it; null before anybody can be counted.")
    held_out: float | None = strawberry.field(description="Of those held out.")
    difference: ProofInterval | None = strawberry.field(description="Offered less held out.")
    ratio: ProofInterval | None = strawberry.field(description="Offered by held out; null where either is 0.")
    verdict: Verdict = strawberry.field(description="What the interval of the difference says.")


@strawberry.type(description="The same of money.", directives=_OFFERS)
class ProofMoneyUplift:
    offered: Money | None = strawberry.field(description="Of those offered it; null before anybody can be counted.")
    held_out: Money | None = strawberry.field(description="Of those held out.")
    difference: ProofMoneyInterval | None = strawberry.field(description="Offered less held out.")
    ratio: ProofInterval | None = strawberry.field(description="Offered by held out; null where either is 0.")
    verdict: Verdict = strawberry.field(description="What the interval of the difference says.")


@strawberry.type(description="What the holdout shows of one incentive of the ladder.", directives=_OFFERS)
class IncentiveProof:
    discount: Discount = strawberry.field(description="The incentive.")
    offered: int = strawberry.field(description="Customers who were offered it first, and have had their time.")
    held_out: int = strawberry.field(description="Customers from whom it was withheld.")
    net_revenue: ProofMoneyUplift = strawberry.field(description="What they paid, less refunds.")
    helps: bool = strawberry.field(description="Whether it is shown to bring more than it costs, by `netRevenue`.")


@strawberry.type(description="How long a proof takes in this shop.", directives=_OFFERS)
class ProofTime:
    baseline: float | None = strawberry.field(description="What a customer does on the mean; null while not known.")
    customers_per_week: float = strawberry.field(description="Customers who came in, of the last four weeks.")
    customers: int | None = strawberry.field(description="Customers it takes in all, offered and held out.")
    weeks: int | None = strawberry.field(description="Weeks from now; 0: there are enough. Null where `why` says why.")
    never: bool = strawberry.field(description="Whether the shop will not show it within three years.")
    why: str | None = strawberry.field(description="Why there is no number of weeks.")
    holdout_share: float = strawberry.field(description="The share held out, as the play has it.")
    advised_share: float | None = strawberry.field(description="What the shop's size calls for; null while not known.")


@strawberry.type(
    description="Those a play was offered to beside those its holdout withheld it from, each customer once and on the "
    "side of her first draw, whatever became of the offer.",
    directives=_OFFERS,
)
class PlayProof:
    computed_at: datetime = strawberry.field(description="When it was counted.")
    window_days: int = strawberry.field(description="Days after the first offer whose orders count.")
    offered: int = strawberry.field(description="Customers offered it whose days are over.")
    held_out: int = strawberry.field(description="Customers held out whose days are over.")
    waiting: int = strawberry.field(description="Customers of both sides whose days still run; they do not count yet.")
    too_few: str | None = strawberry.field(description="What is missing for intervals; null where there are some.")
    ordered: ProofUplift = strawberry.field(description="The share who ordered.")
    orders: ProofUplift = strawberry.field(description="Orders per customer.")
    net_revenue: ProofMoneyUplift = strawberry.field(description="What customers paid, less refunds, per customer.")
    margin: ProofMoneyUplift | None = strawberry.field(
        description="The same less the cost of goods, where known: of the orders of which every line has a unit cost, "
        "`netRevenue` (with tax and shipping as the customer paid them) less unit cost times quantity after refunds. "
        "The costs are those stated now (`productCostsSet`); of customers who were deleted since, those stated then. "
        "The interval takes an order that lacks a cost to have left anything from nothing to all that was paid. "
        "Null where `marginUnknown` says why."
    )
    margin_unknown: str | None = strawberry.field(
        description="Why there is no margin, and which costs to state: the costs of at least 95 % of the orders, and "
        "of what was paid, must be known on either side, with at most 2 percentage points between the sides."
    )
    covered_share: float | None = strawberry.field(
        description="The share of orders, or of what was paid if that is less, of which all unit costs are known; null "
        "before the first order."
    )
    bonuses_cost: Money = strawberry.field(description="What its codes took off the orders of those offered it.")
    bonuses_anyway: ProofMoneyInterval | None = strawberry.field(
        description="How much of that went to customers who would have come anyway, by the rate at which the holdout "
        "ordered; null before both sides have orders."
    )
    incentives: list[IncentiveProof] = strawberry.field(description="Of each incentive that was offered.")
    sides: strawberry.Private[Mapping[Side, Arm]]
    share: strawberry.Private[int]

    @strawberry.field(
        description="How long it takes until an uplift of this size (relative: 0.2 is a fifth more) shows in four of "
        "five cases, from what this shop's customers do and how many come."
    )
    def needed(self, uplift: float = planning.USUAL_UPLIFT, outcome: Outcome = Outcome.ORDERS) -> ProofTime:
        if not _UPLIFTS[0] <= uplift <= _UPLIFTS[1]:
            raise BadRequestError(
                f"`uplift` is from {_UPLIFTS[0]} to {_UPLIFTS[1]}, not {uplift}; a fifth more is 0.2."
            )
        base = planning.base_of(self.sides, outcome)
        found, advised = planning.needed(base, share=self.share, uplift=uplift), planning.best_share(base, uplift)
        if outcome is Outcome.MARGIN and self.margin_unknown is not None:
            found, advised = planning.unknown(base, self.margin_unknown), None
        return ProofTime(
            baseline=found.base, customers_per_week=found.per_week, customers=found.customers, weeks=found.weeks,
            never=found.never, why=found.why, holdout_share=self.share / SHARE_SCALE,
            advised_share=None if advised is None else advised / SHARE_SCALE,
        )  # fmt: skip


def proof_of(sides: Mapping[Side, Arm], at: int, share: int, currency: str, uncosted: Sequence[Uncosted]) -> PlayProof:
    """`share` of the play's holdout now, ten-thousandths; `uncosted`: what lacks a cost, in most orders first."""
    proof = prove(sides)
    given, why_not = proof.anyway.given, proof.coverage.why_not
    return PlayProof(
        computed_at=certain(at), window_days=WINDOW_DAYS, offered=proof.offered, held_out=proof.held_out,
        waiting=proof.waiting, too_few=proof.too_few, ordered=_uplift(proof, Outcome.ORDERED),
        orders=_uplift(proof, Outcome.ORDERS), net_revenue=_of_money(proof, Outcome.NET_REVENUE, currency),
        margin=None if why_not else _of_money(proof, Outcome.MARGIN, currency),
        margin_unknown=None if why_not is None else why_not + _missing(uncosted), covered_share=proof.coverage.together,
        bonuses_cost=money(proof.anyway.cost, currency),
        bonuses_anyway=None if given is None else _moneys(given, 1, currency),
        incentives=_incentives(sides, currency), sides=sides, share=share,
    )  # fmt: skip


def _incentives(sides: Mapping[Side, Arm], currency: str) -> list[IncentiveProof]:
    found = []
    for key in sorted({side.incentive for side in sides}):
        discount, proof = incentive_of(key), prove(of_incentive(sides, key))
        if discount is not None:
            found.append(
                IncentiveProof(
                    discount=discount_of(discount, currency), offered=proof.offered, held_out=proof.held_out,
                    net_revenue=_of_money(proof, Outcome.NET_REVENUE, currency), helps=proof.helps,
                )
            )  # fmt: skip
    return found


def _uplift(proof: Proof, outcome: Outcome) -> ProofUplift:
    of = proof.measures[outcome]
    return ProofUplift(
        offered=of.offered, held_out=of.held_out, difference=_plain(of.difference), ratio=_plain(of.ratio),
        verdict=of.verdict,
    )  # fmt: skip


def _missing(uncosted: Sequence[Uncosted]) -> str:
    """Which costs to state next."""
    named = [
        f"{each.title[:_TITLE] or 'a deleted product'} ({gid('Product', each.product_id)}, in {_orders(each.orders)})"
        for each in uncosted
        if each.product_id
    ]
    of_none = [each.orders for each in uncosted if not each.product_id]
    said = f" Sold most without a cost: {'; '.join(named)}. State their costs with `productCostsSet`." if named else ""
    if of_none:
        said += f" Lines of no product, whose cost cannot be stated, are in {_orders(of_none[0])}."
    return said


def _orders(count: int) -> str:
    return f"{count:,} order{'s' if count != 1 else ''}"


def _of_money(proof: Proof, outcome: Outcome, currency: str) -> ProofMoneyUplift:
    of = proof.measures[outcome]
    offered, held_out = (
        None if side is None else money(round(side * SCALE), currency) for side in (of.offered, of.held_out)
    )
    return ProofMoneyUplift(
        offered=offered, held_out=held_out, ratio=_plain(of.ratio), verdict=of.verdict,
        difference=None if of.difference is None else _moneys(of.difference, SCALE, currency),
    )  # fmt: skip


def _plain(of: Bounded | None) -> ProofInterval | None:
    return None if of is None else ProofInterval(value=of.value, low=of.low, high=of.high)


def _moneys(of: Bounded, scale: int, currency: str) -> ProofMoneyInterval:
    low, high = (None if each is None else money(round(each * scale), currency) for each in (of.low, of.high))
    return ProofMoneyInterval(value=money(round(of.value * scale), currency), low=low, high=high)
