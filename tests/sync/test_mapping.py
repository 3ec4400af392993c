"""Line items read together and one by one are the same facts."""

from pathlib import Path

import pytest

from integrations.shopify.mapping import OrderLine, read_children, read_line

ORDERS = Path(__file__).parent / "cases" / "shop" / "orders.jsonl"
LINES = [line for line in ORDERS.read_bytes().splitlines() if b"/LineItem/" in line and b'"__parentId"' in line]


def test_lines_read_together_are_the_lines_read_one_by_one() -> None:
    alone = [read_line(line) for line in LINES]
    assert len(alone) > 1
    assert all(isinstance(each, OrderLine) for each in alone)
    # A bulk line keeps its line end on the way in.
    together = read_children([line + b"\n" for line in LINES])
    assert together == [(each.order_id, *each.line) for each in alone if isinstance(each, OrderLine)]


@pytest.mark.parametrize(
    "odd", [b'{"id":"gid://shopify/Order/1"}\n', b'{"id":"gid://shopify/LineItem/x"}\n', b"{\n", b"\n"]
)
def test_one_odd_line_among_them_sends_all_back_to_be_read_alone(odd: bytes) -> None:
    assert read_children([*(line + b"\n" for line in LINES), odd]) is None
