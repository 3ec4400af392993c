"""Connections: sorting, opaque cursors, `first`/`last`, `nodes` and `edges`."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from graphql import GraphQLError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Key = tuple[Any, int]

MAX_PAGE = 250


def bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})


def cursor_of(key: Key) -> str:
    return base64.b64encode(orjson.dumps({"last_id": key[1], "last_value": key[0]})).decode()


def key_of(cursor: str) -> Key:
    try:
        parts = orjson.loads(base64.b64decode(cursor, validate=True))
        return parts["last_value"], int(parts["last_id"])
    except (binascii.Error, ValueError, KeyError, TypeError) as broken:
        raise bad_request("Malformed cursor") from broken


@dataclass(frozen=True, slots=True)
class Connection:
    """One page, already cut."""

    rows: Sequence[Any]
    keys: Sequence[Key]
    has_next: bool
    has_previous: bool
    total: int

    def page_info(self) -> dict[str, Any]:
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": cursor_of(self.keys[0]) if self.keys else None,
            "endCursor": cursor_of(self.keys[-1]) if self.keys else None,
        }

    def edges(self) -> list[dict[str, Any]]:
        return [{"node": row, "cursor": cursor_of(key)} for row, key in zip(self.rows, self.keys, strict=True)]


def page_size(args: dict[str, Any]) -> int:
    """The rows asked for; raises the platform's BAD_REQUEST for neither, both, or a number out of bounds."""
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise bad_request("you must provide one of first or last")
    if first is not None and last is not None:
        raise bad_request("providing both first and last is not supported")
    size = int(first if first is not None else last or 0)
    if size < 0:
        raise bad_request("first and last cannot be negative")
    return size


def paginate(
    rows: Sequence[Any], args: dict[str, Any], key: Callable[[Any], Key], *, most: int = MAX_PAGE
) -> Connection:
    """Cut one page out of `rows`, which stand in ascending order of `key`; `reverse` turns the order round."""
    size = page_size(args)
    if size > most:
        raise bad_request(f"first and last cannot exceed {most}")
    reverse = bool(args.get("reverse"))
    low, high = _window(rows, args, key, reverse=reverse)
    from_the_end = (args.get("last") is not None) != reverse
    if from_the_end:
        begin, end = max(low, high - size), high
    else:
        begin, end = low, min(high, low + size)
    page = list(rows[begin:end])
    more_after, more_before = end < len(rows), begin > 0
    if reverse:
        page.reverse()
        more_after, more_before = more_before, more_after
    return Connection(page, [key(row) for row in page], more_after, more_before, len(rows))


def _window(rows: Sequence[Any], args: dict[str, Any], key: Callable[[Any], Key], *, reverse: bool) -> tuple[int, int]:
    after, before = args.get("after"), args.get("before")
    if reverse:
        after, before = before, after
    try:
        low = bisect_right(rows, key_of(after), key=key) if after else 0
        high = bisect_left(rows, key_of(before), key=key) if before else len(rows)
    except TypeError as other_order:  # a cursor of another sort key: its value does not compare with ours
        raise bad_request("Malformed cursor") from other_order
    return low, max(low, high)
