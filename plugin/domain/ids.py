"""Shopify's global ids: 64-bit integers inside, `gid://shopify/Customer/1` at the edge."""

from __future__ import annotations

import re

_GID = re.compile(r"gid://(shopify|rebloom)/([A-Za-z]{1,64})/([0-9]{1,19})")
LARGEST_ID = 2**63 - 1


def gid(kind: str, number: int, *, app: str = "shopify") -> str:
    """`gid("Customer", 1)` → `gid://shopify/Customer/1`."""
    return f"gid://{app}/{kind}/{number}"


def parse_gid(text: str, kind: str | None = None, *, app: str = "shopify") -> int:
    """The number of a global id. Raises ValueError naming the id when it is malformed or of another kind."""
    match = _GID.fullmatch(text)
    if match is None or match[1] != app or (kind is not None and match[2] != kind):
        raise ValueError(f"{text[:80]!r} is not a global id of the form gid://{app}/{kind or 'Type'}/1")
    number = int(match[3])
    if not 0 < number <= LARGEST_ID:
        raise ValueError(f"{text[:80]!r} has a number outside 1..2^63-1")
    return number


def kind_of(text: str) -> str:
    """`Customer` of `gid://shopify/Customer/1`. Raises ValueError when malformed."""
    match = _GID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is not a global id")
    return match[2]
