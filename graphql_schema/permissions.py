"""Denied by default: the scopes a document needs are read off its fields before anything runs.

Checking the document once costs nothing per row, and a refusal names every scope that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

from graphql_schema.access import Access, Scope
from graphql_schema.documents import directives_of, root_type

AccessTable = Mapping[tuple[str, str], Scope]  # (type, field) → scope


def _scope_in(directives: object) -> Scope | None:
    found = [directive.scope for directive in directives if isinstance(directive, Access)]  # type: ignore[attr-defined]  # Strawberry types directives as objects
    return Scope(found[0]) if found else None


def access_table(schema: GraphQLSchema) -> AccessTable:
    """The scope of each field. Raises ValueError naming every field that has none."""
    table: dict[tuple[str, str], Scope] = {}
    open_fields = []
    for name, kind in schema.type_map.items():
        if name.startswith("__") or not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            continue
        inherited = _scope_in(directives_of(kind))
        for field_name, field in kind.fields.items():
            scope = _scope_in(directives_of(field)) or inherited
            if scope is None:
                open_fields.append(f"{name}.{field_name}")
            else:
                table[name, field_name] = scope
    if open_fields:
        raise ValueError(f"these fields name no scope: {', '.join(sorted(open_fields))}")
    return MappingProxyType(table)


def scopes_needed(
    schema: GraphQLSchema,
    table: AccessTable,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> frozenset[Scope]:
    """Every scope that some field of a validated operation needs; each fragment is looked at once."""
    needed: set[Scope] = set()
    seen: set[str] = set()

    def walk(selection_set: SelectionSetNode, parent: GraphQLNamedType) -> None:
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                scope = table.get((parent.name, node.name.value))
                if scope is not None:
                    needed.add(scope)
                if node.selection_set is not None and scope is not None:
                    field: GraphQLField = parent.fields[node.name.value]  # type: ignore[attr-defined]  # validated: a type with fields
                    walk(node.selection_set, get_named_type(field.type))
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = fragments[node.name.value]
                    walk(fragment.selection_set, schema.type_map[fragment.type_condition.name.value])
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                walk(node.selection_set, schema.type_map[condition.name.value] if condition else parent)

    walk(operation.selection_set, root_type(schema, operation))
    return frozenset(needed - {Scope.ANY})
