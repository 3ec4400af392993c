"""Bulk operations as mutations see them: what is refused, what is recorded, what is queued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    parse,
)

from integrations.devshop.refusals import validation_problems
from integrations.devshop.rows import Value, gid, gid_number
from integrations.devshop.schema import admin_schema, is_connection
from integrations.devshop.shop import BULK_UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import DocumentNode, SelectionSetNode

    from integrations.devshop.shop import Call

Payload = dict[str, Any]
MOST_AT_ONCE = 5
MOST_CONNECTIONS = 5
DEEPEST = 2
MOST_BYTES = 65_535
MOST_FILE = 100 * 1024 * 1024
SHORTEST_IDENTIFIER = 10
LONGEST_IDENTIFIER = 255


class Refused(Exception):  # noqa: N818  (a refusal is no error of the dev shop)
    def __init__(self, message: str, code: str | None = "INVALID", field: str | None = "query") -> None:
        super().__init__(message)
        self.entry = {"field": [field] if field else None, "message": message, "code": code}


def run_query(call: Call, args: dict[str, Any]) -> Payload:
    try:
        check_query(args["query"])
        _check_room(call, "QUERY")
    except Refused as refused:
        return {"bulkOperation": None, "userErrors": [refused.entry]}
    return _queued(call, "QUERY", args["query"])


def run_mutation(call: Call, args: dict[str, Any]) -> Payload:
    try:
        _check_identifier(args.get("clientIdentifier"))
        check_mutation(args["mutation"])
        _check_file(call, args["stagedUploadPath"])
        _check_room(call, "MUTATION")
    except Refused as refused:
        return {"bulkOperation": None, "userErrors": [refused.entry]}
    return _queued(call, "MUTATION", args["mutation"], path=args["stagedUploadPath"])


def cancel(call: Call, args: dict[str, Any]) -> Payload:
    operation = call.shop.bulk.get(gid_number(args["id"]))
    if operation is None:
        return _cancel_refused("Bulk operation does not exist", ["id"])
    if operation["status"] not in BULK_UNFINISHED:
        status = operation["status"].lower()
        return _cancel_refused(f"A bulk operation cannot be canceled when it is {status}", None, operation)
    operation["status"] = "CANCELING"
    call.shop.bulk_cancelled.add(gid_number(args["id"]))
    return {"bulkOperation": dict(operation), "userErrors": []}


def _cancel_refused(message: str, field: list[str] | None, operation: dict[str, Any] | None = None) -> Payload:
    return {"bulkOperation": operation, "userErrors": [{"field": field, "message": message}]}


def _queued(call: Call, kind: str, text: str, *, path: str | None = None) -> Payload:
    number = call.shop.next_id()
    operation = {
        "__typename": "BulkOperation",
        "id": gid("BulkOperation", number),
        "status": "CREATED",
        "type": kind,
        "query": text,
        "errorCode": None,
        "createdAt": call.shop.now_text(),
        "completedAt": None,
        "objectCount": "0",
        "rootObjectCount": "0",
        "fileSize": None,
        "url": None,
        "partialDataUrl": None,
    }
    call.shop.bulk[number] = operation
    call.shop.jobs.append((number, call.scopes, path))
    call.after.append(call.shop.wake)
    return {"bulkOperation": dict(operation), "userErrors": []}


def _check_identifier(identifier: str | None) -> None:
    if identifier is None or SHORTEST_IDENTIFIER <= len(identifier) <= LONGEST_IDENTIFIER:
        return
    words = f"is too long (maximum is {LONGEST_IDENTIFIER} characters)"
    if len(identifier) < SHORTEST_IDENTIFIER:
        words = f"is too short (minimum is {SHORTEST_IDENTIFIER} characters)"
    raise Refused(words, "INVALID_MUTATION", "clientIdentifier")


def _check_room(call: Call, kind: str) -> None:
    running = [each["id"] for each in call.shop.bulk_unfinished() if each["type"] == kind]
    if len(running) >= MOST_AT_ONCE:
        words = f"A bulk {kind.lower()} operation for this app and shop is already in progress: {', '.join(running)}."
        raise Refused(words, "OPERATION_IN_PROGRESS", None)


def _check_file(call: Call, key: str) -> None:
    path = call.shop.staged.get(key)
    if path is None:
        raise Refused("The JSONL file could not be found.", "NO_SUCH_FILE", "stagedUploadPath")
    size = path.stat().st_size
    if size == 0:
        raise Refused("The input file is empty.", "INVALID_STAGED_UPLOAD_FILE", None)
    if size > MOST_FILE:
        words = "The input file size exceeds the maximum allowed size of 100 MB."
        raise Refused(words, "INVALID_STAGED_UPLOAD_FILE", None)


def check_query(text: str) -> DocumentNode:
    """The parsed document. Raises Refused with the platform's words."""
    size = len(text.encode())
    if size > MOST_BYTES:
        raise Refused(f"Query is too large ({size} bytes; maximum is {MOST_BYTES} bytes)")
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        found = "unexpected end of file" if "<EOF>" in error.message else error.message
        raise Refused(f"Invalid bulk query: syntax error, {found}") from error
    operation = _operation(document)
    if operation.operation is not OperationType.QUERY:
        raise Refused("Invalid operation type. Only `query` operations are supported.")
    _refuse_invalid(document, "Invalid bulk query: ", "INVALID", "query")
    _check_shape(document, operation)
    return document


def check_mutation(text: str) -> DocumentNode:
    """The parsed document. Raises Refused with the platform's words."""
    size = len(text.encode())
    if size > MOST_BYTES:
        raise Refused(f"is too large ({size} bytes; maximum is {MOST_BYTES} bytes)", "INVALID_MUTATION", "mutation")
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        found = "unexpected end of file" if "<EOF>" in error.message else error.message
        raise Refused(f"syntax error, {found}", "INVALID_MUTATION", "mutation") from error
    operation = _operation(document)
    if operation.operation is not OperationType.MUTATION:
        words = "Invalid operation type. Only `mutation` operations are supported."
        raise Refused(words, "INVALID_MUTATION", "mutation")
    _refuse_invalid(document, "", "INVALID_MUTATION", "mutation")
    roots = list(fields_of(document, operation.selection_set))
    if len(roots) != 1:
        raise Refused("You must specify a single top level mutation.", None, "mutation")
    if roots[0].name.value.startswith("bulkOperation"):
        raise Refused("You must use an allowed mutation name.", None, "mutation")
    return document


def _operation(document: DocumentNode) -> OperationDefinitionNode:
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(found) != 1:
        raise Refused("Bulk queries must contain exactly one operation.")
    return found[0]


def _refuse_invalid(document: DocumentNode, prefix: str, code: str, field: str) -> None:
    if problems := validation_problems(admin_schema().graphql, document):
        raise Refused(prefix + "; ".join(each["message"] for each in problems), code, field)


def fields_of(document: DocumentNode, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
    """The fields of a selection with fragments replaced by what they hold."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, FragmentSpreadNode):
            yield from fields_of(document, fragments[node.name.value].selection_set)
        elif isinstance(node, InlineFragmentNode):
            yield from fields_of(document, node.selection_set)


def _check_shape(document: DocumentNode, operation: OperationDefinitionNode) -> None:
    root = admin_schema().graphql.query_type
    found = _Shape(document)
    found.walk(operation.selection_set, root, depth=0, in_list=False)
    top = {node.name.value for node in fields_of(document, operation.selection_set)}
    if top & {"node", "nodes"}:
        raise Refused("Bulk queries cannot contain a top level `node` field.")
    if found.connections == 0:
        raise Refused("Bulk queries must contain at least one connection.")
    if found.connections > MOST_CONNECTIONS:
        raise Refused(f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections.")
    if found.deepest > DEEPEST + 1:
        raise Refused(f"Bulk queries cannot contain connections with a nesting depth greater than {DEEPEST}.")


class _Shape:
    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self.connections = 0
        self.deepest = 0

    def walk(self, selections: SelectionSetNode | None, kind: Value, *, depth: int, in_list: bool) -> None:
        for node in fields_of(self.document, selections):
            if node.selection_set is None:
                continue
            declared = self.field_type(kind, node.name.value)
            if declared is None:
                continue
            named = get_named_type(declared)
            if not is_connection(named):
                bare = declared.of_type if isinstance(declared, GraphQLNonNull) else declared
                self.walk(node.selection_set, named, depth=depth, in_list=in_list or isinstance(bare, GraphQLList))
                continue
            if in_list:
                words = "Queries that contain a connection field within a list field are not currently supported."
                raise Refused(words)
            self.connection(node, named, depth + 1)

    def connection(self, node: FieldNode, named: Value, depth: int) -> None:
        self.connections += 1
        self.deepest = max(self.deepest, depth)
        children = {child.name.value: child for child in fields_of(self.document, node.selection_set)}
        if "edges" not in children:
            raise Refused(f"Invalid connection fields: '{node.name.value}'.")
        for edge in fields_of(self.document, children["edges"].selection_set):
            if edge.name.value != "node":
                continue
            item = get_named_type(named.fields["nodes"].type)
            before = self.connections
            self.walk(edge.selection_set, item, depth=depth, in_list=False)
            plain = {each.name.value for each in fields_of(self.document, edge.selection_set) if each.alias is None}
            if self.connections > before and "id" not in plain:
                raise Refused(
                    f"The parent 'node' field for a nested connection must select the 'id' field without an alias "
                    f"and must be of 'ID' return type. Connection fields without 'id': {node.name.value}."
                )

    def field_type(self, kind: Value, name: str) -> Value:
        field = getattr(kind, "fields", {}).get(name)
        if field is not None:
            return field.type
        for possible in admin_schema().graphql.get_possible_types(kind) if hasattr(kind, "types") else ():
            if name in possible.fields:
                return possible.fields[name].type
        return None
