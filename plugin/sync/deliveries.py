"""Apply what came by webhook, in the order it came: each delivery and its effect in one transaction.

Order of arrival does not decide anything: the later statement by the shop's own time wins. What cannot be read is set
aside with its reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from integrations.shopify import payloads
from integrations.shopify.mapping import customer_from_node, order_from_node
from plugin import metrics
from plugin.domain.facts import OrderFact
from plugin.domain.ids import gid
from plugin.domain.instants import to_us
from plugin.errors import BadStatementError, NotFoundError, RebloomError, ShopUnavailableError
from plugin.ledger import inbox, removals
from plugin.ledger.database import Session
from plugin.ledger.facts import knows_order, write_customers, write_orders, write_products, write_refund
from plugin.ledger.inbox import Waiting
from plugin.ledger.store import Store
from plugin.ports import ShopGateway
from plugin.shops import Clock, ShopContext

_BATCH: Final = 100
_UNINSTALLED: Final = "uninstalled"
_ALWAYS: Final = frozenset({"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The customers whose facts may have changed; a note when there is something to say."""

    changed: frozenset[int] = frozenset()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """What a topic's handler has to work with."""

    store: Store
    shop_id: int
    gateway: ShopGateway | None


Effect = Callable[[Session], Awaitable[_Outcome]]
Handler = Callable[[_Work, Waiting], Awaitable[Effect]]


async def apply_inbox(
    store: Store, shop: ShopContext, gateway: ShopGateway | None, *, now: Clock, limit: int
) -> list[int]:
    """Apply at least `limit` deliveries, or all, and go on until a customer changed: an empty answer means that nothing
    more can be applied now. `gateway` None: the shop cannot be asked."""
    work = _Work(store, shop.id, gateway)
    changed: set[int] = set()
    after, seen = (-1, ""), 0
    while seen < limit or not changed:
        deliveries = await inbox.waiting(store, shop.id, after=after, limit=_BATCH)
        for delivery in deliveries:
            changed |= await _apply(work, delivery, now)
            after = (delivery.received_at, delivery.webhook_id)
        seen += len(deliveries)
        if len(deliveries) < _BATCH:
            break
    return sorted(changed)


async def _apply(work: _Work, delivery: Waiting, now: Clock) -> frozenset[int]:
    log = _log.bind(shop_id=work.shop_id, topic=delivery.topic, webhook_id=delivery.webhook_id)
    try:
        outcome = await _carry_out(work, delivery, at=to_us(now()))
    except ShopUnavailableError as error:
        log.info("delivery_waits", reason=str(error))  # the shop's trouble is no fault of the delivery's
        return frozenset()
    except Exception as error:
        known = isinstance(error, RebloomError)
        reason = str(error) if known else f"{type(error).__name__} while applying it; see the log"
        again = not isinstance(error, BadStatementError)
        aside = await inbox.fail(work.store, work.shop_id, delivery.webhook_id, reason=reason, again=again)
        log.warning("delivery_failed", reason=reason, set_aside=aside, exc_info=not known)
        return frozenset()
    metrics.WEBHOOK_LAG.observe(max(0.0, (to_us(now()) - delivery.received_at) / 1_000_000))
    log.debug("delivery_applied", note=outcome.note)
    return outcome.changed


async def _carry_out(work: _Work, delivery: Waiting, *, at: int) -> _Outcome:
    """Everything that asks the shop comes first: no transaction waits for a network."""
    topic = delivery.topic.lower()
    if delivery.body is None:
        raise NotFoundError("The body cannot be opened with today's REBLOOM_ENCRYPTION_KEYS; put the older key back.")
    dropped = topic not in _ALWAYS and await _status(work) == _UNINSTALLED
    handler = _nothing if dropped else _HANDLERS.get(topic, _nothing)
    effect = await handler(work, delivery)
    async with work.store.database.transaction() as session:
        outcome = await effect(session)
        note = "the shop has uninstalled Rebloom" if dropped else outcome.note
        await inbox.finish(session, work.shop_id, delivery.webhook_id, at=at, note=note)
    return outcome


async def _status(work: _Work) -> str:
    rows = await work.store.database.fetch("SELECT status FROM shops WHERE id = $1", work.shop_id)
    return str(rows[0][0]) if rows else _UNINSTALLED


def _body(delivery: Waiting) -> bytes:
    return delivery.body or b""


async def _nothing(_: _Work, __: Waiting) -> Effect:
    async def effect(_: Session) -> _Outcome:
        return _Outcome(note="nothing to do for this topic")

    return effect


async def _customer(work: _Work, delivery: Waiting) -> Effect:
    fact = payloads.read_customer(_body(delivery))

    async def effect(session: Session) -> _Outcome:
        await write_customers(work.store, work.shop_id, [fact], session=session)
        return _Outcome(frozenset({fact.id}))

    return effect


async def _new_customer(work: _Work, delivery: Waiting) -> Effect:
    """The payload has neither tags nor consent, so the shop is asked once for the whole of a new customer."""
    fact = payloads.read_customer(_body(delivery))
    node = await work.gateway.node_customer(gid("Customer", fact.id)) if work.gateway else None
    facts = [fact] if node is None else [fact, customer_from_node(node)]

    async def effect(session: Session) -> _Outcome:
        for each in facts:
            await write_customers(work.store, work.shop_id, [each], session=session)
        return _Outcome(frozenset({fact.id}))

    return effect


async def _deleted_customer(work: _Work, delivery: Waiting) -> Effect:
    return _removal(work, payloads.read_id(_body(delivery)), delivery.at)


async def _redaction(work: _Work, delivery: Waiting) -> Effect:
    customer_id = payloads.read_person_id(_body(delivery))
    remove = _removal(work, customer_id, delivery.at)

    async def effect(session: Session) -> _Outcome:
        # What was set aside cannot be searched for a person without opening it: all of it loses its body.
        await session.execute(
            "UPDATE inbox SET sealed_body = '', state = 'done', reason = 'wiped by a redaction'"
            " WHERE shop_id = $1 AND state = 'set_aside'",
            work.shop_id,
        )
        return await remove(session)

    return effect


def _removal(work: _Work, customer_id: int, at: int) -> Effect:
    async def effect(session: Session) -> _Outcome:
        await removals.delete_customer(session, work.shop_id, customer_id, at=at)
        return _Outcome(frozenset({customer_id}))

    return effect


async def _merge(work: _Work, delivery: Waiting) -> Effect:
    merge = payloads.read_merge(_body(delivery))

    async def effect(session: Session) -> _Outcome:
        changed = await removals.merge_customers(
            session, work.shop_id, kept=merge.kept, folded=merge.folded, at=delivery.received_at
        )
        return _Outcome(frozenset(changed))

    return effect


async def _order(work: _Work, delivery: Waiting) -> Effect:
    return _writing(work, payloads.read_order(_body(delivery)))


async def _edited_order(work: _Work, delivery: Waiting) -> Effect:
    return _writing(work, await _asked_for(work, payloads.read_edited_order_id(_body(delivery))))


async def _refund(work: _Work, delivery: Waiting) -> Effect:
    """A refund may come before its order: then the shop is asked for the order."""
    stated = payloads.read_refund(_body(delivery))
    known = await knows_order(work.store, work.shop_id, stated.order_id)
    order = None if known else await _asked_for(work, stated.order_id)

    async def effect(session: Session) -> _Outcome:
        facts = [order] if order else []
        changed = await write_orders(work.store, work.shop_id, facts, session=session)
        changed |= await write_refund(work.store, work.shop_id, stated.order_id, stated.refund, session=session)
        return _Outcome(frozenset(changed))

    return effect


async def _asked_for(work: _Work, order_id: int) -> OrderFact:
    node = await work.gateway.node_order(gid("Order", order_id)) if work.gateway else None
    if node is None:
        raise NotFoundError(f"Order {order_id} is not here, and the shop gives none by that id.")
    return order_from_node(node)


def _writing(work: _Work, fact: OrderFact) -> Effect:
    async def effect(session: Session) -> _Outcome:
        return _Outcome(frozenset(await write_orders(work.store, work.shop_id, [fact], session=session)))

    return effect


async def _deleted_order(work: _Work, delivery: Waiting) -> Effect:
    order_id = payloads.read_id(_body(delivery))

    async def effect(session: Session) -> _Outcome:
        return _Outcome(frozenset(await removals.delete_order(session, work.shop_id, order_id, at=delivery.at)))

    return effect


async def _product(work: _Work, delivery: Waiting) -> Effect:
    fact = payloads.read_product(_body(delivery))

    async def effect(session: Session) -> _Outcome:
        await write_products(work.store, work.shop_id, [fact], session=session)
        return _Outcome()

    return effect


async def _deleted_product(work: _Work, delivery: Waiting) -> Effect:
    product_id = payloads.read_id(_body(delivery))

    async def effect(session: Session) -> _Outcome:
        await removals.delete_product(session, work.shop_id, product_id, at=delivery.at)
        return _Outcome()

    return effect


async def _uninstalled(work: _Work, delivery: Waiting) -> Effect:
    """An uninstall from before the present installation is about another one."""

    async def effect(session: Session) -> _Outcome:
        stopped = await session.execute(
            "UPDATE shops SET status = $1, status_reason = 'uninstalled in the shop', access_token = NULL,"
            " refresh_token = NULL, access_expires_at = NULL, refresh_expires_at = NULL, uninstalled_at = $2"
            " WHERE id = $3 AND installed_at <= $2",
            _UNINSTALLED,
            delivery.at,
            work.shop_id,
        )
        return _Outcome(note=None if stopped else "from before the present installation")

    return effect


async def _scopes(work: _Work, delivery: Waiting) -> Effect:
    """The shop is asked, because an older delivery may come later."""
    stated = payloads.read_scopes(_body(delivery))
    scopes = await work.gateway.granted_scopes() if work.gateway else stated

    async def effect(session: Session) -> _Outcome:
        await session.execute(
            "UPDATE shops SET granted_scopes = $1 WHERE id = $2", ",".join(sorted(scopes)), work.shop_id
        )
        return _Outcome()

    return effect


async def _data_request(_: _Work, delivery: Waiting) -> Effect:
    customer_id = payloads.read_person_id(_body(delivery))

    async def effect(_: Session) -> _Outcome:
        return _Outcome(note=f"the merchant asks for the data held on customer {customer_id}")

    return effect


async def _redact_shop(work: _Work, delivery: Waiting) -> Effect:
    """Comes two days after an uninstall; a shop that installed again since keeps its data."""

    async def effect(session: Session) -> _Outcome:
        [(status,)] = await session.fetch("SELECT status FROM shops WHERE id = $1", work.shop_id)
        if status != _UNINSTALLED:
            return _Outcome(note="installed again since")
        await removals.forget_shop(session, work.shop_id, keep_delivery=delivery.webhook_id)
        return _Outcome(note="everything held about this shop is gone")

    return effect


_HANDLERS: Final[Mapping[str, Handler]] = {
    "customers/create": _new_customer,
    "customers/update": _customer,
    "customers/delete": _deleted_customer,
    "customers/merge": _merge,
    "orders/create": _order,
    "orders/updated": _order,
    "orders/cancelled": _order,
    "orders/paid": _order,
    "orders/edited": _edited_order,
    "orders/delete": _deleted_order,
    "refunds/create": _refund,
    "products/create": _product,
    "products/update": _product,
    "products/delete": _deleted_product,
    "app/uninstalled": _uninstalled,
    "app/scopes_update": _scopes,
    "customers/data_request": _data_request,
    "customers/redact": _redaction,
    "shop/redact": _redact_shop,
}
