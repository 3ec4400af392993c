"""How far the copy of a shop is: `sync_states` for people, `bulk_runs` for going on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from plugin.domain.events import Event, EventKind
from plugin.errors import ShopAccessError
from plugin.ledger.database import Session, Upsert
from plugin.ledger.events import tell
from plugin.ledger.settle import Counts
from plugin.ledger.store import Store
from plugin.log import mask

SHOP: Final = "shop"
PRODUCTS: Final = "products"
CUSTOMERS: Final = "customers"
ORDERS: Final = "orders"
DONE: Final = "done"
FAILED: Final = "failed"
KINDS: Final = (PRODUCTS, CUSTOMERS, ORDERS)

RUNNING: Final = "running"
MOST_SET_ASIDE: Final = 1_000  # lines of one export kept with their reason; more are only counted
_LONGEST_REASON: Final = 300
_SET_ASIDE: Final = Upsert(
    table="set_aside",
    columns=("shop_id", "source", "position", "reason", "at"),
    key=("shop_id", "source", "position"),
    update=("reason", "at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One export of one sync. `lines_done` lines of the operation's file are in the ledger."""

    kind: str
    operation: str
    state: str
    lines_done: int
    started_at: int


async def begin(store: Store, shop_id: int, *, at: int, oldest: int) -> dict[str, Run]:
    """The exports of a sync that was broken off after `oldest`, to go on with; otherwise a new sync with none."""
    rows = await store.database.fetch("SELECT phase, started_at FROM sync_states WHERE shop_id = $1", shop_id)
    if rows and rows[0][0] != DONE and (rows[0][1] or 0) >= oldest:
        return await _runs(store, shop_id)
    async with store.database.transaction() as session:
        await session.execute("DELETE FROM bulk_runs WHERE shop_id = $1", shop_id)
        await session.execute(
            "INSERT INTO sync_states (shop_id, phase, customers, orders, order_lines, products, started_at)"
            " VALUES ($1, $2, 0, 0, 0, 0, $3) ON CONFLICT (shop_id) DO UPDATE"
            " SET phase = excluded.phase, started_at = excluded.started_at, finished_at = NULL, error = NULL",
            shop_id,
            SHOP,
            at,
        )
    return {}


async def enter(store: Store, shop_id: int, phase: str) -> None:
    await store.database.execute("UPDATE sync_states SET phase = $1, error = NULL WHERE shop_id = $2", phase, shop_id)


async def save_run(store: Store, shop_id: int, run: Run) -> None:
    """A new export starts with nothing of it set aside."""
    async with store.database.transaction() as session:
        await session.execute("DELETE FROM set_aside WHERE shop_id = $1 AND source = $2", shop_id, run.kind)
        await session.execute(
            "INSERT INTO bulk_runs (shop_id, kind, operation, state, lines_done, started_at)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (shop_id, kind) DO UPDATE SET operation = excluded.operation,"
            " state = excluded.state, lines_done = excluded.lines_done, started_at = excluded.started_at",
            shop_id,
            run.kind,
            run.operation,
            run.state,
            run.lines_done,
            run.started_at,
        )


async def save_batch(
    store: Store, shop_id: int, kind: str, *, lines_done: int, roots: int, bad: Sequence[tuple[int, str]], at: int
) -> None:
    """After the rows of a batch are in. `roots` is how many things of `kind` the export gave so far.
    Raises ShopAccessError when the shop has uninstalled meanwhile."""
    async with store.database.transaction() as session:
        await still_installed(session, shop_id)
        await session.execute(
            "UPDATE bulk_runs SET lines_done = $1 WHERE shop_id = $2 AND kind = $3", lines_done, shop_id, kind
        )
        await session.execute(
            f"UPDATE sync_states SET {kind} = CASE WHEN {kind} > $1 THEN {kind} ELSE $1 END WHERE shop_id = $2",
            roots,
            shop_id,
        )
        if bad:
            rows = [(shop_id, kind, number, mask(reason)[:_LONGEST_REASON], at) for number, reason in bad]
            await session.upsert(_SET_ASIDE, rows[:MOST_SET_ASIDE])


async def finish_run(store: Store, shop_id: int, kind: str, counts: Counts) -> None:
    async with store.database.transaction() as session:
        await session.execute("UPDATE bulk_runs SET state = $1 WHERE shop_id = $2 AND kind = $3", DONE, shop_id, kind)
        await _save_counts(session, shop_id, counts)


async def finish(store: Store, shop_id: int, *, counts: Counts, at: int, history_from: int | None) -> None:
    """The copy is whole, and as fresh as the moment the sync began."""
    async with store.database.transaction() as session:
        await _save_counts(session, shop_id, counts)
        await session.execute(
            "UPDATE sync_states SET phase = $1, finished_at = $2, fresh_as_of = started_at, history_from = $3,"
            " error = NULL WHERE shop_id = $4",
            DONE,
            at,
            history_from,
            shop_id,
        )
        await session.execute("DELETE FROM bulk_runs WHERE shop_id = $1", shop_id)
        await tell(session, shop_id, [Event(kind=EventKind.SYNC_FINISHED, at=at)], now=at)


async def fail(store: Store, shop_id: int, error: Exception) -> None:
    """Keep what is needed to go on, and say what stopped it."""
    await store.database.execute(
        "UPDATE sync_states SET phase = $1, error = $2 WHERE shop_id = $3", FAILED, mask(str(error))[:500], shop_id
    )


async def started_at(store: Store, shop_id: int) -> int:
    rows = await store.database.fetch("SELECT started_at FROM sync_states WHERE shop_id = $1", shop_id)
    return int(rows[0][0])


async def check_installed(store: Store, shop_id: int) -> None:
    """Raises ShopAccessError when the shop is not, or no longer, installed."""
    async with store.database.transaction() as session:
        await still_installed(session, shop_id)


async def still_installed(session: Session, shop_id: int) -> None:
    """Raises ShopAccessError when the shop has uninstalled meanwhile."""
    rows = await session.fetch("SELECT status FROM shops WHERE id = $1", shop_id)
    if not rows or rows[0][0] != "installed":
        raise ShopAccessError("The shop is no longer installed: the sync stops here.")


async def _save_counts(session: Session, shop_id: int, counts: Counts) -> None:
    await session.execute(
        "UPDATE sync_states SET customers = $1, orders = $2, order_lines = $3, products = $4 WHERE shop_id = $5",
        counts.customers,
        counts.orders,
        counts.order_lines,
        counts.products,
        shop_id,
    )


async def _runs(store: Store, shop_id: int) -> dict[str, Run]:
    rows = await store.database.fetch(
        "SELECT kind, operation, state, lines_done, started_at FROM bulk_runs WHERE shop_id = $1", shop_id
    )
    return {
        row[0]: Run(kind=row[0], operation=row[1] or "", state=row[2], lines_done=row[3], started_at=row[4])
        for row in rows
    }
