"""The price worked out once is that of walking the text, for whatever is asked and answered."""

import random
from typing import Any

import pytest
from graphql import GraphQLSchema

from graphql_schema.documents import Documents, InvalidDocumentError
from graphql_schema.price import Price
from graphql_schema.schema import core, merchant_schema, storefront_schema
from tests.support.documents import Dressed, some_fields
from tests.support.graphql_world import World
from tests.support.walked_price import WalkedPrice

MERCHANT = core(merchant_schema)


def prices(schema: GraphQLSchema, text: str, variables: dict[str, Any]) -> tuple[Price, WalkedPrice]:
    checked = Documents(schema).checked(text)
    operation = checked.operation(None)
    return Price(schema, operation, checked.fragments), WalkedPrice(schema, operation, checked.fragments, variables)


@pytest.mark.parametrize("schema", [MERCHANT, core(storefront_schema)], ids=["merchant", "storefront"])
def test_what_is_asked_for_costs_what_walking_its_text_says(schema: GraphQLSchema) -> None:
    rng, dressed, tried = random.Random(1), Dressed(random.Random(2), schema), 0
    given: list[dict[str, Any]] = [{}, {"n": 7}, {"n": None}, {"n": 10**6}, {"n": "x"}, {"n": -1}, {"n": True}]
    root = schema.query_type
    assert root is not None
    for _ in range(150):
        for text in (dressed.document(5), some_fields(rng, root, 6)):
            try:
                for variables in given:
                    once, walked = prices(schema, text, variables)
                    assert once.requested(variables) == walked.requested(), (text, variables)
                    tried += 1
            except InvalidDocumentError:
                continue
    assert tried > 700


def test_changes_cost_more() -> None:
    text = (
        'mutation($n: Int) { a: segmentDelete(id: "x") { userErrors { code } } syncStart { sync { phase } } }'.replace(
            "($n: Int)", ""
        )
    )
    once, walked = prices(MERCHANT, text, {})
    assert once.requested({}) == walked.requested() > 20
    for data in (None, {"a": {"userErrors": [{"code": "X"}]}, "syncStart": {"sync": None}}):
        assert once.actual(data) == walked.actual(data)


async def test_what_is_answered_costs_what_walking_the_answer_says(world: World) -> None:
    dressed, tried = Dressed(random.Random(3), MERCHANT), 0
    for _ in range(60):
        text = dressed.document(4)
        world.seconds[0] += 60
        variables = {"yes": dressed.chance(0.5), "no": dressed.chance(0.5), "n": 3}
        body = await world.ask(text, **variables)
        if body.get("data") is not None:
            once, walked = prices(MERCHANT, text, variables)
            assert once.actual(body["data"]) == walked.actual(body["data"]) <= once.requested(variables), text
            tried += 1
    assert tried > 20


def test_rows_and_gaps_are_counted_as_they_stand() -> None:
    text = """{ customers { nodes { stage { stage { key } because { text } } segments { nodes { id } } ...C
      offers { kind ... on CrossSellOffer { products { product { title } } } } } edges { node { id } } } }
      fragment C on Customer { stages { model { stages { key } } } stage @include(if: true) { rung } }"""
    once, walked = prices(MERCHANT, text, {})
    stage = {"stage": {"key": "a"}, "because": [{"text": ""}] * 3, "rung": None}
    stages = [{"model": {"stages": [{"key": "a"}] * 5}}, {"model": {"stages": []}}]
    offers = [{"kind": "A", "products": [{"product": {"title": ""}}] * 4}, {"kind": "B"}]
    row = {"stage": stage, "segments": {"nodes": [{"id": "1"}] * 2}, "stages": stages, "offers": offers}
    for data in (
        None,
        {"customers": {"nodes": [], "edges": []}},
        {
            "customers": {
                "nodes": [row, {**row, "stages": [], "offers": []}, {**row, "offers": offers[1:]}],
                "edges": [],
            }
        },
        {"customers": {"nodes": [row, row], "edges": [{"node": {"id": "1"}}, {"node": {"id": "2"}}]}},
    ):
        assert once.actual(data) == walked.actual(data), data
