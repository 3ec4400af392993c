"""What the shop takes away: deletions, merges and redactions. A bare row with the id stays, so that a late statement
does not bring the thing back; nothing of its content stays.
"""

from __future__ import annotations

from typing import Final

from plugin.ledger.database import Session
from plugin.ledger.offer_removals import move_offers, orphan_codes
from plugin.ledger.personal import rows_of_customer
from plugin.ledger.proofs import keep_outcomes
from plugin.ledger.tables import SHOP_TABLES

_CHAIN: Final = 100  # merges followed at most; they are kept one step long, so this is only against damage
_NOTHING_OF_CUSTOMER: Final = ", ".join(
    f"{column} = NULL"
    for column in (
        "traits_stated_at", "account_status", "email_domain", "email_status", "sms_status", "language", "tags",
        "country", "region", "city", "shop_orders", "shop_spend", "shop_last_order_at", "spend_tier", "shop_rfm_group",
    )
)  # fmt: skip


async def is_gone(session: Session, shop_id: int, customer_id: int) -> bool:
    """Deleted, redacted, or folded into another."""
    return bool(
        await session.fetch(
            "SELECT 1 FROM customers WHERE shop_id = $1 AND id = $2"
            " AND (deleted_at IS NOT NULL OR merged_into IS NOT NULL)",
            shop_id,
            customer_id,
        )
    )


async def living(session: Session, shop_id: int, customer_id: int) -> int:
    """The customer that `customer_id` was folded into, itself when it was not."""
    for _ in range(_CHAIN):
        found = await session.fetch(
            "SELECT merged_into FROM customers WHERE shop_id = $1 AND id = $2", shop_id, customer_id
        )
        if not found or found[0][0] is None:
            break
        customer_id = found[0][0]
    return customer_id


async def delete_customer(session: Session, shop_id: int, customer_id: int, *, at: int) -> None:
    """Deleted or redacted. Their orders stay, under a number that leads to nobody, so that the totals add up; what they
    did with offers stays in the sums of the proofs."""
    await keep_outcomes(session, shop_id, customer_id, now=at)
    await session.execute(
        "INSERT INTO customers (shop_id, id, created_at, stated_at, deleted_at) VALUES ($1, $2, 0, 0, $3)"
        " ON CONFLICT (shop_id, id) DO UPDATE SET created_at = 0, stated_at = 0, deleted_at ="
        " CASE WHEN customers.deleted_at <= excluded.deleted_at THEN customers.deleted_at ELSE excluded.deleted_at END,"
        f" {_NOTHING_OF_CUSTOMER}",
        shop_id,
        customer_id,
        at,
    )
    await _forget(session, shop_id, customer_id)


async def merge_customers(session: Session, shop_id: int, *, kept: int, folded: int, at: int) -> set[int]:
    """Everything of `folded` moves to the living customer behind `kept`; an alias stays. What was told of `folded` is
    from `at` on what was told once. The customers concerned."""
    end = await living(session, shop_id, kept)
    if folded == end or await living(session, shop_id, folded) != folded:
        return set()
    await session.execute(
        "INSERT INTO customers (shop_id, id, created_at, stated_at, merged_into) VALUES ($1, $2, 0, 0, $3)"
        " ON CONFLICT (shop_id, id) DO UPDATE SET created_at = 0, stated_at = 0, merged_into = excluded.merged_into,"
        f" {_NOTHING_OF_CUSTOMER}",
        shop_id,
        folded,
        end,
    )
    for sql in (
        "UPDATE customers SET merged_into = $3 WHERE shop_id = $1 AND merged_into = $2",
        "UPDATE orders SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        "UPDATE touchpoints SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        "UPDATE checkouts SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        "UPDATE shop_events SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        "UPDATE webhook_deliveries SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        "UPDATE data_exports SET customer_id = $3 WHERE shop_id = $1 AND customer_id = $2",
        (
            "INSERT INTO tag_records (shop_id, customer_id, tag, state, written_at)"
            " SELECT shop_id, CAST($3 AS BIGINT), tag, state, written_at"
            " FROM tag_records WHERE shop_id = $1 AND customer_id = $2 ON CONFLICT DO NOTHING"
        ),
        (
            "INSERT INTO offer_responses (shop_id, customer_id, offer_id, response, at)"
            " SELECT shop_id, CAST($3 AS BIGINT), offer_id, response, at"
            " FROM offer_responses WHERE shop_id = $1 AND customer_id = $2 ON CONFLICT DO NOTHING"
        ),
    ):
        await session.execute(sql, shop_id, folded, end)
    await move_offers(session, shop_id, folded, end)
    await _keep_history(session, shop_id, folded, end, at)
    await _forget(session, shop_id, folded)
    return {folded, end}


async def _keep_history(session: Session, shop_id: int, folded: int, end: int, at: int) -> None:
    told = "model, at, from_stage, from_rung, to_stage, to_rung, because, model_version, recorded_at"
    into = f"INSERT INTO stage_transitions_superseded (shop_id, customer_id, {told}, superseded_at, reason)"
    await session.execute(
        f"{into} SELECT shop_id, CAST($3 AS BIGINT), {told}, CAST($4 AS BIGINT), 'merged' FROM stage_transitions"
        " WHERE shop_id = $1 AND customer_id = $2 ON CONFLICT DO NOTHING",
        shop_id, folded, end, at,
    )  # fmt: skip
    await session.execute(
        f"{into} SELECT shop_id, CAST($3 AS BIGINT), {told}, superseded_at, reason FROM stage_transitions_superseded"
        " WHERE shop_id = $1 AND customer_id = $2 ON CONFLICT DO NOTHING",
        shop_id, folded, end,
    )  # fmt: skip


async def delete_order(session: Session, shop_id: int, order_id: int, *, at: int) -> set[int]:
    """The customer whose order it was."""
    owners = await session.fetch("SELECT customer_id FROM orders WHERE shop_id = $1 AND id = $2", shop_id, order_id)
    await session.execute("DELETE FROM orders WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL", shop_id, order_id)
    await session.execute(
        "INSERT INTO orders (shop_id, id, name, created_at, processed_at, stated_at, deleted_at, test, counted,"
        " discounted, currency, total, current_total, refunded, discounts, shipping, items)"
        " VALUES ($1, $2, '', 0, 0, 0, $3, $4, $4, $4, '', 0, 0, 0, 0, 0, 0)"
        " ON CONFLICT (shop_id, id) DO UPDATE SET deleted_at = excluded.deleted_at"
        " WHERE orders.deleted_at > excluded.deleted_at",
        shop_id,
        order_id,
        at,
        False,
    )
    await session.execute("DELETE FROM order_lines WHERE shop_id = $1 AND order_id = $2", shop_id, order_id)
    await session.execute("DELETE FROM refunds WHERE shop_id = $1 AND order_id = $2", shop_id, order_id)
    return {int(row[0]) for row in owners if row[0] is not None}


async def delete_product(session: Session, shop_id: int, product_id: int, *, at: int) -> None:
    await session.execute(
        "DELETE FROM products WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL", shop_id, product_id
    )
    await session.execute(
        "INSERT INTO products (shop_id, id, title, handle, status, product_type, vendor, gift_card, created_at,"
        " stated_at, available, deleted_at) VALUES ($1, $2, '', '', 'ARCHIVED', '', '', $4, 0, 0, $4, $3)"
        " ON CONFLICT (shop_id, id) DO UPDATE SET deleted_at = excluded.deleted_at"
        " WHERE products.deleted_at > excluded.deleted_at",
        shop_id,
        product_id,
        at,
        False,
    )
    await session.execute("DELETE FROM variants WHERE shop_id = $1 AND product_id = $2", shop_id, product_id)


async def forget_shop(session: Session, shop_id: int, *, keep_delivery: str) -> None:
    """Everything held about a shop, but the record that it was done."""
    for table in SHOP_TABLES:
        name = table._meta.db_table  # noqa: SLF001 - Tortoise keeps a table's name there
        if name == "inbox":
            await session.execute(
                "DELETE FROM inbox WHERE shop_id = $1 AND webhook_id <> $2 AND state <> 'done'", shop_id, keep_delivery
            )
        else:
            await session.execute(f"DELETE FROM {name} WHERE shop_id = $1", shop_id)
    await session.execute(
        "UPDATE shops SET name = NULL, primary_host = NULL, access_token = NULL, refresh_token = NULL WHERE id = $1",
        shop_id,
    )


async def _forget(session: Session, shop_id: int, customer_id: int) -> None:
    for table, column in rows_of_customer():
        await session.execute(f"DELETE FROM {table} WHERE shop_id = $1 AND {column} = $2", shop_id, customer_id)
    await orphan_codes(session, shop_id, customer_id)
