"""The platform's real Admin schema, and what the dev shop asks of it: access, connections, blanks."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_client_schema,
    get_named_type,
    is_leaf_type,
)

from integrations.devshop.rows import Value

if TYPE_CHECKING:
    from graphql import GraphQLOutputType

SCHEMA_FILE = Path(__file__).parents[2] / "node_modules/@shopify/dev-mcp/dist/data/admin_2026-10.json.gz"
SCOPE = re.compile(r"`((?:read|write)_[a-z_]+)`")
Scopes = frozenset[str]


class AdminSchema:
    """The executable schema with the access the platform's own file states for types and fields."""

    def __init__(self, introspection: dict[str, Any]) -> None:
        # The platform's schema deprecates fields its interfaces still ask for, which graphql-core would refuse.
        self.graphql: GraphQLSchema = build_client_schema(introspection["data"], assume_valid=True)
        self.type_access: dict[str, str] = {}
        self.field_access: dict[tuple[str, str], str] = {}
        for kind in introspection["data"]["__schema"]["types"]:
            if text := kind.get("requiredAccess"):
                self.type_access[kind["name"]] = text
            for each in kind.get("fields") or ():
                if text := each.get("requiredAccess"):
                    self.field_access[kind["name"], each["name"]] = text
        self._required: dict[tuple[str, str], tuple[Scopes, str]] = {}

    def required(self, parent: GraphQLObjectType | GraphQLInterfaceType, name: str) -> tuple[Scopes, str]:
        """The scopes of which one is needed to read the field (none: anybody), and the platform's text for it."""
        key = (parent.name, name)
        known = self._required.get(key)
        if known is None:
            known = self._required[key] = self._work_out(parent, name)
        return known

    def _work_out(self, parent: GraphQLObjectType | GraphQLInterfaceType, name: str) -> tuple[Scopes, str]:
        text = self.field_access.get((parent.name, name))
        if text is None:
            text = self.type_access.get(entity_type(parent.fields[name].type).name, "")
        return frozenset(SCOPE.findall(text)), text


@cache
def admin_schema(path: Path = SCHEMA_FILE) -> AdminSchema:
    """One per process: building takes a second or two. Raises FileNotFoundError when set-up has not run."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: the platform's schema comes with `make setup` (npm ci)")
    with gzip.open(path) as packed:
        return AdminSchema(msgspec.json.decode(packed.read()))


def entity_type(declared: GraphQLOutputType) -> Value:
    """The named type a field leads to; for a connection, that of its nodes."""
    named = get_named_type(declared)
    if is_connection(named):
        return get_named_type(named.fields["nodes"].type)  # type: ignore[attr-defined]  # is_connection has looked
    return named


def is_connection(named: Value) -> bool:
    return isinstance(named, GraphQLObjectType) and named.name.endswith("Connection") and "nodes" in named.fields


ZEROES: dict[str, Any] = {
    "Boolean": False,
    "Int": 0,
    "Float": 0.0,
    "String": "",
    "ID": "gid://shopify/Blank/0",
    "Money": "0.0",
    "Decimal": "0.0",
    "UnsignedInt64": "0",
    "BigInt": "0",
    "DateTime": "1970-01-01T00:00:00Z",
    "Date": "1970-01-01",
    "URL": "https://shop.example/",
}


def blank(declared: GraphQLOutputType) -> Value:
    """What a field the dev shop keeps nothing for answers: null where it may, else the emptiest value of its type."""
    if not isinstance(declared, GraphQLNonNull):
        return None
    inner = declared.of_type
    if isinstance(inner, GraphQLList):
        return []
    if isinstance(inner, GraphQLEnumType):
        return next(iter(inner.values))
    if is_leaf_type(inner):
        return ZEROES.get(inner.name, "")
    if isinstance(inner, GraphQLUnionType):
        return {"__typename": inner.types[0].name}
    return {} if isinstance(inner, GraphQLObjectType) else None
