"""Which operators each type takes, and what it needs for a value (segment-language.md, 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from plugin.domain.rules.attributes import LISTS, Attribute, AttributeType, Parameter
from plugin.domain.rules.names import MetafieldDefinition

COMPARISONS: Final = ("=", "!=", ">", ">=", "<", "<=")
_NULL_TESTS: Final = ("IS NULL", "IS NOT NULL")
_ORDERED: Final = (*COMPARISONS, "BETWEEN")
_MEMBERSHIP: Final = ("IN", "NOT IN")
_AFFIXES: Final = ("STARTS WITH", "NOT STARTS WITH", "ENDS WITH", "NOT ENDS WITH")
_T = AttributeType

SHOPIFY_OPERATORS: Final[Mapping[AttributeType, tuple[str, ...]]] = MappingProxyType({
    _T.DATE: _ORDERED,
    _T.INTEGER: _ORDERED,
    _T.DECIMAL: _ORDERED,
    _T.MONEY: _ORDERED,
    _T.RATIO: _ORDERED,
    _T.STRING: ("=", "!="),
    _T.ENUM: ("=", "!="),
    _T.BOOLEAN: ("=", "!="),
    _T.TEXT_LIST: ("CONTAINS", "NOT CONTAINS"),
    _T.CODE_LIST: ("CONTAINS", "NOT CONTAINS"),
    _T.ID: ("=", "!="),
})  # fmt: skip
EXTENSION_OPERATORS: Final[Mapping[AttributeType, tuple[str, ...]]] = MappingProxyType({
    _T.INTEGER: _MEMBERSHIP,
    _T.STRING: (*_MEMBERSHIP, *_AFFIXES),
    _T.ENUM: _MEMBERSHIP,
    _T.TEXT_LIST: _AFFIXES,
    _T.CODE_LIST: _AFFIXES,
    _T.ID: _MEMBERSHIP,
})  # fmt: skip
EVERY_OPERATOR: Final = (*_ORDERED, "CONTAINS", "NOT CONTAINS", *_MEMBERSHIP, *_AFFIXES, *_NULL_TESTS)
_IN_CONDITIONS: Final = frozenset({*_ORDERED, *_MEMBERSHIP})  # a condition inside MATCHES takes no others

NEEDS: Final[Mapping[AttributeType, str]] = MappingProxyType({
    _T.DATE: "a date such as 2025-01-31, -30d or today",
    _T.INTEGER: "a whole number",
    _T.DECIMAL: "a number",
    _T.MONEY: "an amount such as 12.50",
    _T.RATIO: "a decimal number such as 0.5",
    _T.STRING: "text in single quotes",
    _T.ENUM: "one of its values in single quotes",
    _T.BOOLEAN: "true or false",
    _T.TEXT_LIST: "text in single quotes",
    _T.CODE_LIST: "a code in single quotes",
    _T.ID: "an ID, digits only",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A name that stands left of an operator. `type` None: a metafield without a definition, any literal will do."""

    name: str
    type: AttributeType | None
    values: tuple[str, ...] = ()
    operators: frozenset[str] = frozenset(EVERY_OPERATOR)
    shown: tuple[str, ...] = EVERY_OPERATOR  # in a message
    is_list: bool = False
    is_parameter: bool = False
    argument: str | None = None
    least: int | None = None
    most: int | None = None

    @property
    def needs(self) -> str:
        return NEEDS[self.type] if self.type else "a value"

    @property
    def is_anniversary(self) -> bool:
        return self.name == "anniversary"


_BOUNDS: Final[Mapping[str, tuple[int, int | None]]] = MappingProxyType({
    "number_of_orders": (0, None), "purchase_days": (0, None), "days_in_stage": (0, None), "nps_score": (0, 10),
    "rfm_recency": (1, 5), "rfm_frequency": (1, 5), "rfm_monetary": (1, 5), "lapse_days": (1, None),
    "expected_orders_90d": (0, None), "count": (0, None), "sum_quantity": (0, None),
})  # fmt: skip


def _bounds(name: str, type_: AttributeType | None) -> tuple[int | None, int | None]:
    return (0, 1) if type_ is _T.RATIO else _BOUNDS.get(name, (None, None))


def attribute_slot(attribute: Attribute, argument: str | None, values: tuple[str, ...]) -> Slot:
    least, most = _bounds(attribute.name, attribute.type)
    shopify = (*SHOPIFY_OPERATORS[attribute.type], *_NULL_TESTS)
    return Slot(
        name=attribute.name,
        type=attribute.type,
        values=values,
        operators=frozenset((*shopify, *EXTENSION_OPERATORS.get(attribute.type, ()))),
        shown=shopify,
        is_list=attribute.type in LISTS,
        argument=argument,
        least=least,
        most=most,
    )


def metafield_slot(definition: MetafieldDefinition) -> Slot:
    kind = AttributeType.TEXT_LIST if definition.is_list else definition.type
    shopify = (*SHOPIFY_OPERATORS[kind], *_NULL_TESTS)
    return Slot(
        name=definition.name,
        type=definition.type,
        operators=frozenset((*shopify, *EXTENSION_OPERATORS.get(kind, ()))),
        shown=shopify,
        is_list=definition.is_list,
    )


def undefined_metafield_slot(name: str) -> Slot:
    return Slot(name=name, type=None)


def anniversary_slot(path: str) -> Slot:
    operators = ("=", "BETWEEN")
    return Slot(name="anniversary", type=_T.DATE, operators=frozenset(operators), shown=operators, argument=path)


def parameter_slot(parameter: Parameter) -> Slot:
    all_of_type = (*SHOPIFY_OPERATORS[parameter.type], *EXTENSION_OPERATORS.get(parameter.type, ()))
    taken = parameter.operators if parameter.operators is not None else _IN_CONDITIONS & set(all_of_type)
    least, most = _bounds(parameter.name, parameter.type)
    return Slot(
        name=parameter.name,
        type=parameter.type,
        values=parameter.values,
        operators=taken,
        shown=tuple(operator for operator in EVERY_OPERATOR if operator in taken),
        is_parameter=True,
        least=least,
        most=most,
    )
