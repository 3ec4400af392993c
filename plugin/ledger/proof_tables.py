"""The table of what proofs of plays are computed from."""

from __future__ import annotations

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
    computed_at = column.instant()

    class Meta:
        table = "play_proofs"
        key = ("shop_id", "play", "incentive", "share", "held", "gone")
