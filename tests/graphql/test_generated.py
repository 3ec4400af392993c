"""Documents made at random from the schema: never a failure inside, never more answered than was priced."""

import json
import random
from typing import NoReturn

import pytest
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from graphql_schema.cost import Price
from graphql_schema.documents import Documents
from graphql_schema.schema import core, merchant_schema
from tests.support.graphql_world import World

SCHEMA = core(merchant_schema)
DOCUMENTS = 150
VALUES = {
    "id": ['"gid://shopify/Customer/6"', '"gid://rebloom/Segment/2"', '"gid://shopify/Customer/9001"', '"x"'],
    "query": ['"number_of_orders > 1"', "\"rfm_group = 'LOYAL'\"", '"nonsense ("'],
    "key": ['"buyer-activity"', '"other"'],
    "model": ['"buyer-activity"', '"other"', "null"],
    "first": ["1", "3", "7", "null"],
    "productIds": ["[]", '["gid://shopify/Product/1"]'],
    "customerId": ['"gid://shopify/Customer/4"', "null"],
    "since": ['"2026-01-01"'],
    "until": ['"2026-12-01"', '"2025-01-01"'],
    "asOf": ['"2026-10-15T00:00:00Z"', "null"],
    "sortKey": ["ID", "AMOUNT_SPENT"],
    "reverse": ["true", "false"],
    "stage": ['"departing"'],
    "placement": ["CART", "null"],
    "lapse": ["{ mode: ADAPTIVE }", "{ ladderDays: [3, 2, 1] }"],
    "input": ['{ key: "own", name: "Own", stages: [{ key: "all", name: "All", query: "number_of_orders >= 0" }] }'],
    "ids": ['["gid://rebloom/Segment/1", "gid://rebloom/Segment/2"]', "[]"],
    "points": ["2", "0", "null"],
    "name": ["ORDERS", "NET_SALES", "REPEAT_RATE"],
    "granularity": ["DAY", "MONTH"],
    "a": ['"buyer-activity"'],
    "endpointId": ['"gid://rebloom/WebhookEndpoint/1"'],
    "b": ['"reach-loyalty"', '"buyer-activity"'],
}


def some_field(rng: random.Random, name: str, field: GraphQLField, depth: int) -> str | None:
    """One field with arguments and, where it has any, fields of its own; None where the depth is used up."""
    given = []
    for argument, of in field.args.items():
        if argument in VALUES and (is_required_argument(of) or rng.random() < 0.5):
            given.append(f"{argument}: {rng.choice(VALUES[argument])}")
    arguments = f"({', '.join(given)})" if given else ""
    kind = get_named_type(field.type)
    if is_leaf_type(kind):
        return f"{name}{arguments}"
    below = some_fields(rng, kind, depth - 1) if depth else None
    return f"a{rng.randrange(10**9)}: {name}{arguments} {below}" if below else None


def some_fields(rng: random.Random, kind: GraphQLNamedType, depth: int) -> str:
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    names = rng.sample(list(kind.fields), min(len(kind.fields), rng.randint(1, 4)))
    found = [text for name in names if (text := some_field(rng, name, kind.fields[name], depth))]
    if rng.random() < 0.2:
        found.append(f"... on {kind.name} {{ __typename }}")
    return "{ " + " ".join(found or ["__typename"]) + " }"


async def test_generated_documents_are_answered_within_their_price(world: World) -> None:
    rng = random.Random(20261123)
    documents, root = Documents(SCHEMA), SCHEMA.query_type
    assert root is not None
    answered = 0
    for _ in range(DOCUMENTS):
        text = some_fields(rng, root, 6)
        world.seconds[0] += 60
        body = await world.ask(text)
        codes = {error["extensions"]["code"] for error in body.get("errors", [])}
        assert codes <= {"BAD_REQUEST", "INVALID_QUERY", "MAX_COST_EXCEEDED", "NOT_FOUND", "DOCUMENT_LIMIT"}, (
            text,
            body,
        )
        if body.get("data"):
            checked = documents.checked(text)
            price = Price(SCHEMA, checked.operation(None), checked.fragments, {})
            assert price.actual(body["data"]) <= price.requested(), text
            answered += 1
    assert answered > DOCUMENTS / 2


async def test_whatever_fails_inside_its_text_is_in_no_answer_and_no_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = "secret-canary-text p1@shop.example"

    class Broken:
        dialect = world.database.dialect

        def __getattr__(self, _: str) -> NoReturn:
            raise RuntimeError(canary)

    world.database.inner = Broken()
    rng, root, failed = random.Random(20261124), SCHEMA.query_type, 0
    assert root is not None
    for name, field in list(root.fields.items()) * 3:
        text = some_field(rng, name, field, 4)
        if text is None or (any(is_required_argument(of) for of in field.args.values()) and "(" not in text):
            continue
        world.seconds[0] += 60
        body = await world.ask(f"{{ {text} }}")
        assert canary not in json.dumps(body), text
        codes = {error["extensions"]["code"] for error in body.get("errors", [])}
        assert codes <= {"BAD_REQUEST", "INVALID_QUERY", "MAX_COST_EXCEEDED", "NOT_FOUND", "INTERNAL"}, (text, body)
        failed += "INTERNAL" in codes
    assert failed > 2 * len(root.fields)
    assert canary not in "".join(capsys.readouterr())
