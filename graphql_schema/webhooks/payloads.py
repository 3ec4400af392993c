"""What a webhook says: its endpoint's own subscription, answered for each event by the engine of listeners."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)

from graphql_schema.access import Scope
from graphql_schema.context import Context, JobQueue, calendar_of
from graphql_schema.cost import Buckets, Rate
from graphql_schema.documents import Checked, Documents, InvalidDocumentError
from graphql_schema.execution import Answer, Engine
from graphql_schema.permissions import scopes_needed
from graphql_schema.price import MOST_POINTS, Price
from graphql_schema.request import GraphQLRequest
from graphql_schema.schema import MERCHANT_ACCESS, core, merchant_schema
from plugin.domain.events import EventKind
from plugin.domain.instants import from_us
from plugin.errors import BadRequestError
from plugin.ledger.events import Told
from plugin.ledger.readers import SyncRow
from plugin.ledger.store import Store
from plugin.outgoing.endpoints import Endpoint
from plugin.shops import ShopContext

_KINDS: Final = {str(kind): kind for kind in EventKind}
_EVENTS: Final = ", ".join(_KINDS)
_TOLD: Final = frozenset(
    get_named_type(field.type).name
    for field in core(merchant_schema).type_map["Subscription"].fields.values()  # type: ignore[attr-defined]  # a type with fields
)
_LONGEST: Final = 10_000  # characters of a query
_UNBOUND: Final = Rate(size=10**12, restore=10**9)  # one query is bounded by its price; how many, by what happens
_documents: Final = Documents(core(merchant_schema))
_engine: Final = Engine(merchant_schema, MERCHANT_ACCESS, Buckets(_UNBOUND, time.monotonic), _documents)


class _Replay:
    """A feed of what has been."""

    def __init__(self, *told: Told) -> None:
        self._told = told

    async def events(self, shop_id: int) -> AsyncGenerator[Told]:  # noqa: ARG002 - as a feed has it
        for told in self._told:
            yield told

    def syncs(self, shop_id: int) -> AsyncGenerator[SyncRow | None]:
        raise BadRequestError(f"syncProgress of shop {shop_id} is for listeners; a webhook tells one of {_EVENTS}.")


async def checked_query(context: Context, query: str) -> EventKind:
    """The event that a query tells to whoever `context` is of, its arguments tried too. Raises BadRequestError."""
    kind = check_query(query, context.scopes)

    async def open_context() -> Context:
        return replace(context, feed=_Replay())

    request = GraphQLRequest(query=query, variables={}, operation_name=None)
    async for refused in _engine.stream(request, open_context, payer=context.shop.id, request_id="webhook"):
        raise BadRequestError(str(refused.errors[0]["message"]))
    return kind


def check_query(query: str, scopes: frozenset[Scope]) -> EventKind:
    """The event that a query tells. Raises BadRequestError with what is wrong with it and what to send."""
    if len(query) > _LONGEST:
        raise BadRequestError(f"A webhook's query has at most {_LONGEST:,} characters.")
    try:
        checked = _documents.checked(query)
        operation = checked.operation(None)
    except InvalidDocumentError as error:
        raise BadRequestError(" ".join(found.message for found in error.errors[:3])) from None
    except GraphQLError as error:
        raise BadRequestError(f"Send one operation: {error.message}") from None
    if operation.operation is not OperationType.SUBSCRIPTION or operation.variable_definitions:
        raise BadRequestError("Send a subscription without variables, such as `subscription { syncFinished { at } }`.")
    name = _root_field(checked)
    if name not in _KINDS:
        raise BadRequestError(f"A webhook tells one of {_EVENTS}, not {name}.")
    missing = scopes_needed(core(merchant_schema), MERCHANT_ACCESS, operation, checked.fragments) - scopes
    if missing:
        raise BadRequestError(f"This credential lacks the scope {', '.join(sorted(missing))}.")
    others = _Others(TypeInfo(core(merchant_schema)))
    visit(checked.document, TypeInfoVisitor(others.types, others))
    if others.found:
        raise BadRequestError(
            f"A webhook tells of its event's own customer; {others.found} leads to others, whose redaction it would not"
            " follow. Ask for them by the API."
        )
    points = Price(core(merchant_schema), operation, checked.fragments).requested({})
    if points > MOST_POINTS:
        raise BadRequestError(f"This query costs {points} points; one may cost at most {MOST_POINTS}. Ask for less.")
    return _KINDS[name]


class _Others(Visitor):
    """Finds a field that leads to a customer from anything but the event itself."""

    found: str | None = None

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.types = types

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent, kind = self.types.get_parent_type(), self.types.get_type()
        if (
            parent is not None
            and kind is not None
            and get_named_type(kind).name == "Customer"
            and parent.name not in _TOLD
        ):
            self.found = f"{parent.name}.{node.name.value}"


def _root_field(checked: Checked) -> str:
    """Validation has seen to it that there is one."""
    selections = list(checked.operation(None).selection_set.selections)
    while selections:
        node = selections.pop()
        if isinstance(node, FieldNode):
            return node.name.value
        if isinstance(node, InlineFragmentNode):
            selections += node.selection_set.selections
        elif isinstance(node, FragmentSpreadNode):
            selections += checked.fragments[node.name.value].selection_set.selections
    return ""


class QueryPayloads:
    """Answers for the endpoints of any shop. `now` is the instant of asking: a payload tells of the event, and how
    things stand when it is made."""

    def __init__(self, store: Store, jobs: JobQueue, now: Callable[[], datetime]) -> None:
        self._store, self._jobs, self._now = store, jobs, now

    async def __call__(
        self, shop: ShopContext, endpoint: Endpoint, told: Sequence[Told]
    ) -> Sequence[tuple[Told, str | None]]:
        """Raises BadRequestError when the query is none any more, or asks for more than it may."""
        known = {scope.value: scope for scope in Scope}
        scopes = frozenset({Scope.ANY} | {known[name] for name in endpoint.scopes if name in known})
        check_query(endpoint.query, scopes)
        await calendar_of(shop)
        request = GraphQLRequest(query=endpoint.query, variables={}, operation_name=None)
        return [(each, await self._payload(shop, request, scopes, each)) for each in told]

    async def _payload(
        self, shop: ShopContext, request: GraphQLRequest, scopes: frozenset[Scope], told: Told
    ) -> str | None:
        async def open_context() -> Context:
            return Context(
                store=self._store, shop=shop, scopes=scopes, now=self._now(), jobs=self._jobs, feed=_Replay(told)
            )

        answers = [
            answer async for answer in _engine.stream(request, open_context, payer=shop.id, request_id="webhook")
        ]
        return body_of(told, answers[0]) if answers else None


def body_of(told: Told, answer: Answer) -> str:
    """As Standard Webhooks has it: the event's name, its instant and its data. Raises BadRequestError for a query that
    was not executed."""
    if not answer.executed:
        raise BadRequestError(str(answer.errors[0]["message"]))
    body: dict[str, Any] = {
        "type": str(told.event.kind),
        "timestamp": from_us(told.event.at),
        "data": next(iter((answer.data or {}).values()), None),
    }
    if answer.errors:
        body["errors"] = answer.errors
    return orjson.dumps(body, option=orjson.OPT_UTC_Z).decode()
