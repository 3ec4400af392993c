"""Relay connections by keyset, our own: a page is always bounded, and rows that come or go between pages neither
repeat nor hide others.

A cursor holds the sort key of its row and is checked against the shop, the list and its order, so that a cursor of
another list is refused rather than misread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

import orjson
import strawberry
from strawberry import UNSET

from graphql_schema.access import Access, Scope
from plugin.errors import BadRequestError

T = TypeVar("T")
C = TypeVar("C", bound="Connection[Any]")
Row = TypeVar("Row")
Position = tuple[Any, ...]  # the values a list is sorted by; the last one is unique

LARGEST_PAGE: Final = 250
DEFAULT_SIZE: Final = 50
NESTED_SIZE: Final = 10  # of a connection inside another's rows
_CHECK: Final = 8  # bytes


@strawberry.type(description="Where a page stands in its list.", directives=[Access(scope=Scope.ANY)])
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether rows come before this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first row of the page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last row of the page.")


@strawberry.type(description="A row of a list, with its cursor.", directives=[Access(scope=Scope.ANY)])
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Give it as `after` or `before` to go on from this row.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list.", directives=[Access(scope=Scope.ANY)])
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The rows of the page with their cursors.")
    nodes: list[T] = strawberry.field(description="The rows of the page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")


class Page(NamedTuple):
    """A checked request for at most `size` rows after and before positions; `backward` counts from the end. A loader
    hashes it for each row of a page."""

    size: int
    backward: bool = False
    after: Position | None = None
    before: Position | None = None

    @property
    def fetch(self) -> int:
        """One row more than asked tells whether others follow."""
        return self.size + 1


@dataclass(frozen=True, slots=True)
class Listing:
    """What a cursor belongs to: a list of a shop in one order, e.g. `("customers", "LAST_ORDER_AT", "desc")`."""

    shop_id: int
    name: tuple[str, ...]

    def cursor(self, position: Position) -> str:
        body = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._check(body) + body).rstrip(b"=").decode("ascii")

    def position(self, cursor: str) -> Position:
        """Raises BadRequestError when this is no cursor of this list."""
        try:
            raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            if self._check(raw[_CHECK:]) == raw[:_CHECK]:
                return tuple(orjson.loads(raw[_CHECK:]))
        except (ValueError, binascii.Error):
            pass
        raise BadRequestError(
            f"{cursor[:40]!r} is not a cursor of this list in this order; take one from `pageInfo` or `edges` of the "
            "same query."
        )

    def _check(self, body: bytes) -> bytes:
        mark = orjson.dumps([self.shop_id, *self.name])
        return hashlib.blake2b(mark + b"\0" + body, digest_size=_CHECK, key=b"rebloom cursor").digest()


def given(value: Any) -> Any:  # noqa: ANN401 - whatever the argument is
    """An argument that was left out and one that is null mean the same here."""
    return None if value is UNSET else value


def page_of(
    listing: Listing,
    first: int | None,
    after: str | None,
    last: int | None = None,
    before: str | None = None,
    *,
    default: int = DEFAULT_SIZE,
) -> Page:
    """The page that Relay's four arguments ask for. Raises BadRequestError for a size out of bounds, `first` together
    with `last`, or a cursor that is not this list's."""
    first, after, last, before = given(first), given(after), given(last), given(before)
    if first is not None and last is not None:
        raise BadRequestError("Give `first` or `last`, not both.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 1 <= size <= LARGEST_PAGE:
            raise BadRequestError(f"`{name}` must be between 1 and {LARGEST_PAGE}, not {size}.")
    return Page(
        size=first or last or default,
        backward=last is not None,
        after=None if after is None else listing.position(after),
        before=None if before is None else listing.position(before),
    )


class _Shown(Generic[Row]):
    """What is asked of a connection is made when it is asked for: a page without `edges` needs no row's cursor."""

    def __init__(
        self,
        listing: Listing,
        page: Page,
        rows: Sequence[Row],
        node: Callable[[Row], Any],
        position: Callable[[Row], Position],
    ) -> None:
        self._listing, self._page, self._node, self._position = listing, page, node, position
        self._more = len(rows) > page.size
        kept = rows[: page.size] if self._more else rows
        self._rows = kept[::-1] if page.backward else kept

    @property
    def nodes(self) -> list[Any]:
        return [self._node(row) for row in self._rows]

    @property
    def edges(self) -> list[Edge[Any]]:
        return [Edge(cursor=self._cursor(row), node=self._node(row)) for row in self._rows]

    @property
    def page_info(self) -> PageInfo:
        page, rows, more = self._page, self._rows, self._more
        return PageInfo(
            has_next_page=page.before is not None if page.backward else more,
            has_previous_page=more if page.backward else page.after is not None,
            start_cursor=self._cursor(rows[0]) if rows else None,
            end_cursor=self._cursor(rows[-1]) if rows else None,
        )

    def _cursor(self, row: Row) -> str:
        return self._listing.cursor(self._position(row))


def connection(
    kind: type[C],  # noqa: ARG001 - says what is shown
    listing: Listing,
    page: Page,
    rows: Sequence[Row],
    node: Callable[[Row], Any],
    position: Callable[[Row], Position],
) -> C:
    """The page of `rows`, which were read in the direction of the page with `page.fetch` as the limit."""
    return cast("C", _Shown(listing, page, rows, node, position))
