"""One document from text to answer: checked, allowed, priced, executed, its errors masked.

Nothing runs before the document is within its limits, valid, allowed to this credential and paid for.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Final, cast

import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType, execute
from graphql.execution import Executor, create_source_event_stream

from graphql_schema.access import Scope
from graphql_schema.context import Context
from graphql_schema.cost import Buckets
from graphql_schema.documents import Checked, Documents, InvalidDocumentError
from graphql_schema.permissions import AccessTable, scopes_needed
from graphql_schema.plan import Planned, Plans
from graphql_schema.price import MOST_POINTS, Price
from graphql_schema.request import GraphQLRequest, RequestRefusedError
from graphql_schema.schema import core
from plugin.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    RebloomError,
    TooSlowError,
    UnauthenticatedError,
    UnavailableError,
)
from plugin.ledger.trouble import come_again

_DEADLINE: Final = 30.0  # seconds of one request
_MOST_ERRORS: Final = 20  # of one answer
_PAID_LATER: Final = 1.0  # seconds until an event that could not be paid for is tried again
_KEPT: Final = 2  # operations of a document: most have one, and a page of 600 fields is 150 KB
_LISTEN: Final = "A subscription is listened to over a WebSocket at this address, by graphql-transport-ws."
_SHOWN: Final = (BadRequestError, ForbiddenError, NotFoundError, TooSlowError)  # their messages are written for callers
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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known of an operation before it is asked for. `planned` None: always the library's."""

    operation: OperationDefinitionNode
    scopes: frozenset[Scope]
    price: Price
    planned: Planned | None


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A request whose document is within its limits, valid and allowed to the credential."""

    request: GraphQLRequest
    checked: Checked
    prepared: _Prepared

    @property
    def kind(self) -> OperationType:
        return self.prepared.operation.operation

    @property
    def requested(self) -> int:
        return self.prepared.price.requested(self.request.variables)


@dataclass(slots=True)
class Engine:
    """One schema with its documents, its access table and its buckets."""

    schema: strawberry.Schema
    access: AccessTable
    buckets: Buckets
    documents: Documents
    hide_suggestions: bool = False
    _plans: Plans = field(init=False)

    def __post_init__(self) -> None:
        self._plans = Plans(self.schema)

    async def answer(
        self, request: GraphQLRequest, context: Context, *, payer: Hashable, reads_only: bool, request_id: str
    ) -> Answer:
        """Raises RequestRefusedError for a mutation where only reads are allowed (GET), UnavailableError when the
        database was in trouble: half an answer, with a null where a customer is, would be taken for the truth."""
        admitted = self._admitted(request, context, request_id, reads_only=reads_only)
        if isinstance(admitted, Answer):
            return admitted
        if admitted.kind is OperationType.SUBSCRIPTION:
            return _refused([_error(_LISTEN, "BAD_REQUEST", request_id)])
        return await self._paid(admitted, context, payer, request_id)

    async def stream(
        self, request: GraphQLRequest, open_context: Callable[[], Awaitable[Context]], *, payer: Hashable,
        request_id: str,
    ) -> AsyncGenerator[Answer]:  # fmt: skip
        """The answers to any operation: one, or of a subscription one for each event, each in a context of its own. An
        event that is not paid for waits until it can be. Raises what `answer` and `open_context` raise."""
        context = await open_context()
        admitted = self._admitted(request, context, request_id)
        if isinstance(admitted, Answer):
            yield admitted
            return
        if admitted.kind is not OperationType.SUBSCRIPTION:
            yield await self._paid(admitted, context, payer, request_id)
            return
        refused = self._charged(admitted.requested, payer, request_id)
        if refused is not None:
            yield refused
            return
        source = await self._source(admitted, context)
        if isinstance(source, ExecutionResult):
            yield _refused([said(error, "BAD_REQUEST", request_id) for error in source.errors or ()])
            return
        try:
            async for event in source:
                yield await self._paid_in_time(admitted, await open_context(), payer, request_id, event)
        except UnauthenticatedError:  # taken back since
            raise
        except (GraphQLError, RebloomError) as error:
            if come_again(error) is not None:
                raise UnavailableError("The database is in trouble.") from error
            found = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            yield _refused([said(found, "INTERNAL", request_id)])

    async def _paid_in_time(
        self, admitted: _Admitted, context: Context, payer: Hashable, request_id: str, event: object
    ) -> Answer:
        while True:
            answer = await self._paid(admitted, context, payer, request_id, event)
            if not answer.throttled:
                return answer
            await asyncio.sleep(_PAID_LATER)

    async def _source(self, admitted: _Admitted, context: Context) -> AsyncIterable[Any] | ExecutionResult:
        executor = Executor.build(
            core(self.schema), admitted.checked.document, context_value=context,
            raw_variable_values=admitted.request.variables, operation_name=admitted.request.operation_name,
            hide_suggestions=self.hide_suggestions,
        )  # fmt: skip
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        source = create_source_event_stream(executor)
        return await source if isawaitable(source) else source

    def _admitted(
        self, request: GraphQLRequest, context: Context, request_id: str, *, reads_only: bool = False
    ) -> _Admitted | Answer:
        """What may run and its price, or why not."""
        try:
            checked = self.documents.asked(request.query, request.document_id)
            operation = checked.operation(request.operation_name)
        except InvalidDocumentError as error:
            return _refused([said(found, error.code, request_id) for found in error.errors])
        except GraphQLError as error:
            return _refused([said(error, "BAD_REQUEST", request_id)])
        if reads_only and operation.operation is not OperationType.QUERY:
            raise RequestRefusedError(405, "METHOD_NOT_ALLOWED", "Send mutations by POST.", {"Allow": "POST"})
        prepared = self._known(checked, operation)
        missing = prepared.scopes - context.scopes
        if missing:
            return _refused([_denied(missing, request_id)])
        return _Admitted(request, checked, prepared)

    def _known(self, checked: Checked, operation: OperationDefinitionNode) -> _Prepared:
        name = operation.name.value if operation.name else None
        kept: _Prepared | None = checked.prepared.get(name)
        if kept is not None:
            checked.prepared.move_to_end(name)
            return kept
        schema, fragments = core(self.schema), checked.fragments
        scopes = scopes_needed(schema, self.access, operation, fragments)
        reads = operation.operation is OperationType.QUERY
        prepared = _Prepared(
            operation, scopes, Price(schema, operation, fragments), Planned.of(operation, fragments) if reads else None
        )
        checked.prepared[name] = prepared
        if len(checked.prepared) > _KEPT:
            checked.prepared.popitem(last=False)
        return prepared

    def _charged(self, requested: int, payer: Hashable, request_id: str) -> Answer | None:
        """`requested` is taken from the payer's bucket, or the refusal."""
        if requested > MOST_POINTS:
            message = f"This query costs {requested} points; one query may cost at most {MOST_POINTS}. Ask for less."
            return self._unpaid(requested, payer, _error(message, "MAX_COST_EXCEEDED", request_id))
        if not self.buckets.take(payer, requested):
            answer = self._unpaid(requested, payer, _error("Throttled", "THROTTLED", request_id))
            answer.throttled = True
            return answer
        return None

    async def _paid(
        self, admitted: _Admitted, context: Context, payer: Hashable, request_id: str, event: object = None
    ) -> Answer:
        requested = admitted.requested
        refused = self._charged(requested, payer, request_id)
        if refused is not None:
            return refused
        actual = 0
        try:
            result = await self._executed(admitted, context, event)
            _refuse_trouble(result.errors or ())
            actual = min(requested, admitted.prepared.price.actual(result.data))
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

    async def _executed(self, admitted: _Admitted, context: Context, event: object) -> ExecutionResult:
        try:
            async with asyncio.timeout(_DEADLINE):
                planned = admitted.prepared.planned
                if planned is not None:
                    data = await self._plans.data(planned, context, admitted.request.variables)
                    if data is not None:
                        return ExecutionResult(data, None)
                result = execute(
                    core(self.schema),
                    admitted.checked.document,
                    root_value=event,
                    context_value=context,
                    variable_values=admitted.request.variables,
                    operation_name=admitted.request.operation_name,
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
