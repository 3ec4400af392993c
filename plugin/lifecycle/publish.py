"""Tags and stage metafields to the shop: the difference is planned, sent in batches or as bulk files by what is
quicker, and put on record batch by batch (see `plugin/ledger/tag_records.py` for the order that survives a crash)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from plugin.domain.instants import to_us
from plugin.domain.text import fold
from plugin.errors import BadRequestError, RebloomError
from plugin.ledger import push_records
from plugin.ledger import tag_records as records
from plugin.ledger.store import Store
from plugin.lifecycle.push_files import STAGE_BATCH, batches, finish_files, set_stages, write_stages, write_tags
from plugin.lifecycle.push_run import Progress, Run, mark, side_by_side, stage_mark
from plugin.lifecycle.tag_plan import Change, Plan, plan_push, wanted_tags
from plugin.ports import TAG_BATCH, ShopGateway, TagChange
from plugin.shops import Clock, ShopContext

__all__ = ["FILE_TAKES", "PushReport", "push_tags", "wanted_tags"]

# Seconds from handing in a bulk file until its answers are on record, nearly whatever its size: measured by
# `python -m tests.bench push`, the shop taking 3 s of them (live ones were seen to take 2 to 4 for a file of one line).
# A push has up to three files: removals, additions, metafields. Where calls would have to wait longer than that for the
# shop's bucket, files are quicker: a first push from some 270 customers on at 100 points a second, from 2,700 on Plus.
FILE_TAKES: Final = 4.7
SAMPLE: Final = 10
_MUTATION: Final = 10.0  # points, as recorded


@dataclass(frozen=True, slots=True)
class PushReport:
    """`customers` were written to (in a dry run: would be); `skipped` are as they should be, or were refused before and
    nothing has changed since; `added` and `removed` count tags; `sample` are the first changes, to show."""

    customers: int
    added: int
    removed: int
    skipped: int
    refused: int
    sample: tuple[str, ...]


async def push_tags(
    store: Store,
    shop: ShopContext,
    gateway: ShopGateway,
    *,
    now: Clock,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushReport:
    """Bring the shop's tags and stage metafields to what is wanted; a second push right after writes nothing. Safe to
    stop anywhere and to run again. A dry run writes neither to the shop nor to what is on record. Raises
    BadRequestError when everything of ours was taken out of the shop (`rebloom remove`)."""
    started = to_us(now())
    run = Run(store, shop, gateway, now, progress, 0)
    if not dry_run:
        await refuse_withdrawn(store, shop)
        await finish_files(run)
    plan = await _without_refused(store, shop, await plan_push(store, shop))
    changed = len({*plan.tags, *(customer for customer, _, _ in plan.stages)})
    run.total = len(run.done | run.refused) + changed
    await _save(store, shop, "running", started, dry_run=dry_run)
    try:
        if dry_run:
            _pretend(run, plan)
        else:
            await write(run, plan)
    except RebloomError as error:
        await _save(store, shop, "failed", started, dry_run=dry_run, run=run, ended=to_us(now()), error=str(error))
        raise
    skipped = max(plan.wanting - changed, 0)
    await _save(store, shop, "done", started, dry_run=dry_run, run=run, ended=to_us(now()), skipped=skipped)
    written = len(run.done - run.refused)
    return PushReport(written, run.added, run.removed, skipped, len(run.refused), _sample(plan))


def _pretend(run: Run, plan: Plan) -> None:
    run.done.update(plan.tags, (customer for customer, _, _ in plan.stages))
    run.added = sum(len(change.add) for change in plan.tags.values())
    run.removed = sum(len(change.remove) for change in plan.tags.values())


async def refuse_withdrawn(store: Store, shop: ShopContext) -> None:
    """Raises BadRequestError when `rebloom remove` was begun for the present installation."""
    if await push_records.is_withdrawn(store.database, shop.id):
        raise BadRequestError(
            f"Everything of ours was taken out of {shop.domain} (rebloom remove); install the app there again first."
        )


async def write(run: Run, plan: Plan) -> None:
    """Send a plan, by calls or by files."""
    database, shop = run.store.database, run.shop
    await push_records.use_prefix(database, shop.id, fold(shop.tag_prefix), at=run.at())
    await records.forget_stated_removals(database, shop.id)
    price = _price(plan)
    if run.gateway.wait_for(price) > FILE_TAKES * _files(plan):
        await write_tags(run, plan.tags)
        await write_stages(run, [stage for stage in plan.stages if stage[0] not in run.refused])
        return
    stages = {stage[0]: stage for stage in plan.stages}
    parts = list(batches(sorted({*plan.tags, *stages}), TAG_BATCH))

    async def write_part(customers: Sequence[int]) -> None:
        """The metafields of a part go right after its tags: cheap calls, which alone would leave the bucket to fill."""
        await _swap(run, [(who, plan.tags[who]) for who in customers if who in plan.tags])
        fine = [stages[who] for who in customers if who in stages and who not in run.refused]
        for group in batches(fine, STAGE_BATCH):
            await set_stages(run, group)

    await side_by_side(parts, write_part, lambda: run.gateway.calls_at_once(price / max(1, len(parts))))


def _price(plan: Plan) -> float:
    """Points, when the plan is sent by calls."""
    swaps = sum(bool(change.add) + bool(change.remove) for change in plan.tags.values())
    return _MUTATION * (swaps + -(-len(plan.stages) // STAGE_BATCH))


def _files(plan: Plan) -> int:
    removing = any(change.remove for change in plan.tags.values())
    return removing + any(change.add for change in plan.tags.values()) + bool(plan.stages)


async def _swap(run: Run, batch: Sequence[tuple[int, Change]]) -> None:
    if not batch:
        return
    database, changes = run.store.database, dict(batch)
    await records.intend(database, run.shop.id, [(who, change.add) for who, change in batch], at=run.at())
    results = await run.gateway.swap_tags(
        [TagChange(customer_id=who, add=tuple(change.add), remove=tuple(change.remove)) for who, change in batch]
    )
    fine = [result.customer_id for result in results if result.error is None]
    added = [(who, changes[who].add) for who in fine]
    removed = [(who, changes[who].remove) for who in fine]
    await run.confirm(added=added, removed=removed)
    await run.refuse([(r.customer_id, r.error, mark(changes[r.customer_id])) for r in results if r.error is not None])


async def _without_refused(store: Store, shop: ShopContext, plan: Plan) -> Plan:
    """Without what the shop refused before, unless something has changed on its side or ours."""
    refused = await records.refused_before(store.database, shop.id)
    if not refused:
        return plan
    tags = {who: change for who, change in plan.tags.items() if (who, mark(change)) not in refused}
    gone = {who for who in plan.tags if who not in tags}
    stages = [each for each in plan.stages if each[0] not in gone and (each[0], stage_mark(each)) not in refused]
    return Plan(tags, stages, plan.wanting)


def _sample(plan: Plan) -> tuple[str, ...]:
    return tuple(
        " ".join((f"Customer {who}:", *(f"+ {tag}" for tag in change.add), *(f"- {tag}" for tag in change.remove)))
        for who, change in islice(plan.tags.items(), SAMPLE)
    )


async def _save(
    store: Store,
    shop: ShopContext,
    phase: str,
    started: int,
    *,
    dry_run: bool,
    run: Run | None = None,
    ended: int | None = None,
    skipped: int = 0,
    error: str | None = None,
) -> None:
    counts: dict[str, Any] = {
        "customers": len(run.done - run.refused) if run else 0,
        "added": run.added if run else 0,
        "removed": run.removed if run else 0,
        "skipped": skipped,
        "refused": len(run.refused) if run else 0,
    }
    await records.save_run(
        store.database,
        shop.id,
        phase=phase,
        dry_run=dry_run,
        **counts,
        started_at=started,
        finished_at=ended,
        error=error,
    )
