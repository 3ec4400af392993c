"""Webhooks: twice, late, out of order, broken. The end state depends on what was said, not on how it came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.instants import parse_instant
from plugin.errors import ShopUnavailableError
from plugin.ledger.inbox import Delivery, list_set_aside, open_aside, record_delivery, run_again, waiting_shops
from plugin.ledger.store import Store
from plugin.ledger.tables import SHOP_TABLES, Shop
from plugin.shops import ShopContext
from plugin.sync.deliveries import apply_inbox
from tests.support.file_gateway import FileGateway
from tests.support.shops import install_shop

NOW: Final = datetime(2026, 11, 20, tzinfo=UTC)
DAY: Final = 86_400_000_000
Post = Callable[..., Any]


def at(day: int) -> str:
    return f"2026-05-{day:02d}T12:00:00Z"


def customer(number: int, day: int, *, name: str = "Ada", **more: Any) -> dict[str, Any]:
    return {
        "id": number, "created_at": at(1), "updated_at": at(day), "first_name": name, "last_name": "Canary",
        "email": f"{name.lower()}@mail.example", "state": "enabled", **more,
    }  # fmt: skip


def order(number: int, day: int, *, owner: int | None = 1, total: str = "30.00", **more: Any) -> dict[str, Any]:
    return {
        "id": number, "name": f"#{number}", "created_at": at(1), "processed_at": at(1), "updated_at": at(day),
        "currency": "EUR", "financial_status": "paid", "total_price": total, "current_total_price": total,
        "customer": None if owner is None else {"id": owner},
        "line_items": [{"id": number * 10, "quantity": 3, "price": "10.00", "product_id": 7, "variant_id": 8}],
        "refunds": [], **more,
    }  # fmt: skip


def refund(number: int, order_id: int, day: int, amount: str) -> dict[str, Any]:
    money = [{"amount": amount, "kind": "refund", "status": "success"}]
    return {"id": number, "order_id": order_id, "created_at": at(day), "transactions": money}


def merge(kept: int, folded: int) -> dict[str, Any]:
    gid = "gid://shopify/Customer/"
    return {
        "admin_graphql_api_customer_kept_id": f"{gid}{kept}",
        "admin_graphql_api_customer_deleted_id": f"{gid}{folded}",
        "status": "completed",
    }


class ApiGateway(FileGateway):
    """Knows the shop's present orders; no customer."""

    def __init__(self, orders: Mapping[int, Mapping[str, Any]] | None = None, *, down: bool = False) -> None:
        super().__init__(Path(), orders=orders)
        self.down = down

    async def node_customer(self, gid: str) -> None:
        if self.down:
            raise ShopUnavailableError("The shop is down.")

    async def node_order(self, gid: str) -> Mapping[str, Any] | None:
        if self.down:
            raise ShopUnavailableError("The shop is down.")
        return await super().node_order(gid)


def delivery(shop: ShopContext, number: int, topic: str, body: Any, *, day: int = 1) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    when = parse_instant(at(day))
    return Delivery(
        webhook_id=f"w{number}", event_id=None, domain=shop.domain, topic=topic, body=raw, triggered_at=when,
        received_at=parse_instant(at(1)) + number,
    )  # fmt: skip


@pytest.fixture
def post(store: Store, shop: ShopContext) -> Post:
    """Store deliveries `(topic, body)` or `(topic, body, day)` and apply them; the changed customers."""
    count = 0

    async def run(*items: tuple[Any, ...], gateway: ApiGateway | None = None) -> list[int]:
        nonlocal count
        for topic, body, *day in items:
            count += 1
            await record_delivery(store, delivery(shop, count, topic, body, day=day[0] if day else 1))
        return await apply_inbox(store, shop, gateway, now=lambda: NOW, limit=100)

    return run


async def facts(store: Store, shop: ShopContext) -> dict[str, list[tuple[Any, ...]]]:
    columns = {
        "customers": "id, stated_at, account_status, email_domain, deleted_at, merged_into",
        "persons": "id, stated_at",
        "products": "id, title, status, stated_at, deleted_at",
        "variants": "id, product_id, price, stated_at",
        "orders": "id, customer_id, stated_at, voided_at, deleted_at, total, refunded, current_total, items, name",
        "order_lines": "id, order_id, quantity, total, stated_at",
        "refunds": "id, order_id, at, amount",
    }
    return {
        table: await store.database.fetch(f"SELECT {names} FROM {table} WHERE shop_id = $1 ORDER BY id", shop.id)
        for table, names in columns.items()
    }


async def states(store: Store, shop: ShopContext) -> list[tuple[Any, ...]]:
    return await store.database.fetch(
        "SELECT webhook_id, state, reason FROM inbox WHERE shop_id = $1 ORDER BY received_at", shop.id
    )


async def test_a_delivery_is_stored_once_and_sealed(store: Store, shop: ShopContext) -> None:
    one = delivery(shop, 1, "customers/create", customer(1, 2))
    assert [await record_delivery(store, one) for _ in range(3)] == [True, False, False]
    [(sealed,)] = await store.database.fetch("SELECT sealed_body FROM inbox WHERE shop_id = $1", shop.id)
    assert "Canary" not in sealed
    assert await waiting_shops(store) == [shop.id]


async def test_what_is_done_keeps_its_record_and_loses_its_body(post: Post, store: Store, shop: ShopContext) -> None:
    assert await post(("customers/create", customer(1, 2)), ("locations/create", {"id": 1})) == [1]
    assert await states(store, shop) == [("w1", "done", None), ("w2", "done", "nothing to do for this topic")]
    assert await store.database.fetch("SELECT DISTINCT sealed_body FROM inbox WHERE shop_id = $1", shop.id) == [("",)]
    assert await waiting_shops(store) == []


async def test_a_shop_that_never_installed_leaves_a_record_without_a_body(store: Store, shop: ShopContext) -> None:
    stranger = replace(delivery(shop, 1, "customers/redact", customer(1, 2)), domain="stranger.myshopify.com")
    assert await record_delivery(store, stranger)
    rows = await store.database.fetch("SELECT shop_id, state, sealed_body FROM inbox /* every shop */")
    assert rows == [(0, "done", "")]
    assert await waiting_shops(store) == []


async def test_an_order_is_replaced_whole_by_its_later_statement(post: Post, store: Store, shop: ShopContext) -> None:
    later = order(5, 3, owner=2, total="20.00", line_items=[{"id": 51, "quantity": 2, "price": "10.00"}])
    assert await post(("orders/create", order(5, 2))) == [1]
    assert await post(("orders/updated", later)) == [1, 2]
    assert await post(("orders/updated", order(5, 2))) == []
    held = await facts(store, shop)
    assert held["orders"] == [(5, 2, parse_instant(at(3)), None, None, 200_000, 0, 200_000, 2, "#5")]
    assert held["order_lines"] == [(51, 5, 2, 200_000, parse_instant(at(3)))]


async def test_a_webhook_keeps_the_tags_that_it_cannot_state(post: Post, store: Store, shop: ShopContext) -> None:
    class Whole(ApiGateway):
        async def node_customer(self, gid: str) -> Any:
            return {"id": gid, "createdAt": at(1), "updatedAt": at(2), "tags": ["VIP"], "firstName": "Ada"}

    await post(("customers/create", customer(1, 2)), gateway=Whole())
    await post(("customers/update", customer(1, 3, name="Eva")))
    rows = await store.database.fetch("SELECT tags, email_domain, stated_at FROM customers WHERE shop_id = $1", shop.id)
    assert rows == [('["VIP"]', "mail.example", parse_instant(at(3)))]


async def test_refunds_add_up_until_the_order_no_longer_counts(post: Post, store: Store, shop: ShopContext) -> None:
    await post(("orders/create", order(5, 2)))
    assert await post(("refunds/create", refund(91, 5, 3, "10.00"))) == [1]
    assert (await facts(store, shop))["orders"][0][3:8] == (None, None, 300_000, 100_000, 200_000)
    await post(("refunds/create", refund(92, 5, 4, "20.00")), ("orders/create", order(5, 2)))
    assert (await facts(store, shop))["orders"][0][3:8] == (parse_instant(at(4)), None, 300_000, 300_000, 0)


ORDER_NODE: Final = {
    "id": "gid://shopify/Order/5", "name": "#5", "createdAt": at(1), "updatedAt": at(3),
    "totalPriceSet": {"shopMoney": {"amount": "30.0", "currencyCode": "EUR"}},
    "totalRefundedSet": {"shopMoney": {"amount": "10.0", "currencyCode": "EUR"}},
    "customer": {"id": "gid://shopify/Customer/1"},
    "refunds": [{"id": "gid://shopify/Refund/91", "createdAt": at(3),
                 "totalRefundedSet": {"shopMoney": {"amount": "10.0", "currencyCode": "EUR"}}}],
    "lineItems": {"nodes": [{"id": "gid://shopify/LineItem/50", "quantity": 3, "title": "Tea",
                             "discountedTotalSet": {"shopMoney": {"amount": "30.0", "currencyCode": "EUR"}}}]},
}  # fmt: skip


async def test_a_refund_before_its_order_fetches_the_order(post: Post, store: Store, shop: ShopContext) -> None:
    gateway = ApiGateway({5: ORDER_NODE})
    assert await post(("refunds/create", refund(91, 5, 3, "10.00")), gateway=gateway) == [1]
    held = await facts(store, shop)
    assert held["orders"][0][:2] == (5, 1)
    assert held["orders"][0][5:9] == (300_000, 100_000, 200_000, 3)
    assert held["refunds"] == [(91, 5, parse_instant(at(3)), 100_000)]


async def test_a_refund_whose_order_nobody_knows_waits_and_is_then_set_aside(
    post: Post, store: Store, shop: ShopContext
) -> None:
    await post(("refunds/create", refund(91, 5, 3, "10.00")), gateway=ApiGateway())
    assert (await states(store, shop))[0][1] == "new"
    for _ in range(4):
        await post(gateway=ApiGateway())
    [aside] = await list_set_aside(store, shop.id)
    assert (aside.attempts, aside.reason) == (5, "Order 5 is not here, and the shop gives none by that id.")
    assert (await facts(store, shop))["refunds"] == []
    assert await run_again(store, None) == 1
    assert await post(gateway=ApiGateway({5: ORDER_NODE})) == [1]


async def test_a_shop_that_is_down_costs_a_delivery_no_attempt(post: Post, store: Store, shop: ShopContext) -> None:
    items = [("refunds/create", refund(91, 5, 3, "10.00")), ("customers/update", customer(2, 2))]
    assert await post(*items, gateway=ApiGateway(down=True)) == [2]
    for _ in range(9):
        await post(gateway=ApiGateway(down=True))
    assert await post(gateway=ApiGateway({5: ORDER_NODE})) == [1]


POISON: Final[dict[str, bytes]] = {
    "empty": b"", "not json": b"<html>", "null": b"null", "a list": b"[]", "no id": b"{}",
    "id as text": json.dumps({**order(5, 2), "id": "5"}).encode(),
    "id beyond 64 bits": json.dumps({**order(5, 2), "id": 2**63}).encode(),
    "negative id": json.dumps({**order(5, 2), "id": -5}).encode(),
    "money that is none": json.dumps({**order(5, 2), "total_price": "NaN"}).encode(),
    "money beyond bounds": json.dumps({**order(5, 2), "total_price": "1e30"}).encode(),
    "no zone": json.dumps({**order(5, 2), "updated_at": "2026-05-01T00:00:00"}).encode(),
    "half a surrogate pair": json.dumps({**order(5, 2), "name": "\ud800"}).encode(),
    "nested": b'{"id":' + b"[" * 100_000,
    "not UTF-8": b'{"id": "\xff\xfe"}',
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(POISON))
async def test_poison_is_set_aside_and_its_neighbours_go_on(
    post: Post, store: Store, shop: ShopContext, name: str
) -> None:
    changed = await post(
        ("customers/create", customer(1, 2)), ("orders/create", POISON[name]), ("customers/create", customer(2, 2))
    )
    assert changed == [1, 2]
    assert [state for _, state, _ in await states(store, shop)] == ["done", "set_aside", "done"]
    [aside] = await list_set_aside(store, None)
    assert aside.reason.startswith("This delivery cannot be read: ")
    assert (await facts(store, shop))["orders"] == []


async def test_what_one_database_would_refuse_is_cleaned_before_both(
    post: Post, store: Store, shop: ShopContext
) -> None:
    lines = [{"id": number, "quantity": 1, "price": "0.01", "title": "T\0ea"} for number in range(1, 3_001)]
    await post(("orders/create", order(5, 2, name="#\0" + "5" * 400, line_items=lines)))
    held = await facts(store, shop)
    assert (held["orders"][0][8], len(held["order_lines"]), held["orders"][0][9][:3]) == (3_000, 3_000, "#55")


async def test_what_was_deleted_stays_deleted(post: Post, store: Store, shop: ShopContext) -> None:
    product = {
        "id": 7,
        "title": "Tea",
        "created_at": at(1),
        "updated_at": at(2),
        "variants": [{"id": 8, "price": "9.95"}],
    }
    gone = [("orders/delete", {"id": 5}, 3), ("customers/delete", {"id": 1}, 3), ("products/delete", {"id": 7}, 3)]
    here = [("orders/create", order(5, 2)), ("customers/create", customer(1, 2)), ("products/create", product)]
    await post(*gone)
    bare = await facts(store, shop)
    await post(*here)
    assert await facts(store, shop) == bare
    assert bare["persons"] == bare["order_lines"] == bare["variants"] == []
    assert [row[4] for row in bare["customers"] + bare["orders"] + bare["products"]] == [parse_instant(at(3))] * 3


async def test_merges_follow_to_the_living_customer(post: Post, store: Store, shop: ShopContext) -> None:
    await post(("orders/create", order(5, 2, owner=1)), ("orders/create", order(6, 2, owner=2)))
    assert await post(("customers/merge", merge(3, 2)), ("customers/merge", merge(2, 1))) == [1, 2, 3]
    await post(("orders/create", order(7, 2, owner=1)), ("customers/update", customer(1, 9)))
    await post(("customers/merge", merge(1, 3)))
    held = await facts(store, shop)
    assert [row[:2] for row in held["orders"]] == [(5, 3), (6, 3), (7, 3)]
    assert [(row[0], row[5]) for row in held["customers"]] == [(1, 3), (2, 3)]
    assert held["persons"] == []


async def test_an_uninstall_ends_everything_but_the_duties(post: Post, store: Store, shop: ShopContext) -> None:
    await post(
        ("app/uninstalled", {"id": 1}, 5),
        ("customers/create", customer(1, 6)),
        ("customers/redact", {"customer": {"id": 2}}),
    )
    row = await Shop.get(id=shop.id)
    assert (row.status, row.access_token, row.refresh_token) == ("uninstalled", None, None)
    assert row.uninstalled_at == parse_instant(at(5))
    assert [(row[0], row[4] is None) for row in (await facts(store, shop))["customers"]] == [(2, False)]


async def test_an_uninstall_from_before_this_installation_is_not_about_it(store: Store) -> None:
    shop = await install_shop("again.myshopify.com", installed_at=parse_instant(at(6)))
    await record_delivery(store, delivery(shop, 1, "app/uninstalled", {"id": 1}, day=5))
    await record_delivery(store, delivery(shop, 2, "shop/redact", {"shop_id": 1}, day=7))
    await apply_inbox(store, shop, None, now=lambda: NOW, limit=10)
    assert (await Shop.get(id=shop.id)).status == "installed"
    assert [reason for _, _, reason in await states(store, shop)] == [
        "from before the present installation",
        "installed again since",
    ]


async def test_a_redacted_shop_leaves_nothing_but_records(post: Post, store: Store, shop: ShopContext) -> None:
    await post(("customers/create", customer(1, 2)), ("orders/create", order(5, 2)), ("orders/create", b"poison"))
    await post(("app/uninstalled", {"id": 1}, 5), ("shop/redact", {"shop_id": 1}, 7))
    for table in SHOP_TABLES:
        name = table._meta.db_table
        rows = await store.database.fetch(f"SELECT COUNT(*) FROM {name} WHERE shop_id = $1", shop.id)
        assert rows == [(4 if name == "inbox" else 0,)], name


async def test_a_redacted_person_is_nowhere(post: Post, store: Store, shop: ShopContext) -> None:
    await post(
        ("customers/create", customer(1, 2)), ("orders/create", order(5, 2)),
        ("customers/update", b'{"id": "ada@mail.example'), ("customers/update", b'{"id": "bea@mail.example'),
    )  # fmt: skip
    assert await post(("customers/redact", {"customer": {"id": 1, "email": "ada@mail.example"}}, 9)) == [1]
    held = await facts(store, shop)
    assert (held["persons"], held["customers"][0][1:4]) == ([], (0, None, None))
    assert [row[:2] for row in held["orders"]] == [(5, 1)]
    [aside] = await list_set_aside(store, shop.id)  # what is about somebody else waits on
    assert "bea@mail" in (await open_aside(store, aside.webhook_id))[1]
    wiped = "SELECT COUNT(*) FROM inbox WHERE shop_id = $1 AND reason = 'wiped by a redaction' AND sealed_body = ''"
    assert await store.database.fetch(wiped, shop.id) == [(1,)]
    assert await run_again(store, shop.id, "another") == 0
    assert await run_again(store, shop.id, aside.webhook_id) == 1


async def test_a_redaction_empties_the_folder_of_exports(store: Store, shop: ShopContext, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "customers-1.jsonl").write_text("Ada Canary")
    await record_delivery(store, delivery(shop, 1, "customers/redact", {"customer": {"id": 1}}))
    await apply_inbox(store, shop, None, now=lambda: NOW, limit=10, folder=folder)
    assert not folder.exists()


async def test_scopes_are_what_the_shop_says_now(post: Post, shop: ShopContext) -> None:
    await post(("app/scopes_update", {"current": ["read_orders"]}), gateway=ApiGateway())
    assert (await Shop.get(id=shop.id)).granted_scopes == "read_all_orders"
    await post(("app/scopes_update", {"current": ["read_products", "read_orders"]}))
    assert (await Shop.get(id=shop.id)).granted_scopes == "read_orders,read_products"


async def test_the_same_numbers_in_two_shops_are_two_things(post: Post, store: Store, shop: ShopContext) -> None:
    other = await install_shop("other.myshopify.com")
    await post(("orders/create", order(5, 2)))
    await record_delivery(store, delivery(other, 1, "orders/delete", {"id": 5}))
    await apply_inbox(store, other, None, now=lambda: NOW, limit=10)
    assert (await facts(store, shop))["orders"][0][4] is None


STORY: Final[list[tuple[Any, ...]]] = [
    ("customers/create", customer(1, 1)),
    ("customers/update", customer(1, 4, name="Eva")),
    ("customers/create", customer(2, 2, name="Bo")),
    ("customers/create", customer(3, 2, name="Cy")),
    ("orders/create", order(5, 1)),
    ("orders/updated", order(5, 3, refunds=[refund(91, 5, 3, "10.00")], current_total_price="20.00")),
    ("refunds/create", refund(91, 5, 3, "10.00")),
    ("orders/create", order(6, 2, owner=2)),
    ("orders/cancelled", order(6, 5, owner=2, cancelled_at=at(5), current_total_price="0.00")),
    ("orders/create", order(7, 2, owner=3)),
    ("orders/delete", {"id": 7}, 6),
    ("customers/merge", merge(1, 2), 6),
    ("customers/delete", {"id": 3}, 7),
]


@asynccontextmanager
async def _fresh(store: Store, shop: ShopContext) -> AsyncIterator[None]:
    for table in ("customers", "persons", "orders", "order_lines", "refunds", "inbox"):
        await store.database.execute(f"DELETE FROM {table} WHERE shop_id = $1", shop.id)
    yield


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_with_repeats_ends_in_the_same_state(
    store: Store, shop: ShopContext, data: st.DataObject
) -> None:
    """A refund that comes first asks the shop, which knows the order as it is at the end."""
    node = {**ORDER_NODE, "lineItems": {"nodes": [{**ORDER_NODE["lineItems"]["nodes"][0], "title": ""}]}}  # type: ignore[index]  # a literal
    gateway = ApiGateway({5: node})
    ends = []
    repeated = data.draw(st.lists(st.sampled_from(STORY), max_size=6))
    for story in (STORY, data.draw(st.permutations([*STORY, *repeated]))):
        async with _fresh(store, shop):
            for number, (topic, body, *day) in enumerate(story):
                sent = delivery(shop, number, topic, body, day=day[0] if day else 1)
                await record_delivery(store, sent)
            await apply_inbox(store, shop, gateway, now=lambda: NOW, limit=100)
            ends.append(await facts(store, shop))
    assert ends[0] == ends[1]
