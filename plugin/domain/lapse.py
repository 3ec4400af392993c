"""When a silence becomes a departure: the days after which a customer should have bought and did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from plugin.domain.columns import Ints

Rungs = tuple[Ints, Ints, Ints]


class Lapse(Protocol):
    """Days of silence per rung, for customers with `gaps` gaps that sum to `span_days` days (one entry each)."""

    def __call__(self, gaps: Ints, span_days: Ints) -> Rungs: ...


@dataclass(frozen=True, slots=True)
class FixedLadder:
    """The same rungs for everyone (lifecycle.md, section 3): the default while a shop has little history."""

    first: int = 90
    second: int = 180
    third: int = 360

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.second <= self.third:
            raise ValueError(f"the rungs must rise from at least 1 day: {self.first}, {self.second}, {self.third}")

    def __call__(self, gaps: Ints, span_days: Ints) -> Rungs:
        del span_days  # everyone's own rhythm is left aside
        first, second, third = (np.full(len(gaps), days, dtype=np.int64) for days in self.rungs)
        return first, second, third

    @property
    def rungs(self) -> tuple[int, int, int]:
        return self.first, self.second, self.third


DEFAULT_LADDER: Final = FixedLadder()
