"""How many SQL statements a document takes: the same for one row as for many."""

import pytest

from tests.support.graphql_world import World

PAGES = {
    "plain": ("id", 1),
    "stage": ("stage { stage { key } because { text } } stages { rung }", 2),
    "person": ("displayName email", 2),
    "segments": ("segments(first: 3) { nodes { name } }", 2),
    "segments with counts": ("segments(first: 3) { nodes { name count } }", 3),
    "history": ("stageHistory(first: 3) { nodes { at } }", 2),
    "measures": ("measures { orders netSpend { amount } } rfm { group }", 1),
    "tags": ("tags", 4),
    "offers": ("offers(first: 3) { kind ... on CrossSellOffer { products { product { title } } } }", 14),
    "two pages of one list": ("a: segments(first: 2) { nodes { id } } b: segments(first: 3) { nodes { id } }", 3),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_of_customers_takes_as_many_statements_as_one_customer(world: World, name: str) -> None:
    fields, most = PAGES[name]
    counts = []
    for size in (4, 23):
        world.database.statements.clear()
        await world.data(f"{{ customers(first: {size}, sortKey: ID) {{ nodes {{ {fields} }} }} }}")
        counts.append(len(world.database.statements))
    assert counts[0] == counts[1] <= most, world.database.statements


async def test_segments_with_members_take_three_statements(world: World) -> None:
    await world.data("{ segments(first: 5) { nodes { count customers(first: 3) { nodes { stage { rung } } } } } }")
    assert len(world.database.statements) == 4, world.database.statements


async def test_what_is_refused_takes_no_statement(world: World) -> None:
    for query in (
        "{ nothing }",
        "{ customers(first: 250) { nodes { segments(first: 250) { nodes { id } } } } }",
        "{" + " customers { nodes {" * 9,
    ):
        await world.ask(query)
    await world.ask("{ customers { nodes { id } } }", caller="a:read_segments")
    assert world.database.statements == []
