"""Apply what came by webhook, in the order it came: each delivery and its effect in one transaction.

Order of arrival does not decide anything: the later statement by the shop's own time wins. What cannot be read is set
aside with its reason, and the others go on.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from plugin import metrics
from plugin.domain.instants import to_us
from plugin.errors import BadStatementError, NotFoundError, RebloomError, ShopUnavailableError
from plugin.installations import UNINSTALLED
from plugin.ledger import inbox, unplaced
from plugin.ledger.inbox import Waiting
from plugin.ledger.store import Store
from plugin.ledger.trouble import come_again
from plugin.ports import ShopGateway
from plugin.shops import Clock, ShopContext
from plugin.sync.customer_topics import CUSTOMER_TOPICS
from plugin.sync.effects import Handler, Outcome, Work, nothing
from plugin.sync.order_topics import ORDER_TOPICS
from plugin.sync.shop_topics import SHOP_TOPICS

_BATCH: Final = 100
_ALWAYS: Final = frozenset({"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"})
_WIPED: Final = frozenset({"customers/redact", "shop/redact"})
_log = structlog.get_logger(__name__)


async def apply_inbox(
    store: Store,
    shop: ShopContext,
    gateway: ShopGateway | None,
    *,
    now: Clock,
    limit: int,
    folder: Path | None = None,
) -> list[int]:
    """Apply at least `limit` deliveries, or all, and go on until a customer changed: an empty answer means that nothing
    more can be applied now. Who changed is noted as unplaced, too. `gateway` None: the shop cannot be asked. `folder`:
    of exports; a redaction empties it."""
    work = Work(store, shop.id, gateway, to_us(now()), folder)
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


async def _apply(work: Work, delivery: Waiting, now: Clock) -> frozenset[int]:
    log = _log.bind(shop_id=work.shop_id, topic=delivery.topic, webhook_id=delivery.webhook_id)
    try:
        outcome = await _carry_out(work, delivery, at=to_us(now()))
    except ShopUnavailableError as error:
        log.info("delivery_waits", reason=str(error))  # the shop's trouble is no fault of the delivery's
        return frozenset()
    except Exception as error:
        if come_again(error) is not None:
            raise  # nor is the database's: the job is tried again
        known = isinstance(error, RebloomError)
        reason = str(error) if known else f"{type(error).__name__} while applying it; see the log"
        again = not isinstance(error, BadStatementError)
        aside = await inbox.fail(work.store, work.shop_id, delivery.webhook_id, reason=reason, again=again)
        log.warning("delivery_failed", reason=reason, set_aside=aside, exc_info=not known)
        return frozenset()
    metrics.WEBHOOK_LAG.observe(max(0.0, (to_us(now()) - delivery.received_at) / 1_000_000))
    log.debug("delivery_applied", note=outcome.note)
    return outcome.changed


async def _carry_out(work: Work, delivery: Waiting, *, at: int) -> Outcome:
    """Everything that asks the shop comes first: no transaction waits for a network."""
    topic = delivery.topic.lower()
    if delivery.body is None:
        raise NotFoundError("The body cannot be opened with today's REBLOOM_ENCRYPTION_KEYS; put the older key back.")
    dropped = topic not in _ALWAYS and await _status(work) == UNINSTALLED
    handler = nothing if dropped else _HANDLERS.get(topic, nothing)
    effect = await handler(work, delivery)
    async with work.store.database.transaction() as session:
        outcome = await effect(session)
        note = "the shop has uninstalled Rebloom" if dropped else outcome.note
        if topic not in _WIPED:  # of who is redacted nothing is left to place, nor to name
            await unplaced.note(session, work.shop_id, outcome.changed)
        await inbox.finish(session, work.shop_id, delivery.webhook_id, at=at, note=note)
    if topic in _WIPED:
        if work.folder is not None:  # a sync that needs a file fetches it again
            await asyncio.to_thread(shutil.rmtree, work.folder, ignore_errors=True)
        await work.store.database.wipe_traces()
    return outcome


async def _status(work: Work) -> str:
    rows = await work.store.database.fetch("SELECT status FROM shops WHERE id = $1", work.shop_id)
    return str(rows[0][0]) if rows else UNINSTALLED


_HANDLERS: Final[Mapping[str, Handler]] = {**CUSTOMER_TOPICS, **ORDER_TOPICS, **SHOP_TOPICS}
