"""The fact sheet: what the literature claims, beside what this shop's own data say."""

from __future__ import annotations

from datetime import date, datetime

import strawberry

from graphql_schema.access import Access, Scope
from graphql_schema.context import instant
from plugin.domain.calendar import day_date
from plugin.domain.fact_sheet import FactSheet as Sheet
from plugin.domain.fact_sheet import LeftOut, Line, Unit, Value, Verdict

_LIFECYCLE = [Access(scope=Scope.READ_LIFECYCLE)]

strawberry.enum(
    Verdict,
    name="FactVerdict",
    description="Whether this shop's measure is what is claimed: DIFFERS, SAME, or CANNOT_TELL_YET from so few.",
)
strawberry.enum(
    Unit,
    name="FactUnit",
    description="What a value is: a SHARE of 1, a RATIO (how many times), or a DIFFERENCE of two shares.",
)


@strawberry.type(description="What the literature says.", directives=_LIFECYCLE)
class FactClaim:
    text: str = strawberry.field(description="The claim in words.")
    value: float | None = strawberry.field(description="The number it names, a share as part of 1; null without one.")


@strawberry.type(description="One measured number with its 95 % interval.", directives=_LIFECYCLE)
class FactValue:
    label: str = strawberry.field(description="What was measured.")
    unit: Unit = strawberry.field(description="How to read `value`, `low` and `high`.")
    value: float = strawberry.field(description="The measured value; shares are parts of 1.")
    low: float = strawberry.field(description="The lower end of its 95 % interval.")
    high: float = strawberry.field(description="The upper end of its 95 % interval.")
    n: int = strawberry.field(description="How many it was so for.")
    denominator: int = strawberry.field(description="Of how many.")


@strawberry.type(description="Something that a line or the whole sheet does not count.", directives=_LIFECYCLE)
class FactLeftOut:
    what: str = strawberry.field(description="What was left out.")
    count: int | None = strawberry.field(description="How many; null where they cannot be counted.")


@strawberry.type(description="A claim and what this shop's data say about it.", directives=_LIFECYCLE)
class FactLine:
    key: str = strawberry.field(description="Names the line; stays the same from day to day.")
    claim: FactClaim = strawberry.field(description="What the literature says.")
    counted: str = strawberry.field(description="What `n` and `denominator` of the values count.")
    values: list[FactValue] = strawberry.field(description="The measured values; empty without enough history.")
    since: date = strawberry.field(description="The first day of the window, in `timeZone`.")
    until: date = strawberry.field(description="The last day of the window.")
    time_zone: str = strawberry.field(description="The IANA time zone of all days: the shop's.")
    left_out: list[FactLeftOut] = strawberry.field(description="What this line does not count.")
    rule: str = strawberry.field(description="By which rule the verdict is given.")
    verdict: Verdict = strawberry.field(description="Whether the claim holds in this shop.")
    notes: list[str] = strawberry.field(description="What else one must know to read the line.")


@strawberry.type(
    description="The literature's claims beside the shop's own measures; claims that no shop can measure are not here.",
    directives=_LIFECYCLE,
)
class FactSheet:
    computed_at: datetime | None = strawberry.field(
        description="As of when; every night anew. Null while it is counted for the first time: ask again soon."
    )
    left_out: list[FactLeftOut] = strawberry.field(description="What no line counts.")
    lines: list[FactLine] = strawberry.field(description="One line a claim.")


def fact_sheet_of(computed_at: int | None, sheet: Sheet) -> FactSheet:
    return FactSheet(
        computed_at=instant(computed_at),
        left_out=_left_out(sheet.left_out),
        lines=[_line(line, sheet.time_zone) for line in sheet.lines],
    )


def _line(line: Line, time_zone: str) -> FactLine:
    return FactLine(
        key=line.key, claim=FactClaim(text=line.claim.text, value=line.claim.value), counted=line.counted,
        values=[_value(value) for value in line.values], since=day_date(line.since), until=day_date(line.until),
        time_zone=time_zone, left_out=_left_out(line.left_out), rule=line.rule, verdict=line.verdict,
        notes=list(line.notes),
    )  # fmt: skip


def _value(value: Value) -> FactValue:
    return FactValue(
        label=value.label, unit=value.unit, value=value.value, low=value.low, high=value.high, n=value.n,
        denominator=value.denominator,
    )  # fmt: skip


def _left_out(parts: tuple[LeftOut, ...]) -> list[FactLeftOut]:
    return [FactLeftOut(what=part.what, count=part.count) for part in parts]
