"""Processes that a test starts, watches, kills and always ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(
    *arguments: str, env: Mapping[str, str] | None = None, before: Sequence[str] = (), stderr: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m …` (after `before`, such as strace and its options) until the block ends."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(stderr.open("ab")) if stderr else subprocess.DEVNULL
        process = subprocess.Popen(
            [*before, sys.executable, "-m", *arguments],
            cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


async def until(true: Callable[[], bool], *, within: float = 60.0, what: str = "it") -> float:
    """Wait for another process; the seconds it took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > within:
            raise TimeoutError(f"{what} did not happen within {within} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began
