"""How many SQL statements a document takes: the same for one row as for many."""

import pytest

from tests.support.graphql_world import World
from tests.support.small_shop import put

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


# Everything at once, and lists of other things: a document with %d for how many rows, and what it may take.
LISTS = {
    "customers with all": (("{ customers(first: %d, sortKey: ID) { nodes { displayName tags stage { stage { key } because { text } }"
        " segments(first: 2) { nodes { name } } stageHistory(first: 2) { nodes { at because { text } } } measures { orders } } } }"), 9),
    "members of a segment": (('{ segment(id: "gid://rebloom/Segment/1") { customers(first: %d) { nodes { email stage { rung because'
        " { text } } segments(first: 2) { nodes { name } } } } } }"), 6),
    "segments with members": ("{ segments(first: 4) { nodes { count customers(first: %d) { nodes { stage { rung } } } } } }", 4),
    "one customer's history": (('{ customer(id: "gid://shopify/Customer/1") { stageHistory(first: %d) { nodes { at to { key } because'
        " { text } } } } }"), 2),
    "one customer's offers": ('{ customer(id: "gid://shopify/Customer/4") { offers(first: %d) { title because { text } } } }', 14),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
async def test_a_longer_page_takes_no_more_statements(world: World, name: str) -> None:
    document, most = LISTS[name]
    counts = []
    for size in (2, 20):
        world.database.statements.clear()
        world.seconds[0] += 60
        await world.data(document % size)
        counts.append(len(world.database.statements))
    assert counts[0] == counts[1] <= most, world.database.statements


async def test_the_models_take_as_many_statements_however_many_customers_there_are(world: World) -> None:
    document = "{ lifecycleModels { key stages { key query } counts { stage { key } rung count } } }"
    counts = []
    for _ in range(2):
        world.database.statements.clear()
        await world.data(document)
        counts.append(len(world.database.statements))
        await put(world.store.database, "customers", [{"id": n} for n in range(501, 540)], world.a.id)
        await put(world.store.database, "profiles", [{"customer_id": n} for n in range(501, 540)], world.a.id)
        placed = [{"customer_id": n, "stage": "active"} for n in range(501, 540)]
        await put(world.store.database, "placements", placed, world.a.id)
    assert counts[0] == counts[1] <= 6, world.database.statements


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
