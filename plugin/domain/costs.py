"""What goods cost the shop, as somebody states it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from plugin.domain.ids import gid

MOST_COSTS: Final = 250  # stated at once
# Whole units of the currency: sums of a million pieces stay inside what is kept.
LARGEST_COST: Final = Decimal(10**9)


class Stated(NamedTuple):
    """`variant_id` None: of each variant without a cost of its own. `amount` None takes the cost away; `currency` is
    that of the amount."""

    product_id: int
    variant_id: int | None
    amount: Decimal | None
    currency: str = ""


class CostWrong(StrEnum):
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    TAKEN = "TAKEN"


class CostFault(NamedTuple):
    """`place` in what was stated, `field` as a caller writes it."""

    place: int
    field: tuple[str, ...]
    says: str
    wrong: CostWrong


def faults_of(
    stated: Sequence[Stated], currency: str, products: AbstractSet[int], variants: AbstractSet[tuple[int, int]]
) -> list[CostFault]:
    """All that is wrong, by place; `products` and `variants` (product, variant) are those that the shop has, of those
    named here."""
    faults: list[CostFault] = []
    seen: dict[tuple[int, int | None], int] = {}
    for place, cost in enumerate(stated):
        key = (cost.product_id, cost.variant_id)
        if key in seen:
            said = f"{_named(cost)} stands at {seen[key]} already; state each product or variant once."
            faults.append(
                CostFault(place, ("productId" if cost.variant_id is None else "variantId",), said, CostWrong.TAKEN)
            )
            continue
        seen[key] = place
        fault = _unknown(place, cost, products, variants) or _amount(place, cost, currency)
        if fault is not None:
            faults.append(fault)
    return faults


def _unknown(
    place: int, cost: Stated, products: AbstractSet[int], variants: AbstractSet[tuple[int, int]]
) -> CostFault | None:
    if cost.product_id not in products:
        said = f"The shop has no product {gid('Product', cost.product_id)}; take an id that the shop's admin shows."
        return CostFault(place, ("productId",), said, CostWrong.NOT_FOUND)
    if cost.variant_id is not None and (cost.product_id, cost.variant_id) not in variants:
        said = (
            f"{gid('Product', cost.product_id)} has no variant {gid('ProductVariant', cost.variant_id)}; leave"
            " `variantId` out to state what holds for all of them."
        )
        return CostFault(place, ("variantId",), said, CostWrong.NOT_FOUND)
    return None


def _amount(place: int, cost: Stated, currency: str) -> CostFault | None:
    if cost.amount is None:
        return None
    if cost.currency != currency:
        said = f"The shop's currency is {currency}, not {cost.currency[:8]!r}; state the cost in {currency}."
        return CostFault(place, ("unitCost", "currencyCode"), said, CostWrong.INVALID)
    if not 0 <= cost.amount <= LARGEST_COST:
        said = f"A unit cost is from 0 to {LARGEST_COST:,}, not {str(cost.amount)[:40]}; null takes a cost away."
        return CostFault(place, ("unitCost", "amount"), said, CostWrong.INVALID)
    return None


def _named(cost: Stated) -> str:
    if cost.variant_id is None:
        return f"The product {gid('Product', cost.product_id)}"
    return f"The variant {gid('ProductVariant', cost.variant_id)}"
