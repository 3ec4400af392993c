"""What a clause means: names looked up, operators and values held to their types (segment-language.md, 4 to 10)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS, NUMERIC, AttributeType
from plugin.domain.rules.canonical import canonical
from plugin.domain.rules.check_functions import FunctionChecker
from plugin.domain.rules.errors import Kind, Profile, Report, listing, quoted
from plugin.domain.rules.names import Lookup, Names, find_metafield
from plugin.domain.rules.ranges import warn_of_ranges
from plugin.domain.rules.raw import RawClause, RawCondition, RawMatches, RawValue, Reference
from plugin.domain.rules.resolve import Resolver
from plugin.domain.rules.syntax import (
    Affix,
    And,
    AttributeRef,
    Between,
    Comparison,
    Contains,
    HasAffix,
    In,
    IsNull,
    Operand,
    Operator,
    PointValue,
    Rule,
    ScaledAttribute,
    TextValue,
)
from plugin.domain.rules.types import COMPARISONS, EXTENSION_OPERATORS, Slot
from plugin.domain.rules.values import fit, mismatch

MOST_CLAUSES: Final = {Profile.OWN: 200, Profile.SHOPIFY: 10}
LONGEST_LIST: Final = {Profile.OWN: 10_000, Profile.SHOPIFY: 500}
_UNREADABLE: Final = IsNull(AttributeRef("unreadable"))  # stands for a clause with an error; never leaves parse()
_REFERRING: Final = frozenset((*COMPARISONS, "BETWEEN"))


class Checker:
    """Takes the clauses of one text from left to right."""

    def __init__(self, report: Report, names: Names, own_model: str | None) -> None:
        self._report = report
        self._resolver = Resolver(report, names, own_model)
        self._names = names
        self._functions = FunctionChecker(report, names, self)
        self._count = 0

    def clause(self, raw: RawClause) -> Rule:
        self._count += 1
        most = MOST_CLAUSES[self._report.profile]
        if self._count == most + 1:
            says = f"a rule has at most {most} conditions; this one is past that."
            self._report.error(Kind.TOO_MANY_CLAUSES, raw.span, says)
        if self._count > most or self._report.full:
            return _UNREADABLE
        checked = self._functions.matches(raw) if isinstance(raw, RawMatches) else self._attribute_clause(raw)
        if checked is None:
            return _UNREADABLE
        if isinstance(raw, RawCondition) and raw.subject.old_argument:
            self._tell_old_form(raw, checked)
        return checked

    def _tell_old_form(self, raw: RawCondition, checked: Rule) -> None:
        new = canonical(checked)
        self._report.warning(Kind.DEPRECATED_FORM, raw.span, f"this is written {new} now.", suggestions=(new,))

    def _attribute_clause(self, raw: RawCondition) -> Rule | None:
        name = raw.subject.name
        if name in FUNCTIONS:
            says = f"{name} takes MATCHES, NOT MATCHES, IS NULL and IS NOT NULL."
            expected = ("MATCHES", "NOT MATCHES", "IS NULL", "IS NOT NULL")
            self._report.error(Kind.OPERATOR_NOT_SUPPORTED, raw.operator_span, says, expected=expected)
            return None
        slot = self._resolver.slot(raw.subject)
        if slot is None:
            return None
        operands = self.operands(raw, slot)
        if operands is None:
            return None
        if slot.type and raw.operator in EXTENSION_OPERATORS.get(slot.type, ()):
            self._report.not_portable(raw.operator_span, f"Shopify does not know {raw.operator} here.")
        return build(AttributeRef(slot.name, slot.argument, raw.subject.span), raw, operands)

    def attribute_with_matches(self, raw: RawMatches) -> bool:
        """Reports MATCHES behind the name of an attribute; False when there is no such attribute either."""
        name = raw.subject.name
        is_metafield = find_metafield(self._names, name) is not Lookup.UNKNOWN
        if name not in ATTRIBUTES and name != "anniversary" and not is_metafield:
            return False
        slot = self._resolver.slot(raw.subject)
        if slot is not None:
            self._refuse_operator(RawCondition(raw.subject, raw.operator, raw.operator_span, (), raw.span), slot)
        return True

    def operands(self, raw: RawCondition, slot: Slot) -> tuple[Operand, ...] | None:
        """The values of a condition, each fitted to the type; None when an error was reported."""
        if raw.operator not in slot.operators:
            self._refuse_operator(raw, slot)
            return None
        longest = LONGEST_LIST[self._report.profile]
        if len(raw.values) > longest:
            says = f"a list has at most {longest:,} values; this one has {len(raw.values):,}."
            self._report.error(Kind.LIST_TOO_LONG, raw.values[longest].span, says)
        before = self._report.error_count
        fitted = [self._operand(value, raw.operator, slot) for value in raw.values[:longest] if not self._report.full]
        operands = tuple(operand for operand in fitted if operand is not None)
        if self._report.error_count > before or len(operands) < len(raw.values):
            return None
        warn_of_ranges(slot, raw.operator, operands, raw.span, self._report)
        return operands

    def _refuse_operator(self, raw: RawCondition, slot: Slot) -> None:
        hint = None
        if slot.is_list and raw.operator == "=":
            hint = "Write CONTAINS to ask for one of several values."
        self._report.error(
            Kind.OPERATOR_NOT_SUPPORTED,
            raw.operator_span,
            f"{slot.name} does not take {raw.operator}. {slot.name} takes {listing(slot.shown)}.",
            expected=tuple(sorted(slot.operators)),
            suggestions=("CONTAINS",) if slot.is_list and raw.operator == "=" else (),
            hint=hint,
        )

    def _operand(self, value: RawValue, operator: str, slot: Slot) -> Operand | None:
        if isinstance(value, Reference) and operator in _REFERRING and not slot.is_parameter:
            return self._reference(value, slot)
        fitted = fit(value, slot, self._report)
        if fitted is None or not operator.endswith("WITH") or isinstance(fitted, TextValue):
            return fitted
        mismatch(value, slot, self._report)
        return None

    def _reference(self, value: Reference, slot: Slot) -> ScaledAttribute | None:
        """Another numeric attribute of the customer (4.8). Money compares with money only."""
        other = value.subject
        if slot.type not in NUMERIC or not self._is_numeric(other.name):
            mismatch(value, slot, self._report)
            return None
        if value.factor is not None and value.factor.number <= 0:
            says = f"a factor is a positive number; {quoted(value.factor.written)} is not one."
            self._report.error(Kind.TYPE_MISMATCH, value.factor.span, says, expected=("a positive number",))
            return None
        right = self._resolver.slot(other)
        if right is None:
            return None
        if (slot.type is AttributeType.MONEY) != (right.type is AttributeType.MONEY):
            says = f"{slot.name} and {right.name} are not of one kind: money compares with money only."
            self._report.error(Kind.TYPE_MISMATCH, value.span, says, expected=(slot.needs,))
            return None
        self._report.not_portable(value.span, "Shopify does not compare two attributes.")
        factor = Decimal(1) if value.factor is None else value.factor.number
        written = "" if value.factor is None else value.factor.written
        return ScaledAttribute(factor, AttributeRef(right.name, right.argument, other.span), written, value.span)

    def _is_numeric(self, name: str) -> bool:
        attribute = ATTRIBUTES.get(name)
        if attribute is not None:
            return attribute.type in NUMERIC
        found = find_metafield(self._names, name)
        return isinstance(found, tuple) and all(each.type in NUMERIC and not each.is_list for each in found)


def build(attribute: AttributeRef, raw: RawCondition, operands: tuple[Operand, ...]) -> Rule:
    negated = raw.operator.startswith(("NOT ", "IS NOT"))
    scalars = tuple(each for each in operands if not isinstance(each, ScaledAttribute | PointValue))
    match raw.operator.removeprefix("NOT "):
        case "IS NULL" | "IS NOT NULL":
            return IsNull(attribute, negated, raw.span)
        case "BETWEEN" if any(isinstance(operand, ScaledAttribute) for operand in operands):
            # Two comparisons mean the same, also when a side is missing, and evaluators need no further form.
            low = Comparison(attribute, Operator.GE, operands[0], raw.span)
            return And((low, Comparison(attribute, Operator.LE, operands[1], raw.span)))
        case "BETWEEN":
            return Between(attribute, operands[0], operands[1], raw.span)
        case "IN":
            return In(attribute, scalars, negated, raw.span)
        case "CONTAINS":
            return Contains(attribute, scalars[0], negated, raw.span)
        case "STARTS WITH" | "ENDS WITH" as words if isinstance(operands[0], TextValue):
            return HasAffix(attribute, Affix(words.removesuffix(" WITH")), operands[0], negated, raw.span)
        case comparison:
            return Comparison(attribute, Operator(comparison), operands[0], raw.span)
