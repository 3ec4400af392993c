"""Values are written as the library writes them, or not at all."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import pytest
from graphql import is_leaf_type
from graphql.pyutils import Undefined
from hypothesis import given
from hypothesis import strategies as st
from strawberry import UNSET

from graphql_schema.levels import Leaf, Listed, UnusualError, kinds_of, together
from graphql_schema.schema import core, merchant_schema
from plugin.domain.offers import OfferKind, OfferPlacement

LEAVES: Final = [
    kind for name, kind in core(merchant_schema).type_map.items() if is_leaf_type(kind) and name[:2] != "__"
]
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
    text = core(merchant_schema).type_map["String"]
    item = Leaf.of(text, required=False)  # type: ignore[arg-type]  # a leaf
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
