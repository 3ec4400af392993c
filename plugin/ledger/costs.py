"""Unit costs in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from plugin.ledger.database import Database, Session, Upsert
from plugin.ledger.paging import Binder, PageRequest, keyset

WHOLE_PRODUCT: Final = 0  # instead of a variant
_KEY: Final = ("shop_id", "product_id", "variant_id")
_COSTS: Final = Upsert(
    table="unit_costs",
    columns=(*_KEY, "amount", "currency", "token_id", "set_at"),
    key=_KEY,
    update=("amount", "currency", "token_id", "set_at"),
)


class CostRow(NamedTuple):
    """`amount` in ten-thousandths of `currency`; `set_at` in epoch microseconds."""

    product_id: int
    variant_id: int
    amount: int
    currency: str
    token_id: int | None
    set_at: int


async def costs_page(database: Database, shop_id: int, product_id: int | None, page: PageRequest) -> list[CostRow]:
    """By product and variant; with `product_id`, of that one."""
    bind = Binder([shop_id])
    of = "" if product_id is None else f" AND product_id = {bind(product_id)}"
    condition, order = keyset(bind, ("product_id", "variant_id"), page, descending=False)
    rows = await database.fetch(
        "SELECT product_id, variant_id, amount, currency, token_id, set_at FROM unit_costs"
        f" WHERE shop_id = $1{of}{condition} ORDER BY {order} LIMIT {bind(page.fetch)}",
        *bind.values,
    )
    return [CostRow(*row) for row in rows]


async def costs_of(session: Session, database: Database, shop_id: int, products: Sequence[int]) -> list[CostRow]:
    bind = Binder([shop_id])
    listed = bind.among(database, "product_id", products)
    rows = await session.fetch(
        "SELECT product_id, variant_id, amount, currency, token_id, set_at FROM unit_costs"
        f" WHERE shop_id = $1 AND {listed}",
        *bind.values,
    )
    return [CostRow(*row) for row in rows]


async def goods_of(
    session: Session, database: Database, shop_id: int, products: Sequence[int]
) -> tuple[set[int], set[tuple[int, int]]]:
    """Which of `products` the shop has, or had, and their variants as (product, variant)."""
    bind = Binder([shop_id])
    listed = bind.among(database, "{}", products)
    found = [
        await session.fetch(f"SELECT {columns} FROM {table} WHERE shop_id = $1 AND {listed.format(by)}", *bind.values)
        for table, columns, by in (("products", "id", "id"), ("variants", "product_id, id", "product_id"))
    ]
    return {row[0] for row in found[0]}, {(row[0], row[1]) for row in found[1]}


async def put_costs(session: Session, shop_id: int, rows: Iterable[CostRow]) -> None:
    await session.upsert(_COSTS, [(shop_id, *row) for row in rows])


async def take_costs(session: Session, shop_id: int, keys: Iterable[tuple[int, int]]) -> None:
    for product_id, variant_id in keys:
        await session.execute(
            "DELETE FROM unit_costs WHERE shop_id = $1 AND product_id = $2 AND variant_id = $3",
            shop_id, product_id, variant_id,
        )  # fmt: skip
