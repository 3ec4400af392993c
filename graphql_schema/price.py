"""The price of an operation, worked out from its text once; a request only brings its variables and its answer.

Price of a field, in points (Shopify's form, with rows counted in full):
- a scalar or an enum: 0; an object, interface or union: 1 and its children;
- a connection, or a list with `first`: 1, and for each row asked for 1 and the row's children; an edge is an object,
  too; `nodes` and `edges` both asked for are both charged; `pageInfo` is free;
- another list: like one object (such lists are short and fixed: reasons, stages);
- a mutation: 10 more; a field marked `@cost(points:)`: that many more.
A query may cost at most 1,000 points. What was not answered is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry import UNSET

from graphql_schema.access import Cost
from graphql_schema.documents import directives_of, root_type
from graphql_schema.pagination import DEFAULT_SIZE, LARGEST_PAGE

MOST_POINTS: Final = 1_000
_MUTATION: Final = 10
_PAGES: Final = frozenset({"first", "last"})


class Price:
    """The prices of one validated operation that is within the limits, so that its text with fragments spread is short.
    Nothing of a request is kept here."""

    __slots__ = ("_base", "_fields", "_fixed")

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        mutation = operation.operation is OperationType.MUTATION
        self._base = _MUTATION * len(operation.selection_set.selections) if mutation else 0
        reading = _Reading(schema, operation, fragments)
        self._fields = _Fields.of(reading.fields(operation.selection_set, root_type(schema, operation), sure=True))
        self._fixed = self._fields.fixed_price

    def requested(self, variables: Mapping[str, Any]) -> int:
        """The points to be paid before it runs with these variables, as the caller sent them."""
        return self._base + (self._fields.asked(variables) if self._fixed is None else self._fixed)

    def actual(self, data: Mapping[str, Any] | None) -> int:
        """The price of what was answered; never above `requested`."""
        return self._base + (0 if data is None else self._fields.answered(data))


class _Kind(Enum):
    FREE = auto()  # a leaf, or `pageInfo`
    OBJECT = auto()  # or a list that costs what one object does
    ROWS = auto()  # a list with `first`
    CONNECTION = auto()
    CONNECTED = auto()  # `nodes` and `edges`: charged row by row when answered, with the connection when asked for


@dataclass(frozen=True, slots=True)
class _Size:
    """How many rows a field asks for: what stands in the text, and names of variables with their defaults."""

    given: tuple[int, ...]
    variables: tuple[tuple[str, int | None], ...]
    without: int

    def rows(self, variables: Mapping[str, Any]) -> int:
        found = list(self.given)
        for name, default in self.variables:
            value = variables.get(name, default)
            if value is not None:
                found.append(value if isinstance(value, int) else LARGEST_PAGE)
        return min(max(*found, 1), LARGEST_PAGE) if found else self.without


@dataclass(frozen=True, slots=True)
class _Field:
    """One field in one place of the text. `sure`: it stands in each answer of its parent, and is not null there."""

    key: str
    points: int
    kind: _Kind
    size: _Size | None
    below: _Fields
    sure: bool

    @property
    def fixed_price(self) -> int | None:
        """What is asked for it whatever the variables; None where they count."""
        if self.kind is not _Kind.FREE and self.below.fixed_price is None:
            return None
        return None if self.size is not None and self.size.variables else self.asked({})

    def asked(self, variables: Mapping[str, Any]) -> int:
        if self.kind is _Kind.FREE:
            return self.points
        below = self.below.asked(variables)
        if self.size is None:
            return self.points + 1 + below
        each = max(1, below) if self.kind is _Kind.CONNECTION else 1 + below
        return self.points + 1 + self.size.rows(variables) * each

    @property
    def fixed_answer(self) -> int | None:
        """What an answer costs wherever its parent is answered; None where that has to be looked at."""
        if self.kind is _Kind.FREE:
            return self.points if self.sure or not self.points else None
        one = self.sure and not self.below.moving and self.kind in {_Kind.OBJECT, _Kind.CONNECTION}
        return self.points + 1 + self.below.fixed if one else None

    def answered(self, value: Any) -> int:  # noqa: ANN401 - JSON
        if value is None or self.kind is _Kind.FREE:
            return self.points
        if not isinstance(value, list):
            return self.points + 1 + self.below.answered(value)
        rows = [row for row in value if row is not None] if None in value else value
        if self.kind is _Kind.OBJECT:
            return self.points + 1 + max(map(self.below.answered, rows), default=0)
        return self.points + (self.kind is _Kind.ROWS) + len(rows) + self.below.answered_all(rows)


@dataclass(frozen=True, slots=True)
class _Fields:
    """Fields that meet in one place: what they cost in any answer (`fixed`), and those that have to be looked at."""

    all: tuple[_Field, ...]
    fixed: int
    moving: tuple[_Field, ...]
    fixed_price: int | None

    @staticmethod
    def of(fields: Iterable[_Field]) -> _Fields:
        found = tuple(fields)
        answers = [(field, field.fixed_answer) for field in found]
        prices = [field.fixed_price for field in found]
        return _Fields(
            found,
            sum(points for _, points in answers if points is not None),
            tuple(field for field, points in answers if points is None),
            None if None in prices else sum(points for points in prices if points is not None),
        )

    def asked(self, variables: Mapping[str, Any]) -> int:
        if self.fixed_price is not None:
            return self.fixed_price
        return sum(field.asked(variables) for field in self.all)

    def answered(self, data: Mapping[str, Any]) -> int:
        total = self.fixed
        for field in self.moving:
            if field.key in data:
                total += field.answered(data[field.key])
        return total

    def answered_all(self, rows: list[Mapping[str, Any]]) -> int:
        return sum(map(self.answered, rows)) if self.moving else self.fixed * len(rows)


_NOTHING: Final = _Fields.of(())


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads an operation's text once."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]

    def fields(self, selection_set: SelectionSetNode, parent: GraphQLNamedType, *, sure: bool) -> list[_Field]:
        """`sure`: whatever stands here is in each answer of its parent."""
        found: list[_Field] = []
        for node in selection_set.selections:
            always = sure and not node.directives
            if isinstance(node, FieldNode):
                definition = parent.fields.get(node.name.value)  # type: ignore[attr-defined]  # validated: a type with fields
                if definition is not None:  # the schema's own fields are free
                    found.append(self._field(node, definition, sure=always))
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                found += self._narrowed(fragment.selection_set, parent, fragment.type_condition.name.value, sure=always)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                name = condition.name.value if condition else parent.name
                found += self._narrowed(node.selection_set, parent, name, sure=always)
        return found

    def _narrowed(
        self, selection_set: SelectionSetNode, parent: GraphQLNamedType, name: str, *, sure: bool
    ) -> list[_Field]:
        kind = self.schema.type_map[name]
        fits = kind is parent or (is_abstract_type(kind) and self.schema.is_sub_type(kind, parent))
        return self.fields(selection_set, kind, sure=sure and fits)

    def _field(self, node: FieldNode, definition: GraphQLField, *, sure: bool) -> _Field:
        kind, key = get_named_type(definition.type), node.alias.value if node.alias else node.name.value
        points, selection_set = _points(definition), node.selection_set
        if is_leaf_type(kind) or selection_set is None or kind.name == "PageInfo":
            return _Field(key, points, _Kind.FREE, None, _NOTHING, sure)
        # Under a field that is left out, nothing is sure: its key may be there from elsewhere in the text.
        below = _Fields.of(self.fields(selection_set, kind, sure=sure))
        listed = is_list_type(get_nullable_type(definition.type))
        sure = sure and is_non_null_type(definition.type) and not (listed and below.fixed)  # it may be empty
        if kind.name.endswith("Connection"):
            return _Field(key, points, _Kind.CONNECTION, self._size(node, definition), below, sure)
        if listed and "first" in definition.args:
            return _Field(key, points, _Kind.ROWS, self._size(node, definition), below, sure)
        connected = listed and node.name.value in {"nodes", "edges"}
        return _Field(key, points, _Kind.CONNECTED if connected else _Kind.OBJECT, None, below, sure)

    def _size(self, node: FieldNode, definition: GraphQLField) -> _Size:
        values = [argument.value for argument in node.arguments or () if argument.name.value in _PAGES]
        named = [value.name.value for value in values if isinstance(value, VariableNode)]
        default = definition.args["first"].default_value
        return _Size(
            tuple(int(value.value) for value in values if isinstance(value, IntValueNode)),
            tuple((name, self._default(name)) for name in named),
            default if isinstance(default, int) else _cost_size(definition),
        )

    def _default(self, name: str) -> int | None:
        for definition in self.operation.variable_definitions or ():
            if definition.variable.name.value == name:
                value = definition.default_value
                return int(value.value) if isinstance(value, IntValueNode) else None
        return None


def _cost(definition: GraphQLField) -> Cost | None:
    return next((found for found in directives_of(definition) if isinstance(found, Cost)), None)


def _points(definition: GraphQLField) -> int:
    cost = _cost(definition)
    return cost.points if cost is not None and isinstance(cost.points, int) else 0


def _cost_size(definition: GraphQLField) -> int:
    cost = _cost(definition)
    return cost.size if cost is not None and cost.size is not UNSET and cost.size is not None else DEFAULT_SIZE
