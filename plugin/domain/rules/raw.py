"""What the parser read, before its meaning is checked: names not yet looked up, values not yet fitted to a type."""

from __future__ import annotations

from dataclasses import dataclass

from plugin.domain.rules.syntax import NOWHERE, NumberValue, Scalar, Span


@dataclass(frozen=True, slots=True)
class Subject:
    """A name in lower case, with its argument: `lifecycle_stage('buyer-activity')`."""

    name: str
    span: Span
    argument: str | None = None
    argument_span: Span = NOWHERE
    old_argument: bool = False  # anniversary(date: 'path')


@dataclass(frozen=True, slots=True)
class Reference:
    """A bare word where a value stands, `lapse_days` or `2 * lapse_days`."""

    subject: Subject
    factor: NumberValue | None
    span: Span


@dataclass(frozen=True, slots=True)
class NoSuchDay:
    """A date that no calendar has: 2020-02-30."""

    span: Span


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Values in brackets where one value is wanted: coordinates, or a list in the old call form."""

    values: tuple[RawScalar, ...]
    span: Span


RawScalar = Scalar | Reference | NoSuchDay
RawValue = RawScalar | Bracketed


@dataclass(frozen=True, slots=True)
class RawCondition:
    """`operator` in canonical words: `=`, `BETWEEN`, `NOT IN`, `STARTS WITH`, `IS NOT NULL`. BETWEEN has two values,
    IN any number, a null test none, all others one."""

    subject: Subject
    operator: str
    operator_span: Span
    values: tuple[RawValue, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawMatches:
    """`operator` is MATCHES or NOT MATCHES, or a null test (then without `closing`). In the old call form the operator
    stands behind the brackets."""

    subject: Subject
    operator: str
    operator_span: Span
    conditions: tuple[RawCondition, ...]
    closing: Span | None
    span: Span
    old_form: bool = False
    assumed_since: tuple[Span, ...] = ()

    @property
    def negated(self) -> bool:
        return self.operator in {"NOT MATCHES", "IS NULL"}


RawClause = RawCondition | RawMatches
