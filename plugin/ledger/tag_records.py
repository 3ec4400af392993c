"""What Rebloom has written to the shop: tags on record as ours, stage metafields, refusals.

The order that survives a crash: an intention is on record before the tag is in the shop, and a record becomes `removed`
only after the shop confirmed the removal. So every tag of ours in the shop is on record at every instant; what is
uncertain after a crash is an intention, or a record of something already gone, and both are simply sent again: adding a
tag that is there and removing one that is not change nothing and are no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from plugin.ledger.database import Database, Session, Upsert

_COLUMNS: Final = ("shop_id", "customer_id", "tag", "state", "written_at")
_KEY: Final = ("shop_id", "customer_id", "tag")
_RECORD: Final = Upsert(table="tag_records", columns=_COLUMNS, key=_KEY, update=("state", "written_at"))
# A tag that is to be written again because the merchant took it away stays `written`: it is still ours.
_INTEND: Final = Upsert(
    table="tag_records",
    columns=_COLUMNS,
    key=_KEY,
    update=("state", "written_at"),
    where="tag_records.state = 'removed'",
)
_STATE_KEY: Final = ("shop_id", "customer_id")
_PUSHED: Final = Upsert(
    table="push_states",
    columns=("shop_id", "customer_id", "refusal", "pushed_at"),
    key=_STATE_KEY,
    update=("refusal", "pushed_at"),
)
_STAGE: Final = Upsert(
    table="push_states",
    columns=("shop_id", "customer_id", "stage", "stage_since_day", "refusal", "pushed_at"),
    key=_STATE_KEY,
    update=("stage", "stage_since_day", "refusal", "pushed_at"),
)
Tagged = tuple[int, Iterable[str]]  # a customer and tags


async def intend(database: Database, shop_id: int, adds: Iterable[Tagged], *, at: int) -> None:
    """Before the shop is asked to add them."""
    await database.upsert(_INTEND, _rows(shop_id, adds, "intended", at))


async def confirm(
    database: Database, shop_id: int, *, added: Sequence[Tagged], removed: Sequence[Tagged], at: int
) -> None:
    """After the shop did both; the refusals of these customers are over."""
    customers = sorted({customer for customer, _ in (*added, *removed)})
    async with database.transaction() as session:
        await session.upsert(_RECORD, _rows(shop_id, added, "written", at))
        await session.upsert(_RECORD, _rows(shop_id, removed, "removed", at))
        await session.upsert(_PUSHED, [(shop_id, customer, None, at) for customer in customers])


def _rows(shop_id: int, tagged: Iterable[Tagged], state: str, at: int) -> list[tuple[Any, ...]]:
    return [(shop_id, customer, tag, state, at) for customer, tags in tagged for tag in tags]


async def refuse(database: Database, shop_id: int, refusals: Iterable[tuple[int, str, str]], *, at: int) -> None:
    """(customer, the shop's words, fingerprint of what it refused): not sent again while the fingerprint is the same
    and the shop has stated nothing new about the customer."""
    rows = [
        (shop_id, customer, orjson.dumps({"message": message, "of": mark}).decode(), at)
        for customer, message, mark in refusals
    ]
    await database.upsert(_PUSHED, rows)


async def refused_before(database: Database, shop_id: int) -> set[tuple[int, str]]:
    """(customer, fingerprint) of refusals that still stand."""
    rows = await database.fetch(
        "SELECT p.customer_id, p.refusal FROM push_states p"
        " LEFT JOIN customers c ON c.shop_id = p.shop_id AND c.id = p.customer_id"
        " WHERE p.shop_id = $1 AND p.refusal IS NOT NULL AND COALESCE(c.stated_at, 0) <= p.pushed_at",
        shop_id,
    )
    return {(customer, orjson.loads(refusal)["of"]) for customer, refusal in rows}


async def stages_written(database: Database, shop_id: int, stages: Iterable[tuple[int, str, int]], *, at: int) -> None:
    """(customer, stage, since_day) now in the shop's metafields."""
    await database.upsert(_STAGE, [(shop_id, *stage, None, at) for stage in stages])


async def forget_stated_removals(database: Database, shop_id: int) -> None:
    """Removals that the shop has confirmed by a later statement of the customer's tags need no record."""
    await database.execute(
        "DELETE FROM tag_records WHERE shop_id = $1 AND state = 'removed' AND written_at <"
        " (SELECT c.traits_stated_at FROM customers c"
        " WHERE c.shop_id = tag_records.shop_id AND c.id = tag_records.customer_id)",
        shop_id,
    )


async def save_run(session: Database | Session, shop_id: int, **columns: Any) -> None:
    """The state of the latest push, for `shop.tagPush`."""
    names = ("shop_id", *columns)
    how = Upsert(table="push_runs", columns=names, key=("shop_id",), update=tuple(columns))
    await session.upsert(how, [(shop_id, *columns.values())])


async def on_record(database: Database, shop_id: int) -> list[tuple[int, str]]:
    """(customer, tag) of every tag that the shop has or may have from us."""
    rows = await database.fetch(
        "SELECT customer_id, tag FROM tag_records WHERE shop_id = $1 AND state <> 'removed' ORDER BY customer_id, tag",
        shop_id,
    )
    return [(customer, tag) for customer, tag in rows]


async def with_stage(database: Database, shop_id: int) -> list[int]:
    """Customers whose stage stands in the shop's metafields."""
    rows = await database.fetch(
        "SELECT customer_id FROM push_states WHERE shop_id = $1 AND stage IS NOT NULL ORDER BY customer_id", shop_id
    )
    return [row[0] for row in rows]


async def stages_taken(database: Database, shop_id: int, customers: Sequence[int]) -> None:
    """Their stage metafields are out of the shop."""
    await database.execute_many(
        "UPDATE push_states SET stage = NULL, stage_since_day = NULL WHERE shop_id = $1 AND customer_id = $2",
        [(shop_id, customer) for customer in customers],
    )
