"""An offer: what it is for, where it is shown, why it is made, and its number. The engine that makes them is
`plugin/domain/plays/decide.py`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plugin.domain.ids import LARGEST_ID

DAY_US: Final = 86_400_000_000
_GID: Final = "gid://rebloom/Offer/"
_LONGEST_NUMBER: Final = 19  # digits of 2^63


class OfferKind(StrEnum):
    CROSS_SELL = "CROSS_SELL"
    WELCOME = "WELCOME"
    SECOND_ORDER = "SECOND_ORDER"
    WIN_BACK = "WIN_BACK"
    RETURN_BONUS = "RETURN_BONUS"
    TIER = "TIER"
    PICKS = "PICKS"
    REPLENISHMENT = "REPLENISHMENT"
    ABANDONED_CHECKOUT = "ABANDONED_CHECKOUT"
    ABANDONED_BROWSE = "ABANDONED_BROWSE"
    ANNIVERSARY = "ANNIVERSARY"
    COUPON = "COUPON"
    POINTS = "POINTS"
    EARLY_ACCESS = "EARLY_ACCESS"
    REFERRAL = "REFERRAL"
    REVIEW = "REVIEW"
    SURVEY = "SURVEY"
    REMINDER = "REMINDER"
    THANKS = "THANKS"
    TIPS = "TIPS"
    CARE = "CARE"
    SUPPORT = "SUPPORT"


# What consists of products: nothing to show, no offer.
PRODUCT_KINDS: Final = frozenset({OfferKind.CROSS_SELL, OfferKind.PICKS, OfferKind.ABANDONED_BROWSE})


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
    """Off the whole order, once: `percentage`, or `amount` in ten-thousandths of the shop's currency."""

    percentage: int | None = None
    amount: int | None = None


def offer_id(shop_id: int, customer_id: int, play: str, subject: int, period: int) -> int:
    """The number of an offer, 1..2^63-1, the same in every process: nothing need be stored to accept or dismiss it."""
    text = f"{shop_id}/{customer_id}/{play}/{subject}/{period}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) % LARGEST_ID + 1


def offer_gid(customer_id: int, number: int) -> str:
    """An offer is computed, so its id says whose it is, too."""
    return f"{_GID}{customer_id}-{number}"


def read_offer_gid(text: str) -> tuple[int, int] | None:
    """(customer, offer); None for anything else."""
    customer, _, number = text.removeprefix(_GID).partition("-")
    if text.startswith(_GID) and _is_number(customer) and _is_number(number):
        return int(customer), int(number)
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER and 0 < int(text) <= LARGEST_ID


_TELLING: Final = 1.05  # below it is chance, to one decimal


def again_reason(orders: int) -> OfferReason:
    times = "once" if orders == 1 else f"{orders} times"
    return OfferReason("own_orders", str(orders), ">", "0", f"bought {times} before")


def together_reason(anchor_title: str, together: int, lift: float) -> OfferReason:
    who = "1 customer" if together == 1 else f"{together} customers"
    text = f"bought with {anchor_title} by {who}"
    if lift >= _TELLING:
        text += f", {lift:.1f} times more often than chance"
    return OfferReason("bought_together", str(together), "lift", f"{lift:.1f}", text)


def popular_reason(buyers: int) -> OfferReason:
    who = "1 customer" if buyers == 1 else f"{buyers} customers"
    return OfferReason("buyers", str(buyers), ">", "0", f"bought by {who} in the last 90 days of the shop's history")
