"""Reading what the fit of recommendations found: the methods chosen, and what customers are about to need again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from plugin.ledger.database import Database
from plugin.ledger.lists import among, id_list


class ChoiceRow(NamedTuple):
    """The method of a use and its figures on held-out orders; None where the shop is too young to test."""

    use: str
    method: str
    recall: float | None
    ndcg: float | None
    popularity_recall: float | None
    popularity_ndcg: float | None
    cases: int
    candidates: int
    horizon_days: float
    tested_from: int | None
    tested_until: int | None
    fitted_at: int


class ReplenishmentRow(NamedTuple):
    """Instants in epoch microseconds; `cycle_days` per unit."""

    customer_id: int
    product_id: int
    due_at: int
    from_at: int
    until_at: int
    cycle_days: float
    units: int
    repeats: int
    own_repeats: int


async def choices_of(database: Database, shop_id: int) -> list[ChoiceRow]:
    """By use; empty before the first fit."""
    rows = await database.fetch(
        f"SELECT {', '.join(ChoiceRow._fields)} FROM recommender_choices WHERE shop_id = $1 ORDER BY use", shop_id
    )
    return [ChoiceRow(*row) for row in rows]


async def replenishments_of(
    database: Database, shop_id: int, customers: Sequence[int], *, now: int, sellable: str
) -> dict[int, list[ReplenishmentRow]]:
    """What each customer is about to need, soonest first: nothing whose interval has passed, nothing bought since the
    fit in the same need (the product itself, or another of its type), nothing that cannot be sold (`sellable`: a
    condition on products `pr`, with `{now}` the position of the instant)."""
    found: dict[int, list[ReplenishmentRow]] = {customer: [] for customer in customers}
    if not customers:
        return found
    columns = ", ".join(f"r.{name}" for name in ReplenishmentRow._fields)
    rows = await database.fetch(
        f"SELECT {columns} FROM replenishments r"
        f" JOIN products pr ON pr.shop_id = $1 AND pr.id = r.product_id AND {sellable.format(now=3)}"
        f" WHERE r.shop_id = $1 AND {among(database.dialect, 'r.customer_id', 2)} AND r.until_at >= $3"
        # Crossed, because SQLite joins in any other order than the written one where it has no statistics: it then read
        # every line of the shop for each of these.
        " AND NOT EXISTS (SELECT 1 FROM orders o CROSS JOIN order_lines l CROSS JOIN products q"
        " WHERE l.shop_id = o.shop_id AND l.order_id = o.id AND q.shop_id = l.shop_id AND q.id = l.product_id"
        " AND o.shop_id = $1 AND o.customer_id = r.customer_id AND o.processed_at > r.fitted_at"
        " AND o.counted AND o.voided_at IS NULL AND l.current_quantity > 0"
        " AND (q.id = pr.id OR (q.product_type = pr.product_type AND pr.product_type <> '')))"
        " ORDER BY r.customer_id, r.due_at, r.product_id",
        shop_id, id_list(database.dialect, customers), now,
    )  # fmt: skip
    for row in rows:
        found[row[0]].append(ReplenishmentRow(*row))
    return found
