"""The syntax tree of the rule language: what a stage rule, a segment and a play trigger all are.

Shared by the parser, the checks, the canonical text and both evaluators (segment-language.md, chapter 3). Nodes are
frozen and compare by meaning: where a node stood in the text (`span`) does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the merchant's text: 0-based Unicode code points."""

    offset: int
    length: int


NOWHERE = Span(0, 0)


class Operator(StrEnum):
    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="


class Affix(StrEnum):
    STARTS = "STARTS"
    ENDS = "ENDS"


class Unit(StrEnum):
    """Calendar units of a date offset; a week is seven days."""

    DAY = "d"
    WEEK = "w"
    MONTH = "m"
    YEAR = "y"


# --- values -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextValue:
    text: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class NumberValue:
    """`written` keeps the digits as typed, for the canonical text; equality is by number."""

    number: Decimal
    written: str = field(default="", compare=False)
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class BooleanValue:
    value: bool
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class DateValue:
    """A calendar day in the shop's zone."""

    day: date
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class DateTimeValue:
    """A second in the shop's zone, written without a zone (`local` is naive)."""

    local: datetime
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class OffsetValue:
    """A step of calendar units from `today`: `-90d` is OffsetValue(-90, Unit.DAY). `today` is 0d, `yesterday` -1d:
    they keep their name in `named` so that the canonical text can write it again."""

    count: int
    unit: Unit
    named: str | None = None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class PointValue:
    latitude: Decimal
    longitude: Decimal
    span: Span = field(default=NOWHERE, compare=False)


Scalar = TextValue | NumberValue | BooleanValue | DateValue | DateTimeValue | OffsetValue


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """A named value of a customer: `amount_spent`, `lifecycle_stage('buyer-activity')`, `metafields.a.b`,
    or, inside MATCHES, a parameter of the function. Names are lower case."""

    name: str
    argument: str | None = None
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def is_metafield(self) -> bool:
        """No attribute of the table has a dotted name."""
        return "." in self.name


@dataclass(frozen=True, slots=True)
class ScaledAttribute:
    """The right side of a comparison between attributes: `2 * order_gap_median_days` (4.8)."""

    factor: Decimal
    attribute: AttributeRef
    written: str = field(default="", compare=False)
    span: Span = field(default=NOWHERE, compare=False)


Operand = Scalar | PointValue | ScaledAttribute

# --- clauses ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    attribute: AttributeRef
    operator: Operator
    value: Operand
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    attribute: AttributeRef
    low: Operand
    high: Operand
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Contains:
    attribute: AttributeRef
    value: Scalar
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class In:
    attribute: AttributeRef
    values: tuple[Scalar, ...]
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HasAffix:
    """`STARTS WITH` and `ENDS WITH`; on a list, any element (4.6)."""

    attribute: AttributeRef
    affix: Affix
    text: TextValue
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    attribute: AttributeRef
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


Condition = Comparison | Between | In


@dataclass(frozen=True, slots=True)
class Matches:
    """`function MATCHES (conditions)`; `function IS NULL` is `NOT MATCHES ()` (4.1)."""

    function: str
    conditions: tuple[Condition, ...]
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


Clause = Comparison | Between | Contains | In | HasAffix | IsNull | Matches


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Rule


Rule = And | Or | Not | Comparison | Between | Contains | In | HasAffix | IsNull | Matches


# --- the one form of a tree: no AND within AND, no OR within OR, no double NOT -----------------------------------


def conjunction(terms: Iterable[Rule]) -> Rule:
    """`terms`, of which there is at least one, joined by AND."""
    flat = tuple(inner for term in terms for inner in (term.terms if isinstance(term, And) else (term,)))
    return flat[0] if len(flat) == 1 else And(flat)


def disjunction(terms: Iterable[Rule]) -> Rule:
    """`terms`, of which there is at least one, joined by OR."""
    flat = tuple(inner for term in terms for inner in (term.terms if isinstance(term, Or) else (term,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def negation(term: Rule) -> Rule:
    return term.term if isinstance(term, Not) else Not(term)


def normalised(rule: Rule) -> Rule:
    """The tree that the parser gives for the text of `rule`."""
    match rule:  # `map`, here and where trees are walked: one frame of the stack per level, not three
        case And(terms):
            return conjunction(tuple(map(normalised, terms)))
        case Or(terms):
            return disjunction(tuple(map(normalised, terms)))
        case Not(term):
            return negation(normalised(term))
        case _:
            return rule
