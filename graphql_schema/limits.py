"""One linear limiter over the syntax tree: depth, fields, aliases, directives, nested introspection.

Each fragment is measured once and its measure added wherever it is spread, so that nested fragments cost no more time
than their text (the library's own limiters double with each level). The limits are told in `graphql_schema/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one document. Counts are after fragments are spread, except `tokens`, `characters` and `definitions`."""

    characters: int = 50_000
    tokens: int = 2_500
    definitions: int = 50  # operations and fragments
    depth: int = 16  # the standard introspection query has 15
    fields: int = 600
    aliases: int = 60
    directives: int = 40
    pairs: int = 2_000  # of equal names in one place: validation compares each two of them, at 12 µs
    introspection: int = 2  # lists of fields, interfaces, possible types or inputs inside each other


LIMITS: Final = Limits()
_INTROSPECTION_LISTS: Final = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})


class DocumentLimitError(GraphQLError):
    """A document that is refused before validation; the message names what was too much, and the limit."""

    def __init__(self, what: str, found: int | None, most: int) -> None:
        amount = "more than the limit" if found is None else f"{min(found, 10**9)}"
        super().__init__(f"This document has too many {what}: {amount}; at most {most} are allowed.")


@dataclass(frozen=True, slots=True)
class Measure:
    """Of a selection set with its fragments spread. `introspection` counts nested lists of the schema itself."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    introspection: int = 0

    def beside(self, other: Measure) -> Measure:
        return Measure(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            max(self.introspection, other.introspection),
        )


_NOTHING: Final = Measure()


@dataclass(slots=True)
class _Place:
    """The fields that meet in one place of the answer: how often each name stands there, and what is below it."""

    names: dict[str, int] = field(default_factory=dict)
    below: dict[str, _Place] = field(default_factory=dict)

    def under(self, name: str) -> _Place:
        return self.below.setdefault(name, _Place())


@dataclass(slots=True)
class _Walk:
    """`steps`: selections looked at, which is what a test bounds instead of the clock. Fragments on one type are taken
    to meet in one place."""

    limits: Limits
    fragments: dict[str, FragmentDefinitionNode]
    measures: dict[str, Measure | None] = field(default_factory=dict)  # None: being measured
    places: dict[str, _Place] = field(default_factory=dict)
    steps: int = 0
    pairs: int = 0

    def fragment(self, name: str) -> Measure:
        if name not in self.fragments:
            return _NOTHING  # validation says so
        if name in self.measures:
            known = self.measures[name]
            if known is None:
                raise GraphQLError(f'Cannot spread fragment "{name}" within itself.')
            return known
        self.measures[name] = None
        node = self.fragments[name]
        place = self.places.setdefault(node.type_condition.name.value, _Place())
        found = self.selections(node.selection_set, place).beside(Measure(directives=len(node.directives or ())))
        self.measures[name] = found
        return found

    def selections(self, selection_set: SelectionSetNode, place: _Place) -> Measure:
        total = _NOTHING
        for node in selection_set.selections:
            self.steps += 1
            total = total.beside(self.selection(node, place))
        return total

    def selection(self, node: SelectionNode, place: _Place) -> Measure:
        own = Measure(directives=len(node.directives or ()))
        if isinstance(node, FragmentSpreadNode):
            self._count(f"...{node.name.value}", place)
            return own.beside(self.fragment(node.name.value))
        if isinstance(node, InlineFragmentNode):
            return own.beside(self.selections(node.selection_set, place))
        if isinstance(node, FieldNode):
            name = node.alias.value if node.alias else node.name.value
            self._count(name, place)
            return own.beside(self.of_field(node, place.under(name)))
        return own

    def of_field(self, node: FieldNode, place: _Place) -> Measure:
        inner = self.selections(node.selection_set, place) if node.selection_set else _NOTHING
        return Measure(
            inner.depth + 1,
            inner.fields + 1,
            inner.aliases + (node.alias is not None),
            inner.directives,
            inner.introspection + (node.name.value in _INTROSPECTION_LISTS and node.selection_set is not None),
        )

    def _count(self, name: str, place: _Place) -> None:
        before = place.names.get(name, 0)
        place.names[name] = before + 1
        self.pairs += before
        if self.pairs > self.limits.pairs:
            raise DocumentLimitError("repetitions of the same names", None, self.limits.pairs)


def check_limits(document: DocumentNode, limits: Limits = LIMITS) -> int:
    """Refuse a document that is too large for any caller; the number of steps taken.

    Raises DocumentLimitError, and GraphQLError for fragments that contain themselves."""
    if len(document.definitions) > limits.definitions:
        raise DocumentLimitError("definitions", len(document.definitions), limits.definitions)
    walk = _Walk(limits, {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)})
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            found = walk.selections(node.selection_set, _Place())
            variables = sum(len(variable.directives or ()) for variable in node.variable_definitions or ())
            _refuse_excess(found.beside(Measure(directives=len(node.directives or ()) + variables)), limits)
    for name in walk.fragments:
        _refuse_excess(walk.fragment(name), limits)
    return walk.steps


def _refuse_excess(found: Measure, limits: Limits) -> None:
    for what, count, most in (
        ("levels", found.depth, limits.depth),
        ("fields", found.fields, limits.fields),
        ("aliases", found.aliases, limits.aliases),
        ("directives", found.directives, limits.directives),
        ("lists of the schema inside each other", found.introspection, limits.introspection),
    ):
        if count > most:
            raise DocumentLimitError(what, count, most)
