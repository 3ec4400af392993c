"""Writing what is computed: the rows as they should be, against the rows as they are, so that only differences are
written and doing it again writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from plugin.ledger.database import Row, Upsert
from plugin.ledger.picks import Pick

_AT_ONCE: Final = 50  # deletions in one statement

PROFILE_COLUMNS: Final = (
    "orders", "net_spend", "paid", "refunded", "purchase_days", "first_order_at", "first_order_day", "last_order_at",
    "last_order_day", "return_order_at", "return_order_day", "first_order_items", "gap_median", "last_gap",
    "unbroken_days", "laps", "lapse_1",
    "lapse_2", "lapse_3", "average_order_value", "refund_rate", "discount_share", "rfm_recency", "rfm_frequency",
    "rfm_monetary", "rfm_group", "abandoned_checkout_at", "abandoned_checkout_day", "company_id", "created_by_app_id",
    "account_status", "added_at", "added_day", "cities", "countries", "regions", "email_domain", "language", "tags",
    "email_status", "sms_status", "spend_tier", "subscription_status",
    "loyalty_tier", "loyalty_points", "last_seen_at", "last_seen_day", "nps_score", "open_complaint",
    "probability_alive", "expected_orders", "next_order_at", "next_order_day", "predicted_clv",
    "replenishment_at", "replenishment_day",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Computed:
    """A computed table without its `shop_id`: rows are key, then values. `noted` tells when we wrote a row; two rows
    that differ in nothing else are the same. With `superseded` the last of the values is a version: two rows that
    differ in it alone say the same, and nothing is kept of the older one."""

    table: str
    customer: str  # the key column that `Pick` is about
    key: tuple[str, ...]
    values: tuple[str, ...]
    noted: tuple[str, ...] = ()
    superseded: str | None = None  # the table that keeps rows which are replaced or go

    @property
    def compared(self) -> tuple[str, ...]:
        return self.key + self.values

    @property
    def upsert(self) -> Upsert:
        return Upsert(
            table=self.table, columns=("shop_id", *self.compared, *self.noted), key=("shop_id", *self.key),
            update=(*self.values, *self.noted),
        )  # fmt: skip


PROFILES: Final = Computed(
    "profiles", "customer_id", ("customer_id",), (*PROFILE_COLUMNS, "due_at", "digest"), ("computed_at",)
)
PLACEMENTS: Final = Computed(
    "placements", "customer_id", ("model", "customer_id"),
    ("stage", "rung", "since_at", "since_day", "previous_stage", "valid_until", "because"),
)  # fmt: skip
TRANSITIONS: Final = Computed(
    "stage_transitions", "customer_id", ("model", "customer_id", "at"),
    ("from_stage", "from_rung", "to_stage", "to_rung", "because", "model_version"), ("recorded_at",),
    "stage_transitions_superseded",
)  # fmt: skip
MEMBERS: Final = Computed("segment_members", "customer_id", ("segment_id", "customer_id"), (), ("joined_at",))


class Writer(Protocol):
    """A database, or a transaction on it."""

    async def fetch(self, sql: str, *params: Any) -> list[Row]: ...
    async def execute(self, sql: str, *params: Any) -> int: ...
    async def upsert(self, how: Upsert, rows: Sequence[Row]) -> None: ...


async def reconcile(
    writer: Writer,
    of: Computed,
    shop_id: int,
    pick: Pick,
    rows: Sequence[Row],
    *,
    at: int,
    moved: list[tuple[Row | None, Row | None]] | None = None,
) -> int:
    """Make the rows of the picked customers `rows`; how many were written or deleted. `moved` takes what each
    of these was and is, None for no row."""
    width, told = len(of.key), len(of.compared)
    columns = of.compared if of.superseded is None else of.compared + of.noted
    sql = f"SELECT {', '.join(columns)} FROM {of.table} WHERE shop_id = $1 AND {pick.condition(of.customer)}"
    there = {row[:width]: row for row in await writer.fetch(sql, shop_id, *pick.params)}
    wanted = {row[:width]: row for row in rows}
    changed = [row for key, row in wanted.items() if key not in there or there[key][:told] != row]
    gone = [key for key in there if key not in wanted]
    if of.superseded is not None:
        versions = {row[0]: row[told - 1] for row in rows}
        replaced = [there[row[:width]] for row in changed if _says_else(there.get(row[:width]), row)]
        await _supersede(writer, of, shop_id, [*replaced, *(there[key] for key in gone)], versions=versions, at=at)
    noted = (at,) * len(of.noted)
    await writer.upsert(of.upsert, [(shop_id, *row, *noted) for row in changed])
    for start in range(0, len(gone), _AT_ONCE):
        await _delete(writer, of, shop_id, gone[start : start + _AT_ONCE])
    if moved is not None:
        moved += [(there.get(row[:width]), row) for row in changed]
        moved += [(there[key], None) for key in gone]
    return len(changed) + len(gone)


def _says_else(old: Row | None, new: Row) -> bool:
    return old is not None and old[: len(new) - 1] != new[:-1]


async def _supersede(
    writer: Writer, of: Computed, shop_id: int, rows: Sequence[Row], *, versions: Mapping[str, int], at: int
) -> None:
    """Keep what was told. `versions` are the models' present ones, by key; a model without rows is computed no more."""
    columns = ("shop_id", *of.compared, *of.noted, "superseded_at", "reason")
    how = Upsert(table=str(of.superseded), columns=columns, key=("shop_id", *of.key, *of.noted, "reason"))
    version = len(of.compared) - 1
    reasons = ("corrected" if versions.get(row[0], row[version]) == row[version] else "model" for row in rows)
    await writer.upsert(how, [(shop_id, *row, at, why) for row, why in zip(rows, reasons, strict=True)])


async def _delete(writer: Writer, of: Computed, shop_id: int, keys: Sequence[Row]) -> None:
    padded = [*keys, *[keys[-1]] * (_AT_ONCE - len(keys))] if len(keys) > 1 else keys
    width = len(of.key)
    row = " AND ".join(["shop_id = $1", *(f"{column} = ${{{place}}}" for place, column in enumerate(of.key))])
    rows = [row.format(*range(2 + number * width, 2 + (number + 1) * width)) for number in range(len(padded))]
    where = " OR ".join(f"({row})" for row in rows)
    await writer.execute(f"DELETE FROM {of.table} WHERE {where}", shop_id, *(value for key in padded for value in key))
