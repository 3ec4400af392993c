"""What becomes of a job that failed: tried again after a while, or ended for good; what has failed, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dbos import DBOS

from plugin.errors import (
    BadRequestError,
    BadStatementError,
    EncryptionError,
    NotFoundError,
    RebloomError,
    ShopAccessError,
    ShopRefusedError,
)
from plugin.log import mask

FIRST_WAIT: Final = 2.0  # seconds
_GROWTH: Final = 3.0
LONGEST_WAIT: Final = 600.0
LEAST_SPREAD: Final = 0.8
MOST_SPREAD: Final = 1.2
NUDGE: Final = 1.0  # seconds before a nudged job runs: a burst needs one
ATTEMPTS: Final = 20  # over more than two hours; then the day's schedule is what tries again
# Trying again helps where neither our code nor the shop's mind would have to change first.
_FINAL: Final[tuple[type[Exception], ...]] = (
    ShopAccessError, ShopRefusedError, BadRequestError, BadStatementError, EncryptionError, NotFoundError,
    KeyError, TypeError, ValueError, AttributeError, AssertionError,
)  # fmt: skip
_KINDS: Final = {
    each.code: each for each in (
        ShopAccessError, ShopRefusedError, BadRequestError, BadStatementError, EncryptionError, NotFoundError,
    )
}  # fmt: skip
Failure = dict[str, Any]  # error (class), code (ours, or None), why, final


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that ended without doing its work, after all its attempts."""

    id: str
    kind: str
    shop_id: int
    failed_at: datetime
    error: str


def failure_of(error: Exception) -> Failure:
    """As data. Other libraries' messages may hold rows, so only our own are kept."""
    ours = isinstance(error, RebloomError)
    return {
        "error": type(error).__name__,
        "code": error.code if isinstance(error, RebloomError) else None,
        "why": mask(str(error))[:500] if ours else type(error).__name__,
        "final": isinstance(error, _FINAL),
    }


def waits(failure: Failure, attempt: int) -> float | None:
    """Seconds before the next attempt after the `attempt`-th (from 0); None when there is none."""
    if failure["final"] or attempt + 1 >= ATTEMPTS:
        return None
    return min(LONGEST_WAIT, FIRST_WAIT * _GROWTH ** min(attempt, 16))


def longest_wait(attempt: int) -> float:
    """Seconds that a job may have been told to wait before this attempt (from 0), its spread included."""
    return NUDGE if attempt == 0 else MOST_SPREAD * min(LONGEST_WAIT, FIRST_WAIT * _GROWTH ** min(attempt - 1, 16))


def raised(failure: Failure) -> RebloomError:
    """The error a job ends with."""
    return _KINDS.get(failure["code"], RebloomError)(failure["why"])


async def failed_jobs(since: datetime, *, limit: int = 100) -> list[FailedJob]:
    """Jobs that ended in failure after `since`, latest first; for `rebloom doctor` and metrics."""
    found = await DBOS.list_workflows_async(
        status="ERROR", completed_after=since.astimezone(UTC).isoformat(), limit=limit, sort_desc=True, load_input=False
    )
    return [
        FailedJob(
            id=job.workflow_id,
            kind=job.workflow_id.split("-")[0],
            shop_id=int((job.queue_partition_key or "0").partition("-")[0]),
            failed_at=datetime.fromtimestamp((job.updated_at or 0) / 1000, UTC),
            error=str(job.error),
        )
        for job in found
        if job.queue_partition_key
    ]


async def waiting_jobs() -> tuple[int, float]:
    """How many jobs are in line, and for how many seconds the oldest of them has waited for its turn."""
    found = await DBOS.list_workflows_async(status="ENQUEUED", load_input=False, load_output=False, limit=10_000)
    if not found:
        return 0, 0.0
    oldest = min(job.created_at or 0 for job in found)
    return len(found), max(0.0, datetime.now(UTC).timestamp() - oldest / 1000)
