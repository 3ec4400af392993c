"""What proofs of plays are computed from, counted in the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from plugin.domain.money import SCALE
from plugin.domain.offers import DAY_US
from plugin.domain.plays.shipped import PLAYS_BY_KEY
from plugin.domain.proof.arms import RECENT_DAYS, UNKNOWN_SHARE, WINDOW_DAYS, Arm, Side
from plugin.ledger.codes import PLAY
from plugin.ledger.database import Arrays, Database, Row, Session, Upsert

_WINDOW: Final = WINDOW_DAYS * DAY_US
_SUMS: Final = tuple(Arm.__dataclass_fields__)
_KEY: Final = ("shop_id", "play", "incentive", "share", "held", "gone")
PROOFS: Final = Upsert(table="play_proofs", columns=(*_KEY, *_SUMS, "computed_at"), key=_KEY)
_ADD: Final = Upsert(
    table=PROOFS.table,
    columns=PROOFS.columns,
    key=_KEY,
    update=("computed_at",),
    merge=tuple((name, f"play_proofs.{name} + excluded.{name}") for name in _SUMS),
)
_IN_WINDOW: Final = f"> f.granted_at AND {{at}} <= f.granted_at + {_WINDOW}"
_USED: Final = (
    "(SELECT {what} FROM offer_redemptions u JOIN orders p ON p.shop_id = u.shop_id AND p.id = u.order_id"
    f" WHERE u.shop_id = $1 AND u.customer_id = f.customer_id AND u.source = '{PLAY}' AND u.subject = f.play"
    f" AND u.voided_at IS NULL AND u.at {_IN_WINDOW.format(at='u.at')})"
)
# One row a play and customer: the first offer that was decided under a holdout, and what was ordered in its window.
_OUTCOMES: Final = (
    "SELECT f.play AS play, f.customer_id AS customer, f.percentage AS percentage, f.amount AS amount,"
    " f.share AS share, f.held AS held, f.granted_at AS at, COUNT(o.id) AS orders,"
    " CAST(COALESCE(SUM(o.total - COALESCE(r.amount, 0)), 0) AS BIGINT) AS revenue,"
    f" {_USED.format(what='COUNT(*)')} AS redeemed,"
    f" {_USED.format(what='CAST(COALESCE(SUM(p.discounts), 0) AS BIGINT)')} AS redeemed_cost"
    " FROM (SELECT g.play, g.customer_id, COALESCE(g.percentage, 0) AS percentage, COALESCE(g.amount, 0) AS amount,"
    f" COALESCE(g.share, {UNKNOWN_SHARE}) AS share, CASE WHEN g.held THEN 1 ELSE 0 END AS held, g.granted_at,"
    " ROW_NUMBER() OVER (PARTITION BY g.play, g.customer_id ORDER BY g.granted_at, g.offer_id) AS place"
    " FROM offer_grants g WHERE g.shop_id = $1 AND g.granted_at <= $2 AND (g.share IS NULL OR g.share > 0){whose}) f"
    " LEFT JOIN orders o ON o.shop_id = $1 AND o.customer_id = f.customer_id AND o.counted AND o.voided_at IS NULL"
    f" AND o.processed_at {_IN_WINDOW.format(at='o.processed_at')} AND o.processed_at <= $2"
    " LEFT JOIN (SELECT order_id, SUM(amount) AS amount FROM refunds WHERE shop_id = $1 GROUP BY order_id) r"
    " ON r.order_id = o.id WHERE f.place = 1"
    " GROUP BY f.play, f.customer_id, f.percentage, f.amount, f.share, f.held, f.granted_at ORDER BY 1, 2"
)
# Of what stands in a person's rows, only the names of the shop's own plays are taken over.
_LEAVER: Final = (
    f" AND g.customer_id = $3 AND (g.play IN ({', '.join(repr(key) for key in PLAYS_BY_KEY)})"
    " OR EXISTS (SELECT 1 FROM play_versions v WHERE v.shop_id = $1 AND v.play = g.play))"
)
_COLUMNS: Final = (
    "play", "customer", "percentage", "amount", "share", "held", "at", "orders", "revenue", "redeemed", "redeemed_cost",
)  # fmt: skip


class Counted(NamedTuple):
    at: int | None
    plays: dict[str, dict[Side, Arm]]


async def count_sides(database: Database, shop_id: int, *, now: int) -> dict[str, dict[Side, Arm]]:
    """Of each play, of the customers who are there; `now` in epoch microseconds."""
    return _counted(await database.arrays(_OUTCOMES.format(whose=""), shop_id, now), now)


async def sides_of_plays(database: Database, shop_id: int) -> dict[str, dict[Side, Arm]]:
    """As they were counted last, with those who have gone since."""
    found: dict[str, dict[Side, Arm]] = {}
    for row in await database.fetch(
        f"SELECT play, incentive, share, held, {', '.join(_SUMS)} FROM play_proofs WHERE shop_id = $1"
        " ORDER BY play, incentive, share, held, gone",
        shop_id,
    ):
        sides, side = found.setdefault(row[0], {}), Side(row[1], row[2], bool(row[3]))
        sides[side] = sides.get(side, Arm()) + Arm(**dict(zip(_SUMS, row[4:], strict=True)))
    return found


async def counted_of(database: Database, shop_id: int) -> Counted:
    """The same with the instant of it, as epoch microseconds; None before the first."""
    rows = await database.fetch("SELECT MAX(computed_at) FROM play_proofs WHERE shop_id = $1 AND NOT gone", shop_id)
    return Counted(rows[0][0], await sides_of_plays(database, shop_id))


async def keep_outcomes(session: Session, shop_id: int, customer_id: int, *, now: int) -> None:
    """Add what a customer who is about to go did to the sums of those who are gone; nothing while her time runs."""
    rows = await session.fetch(_OUTCOMES.format(whose=_LEAVER), shop_id, now, customer_id)
    if not rows:
        return
    arrays = {name: np.array(column) for name, column in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}
    counted = _counted(arrays, now)
    over = ((play, side, arm) for play, sides in counted.items() for side, arm in sides.items() if arm.n)
    await session.upsert(_ADD, proof_rows(shop_id, over, gone=True, at=now))


def proof_rows(shop_id: int, sides: Iterable[tuple[str, Side, Arm]], *, gone: bool, at: int) -> list[Row]:
    """As PROOFS has them; of those gone, only what is over."""
    return [
        (
            shop_id, play, side.incentive, side.share, side.held, gone,
            *(0 if gone and name in {"waiting", "recent"} else getattr(arm, name) for name in _SUMS), at,
        )
        for play, side, arm in sides
    ]  # fmt: skip


def _counted(rows: Arrays, now: int) -> dict[str, dict[Side, Arm]]:
    """Rows are in the order of plays and customers, so that sums of the same rows are the same to the last bit."""
    found: dict[str, dict[Side, Arm]] = {}
    numbers = {name: rows[name].astype(np.int64) for name in _COLUMNS[1:]} if len(rows["play"]) else {}
    if not numbers:
        return found
    plays, of = np.unique(rows["play"].astype(str), return_inverse=True)
    keys = np.column_stack([of, *(numbers[name] for name in ("percentage", "amount", "share", "held"))])
    groups, member = np.unique(keys, axis=0, return_inverse=True)
    for place, (play, percentage, amount, share, held) in enumerate(groups.tolist()):
        inside = np.flatnonzero(member.reshape(-1) == place)
        incentive = f"{percentage}%" if percentage else str(amount) if amount else ""
        side = Side(incentive, share, bool(held))
        found.setdefault(str(plays[play]), {})[side] = _arm({name: each[inside] for name, each in numbers.items()}, now)
    return found


def _arm(rows: Arrays, now: int) -> Arm:
    over = rows["at"] + _WINDOW <= now
    done = {name: each[over] for name, each in rows.items()}
    orders, revenue = done["orders"], done["revenue"]
    return Arm(
        n=int(over.sum()), waiting=int((~over).sum()), recent=int((rows["at"] > now - RECENT_DAYS * DAY_US).sum()),
        ordered=int((orders > 0).sum()), orders=int(orders.sum()), order_squares=int((orders**2).sum()),
        revenue=int(revenue.sum()), revenue_squares=float(((revenue / SCALE) ** 2).sum()),
        redeemed=int(done["redeemed"].sum()), redeemed_cost=int(done["redeemed_cost"].sum()),
    )  # fmt: skip
