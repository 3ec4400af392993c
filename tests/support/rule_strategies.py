"""Hypothesis strategies for rules that pass the checks: clauses of every kind over the whole table of attributes.

`rules()` gives normalised trees. Numbers, days and words are small and few, so that generated customers meet them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal

from hypothesis import strategies as st

from plugin.domain.rules.attributes import ATTRIBUTES, FUNCTIONS, NUMERIC, Attribute, AttributeType, Function, Parameter
from plugin.domain.rules.syntax import (
    Affix,
    AttributeRef,
    Between,
    BooleanValue,
    Clause,
    Comparison,
    Condition,
    Contains,
    DateTimeValue,
    DateValue,
    HasAffix,
    In,
    IsNull,
    Matches,
    NumberValue,
    OffsetValue,
    Operator,
    PointValue,
    Rule,
    Scalar,
    ScaledAttribute,
    TextValue,
    Unit,
    conjunction,
    disjunction,
    negation,
    normalised,
)

_EQUALITY = (Operator.EQ, Operator.NE)
_WORDS = ("vip", "VIP", "Straße", "it's", "back\\slash", "\\'", "a b ", "", "CA", "US-CA", "example.com", "en", "100%_")
TEXTS = st.sampled_from(_WORDS) | st.text(max_size=6)
MODELS = ("buyer-activity", "other-model")


def _whole(number: int) -> NumberValue:
    return NumberValue(Decimal(number))


def integers() -> st.SearchStrategy[NumberValue]:
    edges = st.sampled_from((-(2**63), 2**63 - 1, 0, 1, 90, 180))
    return (st.integers(-5, 400) | edges).map(_whole)


def ids() -> st.SearchStrategy[NumberValue]:
    return (st.integers(0, 12) | st.sampled_from((2**64 - 1, 2**63, 9_671_746_683_175))).map(_whole)


def decimals() -> st.SearchStrategy[NumberValue]:
    exact = st.decimals(-10, 2000, places=2, allow_nan=False, allow_infinity=False)
    return (exact | st.decimals(0, 1, places=4)).map(NumberValue) | integers()


def dates() -> st.SearchStrategy[Scalar]:
    days = st.dates(date(2023, 1, 1), date(2026, 12, 31)).map(DateValue)
    moments = st.datetimes(datetime(2023, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001 - shop-zone wall time
        lambda moment: DateTimeValue(moment.replace(microsecond=0))
    )
    offsets = st.builds(OffsetValue, st.integers(-400, 40), st.sampled_from(Unit))
    named = st.sampled_from((OffsetValue(0, Unit.DAY, "today"), OffsetValue(-1, Unit.DAY, "yesterday")))
    return days | moments | offsets | named


def values_of(kind: AttributeType, choices: tuple[str, ...] = ()) -> st.SearchStrategy[Scalar]:
    if choices:
        return st.sampled_from(choices).map(TextValue)
    match kind:
        case AttributeType.DATE:
            return dates()
        case AttributeType.INTEGER:
            return integers()
        case AttributeType.ID:
            return ids()
        case AttributeType.BOOLEAN:
            return st.booleans().map(BooleanValue)
        case kind if kind in NUMERIC:
            return decimals()
        case _:
            return TEXTS.map(TextValue)


def _reference(attribute: Attribute) -> st.SearchStrategy[AttributeRef]:
    arguments = st.none() | st.sampled_from(MODELS) if attribute.takes_model else st.none()
    return st.builds(AttributeRef, st.just(attribute.name), arguments)


def _scaled(attribute: Attribute, names: Collection[str]) -> st.SearchStrategy[ScaledAttribute]:
    is_money = attribute.type is AttributeType.MONEY
    others = [
        other
        for name, other in ATTRIBUTES.items()
        if name in names and other.type in NUMERIC and (other.type is AttributeType.MONEY) == is_money
    ]
    factors = st.sampled_from((Decimal(1), Decimal(2), Decimal("0.5"), Decimal("1.25")))
    return st.sampled_from(others).flatmap(lambda other: st.builds(ScaledAttribute, factors, _reference(other)))


def attribute_clauses(attribute: Attribute, names: Collection[str]) -> st.SearchStrategy[Clause]:
    kind, reference = attribute.type, _reference(attribute)
    values = values_of(kind, attribute.values)
    several = st.lists(values, min_size=1, max_size=4).map(tuple)
    options: list[st.SearchStrategy[Clause]] = [st.builds(IsNull, reference, st.booleans())]
    if kind in (AttributeType.TEXT_LIST, AttributeType.CODE_LIST):
        options.append(st.builds(Contains, reference, values, st.booleans()))
    elif kind is AttributeType.DATE or kind in NUMERIC:
        options.append(st.builds(Comparison, reference, st.sampled_from(Operator), values))
        options.append(st.builds(Between, reference, values, values))
    else:
        options.append(st.builds(Comparison, reference, st.sampled_from(_EQUALITY), values))
    if kind in (AttributeType.INTEGER, AttributeType.STRING, AttributeType.ENUM, AttributeType.ID):
        options.append(st.builds(In, reference, several, st.booleans()))
    if kind in (AttributeType.STRING, AttributeType.TEXT_LIST, AttributeType.CODE_LIST):
        options.append(st.builds(HasAffix, reference, st.sampled_from(Affix), TEXTS.map(TextValue), st.booleans()))
    if kind in NUMERIC:
        options.append(st.builds(Comparison, reference, st.sampled_from(Operator), _scaled(attribute, names)))
    return st.one_of(options)


def _conditions(parameter: Parameter) -> st.SearchStrategy[Condition]:
    reference = st.just(AttributeRef(parameter.name))
    if parameter.name == "coordinates":
        points = st.builds(PointValue, st.decimals(-90, 90, places=3), st.decimals(-180, 180, places=3))
        return st.builds(Comparison, reference, st.just(Operator.EQ), points)
    values = values_of(parameter.type, parameter.values)
    is_ordered = parameter.type is AttributeType.DATE or parameter.type in NUMERIC
    taken = parameter.operators
    allowed = [
        each for each in Operator if (each.value in taken if taken is not None else is_ordered or each in _EQUALITY)
    ]
    options: list[st.SearchStrategy[Condition]] = [st.builds(Comparison, reference, st.sampled_from(allowed), values)]
    if taken is None and is_ordered:
        options.append(st.builds(Between, reference, values, values))
    if taken is not None and "IN" in taken:
        several = st.lists(values, min_size=1, max_size=4).map(tuple)
        options.append(st.builds(In, reference, several, st.booleans()))
    return st.one_of(options)


def matches(function: Function) -> st.SearchStrategy[Matches]:
    required = [parameter for parameter in function.parameters.values() if parameter.required]
    if required:
        distances = [parameter for name, parameter in function.parameters.items() if name.startswith("distance_")]
        chosen = st.sampled_from([[*required, distance] for distance in distances])
    else:
        chosen = st.lists(
            st.sampled_from(list(function.parameters.values())), max_size=3, unique_by=lambda each: each.name
        )
    conditions = chosen.flatmap(lambda each: st.tuples(*(_conditions(parameter) for parameter in each)))
    return st.builds(Matches, st.just(function.name), conditions, st.booleans())


def clauses(
    attributes: Collection[str] = tuple(ATTRIBUTES), functions: Collection[str] = tuple(FUNCTIONS)
) -> st.SearchStrategy[Clause]:
    """Clauses over some attributes and functions only, for evaluators that hold data for these."""
    on_attributes = st.sampled_from(sorted(attributes)).flatmap(
        lambda name: attribute_clauses(ATTRIBUTES[name], attributes)
    )
    if not functions:
        return on_attributes
    return on_attributes | st.sampled_from(sorted(functions)).flatmap(lambda name: matches(FUNCTIONS[name]))


def rules(
    attributes: Collection[str] = tuple(ATTRIBUTES),
    functions: Collection[str] = tuple(FUNCTIONS),
    *,
    max_leaves: int = 6,
) -> st.SearchStrategy[Rule]:
    """Normalised trees."""

    def grown(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
        several = st.lists(inner, min_size=2, max_size=3)
        return several.map(conjunction) | several.map(disjunction) | inner.map(negation)

    return st.recursive(clauses(attributes, functions), grown, max_leaves=max_leaves).map(normalised)
