"""Every place that can hold a person: each column of free text of each shop's table, and what it is.

One line a table. `PERSON`: something of a person; the line says by which column the row is found, so that it is
exported for, and erased with, its customer. `SEALED`: the same, encrypted. `NOBODY`: the shop's own words, settings,
goods and our work. A test fails for a column that is not here, and for a person's row that a redaction leaves
(tests/ledger/test_personal.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PERSON, SEALED, NOBODY = "person", "sealed", "nobody"


@dataclass(frozen=True, slots=True)
class Held:
    """Columns of one table. `by`: the column with the customer's number. `erased`: row (deleted), columns (emptied, the
    row stays for the totals), body (emptied when its work is done)."""

    kind: str
    columns: tuple[str, ...]
    by: str | None = None
    erased: str = "row"


# fmt: off
HELD: Final[dict[str, tuple[Held, ...]]] = {
    "persons": (Held(SEALED, ("sealed",), "id"),),
    "customers": (
        Held(PERSON, (
            "account_status", "email_domain", "email_status", "sms_status", "language", "tags", "country", "region",
            "city", "spend_tier", "shop_rfm_group",
        ), "id", "columns"),
    ),
    "customer_traits": (Held(PERSON, ("kind", "name", "value"), "customer_id"),),
    "profiles": (
        Held(PERSON, (
            "rfm_group", "account_status", "cities", "countries", "regions", "email_domain", "language", "tags",
            "email_status", "sms_status", "spend_tier", "subscription_status", "loyalty_tier",
        ), "customer_id"),
    ),
    "placements": (Held(PERSON, ("model", "stage", "previous_stage", "because"), "customer_id"),),
    "stage_transitions": (Held(PERSON, ("model", "from_stage", "to_stage", "because"), "customer_id"),),
    "stage_transitions_superseded": (
        Held(PERSON, ("model", "from_stage", "to_stage", "because", "reason"), "customer_id"),
    ),
    "segment_members": (Held(PERSON, (), "customer_id"),),
    "segment_events": (Held(PERSON, (), "customer_id"),),
    "shop_events": (
        Held(PERSON, ("kind", "subject", "from_stage", "to_stage", "because"), "customer_id"),
    ),
    "webhook_deliveries": (
        Held(SEALED, ("payload",), "customer_id"),
        Held(NOBODY, ("state", "error")),
    ),
    "offer_responses": (Held(PERSON, ("response",), "customer_id"),),
    "offer_grants": (Held(PERSON, ("play", "kind", "closed_why"), "customer_id"),),
    "offer_codes": (
        Held(PERSON, (), "customer_id", "columns"),
        Held(NOBODY, ("source", "subject", "code", "folded", "state", "title", "error")),  # a code without its customer
    ),
    "offer_redemptions": (Held(PERSON, ("source", "subject"), "customer_id"),),
    "point_spends": (Held(PERSON, (), "customer_id"),),
    "predictions": (Held(PERSON, ("tier",), "customer_id"),),
    "prediction_models": (Held(NOBODY, ("method", "reason")),),
    "loyalty_standings": (Held(PERSON, ("tier",), "customer_id"),),
    "referral_credits": (Held(PERSON, (), "friend_id"), Held(PERSON, (), "referrer_id")),
    "customer_picks": (Held(PERSON, ("use",), "customer_id"),),
    "replenishments": (Held(PERSON, (), "customer_id"),),
    "tag_records": (Held(PERSON, ("tag", "state"), "customer_id"),),
    "unplaced_customers": (Held(PERSON, (), "customer_id"),),
    "push_states": (Held(PERSON, ("stage", "refusal"), "customer_id"),),
    "touchpoints": (
        Held(PERSON, (
            "source", "event_id", "visitor", "kind", "channel", "subject", "outcome", "placement", "play",
        ), "customer_id"),
    ),
    "checkouts": (Held(PERSON, (), "customer_id"),),
    "data_exports": (Held(SEALED, ("sealed",), "customer_id"), Held(NOBODY, ("request_id",))),
    # Orders stay under a number that leads to nobody, so that the shop's totals add up.
    "orders": (
        Held(PERSON, (), "customer_id", "columns"),
        Held(NOBODY, ("name", "currency", "financial_status", "discount_codes")),
    ),
    "inbox": (
        Held(SEALED, ("sealed_body",), None, "body"),
        Held(NOBODY, ("webhook_id", "event_id", "domain", "topic", "state", "reason")),
    ),
    # What is said of the shop, its goods, its settings and our own work.
    "sync_states": (Held(NOBODY, ("phase", "error")),),
    "bulk_runs": (Held(NOBODY, ("kind", "operation", "state")),),
    "set_aside": (Held(NOBODY, ("source", "reason")),),
    "products": (Held(NOBODY, (
        "title", "handle", "status", "product_type", "vendor", "tags", "category", "image_url",
    )),),
    "variants": (Held(NOBODY, ("title", "sku")),),
    "order_lines": (Held(NOBODY, ("title", "sku")),),
    "rfm_populations": (Held(NOBODY, ("last_order_day", "orders", "net_spend")),),
    "lapse_fits": (Held(NOBODY, ("observed",)),),
    "fact_sheets": (Held(NOBODY, ("sheet",)),),
    "lifecycle_models": (Held(NOBODY, ("model", "name", "stages", "note")),),
    "segments": (Held(NOBODY, ("name", "query", "tag")),),
    "push_runs": (Held(NOBODY, ("phase", "error")),),
    "partner_tokens": (Held(NOBODY, ("name", "token_hash", "prefix", "scopes")),),
    "webhook_endpoints": (Held(NOBODY, (
        "url", "query", "kind", "scopes", "secret", "old_secret", "disabled_why",
    )),),
    "write_keys": (Held(NOBODY, ("write_key",)),),
    "offer_settings": (Held(NOBODY, ("plays", "loyalty", "code_secret", "shares")),),
    "play_proofs": (Held(NOBODY, ("play", "incentive")),),  # sums over customers
    "unit_costs": (Held(NOBODY, ("currency",)),),
    "uncosted_products": (Held(NOBODY, ("play",)),),
    "play_versions": (Held(NOBODY, ("play", "content", "note")),),
    "tag_prefixes": (Held(NOBODY, ("prefix",)),),
    "push_files": (Held(NOBODY, ("kind", "operation", "lines")),),  # customers by number, gone with the push
    "recommender_choices": (Held(NOBODY, ("use", "method")),),
    "reconciliations": (Held(NOBODY, ("error",)),),
}
# fmt: on


def tables_of_customer() -> tuple[tuple[str, str], ...]:
    """(table, the column with the customer's number) of whatever is held about a customer."""
    return tuple(
        (table, held.by)
        for table, parts in HELD.items()
        for held in parts
        if held.by is not None and held.kind != NOBODY
    )


def rows_of_customer() -> tuple[tuple[str, str], ...]:
    """Of these, the tables whose rows go with their customer; the others keep a row that says nothing of anybody."""
    return tuple(
        (table, held.by) for table, parts in HELD.items() for held in parts if held.by and held.erased == "row"
    )
