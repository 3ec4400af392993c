"""The price of an operation as it was first written: walked anew each time, plain enough to be read beside the rules.

`tests/graphql/test_price.py` holds `graphql_schema/price.py`, which works an operation out once, to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    is_leaf_type,
    is_list_type,
)
from strawberry import UNSET

from graphql_schema.access import Cost
from graphql_schema.documents import directives_of, root_type
from graphql_schema.pagination import DEFAULT_SIZE, LARGEST_PAGE

_MUTATION: Final = 10


@dataclass(frozen=True, slots=True)
class WalkedPrice:
    """Prices one validated operation that is within the limits, so that walking it with fragments spread is short."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def requested(self) -> int:
        return self._base() + self._asked(self.operation.selection_set, root_type(self.schema, self.operation))

    def actual(self, data: Mapping[str, Any] | None) -> int:
        """The price of what was answered; never above `requested`."""
        if data is None:
            return self._base()
        return self._base() + self._answered(self.operation.selection_set, root_type(self.schema, self.operation), data)

    def _base(self) -> int:
        mutation = self.operation.operation is OperationType.MUTATION
        return _MUTATION * len(self.operation.selection_set.selections) if mutation else 0

    def _asked(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> int:
        return sum(self._asked_field(*found) for found in self._fields(selection_set, parent))

    def _asked_field(self, node: FieldNode, definition: GraphQLField) -> int:
        kind = get_named_type(definition.type)
        points = _points(definition)
        if is_leaf_type(kind) or node.selection_set is None or kind.name == "PageInfo":
            return points
        if kind.name.endswith("Connection"):
            return points + 1 + self._rows(node, definition) * max(1, self._asked(node.selection_set, kind))
        children = self._asked(node.selection_set, kind)
        if _is_sized(definition):
            return points + 1 + self._rows(node, definition) * (1 + children)
        return points + 1 + children

    def _rows(self, node: FieldNode, definition: GraphQLField) -> int:
        asked = [self._argument(argument.value) for argument in node.arguments or () if argument.name.value in _PAGES]
        given = [rows for rows in asked if rows is not None]
        if given:
            return min(max(*given, 1), LARGEST_PAGE)
        default = definition.args["first"].default_value
        return default if isinstance(default, int) else _size(definition)

    def _argument(self, value: object) -> int | None:
        if isinstance(value, VariableNode):
            given = self.variables.get(value.name.value, self._default(value.name.value))
            return given if isinstance(given, int) else None if given is None else LARGEST_PAGE
        return int(value.value) if isinstance(value, IntValueNode) else None

    def _default(self, name: str) -> int | None:
        for definition in self.operation.variable_definitions or ():
            if definition.variable.name.value == name and definition.default_value is not None:
                return self._argument(definition.default_value)
        return None

    def _answered(self, selection_set: SelectionSetNode, parent: GraphQLNamedType, data: Mapping[str, Any]) -> int:
        total = 0
        for node, definition in self._fields(selection_set, parent):
            key = node.alias.value if node.alias else node.name.value
            if key in data:
                total += self._answered_field(node, definition, data[key])
        return total

    def _answered_field(self, node: FieldNode, definition: GraphQLField, value: Any) -> int:
        kind = get_named_type(definition.type)
        points = _points(definition)
        if value is None or is_leaf_type(kind) or node.selection_set is None or kind.name == "PageInfo":
            return points
        if kind.name.endswith("Connection"):
            return points + 1 + self._answered(node.selection_set, kind, value)
        if isinstance(value, list):
            rows = [self._answered(node.selection_set, kind, row) for row in value if row is not None]
            in_connection = node.name.value in {"nodes", "edges"}
            if _is_sized(definition) or in_connection:
                return points + (not in_connection) + len(rows) + sum(rows)
            return points + 1 + max(rows, default=0)
        return points + 1 + self._answered(node.selection_set, kind, value)

    def _fields(
        self, selection_set: SelectionSetNode, parent: GraphQLNamedType
    ) -> Iterator[tuple[FieldNode, GraphQLField]]:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                definition = parent.fields.get(node.name.value)  # type: ignore[attr-defined]  # validated: a type with fields
                if definition is not None:  # the schema's own fields are free
                    yield node, definition
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                yield from self._fields(fragment.selection_set, self._named(fragment.type_condition.name.value))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = self._named(condition.name.value) if condition else parent
                yield from self._fields(node.selection_set, kind)

    def _named(self, name: str) -> GraphQLNamedType:
        return self.schema.type_map[name]


_PAGES: Final = frozenset({"first", "last"})


def _is_sized(definition: GraphQLField) -> bool:
    return "first" in definition.args and is_list_type(get_nullable_type(definition.type))


def _cost(definition: GraphQLField) -> Cost | None:
    return next((found for found in directives_of(definition) if isinstance(found, Cost)), None)


def _points(definition: GraphQLField) -> int:
    cost = _cost(definition)
    return cost.points if cost is not None and isinstance(cost.points, int) else 0


def _size(definition: GraphQLField) -> int:
    cost = _cost(definition)
    return cost.size if cost is not None and cost.size is not UNSET and cost.size is not None else DEFAULT_SIZE
