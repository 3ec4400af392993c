"""Topics about the installation and the shop itself, and the three duties of privacy law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from integrations.shopify import events, payloads
from plugin.installations import UNINSTALLED, write_shop
from plugin.ledger import removals
from plugin.ledger.database import Session
from plugin.ledger.inbox import Waiting, wipe_asides
from plugin.ledger.person_export import keep_export
from plugin.sync.effects import Effect, Handler, Outcome, Work, body_of


async def _uninstalled(work: Work, delivery: Waiting) -> Effect:
    """An uninstall from before the present installation is about another one."""

    async def effect(session: Session) -> Outcome:
        stopped = await session.execute(
            "UPDATE shops SET status = $1, status_reason = 'uninstalled in the shop', access_token = NULL,"
            " refresh_token = NULL, access_expires_at = NULL, refresh_expires_at = NULL, uninstalled_at = $2"
            " WHERE id = $3 AND installed_at <= $2",
            UNINSTALLED,
            delivery.at,
            work.shop_id,
        )
        return Outcome(note=None if stopped else "from before the present installation")

    return effect


async def _scopes(work: Work, delivery: Waiting) -> Effect:
    """The shop is asked, because an older delivery may come later."""
    stated = payloads.read_scopes(body_of(delivery))
    scopes = await work.gateway.granted_scopes() if work.gateway else stated

    async def effect(session: Session) -> Outcome:
        await session.execute(
            "UPDATE shops SET granted_scopes = $1 WHERE id = $2", ",".join(sorted(scopes)), work.shop_id
        )
        return Outcome()

    return effect


async def _redaction(work: Work, delivery: Waiting) -> Effect:
    """What was set aside and may be about this person goes, too; what is about others waits on for its operator."""
    person = payloads.read_person(body_of(delivery))
    customer_id = person.id

    async def effect(session: Session) -> Outcome:
        await wipe_asides(work.store, session, work.shop_id, person.words)
        await removals.delete_customer(session, work.shop_id, customer_id, at=delivery.at)
        return Outcome(frozenset({customer_id}))

    return effect


async def _data_request(work: Work, delivery: Waiting) -> Effect:
    """The answer is made at once and kept sealed, for the merchant to hand over."""
    customer_id = payloads.read_person(body_of(delivery)).id

    async def effect(session: Session) -> Outcome:
        living = await removals.living(session, work.shop_id, customer_id)
        await keep_export(
            work.store, session, work.shop_id, living, request_id=delivery.webhook_id, requested_at=delivery.at,
            at=work.now,
        )  # fmt: skip
        return Outcome(note=f"the data held on customer {living} is ready: rebloom person")

    return effect


async def _redact_shop(work: Work, delivery: Waiting) -> Effect:
    """Comes two days after an uninstall; a shop that installed again since keeps its data."""

    async def effect(session: Session) -> Outcome:
        [(status,)] = await session.fetch("SELECT status FROM shops WHERE id = $1", work.shop_id)
        if status != UNINSTALLED:
            return Outcome(note="installed again since")
        await removals.forget_shop(session, work.shop_id, keep_delivery=delivery.webhook_id)
        return Outcome(note="everything held about this shop is gone")

    return effect


async def _shop(work: Work, _: Waiting) -> Effect:
    """The shop is asked, because an older delivery may come later. In another zone or currency every customer's days
    and money are others: all are due at once, and the next sweep takes them."""
    fact = await work.gateway.shop_info() if work.gateway else None

    async def effect(session: Session) -> Outcome:
        if fact is None:
            return Outcome(note="the shop cannot be asked")
        [before] = await session.fetch("SELECT timezone, currency FROM shops WHERE id = $1", work.shop_id)
        await write_shop(session, work.shop_id, fact)
        if before == (fact.timezone, fact.currency):
            return Outcome()
        await session.execute("UPDATE profiles SET due_at = 0 WHERE shop_id = $1", work.shop_id)
        return Outcome(note=f"now in {fact.timezone}, {fact.currency}: every customer is placed anew")

    return effect


async def _operation(_: Work, delivery: Waiting) -> Effect:
    """A sync that waits for it looks for this delivery itself (`plugin/sync/exports.py`): it may hold up the line."""
    operation = events.read_finished_operation(body_of(delivery))

    async def effect(_: Session) -> Outcome:
        return Outcome(note=f"{operation} has ended")

    return effect


SHOP_TOPICS: Final[Mapping[str, Handler]] = {
    "app/uninstalled": _uninstalled,
    "app/scopes_update": _scopes,
    "shop/update": _shop,
    "bulk_operations/finish": _operation,
    "customers/data_request": _data_request,
    "customers/redact": _redaction,
    "shop/redact": _redact_shop,
}
