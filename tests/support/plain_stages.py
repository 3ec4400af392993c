"""The stages of buyer-activity once more, as plainly as lifecycle.md tells them: the judge of the engine.

One customer, one instant, days by the standard library. Nothing here is shared with the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class PlainOrder:
    processed_at: datetime
    voided_at: datetime | None = None


@dataclass(frozen=True)
class PlainShop:
    zone: str
    ladder: tuple[int, int, int] = (90, 180, 360)

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def stage(self, orders: Sequence[PlainOrder], at: datetime) -> str:
        days = sorted({
            self.day(order.processed_at)
            for order in orders
            if order.processed_at <= at and (order.voided_at is None or at < order.voided_at)
        })  # fmt: skip
        if not days:
            return "visitor"
        silence = (self.day(at) - days[-1]).days
        reached = [rung for rung, length in enumerate(self.ladder, 1) if silence >= length]
        if reached:
            return f"departing {reached[-1]}"
        returns = [day for before, day in pairwise(days) if (day - before).days >= self.ladder[0]]
        if returns and (self.day(at) - returns[-1]).days < 30:
            return "returned"
        return "new_buyer" if len(days) == 1 else "active"

    def history(
        self, created_at: datetime, orders: Sequence[PlainOrder], until: datetime
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
            stage = self.stage(orders, at)
            if stage != before:
                yield at, stage
            before = stage
