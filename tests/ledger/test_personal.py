"""A person is found in full by the list of places that hold one, and nowhere after a redaction."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tortoise import fields

from plugin.domain.instants import to_us
from plugin.ledger.inbox import record_delivery
from plugin.ledger.person_export import list_exports, open_export
from plugin.ledger.personal import HELD, NOBODY, tables_of_customer
from plugin.ledger.store import Store
from plugin.ledger.tables import SHOP_TABLES
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.settings import Settings
from plugin.shops import ShopContext
from plugin.sync.deliveries import apply_inbox
from tests.support.shops import install_shop
from tests.sync.test_deliveries import NOW, ApiGateway, customer, delivery, order, refund
from tests.sync.test_topics import checkout, email, sms, tags

CANARY = "zwkanarie"
TABLES = {table._meta.db_table: table for table in SHOP_TABLES}


@pytest.fixture
async def shop(store: Store) -> ShopContext:
    return await install_shop("people.myshopify.com")


def test_every_column_of_text_is_on_the_list_once() -> None:
    for name, table in TABLES.items():
        texts = {
            column
            for column, kind in table._meta.fields_map.items()
            if isinstance(kind, (fields.CharField, fields.TextField))
        }
        listed = [column for held in HELD.get(name, ()) for column in held.columns]
        assert texts == set(listed), f"{name}: say in plugin/ledger/personal.py what these columns hold"
        assert len(listed) == len(set(listed)), name
    assert HELD.keys() <= TABLES.keys()


def test_every_row_with_a_customers_number_is_on_the_list() -> None:
    for name, table in TABLES.items():
        by = {column for column in table._meta.fields_map if column in {"customer_id", "friend_id"}}
        assert by <= {held.by for held in HELD.get(name, ())}, name


async def fill(store: Store, shop: ShopContext, number: int, word: str) -> None:
    """A person whose every text holds `word`, told by webhooks, placed, and known by a row in every table."""
    told: list[Any] = [
        ("customers/create", customer(number, 2, name=word, default_address={"country_code": "NL", "city": word}), 2),
        ("orders/create", order(number * 10, 2, owner=number), 2),
        ("refunds/create", refund(number * 100, number * 10, 3, "10.00"), 3),
    ]
    if number == 1:
        told += [tags("tags_added", 4, word), email("subscribed", 5), sms("subscribed", 5), checkout(31, 3)]
    for place, (topic, body, day) in enumerate(told):
        await record_delivery(store, delivery(shop, number * 1_000 + place, topic, body, day=day))
    await apply_inbox(store, shop, ApiGateway(), now=lambda: NOW, limit=100)
    await recompute_customers(store, shop, [number], as_of=NOW)
    for table, by in tables_of_customer():
        await _known(store, shop.id, (table, by), number, word)


async def _known(store: Store, shop_id: int, place: tuple[str, str], number: int, word: str) -> None:
    table, by = place
    personal = {column for held in HELD[table] if held.kind != NOBODY for column in held.columns}
    there = await store.database.fetch(f"SELECT 1 FROM {table} WHERE shop_id = $1 AND {by} = $2", shop_id, number)
    if there:
        return
    columns, values = [], []
    for column, kind in TABLES[table]._meta.fields_map.items():
        columns.append(column)
        if column in {"shop_id", by}:
            values.append(shop_id if column == "shop_id" else number)
        elif isinstance(kind, fields.BooleanField):
            values.append(False)
        elif isinstance(kind, (fields.CharField, fields.TextField)):
            plain = word if column in personal else f"x{number}"
            text = plain if column != "sealed" else store.vault.seal(json.dumps({"of": word}))
            values.append(text[: getattr(kind, "max_length", None) or 10_000])
        else:
            values.append(number)
    marks = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await store.database.execute(
        f"INSERT INTO {table} (shop_id, {', '.join(columns[1:])}) VALUES ({marks})"
        if columns[0] == "shop_id"
        else f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) /* shop_id */",
        *values,
    )


async def ask(store: Store, shop: ShopContext, topic: str, number: int, place: int) -> None:
    person = {"customer": {"id": number, "email": f"{CANARY}@mail.example"}, "orders_to_redact": [number * 10]}
    await record_delivery(store, delivery(shop, place, topic, person, day=20))
    await apply_inbox(store, shop, ApiGateway(), now=lambda: NOW, limit=100)


async def test_a_request_is_answered_with_everything_held_and_nothing_of_others(
    store: Store, shop: ShopContext
) -> None:
    await fill(store, shop, 1, CANARY)
    await fill(store, shop, 2, "vreemde")
    await ask(store, shop, "customers/data_request", 1, 9_001)
    [(request, customer_id, *_)] = [
        each for each in await list_exports(store, shop.id) if each[1] == 1 and each[0][0] == "w"
    ]
    answer = json.loads(await open_export(store, shop.id, request))
    assert (request, customer_id) == ("w9001", 1)
    held = answer["held"]
    assert held.keys() >= {table for table, _ in tables_of_customer()} - {"data_exports"}
    assert held["persons"][0]["email"] == f"{CANARY}@mail.example"
    assert held["order_lines"][0]["quantity"] == 3
    assert held["refunds"][0]["amount"] == 100_000
    assert "vreemde" not in json.dumps(answer)
    [(sealed,)] = await store.database.fetch(
        "SELECT sealed FROM data_exports WHERE shop_id = $1 AND request_id = $2", shop.id, request
    )
    assert CANARY not in sealed


async def test_after_a_redaction_the_person_is_nowhere_and_the_totals_stand(
    store: Store, shop: ShopContext, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(store, shop, 1, CANARY)
    await fill(store, shop, 2, "vreemde")
    await recompute_shop(store, shop, as_of=NOW)
    totals = "SELECT COUNT(*), SUM(total), SUM(refunded), SUM(current_total) FROM orders WHERE shop_id = $1"
    before = await store.database.fetch(totals, shop.id)
    await ask(store, shop, "customers/redact", 1, 9_002)
    await ask(store, shop, "customers/redact", 1, 9_003)
    await ask(store, shop, "customers/redact", 77, 9_004)
    assert await store.database.fetch(totals, shop.id) == before
    for name in TABLES:
        assert CANARY not in str(await store.database.fetch(f"SELECT * FROM {name} WHERE shop_id = $1", shop.id)), name
    for table, by in tables_of_customer():
        rows = await store.database.fetch(f"SELECT * FROM {table} WHERE shop_id = $1 AND {by} = 1", shop.id)
        assert not rows or table in {"customers", "orders"}, table
    assert await store.database.fetch("SELECT COUNT(*) FROM persons WHERE shop_id = $1", shop.id) == [(1,)]
    assert CANARY not in caplog.text
    if settings.on_sqlite:
        files = await asyncio.to_thread(lambda: {path.name: path.read_bytes() for path in _files(settings)})
        assert files
        assert not [name for name, content in files.items() if CANARY.encode() in content]


def _files(settings: Settings) -> list[Path]:
    return list(settings.sqlite_path.parent.glob("*.sqlite3*"))


async def test_a_late_word_about_somebody_redacted_brings_nothing_back(store: Store, shop: ShopContext) -> None:
    await ask(store, shop, "customers/redact", 1, 9_005)
    await ask(store, shop, "customers/data_request", 1, 9_006)
    late = [("customers/update", customer(1, 25, name=CANARY), 25), tags("tags_added", 26, CANARY), checkout(31, 27)]
    for place, (topic, body, day) in enumerate(late):
        await record_delivery(store, delivery(shop, 9_100 + place, topic, body, day=day))
    await apply_inbox(store, shop, ApiGateway(), now=lambda: NOW, limit=100)
    for table in ("persons", "customer_traits"):
        assert await store.database.fetch(f"SELECT COUNT(*) FROM {table} WHERE shop_id = $1", shop.id) == [(0,)]
    assert await store.database.fetch("SELECT customer_id FROM checkouts WHERE shop_id = $1", shop.id) == [(None,)]
    assert to_us(NOW) > 0
