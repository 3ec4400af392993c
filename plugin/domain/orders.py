"""When an order stops counting."""

from __future__ import annotations

from collections.abc import Iterable

from plugin.domain.facts import OrderFact, RefundFact


def voided_at(order: OrderFact) -> int | None:
    """The instant from which `order` no longer counts: cancelled, or refunded in full; None while it counts."""
    return void_instant(order.cancelled_at, order.total, order.refunds or ())


def void_instant(cancelled_at: int | None, total: int, refunds: Iterable[RefundFact]) -> int | None:
    """The earlier of the cancellation and the refund that brought the sum to `total` (which must be above 0: a free
    order cannot be refunded in full)."""
    refunded = _refunded_in_full_at(total, refunds)
    known = [instant for instant in (cancelled_at, refunded) if instant is not None]
    return min(known, default=None)


def _refunded_in_full_at(total: int, refunds: Iterable[RefundFact]) -> int | None:
    left = total
    if left <= 0:
        return None
    for refund in sorted(refunds, key=lambda refund: (refund.at, refund.id)):
        left -= refund.amount
        if left <= 0:
            return refund.at
    return None
