"""A small shop made by hand: three customers, two products, three orders. All at noon of known days."""

from __future__ import annotations

from datetime import UTC, datetime

from integrations.devshop.rows import Customer, Data, Line, Order, Product, Variant
from integrations.devshop.shop import App

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP = "first.myshopify.com"
OTHER_SHOP = "second.myshopify.com"
APP = App("test-client-id", "hush", "http://127.0.0.1:8000")


def small_data() -> Data:
    """Ada (1) has two orders, one of them 200 days old; Bea (2) has one; Cleo (3) none."""
    data = Data(currency="EUR")
    for number, name, orders, spent, updated in (
        (1, "Ada", 2, 300_000, "2026-11-20"),
        (2, "Bea", 1, 55_000, "2026-11-21"),
        (3, "Cleo", 0, 0, "2026-11-22"),
    ):
        data.customers[number] = Customer(
            id=number,
            created_at="2026-01-01T12:00:00Z",
            updated_at=f"{updated}T12:00:00Z",
            first_name=name,
            last_name="Test",
            email=f"{name.lower()}@customers.example",
            marketing_state="SUBSCRIBED",
            state="ENABLED",
            orders_count=orders,
            amount_spent=spent,
            country="DE",
        )
    for number, title, price in ((10, "Tea", 55_000), (20, "Cup", 122_500)):
        product = Product(
            id=number,
            title=title,
            handle=title.lower(),
            created_at="2026-01-01T12:00:00Z",
            updated_at="2026-01-01T12:00:00Z",
            published_at="2026-01-01T12:00:00Z",
        )
        product.variants.append(
            Variant(
                id=number + 1,
                product_id=number,
                title="Default Title",
                sku=title.upper(),
                price=price,
                created_at=product.created_at,
                updated_at=product.updated_at,
            )
        )
        data.products[number] = product
    _order(data, 100, 1, "2026-05-07", [(10, 1, 55_000)])
    _order(data, 101, 1, "2026-11-20", [(20, 2, 245_000)])
    _order(data, 102, 2, "2026-11-21", [(10, 1, 55_000)])
    return data


def _order(data: Data, number: int, customer: int, day: str, lines: list[tuple[int, int, int]]) -> None:
    at, total = f"{day}T12:00:00Z", sum(paid for _product, _quantity, paid in lines)
    data.orders[number] = Order(
        id=number,
        name=f"#{number}",
        created_at=at,
        processed_at=at,
        updated_at=at,
        customer_id=customer,
        total=total,
        current_total=total,
        lines=[
            Line(
                id=number * 10 + place,
                title=data.products[product].title,
                sku=None,
                quantity=quantity,
                current_quantity=quantity,
                product_id=product,
                variant_id=product + 1,
                original_total=paid,
                discounted_total=paid,
            )
            for place, (product, quantity, paid) in enumerate(lines)
        ],
    )
