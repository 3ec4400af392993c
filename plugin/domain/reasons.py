"""Reasons: the comparisons that decided a verdict, as small frozen values; sentences are made at the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from plugin.domain.calendar import day_date
from plugin.domain.money import amount_text
from plugin.domain.rules.batch import Batch
from plugin.domain.rules.canonical import attribute_text, list_text, value_text
from plugin.domain.rules.clauses import answer
from plugin.domain.rules.places import Form, Place, place_of
from plugin.domain.rules.syntax import (
    Affix,
    And,
    Between,
    Clause,
    Comparison,
    Condition,
    Contains,
    HasAffix,
    In,
    IsNull,
    Matches,
    Not,
    Or,
    Rule,
    ScaledAttribute,
)
from plugin.domain.text import SEPARATOR


@dataclass(frozen=True, slots=True)
class Reason:
    """A true statement about one customer: `days_since_last_order`, `91`, `>=`, `90 (lapse_days)`."""

    measure: str
    value: str
    operator: str
    threshold: str


_CONTRARY: Final = {
    "=": "!=", "!=": "=", ">": "<=", "<=": ">", ">=": "<", "<": ">=",
    "BETWEEN": "NOT BETWEEN", "IN": "NOT IN", "CONTAINS": "NOT CONTAINS", "IS NULL": "IS NOT NULL",
    "STARTS WITH": "NOT STARTS WITH", "ENDS WITH": "NOT ENDS WITH", "MATCHES": "NOT MATCHES",
}  # fmt: skip
_CONTRARIES: Final = _CONTRARY | {contrary: plain for plain, contrary in _CONTRARY.items()}


class Told(Protocol):
    """Anything with the four parts of a reason."""

    @property
    def measure(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def operator(self) -> str: ...
    @property
    def threshold(self) -> str: ...


def text(reason: Told) -> str:
    """For people: "days since last order 91 >= 90 (lapse_days)"."""
    parts = (reason.measure.replace("_", " "), reason.value, reason.operator, reason.threshold)
    return " ".join(part for part in parts if part)


def reasons(rule: Rule, batch: Batch, row: int) -> tuple[Reason, ...]:
    """What decided the verdict on the pair `row`: all terms of an AND that holds, the false ones of one that does not,
    and the other way round for OR. Each is told as it stands, so a false `orders = 0` reads `3 != 0`."""
    return tuple(dict.fromkeys(_reasons(rule, batch, row)))


def _reasons(rule: Rule, batch: Batch, row: int) -> list[Reason]:
    match rule:
        case Not(term):
            return _reasons(term, batch, row)
        case And(terms) | Or(terms):
            verdict = _holds(rule, batch, row)
            return [
                reason for term in terms if _holds(term, batch, row) == verdict for reason in _reasons(term, batch, row)
            ]
        case _:
            return [_reason(rule, batch, row)]


def _holds(rule: Rule, batch: Batch, row: int) -> bool:
    match rule:
        case Not(term):
            return not _holds(term, batch, row)
        case And(terms):
            return all(_holds(term, batch, row) for term in terms)
        case Or(terms):
            return any(_holds(term, batch, row) for term in terms)
        case _:
            return bool(answer(rule, batch).holds[row])


def _reason(clause: Clause, batch: Batch, row: int) -> Reason:
    told = _operator(clause)
    held = _holds(clause, batch, row)
    if isinstance(clause, Matches):
        rows = answer(clause, batch).rows
        return Reason(
            clause.function,
            "0" if rows is None else str(rows[row]),
            told if held else _CONTRARIES[told],
            _inside(clause),
        )
    place = place_of(clause.attribute, batch.primary_model)
    name = attribute_text(clause.attribute)
    shown = _shown(place, batch, row)
    if shown is None:
        return Reason(name, "", "IS NULL", "")
    if isinstance(clause, IsNull):
        return Reason(name, shown, "IS NOT NULL", "")
    return Reason(name, shown, told if held else _CONTRARIES[told], _threshold(clause, batch, row))


def _operator(clause: Clause) -> str:
    match clause:
        case Comparison(_, operator):
            return str(operator)
        case Between():
            return "BETWEEN"
        case In(negated=negated):
            plain = "IN"
        case Contains(negated=negated):
            plain = "CONTAINS"
        case HasAffix(affix=affix, negated=negated):
            plain = "STARTS WITH" if affix is Affix.STARTS else "ENDS WITH"
        case IsNull(negated=negated):
            plain = "IS NULL"
        case Matches(negated=negated):
            plain = "MATCHES"
    return _CONTRARIES[plain] if negated else plain


def _shown(place: Place, batch: Batch, row: int) -> str | None:
    """The customer's value as people write it; None when it is missing."""
    if place.form is Form.NOWHERE:
        return None
    column = batch.column(place.day if place.form in (Form.DATE, Form.AGE) else place.value)
    if column.null[row]:
        return None
    value = column.values[row]
    match place.form:
        case Form.DATE:
            return day_date(int(value)).isoformat()
        case Form.AGE:
            return str(int(batch.today[row]) - int(value))
        case Form.INTEGER:
            return amount_text(int(value)) if place.scale != 1 else str(int(value))
        case Form.REAL:
            return f"{float(value):.10g}"
        case _:
            return _listed(str(value)) if place.form is Form.LIST else f"'{value}'"


def _listed(held: str) -> str:
    return ", ".join(f"'{element}'" for element in held.strip(SEPARATOR).split(SEPARATOR))


def _threshold(clause: Condition | Contains | HasAffix, batch: Batch, row: int) -> str:
    if isinstance(clause, Comparison) and isinstance(clause.value, ScaledAttribute):
        return _scaled(clause.value, batch, row)
    return _asked(clause)


def _scaled(scaled: ScaledAttribute, batch: Batch, row: int) -> str:
    name = attribute_text(scaled.attribute)
    shown = _shown(place_of(scaled.attribute, batch.primary_model), batch, row)
    if shown is None:
        return f"{name}, which is missing"
    if scaled.factor == 1:
        return f"{shown} ({name})"
    return f"{float(scaled.factor) * float(shown):.10g} ({scaled.factor:f} * {name})"


def _asked(clause: Condition | Contains | HasAffix) -> str:
    """What the rule asks for, as it is written."""
    match clause:
        case Comparison(value=value) | Contains(value=value) | HasAffix(text=value):
            return value_text(value)
        case Between(low=low, high=high):
            return f"{value_text(low)} AND {value_text(high)}"
        case In(values=values):
            return list_text(values)


def _inside(clause: Matches) -> str:
    asked = (
        f"{condition.attribute.name} {_operator(condition)} {_asked(condition)}" for condition in clause.conditions
    )
    return f"({', '.join(asked)})"
