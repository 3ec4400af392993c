"""Pushing by bulk file: each file is on record from when the shop has it until its answers are, so that after a kill
the answers are read instead of asking again. What a file leaves undone is found by the next plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from plugin.domain.calendar import day_date
from plugin.domain.ids import gid
from plugin.errors import BulkDeniedError, BulkFailedError, ShopRefusedError, ShopUnavailableError
from plugin.ledger import push_records as files
from plugin.ledger import tag_records as records
from plugin.ledger.push_records import File
from plugin.ledger.statistics import refresh_statistics
from plugin.lifecycle.push_run import Run, Stage, Tagged, mark, stage_mark
from plugin.lifecycle.tag_plan import Change
from plugin.ports import METAFIELD_BATCH, BulkLine, MetafieldWrite

NAMESPACE: Final = "$app:rebloom"
STAGE_BATCH: Final = METAFIELD_BATCH // 2  # customers: each has two metafields
_COMMIT: Final = 1_000  # answers put on record at once
_LINES: Final = 200_000  # of one file: at most some 40 MB of the 100 that the platform takes
_ADD: Final = """mutation AddTags($id: ID!, $tags: [String!]!) {
  tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
_REMOVE: Final = """mutation RemoveTags($id: ID!, $tags: [String!]!) {
  tagsRemove(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
_SET: Final = """mutation SetStages($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) { metafields { id } userErrors { field message code } }
}"""
T = TypeVar("T")
_Record = Callable[[Run, File, list[BulkLine]], Awaitable[None]]


async def write_tags(run: Run, changes: Mapping[int, Change]) -> None:
    """Removals first: a stop between the two leaves a customer with no stage tag rather than with two."""
    removals = [(who, change.remove) for who, change in changes.items() if change.remove]
    for part in batches(removals, _LINES):
        await _send(run, "remove", part, [_line(*each) for each in part])
    adds = [(who, change.add) for who, change in changes.items() if change.add and who not in run.refused]
    for part in batches(adds, _LINES):
        await records.intend(run.store.database, run.shop.id, part, at=run.at())
        await _send(run, "add", part, [_line(*each) for each in part])
    await refresh_statistics(run.store.database, "tag_records", "push_states")


async def write_stages(run: Run, stages: Sequence[Stage]) -> None:
    groups = list(batches(stages, STAGE_BATCH))
    for part in batches(groups, _LINES // STAGE_BATCH):
        lines = [{"metafields": [_input(write) for stage in group for write in metafields(stage)]} for group in part]
        await _send(run, "stages", part, lines)


async def finish_files(run: Run) -> None:
    """Read the answers of files that an earlier push of this shop began and did not end."""
    for file in await files.open_files(run.store.database, run.shop.id):
        await _read(run, file, resumed=True)


async def set_stages(run: Run, stages: Sequence[Stage]) -> None:
    """One call for all; where the shop refuses, which undoes the call, one for each."""
    errors = await run.gateway.set_metafields([write for stage in stages for write in metafields(stage)])
    if errors and len(stages) > 1:
        for stage in stages:
            await set_stages(run, [stage])
    elif errors:
        said = "; ".join(error.message for error in errors)
        await run.refuse([(stage[0], said, stage_mark(stage)) for stage in stages])
    else:
        await run.stages_done(stages)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def metafields(stage: Stage) -> tuple[MetafieldWrite, MetafieldWrite]:
    customer, key, since_day = stage
    owner, since = gid("Customer", customer), day_date(since_day).isoformat()
    return (
        MetafieldWrite(owner=owner, namespace=NAMESPACE, key="stage", type="single_line_text_field", value=key),
        MetafieldWrite(owner=owner, namespace=NAMESPACE, key="stage_since", type="date", value=since),
    )


async def _send(run: Run, kind: str, lines: Sequence[Any], variables: Sequence[Mapping[str, Any]]) -> None:
    document = {"remove": _REMOVE, "add": _ADD, "stages": _SET}[kind]
    started_at = run.at()
    operation = await run.gateway.start_bulk_mutation(document, variables)
    file = File(kind, operation, list(lines), started_at)
    await files.file_started(run.store.database, run.shop.id, file)
    await _read(run, file, resumed=False)


async def _read(run: Run, file: File, *, resumed: bool) -> None:
    """Put the answers on record. Raises ShopUnavailableError when the rest is still to come (the file stays on record)
    or, for a file just sent, when the shop gave it up half way; ShopAccessError when the shop does not let us."""
    record = _RECORD[file.kind]
    try:
        async for part in _parts(run.gateway.bulk_answers(file.operation)):
            await record(run, file, [line for line in part if 0 <= line.line < len(file.lines)])
    except (BulkFailedError, BulkDeniedError):  # it is over: the plan asks again for the rest
        await files.file_read(run.store.database, run.shop.id, file.kind)
        if not resumed:
            raise
    except ShopRefusedError as refused:  # the shop knows the operation or its answers no more: the same
        await files.file_read(run.store.database, run.shop.id, file.kind)
        if not resumed:
            raise BulkFailedError(f"The answers to a push cannot be had and are asked for again: {refused}") from None
    else:
        await files.file_read(run.store.database, run.shop.id, file.kind)


async def _parts(answers: AsyncIterator[BulkLine]) -> AsyncIterator[list[BulkLine]]:
    """In parts. Where the run fails half way, what the shop did is handed on first."""
    part: list[BulkLine] = []
    failure: ShopUnavailableError | BulkDeniedError | None = None
    try:
        async for line in answers:
            part.append(line)
            if len(part) >= _COMMIT:
                yield part
                part = []
    except (ShopUnavailableError, BulkDeniedError) as error:
        failure = error
    if part:
        yield part
    if failure is not None:
        raise failure


async def _removed(run: Run, file: File, answers: list[BulkLine]) -> None:
    fine, refused = _sorted(file, answers)
    await run.confirm(added=(), removed=fine, at=file.started_at)
    await run.refuse([(who, said, mark(Change(remove=tags))) for (who, tags), said in refused])


async def _added(run: Run, file: File, answers: list[BulkLine]) -> None:
    # Dated by the beginning: a statement of the shop's since then may know better.
    fine, refused = _sorted(file, answers)
    await run.confirm(added=fine, removed=(), at=file.started_at)
    await run.refuse([(who, said, mark(Change(add=tags))) for (who, tags), said in refused])


async def _staged(run: Run, file: File, answers: list[BulkLine]) -> None:
    groups: list[tuple[BulkLine, list[Stage]]] = [
        (line, [(who, key, day) for who, key, day in file.lines[line.line]]) for line in answers
    ]
    await run.stages_done([stage for line, group in groups if not line.errors for stage in group])
    for line, group in groups:
        if line.errors:
            for stage in group:
                await set_stages(run, [stage])


_RECORD: Final[Mapping[str, _Record]] = {"remove": _removed, "add": _added, "stages": _staged}


def _sorted(file: File, answers: list[BulkLine]) -> tuple[list[Tagged], list[tuple[Tagged, str]]]:
    """What the shop did, and what it refused with its words."""
    fine: list[Tagged] = []
    refused: list[tuple[Tagged, str]] = []
    for line in answers:
        who, tags = file.lines[line.line]
        if line.errors:
            refused.append(((who, tags), "; ".join(line.errors)))
        else:
            fine.append((who, tags))
    return fine, refused


def _line(customer: int, tags: list[str]) -> dict[str, Any]:
    return {"id": gid("Customer", customer), "tags": tags}


def _input(write: MetafieldWrite) -> dict[str, str]:
    return {
        "ownerId": write.owner,
        "namespace": write.namespace,
        "key": write.key,
        "type": write.type,
        "value": write.value,
    }
