"""What to offer whom, why, until when and at what cost: the plays as data, and the one function that decides.

Plays and their ladder are `lifecycle.md` section 7. Nothing is stored to make an offer: the same facts give the same
offer with the same id in any process, and an answer to it (accepted, dismissed) names that id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Final

from plugin.domain.ids import LARGEST_ID
from plugin.domain.money import amount_text

DAY_US: Final = 86_400_000_000


class OfferKind(StrEnum):
    CROSS_SELL = "CROSS_SELL"
    WELCOME = "WELCOME"
    SECOND_ORDER = "SECOND_ORDER"
    WIN_BACK = "WIN_BACK"
    RETURN_BONUS = "RETURN_BONUS"
    TIER = "TIER"


class OfferPlacement(StrEnum):
    """Where an offer can be shown. MESSAGE needs the customer's consent to be written to."""

    CART = "CART"
    CHECKOUT = "CHECKOUT"
    THANK_YOU = "THANK_YOU"
    PRODUCT = "PRODUCT"
    HOME = "HOME"
    ACCOUNT = "ACCOUNT"
    MESSAGE = "MESSAGE"


class OfferResponse(StrEnum):
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class Start(StrEnum):
    """The event an offer counts its days from; that event's day is also its period, so that each gives one offer."""

    REGISTERED = "registered"
    LAST_ORDER = "last_order"
    LAPSED = "lapsed"  # the day on which the rung began
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a stage calls for. `query` is the trigger in the rule language, for the merchant to read and, later, edit;
    `stage`, `rung` and `orders` say the same to the engine."""

    key: str
    name: str
    kind: OfferKind
    stage: str | None  # of buyer-activity; None: any
    rung: int | None = None
    orders: int | None = None  # exactly this many orders
    query: str
    placements: tuple[OfferPlacement, ...]
    percentage: int | None = None
    start: Start
    valid_days: int | None = None
    # A customer who lapsed long before the app was installed still gets the whole term, once.
    counts_from_install: bool = False
    priority: int
    tier: str | None = None


_P = OfferPlacement
_ON_SITE: Final = (_P.HOME, _P.ACCOUNT, _P.CART, _P.CHECKOUT)
_EVERYWHERE: Final = (*_ON_SITE, _P.MESSAGE)
_SILENT: Final = "days_since_last_order"
_DEPARTING: Final = f"lifecycle_stage = 'departing' AND {_SILENT}"
_RUNG_QUERIES: Final = (
    f"{_DEPARTING} < lapse_days_rung_2",
    f"{_DEPARTING} >= lapse_days_rung_2 AND {_SILENT} < lapse_days_rung_3",
    f"{_DEPARTING} >= lapse_days_rung_3",
)


def _win_back(rung: int, percentage: int, name: str) -> Play:
    return Play(
        key=f"win-back-{rung}", name=name, kind=OfferKind.WIN_BACK, stage="departing", rung=rung,
        query=_RUNG_QUERIES[rung - 1], placements=_EVERYWHERE, percentage=percentage, start=Start.LAPSED, valid_days=30,
        counts_from_install=True, priority=90,
    )  # fmt: skip


def _thanks(orders: int, percentage: int) -> Play:
    return Play(
        key=f"thanks-{orders}", name=f"Thanks for {orders} orders", kind=OfferKind.TIER, stage="active", orders=orders,
        query=f"lifecycle_stage = 'active' AND number_of_orders = {orders}", placements=(*_EVERYWHERE, _P.THANK_YOU),
        percentage=percentage, start=Start.LAST_ORDER, valid_days=30, priority=60, tier=f"{orders} orders",
    )  # fmt: skip


PLAYS: Final[tuple[Play, ...]] = (
    _win_back(1, 10, "Win back, small bonus"),
    _win_back(2, 15, "Win back, larger bonus"),
    _win_back(3, 20, "Win back, largest bonus"),
    Play(key="welcome", name="First order bonus", kind=OfferKind.WELCOME, stage="visitor",
         query="number_of_orders = 0 AND days_since_added < 7", placements=_EVERYWHERE, percentage=10,
         start=Start.REGISTERED, valid_days=7, priority=85),
    Play(key="second-order", name="Second order bonus", kind=OfferKind.SECOND_ORDER, stage="new_buyer",
         query="lifecycle_stage = 'new_buyer'", placements=(*_EVERYWHERE, _P.THANK_YOU), percentage=10,
         start=Start.LAST_ORDER, valid_days=30, counts_from_install=True, priority=80),
    Play(key="returned", name="Welcome back bonus", kind=OfferKind.RETURN_BONUS, stage="returned",
         query="lifecycle_stage = 'returned'", placements=(*_EVERYWHERE, _P.THANK_YOU), percentage=10,
         start=Start.RETURNED, valid_days=30, priority=80),
    _thanks(5, 5),
    _thanks(10, 10),
    _thanks(25, 15),
    Play(key="cross-sell", name="Goes with what you have", kind=OfferKind.CROSS_SELL, stage=None,
         query="number_of_orders > 0", placements=tuple(OfferPlacement), start=Start.LAST_ORDER, priority=40),
    Play(key="popular", name="Popular in this shop", kind=OfferKind.CROSS_SELL, stage="visitor",
         query="number_of_orders = 0", placements=(_P.HOME, _P.ACCOUNT, _P.PRODUCT, _P.CART, _P.MESSAGE),
         start=Start.REGISTERED, priority=30),
)  # fmt: skip
PLAYS_BY_KEY: Final = {play.key: play for play in PLAYS}

_TITLES: Final = {
    OfferKind.WELCOME: "{percentage} % off your first order",
    OfferKind.SECOND_ORDER: "{percentage} % off your second order",
    OfferKind.WIN_BACK: "{percentage} % off when you come back",
    OfferKind.RETURN_BONUS: "Good to see you again: {percentage} % off your next order",
    OfferKind.TIER: "Thank you for {tier}: {percentage} % off the next one",
}


@dataclass(frozen=True, slots=True)
class OfferReason:
    """One comparison that led to an offer, and its sentence."""

    measure: str
    value: str
    operator: str
    threshold: str
    text: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A product to offer. `anchor_id` is what it was bought with (None: it is simply popular), `together` by how many
    customers (of a popular product: its buyers), `lift` how many times more often than chance."""

    product_id: int
    score: float
    lift: float | None
    together: int
    anchor_id: int | None
    because: tuple[OfferReason, ...]


@dataclass(frozen=True, slots=True)
class Discount:
    """Percent off the whole order."""

    percentage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDecision:
    """`valid_until` epoch microseconds; `cost` is what the merchant should expect to give away, ten-thousandths of the
    shop's currency. A cross-sell has `products`, a loyalty offer a `discount`."""

    id: int
    customer_id: int
    kind: OfferKind
    title: str
    because: tuple[OfferReason, ...]
    valid_until: int | None
    code: str | None
    cost: int | None
    play: Play
    products: tuple[Recommendation, ...] = ()
    discount: Discount | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the engine knows of one customer when it decides. Instants in epoch microseconds, days as epoch days in the
    shop's zone, money in ten-thousandths. `stage` is of the model buyer-activity."""

    customer_id: int
    stage: str
    rung: int | None
    added_at: int
    added_day: int
    orders: int
    net_spend: int
    last_order_at: int | None
    last_order_day: int | None
    return_order_at: int | None
    return_order_day: int | None
    lapse_days: tuple[int | None, int | None, int | None]
    contactable: bool
    today: int


def offer_id(shop_id: int, customer_id: int, play: str, subject: int, period: int) -> int:
    """The number of an offer, 1..2^63-1, the same in every process: nothing need be stored to accept or dismiss it."""
    text = f"{shop_id}/{customer_id}/{play}/{subject}/{period}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) % LARGEST_ID + 1


def plays_for(situation: Situation, placement: OfferPlacement | None, plays: Iterable[Play] = PLAYS) -> list[Play]:
    """The plays whose stage, rung and place fit, best first. No message goes to someone who agreed to none."""
    if placement is OfferPlacement.MESSAGE and not situation.contactable:
        return []
    fitting = [play for play in plays if _fits(play, situation) and (placement is None or placement in play.placements)]
    return sorted(fitting, key=lambda play: (-play.priority, play.key))


def _fits(play: Play, situation: Situation) -> bool:
    return (
        play.stage in (None, situation.stage)
        and play.rung in (None, situation.rung)
        and play.orders in (None, situation.orders)
        and _started(play, situation) is not None
    )


def _started(play: Play, situation: Situation) -> tuple[int, int] | None:
    """The instant and the day (the offer's period) of what `play` counts from; None when that never happened."""
    match play.start:
        case Start.REGISTERED:
            return situation.added_at, situation.added_day
        case Start.RETURNED:
            return _event(situation.return_order_at, situation.return_order_day)
        case Start.LAST_ORDER:
            return _event(situation.last_order_at, situation.last_order_day)
        case Start.LAPSED:
            began = _rung_begins(situation, play.rung or 1)
            return _event(began, situation.last_order_day)


def _event(at: int | None, day: int | None) -> tuple[int, int] | None:
    return None if at is None or day is None else (at, day)


def _rung_begins(situation: Situation, rung: int) -> int | None:
    days = situation.lapse_days[rung - 1] if rung <= len(situation.lapse_days) else None
    return None if days is None or situation.last_order_at is None else situation.last_order_at + days * DAY_US


def valid_until(play: Play, situation: Situation, *, installed_at: int) -> int | None:
    """When the offer ends: its term, but not past the day on which the next rung takes its place."""
    started = _started(play, situation)
    if play.valid_days is None or started is None:
        return None
    start = max(started[0], installed_at) if play.counts_from_install else started[0]
    ends = [start + play.valid_days * DAY_US]
    if play.start is Start.LAPSED:
        ends.append(_rung_begins(situation, (play.rung or 1) + 1) or ends[0])
    if play.kind is OfferKind.SECOND_ORDER:
        ends.append(_rung_begins(situation, 1) or ends[0])
    return min(ends)


def loyalty_offer(
    shop_id: int, play: Play, situation: Situation, *, installed_at: int, now: int, shop_order_value: int | None
) -> OfferDecision | None:
    """The bonus of `play`, or None once it has expired. `shop_order_value` stands in for the mean order value of
    someone who has not ordered."""
    started = _started(play, situation)
    until = valid_until(play, situation, installed_at=installed_at)
    if started is None or until is None or until <= now or play.percentage is None:
        return None
    cost, cost_reason = _expected_cost(play.percentage, situation, shop_order_value)
    return OfferDecision(
        id=offer_id(shop_id, situation.customer_id, play.key, 0, started[1]),
        customer_id=situation.customer_id,
        kind=play.kind,
        title=_TITLES[play.kind].format(percentage=play.percentage, tier=play.tier),
        because=(*_stage_reasons(play, situation), *cost_reason),
        valid_until=until,
        code=None,  # redeemable codes are made in the shop by a later part of the product
        cost=cost,
        play=play,
        discount=Discount(play.percentage),
        tier=play.tier,
    )


def cross_sell_offer(
    shop_id: int, play: Play, situation: Situation, products: Sequence[Recommendation]
) -> OfferDecision | None:
    """The products of `play` as one offer, which costs the merchant nothing; None without products. A new order makes
    it a new offer."""
    started = _started(play, situation)
    if started is None or not products:
        return None
    return OfferDecision(
        id=offer_id(shop_id, situation.customer_id, play.key, 0, started[1]),
        customer_id=situation.customer_id,
        kind=play.kind,
        title=play.name,
        because=products[0].because,
        valid_until=None,
        code=None,
        cost=0,
        play=play,
        products=tuple(products),
    )


def _expected_cost(
    percentage: int, situation: Situation, shop_order_value: int | None
) -> tuple[int | None, tuple[OfferReason, ...]]:
    """Percent of the mean order value: what the bonus is expected to cost when it is used once."""
    own = situation.orders > 0 and situation.net_spend > 0
    value = _rounded(Decimal(situation.net_spend) / situation.orders) if own else shop_order_value
    if not value or value < 0:
        return None, ()
    cost = _rounded(Decimal(value) * percentage / 100)
    whose = "the customer's" if own else "the shop's"
    shown = amount_text(_cents(value))
    text = f"expected cost {amount_text(_cents(cost))}: {percentage} % of {whose} mean order of {shown}"
    return cost, (OfferReason("average_order_value", shown, "*", f"{percentage} %", text),)


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _cents(scaled: int) -> int:
    """For reading: two decimals."""
    return _rounded(Decimal(scaled) / 100) * 100


def _stage_reasons(play: Play, situation: Situation) -> tuple[OfferReason, ...]:
    stage = situation.stage if situation.rung is None else f"{situation.stage}, rung {situation.rung}"
    reasons = [OfferReason("lifecycle_stage", situation.stage, "=", situation.stage, f"stage: {stage}")]
    since_order = None if situation.last_order_day is None else situation.today - situation.last_order_day
    since_added = situation.today - situation.added_day
    match play.kind:
        case OfferKind.WELCOME:
            reasons.append(_days("days_since_added", since_added, "<", play.valid_days, "registered {} days ago"))
        case OfferKind.WIN_BACK:
            lapse = situation.lapse_days[(play.rung or 1) - 1]
            reasons.append(_days("days_since_last_order", since_order, ">=", lapse, "no order for {} days"))
        case OfferKind.RETURN_BONUS:
            back = None if situation.return_order_day is None else situation.today - situation.return_order_day
            reasons.append(_days("days_since_return", back, "<", play.valid_days, "came back {} days ago"))
        case _:
            count = str(situation.orders)
            wanted = str(play.orders or 1)
            plural = "" if situation.orders == 1 else "s"
            reasons.append(OfferReason("number_of_orders", count, "=", wanted, f"{count} order{plural} so far"))
    return tuple(reasons)


def _days(measure: str, value: int | None, operator: str, threshold: int | None, text: str) -> OfferReason:
    return OfferReason(measure, str(value), operator, str(threshold), text.format(value))


def together_reason(anchor_title: str, together: int, lift: float) -> OfferReason:
    who = "1 customer" if together == 1 else f"{together} customers"
    text = f"bought with {anchor_title} by {who}, {lift:.1f} times more often than chance"
    return OfferReason("bought_together", str(together), "lift", f"{lift:.1f}", text)


def popular_reason(buyers: int) -> OfferReason:
    who = "1 customer" if buyers == 1 else f"{buyers} customers"
    return OfferReason("buyers", str(buyers), ">", "0", f"bought by {who} in the last 90 days of the shop's history")
