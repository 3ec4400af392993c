"""One document from text to answer: checked, allowed, priced, executed, its errors masked.

Nothing runs before the document is within its limits, valid, allowed to this credential and paid for.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, OperationType, execute

from graphql_schema.access import Scope
from graphql_schema.context import Context
from graphql_schema.cost import MOST_POINTS, Buckets, Price
from graphql_schema.documents import Checked, Documents, InvalidDocumentError
from graphql_schema.permissions import AccessTable, scopes_needed
from graphql_schema.request import GraphQLRequest, RequestRefusedError
from graphql_schema.schema import core
from plugin.errors import BadRequestError, ForbiddenError, NotFoundError, RebloomError, UnavailableError
from plugin.ledger.trouble import come_again

_DEADLINE: Final = 30.0  # seconds of one request
_MOST_ERRORS: Final = 20  # of one answer
_SHOWN: Final = (BadRequestError, ForbiddenError, NotFoundError)  # their messages are written for callers
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answer:
    """`executed` False: refused before anything ran, so there is no `data` to show."""

    executed: bool
    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    cost: dict[str, Any] | None = None
    throttled: bool = False

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if self.errors:
            body["errors"] = self.errors
        if self.executed:
            body["data"] = self.data
        if self.cost is not None:
            body["extensions"] = {"cost": self.cost}
        return body


@dataclass(slots=True)
class Engine:
    """One schema with its documents, its access table and its buckets."""

    schema: strawberry.Schema
    access: AccessTable
    buckets: Buckets
    documents: Documents
    hide_suggestions: bool = False

    async def answer(
        self, request: GraphQLRequest, context: Context, *, payer: Hashable, reads_only: bool, request_id: str
    ) -> Answer:
        """Raises RequestRefusedError for a mutation where only reads are allowed (GET), UnavailableError when the
        database was in trouble: half an answer, with a null where a customer is, would be taken for the truth."""
        try:
            checked = self.documents.asked(request.query, request.document_id)
            operation = checked.operation(request.operation_name)
        except InvalidDocumentError as error:
            return _refused([said(found, error.code, request_id) for found in error.errors])
        except GraphQLError as error:
            return _refused([said(error, "BAD_REQUEST", request_id)])
        if reads_only and operation.operation is not OperationType.QUERY:
            raise RequestRefusedError(405, "METHOD_NOT_ALLOWED", "Send mutations by POST.", {"Allow": "POST"})
        missing = scopes_needed(core(self.schema), self.access, operation, checked.fragments) - context.scopes
        if missing:
            return _refused([_denied(missing, request_id)])
        price = Price(core(self.schema), operation, checked.fragments, request.variables)
        return await self._paid(request, checked, context, price, payer, request_id)

    async def _paid(
        self, request: GraphQLRequest, checked: Checked, context: Context, price: Price, payer: Hashable,
        request_id: str,
    ) -> Answer:  # fmt: skip
        requested = price.requested()
        if requested > MOST_POINTS:
            message = f"This query costs {requested} points; one query may cost at most {MOST_POINTS}. Ask for less."
            return self._unpaid(requested, payer, _error(message, "MAX_COST_EXCEEDED", request_id))
        if not self.buckets.take(payer, requested):
            answer = self._unpaid(requested, payer, _error("Throttled", "THROTTLED", request_id))
            answer.throttled = True
            return answer
        actual = 0
        try:
            result = await self._executed(request, checked, context)
            _refuse_trouble(result.errors or ())
            actual = min(requested, price.actual(result.data))
        finally:
            self.buckets.give_back(payer, requested - actual)
        errors = [said(error, "INTERNAL", request_id) for error in (result.errors or ())[:_MOST_ERRORS]]
        # Variables that do not fit are found before anything runs: those errors have no path.
        executed = result.data is not None or any(error.path for error in result.errors or ())
        return Answer(executed, result.data, errors, self._cost(requested, actual, payer))

    def _unpaid(self, requested: int, payer: Hashable, error: dict[str, Any]) -> Answer:
        answer = _refused([error])
        answer.cost = self._cost(requested, None, payer)
        return answer

    def _cost(self, requested: int, actual: int | None, payer: Hashable) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": self.buckets.status(payer),
        }

    async def _executed(self, request: GraphQLRequest, checked: Checked, context: Context) -> ExecutionResult:
        try:
            async with asyncio.timeout(_DEADLINE):
                result = execute(
                    core(self.schema),
                    checked.document,
                    context_value=context,
                    variable_values=request.variables,
                    operation_name=request.operation_name,
                    hide_suggestions=self.hide_suggestions,
                )
                return cast("ExecutionResult", await result if hasattr(result, "__await__") else result)
        except TimeoutError:
            raise UnavailableError("This took too long; ask for less at once.") from None


def _refuse_trouble(errors: Iterable[GraphQLError]) -> None:
    for error in errors:
        if come_again(error) is not None:
            raise UnavailableError("The database is in trouble.") from error


def _refused(errors: list[dict[str, Any]]) -> Answer:
    return Answer(executed=False, errors=errors)


def _denied(missing: frozenset[Scope], request_id: str) -> dict[str, Any]:
    scopes = sorted(scope.value for scope in missing)
    message = f"This credential lacks the scope {', '.join(scopes)}."
    return _error(message, "ACCESS_DENIED", request_id, {"missingScopes": scopes})


def _error(message: str, code: str, request_id: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"message": message, "extensions": {**(more or {}), "code": code, "requestId": request_id}}


def said(error: GraphQLError, code: str, request_id: str) -> dict[str, Any]:
    """An error as the caller sees it. What a resolver did not write for callers is only in the log, without values."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    told: dict[str, Any]
    if original is None:
        told = _error(error.message, "BAD_USER_INPUT" if code == "INTERNAL" else code, request_id)
    elif isinstance(original, _SHOWN):
        told = _error(str(original), original.code, request_id, getattr(original, "extensions", None))
    elif isinstance(original, UnavailableError):
        told = _error(str(original), original.code, request_id)
    else:
        _log_trouble(original, request_id)
        told = _error("Something went wrong on our side.", "INTERNAL", request_id)
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        told["path"] = list(error.path)
    return told


def _log_trouble(error: BaseException, request_id: str) -> None:
    """The kind of error and where it happened; its text may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    code = error.code if isinstance(error, RebloomError) else None
    _log.error("resolver failed", request_id=request_id, error=type(error).__name__, code=code, where=where)
