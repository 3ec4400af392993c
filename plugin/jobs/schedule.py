"""What is done for every shop again and again: one table of kinds with their periods.

A period has a number, and the job of a kind, shop and period is put in line once, whichever process comes to it first
and however often. A period that passed while nothing ran is made up for by the one that stands now; a clock that jumps
meets numbers that are done, or a few that are early.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_STEP: Final = 7919  # a prime: neighbouring shop numbers fall far apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """`kind` once in each period of length `every` that begins `at` after midnight UTC, for each shop at its own moment
    of the first `spread` of it, so that a thousand shops do not begin together."""

    kind: str
    every: timedelta
    at: timedelta = timedelta(0)
    spread: timedelta = timedelta(hours=1)

    def period(self, shop_id: int, now: datetime) -> tuple[int, datetime]:
        """The number of the period that stands at `now`, and when it began for this shop."""
        begins = _EPOCH + self.at + timedelta(seconds=shop_id * _STEP % max(1, int(self.spread.total_seconds())))
        number = (now - begins) // self.every
        return number, begins + number * self.every


DAY: Final = timedelta(days=1)
SCHEDULE: Final = (
    # Scores relative to the shop's population, the lapse fit and the offers move with the day.
    Periodic(kind="recompute", every=DAY, at=timedelta(hours=3)),
    Periodic(kind="recommend", every=DAY, at=timedelta(hours=4)),
    # What no webhook brought, and subscriptions that the platform has dropped.
    Periodic(kind="reconcile", every=DAY, at=timedelta(hours=1)),
    Periodic(kind="topics", every=DAY, at=timedelta(minutes=30)),
    # A new encryption key: what is sealed with an older one is sealed again. With one key there is nothing to do.
    Periodic(kind="seal", every=timedelta(hours=1)),
    Periodic(kind="retention", every=DAY, at=timedelta(hours=5)),
)


def due(schedule: Sequence[Periodic], shop_id: int, installed_at: datetime, now: datetime) -> Iterator[tuple[str, str]]:
    """(kind, `once`) of what stands for a shop at `now`. A period that began before the shop came is not its own: its
    first copy has done that work."""
    for entry in schedule:
        number, began = entry.period(shop_id, now)
        if began >= installed_at:
            yield entry.kind, f"period-{number}"
