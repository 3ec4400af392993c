"""From a question to a whole file: ask for a bulk export, wait for it, fetch it, and know when it is not all there."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from plugin.domain.instants import to_us
from plugin.errors import ShopAccessError, ShopRefusedError, ShopUnavailableError
from plugin.ledger.store import Store
from plugin.ports import BulkStatus, ShopGateway
from plugin.shops import Clock
from plugin.sync.jsonl import is_whole
from plugin.sync.states import RUNNING, Run, check_installed, save_run

Sleep = Callable[[float], Awaitable[None]]
ASKED_AT_MOST: Final = 3  # exports of one kind in one run before giving up
FETCHED_AT_MOST: Final = 3  # downloads of one export
_FIRST_PAUSE: Final = 0.2  # seconds between two looks at an operation
_LONGEST_PAUSE: Final = 10.0
_GLANCE: Final = 0.5  # seconds between two looks at what the shop has told us
_STALLED: Final = 3600.0  # seconds of looking without a single new line
_GROWTH: Final = 1.5
_LARGEST_LINE: Final = 65_536  # bytes, on the average of a file: an order has some five thousand
_ALWAYS_MAY: Final = 2**20
_FETCHING: Final = 4 * 3_600.0  # seconds for one file, however large
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports of one shop, kept in `folder` until they are in the ledger."""

    store: Store
    shop_id: int
    gateway: ShopGateway
    folder: Path
    now: Clock
    sleep: Sleep

    async def fetch(self, kind: str, document: str, run: Run | None) -> tuple[Run, Path, int]:
        """The export to read (a broken-off `run` when it can be gone on with), its whole file and its number of lines.
        Raises ShopUnavailableError when the shop cannot give a whole one, ShopAccessError when it will not."""
        for _ in range(ASKED_AT_MOST):
            if run is None:
                run = await self._ask(kind, document)
            path = self.file_of(run)
            status = await self._finished(run.operation)
            if status is not None and await self._got(status, path):
                return run, path, status.object_count
            _log.warning("export_unusable", shop_id=self.shop_id, kind=kind, operation=run.operation)
            await asyncio.to_thread(path.unlink, missing_ok=True)
            run = None
        raise ShopUnavailableError(f"The shop gave no whole export of its {kind}; the sync tries again later.")

    def file_of(self, run: Run) -> Path:
        return self.folder / f"{run.kind}-{_UNSAFE.sub('-', run.operation)}.jsonl"

    async def _ask(self, kind: str, document: str) -> Run:
        operation = await self.gateway.start_bulk_query(document)
        run = Run(kind=kind, operation=operation, state=RUNNING, lines_done=0, started_at=to_us(self.now()))
        await save_run(self.store, self.shop_id, run)
        return run

    async def _finished(self, operation: str) -> BulkStatus | None:
        """The completed operation; None when it failed, was cancelled, stalled or is forgotten."""
        pause, waited, seen = _FIRST_PAUSE, 0.0, -1
        while waited < _STALLED:
            try:
                status = await self.gateway.bulk_status(operation)
            except ShopRefusedError:
                return None
            if status.finished:
                return _usable(status)
            if status.object_count > seen:
                seen, waited = status.object_count, 0.0
            await check_installed(self.store, self.shop_id)
            waited += await self._wait(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        return None

    async def _wait(self, pause: float) -> float:
        """Until the shop's next look is due, or it has told that an operation ended. The seconds waited."""
        told, waited = await self._told(), 0.0
        while waited < pause:
            step = min(_GLANCE, pause - waited)
            await self.sleep(step)
            waited += step
            if waited < pause and await self._told() != told:
                break
        return waited

    async def _told(self) -> int:
        """How often the shop has said that an operation ended; the delivery itself waits in line behind this sync."""
        [(count,)] = await self.store.database.fetch(
            "SELECT COUNT(*) FROM inbox WHERE shop_id = $1 AND state = 'new' AND topic = 'bulk_operations/finish'",
            self.shop_id,
        )
        return int(count)

    async def _got(self, status: BulkStatus, path: Path) -> bool:
        """Whether the whole file is at `path` at the end."""
        for _ in range(FETCHED_AT_MOST):
            if await asyncio.to_thread(path.exists) and await asyncio.to_thread(is_whole, path, status.object_count):
                return True  # fetched by a run before this one
            if await self._download(status, path):
                return True
        return False

    async def _download(self, status: BulkStatus, path: Path) -> bool:
        """A file takes its name only when it is whole, so a file by that name is."""
        part = path.with_suffix(".part")
        await asyncio.to_thread(part.unlink, missing_ok=True)
        try:
            async with asyncio.timeout(_FETCHING):
                await self._receive(status, part)
        except TimeoutError:
            _log.warning("download_endless", shop_id=self.shop_id, operation=status.id)
            return False
        except (ShopUnavailableError, ShopRefusedError) as error:  # refused: the address is too old, or an odd one
            _log.warning("download_broken", shop_id=self.shop_id, operation=status.id, error=str(error))
            return False
        if not await asyncio.to_thread(is_whole, part, status.object_count):
            return False
        await asyncio.to_thread(part.rename, path)
        return True

    async def _receive(self, status: BulkStatus, part: Path) -> None:
        """Nobody else may read the file: it holds people. An export without an address is empty. Raises
        ShopRefusedError for one that is far larger than its number of lines allows."""
        most, size = status.object_count * _LARGEST_LINE + _ALWAYS_MAY, 0
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if status.url is not None:
                async with self.gateway.open_download(status.url) as pieces:
                    async for piece in pieces:
                        size += len(piece)
                        if size > most:
                            raise ShopRefusedError(f"The file of {status.object_count} lines has over {most} bytes.")
                        await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_settle, file)


def _settle(file: BinaryIO) -> None:
    """On the disk before it takes its name: a power cut must not leave a whole file's name on half a file."""
    file.flush()
    os.fsync(file.fileno())


def _usable(status: BulkStatus) -> BulkStatus | None:
    """Raises ShopAccessError when asking again cannot help."""
    if status.error_code == "ACCESS_DENIED":
        raise ShopAccessError("The shop refuses this export: a scope is missing. Install the app again to grant it.")
    return status if status.status == "COMPLETED" else None
