"""The tables as the migrations make them: every column there, every key beginning with the shop."""

import pytest

from plugin.ledger.database import Database
from plugin.ledger.migrate import migrate
from plugin.ledger.tables import SHOP_TABLES, ShopRow
from plugin.settings import Settings

KEYS_ON_POSTGRES = """
SELECT i.indisunique, (SELECT array_agg(a.attname ORDER BY k.place)
    FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number)
FROM pg_index i /* every shop */ WHERE i.indrelid = $1::regclass"""


async def keys(database: Database, table: str) -> list[list[str]]:
    """The columns of each index of a table, the primary key among them."""
    if database.dialect == "postgres":
        return [list(columns) for _, columns in await database.fetch(KEYS_ON_POSTGRES.replace("$1", f"'{table}'"))]
    names = await database.fetch(f"SELECT name FROM pragma_index_list('{table}') /* every shop */")
    return [
        [row[0] for row in await database.fetch(f"SELECT name FROM pragma_index_info('{name}') ORDER BY seqno")]
        for (name,) in names
    ]


@pytest.mark.parametrize("table", SHOP_TABLES, ids=lambda table: table.__name__)
async def test_a_table_has_its_columns_and_its_keys_begin_with_the_shop(
    database: Database, table: type[ShopRow]
) -> None:
    name, columns = table._meta.db_table, ", ".join(table._meta.fields_db_projection.values())
    assert await database.fetch(f'SELECT {columns} FROM "{name}" WHERE shop_id = $1', -1) == []
    found = await keys(database, name)
    assert found
    assert [key for key in found if key[0] != "shop_id"] == []


async def test_migrating_again_changes_nothing_and_loses_nothing(settings: Settings, database: Database) -> None:
    await database.execute(
        "INSERT INTO refunds (shop_id, id, order_id, at, amount) VALUES ($1, $2, $3, $4, $5)", 1, 2, 3, 4, 5
    )
    assert await migrate(settings.database_url) == []
    assert await database.fetch("SELECT id, amount FROM refunds WHERE shop_id = $1", 1) == [(2, 5)]
