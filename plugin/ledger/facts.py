"""What the shop states, written so that it may arrive twice, late and out of order: the later statement wins.

Each function takes the `session` of a transaction when its effect must stand or fall with something else; without one
it opens its own. Functions named `…_in_bulk` write batches of an export and leave sums to `settle.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol, TypeVar

import msgspec

from plugin.domain.facts import CustomerFact, OrderFact, PersonFact, ProductFact, RefundFact, VariantFact
from plugin.domain.orders import void_instant
from plugin.ledger import statements
from plugin.ledger.database import Row, Session
from plugin.ledger.removals import is_gone, living
from plugin.ledger.store import Store
from plugin.ledger.traits import settle_traits
from plugin.vault import Vault


class _Stated(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def stated_at(self) -> int: ...


F = TypeVar("F", bound=_Stated)


async def write_customers(
    store: Store, shop_id: int, facts: Sequence[CustomerFact], *, session: Session | None = None
) -> None:
    """Customers and the people behind them; nobody who is gone comes back."""
    facts = _latest(facts)
    sealed = await asyncio.to_thread(_person_rows, store.vault, shop_id, facts)
    async with _within(store, session) as inner:
        await inner.upsert(statements.CUSTOMERS, [statements.customer_row(shop_id, fact) for fact in facts])
        await inner.upsert(statements.PERSONS, [row for row in sealed if not await is_gone(inner, shop_id, row[1])])
        await settle_traits(inner, shop_id, [fact.id for fact in facts])


async def write_customers_in_bulk(store: Store, shop_id: int, facts: Sequence[CustomerFact]) -> None:
    customers, persons = await asyncio.to_thread(
        lambda: (
            [statements.customer_row(shop_id, fact) for fact in _latest(facts)],
            _person_rows(store.vault, shop_id, _latest(facts)),
        )
    )
    await store.database.upsert(statements.CUSTOMERS, customers)
    await store.database.upsert(statements.PERSONS, persons)


async def write_products(
    store: Store, shop_id: int, facts: Sequence[ProductFact], *, session: Session | None = None
) -> None:
    """Products with all their variants: those not stated are gone."""
    async with _within(store, session) as inner:
        for fact in _latest(facts):
            await inner.upsert(statements.PRODUCTS, [statements.product_row(shop_id, fact)])
            if await _holds(inner, "products", shop_id, fact):
                await inner.execute(
                    "DELETE FROM variants WHERE shop_id = $1 AND product_id = $2 AND stated_at <= $3",
                    shop_id,
                    fact.id,
                    fact.stated_at,
                )
                variants = [statements.variant_row(shop_id, fact.id, each, fact.stated_at) for each in fact.variants]
                await inner.upsert(statements.VARIANTS, variants)


async def write_products_in_bulk(
    store: Store,
    shop_id: int,
    facts: Sequence[ProductFact],
    variants: Sequence[tuple[int, VariantFact]],
    *,
    exported_at: int,
) -> None:
    """`variants` with their product's id. An export is at least as late as its start: that is a child's `stated_at`."""
    products, children = await asyncio.to_thread(
        lambda: (
            [statements.product_row(shop_id, fact) for fact in _latest(facts)],
            {fact.id: statements.variant_row(shop_id, owner, fact, exported_at) for owner, fact in variants},
        )
    )
    await store.database.upsert(statements.PRODUCTS, products)
    await store.database.upsert(statements.VARIANTS, list(children.values()))


async def write_orders(
    store: Store, shop_id: int, facts: Sequence[OrderFact], *, session: Session | None = None
) -> set[int]:
    """Orders with all their lines; the customers whose orders may have changed."""
    changed: set[int] = set()
    async with _within(store, session) as inner:
        for fact in _latest(facts):
            changed |= await _write_order(inner, shop_id, fact)
    return changed


async def write_orders_in_bulk(
    store: Store,
    shop_id: int,
    facts: Sequence[OrderFact],
    lines: Sequence[Row],
    *,
    exported_at: int,
) -> None:
    """Orders, and lines as (order's id, *LineFact), in whatever batches the export brings them."""
    orders, refunds, children = await asyncio.to_thread(
        lambda: (
            [statements.order_row(shop_id, fact) for fact in _latest(facts)],
            {each.id: statements.refund_row(shop_id, fact.id, each) for fact in facts for each in fact.refunds or ()},
            statements.line_rows(shop_id, lines, exported_at),
        )
    )
    await store.database.upsert(statements.ORDERS, orders)
    await store.database.upsert(statements.REFUNDS, list(refunds.values()))
    await store.database.upsert(statements.LINES, children)


async def write_refund(
    store: Store, shop_id: int, order_id: int, refund: RefundFact, *, session: Session | None = None
) -> set[int]:
    """A refund of an order that is here; the customer it concerns. Nothing for an order that is gone."""
    async with _within(store, session) as inner:
        owners = await inner.fetch(
            "SELECT customer_id FROM orders WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL", shop_id, order_id
        )
        if owners:
            await inner.upsert(statements.REFUNDS, [statements.refund_row(shop_id, order_id, refund)])
            await _settle(inner, shop_id, order_id)
    return {int(row[0]) for row in owners if row[0] is not None}


async def knows_order(store: Store, shop_id: int, order_id: int) -> bool:
    """Whether the order is held, or was deleted."""
    return bool(await store.database.fetch("SELECT 1 FROM orders WHERE shop_id = $1 AND id = $2", shop_id, order_id))


async def _write_order(session: Session, shop_id: int, fact: OrderFact) -> set[int]:
    customer_id = None if fact.customer_id is None else await living(session, shop_id, fact.customer_id)
    if customer_id != fact.customer_id:
        fact = replace(fact, customer_id=customer_id)
    before = await session.fetch("SELECT customer_id FROM orders WHERE shop_id = $1 AND id = $2", shop_id, fact.id)
    await session.upsert(statements.ORDERS, [statements.order_row(shop_id, fact)])
    if not await _holds(session, "orders", shop_id, fact):
        return set()
    await session.execute(
        "DELETE FROM order_lines WHERE shop_id = $1 AND order_id = $2 AND stated_at <= $3",
        shop_id,
        fact.id,
        fact.stated_at,
    )
    await session.upsert(
        statements.LINES, [statements.line_row(shop_id, fact.id, line, fact.stated_at) for line in fact.lines]
    )
    await session.upsert(
        statements.REFUNDS, [statements.refund_row(shop_id, fact.id, each) for each in fact.refunds or ()]
    )
    await _settle(session, shop_id, fact.id)
    return {int(owner) for owner in (customer_id, *(row[0] for row in before)) if owner is not None}


async def _settle(session: Session, shop_id: int, order_id: int) -> None:
    """What follows from the order's own lines and refunds. Refunds are never taken back, so the shop's own sum, when it
    is older than a refund we know, gives way to ours."""
    [(cancelled_at, total, refunded, current)] = await session.fetch(
        "SELECT cancelled_at, total, refunded, current_total FROM orders WHERE shop_id = $1 AND id = $2",
        shop_id,
        order_id,
    )
    refunds = [
        RefundFact(id=row[0], at=row[1], amount=row[2])
        for row in await session.fetch(
            "SELECT id, at, amount FROM refunds WHERE shop_id = $1 AND order_id = $2", shop_id, order_id
        )
    ]
    known = sum(refund.amount for refund in refunds)
    await session.execute(
        "UPDATE orders SET voided_at = $1, refunded = $2, current_total = $3, items = COALESCE("
        "(SELECT SUM(quantity) FROM order_lines WHERE shop_id = $4 AND order_id = $5), 0)"
        " WHERE shop_id = $4 AND id = $5",
        void_instant(cancelled_at, total, refunds),
        max(refunded, known),
        current - (known - refunded) if known > refunded and current > 0 else current,
        shop_id,
        order_id,
    )


async def _holds(session: Session, table: str, shop_id: int, fact: _Stated) -> bool:
    """Whether the row now says what `fact` says: no later statement stands there, and it is not deleted."""
    found = await session.fetch(
        f"SELECT 1 FROM {table} WHERE shop_id = $1 AND id = $2 AND stated_at = $3 AND deleted_at IS NULL",
        shop_id,
        fact.id,
        fact.stated_at,
    )
    return bool(found)


@asynccontextmanager
async def _within(store: Store, session: Session | None) -> AsyncIterator[Session]:
    if session is not None:
        yield session
        return
    async with store.database.transaction() as own:
        yield own


def _latest(facts: Sequence[F]) -> list[F]:
    """One statement an id, the latest (the last of equals): a batch may hold a line twice."""
    latest: dict[int, F] = {}
    for fact in facts:
        if fact.id not in latest or latest[fact.id].stated_at <= fact.stated_at:
            latest[fact.id] = fact
    return list(latest.values())


def _person_rows(vault: Vault, shop_id: int, facts: Iterable[CustomerFact]) -> list[Row]:
    return [
        (shop_id, fact.id, vault.seal(msgspec.json.encode(fact.person).decode()), fact.stated_at)
        for fact in facts
        if fact.person is not None
    ]


def read_person(vault: Vault, sealed: str) -> PersonFact:
    """The person of a `persons` row. Raises EncryptionError."""
    return msgspec.json.decode(vault.open(sealed), type=PersonFact)
