"""Clauses that look at rows of a customer: `function MATCHES (conditions)` (segment-language.md, chapters 6 and 7)."""

from __future__ import annotations

from typing import Final, Protocol

from plugin.domain.rules.attributes import FUNCTIONS, Function
from plugin.domain.rules.canonical import canonical
from plugin.domain.rules.errors import Kind, Report, quoted
from plugin.domain.rules.names import Names
from plugin.domain.rules.ranges import warn_of_history
from plugin.domain.rules.raw import RawCondition, RawMatches, Subject
from plugin.domain.rules.suggest import nearest, parameter_suggestions, value_suggestions
from plugin.domain.rules.syntax import (
    AttributeRef,
    Between,
    Comparison,
    Condition,
    In,
    Matches,
    Operand,
    Operator,
    PointValue,
    ScaledAttribute,
    Span,
    TextValue,
)
from plugin.domain.rules.types import EXTENSION_OPERATORS, Slot, parameter_slot

_OLD_PREFIX: Final = "storefront_event."
_DISTANCES: Final = ("distance_km", "distance_mi")


class ConditionChecker(Protocol):
    def operands(self, raw: RawCondition, slot: Slot) -> tuple[Operand, ...] | None: ...

    def attribute_with_matches(self, raw: RawMatches) -> bool: ...


class FunctionChecker:
    def __init__(self, report: Report, names: Names, conditions: ConditionChecker) -> None:
        self._report = report
        self._names = names
        self._conditions = conditions

    def matches(self, raw: RawMatches) -> Matches | None:
        """None when an error was reported."""
        function = FUNCTIONS.get(_new_name(raw.subject.name))
        if function is None:
            self._tell_unknown(raw)
            return None
        if not function.portable:
            self._report.not_portable(raw.subject.span, f"Shopify does not know {function.name}.")
        before = self._report.error_count
        checked = self._checked_conditions(raw, function)
        if raw.closing is not None:
            self._tell_missing(raw, function, raw.closing)
        if self._report.error_count > before:
            return None
        clause = Matches(function.name, checked, raw.negated, raw.span)
        self._tell_old_forms(raw, clause)
        return clause

    def _tell_unknown(self, raw: RawMatches) -> None:
        if self._conditions.attribute_with_matches(raw):
            return
        name = raw.subject.name
        self._report.error(
            Kind.UNKNOWN_FUNCTION,
            raw.subject.span,
            f'there is no function "{quoted(name)}".',
            expected=tuple(FUNCTIONS),
            suggestions=nearest(_new_name(name), FUNCTIONS),
        )

    def _checked_conditions(self, raw: RawMatches, function: Function) -> tuple[Condition, ...]:
        checked: list[Condition] = []
        seen: set[str] = set()
        for condition in raw.conditions:
            if self._report.full:
                break
            name = condition.subject.name
            if name not in function.parameters:
                self._tell_unknown_parameter(condition.subject, function)
            elif name in seen:
                self._tell_duplicate(condition.subject, name)
            elif (made := self._condition(condition, function)) is not None:
                checked.append(made)
            seen.add(name)
        return tuple(checked)

    def _tell_unknown_parameter(self, subject: Subject, function: Function) -> None:
        written = self._report.text[subject.span.offset : subject.span.offset + subject.span.length]
        self._report.error(
            Kind.UNKNOWN_PARAMETER,
            subject.span,
            f'{function.name} has no parameter "{quoted(written)}".',
            expected=tuple(function.parameters),
            suggestions=parameter_suggestions(subject.name, function.parameters),
        )

    def _tell_duplicate(self, subject: Subject, name: str) -> None:
        hint = "Write a range as date BETWEEN a AND b." if name == "date" else None
        self._report.error(Kind.DUPLICATE_PARAMETER, subject.span, f"{name} stands here a second time.", hint=hint)

    def _condition(self, raw: RawCondition, function: Function) -> Condition | None:
        parameter = function.parameters[raw.subject.name]
        slot = parameter_slot(parameter)
        operands = self._conditions.operands(raw, slot)
        if operands is None or not self._knows_holdouts(function, slot, operands):
            return None
        if slot.type and parameter.operators is None and raw.operator in EXTENSION_OPERATORS.get(slot.type, ()):
            self._report.not_portable(raw.operator_span, f"Shopify does not know {raw.operator} here.")
        if slot.name == "date":
            warn_of_history(raw.operator, operands, self._names.history_days, self._report)
        return _build(AttributeRef(slot.name, None, raw.subject.span), raw, operands)

    def _knows_holdouts(self, function: Function, slot: Slot, operands: tuple[Operand, ...]) -> bool:
        known = self._names.holdouts
        if known is None or function.name != "in_holdout" or slot.name != "key":
            return True
        unknown = [each for each in operands if isinstance(each, TextValue) and each.text not in known]
        for value in unknown:
            says = f"there is no holdout or experiment '{quoted(value.text)}'."
            suggestions = value_suggestions(value.text, sorted(known))
            self._report.error(Kind.UNKNOWN_VALUE, value.span, says, suggestions=suggestions)
        return not unknown

    def _tell_missing(self, raw: RawMatches, function: Function, closing: Span) -> None:
        used = {condition.subject.name: condition.subject for condition in raw.conditions}
        required = [name for name in function.required if name not in used]
        distances = [name for name in _DISTANCES if name in used]
        if all(name in function.parameters for name in _DISTANCES):
            if not distances:
                required.append("distance_km or distance_mi")
            elif len(distances) > 1:
                second = max((used[name] for name in distances), key=lambda subject: subject.span.offset)
                says = f"{function.name} takes one distance, in km or in miles."
                self._report.error(Kind.DUPLICATE_PARAMETER, second.span, says)
        if required:
            says = f"{function.name} needs {' and '.join(required)}."
            self._report.error(Kind.MISSING_PARAMETER, closing, says, expected=tuple(required))

    def _tell_old_forms(self, raw: RawMatches, clause: Matches) -> None:
        new = canonical(clause)
        if raw.old_form:
            self._report.warning(Kind.DEPRECATED_FORM, raw.span, f"this is written {new} now.", suggestions=(new,))
        elif raw.subject.name.startswith(_OLD_PREFIX):
            says = f"{raw.subject.name} is called {clause.function} now."
            self._report.warning(Kind.DEPRECATED_FORM, raw.subject.span, says, suggestions=(clause.function,))
        for span in raw.assumed_since:
            says = f"this is taken to mean since that day: {new}."
            self._report.warning(Kind.ASSUMED_SINCE, span, says, hint="Write date = for that one day.")


def _new_name(name: str) -> str:
    return f"storefront.{name.removeprefix(_OLD_PREFIX)}" if name.startswith(_OLD_PREFIX) else name


def _build(attribute: AttributeRef, raw: RawCondition, operands: tuple[Operand, ...]) -> Condition:
    if raw.operator == "BETWEEN":
        return Between(attribute, operands[0], operands[1], raw.span)
    if raw.operator in {"IN", "NOT IN"}:
        scalars = tuple(each for each in operands if not isinstance(each, ScaledAttribute | PointValue))
        return In(attribute, scalars, raw.operator == "NOT IN", raw.span)
    return Comparison(attribute, Operator(raw.operator), operands[0], raw.span)
