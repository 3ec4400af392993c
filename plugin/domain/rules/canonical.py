"""The one text of a rule: `parse(canonical(rule)).rule == normalised(rule)` (segment-language.md, chapter 11)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from plugin.domain.rules.attributes import FUNCTIONS
from plugin.domain.rules.syntax import (
    And,
    AttributeRef,
    Between,
    BooleanValue,
    Comparison,
    Contains,
    DateTimeValue,
    DateValue,
    HasAffix,
    In,
    IsNull,
    Matches,
    Not,
    NumberValue,
    OffsetValue,
    Operand,
    Or,
    PointValue,
    Rule,
    TextValue,
    normalised,
)


def canonical(rule: Rule) -> str:
    """One space between tokens, keywords in upper case, only the brackets that are needed."""
    return _text(normalised(rule))


def _text(rule: Rule) -> str:
    match rule:
        case Or(terms):
            return " OR ".join(map(_text, terms))
        case And(terms):
            texts = zip(terms, map(_text, terms), strict=True)
            return " AND ".join([f"({text})" if isinstance(term, Or) else text for term, text in texts])
        case Not(term):
            return f"NOT ({_text(term)})" if isinstance(term, And | Or) else f"NOT {_text(term)}"
        case Matches():
            return _matches_text(rule)
        case _:
            return _clause_text(rule)


def _matches_text(rule: Matches) -> str:
    function = FUNCTIONS.get(rule.function)
    if not rule.conditions and function is not None and function.required:
        return f"{rule.function} IS {'' if rule.negated else 'NOT '}NULL"  # empty brackets would lack a parameter
    conditions = ", ".join(_clause_text(condition) for condition in rule.conditions)
    return f"{rule.function} {_denied(rule.negated)}MATCHES ({conditions})"


def _clause_text(clause: Comparison | Between | Contains | In | HasAffix | IsNull) -> str:
    name = attribute_text(clause.attribute)
    match clause:
        case Comparison(operator=operator, value=value):
            return f"{name} {operator.value} {value_text(value)}"
        case Between(low=low, high=high):
            return f"{name} BETWEEN {value_text(low)} AND {value_text(high)}"
        case Contains(value=element, negated=negated):
            return f"{name} {_denied(negated)}CONTAINS {value_text(element)}"
        case In(values=values, negated=negated):
            return f"{name} {_denied(negated)}IN {list_text(values)}"
        case HasAffix(affix=affix, text=text, negated=negated):
            return f"{name} {_denied(negated)}{affix.value} WITH {value_text(text)}"
        case IsNull(negated=negated):
            return f"{name} IS {_denied(negated)}NULL"


def _denied(negated: bool) -> str:
    return "NOT " if negated else ""


def attribute_text(attribute: AttributeRef) -> str:
    argument = "" if attribute.argument is None else f"({_quoted(attribute.argument)})"
    return f"{attribute.name}{argument}"


def list_text(values: Iterable[Operand]) -> str:
    return f"({', '.join(value_text(value) for value in values)})"


def value_text(value: Operand) -> str:
    match value:
        case TextValue(text):
            return _quoted(text)
        case NumberValue(number, written):
            return written or _plain(number)
        case BooleanValue(value=flag):
            return "true" if flag else "false"
        case DateValue(day):
            return day.isoformat()
        case DateTimeValue(local):
            return local.isoformat(timespec="seconds")
        case OffsetValue(count, unit, named):
            return named or f"{count:+d}{unit.value}"
        case PointValue(latitude, longitude):
            return f"({_plain(latitude)}, {_plain(longitude)})"
        case _:
            factor = "" if value.factor == 1 else f"{value.written or _plain(value.factor)} * "
            return f"{factor}{attribute_text(value.attribute)}"


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
