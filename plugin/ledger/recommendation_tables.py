"""The tables of what the nightly fit of recommendations found."""

from __future__ import annotations

from typing import ClassVar, Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class CustomerPick(ShopRow):
    """The list of a customer, best first. `use` is NEW_FOR_YOU or BUY_AGAIN. `anchor_id` is the own product it goes
    with best, `together` the customers who bought both (of a product to buy again: her own orders of it), `lift` how
    many times more often than chance. Personal by its customer: deleted with her."""

    customer_id = column.platform_id()
    use = column.name(length=16)
    rank = column.key()
    product_id = column.platform_id()
    score = column.real(null=False)
    anchor_id = column.platform_id(null=True)
    together = column.integer()
    lift = column.real()
    fitted_at = column.instant()

    class Meta:
        table = "customer_picks"
        key = ("shop_id", "customer_id", "use", "rank")


class RecommenderChoice(ShopRow):
    """The method that the shop's own backtest chose for a use, with its figures; NULL where the shop is too young."""

    use = column.text_key()
    method = column.name()
    recall = column.real()
    ndcg = column.real()
    popularity_recall = column.real()
    popularity_ndcg = column.real()
    cases = column.integer()
    candidates = column.integer()
    horizon_days = column.real(null=False)
    tested_from = column.instant(null=True)
    tested_until = column.instant(null=True)
    fitted_at = column.instant()

    class Meta:
        table = "recommender_choices"
        key = ("shop_id", "use")


class Replenishment(ShopRow):
    """A product that a customer is about to need again: due between `from_at` and `until_at` with 80 % certainty.
    `cycle_days` per unit, `repeats` of the product by everybody, `own_repeats` hers. Personal by its customer: deleted
    with her."""

    customer_id = column.platform_id()
    product_id = column.key()
    due_at = column.instant()
    from_at = column.instant()
    until_at = column.instant()
    cycle_days = column.real(null=False)
    units = column.integer()
    repeats = column.integer()
    own_repeats = column.integer()
    fitted_at = column.instant()

    class Meta:
        table = "replenishments"
        key = ("shop_id", "customer_id", "product_id")
        indexes: ClassVar = [("shop_id", "due_at")]


RECOMMENDATION_TABLES: Final[tuple[type[ShopRow], ...]] = (CustomerPick, RecommenderChoice, Replenishment)
