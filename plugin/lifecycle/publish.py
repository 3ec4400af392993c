"""Tags and stage metafields to the shop: the difference is planned, sent in batches or as bulk files by its size, and
put on record batch by batch (see `plugin/ledger/tag_records.py` for the order that survives a crash)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from plugin import metrics
from plugin.domain.calendar import day_date
from plugin.domain.ids import gid
from plugin.domain.instants import to_us
from plugin.errors import RebloomError
from plugin.ledger import tag_records as records
from plugin.ledger.statistics import refresh_statistics
from plugin.ledger.store import Store
from plugin.lifecycle.tag_plan import Change, Plan, plan_push, wanted_tags
from plugin.ports import METAFIELD_BATCH, TAG_BATCH, BulkLine, MetafieldWrite, ShopGateway, TagChange
from plugin.shops import Clock, ShopContext

__all__ = ["BULK_FROM", "PushReport", "push_tags", "wanted_tags"]

# From so many customers on, a file is quicker: a batch of 40 costs 400 to 800 points, of which the shop gives back
# 100 a second. A file costs none and takes some seconds, whatever its size.
BULK_FROM: Final = 200
SAMPLE: Final = 10
NAMESPACE: Final = "$app:rebloom"
_STAGE_BATCH: Final = METAFIELD_BATCH // 2  # customers: each has two metafields
_COMMIT: Final = 1_000  # bulk answers put on record at once
_ADD: Final = """mutation AddTags($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
_REMOVE: Final = """mutation RemoveTags($id: ID!, $tags: [String!]!) {
  tagsRemove(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
_SET: Final = """mutation SetStages($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) { metafields { id } userErrors { field message code } }
}"""

Progress = Callable[[int, int], None]
Stage = tuple[int, str, int]  # customer, stage, since_day
T = TypeVar("T")


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


@dataclass(slots=True)
class _Run:
    """One push on its way."""

    store: Store
    shop: ShopContext
    gateway: ShopGateway
    now: Clock
    progress: Progress | None
    total: int
    done: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    added: int = 0
    removed: int = 0

    def at(self) -> int:
        return to_us(self.now())

    def tell(self) -> None:
        if self.progress is not None:
            self.progress(len(self.done | self.refused), self.total)


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
    stop anywhere and to run again. A dry run writes neither to the shop nor to what is on record."""
    started = to_us(now())
    plan = await _without_refused(store, shop, await plan_push(store, shop))
    changed = len({*plan.tags, *(customer for customer, _, _ in plan.stages)})
    await _save(store, shop, "running", started, dry_run=dry_run)
    run = _Run(store, shop, gateway, now, progress, changed)
    try:
        if dry_run:
            _pretend(run, plan)
        else:
            await _write(run, plan)
    except RebloomError as error:
        await _save(store, shop, "failed", started, dry_run=dry_run, run=run, ended=to_us(now()), error=str(error))
        raise
    skipped = max(plan.wanting - changed, 0)
    await _save(store, shop, "done", started, dry_run=dry_run, run=run, ended=to_us(now()), skipped=skipped)
    written = len(run.done - run.refused)
    return PushReport(written, run.added, run.removed, skipped, len(run.refused), _sample(plan))


def _pretend(run: _Run, plan: Plan) -> None:
    run.done.update(plan.tags, (customer for customer, _, _ in plan.stages))
    run.added = sum(len(change.add) for change in plan.tags.values())
    run.removed = sum(len(change.remove) for change in plan.tags.values())


async def _write(run: _Run, plan: Plan) -> None:
    await records.forget_stated_removals(run.store.database, run.shop.id)
    if len(plan.tags) >= BULK_FROM:
        # Removals first: a stop between the two leaves a customer with no stage tag rather than with two.
        await _bulk_remove(run, {who: change for who, change in plan.tags.items() if change.remove})
        await _bulk_add(run, {who: change.add for who, change in plan.tags.items() if change.add})
        await refresh_statistics(run.store.database, "tag_records", "push_states")
    else:
        for batch in _batches(list(plan.tags.items()), TAG_BATCH):
            await _swap(run, batch)
    stages = [stage for stage in plan.stages if stage[0] not in run.refused]
    if len(stages) >= BULK_FROM:
        await _bulk_stages(run, stages)
    else:
        for part in _batches(stages, _STAGE_BATCH):
            await _set_stages(run, part)


async def _swap(run: _Run, batch: Sequence[tuple[int, Change]]) -> None:
    database, changes = run.store.database, dict(batch)
    await records.intend(database, run.shop.id, [(who, change.add) for who, change in batch], at=run.at())
    results = await run.gateway.swap_tags(
        [TagChange(customer_id=who, add=tuple(change.add), remove=tuple(change.remove)) for who, change in batch]
    )
    fine = [result.customer_id for result in results if result.error is None]
    added = [(who, changes[who].add) for who in fine]
    removed = [(who, changes[who].remove) for who in fine]
    await _confirm(run, added=added, removed=removed)
    await _refuse(
        run, [(r.customer_id, r.error, _mark(changes[r.customer_id])) for r in results if r.error is not None]
    )


async def _confirm(
    run: _Run, *, added: Sequence[tuple[int, list[str]]], removed: Sequence[tuple[int, list[str]]]
) -> None:
    await records.confirm(run.store.database, run.shop.id, added=added, removed=removed, at=run.at())
    run.added += sum(len(tags) for _, tags in added)
    run.removed += sum(len(tags) for _, tags in removed)
    metrics.TAG_WRITES.labels("added").inc(sum(len(tags) for _, tags in added))
    metrics.TAG_WRITES.labels("removed").inc(sum(len(tags) for _, tags in removed))
    run.done.update(who for who, _ in (*added, *removed))
    run.tell()


async def _refuse(run: _Run, refusals: Sequence[tuple[int, str, str]]) -> None:
    await records.refuse(run.store.database, run.shop.id, refusals, at=run.at())
    run.refused.update(who for who, _, _ in refusals)
    metrics.TAG_WRITES.labels("refused").inc(len(refusals))
    run.tell()


async def _bulk_remove(run: _Run, changes: Mapping[int, Change]) -> None:
    """One line per customer; answers are put on record as they are read."""
    customers = list(changes)
    lines = [_line(who, changes[who].remove) for who in customers]
    async for part in _answers(run, _REMOVE, lines, _COMMIT):
        fine = [(customers[line.line], changes[customers[line.line]].remove) for line in part if not line.errors]
        await _confirm(run, added=(), removed=fine)
        refused = [(customers[line.line], line.errors) for line in part if line.errors]
        await _refuse(run, [(who, "; ".join(said), _mark(changes[who])) for who, said in refused])


async def _bulk_add(run: _Run, adds: Mapping[int, list[str]]) -> None:
    customers = [who for who in adds if who not in run.refused]
    await records.intend(run.store.database, run.shop.id, [(who, adds[who]) for who in customers], at=run.at())
    lines = [_line(who, adds[who]) for who in customers]
    async for part in _answers(run, _ADD, lines, _COMMIT):
        fine = [(customers[line.line], adds[customers[line.line]]) for line in part if not line.errors]
        await _confirm(run, added=fine, removed=())
        refused = [(customers[line.line], line.errors) for line in part if line.errors]
        await _refuse(run, [(who, "; ".join(said), _mark(Change(add=adds[who]))) for who, said in refused])


def _line(customer: int, tags: list[str]) -> dict[str, Any]:
    return {"id": gid("Customer", customer), "tags": tags}


async def _set_stages(run: _Run, stages: Sequence[Stage]) -> None:
    """One call for all; where the shop refuses, which undoes the call, one for each."""
    errors = await run.gateway.set_metafields([write for stage in stages for write in _metafields(stage)])
    if errors and len(stages) > 1:
        for stage in stages:
            await _set_stages(run, [stage])
    elif errors:
        said = "; ".join(error.message for error in errors)
        await _refuse(run, [(stage[0], said, _stage_mark(stage)) for stage in stages])
    else:
        await _stages_done(run, stages)


async def _bulk_stages(run: _Run, stages: Sequence[Stage]) -> None:
    batches = list(_batches(stages, _STAGE_BATCH))
    lines = [{"metafields": [_input(write) for stage in batch for write in _metafields(stage)]} for batch in batches]
    refused: list[Stage] = []
    async for part in _answers(run, _SET, lines, _COMMIT // _STAGE_BATCH):
        await _stages_done(run, [stage for line in part if not line.errors for stage in batches[line.line]])
        refused += [stage for line in part if line.errors for stage in batches[line.line]]
    for stage in refused:
        await _set_stages(run, [stage])


async def _stages_done(run: _Run, stages: Sequence[Stage]) -> None:
    await records.stages_written(run.store.database, run.shop.id, stages, at=run.at())
    run.done.update(stage[0] for stage in stages)
    run.tell()


def _metafields(stage: Stage) -> tuple[MetafieldWrite, MetafieldWrite]:
    customer, key, since_day = stage
    owner = gid("Customer", customer)
    return (
        MetafieldWrite(owner=owner, namespace=NAMESPACE, key="stage", type="single_line_text_field", value=key),
        MetafieldWrite(
            owner=owner, namespace=NAMESPACE, key="stage_since", type="date", value=day_date(since_day).isoformat()
        ),
    )


def _input(write: MetafieldWrite) -> dict[str, str]:
    return {
        "ownerId": write.owner,
        "namespace": write.namespace,
        "key": write.key,
        "type": write.type,
        "value": write.value,
    }


async def _without_refused(store: Store, shop: ShopContext, plan: Plan) -> Plan:
    """Without what the shop refused before, unless something has changed on its side or ours."""
    refused = await records.refused_before(store.database, shop.id)
    if not refused:
        return plan
    tags = {who: change for who, change in plan.tags.items() if (who, _mark(change)) not in refused}
    gone = {who for who in plan.tags if who not in tags}
    stages = [each for each in plan.stages if each[0] not in gone and (each[0], _stage_mark(each)) not in refused]
    return Plan(tags, stages, plan.wanting)


def _mark(change: Change) -> str:
    return _fingerprint("+", *change.add, "-", *change.remove)


def _stage_mark(stage: Stage) -> str:
    return _fingerprint("stage", stage[1], str(stage[2]))


def _fingerprint(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


def _sample(plan: Plan) -> tuple[str, ...]:
    return tuple(
        " ".join((f"Customer {who}:", *(f"+ {tag}" for tag in change.add), *(f"- {tag}" for tag in change.remove)))
        for who, change in islice(plan.tags.items(), SAMPLE)
    )


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def _answers(
    run: _Run, document: str, lines: Sequence[Mapping[str, Any]], size: int
) -> AsyncIterator[list[BulkLine]]:
    """In parts of at most `size`. Where the run fails half way, what the shop did is handed on first."""
    if not lines:
        return
    part: list[BulkLine] = []
    failure: RebloomError | None = None
    try:
        async for line in run.gateway.bulk_mutation(document, lines):
            part.append(line)
            if len(part) >= size:
                yield part
                part = []
    except RebloomError as error:
        failure = error
    if part:
        yield part
    if failure is not None:
        raise failure


async def _save(
    store: Store,
    shop: ShopContext,
    phase: str,
    started: int,
    *,
    dry_run: bool,
    run: _Run | None = None,
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
