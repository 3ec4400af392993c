"""Walk through what changed in the shop since the last walk, and mend what no webhook brought.

The platform promises no delivery, so once a day, and whenever asked, customers, orders, products and the checkouts that
were left are read page by page by `updatedAt`, a day further back than needed. What we hold of that time and the pages
do not show is asked for by its id: where the shop knows none, it is gone. What was deleted without having changed since
shows in no page. Of checkouts the shop lists those alone that it counts as left, so what it does not show may be there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

import structlog

from integrations.shopify.mapping import checkout_from_node, customer_from_node, order_from_node, product_from_node
from plugin.domain.ids import gid
from plugin.domain.instants import from_us, to_us
from plugin.errors import BadStatementError, NotFoundError
from plugin.ledger import removals, unplaced
from plugin.ledger.checkouts import write_checkouts
from plugin.ledger.database import Database, Session
from plugin.ledger.facts import write_customers, write_orders, write_products
from plugin.ledger.store import Store
from plugin.log import mask
from plugin.ports import Node, Page, ShopGateway
from plugin.shops import Clock, ShopContext

_OVERLAP: Final = timedelta(days=1) // timedelta(microseconds=1)  # as the pages have it (`plugin/ports.py`)
MOST_ASKED: Final = 500  # things of one kind asked for one by one in one walk
_log = structlog.get_logger(__name__)


class Walked(NamedTuple):
    """`looked_at` things; `missed` were not here, `outdated` stood here in an older state, `gone` are not there."""

    looked_at: int
    missed: int
    outdated: int
    gone: int
    changed: frozenset[int]  # customers to be placed anew


@dataclass
class _Count:
    looked_at: int = 0
    missed: int = 0
    outdated: int = 0
    gone: int = 0
    unread: int = 0
    changed: set[int] = field(default_factory=set)


class _Stated(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def stated_at(self) -> int: ...


class _Gone(NamedTuple):
    """How one that no page showed is asked for, and taken away; the latter gives the customers concerned."""

    node: Callable[[ShopGateway, str], Awaitable[Node | None]]
    remove: Callable[[Session, int, int, int], Awaitable[set[int]]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of thing is read and written (which gives the customers concerned). `gone` None: what no page shows
    may be there all the same."""

    table: str
    name: str  # in a GID
    page: Callable[[ShopGateway, Any, str | None], Awaitable[Page]]
    fact: Callable[[Node], _Stated]
    write: Callable[[Store, int, Sequence[Any], Session], Awaitable[set[int]]]
    gone: _Gone | None


async def reconcile(store: Store, shop: ShopContext, gateway: ShopGateway, *, now: Clock) -> Walked:
    """Raises ShopError when the shop stops it (the next walk begins where this one did), NotFoundError for a shop that
    was never copied."""
    started = to_us(now())
    since = await _since(store.database, shop.id)
    await _begin(store.database, shop.id, started)
    count = _Count()
    try:
        for kind in _KINDS:
            await _Walk(store, shop.id, gateway, since, started, count).through(kind)
    except Exception as error:
        await store.database.execute(
            "UPDATE reconciliations SET error = $1 WHERE shop_id = $2", mask(str(error))[:500], shop.id
        )
        raise
    await store.database.execute(
        "UPDATE reconciliations SET finished_at = $1, walked_to = $2, looked_at = $3, missed = $4, outdated = $5,"
        " gone = $6, error = NULL WHERE shop_id = $7",
        to_us(now()), started, count.looked_at, count.missed, count.outdated, count.gone, shop.id,
    )  # fmt: skip
    await store.database.execute(
        "UPDATE sync_states SET fresh_as_of = $1 WHERE shop_id = $2 AND fresh_as_of < $1", started, shop.id
    )
    _log.info(
        "reconciled", shop_id=shop.id, looked_at=count.looked_at, missed=count.missed, outdated=count.outdated,
        gone=count.gone, unread=count.unread,
    )  # fmt: skip
    return Walked(count.looked_at, count.missed, count.outdated, count.gone, frozenset(count.changed))


async def _since(database: Database, shop_id: int) -> int:
    rows = await database.fetch(
        "SELECT (SELECT walked_to FROM reconciliations WHERE shop_id = $1),"
        " (SELECT fresh_as_of FROM sync_states WHERE shop_id = $1)",
        shop_id,
    )
    known = [instant for instant in rows[0] if instant is not None]
    if rows[0][1] is None:
        raise NotFoundError("This shop was never copied in full, so there is nothing to compare; run: rebloom sync")
    return int(max(known))


async def _begin(database: Database, shop_id: int, at: int) -> None:
    await database.execute(
        "INSERT INTO reconciliations (shop_id, started_at, looked_at, missed, outdated, gone)"
        " VALUES ($1, $2, 0, 0, 0, 0) ON CONFLICT (shop_id) DO UPDATE SET started_at = excluded.started_at,"
        " finished_at = NULL, error = NULL",
        shop_id,
        at,
    )


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk through the time from `since` to `started`."""

    store: Store
    shop_id: int
    gateway: ShopGateway
    since: int
    started: int
    count: _Count

    async def through(self, kind: _Kind) -> None:
        seen: set[int] = set()
        after: str | None = None
        while True:
            page = await kind.page(self.gateway, from_us(self.since), after)
            facts = [fact for fact in (self._read(kind, node) for node in page.nodes) if fact is not None]
            seen |= {fact.id for fact in facts}
            if facts:
                await self._mend(kind, facts)
            if page.after is None:
                break
            after = page.after
        if kind.gone is not None:
            await self._look_for_gone(kind, kind.gone, seen)

    def _read(self, kind: _Kind, node: Node) -> _Stated | None:
        try:
            return kind.fact(node)
        except BadStatementError as error:
            self.count.unread += 1
            _log.warning("unreadable_in_walk", shop_id=self.shop_id, kind=kind.table, reason=str(error))
            return None

    async def _mend(self, kind: _Kind, facts: Sequence[_Stated]) -> None:
        """All are written, since what is equal changes nothing; counted is what was not here, or older."""
        marks = ", ".join(f"${place}" for place in range(2, len(facts) + 2))
        rows = await self.store.database.fetch(
            f"SELECT id, stated_at, {_gone(kind)} FROM {kind.table} WHERE shop_id = $1 AND id IN ({marks})",
            self.shop_id,
            *(fact.id for fact in facts),
        )
        held = {int(row[0]): row for row in rows}
        missed = {fact.id for fact in facts if fact.id not in held}
        outdated = {
            fact.id
            for fact in facts
            if fact.id in held and held[fact.id][2] is None and int(held[fact.id][1]) < fact.stated_at
        }
        async with self.store.database.transaction() as session:
            even = [fact for fact in facts if fact.id not in missed | outdated]
            await kind.write(self.store, self.shop_id, even, session)
            wrong = [fact for fact in facts if fact.id in missed | outdated]
            changed = await kind.write(self.store, self.shop_id, wrong, session)
            await unplaced.note(session, self.shop_id, changed)
        self.count.changed |= changed
        self.count.looked_at += len(facts)
        self.count.missed += len(missed)
        self.count.outdated += len(outdated)

    async def _look_for_gone(self, kind: _Kind, gone: _Gone, seen: set[int]) -> None:
        """What we hold as changed in the time that the pages go through, and they did not show."""
        rows = await self.store.database.fetch(
            f"SELECT id FROM {kind.table} WHERE shop_id = $1 AND stated_at >= $2 AND stated_at < $3"
            f" AND {_gone(kind)} IS NULL ORDER BY id",
            self.shop_id,
            self.since - _OVERLAP,
            self.started,
        )
        for (number,) in [row for row in rows if row[0] not in seen][:MOST_ASKED]:
            if await gone.node(self.gateway, gid(kind.name, number)) is None:
                async with self.store.database.transaction() as session:
                    changed = await gone.remove(session, self.shop_id, number, self.started)
                    await unplaced.note(session, self.shop_id, changed)
                self.count.changed |= changed
                self.count.gone += 1


def _gone(kind: _Kind) -> str:
    return "COALESCE(deleted_at, merged_into)" if kind.table == "customers" else "deleted_at"


async def _write_customers(store: Store, shop_id: int, facts: Sequence[Any], session: Session) -> set[int]:
    await write_customers(store, shop_id, facts, session=session)
    return {fact.id for fact in facts}


async def _write_orders(store: Store, shop_id: int, facts: Sequence[Any], session: Session) -> set[int]:
    return await write_orders(store, shop_id, facts, session=session)


async def _write_products(store: Store, shop_id: int, facts: Sequence[Any], session: Session) -> set[int]:
    await write_products(store, shop_id, facts, session=session)
    return set()


async def _write_checkouts(_: Store, shop_id: int, facts: Sequence[Any], session: Session) -> set[int]:
    return await write_checkouts(session, shop_id, facts) if facts else set()


async def _remove_customer(session: Session, shop_id: int, number: int, at: int) -> set[int]:
    await removals.delete_customer(session, shop_id, number, at=at)
    return {number}


async def _remove_order(session: Session, shop_id: int, number: int, at: int) -> set[int]:
    return await removals.delete_order(session, shop_id, number, at=at)


async def _remove_product(session: Session, shop_id: int, number: int, at: int) -> set[int]:
    await removals.delete_product(session, shop_id, number, at=at)
    return set()


# Customers first: an order's owner is then known.
_KINDS: Final[tuple[_Kind, ...]] = (
    _Kind(
        "customers", "Customer", lambda shop, since, after: shop.customers_page(since, after), customer_from_node,
        _write_customers, _Gone(lambda shop, number: shop.node_customer(number), _remove_customer),
    ),
    _Kind(
        "products", "Product", lambda shop, since, after: shop.products_page(since, after), product_from_node,
        _write_products, _Gone(lambda shop, number: shop.node_product(number), _remove_product),
    ),
    _Kind(
        "orders", "Order", lambda shop, since, after: shop.orders_page(since, after), order_from_node,
        _write_orders, _Gone(lambda shop, number: shop.node_order(number), _remove_order),
    ),
    _Kind(
        "checkouts", "AbandonedCheckout", lambda shop, since, after: shop.checkouts_page(since, after),
        checkout_from_node, _write_checkouts, None,
    ),
)  # fmt: skip


async def reconciliation_row(database: Database, shop_id: int) -> Mapping[str, Any] | None:
    """The latest walk; instants are epoch microseconds."""
    names = ("started_at", "finished_at", "walked_to", "looked_at", "missed", "outdated", "gone", "error")
    rows = await database.fetch(f"SELECT {', '.join(names)} FROM reconciliations WHERE shop_id = $1", shop_id)
    return dict(zip(names, rows[0], strict=True)) if rows else None
