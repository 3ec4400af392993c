"""What a line of the fact sheet consists of, and the rules by which a verdict is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plugin.domain.fact_sheet.intervals import Estimate

BAND: Final = 0.05  # five percentage points either side of a claimed share still say the same


class Verdict(StrEnum):
    DIFFERS = "DIFFERS"
    SAME = "SAME"
    CANNOT_TELL_YET = "CANNOT_TELL_YET"


class Unit(StrEnum):
    """A share is of 1; a ratio how many times; a difference of two shares in parts of 1."""

    SHARE = "SHARE"
    RATIO = "RATIO"
    DIFFERENCE = "DIFFERENCE"


@dataclass(frozen=True, slots=True)
class Value:
    """`low` and `high` are the 95 % interval; `n` of `denominator` showed what is counted."""

    label: str
    unit: Unit
    value: float
    low: float
    high: float
    n: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What the literature says; `value` where it names a number."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """`count` None: it cannot be counted."""

    what: str
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`counted` says what n and denominator count, `rule` how the verdict is given. Days are of the shop's zone,
    both ends included."""

    key: str
    claim: Claim
    counted: str
    values: tuple[Value, ...]
    since: int
    until: int
    left_out: tuple[LeftOut, ...]
    rule: str
    verdict: Verdict
    notes: tuple[str, ...] = ()


def valued(label: str, estimate: Estimate, unit: Unit = Unit.SHARE) -> Value:
    return Value(label, unit, *estimate)


def near(value: Value | None, low: float, high: float) -> Verdict:
    """SAME: the whole interval within [low, high]; DIFFERS: all of it outside."""
    if value is None:
        return Verdict.CANNOT_TELL_YET
    if low <= value.low and value.high <= high:
        return Verdict.SAME
    return Verdict.DIFFERS if value.high < low or value.low > high else Verdict.CANNOT_TELL_YET


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a claim of several parts: it differs with any part, and is the same with all."""
    if Verdict.DIFFERS in verdicts:
        return Verdict.DIFFERS
    return Verdict.SAME if verdicts and set(verdicts) == {Verdict.SAME} else Verdict.CANNOT_TELL_YET


def falling(values: Sequence[Value]) -> Verdict:
    """SAME: no later value is surely above an earlier, and the last surely below the first; DIFFERS: one is surely
    above an earlier. Surely: the intervals do not touch."""
    for place, later in enumerate(values):
        if any(later.low > earlier.high for earlier in values[:place]):
            return Verdict.DIFFERS
    if len(values) > 1 and values[-1].high < values[0].low:
        return Verdict.SAME
    return Verdict.CANNOT_TELL_YET
