"""Taking out of a shop exactly what Rebloom wrote there, while the token still lives: tags on record, the stage
metafields, the codes of its discounts, its webhook subscriptions. Each step goes by what is on record and takes it off
when the shop has done it, so it may be stopped anywhere and run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from plugin.domain.ids import gid
from plugin.ledger import push_records
from plugin.ledger import tag_records as records
from plugin.ledger.store import Store
from plugin.lifecycle.codes import count_codes, withdraw_codes
from plugin.lifecycle.publish import write
from plugin.lifecycle.push_files import NAMESPACE, STAGE_BATCH, batches, finish_files
from plugin.lifecycle.push_run import Run
from plugin.lifecycle.tag_plan import Change, Plan, our_prefixes
from plugin.ports import MetafieldName, ShopGateway
from plugin.shops import Clock, ShopContext

Show = Callable[[str, int, int], None]  # what, done, of


@dataclass(slots=True)
class Withdrawal:
    """What is taken away (in a dry run: would be), and what the shop refused to let go of."""

    store: Store
    shop: ShopContext
    gateway: ShopGateway
    address: str  # where our webhooks go
    now: Clock
    show: Show
    dry_run: bool
    counts: dict[str, int] = field(default_factory=dict)
    refused: int = 0


async def withdraw(
    store: Store,
    shop: ShopContext,
    gateway: ShopGateway,
    *,
    address: str,
    now: Clock,
    show: Show = lambda _what, _done, _of: None,
    dry_run: bool = False,
) -> Withdrawal:
    """Take everything of ours out of the shop; from its beginning on nothing is written there any more, until the app
    is installed again. Raises ShopAccessError when the shop lets us in no more, ShopUnavailableError: run it again."""
    work = Withdrawal(store, shop, gateway, address, now, show, dry_run)
    if not dry_run:
        await push_records.withdraw(store.database, shop.id, at=_at(work))
    for what, step in STEPS:
        work.counts[what] = await step(work)
    if not dry_run:
        await push_records.withdrawal_ended(store.database, shop.id, at=_at(work))
    return work


async def _tags(work: Withdrawal) -> int:
    """By the way of a push, calls or files, as a plan that wants nothing."""
    run = Run(work.store, work.shop, work.gateway, work.now, lambda done, of: work.show("tags", done, of), 0)
    if not work.dry_run:
        await finish_files(run)
    prefixes = await our_prefixes(work.store, work.shop)
    changes: defaultdict[int, Change] = defaultdict(Change)
    for customer, tag in await records.on_record(work.store.database, work.shop.id):
        if tag.startswith(prefixes):
            changes[customer].remove.append(tag)
    run.total = len(changes)
    if work.dry_run:
        return sum(len(change.remove) for change in changes.values())
    await write(run, Plan(dict(changes), [], 0))
    work.refused += len(run.refused)
    return run.removed


async def _metafields(work: Withdrawal) -> int:
    customers = await records.with_stage(work.store.database, work.shop.id)
    done = 0
    for part in () if work.dry_run else batches(customers, STAGE_BATCH):
        names = [
            MetafieldName(owner=gid("Customer", customer), namespace=NAMESPACE, key=key)
            for customer in part
            for key in ("stage", "stage_since")
        ]
        await work.gateway.delete_metafields(names)
        await records.stages_taken(work.store.database, work.shop.id, part)
        done += len(part)
        work.show("metafields", done, len(customers))
    return 2 * len(customers)


async def _codes(work: Withdrawal) -> int:
    if work.dry_run:
        return await count_codes(work.store, work.shop.id)
    total = await count_codes(work.store, work.shop.id)
    return await withdraw_codes(
        work.store, work.shop, work.gateway, now=work.now, progress=lambda done: work.show("codes", done, total)
    )


async def _subscriptions(work: Withdrawal) -> int:
    ours = [each for each in await work.gateway.subscriptions() if each.uri == work.address]
    for done, each in enumerate(() if work.dry_run else ours, 1):
        await work.gateway.unsubscribe(each.gid)
        work.show("subscriptions", done, len(ours))
    return len(ours)


def _at(work: Withdrawal) -> int:
    return Run(work.store, work.shop, work.gateway, work.now, None, 0).at()


# In this order: as long as the subscriptions stand, the shop's own statements keep what is on record true.
STEPS: Final[tuple[tuple[str, Callable[[Withdrawal], Awaitable[int]]], ...]] = (
    ("tags", _tags),
    ("metafields", _metafields),
    ("codes", _codes),
    ("subscriptions", _subscriptions),
)
