"""How a plan runs: a field of all objects of a level at once, column by column, then the columns as rows.

Each part takes a list and gives a list of the same length. `later` says whether anything below has to be awaited: what
has not runs as plain calls. Nothing here is changed by a run; what belongs to a request is in `Run`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Final, TypeVar

from graphql import FieldNode, GraphQLField, get_argument_values
from graphql.execution.values import VariableValues
from graphql.pyutils import UndefinedType
from graphql.type import GraphQLEnumType, GraphQLLeafType
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import StrawberryArgument, convert_arguments

from graphql_schema.context import Context

T = TypeVar("T")
Values = list[Any]
_LISTS: Final = frozenset({list, tuple})
_NONE: Final = type(None)
_USUAL: Final = frozenset({_NONE, str, int, float, bool, list, tuple})
_INT: Final = range(-(2**31), 2**31)


class UnusualError(Exception):
    """What a plan does not do: the library has to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What resolvers get as `info`: the context, which is all that they read. Anything else of it is missed, and the
    library asked."""

    context: Context


@dataclass(frozen=True, slots=True)
class Run:
    """One request."""

    info: Asked
    variables: VariableValues


def kinds_of(values: Iterable[object]) -> set[type]:
    """The classes of values. Raises UnusualError for what the library would raise or await."""
    kinds = set(map(type, values))
    for kind in kinds - _USUAL:
        if issubclass(kind, (BaseException, UndefinedType, Awaitable)):
            raise UnusualError(kind.__name__)
    return kinds


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All of it, at the same time; when one fails the others end first."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


# --- values as they are written ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Writer(ABC):
    """Writes the values of one type. `required`: none of them may be null."""

    required: bool
    later: bool

    def now(self, values: Values, run: Run) -> Values:
        kinds = kinds_of(values)
        present = self._present(values, kinds)
        return _filled(values, present, self._now(present, kinds, run) if present else [])

    async def all(self, values: Values, run: Run) -> Values:
        kinds = kinds_of(values)
        present = self._present(values, kinds)
        return _filled(values, present, await self._all(present, kinds, run) if present else [])

    def _present(self, values: Values, kinds: set[type]) -> Values:
        if _NONE not in kinds:
            return values
        if self.required:
            raise UnusualError("null")
        kinds.discard(_NONE)
        return [value for value in values if value is not None]

    @abstractmethod
    def _now(self, values: Values, kinds: set[type], run: Run) -> Values: ...

    async def _all(self, values: Values, kinds: set[type], run: Run) -> Values:
        return self._now(values, kinds, run)


def _filled(values: Values, present: Values, written: Values) -> Values:
    if present is values:
        return written
    given = iter(written)
    return [None if value is None else next(given) for value in values]


@dataclass(frozen=True, slots=True)
class Leaf(Writer):
    """Scalars and enums. `plain`: classes of values that are answered as they are; `names`: of an enum's members."""

    leaf: GraphQLLeafType
    plain: frozenset[type]
    names: Mapping[Any, str] | None

    @staticmethod
    def of(type_: GraphQLLeafType, *, required: bool) -> Leaf:
        names = None
        if isinstance(type_, GraphQLEnumType):
            kind = getattr(type_, "wrapped_cls", None)
            if isinstance(kind, type) and issubclass(kind, Enum):
                names = {member: type_.coerce_output_value(member) for member in kind}
        return Leaf(required, False, type_, _PLAIN.get(type_.name, frozenset()), names)

    def _now(self, values: Values, kinds: set[type], run: Run) -> Values:  # noqa: ARG002 - as writers have it
        if kinds <= self.plain and (int not in kinds or (min(values) in _INT and max(values) in _INT)):
            return values
        if self.names and kinds == {type(next(iter(self.names)))}:
            return [self.names[value] for value in values]
        written = [self.leaf.coerce_output_value(value) for value in values]
        kinds_now = kinds_of(written)
        if _NONE in kinds_now:
            raise UnusualError("null")
        return written


# As the library's own serializers give them back; a test compares. A bool is no plain Int, and a float may be infinite.
_PLAIN: Final[Mapping[str, frozenset[type]]] = {
    "String": frozenset({str}),
    "ID": frozenset({str}),
    "Int": frozenset({int}),
    "Boolean": frozenset({bool}),
}


@dataclass(frozen=True, slots=True)
class Listed(Writer):
    """Lists: the items of all of them are written at once."""

    item: Writer

    def _now(self, values: Values, kinds: set[type], run: Run) -> Values:
        return _cut(values, self.item.now(_joined(values, kinds), run))

    async def _all(self, values: Values, kinds: set[type], run: Run) -> Values:
        return _cut(values, await self.item.all(_joined(values, kinds), run))


def _joined(lists: Values, kinds: set[type]) -> Values:
    if not kinds <= _LISTS:
        raise UnusualError("not a list")
    return list(chain.from_iterable(lists))


def _cut(lists: Values, written: Values) -> Values:
    given = iter(written)
    return [list(islice(given, len(each))) for each in lists]


@dataclass(frozen=True, slots=True)
class Object(Writer):
    """Objects of one type. `only`: the class they must be of, where the schema asks for it. One that stands in several
    places, such as a segment that many customers are in, is written once."""

    keys: tuple[str, ...]
    steps: tuple[Step, ...]
    only: type | None

    async def root(self, run: Run) -> dict[str, Any]:
        """The answer of a query: a level of one object, which is nothing."""
        [row] = await self._all([None], {_NONE}, run)
        return row  # type: ignore[no-any-return]  # values are whatever they are

    def _now(self, values: Values, kinds: set[type], run: Run) -> Values:
        self._check(kinds)
        different = {id(value): value for value in values}
        once = values if len(different) == len(values) else list(different.values())
        return _spread(values, different, self._rows(once, [step.now(once, run) for step in self.steps]))

    async def _all(self, values: Values, kinds: set[type], run: Run) -> Values:
        self._check(kinds)
        different = {id(value): value for value in values}
        return _spread(values, different, await self._written(list(different.values()), run))

    async def _written(self, values: Values, run: Run) -> Values:
        columns = [[] if step.later else step.now(values, run) for step in self.steps]
        waiting = [place for place, step in enumerate(self.steps) if step.later]
        if len(waiting) == 1:
            columns[waiting[0]] = await self.steps[waiting[0]].all(values, run)
        elif waiting:
            found = await together(self.steps[place].all(values, run) for place in waiting)
            for place, column in zip(waiting, found, strict=True):
                columns[place] = column
        return self._rows(values, columns)

    def _check(self, kinds: set[type]) -> None:
        if self.only is not None and kinds != {self.only}:
            raise UnusualError("another class")

    def _rows(self, values: Values, columns: list[Values]) -> Values:
        if not columns:
            return [{} for _ in values]
        if any(len(column) != len(values) for column in columns):
            raise UnusualError("rows")
        keys = self.keys
        return [dict(zip(keys, row)) for row in zip(*columns)]  # noqa: B905 - of one length


def _spread(values: Values, different: Iterable[int], rows: Values) -> Values:
    if len(rows) == len(values):
        return rows
    row_of = dict(zip(different, rows, strict=True))
    return [row_of[id(value)] for value in values]


@dataclass(frozen=True, slots=True)
class Abstract(Writer):
    """Objects of an interface, each written as its class is. Nothing here says by `strawberry.cast` that it is of
    another class; a test sees to it."""

    classes: Mapping[type, Object]

    def _now(self, values: Values, kinds: set[type], run: Run) -> Values:
        groups = self._groups(values, kinds)
        return _ungrouped(values, groups, [self.classes[kind].now(group, run) for kind, group in groups.items()])

    async def _all(self, values: Values, kinds: set[type], run: Run) -> Values:
        groups = self._groups(values, kinds)
        written = await together(self.classes[kind].all(group, run) for kind, group in groups.items())
        return _ungrouped(values, groups, written)

    def _groups(self, values: Values, kinds: set[type]) -> dict[type, Values]:
        if not kinds <= self.classes.keys():
            raise UnusualError("another class")
        return {kind: [value for value in values if type(value) is kind] for kind in kinds}


def _ungrouped(values: Values, groups: Iterable[type], written: list[Values]) -> Values:
    given = {kind: iter(rows) for kind, rows in zip(groups, written, strict=True)}
    return [next(given[type(value)]) for value in values]


# --- fields as they are read -----------------------------------------------------------------------------------------


class Reader(ABC):
    """Reads a field of many objects."""

    __slots__ = ("later",)
    later: bool

    @abstractmethod
    def now(self, parents: Values, run: Run) -> Values: ...

    async def all(self, parents: Values, run: Run) -> Values:
        return self.now(parents, run)


class TypeName(Reader):
    """`__typename`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self.later, self._name = False, name

    def now(self, parents: Values, run: Run) -> Values:  # noqa: ARG002 - as readers have it
        return [self._name] * len(parents)


class Attribute(Reader):
    """A field without a resolver."""

    __slots__ = ("_get",)

    def __init__(self, name: str) -> None:
        self.later, self._get = False, attrgetter(name)

    def now(self, parents: Values, run: Run) -> Values:  # noqa: ARG002 - as readers have it
        return list(map(self._get, parents))


@dataclass(frozen=True, slots=True)
class Arguments:
    """A field's arguments, coerced by the library once a request; once for all where no variable stands in them."""

    field: GraphQLField
    node: FieldNode
    known: list[StrawberryArgument]
    config: StrawberryConfig
    scalars: Mapping[object, Any]
    fixed: Mapping[str, Any] | None = None

    def of(self, variables: VariableValues) -> Mapping[str, Any]:
        if self.fixed is not None:
            return self.fixed
        coerced = get_argument_values(self.field, self.node, variables)
        return convert_arguments(coerced, self.known, scalar_registry=self.scalars, config=self.config)


class Resolved(Reader):
    """A field with a resolver, `many` its form for many objects."""

    __slots__ = ("_arguments", "_info", "_many", "_one")

    def __init__(
        self,
        one: Callable[..., Any],
        many: Callable[..., Awaitable[Sequence[Any]]] | None,
        arguments: Arguments,
        *,
        info: bool,
        later: bool,
    ) -> None:
        self._one, self._many, self._arguments, self._info, self.later = one, many, arguments, info, later

    def now(self, parents: Values, run: Run) -> Values:
        one, given = self._one, self._given(run)
        return [one(parent, **given) for parent in parents]

    async def all(self, parents: Values, run: Run) -> Values:
        if not parents:
            return []
        one, given = self._one, self._given(run)
        if self._many is not None:
            return list(await self._many(parents, **given))
        if len(parents) == 1:
            return [await one(parents[0], **given)]
        return await together(one(parent, **given) for parent in parents)

    def _given(self, run: Run) -> Mapping[str, Any]:
        arguments = self._arguments.of(run.variables)
        return {**arguments, "info": run.info} if self._info else arguments


@dataclass(frozen=True, slots=True)
class Step:
    """One field of one type, under all its names in the text that meet in one place."""

    reader: Reader
    writer: Writer
    later: bool

    def now(self, parents: Values, run: Run) -> Values:
        return self.writer.now(self.reader.now(parents, run), run)

    async def all(self, parents: Values, run: Run) -> Values:
        values = await self.reader.all(parents, run) if self.reader.later else self.reader.now(parents, run)
        return await self.writer.all(values, run) if self.writer.later else self.writer.now(values, run)
