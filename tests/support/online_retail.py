"""The real orders of ../shared/data/online_retail, where they are present, as flat columns."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.ids import parse_gid
from plugin.domain.instants import parse_instant

ROOT: Final = Path(__file__).parents[3] / "shared" / "data" / "online_retail"
CUT: Final = parse_instant("2011-10-01T00:00:00Z")
PRESENT: Final = [folder for name in ("tiny", "full") if (folder := ROOT / name).exists()]


class _Id(msgspec.Struct):
    id: str


class _Row(msgspec.Struct, rename="camel"):
    """An order, or a line of one."""

    id: str
    processed_at: str | None = None
    cancelled_at: str | None = None
    customer: _Id | None = None
    product: _Id | None = None
    parent_id: str | None = msgspec.field(default=None, name="__parentId")


@dataclass(frozen=True, slots=True)
class Lines:
    """One row per line with a product, of orders that were not cancelled. A guest's order is a buyer of its own."""

    order: Ints
    buyer: Ints
    at: Ints
    product: Ints

    def before(self, cut: int) -> "Lines":
        early = self.at < cut
        return Lines(self.order[early], self.buyer[early], self.at[early], self.product[early])


def read_lines(folder: Path) -> Lines:
    decoder = msgspec.json.Decoder(_Row)
    orders: dict[str, tuple[int, int, int]] = {}
    found: list[tuple[int, int, int, int]] = []
    with gzip.open(folder / "orders.jsonl.gz") as file:  # each order stands before its lines
        for row in map(decoder.decode, file):
            if row.parent_id is None and row.cancelled_at is None:
                number = parse_gid(row.id, "Order")
                buyer = parse_gid(row.customer.id, "Customer") if row.customer else -number
                orders[row.id] = (number, buyer, parse_instant(row.processed_at or ""))
            elif row.product is not None and row.parent_id in orders:
                found.append((*orders[row.parent_id], parse_gid(row.product.id, "Product")))
    order, buyer, at, product = np.array(found, dtype=np.int64).T.copy()
    return Lines(order, buyer, at, product)


def new_products(folder: Path) -> dict[int, list[int]]:
    """What each customer bought after the cut and never before it."""
    with gzip.open(folder / "after_cut.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    return {
        parse_gid(row["customer"], "Customer"): [parse_gid(each, "Product") for each in row["new_products"]]
        for row in rows
        if row["new_products"]
    }


def truth(folder: Path) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads((folder / "truth.json").read_text())
    return facts
