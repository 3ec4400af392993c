"""Deliveries of webhooks: stored sealed before they are answered, taken in the order they came, kept when unreadable.

A body holds personal data, so it goes the moment its delivery is done; the row stays as the record of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from plugin.errors import BadRequestError, EncryptionError, NotFoundError
from plugin.ledger.database import Session
from plugin.ledger.store import Store
from plugin.log import mask

MAX_ATTEMPTS: Final = 5
NO_SHOP: Final = 0
_LONGEST_ID: Final = 255
_LONGEST_TOPIC: Final = 128
_LONGEST_REASON: Final = 500
_INSERT: Final = (
    "INSERT INTO inbox (shop_id, webhook_id, event_id, domain, topic, sealed_body, triggered_at, received_at,"
    " state, attempts, reason, applied_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11)"
    " ON CONFLICT (shop_id, webhook_id) DO NOTHING"
)
InTransaction = Callable[[Session], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A verified webhook. Instants are epoch microseconds; `triggered_at` is the shop's own, when it said one."""

    webhook_id: str
    event_id: str | None
    domain: str
    topic: str
    body: bytes
    triggered_at: int | None
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A delivery to be applied, opened. `body` None: it cannot be opened with today's keys."""

    webhook_id: str
    topic: str
    body: bytes | None
    triggered_at: int | None
    received_at: int
    attempts: int

    @property
    def at(self) -> int:
        """When the shop said it, as far as we know."""
        return self.received_at if self.triggered_at is None else self.triggered_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    domain: str
    topic: str
    webhook_id: str
    attempts: int
    reason: str
    received_at: int


async def record_delivery(
    store: Store, delivery: Delivery, *, beside: Callable[[int], InTransaction | None] = lambda _: None
) -> bool:
    """Store it durably; False when it was stored before. What `beside` gives for the shop is done in the transaction of
    the row. A delivery of a shop that never installed Rebloom is kept as a
    record without its body: nothing is held about that shop. Raises BadRequestError for unstorable headers."""
    _check(delivery)
    rows = await store.database.fetch("SELECT id FROM shops WHERE domain = $1", delivery.domain)
    shop_id = int(rows[0][0]) if rows else NO_SHOP
    sealed = await asyncio.to_thread(store.vault.seal, delivery.body.decode("latin-1")) if rows else ""
    row = (
        shop_id,
        delivery.webhook_id,
        delivery.event_id,
        delivery.domain,
        delivery.topic,
        sealed,
        delivery.triggered_at,
        delivery.received_at,
        "new" if rows else "done",
        None if rows else "this shop has not installed Rebloom",
        None if rows else delivery.received_at,
    )
    with_it = beside(shop_id) if rows else None
    if with_it is None:
        return await store.database.execute(_INSERT, *row) > 0
    async with store.database.transaction() as session:
        added = await session.execute(_INSERT, *row)
        if added:
            await with_it(session)
    return added > 0


async def waiting(store: Store, shop_id: int, *, after: tuple[int, str], limit: int) -> list[Waiting]:
    """The next deliveries to apply, by (received_at, webhook_id), beyond `after`."""
    rows = await store.database.fetch(
        "SELECT webhook_id, topic, sealed_body, triggered_at, received_at, attempts FROM inbox WHERE shop_id = $1"
        " AND state = 'new' AND (received_at > $2 OR (received_at = $2 AND webhook_id > $3))"
        " ORDER BY received_at, webhook_id LIMIT $4",
        shop_id,
        *after,
        limit,
    )
    bodies = await asyncio.to_thread(lambda: [_opened(store, row[2]) for row in rows])
    return [
        Waiting(webhook_id=row[0], topic=row[1], body=body, triggered_at=row[3], received_at=row[4], attempts=row[5])
        for row, body in zip(rows, bodies, strict=True)
    ]


async def finish(session: Session, shop_id: int, webhook_id: str, *, at: int, note: str | None = None) -> None:
    """Done: in the transaction of its effect."""
    await session.execute(
        "UPDATE inbox SET state = 'done', sealed_body = '', reason = $1, applied_at = $2"
        " WHERE shop_id = $3 AND webhook_id = $4",
        note,
        at,
        shop_id,
        webhook_id,
    )


async def fail(store: Store, shop_id: int, webhook_id: str, *, reason: str, again: bool) -> bool:
    """Count the attempt and keep the reason. Set aside at once unless trying `again` can help, and after MAX_ATTEMPTS;
    True when it was set aside."""
    await store.database.execute(
        "UPDATE inbox SET attempts = attempts + 1, reason = $1,"
        " state = CASE WHEN attempts + 1 >= $2 THEN 'set_aside' ELSE 'new' END WHERE shop_id = $3 AND webhook_id = $4",
        mask(reason)[:_LONGEST_REASON],
        MAX_ATTEMPTS if again else 0,
        shop_id,
        webhook_id,
    )
    rows = await store.database.fetch(
        "SELECT state FROM inbox WHERE shop_id = $1 AND webhook_id = $2", shop_id, webhook_id
    )
    return bool(rows) and rows[0][0] == "set_aside"


async def wipe_asides(store: Store, session: Session, shop_id: int, words: Sequence[str]) -> None:
    """Deliveries set aside in which one of `words` stands, or that cannot be opened, lose their bodies."""
    rows = await session.fetch(
        "SELECT webhook_id, sealed_body FROM inbox WHERE shop_id = $1 AND state = 'set_aside'", shop_id
    )
    sought = [word.encode() for word in words]
    bodies = await asyncio.to_thread(lambda: [_opened(store, row[1]) for row in rows])
    for (webhook_id, _), body in zip(rows, bodies, strict=True):
        if body is None or any(word in body for word in sought):
            await session.execute(
                "UPDATE inbox SET sealed_body = '', state = 'done', reason = 'wiped by a redaction'"
                " WHERE shop_id = $1 AND webhook_id = $2",
                shop_id,
                webhook_id,
            )


async def waiting_shops(store: Store) -> list[int]:
    """Shops with deliveries to apply."""
    rows = await store.database.fetch("SELECT DISTINCT shop_id FROM inbox /* every shop */ WHERE state = 'new'")
    return sorted(int(row[0]) for row in rows)


async def mark_leavers(store: Store) -> None:
    """Shops whose uninstalling waits in line behind a long job are stopped now: every call asks for the status first.
    The delivery itself is applied in its turn."""
    await store.database.execute(
        "UPDATE shops SET status = 'uninstalled' WHERE status = 'installed' AND EXISTS (SELECT 1 FROM inbox i"
        " WHERE i.shop_id = shops.id AND i.state = 'new' AND i.topic = 'app/uninstalled'"
        " AND COALESCE(i.triggered_at, i.received_at) >= shops.installed_at)"
    )


async def list_set_aside(store: Store, shop_id: int | None) -> list[Aside]:
    """What could not be applied, oldest first; of every shop when none is named."""
    rows = await store.database.fetch(
        "SELECT domain, topic, webhook_id, attempts, reason, received_at FROM inbox"
        " WHERE state = 'set_aside' AND (shop_id = $1 OR $1 = -1) ORDER BY received_at, webhook_id",
        -1 if shop_id is None else shop_id,
    )
    return [
        Aside(domain=row[0], topic=row[1], webhook_id=row[2], attempts=row[3], reason=row[4] or "", received_at=row[5])
        for row in rows
    ]


async def run_again(store: Store, shop_id: int | None, webhook_id: str | None = None) -> int:
    """Put what was set aside back in line, with all its attempts before it; how many. With an id, that one alone."""
    return await store.database.execute(
        "UPDATE inbox SET state = 'new', attempts = 0 WHERE state = 'set_aside' AND (shop_id = $1 OR $1 = -1)"
        " AND (webhook_id = $2 OR $2 = '')",
        -1 if shop_id is None else shop_id,
        webhook_id or "",
    )


async def open_aside(store: Store, webhook_id: str) -> tuple[Aside, str]:
    """One delivery that was set aside, and its body as it came. Raises NotFoundError, or EncryptionError."""
    rows = await store.database.fetch(
        "SELECT domain, topic, webhook_id, attempts, reason, received_at, sealed_body FROM inbox /* every shop */"
        " WHERE webhook_id = $1 AND state = 'set_aside'",
        webhook_id,
    )
    if not rows:
        raise NotFoundError(f"No delivery {webhook_id[:80]!r} is set aside; list them with: rebloom inbox")
    row = rows[0]
    told = Aside(
        domain=row[0], topic=row[1], webhook_id=row[2], attempts=row[3], reason=row[4] or "", received_at=row[5]
    )
    return told, store.vault.open(row[6]).encode("latin-1").decode("utf-8", "replace")


def _opened(store: Store, sealed: str) -> bytes | None:
    try:
        return store.vault.open(sealed).encode("latin-1")
    except EncryptionError:
        return None


def _check(delivery: Delivery) -> None:
    for value, limit, what in (
        (delivery.webhook_id, _LONGEST_ID, "webhook id"),
        (delivery.event_id or "-", _LONGEST_ID, "event id"),
        (delivery.topic, _LONGEST_TOPIC, "topic"),
    ):
        if not 0 < len(value) <= limit or not value.isascii() or "\0" in value:
            raise BadRequestError(f"The {what} must be 1 to {limit} plain characters.")
