"""A rule as the text of a segment in the platform's own editor (segment-language.md, chapter 11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Final

from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS, AttributeType
from plugin.domain.rules.canonical import attribute_text, canonical, list_text, value_text
from plugin.domain.rules.reads import clauses as clauses_of
from plugin.domain.rules.syntax import (
    And,
    Between,
    Clause,
    Comparison,
    Condition,
    Contains,
    DateValue,
    HasAffix,
    In,
    IsNull,
    Matches,
    Not,
    OffsetValue,
    Operand,
    Operator,
    Or,
    Rule,
    ScaledAttribute,
    Unit,
    conjunction,
    disjunction,
    normalised,
)
from plugin.domain.rules.types import EXTENSION_OPERATORS

MATCHES_SINCE: Final = "2026-10"  # earlier segmentCreate calls took the call form only
MOST_CLAUSES: Final = 10
MOST_CHARACTERS: Final = 5_000
MOST_IDS: Final = 500
_INSTEAD: Final = "Have a tag or a metafield written for the members, and make a segment on that."


@dataclass(frozen=True, slots=True)
class ShopifyText:
    """`text` is None when there are obstacles, each a sentence for the merchant."""

    text: str | None
    obstacles: tuple[str, ...]


class _CannotSayError(Exception):
    """A condition that the call form of earlier API versions has no words for."""


def to_shopify(rule: Rule, api_version: str) -> ShopifyText:
    """`api_version` such as 2026-10: the text is written for this version of the Admin API."""
    portable = _portable_form(normalised(rule))
    clauses = tuple(clauses_of(portable))
    obstacles = list(dict.fromkeys(obstacle for clause in clauses for obstacle in _obstacles(clause)))
    if len(clauses) > MOST_CLAUSES:
        obstacles.append(f"Shopify takes at most {MOST_CLAUSES} conditions; this rule needs {len(clauses)}.")
    text = ""
    if not obstacles:
        try:
            text = canonical(portable) if api_version >= MATCHES_SINCE else _call_form(portable)
        except _CannotSayError as refusal:
            obstacles.append(str(refusal))
    if len(text) > MOST_CHARACTERS:
        obstacles.append(f"Shopify takes at most {MOST_CHARACTERS} characters; this rule needs {len(text)}.")
    if obstacles:
        return ShopifyText(None, (*obstacles, _INSTEAD))
    return ShopifyText(text, ())


def _portable_form(rule: Rule, *, denied: bool = False) -> Rule:
    """Without NOT in front of brackets and without IN: NOT moves inwards, which changes no verdict (4.1)."""
    match rule:
        case Not(term):
            return _portable_form(term, denied=not denied)
        case And(terms) | Or(terms):
            inner = tuple(map(partial(_portable_form, denied=denied), terms))
            return conjunction(inner) if isinstance(rule, And) != denied else disjunction(inner)
        case In(attribute, values, negated):
            compared = Operator.NE if negated else Operator.EQ
            each = (_denied(Comparison(attribute, compared, value), denied=denied) for value in values)
            return conjunction(each) if negated != denied else disjunction(each)
        case _:
            return _denied(rule, denied=denied)


def _denied(clause: Clause, *, denied: bool) -> Rule:
    """The exact complement: of CONTAINS, MATCHES and null tests it has a form of its own."""
    if not denied:
        return clause
    if isinstance(clause, Contains | HasAffix | IsNull | Matches):
        return replace(clause, negated=not clause.negated)
    return Not(clause)


def _obstacles(clause: Clause) -> Iterator[str]:
    if isinstance(clause, Matches):
        yield from _obstacles_of_function(clause)
        return
    name = clause.attribute.name
    attribute = ATTRIBUTES.get(name)
    if attribute is not None and not attribute.portable:
        yield f"Shopify does not know {attribute_text(clause.attribute)}."
    if isinstance(clause, HasAffix):
        yield f"Shopify does not know {clause.affix.value} WITH in segments."
    if isinstance(clause, Comparison) and isinstance(clause.value, ScaledAttribute):
        yield f"Shopify does not compare {name} with another attribute."


def _obstacles_of_function(clause: Matches) -> Iterator[str]:
    function = FUNCTIONS.get(clause.function)
    if function is None or not function.portable:
        yield f"Shopify does not know {clause.function}."
        return
    for condition in clause.conditions:
        if not isinstance(condition, In):
            continue
        kind = function.parameters[condition.attribute.name].type
        if kind is not AttributeType.ID and "IN" in EXTENSION_OPERATORS.get(kind, ()):
            yield f"Shopify does not know IN for {condition.attribute.name}."
        if len(condition.values) > MOST_IDS:
            yield f"Shopify takes at most {MOST_IDS} IDs in a list; this one has {len(condition.values)}."


# --- the call form of API versions before 2026-10 ----------------------------------------------------------------


def _call_form(rule: Rule) -> str:
    match rule:
        case Or(terms):
            return " OR ".join(map(_call_form, terms))
        case And(terms):
            texts = zip(terms, map(_call_form, terms), strict=True)
            return " AND ".join([f"({text})" if isinstance(term, Or) else text for term, text in texts])
        case Matches(function, conditions, negated) if conditions or not FUNCTIONS[function].required:
            arguments = ", ".join(_argument(condition) for condition in conditions)
            return f"{function}({arguments}) = {'false' if negated else 'true'}"
        case _:
            return canonical(rule)


def _argument(condition: Condition) -> str:
    name = condition.attribute.name
    match condition:
        case In(values=values, negated=False):
            return f"{name}: {list_text(values)}"
        case Between(low=low, high=high):
            return f"{name}: BETWEEN {value_text(low)} AND {value_text(high)}"
        case Comparison(operator=operator, value=value) if name == "date":
            return _date_argument(operator, value)
        case Comparison(operator=Operator.EQ, value=value):
            return f"{name}: {value_text(value)}"
        case Comparison(operator=Operator.LE, value=value) if name.startswith("distance_"):
            return f"{name}: {value_text(value)}"
        case Comparison(operator=Operator.GE, value=value) if name == "count":
            return f"count_at_least: {value_text(value)}"
        case _:
            raise _CannotSayError(f"Before {MATCHES_SINCE}, Shopify has no words for this condition on {name}.")


def _date_argument(operator: Operator, value: Operand) -> str:
    match operator:
        case Operator.GE:
            return f"since: {value_text(value)}"
        case Operator.LE:
            return f"until: {value_text(value)}"
        case Operator.GT if later := _stepped(value, 1):
            return f"since: {value_text(later)}"
        case Operator.LT if earlier := _stepped(value, -1):
            return f"until: {value_text(earlier)}"
        case Operator.EQ:  # `date: -30d` means since that day, so the day alone is written as a range
            return f"date: BETWEEN {value_text(value)} AND {value_text(value)}"
        case _:
            raise _CannotSayError(f"Before {MATCHES_SINCE}, Shopify has no words for date {operator.value}.")


def _stepped(value: Operand, days: int) -> Operand | None:
    """The next or the previous day; None where only the calendar of that day could tell."""
    if isinstance(value, DateValue):
        day = value.day.toordinal() + days
        return DateValue(date.fromordinal(day)) if date.min.toordinal() <= day <= date.max.toordinal() else None
    if isinstance(value, OffsetValue) and value.unit in (Unit.DAY, Unit.WEEK):
        count = value.count * (7 if value.unit is Unit.WEEK else 1) + days
        return OffsetValue(count, Unit.DAY, None if count else "today")
    return None
