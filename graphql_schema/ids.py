"""Global ids given by callers."""

from __future__ import annotations

from typing import Literal

from plugin.domain.ids import kind_of, parse_gid
from plugin.errors import BadRequestError


def number_of(text: str, kind: str, *, app: Literal["shopify", "rebloom"] = "shopify") -> int:
    """The number of a global id. Raises BadRequestError for one that is malformed or of another kind."""
    try:
        return parse_gid(text, kind, app=app)
    except ValueError as error:
        raise BadRequestError(str(error)) from None


def kind(text: str) -> str:
    """`Customer` of `gid://shopify/Customer/1`. Raises BadRequestError."""
    try:
        return kind_of(text)
    except ValueError as error:
        raise BadRequestError(str(error)) from None
