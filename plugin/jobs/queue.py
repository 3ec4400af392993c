"""Durable jobs on DBOS, behind one small door: `enqueue(kind, shop, …)`, handlers by kind, a clock tick.

A handler must be safe to run again from its beginning: a killed process repeats the job in flight. Jobs of one shop
run one after another (a queue partitioned by shop), shops run side by side. What fails in passing is put in line again
after a while and holds no place meanwhile, so that a shop that is down slows no other. Traps and figures:
`plugin/DECISIONS.md`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID, WorkflowHandleAsync

from plugin.errors import UnavailableError
from plugin.jobs.failures import LEAST_SPREAD, MOST_SPREAD, NUDGE, failure_of, longest_wait, raised, waits
from plugin.jobs.liveness import BEAT, beat, forget, tick_for_ever
from plugin.ledger.database import Database, Session

Handler = Callable[..., Awaitable[Mapping[str, Any]]]  # (shop_id, **arguments) -> summary, with `then` and `close`

QUEUE: Final = "shops"
CLOSE: Final = "close"  # run when the followers of a job that asks for it stand in line
_BESIDE: Final = frozenset({"recommend", "webhooks"})  # kinds that take their time and write tables of their own
_VERSION: Final = "1"  # raised only when running jobs cannot be finished by new code
_AT_ONCE: Final = 8  # jobs of one process; most of their time they wait for a shop or the database
_STORING: Final = 8.0  # seconds
_CLOCKS_DIFFER: Final = 10.0  # seconds between hosts that are as they should be
_GRACE: Final = 10  # seconds that jobs have to end when the process is told to
_log = structlog.get_logger(__name__)
# The engine's own door for transactions of others; after the time of a nudge, by the database's clock.
_RIDE: Final = (
    "SELECT dbos.enqueue_workflow(workflow_name => 'job', queue_name => $1,"
    " positional_args => ARRAY[$2::json, $3::json, '{}'::json], workflow_id => $4, app_version => $5,"
    " queue_partition_key => $6,"
    " delay_until_epoch_ms => (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint + $7)"
)
_handlers: dict[str, Handler] = {}
_running: dict[str, asyncio.Task[Any]] = {}


@DBOS.step(name="handle")
async def _handle(kind: str, shop_id: int, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """The summary, or what went wrong as data: exceptions do not all survive being stored."""
    with structlog.contextvars.bound_contextvars(job=kind, job_id=DBOS.workflow_id, shop_id=shop_id):
        try:
            return await _handlers[kind](shop_id, **arguments)
        except Exception as error:  # noqa: BLE001 - judged by the workflow
            failure = failure_of(error)
            _log.warning("job failed", **failure, exc_info=failure["code"] is None)
            return {"failure": failure}


@DBOS.workflow(name="job")
async def _job(kind: str, shop_id: int, arguments: dict[str, Any], attempt: int = 0) -> object:
    job_id, task = str(DBOS.workflow_id), asyncio.current_task()
    if task is not None:
        _running[job_id] = task
    try:
        return await _run(job_id, kind, shop_id, arguments, attempt)
    finally:
        _running.pop(job_id, None)


async def _run(job_id: str, kind: str, shop_id: int, arguments: dict[str, Any], attempt: int) -> object:
    summary = await _handle(kind, shop_id, arguments)
    if failure := summary.get("failure"):
        wait = waits(failure, attempt)
        if wait is None:
            raise raised(failure)
        again = f"{job_id.partition('~')[0]}~{attempt + 1}"
        wait *= random.uniform(LEAST_SPREAD, MOST_SPREAD)  # noqa: S311 - spreads load, hides nothing
        options = SetEnqueueOptions(queue_partition_key=_line(kind, shop_id), delay_seconds=wait)
        with SetWorkflowID(again), options:
            await DBOS.enqueue_workflow_async(QUEUE, _job, kind, shop_id, arguments, attempt + 1)
        return {"again": again, "failure": failure}
    for follower in summary.get("then", ()):
        with (
            SetWorkflowID(f"{follower}-after-{job_id}"),
            SetEnqueueOptions(queue_partition_key=_line(follower, shop_id)),
        ):
            await DBOS.enqueue_workflow_async(QUEUE, _job, follower, shop_id, {})
    if summary.get("close"):
        await _handle(CLOSE, shop_id, {})
    return summary


def _line(kind: str, shop_id: int) -> str:
    """Which line a job stands in: jobs of one line run one after another."""
    return f"{shop_id}-{kind}" if kind in _BESIDE else str(shop_id)


class Jobs:
    """The queue of one process. `runs` False: this process only puts jobs in."""

    def __init__(
        self, database_url: str, database: Database, *, runs: bool, concurrency: int = _AT_ONCE, every: float = BEAT
    ) -> None:
        """`every`: seconds between two heartbeats."""
        self._database = database
        self._nudged: dict[tuple[str, int], int] = {}
        self._beating: list[asyncio.Task[None]] = []
        self._unclaimed: set[str] = set()
        self._on_sqlite = database_url.startswith("sqlite:")
        self._url = _system_url(database_url)
        self._runs = runs
        self._every = every
        self._concurrency = concurrency
        # One process owns a SQLite file, so its successor is the same executor and takes its unfinished jobs over.
        self._process = uuid.uuid4().hex
        self._executor = "embedded" if self._on_sqlite else self._process

    async def start(self, handlers: Mapping[str, Handler], on_tick: Callable[[], Awaitable[None]]) -> None:
        """Launch the engine inside the running event loop and begin to take jobs."""
        _handlers.update(handlers)
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
            QUEUE, worker_concurrency=self._concurrency, partition_concurrency=1, polling_interval_sec=0.2
        )
        if self._runs:
            heart = beat(self._database, self._executor, resume=_resume_all_of, mend=self._mend, every=self._every)
            self._beating = [
                asyncio.create_task(heart),
                asyncio.create_task(tick_for_ever(self._database, on_tick)),
            ]

    async def enqueue(self, kind: str, shop_id: int, *, once: str | None = None, **arguments: object) -> str:
        """Put a job in durably; its id. The same `once` for the same kind and shop makes one job, ever.

        Raises UnavailableError when the job cannot be stored: the engine would try for ever, a caller cannot wait.
        """
        job_id = f"{kind}-{shop_id}-{once or uuid.uuid4().hex}"
        try:
            async with asyncio.timeout(_STORING):
                await self._put(job_id, kind, shop_id, arguments)
        except Exception as error:
            raise UnavailableError(f"The job {kind} could not be stored: {type(error).__name__}") from error
        return job_id

    @staticmethod
    async def _put(job_id: str, kind: str, shop_id: int, arguments: dict[str, Any], after: float | None = None) -> None:
        line = _line(kind, shop_id)
        with SetWorkflowID(job_id), SetEnqueueOptions(queue_partition_key=line, delay_seconds=after):
            await DBOS.enqueue_workflow_async(QUEUE, _job, kind, shop_id, arguments)

    async def nudge(self, kind: str, shop_id: int) -> str:
        """At most one job of this kind a second for a shop, run after that second: a burst needs one drain. Its id."""
        second = int(time.monotonic())
        job_id = f"{kind}-{shop_id}-{self._process}-{second}"
        if self._nudged.get((kind, shop_id)) != second:
            async with asyncio.timeout(_STORING):
                await self._put(job_id, kind, shop_id, {}, after=NUDGE)
            self._nudged[kind, shop_id] = second
        return job_id

    def riding(self, kind: str, shop_id: int) -> Callable[[Session], Awaitable[None]] | None:
        """What puts the second's nudge into a transaction of the caller's, so that both commit or neither. None where
        the second has one, and on SQLite, whose jobs stand in a file of their own."""
        second = int(time.monotonic())
        if self._on_sqlite or self._nudged.get((kind, shop_id)) == second:
            return None

        async def put(session: Session) -> None:
            await session.execute(
                _RIDE, QUEUE, json.dumps(kind), json.dumps(shop_id), f"{kind}-{shop_id}-{self._process}-{second}",
                _VERSION, _line(kind, shop_id), round(NUDGE * 1_000),
            )  # fmt: skip

        return put

    async def result(self, job_id: str) -> object:
        """Wait for a job, and for what it was put in line again as; its result, or the exception it ended with."""
        while True:
            handle: WorkflowHandleAsync[object] = await DBOS.retrieve_workflow_async(job_id)
            result = await handle.get_result()
            if not (isinstance(result, Mapping) and "again" in result):
                return result
            job_id = str(result["again"])

    async def forget_before(self, moment: datetime) -> int:
        """Delete what is kept of jobs that ended before `moment`."""
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"], completed_before=moment.astimezone(UTC).isoformat(), limit=1_000,
            load_input=False, load_output=False,
        )  # fmt: skip
        await DBOS.delete_workflows_async([workflow.workflow_id for workflow in ended])
        return len(ended)

    async def stop(self) -> None:
        """Take nothing more; jobs in flight have some seconds to end, what is not done by then goes on in the next
        process or in another one."""
        for task in self._beating:
            task.cancel()
        # It lives on for the others until it has ended, but asks the engine for nothing any more.
        alive = asyncio.create_task(beat(self._database, self._executor, every=self._every)) if self._beating else None
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=_GRACE if _running else 1)
        # The engine had made its threads the loop's own, and has ended them.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="after-jobs"))
        for task in (*_running.values(), *([alive] if alive else [])):
            task.cancel()
        _running.clear()
        if self._beating and not self._on_sqlite:
            await forget(self._database, self._executor)

    async def _mend(self) -> None:
        await self._resume_the_stuck()
        await self._release_the_delayed()

    async def _release_the_delayed(self) -> None:
        """The engine dates delays by the wall clock of whoever put the job in. One that ends later than any delay we
        give was dated before a clock went back, here or on another host: it has waited long enough."""
        now = time.time()
        for job in await DBOS.list_workflows_async(status="DELAYED", load_input=False, load_output=False):
            attempt = job.workflow_id.rpartition("~")[2]
            longest = longest_wait(int(attempt) if "~" in job.workflow_id and attempt.isdigit() else 0)
            if (job.delay_until_epoch_ms or 0) / 1_000 > now + longest + _CLOCKS_DIFFER:
                await DBOS.set_workflow_delay_async(job.workflow_id, delay_seconds=0)
                _log.warning("a job dated by a clock ahead was let go", job_id=job.workflow_id)

    async def _resume_the_stuck(self) -> None:
        """Put back jobs that are this process's by the engine's table, and that it does not run: their end could not be
        written when the disk was full or the database away. Twice seen, because a job just taken is not yet running."""
        pending = await DBOS.list_workflows_async(
            status="PENDING", executor_id=self._executor, load_input=False, load_output=False
        )
        idle = {job.workflow_id for job in pending if job.queue_name == QUEUE and job.workflow_id not in _running}
        stuck = sorted(idle & self._unclaimed)
        self._unclaimed = idle - set(stuck)
        if stuck:
            await DBOS.resume_workflows_async(stuck, queue_name=QUEUE)
            _log.warning("jobs nobody ran were put back", jobs=len(stuck))


async def _resume_all_of(executor: str) -> int:
    """Put the unfinished jobs of a dead process back into the queue."""
    pending = await DBOS.list_workflows_async(
        status="PENDING", executor_id=executor, load_input=False, load_output=False
    )
    queued = [workflow.workflow_id for workflow in pending if workflow.queue_name == QUEUE]
    if queued:
        await DBOS.resume_workflows_async(queued, queue_name=QUEUE)
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
