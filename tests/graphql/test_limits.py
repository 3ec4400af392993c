"""Documents too large for anybody are refused before validation, in steps that grow with their text alone."""

import pytest
from graphql import GraphQLError, get_introspection_query, parse

from graphql_schema.limits import LIMITS, DocumentLimitError, check_limits
from tests.support.graphql_world import World


def nested_fragments(levels: int) -> str:
    """Each fragment spreads the next one twice: 2^levels fields once spread."""
    spreads = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}\n" for n in range(levels))
    return f"{{ ...F0 }}\n{spreads}fragment F{levels} on Query {{ shop {{ name }} }}"


DOCUMENTS = {
    "deep": ("{ segments { nodes { customers { nodes {" + " segments { nodes { customers { nodes {" * 4 + " id" + " } } } }" * 5 + " }", "levels"),
    "deeper than the parser": ("{ a" * 900 + "}" * 900, "levels"),
    "wide": ("{ shop { " + " ".join(f"a{n}: name" for n in range(601)) + " } }", "fields"),
    "aliases": ("{ " + " ".join(f"a{n}: shop {{ id }}" for n in range(61)) + " }", "aliases"),
    "one field 5,000 times": ("{ shop { " + "name " * 5000 + "} }", "tokens"),
    "one field 100 times": ("{ shop { " + "name " * 100 + "} }", "repetitions of the same names"),
    "the same fields again and again": ("{" + "... on Query {" + "shop { id name domain } " * 15 + "}" + "...F0 " + "shop { id name domain } " * 15 + "}" + "fragment F0 on Query { " + "shop { id name domain } " * 45 + "}", "repetitions of the same names"),
    "directives": ("{ shop { name " + "@include(if: true) " * 41 + "} }", "directives"),
    "directives of operations": ("query " + "@x " * 41 + "{ shop { name } }", "directives"),
    "many operations": ("query A { shop { id } } " * 51, "definitions"),
    "nested fragments": (nested_fragments(40), "fields"),
    "unused fragments": ("{ shop { id } } " + nested_fragments(40).replace("{ ...F0 }", "", 1), "fields"),
    "nested introspection": ("{ __schema { types " + "{ fields { type " * 5 + "{ name } " + "} }" * 5 + "} }", "lists of the schema inside each other"),
    "comments": ("{ shop { id } }" + " #x\n" * 3000, "tokens"),
    "long": ("{ shop { id } } #" + "x" * 50_000, "characters"),
    "many variables": ("query(" + " ".join(f"$v{n}: Int" for n in range(900)) + ") { shop { id } }", "tokens"),
}  # fmt: skip


async def test_a_document_too_large_is_refused_before_anything_runs(world: World) -> None:
    for name, (text, what) in DOCUMENTS.items():
        body = await world.ask(text)
        [error] = body["errors"]
        assert (name, error["extensions"]["code"]) == (name, "DOCUMENT_LIMIT")
        assert error["message"].startswith(f"This document has too many {what}: "), (name, error["message"])
        assert "data" not in body
    assert world.database.statements == []


def test_nested_fragments_take_steps_in_proportion_to_their_text() -> None:
    for levels in (1, 2, 3):
        assert check_limits(parse(nested_fragments(levels))) == 2 * levels + 3
    with pytest.raises(DocumentLimitError, match="too many fields"):
        check_limits(parse(nested_fragments(40)))


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { shop { id } ...A }",
    ],
)
def test_fragments_that_contain_themselves_are_refused(text: str) -> None:
    with pytest.raises(GraphQLError, match="within itself"):
        check_limits(parse(text))


async def test_the_standard_introspection_query_is_within_the_limits(world: World) -> None:
    text = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
    body = await world.ask(text)
    assert "errors" not in body
    assert body["extensions"]["cost"]["requestedQueryCost"] == 0


async def test_a_document_at_the_limits_is_answered(world: World) -> None:
    aliases = " ".join(f"a{n}: shop {{ id name domain currencyCode timezone }}" for n in range(LIMITS.aliases))
    assert len(await world.data(f"{{ {aliases} }}")) == LIMITS.aliases
