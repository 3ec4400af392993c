"""The driver layer: the same statements mean the same on both databases."""

import asyncio

import asyncpg
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


async def test_a_big_read_leaves_other_readers_and_writers_alone(database: Database) -> None:
    for number in range(3):
        await database.upsert(REFUNDS, [(1, number, 7, 1, number)])
        arrays = await database.arrays(
            "SELECT id, CAST(amount / 2.0 AS DOUBLE PRECISION) AS half FROM refunds WHERE shop_id = $1 ORDER BY id", 1
        )
        assert arrays["id"].tolist() == list(range(number + 1))
        assert arrays["half"].tolist() == [each / 2 for each in range(number + 1)]
        assert await database.fetch("SELECT count(*) FROM refunds WHERE shop_id = $1", 1) == [(number + 1,)]


async def test_a_column_keeps_its_type_where_a_stretch_of_it_is_null(database: Database) -> None:
    await database.upsert(REFUNDS, [(1, number, 7, number, number) for number in range(60_000)])
    arrays = await database.arrays(
        "SELECT CASE WHEN id >= 50000 THEN CAST(amount / 2.0 AS DOUBLE PRECISION) END AS real, CASE WHEN id >= 50000 THEN 'x' END AS word,"
        " CASE WHEN id >= 50000 THEN id END AS whole FROM refunds WHERE shop_id = $1 ORDER BY id",
        1,
    )
    assert (str(arrays["real"][0]), arrays["real"][-1]) == ("nan", 29_999.5)
    assert (arrays["word"][0], arrays["word"][-1]) == (None, "x")
    assert (arrays["whole"][0], arrays["whole"][-1]) == (NULL_INT, 59_999)


async def test_what_was_cut_off_leaves_nothing_on_its_connection(database: Database) -> None:
    for number in range(12):  # as many as there are connections, and more
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), database.transaction() as session:
                await session.upsert(REFUNDS, [(1, number, 7, 1, 1)])
                await asyncio.sleep(5)
    counts = await asyncio.gather(
        *(database.fetch("SELECT count(*) FROM refunds WHERE shop_id = $1", 1) for _ in range(12))
    )
    assert counts == [[(0,)]] * 12
    await database.upsert(REFUNDS, [(1, 1, 7, 1, 1)])
    if database.dialect == "postgres":
        assert await database.fetch("SHOW lock_timeout") == [("5s",)]
        assert await database.fetch("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


async def test_whoever_waits_for_a_connection_comes_before_whoever_asks_later(database: Database) -> None:
    granted, overtaken = 0, []

    async def over_and_over() -> None:
        nonlocal granted
        for _ in range(10):
            asked = granted
            async with database.transaction() as session:
                overtaken.append(granted - asked)
                granted += 1
                await session.fetch("SELECT 1")

    await asyncio.gather(*(over_and_over() for _ in range(60)))
    overtaken.clear()  # until then connections were opened, which takes as long as many statements
    await asyncio.gather(*(over_and_over() for _ in range(60)))
    # 59 asked before; a slow BEGIN lets a round more go by. Without turns it was 200 to 420.
    assert max(overtaken) < 2 * 60


async def test_a_connection_of_uncertain_state_is_given_to_nobody_again(database: Database) -> None:
    if database.dialect == "sqlite":  # its connections are never cut from outside
        return
    with pytest.raises(asyncpg.InternalClientError):
        async with database.transaction() as session:
            before = await session.fetch("SELECT pg_backend_pid()")
            raise asyncpg.InternalClientError("got result for unknown protocol state 0")
    assert await database.fetch("SELECT pg_backend_pid()") != before
