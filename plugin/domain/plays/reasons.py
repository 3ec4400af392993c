"""What an offer says of itself: its title, the comparisons that led to it, and what it may cost."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from plugin.domain.money import amount_text
from plugin.domain.offers import Discount, OfferKind, OfferReason
from plugin.domain.plays.play import Play, Start
from plugin.domain.plays.situation import Event, Situation, started

_SINCE: Final = {
    Start.REGISTERED: ("days_since_added", "registered {}"),
    Start.FIRST_ORDER: ("days_since_first_order", "first ordered {}"),
    Start.LAST_ORDER: ("days_since_last_order", "last ordered {}"),
    Start.RETURNED: ("days_since_return", "came back {}"),
    Start.CHECKOUT: ("abandoned_checkout_date", "left a checkout {}"),
    Start.REGISTERED_YEARLY: ("customer_added_date", "anniversary of registering {}"),
    Start.FIRST_ORDER_YEARLY: ("first_order_date", "anniversary of the first order {}"),
    Start.DUE: ("next_replenishment_date", "due {}"),
}


def title_of(play: Play, tier: str | None, situation: Situation, incentive: Discount | None) -> str:
    """Words in braces that are not ours stay as the merchant wrote them."""
    title = play.title
    for word, value in (
        ("{discount}", discount_text(incentive) if incentive else ""),
        ("{tier}", tier or "loyal"),
        ("{orders}", str(situation.orders)),
    ):
        title = title.replace(word, value)
    return title


def discount_text(discount: Discount) -> str:
    if discount.percentage is not None:
        return f"{discount.percentage} %"
    return amount_text(discount.amount or 0)


def reasons_for(play: Play, situation: Situation) -> tuple[OfferReason, ...]:
    """The stage, the event the offer counts from, and the history that speaks for the customer."""
    reasons = []
    standing = situation.standing(play.model)
    if play.stage is not None and standing is not None:
        where = standing.stage if standing.rung is None else f"{standing.stage}, rung {standing.rung}"
        reasons.append(OfferReason("lifecycle_stage", standing.stage, "=", play.stage, f"stage: {where}"))
    event = started(play, situation)
    if play.start is Start.LAPSED:
        reasons.append(_silence(play, situation))
    elif event is not None and play.start in _SINCE:
        reasons.append(_since(play, event, situation))
    if situation.orders:
        count = str(situation.orders)
        text = f"{count} order{'' if situation.orders == 1 else 's'} so far"
        reasons.append(OfferReason("number_of_orders", count, ">", "0", text))
    if play.kind is OfferKind.WIN_BACK and situation.net_spend > 0:
        spent = amount_text(cents(situation.net_spend))
        reasons.append(OfferReason("amount_spent", spent, ">", "0", f"spent {spent} so far"))
    return tuple(reasons)


def _silence(play: Play, situation: Situation) -> OfferReason:
    last = situation.last_order
    silent = None if last is None else situation.today - last.day
    threshold = situation.lapse_days[(play.rung or 1) - 1] if (play.rung or 1) <= len(situation.lapse_days) else None
    text = f"no order for {silent} days"
    return OfferReason("days_since_last_order", str(silent), ">=", str(threshold), text)


def _since(play: Play, event: Event, situation: Situation) -> OfferReason:
    measure, text = _SINCE[play.start]
    due = situation.due if play.start is Start.DUE else None
    days = situation.today - (event.day if due is None else due.day)
    when = f"{days} day{'' if days == 1 else 's'} ago" if days >= 0 else f"in {-days} day{'' if days == -1 else 's'}"
    bound = str(play.valid_days) if play.valid_days is not None else "any"
    return OfferReason(measure, str(days), "<", bound, text.format(when))


def cost_of(discount: Discount | None, situation: Situation) -> tuple[int | None, tuple[OfferReason, ...]]:
    """What the merchant should expect to give away when the offer is used once: the percentage of the customer's mean
    order (of the shop's, for someone who has not ordered), or the amount, but not more than that order. 0 without a
    discount, None where nobody has ordered yet."""
    if discount is None:
        return 0, ()
    own = situation.orders > 0 and situation.net_spend > 0
    value = _rounded(Decimal(situation.net_spend) / situation.orders) if own else situation.shop_order_value
    if discount.percentage is None:
        cost = min(discount.amount or 0, value) if value and value > 0 else discount.amount or 0
        shown = amount_text(cents(cost))
        return cost, (OfferReason("discount", shown, "=", shown, f"expected cost {shown}"),)
    if not value or value < 0:
        return None, ()
    cost = _rounded(Decimal(value) * discount.percentage / 100)
    whose = "the customer's" if own else "the shop's"
    shown, percentage = amount_text(cents(value)), f"{discount.percentage} %"
    text = f"expected cost {amount_text(cents(cost))}: {percentage} of {whose} mean order of {shown}"
    return cost, (OfferReason("average_order_value", shown, "*", percentage, text),)


def cents(scaled: int) -> int:
    """For reading: two decimals."""
    return _rounded(Decimal(scaled) / 100) * 100


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
