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
from integrations.devshop.schema import AdminSchema, admin_schema, blank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from integrations.devshop.shop import Call

Answer = dict[str, Any]
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
    return _charged(schema, call, document, operation, request.variables, variables)


def _coerced(
    schema: AdminSchema, operation: OperationDefinitionNode, values: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    coerced = get_variable_values(schema.graphql, operation.variable_definitions or (), values)
    errors = coerced if isinstance(coerced, list) else []
    problems = variable_problems(schema.graphql, operation, values, errors)
    if problems or isinstance(coerced, list):
        return problems, {}
    return [], dict(coerced.coerced)


def _charged(
    schema: AdminSchema,
    call: Call,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    raw: dict[str, Any],
    variables: Mapping[str, Any],
) -> Answer:
    bucket = call.shop.bucket
    price = Price(schema.graphql, document, dict(variables))
    requested = price.requested(operation)
    if requested > MAX_SINGLE:
        message = f"Query cost is {requested}, which exceeds the single query max cost limit ({MAX_SINGLE})."
        extensions = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": MAX_SINGLE}
        return {"errors": [{"message": message, "extensions": extensions}]}
    if not bucket.take(requested):
        cost = _cost(call, requested, None)
        return {
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": ACCESS_DOCS}}],
            "extensions": {"cost": cost},
        }
    result = execute_sync(
        schema.graphql,
        document,
        context_value=call,
        variable_values=raw,
        operation_name=operation.name.value if operation.name else None,
        field_resolver=resolve,
        type_resolver=type_name,
    )
    actual = min(requested, price.actual(operation, result.data))
    bucket.give_back(requested - actual)
    body: Answer = {"data": result.data, "extensions": {"cost": _cost(call, requested, actual)}}
    if result.errors:
        body["errors"] = [_formatted(error) for error in result.errors]
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


def resolve(source: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
    """Every field of every type comes through here."""
    call: Call = info.context
    parent = info.parent_type
    needed, text = admin_schema().required(parent, info.field_name)
    if not call.allows(needed):
        raise denied(info.field_name, text)
    if source is None and parent.name in ("QueryRoot", "Mutation"):
        return _root(call, info, args)
    return read(source, parent.name, info.field_name, call, args, info.return_type)


def denied(name: str, text: str) -> GraphQLError:
    message = f"Access denied for {name} field. Required access: {text}"
    extensions = {"code": "ACCESS_DENIED", "documentation": ACCESS_DOCS, "requiredAccess": text}
    return GraphQLError(message, extensions=extensions)


def _root(call: Call, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
    table = MUTATIONS if info.parent_type.name == "Mutation" else ROOTS
    handler = table.get(info.field_name)
    if handler is None:
        message = f"The dev shop does not answer {info.field_name}"
        raise GraphQLError(message, extensions={"code": "NOT_IN_DEVSHOP"})
    if table is MUTATIONS:
        call.shop.writes[info.field_name] += 1
    return handler(call, args)


def read(source: Any, kind: str, name: str, call: Call, args: dict[str, Any], declared: Any) -> Any:
    if isinstance(source, dict):
        found = source.get(name)
    elif isinstance(source, Connection):
        found = page_of(source).get(name)
    else:
        reader = READERS.get(kind, {}).get(name)
        found = None if reader is None else reader(source, call, args)
    if found is None:
        found = blank(declared)
        if found == {} and kind.endswith("Connection") is False and str(declared).rstrip("!").endswith("Connection"):
            return Connection([], [], has_next=False, has_previous=False, total=0)
    return found


def type_name(value: Any, _info: GraphQLResolveInfo, _abstract: Any) -> str:
    if isinstance(value, dict):
        return str(value["__typename"])
    return TYPE_NAMES[type(value)]
