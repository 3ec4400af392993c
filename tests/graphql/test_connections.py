"""Every connection, walked with pages of 1 to 7 in both directions, is its whole list exactly once."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.graphql_world import CUSTOMERS, World, profile_of
from tests.support.small_shop import put

Hook = Callable[[int], Awaitable[None]]
CONNECTIONS = {
    **{
        f"customers by {key}{' reversed' * (reverse == 'true')}": (
            f"customers(PAGE, sortKey: {key}, reverse: {reverse})", ["customers"], CUSTOMERS,
        )
        for key, reverse in (
            ("LAST_ORDER_AT", "false"), ("LAST_ORDER_AT", "true"), ("ID", "false"), ("ID", "true"),
            ("AMOUNT_SPENT", "true"), ("ORDERS_COUNT", "false"), ("CREATED_AT", "false"),
        )
    },
    "customers of a query": ('customers(PAGE, query: "number_of_orders > 1")', ["customers"], 12),
    "segments": ("segments(PAGE)", ["segments"], 5),
    "members of a segment": ('segment(id: "gid://rebloom/Segment/2") { customers(PAGE) }', ["segment", "customers"], 11),
    "segments of a customer": (
        'customer(id: "gid://shopify/Customer/12") { segments(PAGE) }', ["customer", "segments"], 4,
    ),
    "history of a customer": (
        'customer(id: "gid://shopify/Customer/2") { stageHistory(PAGE) }', ["customer", "stageHistory"], 7,
    ),
}  # fmt: skip


def document(name: str, page: str) -> str:
    text = CONNECTIONS[name][0].replace("PAGE", page)
    node = "at" if name.startswith("history") else "id"
    fields = f"{{ edges {{ cursor node {{ {node} }} }} nodes {{ {node} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
    return f"{{ {text.removesuffix(' }')} {fields} {'}' if text.endswith(' }') else ''} }}"


async def page(world: World, name: str, arguments: str) -> dict[str, Any]:
    found: Any = await world.data(document(name, arguments))
    for key in CONNECTIONS[name][1]:
        found = found[key]
    return found


def keys(found: dict[str, Any]) -> list[str]:
    nodes = [node.get("id") or node["at"] for node in found["nodes"]]
    assert nodes == [edge["node"].get("id") or edge["node"]["at"] for edge in found["edges"]]
    if nodes:
        cursors = [edge["cursor"] for edge in found["edges"]]
        assert (found["pageInfo"]["startCursor"], found["pageInfo"]["endCursor"]) == (cursors[0], cursors[-1])
    return nodes


async def walk(world: World, name: str, size: int, *, backward: bool, between: Hook | None = None) -> list[str]:
    walked: list[str] = []
    arguments, steps = (f"last: {size}" if backward else f"first: {size}"), 0
    while True:
        found = await page(world, name, arguments)
        info = found["pageInfo"]
        walked = keys(found) + walked if backward else walked + keys(found)
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return walked
        assert info["hasNextPage" if backward else "hasPreviousPage"] == (steps > 0)
        arguments = (
            f'last: {size}, before: "{info["startCursor"]}"'
            if backward
            else f'first: {size}, after: "{info["endCursor"]}"'
        )
        steps += 1
        if between is not None:
            await between(steps)


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_walking_any_page_size_both_ways_gives_the_whole_list_once(world: World, name: str) -> None:
    whole = keys(await page(world, name, "first: 200"))
    assert (len(whole), len(set(whole))) == (CONNECTIONS[name][2], len(whole))
    for size in range(1, 8):
        assert await walk(world, name, size, backward=False) == whole
        assert await walk(world, name, size, backward=True) == whole


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    "name", ["customers by LAST_ORDER_AT", "customers by AMOUNT_SPENT reversed", "customers by ID"]
)
async def test_rows_that_come_between_pages_neither_repeat_nor_hide_others(
    world: World, name: str, backward: bool
) -> None:
    there_throughout = keys(await page(world, name, "first: 200"))

    async def insert(step: int) -> None:
        number = 100 + step
        rows = [{**profile_of(step), "customer_id": number}]
        await put(world.store.database, "customers", [{"id": number}], world.a.id)
        await put(world.store.database, "profiles", rows, world.a.id)

    walked = await walk(world, name, 3, backward=backward, between=insert)
    assert len(walked) == len(set(walked))
    assert [key for key in walked if key in set(there_throughout)] == there_throughout


async def test_a_cursor_of_a_row_deleted_since_still_finds_its_place(world: World) -> None:
    first = await page(world, "customers by ID", "first: 3")
    await world.store.database.execute("DELETE FROM profiles WHERE shop_id = $1 AND customer_id = 3", world.a.id)
    after = await page(world, "customers by ID", f'first: 2, after: "{first["pageInfo"]["endCursor"]}"')
    assert keys(after) == ["gid://shopify/Customer/4", "gid://shopify/Customer/5"]


async def test_a_page_between_two_cursors_holds_what_lies_between(world: World) -> None:
    for name in ("customers by ID", "customers by LAST_ORDER_AT", "customers by LAST_ORDER_AT reversed"):
        whole = await page(world, name, "first: 200")
        for low, high in ((2, 9), (10, 20), (19, 22)):
            after, before = whole["edges"][low]["cursor"], whole["edges"][high]["cursor"]
            for how in ("first", "last"):
                found = await page(world, name, f'{how}: 50, after: "{after}", before: "{before}"')
                assert keys(found) == keys(whole)[low + 1 : high]


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_a_page_out_of_bounds_or_a_cursor_made_up_is_refused(world: World, name: str) -> None:
    for arguments in (
        "first: 0", "first: -1", "first: 251", "first: 2147483647", "last: 0", "last: 251", "first: 1, last: 1",
        'first: 1, after: "x"', 'first: 1, after: ""', 'first: 1, after: "AAAAAAAAAAAAAAAA"', 'last: 1, before: "é"',
    ):  # fmt: skip
        assert await world.code(document(name, arguments)) == "BAD_REQUEST", arguments


async def test_a_cursor_of_another_list_order_query_or_shop_is_refused(world: World) -> None:
    own = (await page(world, "customers by ID", "first: 1"))["pageInfo"]["endCursor"]
    for name in ("customers by CREATED_AT", "customers by ID reversed", "customers of a query", "segments"):
        assert await world.code(document(name, f'first: 1, after: "{own}"')) == "BAD_REQUEST"
    assert await world.code(document("customers by ID", f'first: 1, after: "{own}"'), caller="b") == "BAD_REQUEST"


async def test_a_mutated_cursor_is_refused_and_never_a_failure(world: World) -> None:
    own = (await page(world, "customers by LAST_ORDER_AT", "first: 1"))["pageInfo"]["endCursor"]
    raw = bytearray(base64.urlsafe_b64decode(own + "=="))
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        text = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        assert await world.code(document("customers by LAST_ORDER_AT", f'first: 1, after: "{text}"')) == "BAD_REQUEST"


async def test_without_a_size_a_page_has_fifty_rows(world: World) -> None:
    rows = [{**profile_of(1), "customer_id": number} for number in range(1000, 1040)]
    await put(world.store.database, "customers", [{"id": row["customer_id"]} for row in rows], world.a.id)
    await put(world.store.database, "profiles", rows, world.a.id)
    found = await world.data("{ customers { nodes { id } pageInfo { hasNextPage } } }")
    assert (len(found["customers"]["nodes"]), found["customers"]["pageInfo"]["hasNextPage"]) == (50, True)
