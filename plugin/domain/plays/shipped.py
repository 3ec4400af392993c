"""The table of lifecycle.md, section 7: every play a shop has before its merchant changes any."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from plugin.domain.offers import Discount, OfferKind, OfferPlacement
from plugin.domain.plays.play import Play, Start

_P, _K = OfferPlacement, OfferKind
_ON_SITE: Final = (_P.HOME, _P.ACCOUNT, _P.CART, _P.CHECKOUT)
_EVERYWHERE: Final = (*_ON_SITE, _P.MESSAGE)
_AFTER_ORDER: Final = (*_EVERYWHERE, _P.THANK_YOU)
_PAGES: Final = (_P.HOME, _P.ACCOUNT, _P.PRODUCT, _P.CART, _P.MESSAGE)
_SILENT: Final = "days_since_last_order"
_DEPARTING: Final = f"lifecycle_stage('buyer-activity') = 'departing' AND {_SILENT}"
_RUNG_QUERIES: Final = (
    f"{_DEPARTING} < lapse_days_rung_2",
    f"{_DEPARTING} >= lapse_days_rung_2 AND {_SILENT} < lapse_days_rung_3",
    f"{_DEPARTING} >= lapse_days_rung_3",
)
_PROMOTER: Final = "nps_score >= 9"
_DAY: Final = 24  # hours


def _percent(*steps: int) -> tuple[Discount, ...]:
    return tuple(Discount(percentage=step) for step in steps)


def _win_back(rung: int, ladder: tuple[int, ...], name: str) -> Play:
    return Play(
        key=f"win-back-{rung}", name=name, kind=_K.WIN_BACK, title="{discount} off when you come back",
        stage="departing", rung=rung, query=_RUNG_QUERIES[rung - 1], placements=_EVERYWHERE, ladder=_percent(*ladder),
        start=Start.LAPSED, valid_days=30, counts_from_install=True, priority=90,
    )  # fmt: skip


def _thanks(orders: int, percentage: int) -> Play:
    return Play(
        key=f"thanks-{orders}", name=f"Thanks for {orders} orders", kind=_K.TIER,
        title="Thank you for {tier}: {discount} off the next one", stage="active",
        query=f"lifecycle_stage('buyer-activity') = 'active' AND number_of_orders = {orders}", placements=_AFTER_ORDER,
        ladder=_percent(percentage), start=Start.LAST_ORDER, valid_days=30, priority=60, tier=f"{orders} orders",
    )  # fmt: skip


_VISITOR: Final = (
    Play(key="welcome", name="First order bonus", kind=_K.WELCOME, title="{discount} off your first order",
         stage="visitor", query="number_of_orders = 0 AND days_since_added < 7", placements=_EVERYWHERE,
         ladder=_percent(10, 15), start=Start.REGISTERED, valid_days=7, schedule=(0, _DAY, 3 * _DAY, 6 * _DAY),
         priority=85),
    Play(key="welcome-reminder", name="Reminder before the first order bonus ends", kind=_K.REMINDER,
         title="Your first order bonus ends soon", stage="visitor",
         query="number_of_orders = 0 AND days_since_added BETWEEN 5 AND 6", placements=(_P.HOME, _P.MESSAGE),
         start=Start.REGISTERED, valid_days=7, schedule=(5 * _DAY,), priority=84),
    Play(key="abandoned-checkout", name="Checkout left open", kind=_K.ABANDONED_CHECKOUT,
         title="Your checkout is still open", stage="visitor",
         query="abandoned_checkout_date >= -4d AND number_of_orders = 0", placements=(_P.HOME, _P.CART, _P.MESSAGE),
         start=Start.CHECKOUT, valid_days=4, schedule=(1, _DAY, 3 * _DAY), priority=88),
    Play(key="abandoned-browse", name="Looked at, with alternatives", kind=_K.ABANDONED_BROWSE,
         title="Still looking? You may like these, too", stage="visitor",
         query="storefront.product_viewed MATCHES (date >= -3d) AND number_of_orders = 0", placements=_PAGES,
         start=Start.MATCHED, valid_days=3, cool_down_days=7, schedule=(_DAY,), priority=50),
    Play(key="popular", name="Popular in this shop", kind=_K.CROSS_SELL, title="Popular in this shop", stage="visitor",
         query="number_of_orders = 0", placements=_PAGES, start=Start.REGISTERED, priority=30),
    Play(key="for-this-visitor", name="Block made for this visitor", kind=_K.PICKS, title="Chosen for you",
         stage="visitor", query="number_of_orders = 0 AND last_seen_date >= -30d", placements=(_P.HOME, _P.ACCOUNT),
         start=Start.REGISTERED, priority=35),
)  # fmt: skip
_NEW_BUYER: Final = (
    Play(key="post-purchase", name="Thanks, how to use, a rating", kind=_K.THANKS,
         title="Thank you for your order: how to get the most out of it", stage="new_buyer",
         query="days_since_last_order <= 21", placements=(_P.THANK_YOU, _P.ACCOUNT, _P.MESSAGE),
         start=Start.LAST_ORDER, valid_days=21, schedule=(0, 3 * _DAY, 14 * _DAY), priority=55, holdout=0),
    Play(key="second-order", name="Second order bonus", kind=_K.SECOND_ORDER, title="{discount} off your second order",
         stage="new_buyer", query="lifecycle_stage('buyer-activity') = 'new_buyer'", placements=_AFTER_ORDER,
         ladder=_percent(10, 15), start=Start.LAST_ORDER, valid_days=30, counts_from_install=True, priority=80),
    Play(key="private-sale", name="Private sale, instead of the bonus", kind=_K.EARLY_ACCESS,
         title="A sale for our new customers only", stage="new_buyer",
         query="lifecycle_stage('buyer-activity') = 'new_buyer'", placements=_AFTER_ORDER, start=Start.LAST_ORDER,
         valid_days=30, priority=75, enabled=False),
    Play(key="next-purchase", name="Goes with the first purchase", kind=_K.CROSS_SELL,
         title="Goes with what you bought", stage="new_buyer",
         query="days_since_last_order <= 14", placements=(_P.THANK_YOU, _P.MESSAGE), start=Start.LAST_ORDER,
         valid_days=14, schedule=(_DAY,), priority=45),
    Play(key="survey", name="Satisfaction survey", kind=_K.SURVEY, title="How likely are you to recommend us?",
         stage="new_buyer", query="days_since_last_order >= 7 AND nps_score IS NULL",
         placements=(_P.ACCOUNT, _P.MESSAGE), start=Start.LAST_ORDER, valid_days=45, schedule=(7 * _DAY,), priority=52,
         holdout=0),
    Play(key="half-way-reminder", name="Reminder at half of the lapse", kind=_K.REMINDER,
         title="Time for something new?", stage="new_buyer", query=f"{_SILENT} >= 0.5 * lapse_days",
         placements=_EVERYWHERE, start=Start.LAST_ORDER, valid_days=730, priority=50),
)  # fmt: skip
_ACTIVE: Final = (
    Play(key="tier", name="Privilege of the tier", kind=_K.TIER, title="{discount} off, for our {tier} members",
         stage="active", query="loyalty_tier IS NOT NULL", placements=_AFTER_ORDER, ladder=_percent(5),
         start=Start.LAST_ORDER, valid_days=30, cool_down_days=90, priority=58),
    Play(key="early-access", name="Early access and the new range", kind=_K.EARLY_ACCESS,
         title="See the new range before everybody else", stage="active",
         query="rfm_group IN ('CHAMPIONS', 'LOYAL')", placements=_EVERYWHERE, start=Start.MATCHED, valid_days=14,
         cool_down_days=60, priority=56),
    Play(key="replenishment", name="Time to replenish", kind=_K.REPLENISHMENT, title="Time to stock up",
         stage="active", query="number_of_orders > 1", placements=(*_EVERYWHERE, _P.PRODUCT),
         start=Start.DUE, valid_days=30, priority=70),
    Play(key="points", name="Points to spend", kind=_K.POINTS, title="Your points are worth a reward", stage="active",
         query="loyalty_points >= 100", placements=_AFTER_ORDER, start=Start.MATCHED, valid_days=30, cool_down_days=30,
         priority=54, holdout=0),
    Play(key="we-miss-you", name="We miss you, at 80 % of the lapse", kind=_K.REMINDER, title="We miss you",
         stage="active", query=f"{_SILENT} >= 0.8 * lapse_days", placements=_EVERYWHERE, start=Start.LAST_ORDER,
         valid_days=730, priority=65),
    Play(key="review", name="Review, asked of promoters", kind=_K.REVIEW, title="Tell others what you think",
         stage="active", query=_PROMOTER, placements=(_P.ACCOUNT, _P.THANK_YOU, _P.MESSAGE), start=Start.MATCHED,
         valid_days=30, cool_down_days=180, priority=42, holdout=0),
    Play(key="referral", name="Referral, asked of promoters", kind=_K.REFERRAL, title="Bring a friend", stage="active",
         query=f"{_PROMOTER} OR rfm_group = 'CHAMPIONS'", placements=(_P.ACCOUNT, _P.THANK_YOU, _P.MESSAGE),
         start=Start.MATCHED, valid_days=60, cool_down_days=180, priority=41),
    *(_thanks(orders, percentage) for orders, percentage in ((5, 5), (10, 10), (25, 15))),
)  # fmt: skip
_DEPARTED: Final = (
    _win_back(1, (10, 15), "Win back, small bonus"),
    _win_back(2, (15, 20), "Win back, larger bonus"),
    _win_back(3, (20, 25), "Win back, largest bonus"),
)
_RETURNED: Final = (
    Play(key="returned", name="Welcome back bonus", kind=_K.RETURN_BONUS,
         title="Good to see you again: {discount} off your next order", stage="returned",
         query="lifecycle_stage('buyer-activity') = 'returned'", placements=_AFTER_ORDER, ladder=_percent(10, 15),
         start=Start.RETURNED, valid_days=30, priority=80),
    Play(key="returned-picks", name="Personal selection after the return", kind=_K.PICKS, title="Chosen for you",
         stage="returned", query="days_since_return <= 30", placements=tuple(_P), start=Start.RETURNED, valid_days=30,
         priority=48),
    Play(key="returned-tips", name="How to use what was bought", kind=_K.TIPS,
         title="Tips for what you bought", stage="returned", query="days_since_return <= 30",
         placements=(_P.ACCOUNT, _P.THANK_YOU, _P.MESSAGE), start=Start.RETURNED, valid_days=30,
         schedule=(2 * _DAY, 10 * _DAY), priority=46, holdout=0),
    Play(key="returned-care", name="Extra attention for 30 days", kind=_K.CARE, title="We are here for you",
         stage="returned", query="days_since_return <= 30", placements=(_P.ACCOUNT, _P.MESSAGE), start=Start.RETURNED,
         valid_days=30, schedule=(_DAY, 14 * _DAY, 27 * _DAY), priority=44),
)  # fmt: skip
_ANY: Final = (
    Play(key="support", name="Follow-up on an open complaint", kind=_K.SUPPORT, title="How can we put it right?",
         query="open_complaint = true", placements=(_P.ACCOUNT, _P.HOME, _P.MESSAGE), start=Start.MATCHED,
         valid_days=14, schedule=(0, 2 * _DAY), priority=100, holdout=0),
    Play(key="anniversary-registered", name="Anniversary of registering", kind=_K.ANNIVERSARY,
         title="Another year with us: {discount} off", query="number_of_orders > 0 AND days_since_added >= 365",
         placements=_EVERYWHERE, ladder=_percent(10), start=Start.REGISTERED_YEARLY, valid_days=14, cool_down_days=300,
         priority=25),
    Play(key="anniversary-first-order", name="Anniversary of the first order", kind=_K.ANNIVERSARY,
         title="A year since your first order: {discount} off",
         query="days_since_first_order >= 365", placements=_EVERYWHERE, ladder=_percent(10),
         start=Start.FIRST_ORDER_YEARLY, valid_days=14, cool_down_days=300, priority=26),
    Play(key="coupon-after-purchase", name="Coupon after each purchase", kind=_K.COUPON,
         title="{discount} off your next order", query="days_since_last_order <= 30", placements=_AFTER_ORDER,
         ladder=_percent(5), start=Start.LAST_ORDER, valid_days=30, priority=20, enabled=False),
    Play(key="cross-sell", name="Goes with what you have", kind=_K.CROSS_SELL, title="Goes with what you have",
         query="number_of_orders > 0", placements=tuple(_P), start=Start.LAST_ORDER, priority=40),
)  # fmt: skip

PLAYS: Final[tuple[Play, ...]] = (*_VISITOR, *_NEW_BUYER, *_ACTIVE, *_DEPARTED, *_RETURNED, *_ANY)
PLAYS_BY_KEY: Final = MappingProxyType({play.key: play for play in PLAYS})
