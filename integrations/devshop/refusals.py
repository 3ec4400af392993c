"""Refusing a document as the platform does: its codes and words for what graphql-core finds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    validate,
    visit,
)
from graphql.utilities import type_from_ast

from integrations.devshop.rows import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import DocumentNode, GraphQLSchema, Node

GLOBAL_ID = re.compile(r"gid://[\w.-]+/[\w]+/[\w-]+(\?[\w=&.-]*)?")
Problem = dict[str, Any]

# (what graphql-core says) -> (code, the platform's words, names of the groups to hand out beside the code)
TRANSLATIONS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"Cannot query field '(?P<fieldName>\w+)' on type '(?P<typeName>\w+)'"),
        "undefinedField",
        "Field '{fieldName}' doesn't exist on type '{typeName}'",
    ),
    (
        re.compile(r"Argument '\w+\.(?P<name>\w+)\((?P<arguments>\w+):\)' of type '.*' is required"),
        "missingRequiredArguments",
        "Field '{name}' is missing required arguments: {arguments}",
    ),
    (
        re.compile(r"Unknown argument '(?P<argumentName>\w+)' on field '\w+\.(?P<name>\w+)'"),
        "argumentNotAccepted",
        "Field '{name}' doesn't accept argument '{argumentName}'",
    ),
    (
        re.compile(r"Field '(?P<nodeName>\w+)' of type '(?P<typeName>.*)' must have a selection of subfields"),
        "selectionMismatch",
        (
            "Field must have selections (field '{nodeName}' returns {typeName} but has no selections. "
            "Did you mean '{nodeName} {{ ... }}'?)"
        ),
    ),
    (
        re.compile(r"Field '(?P<nodeName>\w+)' must not have a selection since type '(?P<typeName>.*)' has no"),
        "selectionMismatch",
        "Selections can't be made on scalars (field '{nodeName}' returns {typeName} but has selections)",
    ),
    (
        re.compile(r"Variable '\$(?P<variableName>\w+)' is never used(?: in operation '(?P<operation>\w+)')?"),
        "variableNotUsed",
        "Variable ${variableName} is declared by {operation} but not used",
    ),
    (
        re.compile(r"Variable '\$(?P<variableName>\w+)' is not defined(?: by operation '(?P<operation>\w+)')?"),
        "variableNotDefined",
        "Variable ${variableName} is used by {operation} but not declared",
    ),
    (
        re.compile(
            r"Variable '\$(?P<variableName>\w+)' of type '(?P<typeName>.*)' used in position "
            r"expecting type '(?P<expected>.*)'"
        ),
        "variableMismatch",
        "Type mismatch on variable ${variableName} ({typeName} / {expected})",
    ),
    (
        re.compile(r"Fragment '(?P<fragmentName>\w+)' is never used"),
        "useAndDefineFragment",
        "Fragment {fragmentName} was defined, but not used",
    ),
    (
        re.compile(r"(?:Expected value of type|\w+ cannot represent|Value '?.*'? does not exist in|Enum '\w+')"),
        "argumentLiteralsIncompatible",
        "",
    ),
)


def syntax_problem(error: GraphQLSyntaxError) -> Problem:
    at = next((f" at [{spot.line}, {spot.column}]" for spot in error.locations or ()), "")
    words = error.message.removeprefix("Syntax Error: ")
    found = "unexpected end of file" if "<EOF>" in words else words.rstrip(".")
    return {"message": f"syntax error, {found}{at}", "locations": _spots(error), "extensions": {"code": "PARSE_ERROR"}}


def validation_problems(schema: GraphQLSchema, document: DocumentNode) -> list[Problem]:
    errors = validate(schema, document)
    if not errors:
        return _malformed_literals(schema, document)
    paths = dict(_paths(document))
    return [_translated(error, paths) for error in errors]


def _translated(error: GraphQLError, paths: dict[int, list[str]]) -> Problem:
    path = next((paths[id(node)] for node in error.nodes or () if id(node) in paths), [])
    for pattern, code, words in TRANSLATIONS:
        if found := pattern.search(error.message):
            names = {key: value or "anonymous query" for key, value in found.groupdict().items()}
            message = words.format(**names) if words else error.message
            return {
                "message": message,
                "locations": _spots(error),
                "path": path,
                "extensions": {"code": code, **names},
            }
    return {
        "message": error.message,
        "locations": _spots(error),
        "path": path,
        "extensions": {"code": "invalidDocument"},
    }


def _spots(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": spot.line, "column": spot.column} for spot in error.locations or ()]


def _paths(document: DocumentNode) -> Iterator[tuple[int, list[str]]]:
    """For every node its path as the platform writes it: the operation first, then the fields."""

    def walk(node: Node, path: list[str]) -> Iterator[tuple[int, list[str]]]:
        here = path
        if isinstance(node, FieldNode):
            here = [*path, node.alias.value if node.alias else node.name.value]
        yield id(node), here
        for key in node.keys:
            child = getattr(node, key, None)
            for each in child if isinstance(child, (list, tuple)) else (child,):
                if hasattr(each, "keys") and each is not None:
                    yield from walk(each, here)

    for definition in document.definitions:
        name = getattr(definition, "name", None)
        if isinstance(definition, OperationDefinitionNode):
            start = definition.operation.value + (f" {name.value}" if name else "")
        else:
            start = f"fragment {name.value}" if name else "document"
        yield from walk(definition, [start])


def _malformed_literals(schema: GraphQLSchema, document: DocumentNode) -> list[Problem]:
    """`Invalid global id 'x'` for ids written into the document itself."""
    found: list[Problem] = []
    info = TypeInfo(schema)

    class Ids(Visitor):
        def enter_string_value(self, node: StringValueNode, *_rest: Value) -> None:
            expected = info.get_input_type()
            if expected is None or get_named_type(expected).name != "ID" or GLOBAL_ID.fullmatch(node.value):
                return
            where = [{"line": node.loc.start_token.line, "column": node.loc.start_token.column}] if node.loc else []
            extensions = {"code": "argumentLiteralsIncompatible", "typeName": "CoercionError"}
            message = f"Invalid global id '{node.value}'"
            found.append({"message": message, "locations": where, "path": [], "extensions": extensions})

    visit(document, TypeInfoVisitor(info, Ids()))
    return found


def variable_problems(
    schema: GraphQLSchema, operation: OperationDefinitionNode, values: dict[str, Any], errors: list[GraphQLError]
) -> list[Problem]:
    """INVALID_VARIABLE, for what graphql-core could not coerce and for malformed ids."""
    problems = []
    for error in errors:
        name = _variable_name(error.message)
        problems.append(_invalid_variable(operation, name, values.get(name), error.message))
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        declared = type_from_ast(schema, definition.type)
        if declared is None or get_named_type(declared).name != "ID":
            continue
        value = values.get(name)
        for index, each in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(each, str) and not GLOBAL_ID.fullmatch(each):
                path = [index] if isinstance(value, list) else []
                explanation = f"Invalid global id '{each}'"
                problems.append(_invalid_variable(operation, name, value, explanation, path))
    return problems


def _variable_name(message: str) -> str:
    found = re.search(r"\$(\w+)", message)
    return found.group(1) if found else ""


def _invalid_variable(
    operation: OperationDefinitionNode, name: str, value: Value, explanation: str, path: list[int] | None = None
) -> Problem:
    node = next((each for each in operation.variable_definitions or () if each.variable.name.value == name), None)
    spots = [{"line": node.loc.start_token.line, "column": node.loc.start_token.column}] if node and node.loc else []
    short = explanation.partition("; ")[2] or explanation
    if value is None and "to be provided" in explanation:
        short = "Expected value to not be null"
    return {
        "message": f"Variable ${name} was provided invalid value ({short})",
        "locations": spots,
        "extensions": {
            "code": "INVALID_VARIABLE",
            "value": value,
            "problems": [{"path": path or [], "explanation": short}],
        },
    }
