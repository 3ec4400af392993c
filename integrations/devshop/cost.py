"""What a document costs in points, and the leaky bucket they come out of.

The rule is the one recorded on live shops: an object costs 1, a mutation 10 with its payload and the objects
directly in it, a connection 2 + max(1, floor(2 ln rows)) times its node, a count 10; scalars, money, addresses
and pageInfo are free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    IntValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

from integrations.devshop.rows import Value
from integrations.devshop.schema import is_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode, SelectionSetNode

FREE = ("MoneyV2", "MoneyBag", "MailingAddress", "PageInfo")
MAX_SINGLE = 1000


@dataclass
class Bucket:
    """A true leaky bucket: filled at `rate` points a second up to `size`."""

    size: float
    rate: float
    clock: Callable[[], float]
    level: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.seen = self.size, self.clock()

    def available(self) -> float:
        now = self.clock()
        self.level = min(self.size, self.level + max(0.0, now - self.seen) * self.rate)
        self.seen = now
        return self.level

    def take(self, points: float) -> bool:
        if self.available() < points:
            return False
        self.level -= points
        return True

    def give_back(self, points: float) -> None:
        self.level = min(self.size, self.level + points)

    def status(self) -> dict[str, float]:
        available = math.floor(self.available())
        return {"maximumAvailable": self.size, "currentlyAvailable": available, "restoreRate": self.rate}


def rows_factor(rows: int) -> int:
    return max(1, math.floor(2 * math.log(rows))) if rows > 0 else 0


@dataclass
class Price:
    """Walks one operation; with `data` None it prices what is asked, else what was answered."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: dict[str, Any]

    def __post_init__(self) -> None:
        self.fragments = {
            each.name.value: each for each in self.document.definitions if isinstance(each, FragmentDefinitionNode)
        }

    def requested(self, operation: OperationDefinitionNode) -> int:
        return self._roots(operation, None)

    def actual(self, operation: OperationDefinitionNode, data: dict[str, Any] | None) -> int:
        return self._roots(operation, data or {})

    def _roots(self, operation: OperationDefinitionNode, data: dict[str, Any] | None) -> int:
        root = self.schema.get_root_type(operation.operation)
        total = 0
        for kind, node in self._fields(operation.selection_set, root):
            if operation.operation.value == "mutation":
                total += self._mutation(kind, node, _answered(data, node))
            else:
                total += self._field(kind, node, _answered(data, node), asked=data is None)
        return total

    def _mutation(self, parent: Value, node: FieldNode, data: Value) -> int:
        payload = get_named_type(parent.fields[node.name.value].type)
        total = 10
        if node.selection_set is None or not isinstance(payload, GraphQLObjectType):
            return total
        for kind, child in self._fields(node.selection_set, payload):
            inner = get_named_type(kind.fields[child.name.value].type) if child.name.value != "__typename" else None
            if child.selection_set is None or child.name.value == "userErrors" or is_leaf_type(inner):
                continue
            total += self._children(child.selection_set, inner, _sample(_answered(data, child)), asked=data is None)
        return total

    def _fields(self, selections: SelectionSetNode | None, kind: Value) -> Iterator[tuple[Any, FieldNode]]:
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                yield kind, node
                continue
            inner = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = inner.type_condition  # type: ignore[union-attr]  # spreads were replaced above
            narrowed = self.schema.type_map[condition.name.value] if condition else kind
            yield from self._fields(inner.selection_set, narrowed)  # type: ignore[union-attr]  # as above

    def _field(self, parent: Value, node: FieldNode, data: Value, *, asked: bool) -> int:
        name = node.name.value
        if node.selection_set is None or name.startswith("__"):
            return 10 if name.endswith("Count") and parent.name == "Query" else 0
        kind = get_named_type(parent.fields[name].type)
        if name.endswith("Count"):
            return 10
        if kind.name in FREE:
            return 0
        if is_connection(kind):
            return self._connection(node, kind, data, asked=asked)
        if not asked and data in (None, []):
            return 1
        return 1 + self._children(node.selection_set, kind, _sample(data), asked=asked)

    def _children(self, selections: SelectionSetNode | None, kind: Value, data: Value, *, asked: bool) -> int:
        return sum(
            self._field(inner, child, _answered(data, child), asked=asked)
            for inner, child in self._fields(selections, kind)
        )

    def _connection(self, node: FieldNode, kind: Value, data: Value, *, asked: bool) -> int:
        total = 2
        for _inner, child in self._fields(node.selection_set, kind):
            if child.name.value not in ("nodes", "edges"):
                continue
            rows = _answered(data, child)
            count = self._page_size(node) if asked else len(rows or ())
            selections, item = child.selection_set, get_named_type(kind.fields[child.name.value].type)
            if child.name.value == "edges":
                total += rows_factor(count) * self._edge(child, item, rows, asked=asked)
            else:
                costs = [self._children(selections, item, row, asked=asked) for row in (rows or [None])]
                total += math.ceil(rows_factor(count) * (1 + sum(costs) / len(costs)))
        return total

    def _edge(self, child: FieldNode, item: Value, rows: Value, *, asked: bool) -> int:
        for kind, node in self._fields(child.selection_set, item):
            if node.name.value == "node":
                row = _answered(_sample(rows), node)
                return 1 + self._children(
                    node.selection_set, get_named_type(kind.fields["node"].type), row, asked=asked
                )
        return 1

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value)
                    if value is not None:
                        return int(value)
        return 1


def _answered(data: Value, node: FieldNode) -> Value:
    if not isinstance(data, dict):
        return None
    return data.get(node.alias.value if node.alias else node.name.value)


def _sample(data: Value) -> Value:
    if isinstance(data, list):
        return data[0] if data else None
    return data
