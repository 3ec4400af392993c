"""What the shell needs from outside, as Protocols: one shop's Admin API, seen from here.

Every method may raise ShopUnavailableError (try again later), ShopAccessError (trying again does not help) or
ShopRefusedError (the shop understood and said no). Nodes come as the shop wrote them, in the fields of the documents
of `integrations/shopify/queries`; ids are GIDs there, numbers elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from plugin.domain.facts import ShopFact

Node = Mapping[str, Any]
TAG_BATCH: Final = (
    40  # customers in one aliased request: two mutations of 10 points each, under the 1,000 a query may ask
)
METAFIELD_BATCH: Final = 25
DISCOUNT_BATCH: Final = 40  # 10 or 11 points each


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkStatus:
    """`status` as the platform writes it: CREATED, RUNNING, COMPLETED, FAILED, CANCELING, CANCELED, EXPIRED.
    `url` is None until done and when nothing was found; counts grow while running."""

    id: str
    status: str
    error_code: str | None
    object_count: int
    root_object_count: int
    url: str | None
    partial_url: str | None

    @property
    def finished(self) -> bool:
        return self.status in {"COMPLETED", "FAILED", "CANCELED", "EXPIRED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Nodes in order of `updatedAt`. `after` None: there is no further page.
    Orders carry all their lines under `lineItems.nodes`, products all their variants under `variants.nodes`."""

    nodes: tuple[Node, ...]
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChange:
    """Tags without commas, at most 255 characters each."""

    customer_id: int
    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResult:
    """`error` is the shop's own words; None when both the removal and the adding were done."""

    customer_id: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkLine:
    """The answer to line `line` (from 0) of a bulk mutation's input; `errors` are the shop's own words. `denied`: for
    want of a scope, which says nothing about the line."""

    line: int
    data: Mapping[str, Any]
    errors: tuple[str, ...]
    denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetafieldWrite:
    """`type` is the platform's: `single_line_text_field`, `date`. `owner` is a GID; `$app:` names are ours alone."""

    owner: str
    namespace: str
    key: str
    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetafieldName:
    """`owner` is a GID."""

    owner: str
    namespace: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`topic` as the enum writes it."""

    gid: str
    topic: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetafieldError:
    """`index` is the place in the call's items, None when the shop did not say."""

    index: int | None
    message: str
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountSpec:
    """A code, usable once by each of `customer_ids` (none: by each customer): `percentage` (0 to 1), or `amount` in the
    shop's currency."""

    title: str
    code: str
    starts_at: datetime
    ends_at: datetime | None
    customer_ids: tuple[int, ...]
    percentage: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountChange:
    """`create` has a spec, `update` a spec and an id, `deactivate` and `delete` an id."""

    kind: Literal["create", "update", "deactivate", "delete"]
    spec: DiscountSpec | None = None
    discount_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountResult:
    """`error` is the shop's own words, None when it was done. `taken`: somebody has this code, it may be ours from a
    call whose answer was lost. `gone`: the shop knows no such discount."""

    discount_id: int | None
    error: str | None
    taken: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDiscount:
    """`customer_ids`: to whom it is bound; empty when to nobody by name."""

    discount_id: int
    title: str
    customer_ids: frozenset[int]


class ShopGateway(Protocol):
    """One shop's Admin API. Paced by the shop's own bucket, retried inside a time budget, never past it."""

    async def shop_info(self) -> ShopFact: ...

    async def granted_scopes(self) -> frozenset[str]:
        """As the shop lists them; `write_x` is listed without the `read_x` it implies."""
        ...

    async def start_bulk_query(self, document: str) -> str:
        """The operation's GID. Raises ShopRefusedError when the document is refused, ShopUnavailableError when as
        many operations as the shop allows are running."""
        ...

    async def bulk_status(self, operation: str) -> BulkStatus:
        """Raises ShopRefusedError when the shop knows no such operation."""
        ...

    def open_download(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a bulk result, in pieces as they come; only https (or loopback beside a dev shop), and without
        our token. A cut or failed download raises ShopUnavailableError from inside the iteration."""
        ...

    async def customers_page(self, updated_since: datetime | None, after: str | None) -> Page:
        """The platform matches whole days: expect rows older than `updated_since`. The same for the other pages."""
        ...

    async def orders_page(self, updated_since: datetime | None, after: str | None) -> Page: ...

    async def products_page(self, updated_since: datetime | None, after: str | None) -> Page: ...

    async def checkouts_page(self, updated_since: datetime | None, after: str | None) -> Page:
        """Checkouts that were left, those taken up again among them, in order of `createdAt`."""
        ...

    async def node_customer(self, gid: str) -> Node | None: ...

    async def node_order(self, gid: str) -> Node | None:
        """An order with all its lines and its refunds; None when the shop has none by that id."""
        ...

    async def node_product(self, gid: str) -> Node | None: ...

    async def swap_tags(self, items: Sequence[TagChange]) -> list[TagResult]:
        """Removals, then additions, of at most TAG_BATCH customers in one request; results in the order of `items`."""
        ...

    def wait_for(self, points: float) -> float:
        """Seconds until the shop's bucket will have given so many points, as far as its answers tell."""
        ...

    def calls_at_once(self, points: float) -> int:
        """How many calls of so many points are worth having under way, at least one: with one alone a quick bucket
        fills up while the shop works on it."""
        ...

    async def start_bulk_mutation(
        self, document: str, lines: AsyncIterator[bytes] | Sequence[Mapping[str, Any]]
    ) -> str:
        """Upload `lines` (JSON texts without line ends, or variables) and have `document` run once for each; the GID of
        the operation. Raises as `start_bulk_query` does."""
        ...

    def bulk_answers(self, operation: str) -> AsyncIterator[BulkLine]:
        """Wait for a bulk mutation, and give its answers as the file has them (any order, some twice); may be asked
        again, for seven days. A run that fails half way, or has answers that cannot be read, raises BulkFailedError
        after what is known was given; one that lacked a scope BulkDeniedError."""
        ...

    async def set_metafields(self, items: Sequence[MetafieldWrite]) -> list[MetafieldError]:
        """At most METAFIELD_BATCH; with any error nothing of the call was written."""
        ...

    async def delete_metafields(self, items: Sequence[MetafieldName]) -> None:
        """At most METAFIELD_BATCH; what is not there is no error."""
        ...

    async def subscriptions(self) -> list[Subscription]:
        """The webhook subscriptions that this app made in this shop."""
        ...

    async def unsubscribe(self, gid: str) -> None:
        """A subscription that is gone already is a success."""
        ...

    async def subscribe(self, topic: str, uri: str) -> None:
        """`topic` as the enum writes it: ORDERS_CREATE. A subscription that is there already is a success."""
        ...

    async def change_discounts(self, changes: Sequence[DiscountChange]) -> list[DiscountResult]:
        """At most DISCOUNT_BATCH, in one request; results in their order. After ShopUnavailableError any of them may
        have been done."""
        ...

    def create_discounts(self, specs: Sequence[DiscountSpec]) -> AsyncIterator[tuple[int, DiscountResult]]:
        """Any number, by one file: (place in `specs`, result) in any order. A run that fails half way raises
        ShopUnavailableError after what it did was given."""
        ...

    async def discount_by_code(self, code: str) -> FoundDiscount | None:
        """Whatever the letter case; None when the shop has no such code."""
        ...
