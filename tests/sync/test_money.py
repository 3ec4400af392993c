"""Money in every currency and sign: the same bytes on both databases, worked out by hand."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest

from plugin.ledger.inbox import record_delivery
from plugin.ledger.store import Store
from plugin.lifecycle.recompute import recompute_customers
from plugin.shops import ShopContext
from plugin.sync.deliveries import apply_inbox
from tests.sync.test_deliveries import NOW, ApiGateway, customer, delivery, order, refund

# order id: what the shop states, and (currency, total, refunded, current_total) of the row
CASES: Final[dict[int, tuple[dict[str, Any], tuple[str, int, int, int]]]] = {
    11: ({"total": "1500", "currency": "JPY", "owner": 2}, ("JPY", 15_000_000, 0, 15_000_000)),
    12: ({"total": "12.345", "currency": "KWD", "owner": 3}, ("KWD", 123_450, 0, 123_450)),
    13: ({"total": "0.00"}, ("EUR", 0, 0, 0)),
    14: ({"total": "-5.00"}, ("EUR", -50_000, 0, -50_000)),
    15: ({"total": "9999999999999.99"}, ("EUR", 99_999_999_999_999_900, 0, 99_999_999_999_999_900)),
    16: ({"total": "0.00005"}, ("EUR", 0, 0, 0)),  # half to even, below what is kept
    17: ({"total": "0.00015"}, ("EUR", 2, 0, 2)),
    18: (
        # The customer paid in yen; what counts is the shop's money.
        {
            "total": "1500",
            "currency": "EUR",
            "total_price_set": {"shop_money": {"amount": "9.95", "currency_code": "EUR"}},
            "current_total_price_set": {"shop_money": {"amount": "9.95", "currency_code": "EUR"}},
        },
        ("EUR", 99_500, 0, 99_500),
    ),
}
OVER: Final = 19  # refunded by more than its total
# orders, net spend, paid, refunded, average order value, refund rate, discount share: of customers 1, 2 and 3. The order
# refunded above its total counts no more; nothing was refunded of the others.
PROFILE: Final = (
    b"[[6,100000000000049402,100000000000049402,0,1666666666667.49,0.0,0.0],"
    b"[1,15000000,15000000,0,1500.0,0.0,0.0],[1,123450,123450,0,12.345,0.0,0.0]]"
)
EXPECTED: Final = [(number, *row) for number, (_, row) in CASES.items()] + [(OVER, "EUR", 300_000, 350_000, -50_000)]


@pytest.fixture
async def told(store: Store, shop: ShopContext) -> None:
    statements: list[tuple[str, Any]] = [("customers/update", customer(number, 2)) for number in (1, 2, 3)]
    statements += [("orders/create", order(number, 2, **case)) for number, (case, _) in CASES.items()]
    statements += [("orders/create", order(OVER, 2)), ("refunds/create", refund(91, OVER, 3, "35.00"))]
    for number, (topic, body) in enumerate(statements):
        await record_delivery(store, delivery(shop, number, topic, body))
    await apply_inbox(store, shop, ApiGateway(), now=lambda: NOW, limit=100)


@pytest.mark.usefixtures("told")
async def test_money_is_exact_in_every_currency_and_sign(store: Store, shop: ShopContext) -> None:
    rows = await store.database.fetch(
        "SELECT id, currency, total, refunded, current_total FROM orders WHERE shop_id = $1 ORDER BY id", shop.id
    )
    assert rows == EXPECTED


@pytest.mark.usefixtures("told")
async def test_what_follows_from_money_is_the_same_to_the_byte(store: Store, shop: ShopContext) -> None:
    await recompute_customers(store, shop, [1, 2, 3], as_of=NOW)
    columns = "orders, net_spend, paid, refunded, average_order_value, refund_rate, discount_share"
    rows = await store.database.fetch(
        f"SELECT {columns} FROM profiles WHERE shop_id = $1 ORDER BY customer_id", shop.id
    )
    assert orjson.dumps(rows) == PROFILE
