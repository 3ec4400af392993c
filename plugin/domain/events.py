"""What is told to those who listen: subscriptions of this process, webhooks of partners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """As callers name them."""

    STAGE_CHANGED = "stageChanged"
    SEGMENT_JOINED = "segmentJoined"
    SEGMENT_LEFT = "segmentLeft"
    OFFER_ACCEPTED = "offerAccepted"
    SYNC_FINISHED = "syncFinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at`: when it became true, epoch microseconds. `subject`: the model's key, the number of the segment, or the
    number of the offer and, after a space, its play. Stages, rungs and reasons (JSON, as the ledger keeps them) are a
    change of stage's own; None for no stage."""

    kind: EventKind
    at: int
    customer_id: int | None = None
    subject: str = ""
    from_stage: str | None = None
    from_rung: int | None = None
    to_stage: str | None = None
    to_rung: int | None = None
    because: str | None = None


_Placed = Sequence[Any]  # model, customer, stage, rung, since_at, since_day, previous_stage, valid_until, because


def stage_changes(
    moved: Iterable[tuple[_Placed | None, _Placed | None]], *, at: int, first_too: bool
) -> Iterator[Event]:
    """Of placements as they were and are now: those whose stage or rung is another one. `at`: of leaving the last
    stage. `first_too` False: a whole shop is placed anew, and who stood nowhere in a model has not moved."""
    for old, new in moved:
        known = new or old
        if known is None or (old is None and not first_too):
            continue
        before, after = _stage_of(old), _stage_of(new)
        if before != after:
            yield Event(
                kind=EventKind.STAGE_CHANGED, at=new[4] if new else at, customer_id=known[1], subject=known[0],
                from_stage=before[0], from_rung=before[1], to_stage=after[0], to_rung=after[1],
                because=new[8] if new else None,
            )  # fmt: skip


def _stage_of(placed: _Placed | None) -> tuple[str | None, int | None]:
    return (None, None) if placed is None else (placed[2], placed[3])
