"""The tables of what proofs of plays are computed from, and of what goods cost. Personal: nothing."""

from __future__ import annotations

from typing import Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class PlayProof(ShopRow):
    """Sums over the customers on one side of a play's comparison (`plugin/domain/proof/arms.py`). Rows that are `gone`
    are of customers who were deleted or redacted, added up when they went, so that the totals stay; the others are
    counted anew each night. No row says who they were."""

    play = column.name(length=64)
    incentive = column.name(length=32)
    share = column.key()
    held = column.flag()
    gone = column.flag()
    n = column.integer()
    waiting = column.integer()
    recent = column.integer()
    ordered = column.integer()
    orders = column.integer()
    order_squares = column.integer()
    revenue = column.money()
    revenue_squares = column.real(null=False)
    redeemed = column.integer()
    redeemed_cost = column.money()
    covered = column.integer()
    covered_revenue = column.money()
    margin = column.money()
    margin_squares = column.real(null=False)
    most_squares = column.real(null=False)
    computed_at = column.instant()

    class Meta:
        table = "play_proofs"
        key = ("shop_id", "play", "incentive", "share", "held", "gone")


class UnitCost(ShopRow):
    """What one piece costs the shop, as the merchant or a partner stated it: `token_id` is the partner token that did,
    NULL for the merchant. `variant_id` 0: of each variant of the product without a row of its own. It outlives its
    product, whose sold pieces it is still the cost of, and goes with the shop."""

    product_id = column.platform_id()
    variant_id = column.key()
    amount = column.money()
    currency = column.name(length=3)
    token_id = column.integer(null=True)
    set_at = column.instant()

    class Meta:
        table = "unit_costs"
        key = ("shop_id", "product_id", "variant_id")


class UncostedProduct(ShopRow):
    """The products without a cost that most `orders` of a play's comparison have in them; 0: lines of no product.
    Counted with the proofs."""

    play = column.name(length=64)
    product_id = column.key()
    orders = column.integer()

    class Meta:
        table = "uncosted_products"
        key = ("shop_id", "play", "product_id")


PROOF_TABLES: Final[tuple[type[ShopRow], ...]] = (PlayProof, UnitCost, UncostedProduct)
