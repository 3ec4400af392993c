"""Documents made at random from the schema: never a failure inside, never more answered than was priced."""

import json
import random
from typing import NoReturn

import pytest
from graphql import is_required_argument

from graphql_schema.documents import Documents
from graphql_schema.price import Price
from graphql_schema.schema import core, merchant_schema
from tests.support.documents import some_field, some_fields
from tests.support.graphql_world import World

SCHEMA = core(merchant_schema)
DOCUMENTS = 150


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
            price = Price(SCHEMA, checked.operation(None), checked.fragments)
            assert price.actual(body["data"]) <= price.requested({}), text
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
