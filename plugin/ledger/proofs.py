"""What proofs of plays are computed from, counted in the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plugin.domain.money import SCALE
from plugin.domain.offers import DAY_US
from plugin.domain.plays.shipped import PLAYS_BY_KEY
from plugin.domain.proof.arms import RECENT_DAYS, UNKNOWN_SHARE, WINDOW_DAYS, Arm, Side
from plugin.ledger.codes import PLAY
from plugin.ledger.costs import WHOLE_PRODUCT
from plugin.ledger.database import Arrays, Database, Row, Session, Upsert

_WINDOW: Final = WINDOW_DAYS * DAY_US
_SUMS: Final = tuple(Arm.__dataclass_fields__)
_KEY: Final = ("shop_id", "play", "incentive", "share", "held", "gone")
PROOFS: Final = Upsert(table="play_proofs", columns=(*_KEY, *_SUMS, "computed_at"), key=_KEY)
UNCOSTED: Final = Upsert(
    table="uncosted_products",
    columns=("shop_id", "play", "product_id", "orders"),
    key=("shop_id", "play", "product_id"),
)
_ADD: Final = Upsert(
    table=PROOFS.table,
    columns=PROOFS.columns,
    key=_KEY,
    update=("computed_at",),
    merge=tuple((name, f"play_proofs.{name} + excluded.{name}") for name in _SUMS),
)
_IN_WINDOW: Final = f"> {{since}} AND {{at}} <= {{since}} + {_WINDOW}"
_ORDER_AT: Final = (
    f"o.processed_at {_IN_WINDOW.format(at='o.processed_at', since='f.granted_at')} AND o.processed_at <= $2"
)
_USED: Final = (
    "(SELECT {what} FROM offer_redemptions u JOIN orders p ON p.shop_id = u.shop_id AND p.id = u.order_id"
    f" WHERE u.shop_id = $1 AND u.customer_id = d.customer AND u.source = '{PLAY}' AND u.subject = d.play"
    f" AND u.voided_at IS NULL AND u.at {_IN_WINDOW.format(at='u.at', since='d.at')})"
)
# One row a play and customer: the first offer that was decided under a holdout.
_FIRST: Final = (
    "(SELECT g.play, g.customer_id, COALESCE(g.percentage, 0) AS percentage, COALESCE(g.amount, 0) AS amount,"
    f" COALESCE(g.share, {UNKNOWN_SHARE}) AS share, CASE WHEN g.held THEN 1 ELSE 0 END AS held, g.granted_at,"
    " ROW_NUMBER() OVER (PARTITION BY g.play, g.customer_id ORDER BY g.granted_at, g.offer_id) AS place"
    " FROM offer_grants g WHERE g.shop_id = $1 AND g.granted_at <= $2 AND (g.share IS NULL OR g.share > 0){whose}) f"
)
_ORDERS: Final = (
    "orders o ON o.shop_id = $1 AND o.customer_id = f.customer_id AND o.counted AND o.voided_at IS NULL"
    f" AND {_ORDER_AT}"
)
_REFUNDED: Final = "(SELECT SUM(r.amount) FROM refunds r WHERE r.shop_id = $1 AND r.order_id = o.id)"
# What the pieces of an order that were kept cost; NULL while that is not known of each.
_GOODS: Final = (
    "(SELECT CASE WHEN COUNT(*) > 0 AND"
    " COUNT(*) = COUNT(CASE WHEN l.current_quantity = 0 THEN 0 ELSE COALESCE(v.amount, c.amount) END)"
    " THEN SUM(l.current_quantity * COALESCE(v.amount, c.amount, 0)) END FROM order_lines l"
    " LEFT JOIN unit_costs v ON v.shop_id = $1 AND v.product_id = l.product_id AND v.variant_id = l.variant_id"
    " AND v.currency = o.currency LEFT JOIN unit_costs c ON c.shop_id = $1 AND c.product_id = l.product_id"
    f" AND c.variant_id = {WHOLE_PRODUCT} AND c.currency = o.currency WHERE l.shop_id = $1 AND l.order_id = o.id)"
)
# The same with what was ordered in its window. Materialized, so that goods are not summed for each mention of them.
_OUTCOMES: Final = (
    "WITH d AS MATERIALIZED (SELECT f.play AS play, f.customer_id AS customer, f.percentage AS percentage,"
    " f.amount AS amount, f.share AS share, f.held AS held, f.granted_at AS at,"
    f" o.total - COALESCE({_REFUNDED}, 0) AS paid, {_GOODS} AS goods"
    f" FROM {_FIRST} LEFT JOIN {_ORDERS} WHERE f.place = 1) "
    "SELECT d.play AS play, d.customer AS customer, d.percentage AS percentage, d.amount AS amount, d.share AS share,"
    " d.held AS held, d.at AS at, COUNT(d.paid) AS orders, CAST(COALESCE(SUM(d.paid), 0) AS BIGINT) AS revenue,"
    " COUNT(d.goods) AS covered,"
    " CAST(COALESCE(SUM(CASE WHEN d.goods IS NOT NULL THEN d.paid END), 0) AS BIGINT) AS covered_revenue,"
    " CAST(COALESCE(SUM(d.paid - d.goods), 0) AS BIGINT) AS margin,"
    f" {_USED.format(what='COUNT(*)')} AS redeemed,"
    f" {_USED.format(what='CAST(COALESCE(SUM(p.discounts), 0) AS BIGINT)')} AS redeemed_cost"
    " FROM d GROUP BY d.play, d.customer, d.percentage, d.amount, d.share, d.held, d.at ORDER BY 1, 2"
)
_NAMED: Final = 5  # products without a cost that are kept for a play
_UNCOSTED: Final = (
    "SELECT play, product, orders FROM (SELECT e.*,"
    " ROW_NUMBER() OVER (PARTITION BY e.play ORDER BY e.orders DESC, e.product) AS place FROM ("
    "SELECT f.play AS play, COALESCE(l.product_id, 0) AS product, COUNT(DISTINCT o.id) AS orders"
    f" FROM {_FIRST.format(whose='')} JOIN {_ORDERS}"
    " JOIN order_lines l ON l.shop_id = $1 AND l.order_id = o.id AND l.current_quantity > 0"
    f" WHERE f.place = 1 AND f.granted_at + {_WINDOW} <= $2"
    " AND NOT EXISTS (SELECT 1 FROM unit_costs c WHERE c.shop_id = $1 AND c.product_id = l.product_id"
    f" AND c.variant_id IN ({WHOLE_PRODUCT}, l.variant_id) AND c.currency = o.currency)"
    f" GROUP BY f.play, COALESCE(l.product_id, 0)) e) ranked WHERE place <= {_NAMED} ORDER BY play, place"
)
# Of what stands in a person's rows, only the names of the shop's own plays are taken over.
_LEAVER: Final = (
    f" AND g.customer_id = $3 AND (g.play IN ({', '.join(repr(key) for key in PLAYS_BY_KEY)})"
    " OR EXISTS (SELECT 1 FROM play_versions v WHERE v.shop_id = $1 AND v.play = g.play))"
)
_COLUMNS: Final = (
    "play", "customer", "percentage", "amount", "share", "held", "at", "orders", "revenue", "covered",
    "covered_revenue", "margin", "redeemed", "redeemed_cost",
)  # fmt: skip


class Uncosted(NamedTuple):
    """A product without a cost, and in how many orders of a comparison it is. 0: lines of no product."""

    product_id: int
    title: str
    orders: int


class Counted(NamedTuple):
    """`uncosted` by play, those in most orders first."""

    at: int | None
    plays: dict[str, dict[Side, Arm]]
    uncosted: dict[str, list[Uncosted]]


async def count_sides(database: Database, shop_id: int, *, now: int) -> dict[str, dict[Side, Arm]]:
    """Of each play, of the customers who are there; `now` in epoch microseconds."""
    return _counted(await database.arrays(_OUTCOMES.format(whose=""), shop_id, now), now)


async def count_uncosted(database: Database, shop_id: int, *, now: int) -> list[Row]:
    """(play, product, orders): the products whose missing costs keep most orders of each play from having a margin."""
    return await database.fetch(_UNCOSTED, shop_id, now)


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
    uncosted: dict[str, list[Uncosted]] = {}
    for play, *row in await database.fetch(
        "SELECT u.play, u.product_id, COALESCE(p.title, ''), u.orders FROM uncosted_products u"
        " LEFT JOIN products p ON p.shop_id = $1 AND p.id = u.product_id WHERE u.shop_id = $1"
        " ORDER BY u.play, u.orders DESC, u.product_id",
        shop_id,
    ):
        uncosted.setdefault(play, []).append(Uncosted(*row))
    return Counted(rows[0][0], await sides_of_plays(database, shop_id), uncosted)


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
    orders, revenue, margin = done["orders"], done["revenue"], done["margin"]
    most = margin + revenue - done["covered_revenue"]
    return Arm(
        n=int(over.sum()), waiting=int((~over).sum()), recent=int((rows["at"] > now - RECENT_DAYS * DAY_US).sum()),
        ordered=int((orders > 0).sum()), orders=int(orders.sum()), order_squares=int((orders**2).sum()),
        revenue=int(revenue.sum()), revenue_squares=_squares(revenue),
        redeemed=int(done["redeemed"].sum()), redeemed_cost=int(done["redeemed_cost"].sum()),
        covered=int(done["covered"].sum()), covered_revenue=int(done["covered_revenue"].sum()),
        margin=int(margin.sum()), margin_squares=_squares(margin), most_squares=_squares(most),
    )  # fmt: skip


def _squares(amounts: NDArray[np.int64]) -> float:
    return float(((amounts / SCALE) ** 2).sum())
