"""`python -m tests.bench.sync_once sync|floor URL FOLDER`: one measurement, in this process alone."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from integrations.shopify import mapping
from plugin.ledger import sqlite, statements
from plugin.ledger.database import Row, Upsert
from plugin.ledger.store import open_store
from plugin.settings import read_settings
from plugin.sync.backfill import run_sync
from plugin.sync.jsonl import Batch, ExportFile
from plugin.vault import Vault
from tests.support.file_gateway import FileGateway, count_lines
from tests.support.shops import install_shop

_KEY: Final = "a-key-for-benchmarks-of-thirty-two-characters"
_KINDS: Final = ("products", "customers", "orders")
_SIZE: Final = 10_000
_TRANSACTION: Final = 1_000
_SHOP: Final = 1


async def main(what: str, url: str, folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    lines = sum(count_lines(folder / f"{kind}.jsonl") for kind in _KINDS)
    cpu = time.process_time()
    seconds = await (_sync(url, folder) if what == "sync" else _floor(url, folder))
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"lines": lines, "seconds": seconds, "cpu": cpu, "peak_mb": peak}) + "\n")


async def _sync(url: str, folder: Path) -> float:
    environment = {
        "SHOPIFY_API_KEY": "bench", "SHOPIFY_API_SECRET": "bench", "REBLOOM_ENCRYPTION_KEYS": _KEY,
        "REBLOOM_DATABASE_URL": url if url.startswith("postgres") else url.replace("sqlite://", "sqlite:///"),
    }  # fmt: skip
    async with open_store(read_settings(environment)) as store:
        shop = await install_shop("files.myshopify.com")
        with tempfile.TemporaryDirectory(dir=folder) as work:
            begun = time.perf_counter()
            await run_sync(
                store, shop, FileGateway(folder), now=lambda: datetime.now(UTC), progress=_quiet, work_dir=Path(work)
            )
            return time.perf_counter() - begun


def _quiet(_: object) -> None:
    return None


async def _floor(url: str, folder: Path) -> float:
    """Seconds of decoding every line into its struct, and of inserting the rows; making the rows is not counted."""
    parse = sum(_decoding(folder / f"{kind}.jsonl") for kind in _KINDS)
    return parse + (await _copying(url, folder) if url.startswith("postgres") else _inserting(url, folder))


def _decoding(path: Path) -> float:
    head, kinds = mapping._HEAD, mapping._KINDS
    begun = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            gid = head.decode(line).id
            kinds[gid[: gid.rfind("/") + 1]][0].decode(line)
    return time.perf_counter() - begun


def _batches(folder: Path) -> Iterator[list[tuple[Upsert, list[Row]]]]:
    vault = Vault([_KEY])
    for kind in _KINDS:
        with ExportFile(folder / f"{kind}.jsonl") as file:
            while batch := file.batch(_SIZE):
                yield [(how, rows) for how, rows in _rows(batch, vault) if rows]


def _rows(batch: Batch, vault: Vault) -> Iterator[tuple[Upsert, list[Row]]]:
    yield statements.CUSTOMERS, [statements.customer_row(_SHOP, fact) for fact in batch.customers]
    yield (
        statements.PERSONS,
        [(_SHOP, c.id, vault.seal(msgspec.json.encode(c.person).decode()), c.stated_at) for c in batch.customers],
    )
    yield statements.PRODUCTS, [statements.product_row(_SHOP, fact) for fact in batch.products]
    yield statements.VARIANTS, [statements.variant_row(_SHOP, owner, fact, 0) for owner, fact in batch.variants]
    yield statements.ORDERS, [statements.order_row(_SHOP, fact) for fact in batch.orders]
    yield (
        statements.REFUNDS,
        [statements.refund_row(_SHOP, fact.id, each) for fact in batch.orders for each in fact.refunds or ()],
    )
    yield statements.LINES, statements.line_rows(_SHOP, batch.order_lines, 0)


def _inserting(url: str, folder: Path) -> float:
    connection = sqlite.connect(url.removeprefix("sqlite://"))
    seconds = 0.0
    for tables in _batches(folder):
        begun = time.perf_counter()
        for how, rows in tables:
            sql = f"INSERT INTO {how.table} ({', '.join(how.columns)}) VALUES ({', '.join('?' for _ in how.columns)})"
            for start in range(0, len(rows), _TRANSACTION):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(sql, rows[start : start + _TRANSACTION])
                connection.commit()
        seconds += time.perf_counter() - begun
    connection.close()
    return seconds


async def _copying(url: str, folder: Path) -> float:
    connection: Any = await asyncpg.connect(url)
    seconds = 0.0
    for tables in _batches(folder):
        begun = time.perf_counter()
        for how, rows in tables:
            await connection.copy_records_to_table(how.table, records=rows, columns=how.columns)
        seconds += time.perf_counter() - begun
    await connection.close()
    return seconds


def _arguments(arguments: Sequence[str]) -> tuple[str, str, Path]:
    what, url, folder = arguments
    return what, url, Path(folder)


if __name__ == "__main__":
    asyncio.run(main(*_arguments(sys.argv[1:])))
