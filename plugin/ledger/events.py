"""The outbox: what is told to listeners is written in the transaction that makes it true."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from plugin.domain.events import Event, EventKind
from plugin.ledger.database import Database, Session, Upsert

_EVENT: Final = (
    "kind", "at", "customer_id", "subject", "from_stage", "from_rung", "to_stage", "to_rung", "because",
)  # fmt: skip
_EVENTS: Final = Upsert(
    table="shop_events", columns=("shop_id", "number", *_EVENT, "noted_at"), key=("shop_id", "number")
)
_HEAD: Final = (
    "INSERT INTO event_heads (shop_id, told) VALUES ($1, $2)"
    " ON CONFLICT (shop_id) DO UPDATE SET told = event_heads.told + excluded.told RETURNING told"
)


class Told(NamedTuple):
    """`number` is the shop's own count."""

    number: int
    event: Event


async def is_taken_in(reader: Database | Session, shop_id: int) -> bool:
    """Before its first fact sheet a shop is still being taken in: nothing in it has changed yet."""
    return bool(await reader.fetch("SELECT 1 FROM fact_sheets WHERE shop_id = $1", shop_id))


async def tell(session: Session, shop_id: int, events: Iterable[Event], *, now: int) -> None:
    """At the end of the transaction: others of the shop who tell something wait for it."""
    events = list(events)
    if not events:
        return
    [(last,)] = await session.fetch(_HEAD, shop_id, len(events))
    rows = [
        (shop_id, number, str(event.kind), *(getattr(event, name) for name in _EVENT[1:]), now)
        for number, event in enumerate(events, start=last - len(events) + 1)
    ]
    await session.upsert(_EVENTS, rows)


async def hold(session: Session, shop_id: int) -> int:
    """The number of the last event told; until the transaction ends, nobody else tells one of the shop."""
    [(told,)] = await session.fetch(_HEAD, shop_id, 0)
    return int(told)


async def last_told(database: Database, shop_id: int) -> int:
    rows = await database.fetch("SELECT told FROM event_heads WHERE shop_id = $1", shop_id)
    return int(rows[0][0]) if rows else 0


async def told_since(database: Database, shop_id: int, number: int, *, at_most: int) -> list[Told]:
    """In their order, those after `number`."""
    rows = await database.fetch(
        f"SELECT number, {', '.join(_EVENT)} FROM shop_events WHERE shop_id = $1 AND number > $2"
        f" ORDER BY number LIMIT {at_most:d}",
        shop_id,
        number,
    )
    return [Told(row[0], _event(row[1:])) for row in rows]


def _event(row: tuple[object, ...]) -> Event:
    given = dict(zip(_EVENT, row, strict=True))
    return Event(**{**given, "kind": EventKind(str(given["kind"]))})  # type: ignore[arg-type]  # as the columns have it
