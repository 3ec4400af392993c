"""Discount codes on record: which are wanted, which the shop has, and how a row moves between the two.

A code is put on record as `intended` before the shop is asked, and `active` only when the shop said yes: after a crash
in between the text is the same, and the shop tells that it has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from plugin.ledger.database import Database, Row, Upsert
from plugin.ledger.lists import among, id_list

PLAY, COUPON, REFERRAL = "play", "coupon", "referral"
INSERT: Final = Upsert(
    table="offer_codes",
    columns=(
        "shop_id", "code_id", "customer_id", "source", "subject", "offer_id", "code", "folded", "state", "title",
        "percentage", "amount", "starts_at", "ends_at", "created_at", "changed_at",
    ),
    key=("shop_id", "code_id"),
)  # fmt: skip
# An open offer that gives something away: `g` is offer_grants, `{now}` the position of the instant.
_OPEN: Final = (
    "g.closed_at IS NULL AND NOT g.held AND (g.percentage IS NOT NULL OR g.amount IS NOT NULL) AND g.until_at > ${now}"
)


class Code(NamedTuple):
    """A row of `offer_codes`."""

    code_id: int
    customer_id: int
    source: str
    subject: str
    offer_id: int | None
    code: str
    state: str
    title: str
    percentage: int | None
    amount: int | None
    starts_at: int
    ends_at: int | None
    discount_id: int | None
    redeemed_at: int | None


Move = tuple[int, str, int | None, str | None]  # code, state, discount, error


class Wanted(NamedTuple):
    """An offer given that has no code yet."""

    customer_id: int
    offer_id: int
    play: str
    percentage: int | None
    amount: int | None
    until_at: int


async def close_codes(database: Database, shop_id: int, *, now: int) -> None:
    """Codes of offers that stand no more are to be withdrawn; those whose end has come are done with already."""
    await database.execute(
        "UPDATE offer_codes SET state = 'idle', changed_at = $2"
        " WHERE shop_id = $1 AND state IN ('active', 'closing') AND ends_at IS NOT NULL AND ends_at <= $2",
        shop_id, now,
    )  # fmt: skip
    await database.execute(
        "UPDATE offer_codes SET state = 'closing', changed_at = $2 WHERE shop_id = $1 AND source = 'play'"
        " AND state IN ('active', 'intended', 'refused') AND redeemed_at IS NULL AND NOT EXISTS ("
        "SELECT 1 FROM offer_grants g WHERE g.shop_id = $1 AND g.customer_id = offer_codes.customer_id"
        f" AND g.offer_id = offer_codes.offer_id AND {_OPEN.format(now=2)})",
        shop_id, now,
    )  # fmt: skip


async def wanted_codes(database: Database, shop_id: int, *, now: int, limit: int) -> list[Wanted]:
    rows = await database.fetch(
        "SELECT g.customer_id, g.offer_id, g.play, g.percentage, g.amount, g.until_at FROM offer_grants g"
        " LEFT JOIN offer_codes c ON c.shop_id = g.shop_id AND c.customer_id = g.customer_id"
        " AND c.offer_id = g.offer_id AND c.state IN ('intended', 'active', 'refused')"
        f" WHERE g.shop_id = $1 AND c.code_id IS NULL AND {_OPEN.format(now=2)}"
        " ORDER BY g.customer_id, g.offer_id LIMIT $3",
        shop_id, now, limit,
    )  # fmt: skip
    return [Wanted(*row) for row in rows]


async def codes_of(database: Database, shop_id: int, customer_ids: Sequence[int]) -> list[Code]:
    rows = await database.fetch(
        f"SELECT {', '.join(Code._fields)} FROM offer_codes WHERE shop_id = $1"
        f" AND {among(database.dialect, 'customer_id', 2)} ORDER BY customer_id, created_at, code_id",
        shop_id, id_list(database.dialect, customer_ids),
    )  # fmt: skip
    return [Code(*row) for row in rows]


async def in_state(database: Database, shop_id: int, state: str, *, after: int, limit: int) -> list[Code]:
    """By number, from the one after `after`."""
    rows = await database.fetch(
        f"SELECT {', '.join(Code._fields)} FROM offer_codes WHERE shop_id = $1 AND state = $2 AND code_id > $3"
        " ORDER BY code_id LIMIT $4",
        shop_id, state, after, limit,
    )  # fmt: skip
    return [Code(*row) for row in rows]


def new_row(shop_id: int, code: Code, folded: str, now: int) -> Row:
    return (
        shop_id, code.code_id, code.customer_id, code.source, code.subject, code.offer_id, code.code, folded,
        code.state, code.title, code.percentage, code.amount, code.starts_at, code.ends_at, now, now,
    )  # fmt: skip


async def intend(database: Database, rows: Sequence[Row]) -> None:
    """Codes that are new; one that is there stays as it is."""
    await database.upsert(INSERT, rows)


async def intend_again(database: Database, shop_id: int, codes: Sequence[Code], *, now: int) -> None:
    """Codes of earlier offers, with the terms of the new one."""
    await database.execute_many(
        "UPDATE offer_codes SET state = 'intended', offer_id = $3, title = $4, percentage = $5, amount = $6,"
        " starts_at = $7, ends_at = $8, error = NULL, changed_at = $9 WHERE shop_id = $1 AND code_id = $2",
        [
            (shop_id, code.code_id, code.offer_id, code.title, code.percentage, code.amount, code.starts_at,
             code.ends_at, now)
            for code in codes
        ],
    )  # fmt: skip


async def move(
    database: Database, shop_id: int, rows: Sequence[tuple[int, str, int | None, str | None]], *, now: int
) -> None:
    """(code, state, discount, error) each."""
    await database.execute_many(
        "UPDATE offer_codes SET state = $3, discount_id = $4, error = $5, changed_at = $6"
        " WHERE shop_id = $1 AND code_id = $2",
        [(shop_id, *row, now) for row in rows],
    )


async def rename(database: Database, shop_id: int, code_id: int, code: str, folded: str) -> None:
    await database.execute(
        "UPDATE offer_codes SET code = $3, folded = $4 WHERE shop_id = $1 AND code_id = $2",
        shop_id, code_id, code, folded,
    )  # fmt: skip


async def drop(database: Database, shop_id: int, code_ids: Sequence[int]) -> None:
    await database.execute_many(
        "DELETE FROM offer_codes WHERE shop_id = $1 AND code_id = $2", [(shop_id, code) for code in code_ids]
    )


async def retire(database: Database, shop_id: int, *, before: int) -> None:
    """Codes that nobody used and no offer took up again since `before` are deleted in the shop, too."""
    await database.execute(
        "UPDATE offer_codes SET state = 'leaving' WHERE shop_id = $1 AND state = 'idle' AND redeemed_at IS NULL"
        " AND changed_at < $2",
        shop_id, before,
    )  # fmt: skip


async def leave(database: Database, shop_id: int) -> None:
    """All of them."""
    await database.execute("UPDATE offer_codes SET state = 'leaving', offer_id = NULL WHERE shop_id = $1", shop_id)
