"""The rows that functions over touchpoints ask for, as SQL: touchpoints and counted orders, or the views among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from plugin.domain.rules.syntax import Comparison, Condition, In, Operator, TextValue
from plugin.ledger.journeys import POS_APP

TOUCH_COLUMNS: Final = {
    "processed_at": "o.processed_at", "kind": "o.kind", "channel": "o.channel", "product_id": "o.product_id",
    "product_tags": "r.tags", "collection_id": "o.collection_id",
}  # fmt: skip
_VIEWS: Final = {"product_views": "product_view", "collection_views": "collection_view"}


def touchpoint_rows(rows: str, alias: str, at: str, conditions: Iterable[Condition]) -> str:
    """The FROM, under the name `o`, of the customer of the profile `alias`; `at` marks the instant asked for."""
    mine = f"shop_id = {alias}.shop_id AND {{0}}.customer_id = {alias}.customer_id"
    only = f" AND t.kind = '{_VIEWS[rows]}'" if rows in _VIEWS else ""
    source = (
        "SELECT t.at AS processed_at, t.kind AS kind, t.channel AS channel, t.product_id AS product_id,"
        " t.collection_id AS collection_id, t.shop_id AS shop_id"
        f" FROM touchpoints t WHERE t.{mine.format('t')} AND t.at <= {at}{only}"
    )
    if rows == "touchpoints" and not any(map(_bars_orders, conditions)):
        source += (
            f" UNION ALL SELECT q.processed_at, 'order', CASE WHEN q.app_id = {POS_APP} THEN 'pos' ELSE 'web' END,"
            f" NULL, NULL, q.shop_id FROM orders q WHERE q.{mine.format('q')} AND q.counted"
            f" AND q.processed_at <= {at} AND (q.voided_at IS NULL OR q.voided_at > {at})"
        )
    joined = " LEFT JOIN products r ON r.shop_id = o.shop_id AND r.id = o.product_id"
    return f"FROM ({source}) o{joined if rows == 'product_views' else ''}"


def _bars_orders(condition: Condition) -> bool:
    """Whether a condition on `kind` lets no order through, so that none need be looked at."""
    if condition.attribute.name != "kind":
        return False
    if isinstance(condition, In):
        named = any(isinstance(value, TextValue) and value.text == "order" for value in condition.values)
        return named if condition.negated else not named
    if isinstance(condition, Comparison) and isinstance(condition.value, TextValue):
        named = condition.value.text == "order"
        return named if condition.operator is Operator.NE else not named
    return False
