"""Facts of many customers, read in bulk into the arrays that the engine works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from plugin.domain.columns import Bools, Column, Ints, int_column, known, text_column
from plugin.domain.engagement import Table
from plugin.domain.instants import FOREVER
from plugin.domain.measures import Orders
from plugin.domain.ragged import offsets_of
from plugin.domain.rules.batch import RowTable
from plugin.domain.text import list_text
from plugin.ledger.bulk_reads import read_picked, whole
from plugin.ledger.database import NULL_INT, Arrays, Database
from plugin.ledger.picks import Pick
from plugin.lifecycle.touch_tables import touch_tables
from plugin.lifecycle.unseen import OrderRows, add_unseen

_CUSTOMER: Final = (
    "id", "created_at", "shop_orders", "shop_spend", "shop_last_order_at", "account_status", "email_domain",
    "email_status", "sms_status", "language", "tags", "country", "region", "city",
)  # fmt: skip
_CUSTOMERS: Final = (
    f"SELECT {', '.join(f'c.{name} AS {name}' for name in _CUSTOMER)}, l.tier AS loyalty_tier,"
    " l.points AS loyalty_points, COALESCE(e.tier, c.spend_tier) AS spend_tier,"
    " CAST(ROUND(e.alive * 1000000) AS BIGINT) AS probability_alive,"
    " CAST(ROUND(e.orders * 1000000) AS BIGINT) AS expected_orders,"
    " e.next_day AS next_order_day, e.value AS predicted_clv"
    " FROM customers c LEFT JOIN loyalty_standings l ON l.shop_id = c.shop_id AND l.customer_id = c.id"
    " LEFT JOIN predictions e ON e.shop_id = c.shop_id AND e.customer_id = c.id"
    " WHERE c.shop_id = $1 AND {c.id} AND c.deleted_at IS NULL AND c.merged_into IS NULL ORDER BY c.id"
)
_ORDER: Final = (
    "customer_id", "id", "processed_at", f"COALESCE(voided_at, {FOREVER}) AS voided_at", "total", "items",
    "CASE WHEN discounted THEN 1 ELSE 0 END AS discounted", "app_id", "location_id",
)  # fmt: skip
_ORDERS: Final = (
    f"SELECT {', '.join(_ORDER)} FROM orders WHERE shop_id = $1 AND counted AND {{customer_id}}"
    " ORDER BY customer_id, processed_at, id"
)
_REFUNDS: Final = (
    "SELECT r.order_id AS order_id, r.at AS at, r.amount AS amount FROM refunds r"
    " JOIN orders o ON o.shop_id = r.shop_id AND o.id = r.order_id"
    " WHERE r.shop_id = $1 AND o.counted AND {o.customer_id} ORDER BY r.order_id, r.at, r.id"
)
# The latest of each customer that has not become an order.
_CHECKOUTS: Final = (
    "SELECT customer_id, MAX(created_at) AS created_at FROM checkouts WHERE shop_id = $1 AND completed_at IS NULL"
    " AND deleted_at IS NULL AND {customer_id} GROUP BY customer_id ORDER BY customer_id"
)
# As at the last fit, without what was bought since in the same need (the product itself, or another of its type).
# Crossed, as in `plugin/ledger/recommendations.py`.
_REPLENISHMENTS: Final = (
    "SELECT r.customer_id AS customer_id, MIN(r.due_at) AS due_at FROM replenishments r"
    " WHERE r.shop_id = $1 AND {r.customer_id} AND NOT EXISTS (SELECT 1 FROM orders o CROSS JOIN order_lines l"
    " CROSS JOIN products q CROSS JOIN products pr"
    " WHERE o.shop_id = r.shop_id AND o.customer_id = r.customer_id AND o.processed_at > r.fitted_at"
    " AND o.counted AND o.voided_at IS NULL AND l.shop_id = o.shop_id AND l.order_id = o.id"
    " AND l.current_quantity > 0 AND q.shop_id = l.shop_id AND q.id = l.product_id"
    " AND pr.shop_id = r.shop_id AND pr.id = r.product_id"
    " AND (q.id = pr.id OR (q.product_type = pr.product_type AND pr.product_type <> '')))"
    " GROUP BY r.customer_id ORDER BY r.customer_id"
)
_LINES: Final = (
    "SELECT o.customer_id AS customer_id, o.processed_at AS processed_at,"
    f" COALESCE(o.voided_at, {FOREVER}) AS voided_at, l.order_id AS order_id, l.product_id AS product_id,"
    " l.quantity AS quantity, p.tags AS tags, p.category AS category FROM order_lines l"
    " JOIN orders o ON o.shop_id = l.shop_id AND o.id = l.order_id"
    " LEFT JOIN products p ON p.shop_id = l.shop_id AND p.id = l.product_id"
    " WHERE l.shop_id = $1 AND o.counted AND {o.customer_id} ORDER BY o.customer_id, o.processed_at, o.id, l.id"
)


_TOUCHPOINTS: Final = (
    "SELECT t.customer_id AS customer_id, t.at AS at, t.kind AS kind, t.channel AS channel, t.product_id AS product_id,"
    " t.collection_id AS collection_id, t.subject AS subject, t.outcome AS outcome, t.score AS score, p.tags AS tags"
    " FROM touchpoints t LEFT JOIN products p ON p.shop_id = t.shop_id AND p.id = t.product_id"
    " WHERE t.shop_id = $1 AND {t.customer_id} ORDER BY t.customer_id, t.at, t.source, t.event_id"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Facts of customers 0..n-1, ascending by `ids`. `attributes` are columns of the profile that the shop states;
    `unseen` counts orders that the shop tells of but does not show."""

    ids: Ints
    created_at: Ints
    attributes: Mapping[str, Column]
    orders: Orders
    unseen: Ints
    tables: Mapping[str, Table]  # of rules' functions: offsets by customer, and columns

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, customer: Ints) -> dict[str, RowTable]:
        """The rows of each customer, for a batch of pairs."""
        return {
            name: RowTable(offsets[customer], offsets[customer + 1], columns)
            for name, (offsets, columns) in self.tables.items()
        }


async def customer_ids(database: Database, shop_id: int) -> Ints:
    """Everyone who is neither deleted nor merged into another, ascending."""
    found = await database.arrays(
        "SELECT id FROM customers WHERE shop_id = $1 AND deleted_at IS NULL AND merged_into IS NULL ORDER BY id",
        shop_id,
    )
    return whole(found["id"])


async def read_frame(
    database: Database, shop_id: int, pick: Pick, *, history_from: int | None = None, lines: bool = False
) -> Frame:
    """`history_from`: set where the shop shows no orders from before (a copy of 60 days only). `lines`: read them too,
    for rules that ask for products. Six queries, or seven."""
    customers = await read_picked(database, _CUSTOMERS, shop_id, pick)
    found = await read_picked(database, _ORDERS, shop_id, pick)
    refunds = await read_picked(database, _REFUNDS, shop_id, pick)
    ids = customers["id"]
    checkouts = _one_of_each(await read_picked(database, _CHECKOUTS, shop_id, pick), ids, "created_at")
    needed = _one_of_each(await read_picked(database, _REPLENISHMENTS, shop_id, pick), ids, "due_at")
    rows = _order_rows(found, ids)
    tables: dict[str, Table] = {"orders": _orders_table(rows, len(ids))}
    unseen = np.zeros(len(ids), dtype=np.int64)
    if history_from is not None:
        rows, unseen = add_unseen(rows, customers, history_from)
    tables |= touch_tables(await read_picked(database, _TOUCHPOINTS, shop_id, pick), tables["orders"], ids)
    if lines:
        tables["order_lines"] = _lines_table(await read_picked(database, _LINES, shop_id, pick), ids)
    attributes = {**_attributes(customers), "abandoned_checkout_at": checkouts, "replenishment_at": needed}
    return Frame(ids, customers["created_at"], attributes, _orders(rows, refunds, len(ids)), unseen, tables)


def _texts(values: NDArray[Any]) -> list[str | None]:
    return values.tolist() if values.dtype == object else [None] * len(values)


def _nullable(values: Ints) -> Column:
    null = values == NULL_INT
    return Column(np.where(null, 0, values), null)


def _real(values: NDArray[Any]) -> Column:
    """Of millionths: bulk reads carry integers."""
    held = _nullable(whole(values))
    return Column(held.values / 1_000_000, held.null)


def _order_rows(found: Arrays, ids: Ints) -> OrderRows:
    owner, keep = _owners(found["customer_id"], ids)
    wanted = ("id", "processed_at", "voided_at", "total", "items", "discounted", "app_id", "location_id")
    return OrderRows(owner[keep], *(whole(found[name])[keep] for name in wanted))


def _owners(of: NDArray[Any], ids: Ints) -> tuple[Ints, Bools]:
    """Each row's customer as an index of `ids`; rows of customers we do not know (yet) are left out."""
    customers = whole(of)
    if not len(ids):
        return np.zeros(len(customers), dtype=np.int64), np.zeros(len(customers), dtype=np.bool_)
    owner = np.minimum(np.searchsorted(ids, customers), len(ids) - 1)
    return owner, ids[owner] == customers


def _one_of_each(found: Arrays, ids: Ints, name: str) -> Column:
    """A column of rows of which each customer has one at most."""
    values, null = np.zeros(len(ids), dtype=np.int64), np.ones(len(ids), dtype=np.bool_)
    owner, keep = _owners(found["customer_id"], ids)
    values[owner[keep]], null[owner[keep]] = whole(found[name])[keep], False
    return Column(values, null)


def _orders(rows: OrderRows, refunds: Arrays, customers: int) -> Orders:
    by_id = np.argsort(rows.id, kind="stable")
    order_id = whole(refunds["order_id"])
    place = np.minimum(np.searchsorted(rows.id[by_id], order_id), max(len(by_id) - 1, 0))
    found = rows.id[by_id][place] == order_id if len(by_id) else np.zeros(len(order_id), dtype=np.bool_)
    of = by_id[place[found]]
    order = np.argsort(of, kind="stable")
    return Orders(
        offsets=offsets_of(rows.owner, customers), processed_at=rows.processed_at, voided_at=rows.voided_at,
        total=rows.total, items=rows.items, discounted=rows.discounted != 0, refund_order=of[order],
        refund_at=whole(refunds["at"])[found][order], refund_amount=whole(refunds["amount"])[found][order],
    )  # fmt: skip


def _orders_table(rows: OrderRows, customers: int) -> tuple[Ints, dict[str, Column]]:
    return offsets_of(rows.owner, customers), {
        "processed_at": known(rows.processed_at), "voided_at": known(rows.voided_at), "total": known(rows.total),
        "app_id": _nullable(rows.app_id), "location_id": _nullable(rows.location_id),
    }  # fmt: skip


def _lines_table(found: Arrays, ids: Ints) -> tuple[Ints, dict[str, Column]]:
    owner, keep = _owners(found["customer_id"], ids)
    numbers = {
        name: whole(found[name])[keep] for name in ("processed_at", "voided_at", "order_id", "product_id", "quantity")
    }
    tags, category = (
        [text for text, kept in zip(_texts(found[name]), keep, strict=True) if kept] for name in ("tags", "category")
    )
    return offsets_of(owner[keep], len(ids)), {
        "processed_at": known(numbers["processed_at"]), "voided_at": known(numbers["voided_at"]),
        "order": known(numbers["order_id"]), "product_id": _nullable(numbers["product_id"]),
        "product_tags": text_column(tags), "product_category": text_column(category),
        "quantity": known(numbers["quantity"]),
    }  # fmt: skip


_AS_STATED: Final = ("account_status", "email_status", "sms_status", "language", "spend_tier", "loyalty_tier")
_ONE_OF: Final = {"countries": "country", "regions": "region", "cities": "city"}


def _attributes(customers: Arrays) -> dict[str, Column]:
    """What no order says. Columns for which the shop states nothing yet are NULL."""
    nothing: list[None] = [None] * len(customers["id"])
    columns = {name: text_column(_texts(customers[name])) for name in _AS_STATED}
    domains = _texts(customers["email_domain"])
    columns["email_domain"] = text_column([domain and domain.lower() for domain in domains])
    columns["tags"] = text_column([_folded(tags) for tags in _texts(customers["tags"])])
    for name, stated in _ONE_OF.items():
        columns[name] = text_column([list_text([one]) if one else None for one in _texts(customers[stated])])
    columns["subscription_status"] = text_column(nothing)
    for name in ("loyalty_points", "next_order_day", "predicted_clv"):
        columns[name] = _nullable(whole(customers[name]))
    for name in ("probability_alive", "expected_orders"):
        columns[name] = _real(customers[name])
    for name in ("company_id", "created_by_app_id"):
        columns[name] = int_column(nothing)
    return columns


def _folded(tags: str | None) -> str | None:
    return list_text(orjson.loads(tags), folded=True) if tags else None
