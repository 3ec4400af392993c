"""Values are written as the library writes them, or not at all."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from graphql import is_leaf_type
from graphql.pyutils import Undefined
from hypothesis import given
from hypothesis import strategies as st
from strawberry import UNSET

from graphql_schema.levels import Leaf, Listed, Object, Resolved, Step, UnusualError, kinds_of, together
from graphql_schema.schema import core, merchant_schema
from plugin.domain.offers import OfferKind, OfferPlacement

LEAVES: Final = [
    kind for name, kind in core(merchant_schema).type_map.items() if is_leaf_type(kind) and name[:2] != "__"
]
TEXT: Any = core(merchant_schema).type_map["String"]
RUN: Any = None  # leaves ask nothing of it


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 3), st.floats(), st.text(max_size=3), st.binary(max_size=2),
    st.sampled_from([
        2**31 - 1, 2**31, -(2**31), -(2**31) - 1, Text("x"), Whole(3), Whole(2**40), Decimal("1.50"), date(2026, 1, 2),
        datetime(2026, 1, 2, tzinfo=UTC), *OfferKind, *OfferPlacement, UNSET, Undefined, ValueError("no"), [], {}, object(),
    ]),
)  # fmt: skip


def librarys(leaf: Any, value: Any) -> Any:
    """What graphql-core's `complete_value` does with it. Raises whatever it raises."""
    if isinstance(value, Exception):
        raise value
    if value is None or value is Undefined:
        return None
    written = leaf.coerce_output_value(value)
    if written is None or written is Undefined:
        raise TypeError
    return written


@pytest.mark.parametrize("leaf", LEAVES, ids=str)
@given(values=st.lists(VALUES, max_size=4))
def test_a_plan_writes_what_the_library_writes_and_nothing_where_it_fails(leaf: Any, values: list[Any]) -> None:
    try:
        expected = [librarys(leaf, value) for value in values]
    except Exception:  # noqa: BLE001 - scalars raise what they like
        expected = None
    for required in (False, True):
        writer = Leaf.of(leaf, required=required)
        try:
            written = writer.now(list(values), RUN)
        except Exception:  # noqa: BLE001
            assert expected is None or Undefined in values or (required and None in expected)
        else:
            assert expected is not None
            assert list(map(repr, written)) == list(map(repr, expected))
            assert not required or None not in written


def test_lists_in_lists_keep_their_lengths_and_gaps() -> None:
    item = Leaf.of(TEXT, required=False)
    writer = Listed(False, False, Listed(False, False, item))
    values = [[["a", None], None, []], None, [], [("b",)]]
    assert writer.now(values, RUN) == [[["a", None], None, []], None, [], [["b"]]]
    for broken in ("abc", {"a": 1}, iter(["a"]), 7):
        with pytest.raises(UnusualError):
            Listed(False, False, item).now([broken], RUN)


@pytest.mark.parametrize("value", [ValueError("returned, not raised"), Undefined])
def test_what_the_library_would_raise_is_left_to_it(value: object) -> None:
    with pytest.raises(UnusualError):
        kinds_of(["a", value])


async def test_what_the_library_would_await_is_left_to_it() -> None:
    async def later() -> str:
        return "a"

    waiting = later()
    with pytest.raises(UnusualError):
        kinds_of([waiting])
    assert await waiting == "a"


def test_an_object_in_several_places_is_written_once_and_equal_ones_are_not_mistaken() -> None:
    asked: list[object] = []

    @dataclass
    class Thing:
        name: str

    def said(thing: Thing) -> str:
        asked.append(thing)
        return thing.name

    arguments: Any = SimpleNamespace(of=lambda _: {})
    step = Step(Resolved(said, None, arguments, info=False, later=False), Leaf.of(TEXT, required=True), later=False)
    a, b, alike = Thing("a"), Thing("b"), Thing("a")
    writer = Object(False, False, ("name",), (step,), Thing)
    written = writer.now([a, None, b, a, alike, a], SimpleNamespace(variables=None))  # type: ignore[arg-type]  # all it asks
    assert written == [{"name": "a"}, None, {"name": "b"}, {"name": "a"}, {"name": "a"}, {"name": "a"}]
    assert len(asked) == 3
    with pytest.raises(UnusualError):
        writer.now([a, "another class"], RUN)


def test_nothing_is_cast_to_another_class() -> None:
    folder = Path(__file__).parents[2] / "graphql_schema"
    assert [path for path in folder.rglob("*.py") if "strawberry.cast(" in path.read_text("utf-8")] == []


async def test_together_ends_its_neighbours_first() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def broken() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await together([slow(), broken(), slow()])
    assert ended == [True, True]
