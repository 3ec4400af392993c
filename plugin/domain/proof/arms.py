"""What is kept of the two sides of a comparison: sums over customers, and nothing of any one of them.

A customer is in it once for a play, from the first offer of it that was decided while the play had a holdout, on the
side that her draw put her on, whatever became of the offer (intention to treat). Her outcome is what she ordered in the
WINDOW_DAYS from that instant on, and it counts when they are over: person-time would let those just offered, whose
orders are still to come, pull the comparison about from one look to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, NamedTuple

from plugin.domain.money import SCALE
from plugin.domain.offers import Discount

WINDOW_DAYS: Final = 30
RECENT_DAYS: Final = 28  # over which new customers are counted
UNKNOWN_SHARE: Final = -1  # of what was decided before shares were on record


class Side(NamedTuple):
    """`incentive` as `incentive_key` has it; `share` of the holdout when it was decided, ten-thousandths. Only
    customers of one share are compared with each other: the share may have changed with the season."""

    incentive: str
    share: int
    held: bool


class Outcome(StrEnum):
    """What a customer did in her window: whether she ordered, how often, for how much, and what that left after the
    cost of goods."""

    ORDERED = "ORDERED"
    ORDERS = "ORDERS"
    NET_REVENUE = "NET_REVENUE"
    MARGIN = "MARGIN"


class Moments(NamedTuple):
    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Of at least two."""
        return max(self.squares - self.total * self.total / self.n, 0.0) / (self.n - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Of the `n` customers whose window is over: how many ordered, their orders, what they paid (ten-thousandths, less
    refunds; its squares in whole units of the currency), and the orders with the play's code and what these took off.
    `waiting` have their window before them; `recent` began within RECENT_DAYS.

    `covered` orders are those whose goods' costs are all known; `covered_revenue` was paid for them (less refunds), and
    `margin` is what that leaves after these costs, of the pieces that were not given back. `most_squares` are the
    squares of a customer's margin had the goods of all other orders cost nothing."""

    n: int = 0
    waiting: int = 0
    recent: int = 0
    ordered: int = 0
    orders: int = 0
    order_squares: int = 0
    revenue: int = 0
    revenue_squares: float = 0.0
    redeemed: int = 0
    redeemed_cost: int = 0
    covered: int = 0
    covered_revenue: int = 0
    margin: int = 0
    margin_squares: float = 0.0
    most_squares: float = 0.0

    def __add__(self, other: Arm) -> Arm:
        return Arm(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Arm)})

    def moments(self, outcome: Outcome) -> Moments:
        match outcome:
            case Outcome.ORDERED:
                return Moments(self.n, self.ordered, self.ordered)
            case Outcome.ORDERS:
                return Moments(self.n, self.orders, self.order_squares)
            case Outcome.NET_REVENUE:
                return Moments(self.n, self.revenue / SCALE, self.revenue_squares)
            case Outcome.MARGIN:
                return Moments(self.n, self.margin / SCALE, self.margin_squares)

    def most_margin(self) -> Moments:
        """What the margin is at most: orders whose cost is not known leave all that was paid."""
        return Moments(self.n, (self.margin + self.revenue - self.covered_revenue) / SCALE, self.most_squares)


def incentive_key(discount: Discount | None) -> str:
    """How an incentive is named on record: `15%`, an amount in ten-thousandths, or nothing."""
    if discount is None:
        return ""
    return str(discount.amount) if discount.percentage is None else f"{discount.percentage}%"


def incentive_of(key: str) -> Discount | None:
    """What `incentive_key` named."""
    if not key:
        return None
    return Discount(percentage=int(key[:-1])) if key.endswith("%") else Discount(amount=int(key))
