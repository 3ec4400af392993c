"""A query worked out once: which fields stand where, how each is read and written. A request only runs it.

graphql-core decides for every object anew which fields it has, and builds a path, a dictionary of arguments and an
`Info` for each of them; Strawberry looks at the arguments again; each resolver is awaited by itself. A plan is made
once for a document and operation, and reads a field of all objects of its level at once (`graphql_schema/levels.py`),
so that a resolver with a form for many (`graphql_schema/batching.py`) is awaited once for a page.

What the library decides stays decided by it: which fields stand where is collected by its own functions, arguments and
variables are coerced by it, leaves are written by the schema's own scalars and enums. And it is the judge: whatever is
not plain (`UnusualError`, any error of a resolver, a null where none may be) ends a run, and the library answers
instead, with the errors, paths and partial data that only it makes. Queries only read, so they may run twice.

A plan holds nothing of a request and is shared by requests that run at the same time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Any, Final
from weakref import ref

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from graphql_schema.batching import many_of
from graphql_schema.context import Context
from graphql_schema.levels import (
    Abstract,
    Arguments,
    Asked,
    Attribute,
    Leaf,
    Listed,
    Object,
    Reader,
    Resolved,
    Run,
    Step,
    TypeName,
    UnusualError,
    Writer,
)
from plugin.errors import UnavailableError
from plugin.ledger.trouble import come_again

_MOST_STEPS: Final = 1_200  # of one plan: a document has 600 fields at most, some of them in several types
_KEPT: Final = 512
_KEPT_STEPS: Final = 60_000  # of all plans that are kept
Choice = tuple[Any, ...]
_NONE_GIVEN: Final = VariableValues({}, {})
# What may be handed to one request after the other.
_UNCHANGING: Final = (str, int, float, Enum, datetime, date, Decimal, type(None), type(strawberry.UNSET))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Planned:
    """A query's text with its plans, which go when it goes. `choosing`: the variables that its @skip and @include look
    at; `plans`: by their values. `number`: no other has it."""

    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    choosing: tuple[str, ...]
    plans: dict[Choice, _Plan] = field(default_factory=dict)
    number: int = field(default_factory=count().__next__)

    @staticmethod
    def of(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Planned:
        sets = [operation.selection_set, *(fragment.selection_set for fragment in fragments.values())]
        return Planned(operation, fragments, tuple(dict.fromkeys(name for each in sets for name in _chosen_by(each))))


def _chosen_by(selection_set: SelectionSetNode) -> Iterator[str]:
    for node in selection_set.selections:
        for directive in node.directives or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
        if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
            yield from _chosen_by(node.selection_set)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """`root` None: left to the library."""

    root: Object | None
    steps: int


@dataclass(slots=True)
class Plans:
    """Makes the plans of one schema, one for each query and each choice that its @skip and @include make, and bounds
    them: the longest unused go first."""

    schema: strawberry.Schema
    _kept: OrderedDict[tuple[int, Choice], tuple[ref[Planned], int]] = field(default_factory=OrderedDict)
    _steps: int = 0

    async def data(self, query: Planned, context: Context, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The `data` of an answer without errors; None where the library has to say what it is.

        Raises UnavailableError for trouble of the database, which the library would only meet again."""
        variables = _NONE_GIVEN
        if query.operation.variable_definitions:
            coerced = get_variable_values(
                _core(self.schema), query.operation.variable_definitions, dict(given), max_errors=1
            )
            if isinstance(coerced, list):
                return None
            variables = coerced
        root = self._plan(query, variables).root
        if root is None:
            return None
        try:
            return await root.root(Run(Asked(context), variables))
        except Exception as error:
            if come_again(error) is not None:
                raise UnavailableError("The database is in trouble.") from error
            return None

    def _plan(self, query: Planned, variables: VariableValues) -> _Plan:
        choice = tuple(variables.coerced.get(name) for name in query.choosing)
        kept = query.plans.get(choice)
        if kept is not None:
            self._kept.move_to_end((query.number, choice))
            return kept
        made = query.plans[choice] = _made(self.schema, query, variables)
        self._kept[query.number, choice] = ref(query), made.steps
        self._steps += made.steps
        while len(self._kept) > _KEPT or (self._steps > _KEPT_STEPS and len(self._kept) > 1):
            (_, unused), (of, steps) = self._kept.popitem(last=False)
            self._steps -= steps
            planned = of()
            if planned is not None:
                del planned.plans[unused]
        return made


def _core(schema: strawberry.Schema) -> GraphQLSchema:
    return schema._schema  # noqa: SLF001 - Strawberry has no public name for it


def _made(schema: strawberry.Schema, query: Planned, variables: VariableValues) -> _Plan:
    making = _Making(schema, query, variables)
    try:
        return _Plan(making.root(), making.steps)
    except Exception:  # noqa: BLE001 - whatever it was, the library says it better, and to each request anew
        return _Plan(None, 1)


class _Making:
    """The making of one plan. Methods raise UnusualError for what a plan does not do."""

    def __init__(self, schema: strawberry.Schema, query: Planned, variables: VariableValues) -> None:
        self._schema, self._core = schema, _core(schema)
        self._operation, self._variables = query.operation, variables
        self._fragments = {name: FragmentDetails(node) for name, node in query.fragments.items()}
        self.steps = 0

    def root(self) -> Object:
        kind = self._core.query_type
        if self._operation.operation is not OperationType.QUERY or kind is None:
            raise UnusualError("no query")
        found = collect_fields(self._core, self._fragments, self._variables, kind, self._operation)
        return self._fields(kind, found, required=True)

    def _fields(self, kind: GraphQLObjectType, found: CollectedFields, *, required: bool) -> Object:
        if found.new_defer_usages:
            raise UnusualError("@defer")
        definition = kind.extensions.get("strawberry-definition")
        if type(definition) is not StrawberryObjectDefinition or definition.is_type_of is not None:
            raise UnusualError(kind.name)
        steps = tuple(self._step(kind, details) for details in found.grouped_field_set.values())
        only = None if kind.is_type_of is None else definition.origin
        keys = tuple(found.grouped_field_set)
        return Object(required, any(step.later for step in steps), keys, steps, only)

    def _step(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Step:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnusualError("too long")
        name = details[0].node.name.value
        if name == "__typename":
            return Step(TypeName(kind.name), Leaf.of(GraphQLString, required=True), later=False)
        definition = kind.fields.get(name)  # introspection's are not among them
        if definition is None:
            raise UnusualError(name)
        reader, writer = self._reader(definition, details[0].node), self._writer(definition.type, details)
        return Step(reader, writer, reader.later or writer.later)

    def _reader(self, definition: GraphQLField, node: FieldNode) -> Reader:
        known = definition.extensions.get("strawberry-definition")
        ours = getattr(definition.resolve, "__module__", "") == "strawberry.schema.schema_converter"
        if type(known) is not StrawberryField or not ours or known.extensions:
            raise UnusualError(node.name.value)
        if self._schema.config.default_resolver is not getattr or self._schema.schema_converter.exception_handlers:
            raise UnusualError("another way of resolving")
        resolver = known.base_resolver
        if resolver is None:
            return Attribute(known.python_name)
        if (
            type(resolver) is not StrawberryResolver
            or not resolver.self_parameter
            or resolver.parent_parameter
            or resolver.root_parameter
            or (resolver.info_parameter is not None and resolver.info_parameter.name != "info")
        ):
            raise UnusualError(node.name.value)
        one: Any = resolver.wrapped_func
        later = known.is_async
        arguments = self._arguments(definition, node, known)
        info = resolver.info_parameter is not None
        return Resolved(one, many_of(one) if later else None, arguments, info=info, later=later)

    def _arguments(self, definition: GraphQLField, node: FieldNode, known: StrawberryField) -> Arguments:
        scalars = self._schema.schema_converter.scalar_registry
        arguments = Arguments(definition, node, known.arguments, self._schema.config, scalars)
        if any(map(_varies, (argument.value for argument in node.arguments or ()))):
            return arguments
        fixed = arguments.of(_NONE_GIVEN)
        unchanging = all(isinstance(value, _UNCHANGING) for value in fixed.values())
        return replace(arguments, fixed=fixed) if unchanging else arguments

    def _writer(self, of: GraphQLOutputType, details: list[FieldDetails]) -> Writer:
        required, kind = is_non_null_type(of), get_nullable_type(of)
        if is_list_type(kind):
            item = self._writer(kind.of_type, details)
            return Listed(required, item.later, item)
        if is_leaf_type(kind):
            return Leaf.of(kind, required=required)
        if isinstance(kind, GraphQLObjectType):
            return self._below(kind, details, required=required)
        if isinstance(kind, GraphQLInterfaceType):
            return self._interface(kind, details, required=required)
        raise UnusualError(str(kind))

    def _below(self, kind: GraphQLObjectType, details: list[FieldDetails], *, required: bool) -> Object:
        found = collect_subfields(self._core, self._fragments, self._variables, self._operation, kind, details)
        return self._fields(kind, found, required=required)

    def _interface(self, kind: GraphQLInterfaceType, details: list[FieldDetails], *, required: bool) -> Abstract:
        definition = kind.extensions.get("strawberry-definition")
        if type(definition) is not StrawberryObjectDefinition or definition.resolve_type is not None:
            raise UnusualError(kind.name)
        classes: dict[type, Object] = {}
        for possible in self._core.get_possible_types(kind):
            of = possible.extensions["strawberry-definition"]
            if of.is_graphql_generic or of.name != possible.name or not issubclass(of.origin, definition.origin):
                raise UnusualError(possible.name)  # the library has more ways of finding its type
            classes[of.origin] = self._below(possible, details, required=True)
        return Abstract(required, any(each.later for each in classes.values()), classes)


def _varies(value: ValueNode) -> bool:
    """Whether a variable stands anywhere in it."""
    if isinstance(value, ListValueNode):
        return any(map(_varies, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_varies(each.value) for each in value.fields)
    return isinstance(value, VariableNode)
