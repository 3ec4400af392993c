"""Topics about a customer. Payloads of whole customers carry neither tags nor consent (since 2025-01): those come by
topics of their own, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from integrations.shopify import events, payloads
from integrations.shopify.mapping import customer_from_node
from plugin.domain.facts import TraitFact
from plugin.domain.ids import gid
from plugin.ledger import removals
from plugin.ledger.database import Session
from plugin.ledger.facts import write_customers
from plugin.ledger.inbox import Waiting
from plugin.ledger.traits import write_traits
from plugin.sync.effects import Effect, Handler, Outcome, Work, body_of


async def _customer(work: Work, delivery: Waiting) -> Effect:
    fact = payloads.read_customer(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        await write_customers(work.store, work.shop_id, [fact], session=session)
        return Outcome(frozenset({fact.id}))

    return effect


async def _new_customer(work: Work, delivery: Waiting) -> Effect:
    """The payload has neither tags nor consent, so the shop is asked once for the whole of a new customer."""
    fact = payloads.read_customer(body_of(delivery))
    node = await work.gateway.node_customer(gid("Customer", fact.id)) if work.gateway else None
    facts = [fact] if node is None else [fact, customer_from_node(node)]

    async def effect(session: Session) -> Outcome:
        for each in facts:
            await write_customers(work.store, work.shop_id, [each], session=session)
        return Outcome(frozenset({fact.id}))

    return effect


async def _deleted(work: Work, delivery: Waiting) -> Effect:
    customer_id = payloads.read_id(body_of(delivery))

    async def effect(session: Session) -> Outcome:
        await removals.delete_customer(session, work.shop_id, customer_id, at=delivery.at)
        return Outcome(frozenset({customer_id}))

    return effect


async def _merge(work: Work, delivery: Waiting) -> Effect:
    """The kept customer's tags are now the union, which no payload tells: the shop is asked."""
    merge = payloads.read_merge(body_of(delivery))
    if not merge.done:
        return _told("the shop did not merge them")
    node = await work.gateway.node_customer(gid("Customer", merge.kept)) if work.gateway else None

    async def effect(session: Session) -> Outcome:
        changed = await removals.merge_customers(
            session, work.shop_id, kept=merge.kept, folded=merge.folded, at=delivery.received_at
        )
        if node is not None:
            await write_customers(work.store, work.shop_id, [customer_from_node(node)], session=session)
        return Outcome(frozenset(changed))

    return effect


def _told(note: str) -> Effect:
    async def effect(_: Session) -> Outcome:
        return Outcome(note=note)

    return effect


async def _tags_added(work: Work, delivery: Waiting) -> Effect:
    return _traits(work, events.read_tags(body_of(delivery), added=True))


async def _tags_removed(work: Work, delivery: Waiting) -> Effect:
    return _traits(work, events.read_tags(body_of(delivery), added=False))


async def _email_consent(work: Work, delivery: Waiting) -> Effect:
    return _traits(work, events.read_email_consent(body_of(delivery), delivery.at))


async def _sms_consent(work: Work, delivery: Waiting) -> Effect:
    return _traits(work, events.read_sms_consent(body_of(delivery), delivery.at))


async def _summary(work: Work, delivery: Waiting) -> Effect:
    return _traits(work, events.read_summary(body_of(delivery)))


def _traits(work: Work, facts: list[TraitFact]) -> Effect:
    async def effect(session: Session) -> Outcome:
        return Outcome(frozenset(await write_traits(session, work.shop_id, facts)))

    return effect


CUSTOMER_TOPICS: Final[Mapping[str, Handler]] = {
    "customers/create": _new_customer,
    "customers/update": _customer,
    "customers/enable": _customer,
    "customers/disable": _customer,
    "customers/delete": _deleted,
    "customers/merge": _merge,
    "customer.tags_added": _tags_added,
    "customer.tags_removed": _tags_removed,
    "customers_email_marketing_consent/update": _email_consent,
    "customers_marketing_consent/update": _sms_consent,
    "customers/purchasing_summary": _summary,
}
