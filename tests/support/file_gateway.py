"""A shop made of bulk files: a folder of customers, products and orders as JSONL or JSONL.gz."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from integrations.shopify.queries import document
from plugin.domain.facts import ShopFact
from plugin.errors import ShopUnavailableError
from plugin.ports import BulkStatus, Page

_PIECE: Final = 1024 * 1024
_KINDS: Final = {document(f"Bulk{kind.title()}"): kind for kind in ("customers", "products", "orders")}
FACT: Final = ShopFact(
    platform_id=1,
    domain="files.myshopify.com",
    name="Files",
    currency="GBP",
    timezone="Europe/London",
    primary_host="files.example",
)


class FileGateway:
    """What a sync needs of a `ShopGateway`. `files` may name another file for a kind; `cuts` is a list of byte counts
    after which the next downloads break; `statuses` are what the next operations end with instead of COMPLETED."""

    def __init__(
        self,
        folder: Path,
        *,
        files: Mapping[str, Path] | None = None,
        scopes: frozenset[str] = frozenset({"read_all_orders"}),
        cuts: list[int] | None = None,
        statuses: list[str] | None = None,
        orders: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        self._folder = folder
        self._files = dict(files or {})
        self._scopes = scopes
        self._cuts = cuts or []
        self._statuses = statuses or []
        self._operations: list[tuple[str, str]] = []  # kind, how it ends
        self.orders = dict(orders or {})
        self.downloads = 0
        self.asked_orders: list[str] = []

    @property
    def exports(self) -> list[str]:
        return [kind for kind, _ in self._operations]

    async def shop_info(self) -> ShopFact:
        return FACT

    async def granted_scopes(self) -> frozenset[str]:
        return self._scopes

    async def start_bulk_query(self, text: str) -> str:
        end = self._statuses.pop(0) if self._statuses else "COMPLETED"
        self._operations.append((_KINDS[text], end))
        return f"gid://shopify/BulkOperation/{len(self._operations)}"

    async def bulk_status(self, operation: str) -> BulkStatus:
        kind, end = self._operations[int(operation.rpartition("/")[2]) - 1]
        objects = await asyncio.to_thread(count_lines, self.path(kind))
        return BulkStatus(
            id=operation,
            status=end,
            error_code=None,
            object_count=objects,
            root_object_count=objects,
            url=kind if end == "COMPLETED" and objects else None,
            partial_url=None,
        )

    @asynccontextmanager
    async def open_download(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self.downloads += 1
        yield _pieces(self.path(url), self._cuts.pop(0) if self._cuts else None)

    async def checkouts_page(self, updated_since: datetime | None, after: str | None) -> Page:
        return Page(nodes=(), after=None)

    async def node_order(self, gid: str) -> Mapping[str, Any] | None:
        self.asked_orders.append(gid)
        return self.orders.get(int(gid.rpartition("/")[2]))

    def path(self, kind: str) -> Path:
        if kind in self._files:
            return self._files[kind]
        plain = self._folder / f"{kind}.jsonl"
        return plain if plain.exists() else plain.with_suffix(".jsonl.gz")


def open_lines(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


_counts: dict[Path, int] = {}


def count_lines(path: Path) -> int:
    """As the shop counts: lines that hold an object."""
    if path not in _counts:
        with open_lines(path) as file:
            _counts[path] = sum(1 for line in file if line.strip())
    return _counts[path]


async def _pieces(path: Path, cut: int | None) -> AsyncIterator[bytes]:
    with open_lines(path) as file:
        while piece := await asyncio.to_thread(file.read, min(_PIECE, cut) if cut is not None else _PIECE):
            yield piece
            if cut is not None:
                raise ShopUnavailableError("The connection broke.")


def write_lines(path: Path, lines: list[Mapping[str, Any]]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
