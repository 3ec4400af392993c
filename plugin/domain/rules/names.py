"""What a shop adds to the table of attributes: metafields, lifecycle models, holdouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from plugin.domain.rules.attributes import AttributeType

_METAFIELD_PREFIXES: Final = ("customer.metafields.", "metafields.")
_SHORT_PREFIX: Final = "customer."


@dataclass(frozen=True, slots=True)
class MetafieldDefinition:
    """`is_list`: a list of values of that type, which takes CONTAINS."""

    namespace: str
    key: str
    type: AttributeType
    is_list: bool = False

    @property
    def name(self) -> str:
        return f"metafields.{self.namespace}.{self.key}".lower()


@dataclass(frozen=True, slots=True)
class Names:
    """`models` maps the key of a lifecycle model to its stage keys; while it is empty, stages are not checked.

    `holdouts` None and `history_days` None mean that they are not known and not checked. With `assume_metafields` a
    metafield without a definition is let through with a warning, and is NULL for everybody; without, it is
    `unknown_attribute`."""

    metafields: Mapping[str, MetafieldDefinition] = field(default_factory=dict)
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    primary_model: str = ""
    holdouts: frozenset[str] | None = None
    history_days: int | None = None
    assume_metafields: bool = True


NO_NAMES: Final = Names(MappingProxyType({}), MappingProxyType({}))


class Lookup(Enum):
    """Why a dotted name is no metafield with a definition."""

    UNKNOWN = "unknown"
    UNDEFINED = "undefined"  # written as a metafield, but the shop has no such definition


def canonical_path(name: str) -> str:
    """`customer.metafields.ns.key` as `metafields.ns.key`; other spellings as they are."""
    lower = name.lower()
    return lower.removeprefix(_SHORT_PREFIX) if lower.startswith(_METAFIELD_PREFIXES[0]) else lower


def is_metafield_path(name: str) -> bool:
    """`metafields.<namespace>.<key>` or `customer.<key>`, whether defined or not."""
    parts = canonical_path(name).split(".")
    is_full = parts[0] == "metafields" and len(parts) == 3  # noqa: PLR2004 - the word, namespace, key
    return is_full or (parts[0] == "customer" and len(parts) == 2)  # noqa: PLR2004 - the word, key


def find_cycle(references: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Lifecycle models that wait for each other, in order, the first one again at the end; empty when none do.

    `references` maps each model to the other models whose stages its rules read (10.1)."""
    settled: set[str] = set()
    for start in sorted(references):
        path: list[str] = [start]
        branches = [iter(sorted(references[start]))]
        while branches:
            following = next(branches[-1], None)
            if following is None:
                branches.pop()
                settled.add(path.pop())
            elif following in path:
                return (*path[path.index(following) :], following)
            elif following not in settled and following in references:
                path.append(following)
                branches.append(iter(sorted(references[following])))
    return ()


def find_metafield(names: Names, name: str) -> tuple[MetafieldDefinition, ...] | Lookup:
    """The definitions that `name` may mean in any of its four spellings (chapter 5); two or more are ambiguous."""
    path = canonical_path(name)
    found = tuple(sorted(_candidates(names, path), key=lambda definition: definition.name))
    if found:
        return found
    return Lookup.UNDEFINED if is_metafield_path(path) else Lookup.UNKNOWN


def _candidates(names: Names, path: str) -> set[MetafieldDefinition]:
    first, _, rest = path.partition(".")
    definitions = names.metafields.values()
    if first == "metafields":
        return {definition for definition in definitions if definition.name == path}
    if first == "customer" and "." not in rest:
        short = {definition for definition in definitions if definition.key.lower() == rest}
        if short:
            return short
    return {definition for definition in definitions if definition.name == f"metafields.{path}"}
