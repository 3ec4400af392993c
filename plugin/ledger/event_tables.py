"""The tables of what is told to listeners. Personal: `shop_events` names customers and says why they moved; redaction
and merge take the rows away (`plugin/ledger/personal.py`), retention does after days."""

from __future__ import annotations

from typing import Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class EventHead(ShopRow):
    """The number of the shop's latest event. Its row is held until the transaction ends that tells one, so that numbers
    are in the order in which events can be seen, and a reader who has come to one has missed none before it."""

    shop_id = column.key()
    told = column.integer()

    class Meta:
        table = "event_heads"
        key = ("shop_id",)


class ShopEvent(ShopRow):
    """See `plugin/domain/events.py`. `noted_at`: when it was told."""

    number = column.key()
    kind = column.name(length=32)
    at = column.instant()
    customer_id = column.platform_id(null=True)
    subject = column.name(length=128)
    from_stage = column.name(null=True, length=64)
    from_rung = column.integer(null=True)
    to_stage = column.name(null=True, length=64)
    to_rung = column.integer(null=True)
    because = column.text(null=True)
    noted_at = column.instant()

    class Meta:
        table = "shop_events"
        key = ("shop_id", "number")


EVENT_TABLES: Final[tuple[type[ShopRow], ...]] = (EventHead, ShopEvent)
