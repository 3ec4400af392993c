"""The stages of every model once more, as plainly as lifecycle.md tells them: the judge of the engine.

One customer, one instant, days by the standard library. Nothing here is shared with the engine. Of touchpoints it
knows consent alone: nobody has viewed, searched, filled a cart, reviewed or referred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import ceil
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class PlainOrder:
    processed_at: datetime
    voided_at: datetime | None = None


@dataclass(frozen=True)
class PlainRhythm:
    """lifecycle.md section 3 for one customer: the quantiles of her next gap, whole days rounded up, 7 to 1095."""

    shape: float
    rate: float

    def rungs(self, days: Sequence[date]) -> tuple[int, ...]:
        pace, seen = self.shape + len(days) - 1, self.rate + (days[-1] - days[0]).days
        still_open = (0.2, 0.1, 0.05)  # shares of such gaps
        return tuple(ceil(round(min(max(seen * (each ** (-1 / pace) - 1), 7), 1095), 6)) for each in still_open)


@dataclass(frozen=True)
class PlainCustomer:
    """Purchase days in order, and the days since the last of them."""

    days: Sequence[date]
    silence: int
    ladder: tuple[int, int, int]
    contactable: bool
    rhythm: PlainRhythm | None = None

    def rungs(self, days: Sequence[date]) -> tuple[int, ...]:
        return self.rhythm.rungs(days) if self.rhythm else self.ladder

    @property
    def lapsed(self) -> bool:
        return self.silence >= self.rungs(self.days)[0]

    @property
    def came_back(self) -> list[date]:
        return [
            day
            for place, (before, day) in enumerate(pairwise(self.days), 1)
            if (day - before).days >= self.rungs(self.days[:place])[0]  # as they stood before that order
        ]

    def buyer_activity(self) -> str:
        if not self.days:
            return "visitor"
        if self.lapsed:
            reached = [rung for rung, length in enumerate(self.rungs(self.days), 1) if self.silence >= length]
            return f"departing {reached[-1]}"
        today = self.days[-1] + timedelta(days=self.silence)
        if self.came_back and (today - self.came_back[-1]).days < 30:
            return "returned"
        return "new_buyer" if len(self.days) == 1 else "active"

    def reach_loyalty(self) -> str:
        if not self.days:
            return "acquisition" if self.contactable else "reach"
        if self.lapsed:
            return "retention"
        since_back = [day for day in self.days if day >= self.came_back[-1]] if self.came_back else self.days
        return "loyalty" if len(since_back) >= 2 else "retention"

    def awareness_bonding(self) -> str:
        if self.days and self.silence < 7:
            return "purchase"
        if self.days and not self.lapsed:
            return "bonding" if len(self.days) >= 3 else "experience"
        return "engagement" if self.contactable else "awareness"

    def funnel(self, first_order: str) -> str:
        if not self.days:
            return "awareness"
        if self.lapsed:
            return "consideration"
        return first_order if len(self.days) == 1 else "retention"


MODELS: dict[str, Callable[[PlainCustomer], str]] = {
    "buyer-activity": PlainCustomer.buyer_activity,
    "reach-loyalty": PlainCustomer.reach_loyalty,
    "awareness-bonding": PlainCustomer.awareness_bonding,
    "awareness-advocacy": lambda customer: customer.funnel("conversion"),
    "journey-funnel": lambda customer: customer.funnel("purchase"),
}


@dataclass(frozen=True)
class PlainShop:
    zone: str
    ladder: tuple[int, int, int] = (90, 180, 360)
    rhythm: PlainRhythm | None = None

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def stage(
        self, orders: Sequence[PlainOrder], at: datetime, model: str = "buyer-activity", *, contactable: bool = False
    ) -> str:
        days = sorted({
            self.day(order.processed_at)
            for order in orders
            if order.processed_at <= at and (order.voided_at is None or at < order.voided_at)
        })  # fmt: skip
        silence = (self.day(at) - days[-1]).days if days else 0
        return MODELS[model](PlainCustomer(days, silence, self.ladder, contactable, self.rhythm))

    def history(
        self,
        created_at: datetime,
        orders: Sequence[PlainOrder],
        until: datetime,
        model: str = "buyer-activity",
        *,
        contactable: bool = False,
    ) -> Iterator[tuple[datetime, str]]:
        """Every change, found by asking at every fact and at every midnight."""
        orders = [order for order in orders if order.voided_at is None or order.voided_at > order.processed_at]
        start = min([created_at, *(order.processed_at for order in orders)])
        facts = {start, *(order.processed_at for order in orders)}
        facts |= {order.voided_at for order in orders if order.voided_at is not None}
        for number in range((until - start).days + 2):
            facts.add(self.midnight(self.day(start) + timedelta(days=number)))
        before = None
        for at in sorted(instant for instant in facts if start <= instant <= until):
            stage = self.stage(orders, at, model, contactable=contactable)
            if stage != before:
                yield at, stage
            before = stage
