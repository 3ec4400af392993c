"""The driver layer: the same statements mean the same on both databases."""

import pytest

from plugin.errors import RebloomError
from plugin.ledger.database import NULL_INT, Database, Upsert

REFUNDS = Upsert(
    table="refunds",
    columns=("shop_id", "id", "order_id", "at", "amount"),
    key=("shop_id", "order_id", "id"),
    update=("at", "amount"),
    where="refunds.at <= excluded.at",
)


@pytest.mark.parametrize("count", [3, 2_500])
async def test_an_upsert_keeps_the_later_row_however_often_it_comes(database: Database, count: int) -> None:
    rows = [(1, number, 7, 100, number * 10) for number in range(count)]
    await database.upsert(REFUNDS, rows)
    await database.upsert(REFUNDS, rows)
    await database.upsert(REFUNDS, [(1, 0, 7, 99, -1), (1, 1, 7, 101, -2)])

    found = await database.fetch("SELECT id, at, amount FROM refunds WHERE shop_id = $1 ORDER BY id LIMIT 3", 1)

    assert found == [(0, 100, 0), (1, 101, -2), (2, 100, 20)]
    assert await database.fetch("SELECT count(*) FROM refunds WHERE shop_id = $1", 1) == [(count,)]


async def test_a_failed_transaction_changes_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await session.upsert(REFUNDS, [(1, 1, 7, 1, 1)])
            raise RuntimeError
    assert await database.fetch("SELECT count(*) FROM refunds WHERE shop_id = $1", 1) == [(0,)]


async def test_a_statement_that_forgets_its_shop_is_refused(database: Database) -> None:
    with pytest.raises(RebloomError, match="forgets its shop"):
        await database.fetch("SELECT count(*) FROM refunds")


async def test_arrays_keep_64_bit_integers_exact_beside_nulls(database: Database) -> None:
    await database.execute(
        "INSERT INTO set_aside (shop_id, source, position, reason, at) VALUES ($1, $2, $3, $4, $5)",
        1, "orders", 2**62 + 1, "cut", 5,
    )  # fmt: skip
    arrays = await database.arrays("SELECT position, NULLIF(at, 5) AS at, reason FROM set_aside WHERE shop_id = $1", 1)
    assert (arrays["position"].tolist(), arrays["at"].tolist(), arrays["reason"].tolist()) == (
        [2**62 + 1],
        [NULL_INT],
        ["cut"],
    )


async def test_stream_yields_every_row_in_pieces(database: Database) -> None:
    await database.upsert(REFUNDS, [(1, number, 7, 1, 1) for number in range(25)])
    sizes = [len(rows) async for rows in database.stream("SELECT id FROM refunds WHERE shop_id = $1", 1, size=10)]
    assert sizes == [10, 10, 5]
