"""Reads of the ledger for API answers and pages: customers, segments, products, progress; in batches, by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from plugin.ledger.database import Database, Row
from plugin.ledger.paging import Binder, PageRequest, Position, keyset, pages_of

# --- customers ---------------------------------------------------------------------------------------------------


class CustomerSort(StrEnum):
    """The column of `profiles` a list of customers is sorted by; the id settles ties. Customers without a last order
    come last, in either direction."""

    LAST_ORDER_AT = "last_order_at"
    AMOUNT_SPENT = "net_spend"
    ORDERS_COUNT = "orders"
    CREATED_AT = "added_at"
    ID = "customer_id"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over `profiles p` and what its `$1`, `$2`, … stand for (`rules_sql.compile_rule`)."""

    sql: str
    params: Sequence[Any]


MEASURES: Final = (
    "orders", "net_spend", "refunded", "purchase_days", "average_order_value", "first_order_at", "last_order_at",
    "last_order_day", "gap_median", "last_gap", "lapse_1", "lapse_2", "lapse_3", "first_order_items", "refund_rate",
    "discount_share", "rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_group", "added_at", "computed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A classified, living customer. Instants in epoch microseconds, money in ten-thousandths, `average_order_value`
    in whole units of the currency."""

    id: int
    measures: dict[str, Any]  # by the names of MEASURES


_CUSTOMER: Final = f"p.customer_id, {', '.join(f'p.{name}' for name in MEASURES)}"
_LAST_ORDER_AT: Final = 2 + MEASURES.index("last_order_at")  # in a row with its part before it
_LIVING: Final = (
    "FROM profiles p JOIN customers c ON c.shop_id = p.shop_id AND c.id = p.customer_id "
    "AND c.deleted_at IS NULL AND c.merged_into IS NULL"
)


def everybody(shop_id: int) -> Condition:
    return Condition("p.shop_id = $1", [shop_id])


async def customers_page(
    database: Database, who: Condition, page: PageRequest, *, sort: CustomerSort, reverse: bool
) -> list[CustomerRow]:
    """A page of the customers for whom `who` holds."""
    if sort is CustomerSort.LAST_ORDER_AT:
        return await _with_nulls_last(database, who, page, reverse=reverse)
    bind = Binder(list(who.params))
    columns = [f"p.{sort.value}", "p.customer_id"] if sort is not CustomerSort.ID else ["p.customer_id"]
    condition, order = keyset(bind, columns, page, descending=reverse)
    rows = await database.fetch(
        f"SELECT {_CUSTOMER} {_LIVING} WHERE {who.sql}{condition} ORDER BY {order} LIMIT {bind(page.fetch)}"
        " /* shop_id is in the condition */",
        *bind.values,
    )
    return [_customer(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Part:
    """A page within one part of a list."""

    fetch: int
    backward: bool
    after: Position | None
    before: Position | None


async def _with_nulls_last(
    database: Database, who: Condition, page: PageRequest, *, reverse: bool
) -> list[CustomerRow]:
    """Those who ordered, then those who did not: each part uses the index, and both databases agree on the order.

    Positions are `(last_order_at or None, customer_id)`."""
    after_in_nulls = page.after is not None and page.after[0] is None
    before_in_dated = page.before is not None and page.before[0] is not None
    bind = Binder(list(who.params))
    parts = []
    if not after_in_nulls:
        before = page.before if before_in_dated else None
        dated = _Part(page.fetch, page.backward, page.after, before)
        columns = ("p.last_order_at", "p.customer_id")
        parts.append(_part(bind, who, columns, dated, "0", " AND p.last_order_at IS NOT NULL", reverse=reverse))
    if not before_in_dated:
        after = page.after[1:] if page.after is not None and after_in_nulls else None
        silent = _Part(page.fetch, page.backward, after, page.before[1:] if page.before is not None else None)
        parts.append(_part(bind, who, ("p.customer_id",), silent, "1", " AND p.last_order_at IS NULL", reverse=reverse))
    if not parts:
        return []
    rows = await database.fetch(" UNION ALL ".join(parts) + " /* shop_id is in the condition */", *bind.values)
    # Within a part the database has sorted; between parts the part decides.
    ordered = sorted(rows, key=lambda row: _place(row, page, reverse=reverse))
    return [_customer(row[1:]) for row in ordered[: page.fetch]]


def _place(row: Row, page: PageRequest, *, reverse: bool) -> tuple[int, int, int]:
    sign = -1 if reverse != page.backward else 1
    last_order_at = row[_LAST_ORDER_AT]
    part = -row[0] if page.backward else row[0]
    return part, sign * (last_order_at or 0), sign * row[1]


def _part(  # noqa: PLR0917 - one piece of one statement
    bind: Binder, who: Condition, columns: Sequence[str], page: PageRequest, part: str, only: str, *, reverse: bool
) -> str:
    condition, order = keyset(bind, columns, page, descending=reverse)
    return (
        f"SELECT * FROM (SELECT {part} AS part, {_CUSTOMER} {_LIVING} WHERE {who.sql}{only}{condition} "
        f"ORDER BY {order} LIMIT {bind(page.fetch)}) AS part_{part}"
    )


async def customers_by_id(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, CustomerRow]:
    bind = Binder([shop_id])
    listed = bind.among(database, "p.customer_id", ids)
    rows = await database.fetch(f"SELECT {_CUSTOMER} {_LIVING} WHERE p.shop_id = $1 AND {listed}", *bind.values)
    return {row[0]: _customer(row) for row in rows}


async def rfm_taken_at(database: Database, shop_ids: Sequence[int]) -> dict[int, int]:
    """When the edges between a shop's fifths were taken; nothing of a shop that was never computed."""
    found = {}
    for shop_id in shop_ids:
        for row in await database.fetch("SELECT taken_at FROM rfm_populations WHERE shop_id = $1", shop_id):
            found[shop_id] = row[0]
    return found


async def living_id(database: Database, shop_id: int, customer_id: int) -> int:
    """The customer that `customer_id` was merged into, at the end of the chain; itself when it was not."""
    seen = {customer_id}
    while True:
        rows = await database.fetch(
            "SELECT merged_into FROM customers WHERE shop_id = $1 AND id = $2 AND merged_into IS NOT NULL",
            shop_id, customer_id,
        )  # fmt: skip
        if not rows or rows[0][0] in seen:
            return customer_id
        customer_id = rows[0][0]
        seen.add(customer_id)


async def count_customers(database: Database, who: Condition) -> int:
    rows = await database.fetch(
        f"SELECT count(*) {_LIVING} WHERE {who.sql} /* shop_id is in the condition */", *who.params
    )
    return int(rows[0][0])


def _customer(row: Row) -> CustomerRow:
    return CustomerRow(row[0], dict(zip(MEASURES, row[1:], strict=True)))


async def sealed_persons(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, str]:
    """Who the customers are, still sealed."""
    bind = Binder([shop_id])
    listed = bind.among(database, "id", ids)
    return dict(await database.fetch(f"SELECT id, sealed FROM persons WHERE shop_id = $1 AND {listed}", *bind.values))


# --- segments ----------------------------------------------------------------------------------------------------


class SegmentRow(NamedTuple):
    id: int
    name: str
    query: str
    tag: str | None
    created_at: int
    updated_at: int


_SEGMENT: Final = "s.id, s.name, s.query, s.tag, s.created_at, s.updated_at"


async def segments_page(database: Database, shop_id: int, page: PageRequest) -> list[SegmentRow]:
    """A page of the shop's segments in the order in which they were made."""
    bind = Binder([shop_id])
    condition, order = keyset(bind, ("s.created_at", "s.id"), page, descending=False)
    rows = await database.fetch(
        f"SELECT {_SEGMENT} FROM segments s WHERE s.shop_id = $1{condition} ORDER BY {order} LIMIT {bind(page.fetch)}",
        *bind.values,
    )
    return [SegmentRow._make(row) for row in rows]


async def segments_by_id(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, SegmentRow]:
    bind = Binder([shop_id])
    listed = bind.among(database, "s.id", ids)
    rows = await database.fetch(f"SELECT {_SEGMENT} FROM segments s WHERE s.shop_id = $1 AND {listed}", *bind.values)
    return {row[0]: SegmentRow._make(row) for row in rows}


async def segment_counts(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, int]:
    bind = Binder([shop_id])
    listed = bind.among(database, "m.segment_id", ids)
    rows = await database.fetch(
        f"SELECT m.segment_id, count(*) FROM segment_members m WHERE m.shop_id = $1 AND {listed} GROUP BY m.segment_id",
        *bind.values,
    )
    return {row[0]: row[1] for row in rows}


async def segments_of(
    database: Database, shop_id: int, ids: Sequence[int], page: PageRequest
) -> dict[int, list[SegmentRow]]:
    """The same page of each customer's segments, by segment id. Numbered by a window and not by `pages_of`: a customer
    is in few segments, while SQLite takes 30 ms to plan a union of fifty parts."""
    bind = Binder([shop_id])
    listed = bind.among(database, "m.customer_id", ids)
    condition, order = keyset(bind, ("m.segment_id",), page, descending=False)
    rows = await database.fetch(
        f"SELECT * FROM (SELECT ROW_NUMBER() OVER (PARTITION BY m.customer_id ORDER BY {order}) AS place, "
        f"m.customer_id, {_SEGMENT} FROM segment_members m JOIN segments s ON s.shop_id = m.shop_id "
        f"AND s.id = m.segment_id WHERE m.shop_id = $1 AND {listed}{condition}) AS pages "
        f"WHERE place <= {bind(page.fetch)} ORDER BY customer_id, place",
        *bind.values,
    )
    segments = {row[2]: row for row in rows}  # few, and many are in them
    rows_of = {number: SegmentRow._make(row[2:]) for number, row in segments.items()}
    found: dict[int, list[SegmentRow]] = {}
    for row in rows:
        found.setdefault(row[1], []).append(rows_of[row[2]])
    return found


async def members_of(
    database: Database, shop_id: int, segment_ids: Sequence[int], page: PageRequest
) -> dict[int, list[CustomerRow]]:
    """The same page of each segment's members, by customer id."""

    def one(bind: Binder, segment_id: int) -> str:
        where = f"m.shop_id = {bind(shop_id)} AND m.segment_id = {bind(segment_id)}"
        condition, order = keyset(bind, ("m.customer_id",), page, descending=False)
        return (
            f"SELECT m.segment_id, {_CUSTOMER} {_LIVING} JOIN segment_members m ON m.shop_id = p.shop_id AND "
            f"m.customer_id = p.customer_id WHERE {where}{condition} ORDER BY {order} LIMIT {bind(page.fetch)}"
        )

    found = await pages_of(database, segment_ids, one)
    return {parent: [_customer(row[1:]) for row in rows] for parent, rows in found.items()}


# --- products, sync, push ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProductRow:
    id: int
    title: str
    handle: str
    product_type: str
    vendor: str
    price: int | None
    image_url: str | None
    available: bool


async def products_by_id(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, ProductRow]:
    bind = Binder([shop_id])
    listed = bind.among(database, "id", ids)
    rows = await database.fetch(
        "SELECT id, title, handle, product_type, vendor, price, image_url, available FROM products "
        f"WHERE shop_id = $1 AND deleted_at IS NULL AND {listed}",
        *bind.values,
    )
    return {row[0]: ProductRow(row[0], row[1], row[2], row[3], row[4], row[5], row[6], bool(row[7])) for row in rows}


@dataclass(frozen=True, slots=True)
class SyncRow:
    phase: str
    customers: int
    orders: int
    order_lines: int
    products: int
    started_at: int | None
    finished_at: int | None
    fresh_as_of: int | None
    history_from: int | None
    error: str | None


async def sync_row(database: Database, shop_id: int) -> SyncRow | None:
    rows = await database.fetch(
        "SELECT phase, customers, orders, order_lines, products, started_at, finished_at, fresh_as_of, history_from, "
        "error FROM sync_states WHERE shop_id = $1",
        shop_id,
    )
    return SyncRow(*rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class PushRow:
    phase: str
    dry_run: bool
    customers: int
    added: int
    removed: int
    skipped: int
    refused: int
    started_at: int | None
    finished_at: int | None
    error: str | None


async def push_row(database: Database, shop_id: int) -> PushRow | None:
    rows = await database.fetch(
        "SELECT phase, dry_run, customers, added, removed, skipped, refused, started_at, finished_at, error "
        "FROM push_runs WHERE shop_id = $1",
        shop_id,
    )
    return PushRow(rows[0][0], bool(rows[0][1]), *rows[0][2:]) if rows else None
