"""A shop of about 100,000 lines, always the same, for machines without real data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

CUSTOMERS: Final = 2_000
ORDERS: Final = 10_000
PRODUCTS: Final = 500
_LINES: Final = 8  # an order, on average


def write_shop(folder: Path) -> None:
    for kind, lines in (("customers", _customers()), ("products", _products()), ("orders", _orders())):
        with (folder / f"{kind}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _at(day: int) -> str:
    return f"2026-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}T{day % 24:02d}:00:00Z"


def _bag(cents: int) -> Mapping[str, Any]:
    return {"shopMoney": {"amount": f"{cents / 100:.2f}", "currencyCode": "EUR"}}


def _customers() -> Iterator[Mapping[str, Any]]:
    for number in range(1, CUSTOMERS + 1):
        yield {
            "id": f"gid://shopify/Customer/{number}", "createdAt": _at(number), "updatedAt": _at(number + 9), "tags": [],
            "firstName": "Person", "lastName": str(number), "numberOfOrders": "5", "state": "ENABLED",
            "defaultEmailAddress": {"emailAddress": f"person{number}@shop.example", "marketingState": "SUBSCRIBED"},
        }  # fmt: skip


def _products() -> Iterator[Mapping[str, Any]]:
    for number in range(1, PRODUCTS + 1):
        gid = f"gid://shopify/Product/{number}"
        yield {"id": gid, "title": f"Thing {number}", "createdAt": _at(0), "updatedAt": _at(1), "tags": []}
        yield {"id": f"gid://shopify/ProductVariant/{number}", "title": "One", "price": "9.95", "__parentId": gid}


def _orders() -> Iterator[Mapping[str, Any]]:
    for number in range(1, ORDERS + 1):
        gid, lines = f"gid://shopify/Order/{number}", 1 + number * 7 % (2 * _LINES - 1)
        yield {
            "id": gid, "name": f"#{number}", "createdAt": _at(number), "processedAt": _at(number),
            "updatedAt": _at(number), "totalPriceSet": _bag(lines * 995), "currentTotalPriceSet": _bag(lines * 995),
            "customer": {"id": f"gid://shopify/Customer/{1 + number * 31 % CUSTOMERS}"}, "refunds": [],
        }  # fmt: skip
        for line in range(lines):
            product = 1 + (number * 13 + line * 17) % PRODUCTS
            yield {
                "id": f"gid://shopify/LineItem/{number * 100 + line}", "title": f"Thing {product}", "quantity": 1,
                "product": {"id": f"gid://shopify/Product/{product}"}, "discountedTotalSet": _bag(995),
                "variant": {"id": f"gid://shopify/ProductVariant/{product}"}, "__parentId": gid,
            }  # fmt: skip
