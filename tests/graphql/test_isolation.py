"""Two shops that know nothing of each other: schemathesis asks in every role, with the other shop's ids in its hands.

Real credentials on a real socket; shop B holds CANARY in whatever can be read of it.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import hypothesis
import pytest
import requests
import schemathesis
from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    NameNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_leaf_type,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from graphql_schema.access import Scope
from graphql_schema.cost import Rate
from graphql_schema.permissions import AccessTable
from graphql_schema.schema import MERCHANT_ACCESS, STOREFRONT_ACCESS, core, merchant_schema, storefront_schema
from plugin.ledger.store import Store
from plugin.partners import SCOPES, create_token
from plugin.settings import Settings
from tests.support.graphql_world import CANARY, NOW, World, rows_of, running_world
from tests.support.live_server import live
from tests.support.platform_requests import claims, proxy_params, proxy_query, session_token

SEED = 20261127
ENDLESS = Rate(size=10**9, restore=10**9)
AT = int(NOW.timestamp())
# Of B alone (9001, 9002), of both (5, 6), of A alone, of nobody; and what is no id.
NUMBERS = (9001, 9002, 5, 6, 4, 23, 12345)
KINDS = ("shopify/Customer", "shopify/Product", "rebloom/Segment", "rebloom/PartnerToken", "rebloom/Offer")
IDS = [f"gid://{kind}/{number}" for kind in KINDS for number in NUMBERS] + ["9001", "gid://rebloom/Shop/2", ""]
# Keys and names of B's that do not hold the canary themselves, so that an answer may say what was asked.
TEXTS = [
    "number_of_orders > 0", "lifecycle_stage = 'departing'", "amount_spent > 1", "buyer-activity", "reach-loyalty",
    "own-b", "play-b", "gold-b", "visitor", "welcome", "read_customers", "of b", "x" * 300, "",
]  # fmt: skip
SCALARS = {
    "ID": st.sampled_from(IDS).map(nodes.String),
    "String": st.sampled_from(TEXTS).map(nodes.String),
    "Int": st.sampled_from((1, 2, 3, 5, 0, 90)).map(nodes.Int),
    "Decimal": st.sampled_from(("1.5", "-1", "x")).map(nodes.String),
    "Date": st.sampled_from(("2026-01-01", "2026-11-20", "2025-02-30")).map(nodes.String),
    "DateTime": st.sampled_from(("2026-11-01T00:00:00Z", "1970-01-01T00:00:00Z")).map(nodes.String),
}
OF_B = {
    "mutation($i: LifecycleModelInput!) { made: lifecycleModelSave(input: $i) { userErrors { code } } }": {
        "key": "own-b", "name": f"Model {CANARY}", "note": CANARY,
        "stages": [{"key": "all", "name": f"All {CANARY}", "query": "number_of_orders >= 0"}],
    },
    'mutation($i: PlayInput!) { made: playCreate(key: "play-b", copyOf: "welcome", input: $i, note: "of b") { userErrors { code } } }': {
        "name": f"Play {CANARY}", "title": f"For {CANARY}",
    },
    "mutation($i: LoyaltyProgramInput!) { made: loyaltyProgramSave(input: $i) { userErrors { code } } }": {
        "enabled": True, "tiers": [{"key": "gold-b", "name": f"Gold {CANARY}", "orders": 1}],
        "rewards": [{"key": "gold-b", "name": f"Reward {CANARY}", "points": 1, "amount": "5"}],
    },
    "mutation($i: [TouchpointInput!]!) { made: touchpointRecord(input: $i) { userErrors { code } } }": [
        {"id": f"t{CANARY}", "kind": "SUPPORT", "customerId": "gid://shopify/Customer/9001", "subject": CANARY}
    ],
    'mutation($i: String!) { made: segmentCreate(name: $i, query: "number_of_orders > 0") { userErrors { code } } }': CANARY,
    'mutation($i: String!) { made: partnerTokenCreate(name: $i, scopes: ["read_shop"]) { userErrors { code } } }': CANARY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Role:
    """A caller and what it may use; `examples` of each root field are asked for."""

    examples: int
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    storefront: bool = False
    status: int = 200

    @property
    def path(self) -> str:
        return "/storefront/graphql" if self.storefront else "/graphql"

    @property
    def schema(self) -> GraphQLSchema:
        return core(storefront_schema if self.storefront else merchant_schema)

    @property
    def access(self) -> AccessTable:
        return STOREFRONT_ACCESS if self.storefront else MERCHANT_ACCESS

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def asks(self, root: str, name: str) -> bool:
        return self.status != 200 or self.access[root, name] in self.scopes


def merchant(domain: str, examples: int) -> Role:
    of = claims(AT, iss=f"https://{domain}/admin", dest=f"https://{domain}")
    return Role(examples, {"Authorization": f"Bearer {session_token(of)}"})


async def roles(world: World) -> dict[str, Role]:
    found = {"nobody": Role(1, status=401)}
    for scope in sorted(SCOPES):
        token, _ = await create_token(world.store, world.a.id, f"Only {scope}", [scope], NOW)
        allowed = frozenset({Scope.ANY, Scope(scope)})
        found[scope] = Role(4, {"Authorization": f"Bearer {token}"}, scopes=allowed)
    for name, customer in {"viewer": "5", "visitor": "", "customer of B only": "9001"}.items():
        signed = proxy_query(proxy_params(customer, shop=world.a.domain, timestamp=str(AT)))
        found[name] = Role(6, query=signed, storefront=True)
    found["nobody at the storefront"] = Role(1, storefront=True, status=401)
    found["merchant"] = merchant(world.a.domain, 8)  # the last: it may revoke the tokens
    return found


def fields_of(schema: GraphQLSchema, text: str) -> set[tuple[str, str]]:
    """The fields a document names, each with its type."""
    found: set[tuple[str, str]] = set()
    info = TypeInfo(schema)

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            parent = info.get_parent_type()
            if parent is not None and not node.name.value.startswith("__"):
                found.add((parent.name, node.name.value))

    visit(parse(text), TypeInfoVisitor(info, Fields()))
    return found


def with_leaves(role: Role, text: str) -> str:
    """The document, asking also for every text and number the role may see of each object it came to."""
    info = TypeInfo(role.schema)

    class Leaves(Visitor):
        def leave_selection_set(self, node: SelectionSetNode, *_: object) -> SelectionSetNode:
            kind = info.get_parent_type()
            if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
                return node
            named = {
                getattr(each.alias or each.name, "value", "") for each in node.selections if isinstance(each, FieldNode)
            }
            leaves = [
                FieldNode(name=NameNode(value=name), arguments=(), directives=())
                for name, of in kind.fields.items()
                if is_leaf_type(get_named_type(of.type))
                and not of.args
                and name not in named
                and role.access[kind.name, name] in role.scopes
            ]
            return SelectionSetNode(selections=(*node.selections, *leaves))

    return print_ast(visit(parse(text), TypeInfoVisitor(info, Leaves())))


@dataclass(slots=True)
class Asking:
    """One role's. `told` counts what came: answers, refusals by their code; `canaries` answers that hold B's texts."""

    name: str
    role: Role
    told: Counter[str] = field(default_factory=Counter)
    canaries: int = 0

    def every_field(self, endpoint: Any) -> None:
        with requests.Session() as session:
            for result in endpoint.get_all_operations():
                operation = result.ok()
                if self.role.asks(operation.definition.type_.name, operation.definition.field_name):
                    self._examples(operation, session)

    def _examples(self, operation: Any, session: requests.Session) -> None:
        @hypothesis.seed(SEED)
        @hypothesis.settings(
            max_examples=self.role.examples, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.body = with_leaves(self.role, case.body)
            reply = case.call(headers=dict(self.role.headers), params=self.role.params, session=session)
            self._judge(case.body, reply)

        ask()

    def _judge(self, document: str, reply: Any) -> None:
        body = json.loads(reply.content)
        told = self.name, document, body
        assert reply.status_code == self.role.status, told
        self.canaries += CANARY.lower() in reply.text.lower()
        codes = {error["extensions"]["code"] for error in body.get("errors", ())}
        assert not codes & {"INTERNAL", "UNAVAILABLE", "THROTTLED"}, told
        self.told.update(codes or {"answered"})
        if "data" in body:
            named = fields_of(self.role.schema, document)
            assert {where for where in named if self.role.access[where] not in self.role.scopes} == set(), told


async def read_schema(base: str, role: Role) -> Any:
    """By introspection, as anybody with a credential may."""
    return await asyncio.to_thread(
        schemathesis.graphql.from_url, f"{base}{role.path}", headers=dict(role.headers), params=role.params
    )


@pytest.fixture
async def world(store: Store, settings: Settings) -> AsyncIterator[World]:
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    async with running_world(store, rate=ENDLESS, real=settings) as running:
        for document, value in OF_B.items():
            body = {"query": document, "variables": {"i": value}}
            headers = merchant(running.b.domain, 1).headers
            reply = (await running.client.post("/graphql", json=body, headers=headers)).json()
            assert reply.get("data", {}).get("made") == {"userErrors": []}, reply
        yield running


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_of_another_shop_is_in_any_answer_of_any_role(world: World) -> None:
    before = await rows_of(world.store, world.b.id)
    asking = await roles(world)
    told: dict[str, Counter[str]] = {}
    async with live(world.app) as base:
        endpoints = {
            False: await read_schema(base, asking["merchant"]),
            True: await read_schema(base, asking["viewer"]),
        }
        for name, role in asking.items():
            run = Asking(name, role)
            await asyncio.to_thread(run.every_field, endpoints[role.storefront])
            assert run.canaries == 0, name
            told[name] = run.told
        assert await rows_of(world.store, world.b.id) == before
        proof = Asking("B itself", merchant(world.b.domain, 4))
        await asyncio.to_thread(proof.every_field, endpoints[False])

    assert proof.canaries > 5  # or the search for them means nothing
    for name, codes in told.items():
        if name.startswith("nobody"):
            assert set(codes) == {"UNAUTHENTICATED"}
        else:
            assert codes["ACCESS_DENIED"] == 0 or name in SCOPES, name
    assert sum(codes["answered"] > 0 for codes in told.values()) > len(told) / 2
    assert told["merchant"]["answered"] > 80
