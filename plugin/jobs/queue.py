"""Durable jobs on DBOS, behind one small door: `enqueue(kind, shop, …)`, handlers by kind, a clock tick.

A handler must be safe to run again from its beginning: a killed process repeats the job in flight. Jobs of one shop
run one after another (a queue partitioned by shop), shops run side by side. Traps and figures: `plugin/DECISIONS.md`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID, WorkflowHandleAsync

from plugin.errors import ShopAccessError, ShopRefusedError, UnavailableError
from plugin.jobs.liveness import beat, forget
from plugin.ledger.database import Database

Handler = Callable[..., Awaitable[Mapping[str, Any]]]  # (shop_id, **arguments) -> summary, with `then`

_QUEUE: Final = "shops"
_TICKS: Final = "ticks"
_VERSION: Final = "1"  # raised only when running jobs cannot be finished by new code
_ATTEMPTS: Final = 6
_log = structlog.get_logger(__name__)
_handlers: dict[str, Handler] = {}
_on_tick: list[Callable[[], Awaitable[None]]] = []


def _worth_retrying(error: BaseException) -> bool:
    """Trying again does not help where the shop said no or took our access away."""
    return not isinstance(error, (ShopAccessError, ShopRefusedError, KeyError, TypeError))


@DBOS.step(
    name="handle", retries_allowed=True, interval_seconds=2, backoff_rate=3, max_attempts=_ATTEMPTS,
    should_retry=_worth_retrying,
)  # fmt: skip
async def _handle(kind: str, shop_id: int, arguments: dict[str, Any]) -> Mapping[str, Any]:
    with structlog.contextvars.bound_contextvars(job=kind, shop_id=shop_id):
        return await _handlers[kind](shop_id, **arguments)


@DBOS.workflow(name="job")
async def _job(kind: str, shop_id: int, arguments: dict[str, Any]) -> object:
    try:
        summary = await _handle(kind, shop_id, arguments)
    except Exception as error:
        _log.warning("job failed", job=kind, shop_id=shop_id, error=type(error).__name__, why=str(error)[:500])
        raise
    for follower in summary.get("then", ()):
        with SetWorkflowID(f"{follower}-after-{DBOS.workflow_id}"), SetEnqueueOptions(queue_partition_key=str(shop_id)):
            await DBOS.enqueue_workflow_async(_QUEUE, _job, follower, shop_id, {})
    return summary


@DBOS.workflow(name="tick")
async def _tick(_scheduled: datetime, _context: object) -> None:
    for work in _on_tick:
        await work()


class Jobs:
    """The queue of one process. `runs` False: this process only puts jobs in."""

    def __init__(self, database_url: str, database: Database, *, runs: bool, concurrency: int = 4) -> None:
        self._database = database
        self._nudged: dict[tuple[str, int], int] = {}
        self._beating: asyncio.Task[None] | None = None
        self._on_sqlite = database_url.startswith("sqlite:")
        self._url = _system_url(database_url)
        self._runs = runs
        self._concurrency = concurrency
        # One process owns a SQLite file, so its successor is the same executor and takes its unfinished jobs over.
        self._process = uuid.uuid4().hex
        self._executor = "embedded" if self._on_sqlite else self._process

    async def start(self, handlers: Mapping[str, Handler], on_tick: Callable[[], Awaitable[None]]) -> None:
        """Launch the engine inside the running event loop and begin to take jobs."""
        _handlers.update(handlers)
        _on_tick[:] = [on_tick]
        if self._on_sqlite:
            await asyncio.to_thread(_prepare_sqlite, self._url)
        config = DBOSConfig(
            name="rebloom",
            system_database_url=self._url,
            executor_id=self._executor,
            application_version=_VERSION,
            enable_otlp=False,
            log_level="WARNING",
            console_log_level="WARNING",
        )
        DBOS(config=config)
        if not self._runs:
            DBOS.listen_queues([])
        DBOS.launch()
        await DBOS.register_queue_async(
            _QUEUE, worker_concurrency=self._concurrency, partition_concurrency=1, polling_interval_sec=0.2
        )
        if self._runs:
            await DBOS.apply_schedules_async(
                [{"schedule_name": _TICKS, "workflow_fn": _tick, "schedule": "* * * * *", "context": None}]
            )
            if not self._on_sqlite:
                self._beating = asyncio.create_task(beat(self._database, self._executor, resume=_resume_all_of))

    async def enqueue(self, kind: str, shop_id: int, *, once: str | None = None, **arguments: object) -> str:
        """Put a job in durably; its id. The same `once` for the same kind and shop makes one job, ever.

        Raises UnavailableError when the job cannot be stored.
        """
        job_id = f"{kind}-{shop_id}-{once or uuid.uuid4().hex}"
        try:
            with SetWorkflowID(job_id), SetEnqueueOptions(queue_partition_key=str(shop_id)):
                await DBOS.enqueue_workflow_async(_QUEUE, _job, kind, shop_id, arguments)
        except Exception as error:
            raise UnavailableError(f"The job {kind} could not be stored: {type(error).__name__}") from error
        return job_id

    async def nudge(self, kind: str, shop_id: int) -> str:
        """At most one job of this kind a second for a shop, run after that second: a burst needs one drain. Its id."""
        second = int(time.monotonic())
        job_id = f"{kind}-{shop_id}-{self._process}-{second}"
        if self._nudged.get((kind, shop_id)) != second:
            with SetWorkflowID(job_id), SetEnqueueOptions(queue_partition_key=str(shop_id), delay_seconds=1.0):
                await DBOS.enqueue_workflow_async(_QUEUE, _job, kind, shop_id, {})
            self._nudged[kind, shop_id] = second
        return job_id

    async def result(self, job_id: str) -> object:
        """Wait for a job to end; its result, or the exception it ended with."""
        handle: WorkflowHandleAsync[object] = await DBOS.retrieve_workflow_async(job_id)
        return await handle.get_result()

    async def forget_before(self, moment: datetime) -> int:
        """Delete what is kept of jobs that ended before `moment`."""
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"], completed_before=moment.astimezone(UTC).isoformat(), limit=1_000,
            load_input=False, load_output=False,
        )  # fmt: skip
        await DBOS.delete_workflows_async([workflow.workflow_id for workflow in ended])
        return len(ended)

    async def stop(self) -> None:
        """Stop taking jobs; unfinished ones go on in the next process."""
        if self._beating is not None:
            self._beating.cancel()
            await forget(self._database, self._executor)
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=5)


async def _resume_all_of(executor: str) -> int:
    """Put the unfinished jobs of a dead process back into the queue."""
    pending = await DBOS.list_workflows_async(
        status="PENDING", executor_id=executor, load_input=False, load_output=False
    )
    queued = [workflow.workflow_id for workflow in pending if workflow.queue_name == _QUEUE]
    if queued:
        await DBOS.resume_workflows_async(queued, queue_name=_QUEUE)
    return len(queued)


def _system_url(database_url: str) -> str:
    if not database_url.startswith("sqlite:"):
        return database_url
    path = Path(database_url.removeprefix("sqlite://"))
    return f"sqlite:///{path.with_name(path.stem + '-jobs' + path.suffix)}"


def _prepare_sqlite(url: str) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
