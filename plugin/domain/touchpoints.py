"""Touchpoints: what passed between the shop and a customer or visitor, beside orders (lifecycle.md, section 8).

Kinds and channels are those of the rule language (segment-language.md, 10.5); `search`, `referral`, `share` and
`collection_view` are of lifecycle.md, the `offer_…` kinds tell what became of an offer that Rebloom made. Orders are
facts of their own and are not recorded here, though a journey shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from plugin.domain.errors import DomainError
from plugin.domain.ids import LARGEST_ID
from plugin.domain.instants import parse_instant
from plugin.domain.offers import OfferPlacement

E = TypeVar("E", bound=StrEnum)

MOST_AT_ONCE: Final = 100
_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
KEPT: Final = 790 * _DAY  # 26 months, as long as the platform keeps browsing and e-mail events
AHEAD: Final = 300 * _SECOND  # a visitor's clock may be wrong by this much
BEHIND_PUBLIC: Final = _DAY  # what the public write key may tell of the past
_OPAQUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._=-]{0,127}")
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._=-]{0,63}")
_HIGHEST_SCORE: Final = 10


class TouchpointKind(StrEnum):
    ORDER = "order"  # this and the next are facts of the shop's, told by nobody else
    REFUND = "refund"
    VISIT = "visit"
    PRODUCT_VIEW = "product_view"
    COLLECTION_VIEW = "collection_view"
    SEARCH = "search"
    CART = "cart"
    CHECKOUT = "checkout"
    EMAIL_SENT = "email_sent"
    EMAIL_OPEN = "email_open"
    EMAIL_CLICK = "email_click"
    SMS_SENT = "sms_sent"
    SMS_CLICK = "sms_click"
    PUSH_SENT = "push_sent"
    PUSH_OPEN = "push_open"
    AD_CLICK = "ad_click"
    FORM = "form"
    SURVEY = "survey"
    SUPPORT = "support"
    REVIEW = "review"
    REFERRAL = "referral"
    SHARE = "share"
    POS_VISIT = "pos_visit"
    OFFER_SHOWN = "offer_shown"
    OFFER_CLICKED = "offer_clicked"
    OFFER_ACCEPTED = "offer_accepted"
    OFFER_DISMISSED = "offer_dismissed"
    OFFER_REDEEMED = "offer_redeemed"
    OFFER_EXPIRED = "offer_expired"
    OTHER = "other"


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    WHATSAPP = "whatsapp"
    WEB = "web"
    APP = "app"
    POS = "pos"
    ADS = "ads"
    SUPPORT = "support"
    OTHER = "other"


class Source(StrEnum):
    """Who told it; ids of events are one source's own, so that nobody can take another's id."""

    PIXEL = "pixel"  # the public write key
    STOREFRONT = "storefront"  # the signed app proxy
    PARTNER = "partner"
    MERCHANT = "merchant"
    REBLOOM = "rebloom"


class Outcome(StrEnum):
    """`COMPLAINT` opens and `RESOLVED` closes a support case (`subject` is its reference); `MACHINE` marks an e-mail
    that a mail program opened by itself."""

    COMPLAINT = "complaint"
    RESOLVED = "resolved"
    MACHINE = "machine"


_K = TouchpointKind
# What the browser of anybody may claim: nothing that earns, nothing that speaks for the shop.
PUBLIC_KINDS: Final = frozenset({
    _K.VISIT, _K.PRODUCT_VIEW, _K.COLLECTION_VIEW, _K.SEARCH, _K.CART, _K.CHECKOUT, _K.AD_CLICK, _K.OFFER_SHOWN,
    _K.OFFER_CLICKED,
})  # fmt: skip
VIEWER_KINDS: Final = PUBLIC_KINDS | {_K.FORM, _K.SURVEY, _K.SHARE}  # what a logged-in customer may say of herself
OWN_KINDS: Final = frozenset({
    _K.ORDER, _K.REFUND, _K.OFFER_ACCEPTED, _K.OFFER_DISMISSED, _K.OFFER_REDEEMED, _K.OFFER_EXPIRED,
})  # fmt: skip
# What we send is no sign of life (segment-language.md, `last_seen_date`).
NOT_SEEN: Final = frozenset({
    _K.EMAIL_SENT, _K.SMS_SENT, _K.PUSH_SENT, _K.OFFER_SHOWN, _K.OFFER_EXPIRED, _K.OFFER_REDEEMED, _K.OTHER,
})  # fmt: skip
_CHANNEL_OF: Final = {
    _K.EMAIL_SENT: Channel.EMAIL, _K.EMAIL_OPEN: Channel.EMAIL, _K.EMAIL_CLICK: Channel.EMAIL,
    _K.SMS_SENT: Channel.SMS, _K.SMS_CLICK: Channel.SMS, _K.PUSH_SENT: Channel.PUSH, _K.PUSH_OPEN: Channel.PUSH,
    _K.AD_CLICK: Channel.ADS, _K.SUPPORT: Channel.SUPPORT, _K.POS_VISIT: Channel.POS,
}  # fmt: skip


class TouchpointError(DomainError):
    """A touchpoint that is none; `field` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Touchpoint:
    """`event_id` is the source's own, so that the same thing told twice is one. Of `customer_id` and `visitor` (an
    opaque id of a browser) at least one is set. `score`: 0 to 10, the answer of a survey or the stars of a review.
    `subject`: what it is about, an opaque reference (offer, campaign, support case). `at`: epoch microseconds.
    `placement` is where an offer was shown, `play` what made it; only Rebloom knows the play."""

    source: Source
    event_id: str
    customer_id: int | None
    visitor: str | None
    kind: TouchpointKind
    channel: Channel
    at: int
    product_id: int | None = None
    collection_id: int | None = None
    subject: str | None = None
    outcome: Outcome | None = None
    score: int | None = None
    placement: OfferPlacement | None = None
    play: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Who tells a touchpoint and what of it is believed. `viewer`: the one customer it may be about, if it is one."""

    source: Source
    kinds: frozenset[TouchpointKind]
    behind: int = KEPT
    viewer: int | None = None


PIXEL: Final = Teller(source=Source.PIXEL, kinds=PUBLIC_KINDS, behind=BEHIND_PUBLIC)
PARTNER: Final = Teller(source=Source.PARTNER, kinds=frozenset(TouchpointKind) - OWN_KINDS)
MERCHANT: Final = Teller(source=Source.MERCHANT, kinds=frozenset(TouchpointKind) - OWN_KINDS)


def storefront(viewer: int | None) -> Teller:
    """A visitor of the shop's pages: as the verified customer, or as nobody."""
    kinds = PUBLIC_KINDS if viewer is None else VIEWER_KINDS
    return Teller(source=Source.STOREFRONT, kinds=kinds, behind=BEHIND_PUBLIC, viewer=viewer)


def read_touchpoint(given: Mapping[str, Any], teller: Teller, *, now: int) -> Touchpoint:
    """A touchpoint as JSON tells it: `id`, `kind`, `channel`, `at`, `customerId`, `visitor`, `productId`,
    `collectionId`, `subject`, `outcome`, `score`, `placement`. Raises TouchpointError naming the field."""
    unknown = sorted(given.keys() - _FIELDS)
    if unknown:
        raise TouchpointError(unknown[0][:40], f"There is no such field; known are {', '.join(sorted(_FIELDS))}.")
    kind = _kind(given.get("kind"), teller)
    customer = teller.viewer if teller.viewer is not None else _id(given, "customerId", "Customer")
    if teller.source is Source.STOREFRONT and given.get("customerId") is not None:
        raise TouchpointError("customerId", "On the storefront the customer is who is logged in, and nobody else.")
    visitor = _text(given, "visitor", _EVENT_ID)
    if customer is None and visitor is None:
        raise TouchpointError("customerId", "Give customerId, or visitor for somebody who is not known.")
    event_id = _text(given, "id", _EVENT_ID)
    if event_id is None:
        raise TouchpointError("id", "Give an id of your own, the same when you send it again: 1 to 64 characters.")
    return Touchpoint(
        source=teller.source,
        event_id=event_id,
        customer_id=customer,
        visitor=visitor,
        kind=kind,
        channel=_member(given.get("channel"), Channel, "channel") or _CHANNEL_OF.get(kind, Channel.WEB),
        at=_at(given.get("at"), teller, now),
        product_id=_id(given, "productId", "Product"),
        collection_id=_id(given, "collectionId", "Collection"),
        subject=_text(given, "subject", _OPAQUE),
        outcome=_member(given.get("outcome"), Outcome, "outcome"),
        score=_score(given.get("score")),
        placement=_member(given.get("placement"), OfferPlacement, "placement"),
    )


_FIELDS: Final = frozenset({
    "id", "kind", "channel", "at", "customerId", "visitor", "productId", "collectionId", "subject", "outcome", "score",
    "placement",
})  # fmt: skip


def _kind(value: object, teller: Teller) -> TouchpointKind:
    kind = _member(value, TouchpointKind, "kind")
    if kind is None:
        raise TouchpointError("kind", f"Give a kind: {', '.join(sorted(teller.kinds))}.")
    if kind not in teller.kinds:
        raise TouchpointError(
            "kind", f"{kind.value} can't be told here; choose from {', '.join(sorted(teller.kinds))}."
        )
    return kind


def _member(value: object, kind: type[E], field: str) -> E | None:
    if value is None:
        return None
    if isinstance(value, str):
        for member in kind:
            if member.value.lower() == value.lower():
                return member
    raise TouchpointError(field, f"{str(value)[:40]!r} is none of {', '.join(sorted(kind))}.")


def _id(given: Mapping[str, Any], field: str, kind: str) -> int | None:
    """A platform id: a GID, or its number as a number or text."""
    value = given.get(field)
    if value is None:
        return None
    digits = str(value).removeprefix(f"gid://shopify/{kind}/")
    if isinstance(value, str | int) and not isinstance(value, bool) and re.fullmatch(r"[1-9][0-9]{0,18}", digits):
        number = int(digits)
        if number <= LARGEST_ID:
            return number
    raise TouchpointError(field, f"{str(value)[:40]!r} is no id; write gid://shopify/{kind}/1.")


def _text(given: Mapping[str, Any], field: str, form: re.Pattern[str]) -> str | None:
    value = given.get(field)
    if value is None:
        return None
    if isinstance(value, str) and form.fullmatch(value):
        return value
    raise TouchpointError(field, "Give letters, digits and : / . _ = - only, no name and no address of a person.")


def _score(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_SCORE:
        return value
    raise TouchpointError("score", f"{str(value)[:40]!r} is no whole number from 0 to {_HIGHEST_SCORE}.")


def _at(value: object, teller: Teller, now: int) -> int:
    """Now when not said; never in the future, so that no fact stands ahead of the clock."""
    if value is None:
        return now
    try:
        at = parse_instant(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise TouchpointError("at", f"{str(value)[:40]!r} is no instant; write 2026-11-26T12:00:00Z.")
    if at > now + AHEAD:
        raise TouchpointError("at", "This instant is in the future; leave `at` out for now.")
    if at < now - teller.behind:
        raise TouchpointError("at", f"This instant is more than {teller.behind // _DAY} days ago.")
    return min(at, now)
