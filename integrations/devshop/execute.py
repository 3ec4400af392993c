"""One Admin GraphQL request: parse, validate on the real schema, charge, execute, answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    get_named_type,
    get_operation_ast,
    parse,
)
from graphql.execution import get_variable_values

from integrations.devshop.cost import MAX_SINGLE, Price
from integrations.devshop.mutations import MUTATIONS
from integrations.devshop.paging import Connection
from integrations.devshop.readers import READERS, TYPE_NAMES, page_of
from integrations.devshop.refusals import syntax_problem, validation_problems, variable_problems
from integrations.devshop.roots import ROOTS
from integrations.devshop.rows import Value
from integrations.devshop.schema import AdminSchema, admin_schema, blank, is_connection

if TYPE_CHECKING:
    from integrations.devshop.shop import Call

Answer = dict[str, Any]
LIMITS_DOCS = "https://shopify.dev/api/usage/rate-limits"
ACCESS_DOCS = "https://shopify.dev/api/usage/access-scopes"


@dataclass(frozen=True)
class Request:
    query: str
    variables: dict[str, Any]
    operation_name: str | None = None


@lru_cache(maxsize=512)
def _checked(query: str) -> tuple[DocumentNode | None, tuple[dict[str, Any], ...]]:
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return None, (syntax_problem(error),)
    return document, tuple(validation_problems(admin_schema().graphql, document))


def answer(call: Call, request: Request) -> Answer:
    """The body of the answer; the HTTP status is 200 whatever it says, as on the platform."""
    schema = admin_schema()
    document, problems = _checked(request.query)
    if document is None or problems:
        return {"errors": list(problems)}
    operation = get_operation_ast(document, request.operation_name)
    if operation is None:
        return {"errors": [{"message": "An operation name is required", "locations": [], "path": []}]}
    problems_of_values, variables = _coerced(schema, operation, request.variables)
    if problems_of_values:
        return {"errors": problems_of_values}
    call.operation = operation.name.value if operation.name else ""
    return _charged(call, _Prepared(document, operation, request.variables, variables))


def _coerced(
    schema: AdminSchema, operation: OperationDefinitionNode, values: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    coerced = get_variable_values(schema.graphql, operation.variable_definitions or (), values)
    errors = coerced if isinstance(coerced, list) else []
    problems = variable_problems(schema.graphql, operation, values, errors)
    if problems or isinstance(coerced, list):
        return problems, {}
    return [], dict(coerced.coerced)


@dataclass(frozen=True)
class _Prepared:
    """A document that passed every check, with its variables as sent and as coerced."""

    document: DocumentNode
    operation: OperationDefinitionNode
    sent: dict[str, Any]
    coerced: dict[str, Any]


def _charged(call: Call, ready: _Prepared) -> Answer:
    schema, bucket = admin_schema().graphql, call.shop.bucket
    price = Price(schema, ready.document, ready.coerced)
    requested = price.requested(ready.operation)
    if requested > MAX_SINGLE:
        message = f"Query cost is {requested}, which exceeds the single query max cost limit ({MAX_SINGLE})."
        extensions = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": MAX_SINGLE}
        return {"errors": [{"message": message, "extensions": extensions}]}
    if not bucket.take(requested):
        cost = _cost(call, requested, None)
        return {
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": LIMITS_DOCS}}],
            "extensions": {"cost": cost},
        }
    result = execute_sync(
        schema,
        ready.document,
        context_value=call,
        variable_values=ready.sent,
        operation_name=call.operation or None,
        field_resolver=resolve,
        type_resolver=type_name,
    )
    actual = min(requested, price.actual(ready.operation, result.data))
    bucket.give_back(requested - actual)
    body: Answer = {"data": result.data, "extensions": {"cost": _cost(call, requested, actual)}}
    if result.errors:
        body["errors"] = [_formatted(error) for error in result.errors]
    if any((error.extensions or {}).get("code") == "MAX_INPUT_SIZE_EXCEEDED" for error in result.errors or ()):
        del body["data"]  # recorded so: charged, but without any data
    if call.search_notes:
        body["extensions"]["search"] = call.search_notes
    for job in call.after:
        job()
    return body


def _cost(call: Call, requested: int, actual: int | None) -> dict[str, Any]:
    status = call.shop.bucket.status()
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}


def _formatted(error: GraphQLError) -> dict[str, Any]:
    out: dict[str, Any] = {"message": error.message, "path": error.path}
    out["locations"] = [{"line": spot.line, "column": spot.column} for spot in error.locations or ()]
    if error.extensions:
        out["extensions"] = error.extensions
    elif error.original_error is not None:
        raise error.original_error  # a fault of the dev shop itself, which no test should take for an answer
    return out


def resolve(source: Value, info: GraphQLResolveInfo[Any], **args: Value) -> Value:
    """Every field of every type comes through here."""
    call: Call = info.context
    parent = info.parent_type
    needed, text = admin_schema().required(parent, info.field_name)
    if not call.allows(needed):
        raise denied(info.field_name, text)
    if source is None and parent.name in ("QueryRoot", "Mutation"):
        return _root(call, info, args)
    return read(source, parent.name, info.field_name, _Asked(call, args, info.return_type))


def denied(name: str, text: str) -> GraphQLError:
    message = f"Access denied for {name} field. Required access: {text}"
    extensions = {"code": "ACCESS_DENIED", "documentation": ACCESS_DOCS, "requiredAccess": text}
    return GraphQLError(message, extensions=extensions)


def _root(call: Call, info: GraphQLResolveInfo[Any], args: dict[str, Any]) -> Value:
    table = MUTATIONS if info.parent_type.name == "Mutation" else ROOTS
    handler = table.get(info.field_name)
    if handler is None:
        message = f"The dev shop does not answer {info.field_name}"
        raise GraphQLError(message, extensions={"code": "NOT_IN_DEVSHOP"})
    if table is MUTATIONS:
        call.shop.writes[info.field_name] += 1
    return handler(call, args)


@dataclass(frozen=True, slots=True)
class _Asked:
    call: Call
    args: dict[str, Any]
    declared: Value


def read(source: Value, kind: str, name: str, asked: _Asked) -> Value:
    if isinstance(source, dict):
        found = source.get(name)
    elif isinstance(source, Connection):
        found = page_of(source).get(name)
    else:
        reader = READERS.get(kind, {}).get(name)
        found = None if reader is None else reader(source, asked.call, asked.args)
    if found is None:
        found = blank(asked.declared)
        if found == {} and is_connection(get_named_type(asked.declared)):
            return Connection([], [], has_next=False, has_previous=False, total=0)
    return found


def type_name(value: Value, _info: GraphQLResolveInfo[Any], _abstract: Value) -> str:
    if isinstance(value, dict):
        return str(value["__typename"])
    return TYPE_NAMES[type(value)]
