"""The tables of touchpoints, and of the public keys that write them."""

from __future__ import annotations

from typing import ClassVar

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class Touchpoint(ShopRow):
    """What passed between the shop and a customer or visitor (`plugin/domain/touchpoints.py`). `event_id` is its
    source's own; what became of an offer is told by `rebloom`, with the `play` that made it, and only that is counted.
    Personal by its customer and its `visitor`, an opaque id of a browser; no text of a person's."""

    source = column.name(length=16)
    event_id = column.text_key()
    customer_id = column.platform_id(null=True)
    visitor = column.name(null=True, length=64)
    kind = column.name(length=24)
    channel = column.name(length=16)
    at = column.instant()
    product_id = column.platform_id(null=True)
    collection_id = column.platform_id(null=True)
    subject = column.name(null=True, length=128)
    outcome = column.name(null=True, length=16)
    score = column.integer(null=True)
    received_at = column.instant()
    placement = column.name(null=True, length=16)
    play = column.name(null=True, length=64)

    class Meta:
        table = "touchpoints"
        key = ("shop_id", "source", "event_id")
        indexes: ClassVar = [
            ("shop_id", "customer_id", "at"), ("shop_id", "visitor"), ("shop_id", "kind", "at"), ("shop_id", "at"),
        ]  # fmt: skip


class WriteKey(ShopRow):
    """The shop's public key for `POST /touchpoints`: it stands in the shop's pages, so it is no secret and can only
    write. An earlier one is good until it is replaced."""

    shop_id = column.key()
    write_key = column.name(length=64)
    created_at = column.instant()

    class Meta:
        table = "write_keys"
        key = ("shop_id",)
        unique_keys: ClassVar = [("shop_id", "write_key")]
