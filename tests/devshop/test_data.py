"""Where a shop's rows come from: bulk-format files in any order, and the demo's real households."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from integrations.devshop.completejourney import make_data
from integrations.devshop.load import load_data
from integrations.devshop.rows import amount_text, money

SHARED = Path(__file__).parents[3] / "shared/data/online_retail/tiny"


def bag(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "GBP"}}


ORDER = {
    "id": "gid://shopify/Order/7",
    "name": "#7",
    "createdAt": "2026-01-01T10:00:00+01:00",
    "processedAt": "2026-01-01T10:00:00+01:00",
    "updatedAt": "2026-02-01T10:00:00Z",
    "totalPriceSet": bag("12.50"),
    "currentTotalPriceSet": bag("10.00"),
    "totalRefundedSet": bag("2.50"),
    "customer": None,
    "refunds": [{"id": "gid://shopify/Refund/1", "createdAt": "2026-02-01T10:00:00Z", "totalRefundedSet": bag("2.50")}],
}
LINES = [
    {
        "id": f"gid://shopify/LineItem/{number}",
        "title": "Tea",
        "quantity": 2,
        "currentQuantity": 1,
        "discountedTotalSet": bag("6.25"),
        "__parentId": "gid://shopify/Order/7",
    }
    for number in (1, 2)
]
CUSTOMER = {
    "id": "gid://shopify/Customer/1",
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
    "amountSpent": {"amount": "1.0", "currencyCode": "GBP"},
}
PRODUCT = {
    "id": "gid://shopify/Product/1",
    "title": "Tea",
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
}
VARIANT = {"id": "gid://shopify/ProductVariant/2", "price": "3.50", "__parentId": "gid://shopify/Product/1"}


def write(folder: Path, name: str, rows: Iterable[dict[str, Any]], *, packed: bool = False) -> None:
    content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    if packed:
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(content))
    else:
        (folder / f"{name}.jsonl").write_bytes(content)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("orders", [[ORDER, *LINES], [LINES[0], ORDER, LINES[1]], [*LINES, ORDER]])
def test_files_are_read_with_children_anywhere(tmp_path: Path, packed: bool, orders: list[dict[str, Any]]) -> None:
    write(tmp_path, "customers", [CUSTOMER], packed=packed)
    write(tmp_path, "products", [VARIANT, PRODUCT], packed=packed)
    write(tmp_path, "orders", orders, packed=packed)
    data = load_data(tmp_path)
    order = data.orders[7]
    assert data.currency == "GBP"
    assert (order.created_at, order.total, order.current_total) == ("2026-01-01T09:00:00Z", 125_000, 100_000)
    assert [(line.id, line.current_quantity, line.discounted_total) for line in order.lines] == [
        (1, 1, 62_500),
        (2, 1, 62_500),
    ]
    assert [refund.total for refund in order.refunds] == [25_000]
    variant = data.products[1].variants[0]
    assert (variant.price, variant.available, variant.inventory, variant.title) == (35_000, True, 100, "Default Title")
    assert data.products[1].published_at == "2026-01-01T00:00:00Z"


def test_a_line_of_an_order_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "customers", [])
    write(tmp_path, "products", [])
    write(tmp_path, "orders", LINES)
    with pytest.raises(ValueError, match="gid://shopify/Order/7"):
        load_data(tmp_path)


def test_a_folder_without_the_files_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"customers\.jsonl"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("text", "written"), [("231.10", "231.1"), ("0", "0.0"), ("-0.05", "-0.05"), ("1.0005", "1.0005"), ("7", "7.0")]
)
def test_money_is_kept_exactly_and_written_as_the_platform_does(text: str, written: str) -> None:
    assert amount_text(money(text)) == written


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("journey"), today=date(2026, 11, 23), customers=20)


@pytest.fixture(params=["made", *(["shared"] if SHARED.exists() else [])])
def both_orders(request: pytest.FixtureRequest, journey: Path, tmp_path: Path) -> Path:
    """A folder with the same orders as `orders` and, shuffled, as `orders.ungrouped`."""
    if request.param == "shared":
        return SHARED
    for path in journey.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (journey / "orders.jsonl").read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    (tmp_path / "orders.ungrouped.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def test_the_shuffled_file_gives_the_same_shop_as_the_grouped_one(both_orders: Path) -> None:
    grouped, shuffled = load_data(both_orders), load_data(both_orders, orders_file="orders.ungrouped")
    assert len(grouped.orders) > 0
    assert grouped.orders.keys() == shuffled.orders.keys()
    for number, order in grouped.orders.items():
        assert order.lines == sorted(shuffled.orders[number].lines, key=order.lines.index)


def test_the_households_become_a_shop_whose_last_order_was_yesterday(journey: Path) -> None:
    data = load_data(journey)
    assert (len(data.customers), data.currency) == (20, "USD")
    assert max(order.created_at for order in data.orders.values())[:10] == "2026-11-22"
    bought = {line.product_id for order in data.orders.values() for line in order.lines}
    assert bought == set(data.products)
    assert {customer.country for customer in data.customers.values()} == {"US"}
    assert all((customer.email or "").endswith("@customers.example") for customer in data.customers.values())


def test_every_household_total_is_the_sum_of_its_orders(journey: Path) -> None:
    data = load_data(journey)
    for customer in data.customers.values():
        mine = [order for order in data.orders.values() if order.customer_id == customer.id]
        assert customer.orders_count == len(mine)
        assert customer.amount_spent == sum(order.total for order in mine)


def test_discounts_explain_the_difference_to_the_regular_price(journey: Path) -> None:
    for order in load_data(journey).orders.values():
        assert order.total == sum(line.original_total for line in order.lines) - order.discounts
        assert all(0 <= line.discounted_total <= line.original_total for line in order.lines)
        assert all(line.quantity > 0 for line in order.lines)


def test_making_the_same_data_again_reads_what_is_there(journey: Path) -> None:
    before = (journey / "orders.jsonl").stat().st_mtime_ns
    again = make_data(journey.parent, today=date(2026, 11, 23), customers=20)
    assert (again, (again / "orders.jsonl").stat().st_mtime_ns) == (journey, before)


def test_the_same_part_on_another_day_differs_only_in_its_dates(journey: Path) -> None:
    later = load_data(make_data(journey.parent, today=date(2026, 11, 30), customers=20))
    now = load_data(journey)
    assert later.customers.keys() == now.customers.keys()
    assert {number: order.total for number, order in later.orders.items()} == {
        number: order.total for number, order in now.orders.items()
    }
    assert max(order.created_at for order in later.orders.values())[:10] == "2026-11-29"
