"""One shop's whole state, and the call an app makes on it."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson

from integrations.devshop.cost import Bucket
from integrations.devshop.discounts import DiscountNode
from integrations.devshop.metafields import Metafields
from integrations.devshop.readers import horizon
from integrations.devshop.rows import Checkout, Data, Line, Order, Variant, instant
from integrations.devshop.signing import hex_hmac

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
BULK_UNFINISHED = ("CREATED", "RUNNING", "CANCELING")
FILES_LAST = timedelta(days=7)
Now = Callable[[], datetime]


def wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """The one app the dev shop knows: what a partner dashboard would hold of it."""

    client_id: str
    secret: str = field(repr=False)
    url: str
    redirects: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("write_customers", "read_orders", "read_products", "write_app_proxy", "read_all_orders")
    name: str = "Rebloom"

    @property
    def number(self) -> int:
        return crc32(self.client_id.encode())


@dataclass
class Token:
    value: str = field(repr=False)
    scopes: frozenset[str]
    expires_at: datetime | None = None
    online: bool = False


@dataclass(frozen=True)
class Delivery:
    """A webhook on its way: the body is kept as first made, retries send it again."""

    topic: str
    uri: str
    body: bytes = field(repr=False)
    webhook_id: str
    event_id: str
    triggered_at: str
    subscription: int | None = None


def enum_of(topic: str) -> str:
    """`customer.tags_added` and `orders/create` as the schema's WebhookSubscriptionTopic names them."""
    return topic.upper().replace("/", "_").replace(".", "_")


def granted(scopes: Sequence[str]) -> frozenset[str]:
    """Writing implies reading."""
    return frozenset(scopes) | {"read_" + each.removeprefix("write_") for each in scopes if each.startswith("write_")}


@dataclass
class ShopState:
    domain: str
    data: Data
    app: App
    base_url: str
    files: Path
    name: str = "Rebloom Demo"
    timezone: str = "UTC"
    clock: Now = wall_clock
    bucket_size: float = 2000
    restore_rate: float = 100
    monotonic: Callable[[], float] = time.monotonic
    bulk_pause: float = 0.0
    shuffle_bulk: int | None = None
    echo_tag_writes: bool = True
    offset: timedelta = timedelta()
    lock: threading.RLock = field(default_factory=threading.RLock)
    writes: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, tuple[frozenset[str], datetime]] = field(default_factory=dict)
    replaced_by: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    installed: bool = False
    subscriptions: dict[int, dict[str, Any]] = field(default_factory=dict)
    checkouts: dict[int, Checkout] = field(default_factory=dict)
    bulk: dict[int, dict[str, Any]] = field(default_factory=dict)
    bulk_cancelled: set[int] = field(default_factory=set)
    discounts: dict[int, DiscountNode] = field(default_factory=dict)
    code_batches: dict[int, dict[str, Any]] = field(default_factory=dict)
    segments: dict[int, dict[str, Any]] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    staged: dict[str, Path] = field(default_factory=dict)
    jobs: deque[tuple[int, frozenset[str], str | None]] = field(default_factory=deque)
    broken: list[Exception] = field(default_factory=list)
    outbox: deque[Delivery] = field(default_factory=deque)
    file_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    wake: Callable[[], None] = lambda: None

    currency: str = field(init=False)
    metafields: Metafields = field(init=False)

    def __post_init__(self) -> None:
        self.currency = self.data.currency
        self.metafields = Metafields(self.app.number)
        self.bucket = Bucket(self.bucket_size, self.restore_rate, self.monotonic)
        self.serial = max(1_000_000_000, *self._highest_ids())
        self.created_at = min((each.created_at for each in self.data.customers.values()), default=self.now_text())
        self.version: Counter[str] = Counter()
        self._sorted: dict[tuple[str, str], tuple[int, list[Any]]] = {}
        self._by_customer: tuple[int, dict[int, list[Order]]] = (-1, {})

    def _highest_ids(self) -> Iterator[int]:
        for rows in (self.data.customers, self.data.orders, self.data.products):
            yield max(rows, default=0)
        yield max((line.id for order in self.data.orders.values() for line in order.lines), default=0)

    @property
    def number(self) -> int:
        return crc32(self.domain.encode())

    def offset_minutes(self) -> int:
        return int((self.now().astimezone(ZoneInfo(self.timezone)).utcoffset() or timedelta()).total_seconds() // 60)

    def now(self) -> datetime:
        return self.clock() + self.offset

    def now_text(self) -> str:
        return instant(self.now())

    def next_id(self) -> int:
        """Ids of everything made after loading: above all ids of the data."""
        self.serial += 1
        return self.serial

    def bulk_unfinished(self) -> list[dict[str, Any]]:
        return [each for each in self.bulk.values() if each["status"] in BULK_UNFINISHED]

    def announce(self, topic: str, payload: dict[str, Any], *, event: str | None = None) -> None:
        """Queue a webhook to every subscription of the topic; the compliance topics go to the app's own address."""
        to = [(number, each["uri"]) for number, each in self.subscriptions.items() if each["topic"] == enum_of(topic)]
        if topic in COMPLIANCE_TOPICS:
            to = [(0, f"{self.app.url}/webhooks")]
        body, event = orjson.dumps(payload), event or str(uuid4())
        for number, uri in to:
            self.outbox.append(Delivery(topic, uri, body, str(uuid4()), event, self.now_text(), number or None))
        self.wake()

    def listens(self, *topics: str) -> bool:
        wanted = {enum_of(topic) for topic in topics}
        return any(each["topic"] in wanted for each in self.subscriptions.values())

    def sign_file(self, name: str) -> str:
        expires = int((self.now() + FILES_LAST).timestamp())
        signature = hex_hmac(self.file_secret, f"{name}\n{expires}")
        return f"{self.base_url}/_files/{name}?Expires={expires}&Signature={signature}"

    def file_allowed(self, name: str, expires: str, signature: str) -> bool:
        good = hmac.compare_digest(hex_hmac(self.file_secret, f"{name}\n{expires}"), signature)
        return good and int(expires) >= self.now().timestamp()

    def touched(self, collection: str) -> None:
        self.version[collection] += 1

    def sorted_rows(self, collection: str, order: str, key: Callable[[Any], Any]) -> list[Any]:
        """The whole collection in ascending order of `key`, kept until something in it changes."""
        known = self._sorted.get((collection, order))
        if known is None or known[0] != self.version[collection]:
            rows = sorted(getattr(self.data, collection).values(), key=key)
            known = self._sorted[collection, order] = (self.version[collection], rows)
        return known[1]

    def orders_of(self, customer: int) -> list[Order]:
        if self._by_customer[0] != self.version["orders"]:
            grouped: dict[int, list[Order]] = {}
            for order in self.data.orders.values():
                if order.customer_id is not None:
                    grouped.setdefault(order.customer_id, []).append(order)
            self._by_customer = (self.version["orders"], grouped)
        return self._by_customer[1].get(customer, [])

    @cached_property
    def variants(self) -> dict[int, Variant]:
        return {variant.id: variant for product in self.data.products.values() for variant in product.variants}

    def line(self, number: int) -> Line | None:
        for order in self.data.orders.values():
            for line in order.lines:
                if line.id == number:
                    return line
        return None


@dataclass
class Call:
    """One request of the app: which shop, with what rights, at what time."""

    shop: ShopState
    scopes: frozenset[str]
    now: datetime
    operation: str = ""
    online: bool = False
    search_notes: list[dict[str, Any]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def sees_all_orders(self) -> bool:
        return "read_all_orders" in self.scopes

    @cached_property
    def orders_since(self) -> str:
        return horizon(self.now)

    def allows(self, needed: frozenset[str]) -> bool:
        return not needed or bool(needed & self.scopes)
