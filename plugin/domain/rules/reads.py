"""What a rule reads of a customer: so that no more is computed than it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plugin.domain.rules.places import Form, Place, place_of
from plugin.domain.rules.syntax import (
    And,
    Between,
    Clause,
    Comparison,
    Matches,
    Not,
    Operand,
    Or,
    Rule,
    ScaledAttribute,
)


def clauses(rule: Rule) -> Iterator[Clause]:
    """Every clause, from left to right."""
    match rule:
        case Not(term):
            yield from clauses(term)
        case And(terms) | Or(terms):
            for term in terms:
                yield from clauses(term)
        case _:
            yield rule


def places(rule: Rule, primary_model: str) -> Iterator[Place]:
    """Where the values stand that the rule compares, on either side."""
    for clause in clauses(rule):
        if isinstance(clause, Matches):
            continue
        yield place_of(clause.attribute, primary_model)
        yield from (
            place_of(of.attribute, primary_model) for of in _operands(clause) if isinstance(of, ScaledAttribute)
        )


def _operands(clause: Clause) -> tuple[Operand, ...]:
    match clause:
        case Comparison(value=value):
            return (value,)
        case Between(low=low, high=high):
            return (low, high)
        case _:
            return ()


def columns_read(rules: Iterable[Rule], primary_model: str) -> frozenset[str]:
    """Names of the columns that `evaluate` will ask a batch for."""
    found: set[str] = set()
    for rule in rules:
        for place in places(rule, primary_model):
            match place.form:
                case Form.DATE:
                    found |= {place.day, place.instant}
                case Form.AGE:
                    found.add(place.day)
                case Form.NOWHERE:
                    pass
                case _:
                    found.add(place.value)
    return frozenset(found)


def functions_read(rules: Iterable[Rule]) -> frozenset[str]:
    return frozenset(clause.function for rule in rules for clause in clauses(rule) if isinstance(clause, Matches))
