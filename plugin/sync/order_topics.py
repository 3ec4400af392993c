"""Topics about orders, refunds, products and checkouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from integrations.shopify import events, payloads
from integrations.shopify.mapping import order_from_node
from plugin.domain.facts import OrderFact
from plugin.domain.ids import gid
from plugin.errors import NotFoundError
from plugin.ledger import removals
from plugin.ledger.checkouts import delete_checkout, write_checkouts
from plugin.ledger.database import Session
from plugin.ledger.facts import knows_order, write_orders, write_products, write_refund
from plugin.ledger.inbox import Waiting
from plugin.sync.effects import Effect, Handler, Outcome, Work, body_of


async def _order(work: Work, delivery: Waiting) -> Effect:
    return _writing(work, payloads.read_order(body_of(delivery)))


async def _edited_order(work: Work, delivery: Waiting) -> Effect:
    return _writing(work, await _asked_for(work, payloads.read_edited_order_id(body_of(delivery))))


async def _refund(work: Work, delivery: Waiting) -> Effect:
    """A refund may come before its order: then the shop is asked for the order."""
    stated = payloads.read_refund(body_of(delivery))
    known = await knows_order(work.store, work.shop_id, stated.order_id)
    order = None if known else await _asked_for(work, stated.order_id)

    async def effect(session: Session) -> Outcome:
        facts = [order] if order else []
        changed = await write_orders(work.store, work.shop_id, facts, session=session)
        changed |= await write_refund(work.store, work.shop_id, stated.order_id, stated.refund, session=session)
        return Outcome(frozenset(changed))

    return effect


async def _asked_for(work: Work, order_id: int) -> OrderFact:
    node = await work.gateway.node_order(gid("Order", order_id)) if work.gateway else None
    if node is None:
        raise NotFoundError(f"Order {order_id} is not here, and the shop gives none by that id.")
    return order_from_node(node)


def _writing(work: Work, fact: OrderFact) -> Effect:
    async def effect(session: Session) -> Outcome:
        return Outcome(frozenset(await write_orders(work.store, work.shop_id, [fact], session=session)))

    return effect


async def _deleted_order(work: Work, delivery: Waiting) -> Effect:
    order_id = payloads.read_id(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        return Outcome(frozenset(await removals.delete_order(session, work.shop_id, order_id, at=delivery.at)))

    return effect


async def _product(work: Work, delivery: Waiting) -> Effect:
    fact = payloads.read_product(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        await write_products(work.store, work.shop_id, [fact], session=session)
        return Outcome()

    return effect


async def _deleted_product(work: Work, delivery: Waiting) -> Effect:
    product_id = payloads.read_id(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        await removals.delete_product(session, work.shop_id, product_id, at=delivery.at)
        return Outcome()

    return effect


async def _checkout(work: Work, delivery: Waiting) -> Effect:
    fact = events.read_checkout(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        return Outcome(frozenset(await write_checkouts(session, work.shop_id, [fact])))

    return effect


async def _deleted_checkout(work: Work, delivery: Waiting) -> Effect:
    checkout_id = payloads.read_id(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        return Outcome(frozenset(await delete_checkout(session, work.shop_id, checkout_id, at=delivery.at)))

    return effect


ORDER_TOPICS: Final[Mapping[str, Handler]] = {
    "orders/create": _order,
    "orders/updated": _order,
    "orders/cancelled": _order,
    "orders/paid": _order,
    "orders/fulfilled": _order,
    "orders/edited": _edited_order,
    "orders/delete": _deleted_order,
    "refunds/create": _refund,
    "products/create": _product,
    "products/update": _product,
    "products/delete": _deleted_product,
    "checkouts/create": _checkout,
    "checkouts/update": _checkout,
    "checkouts/delete": _deleted_checkout,
}
