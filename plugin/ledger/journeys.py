"""Reads of a customer's journey: touchpoints, orders and refunds in one list, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from plugin.ledger.database import Database
from plugin.ledger.paging import Binder, PageRequest, keyset, pages_of

POS_APP: Final = 129785  # Shopify POS (segment-language.md, chapter 6)
CHANNEL_OF_ORDER: Final = f"CASE WHEN app_id = {POS_APP} THEN 'pos' ELSE 'web' END"


@dataclass(frozen=True, slots=True)
class JourneyRow:
    """`key` tells those of one instant apart. Of an order `amount` is its total, of a refund what was paid back, in
    ten-thousandths of the shop's currency."""

    at: int
    key: str
    kind: str
    channel: str
    product_id: int | None
    subject: str | None
    outcome: str | None
    score: int | None
    order_id: int | None
    amount: int | None


async def journeys_of(
    database: Database, shop_id: int, ids: Sequence[int], page: PageRequest
) -> dict[int, list[JourneyRow]]:
    """The same page of each customer's journey."""

    def one(bind: Binder, customer_id: int) -> str:
        shop, of = bind(shop_id), bind(customer_id)
        condition, order = keyset(bind, ("j.at", "j.key"), page, descending=True)
        return (
            f"SELECT * FROM ({_union(shop, of)}) AS j WHERE 1 = 1{condition} ORDER BY {order} LIMIT {bind(page.fetch)}"
        )

    found = await pages_of(database, ids, one)
    return {parent: [JourneyRow(*row[1:]) for row in rows] for parent, rows in found.items()}


def _union(shop: str, of: str) -> str:
    nothing = "CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT)"
    return (
        "SELECT customer_id, at, 't:' || source || ':' || event_id AS key, kind, channel, product_id, subject, outcome,"
        " score, CAST(NULL AS BIGINT) AS order_id, CAST(NULL AS BIGINT) AS amount FROM touchpoints"
        f" WHERE shop_id = {shop} AND customer_id = {of}"
        " UNION ALL SELECT customer_id, processed_at, 'o:' || CAST(id AS TEXT), 'order',"
        f" {CHANNEL_OF_ORDER}, {nothing}, id, total FROM orders"
        f" WHERE shop_id = {shop} AND customer_id = {of} AND counted"
        f" UNION ALL SELECT o.customer_id, r.at, 'r:' || CAST(r.id AS TEXT), 'refund', 'other', {nothing}, r.order_id,"
        " r.amount FROM refunds r JOIN orders o ON o.shop_id = r.shop_id AND o.id = r.order_id"
        f" WHERE o.shop_id = {shop} AND o.customer_id = {of} AND o.counted"
    )
