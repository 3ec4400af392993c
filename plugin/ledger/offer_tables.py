"""The tables of plays, offers, codes and loyalty.

Personal: `offer_grants`, `offer_codes`, `offer_redemptions`, `point_spends` and `referral_credits` say what a customer
was given and did, by the customer's number; none holds a name or an address. Redaction deletes them, a merge moves
them (`plugin/ledger/offer_removals.py`).
"""

from __future__ import annotations

from typing import ClassVar, Final

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class OfferSettings(ShopRow):
    """What a merchant set about offers: JSON of the plays in force that are not as shipped, and of the loyalty
    program. `code_secret`, sealed, is what makes codes unguessable; it is drawn once and never changed.
    `shares`: JSON of the holdout's share by play, where it was set by what the shop's size can show."""

    shop_id = column.key()
    plays = column.text(null=True)
    loyalty = column.text(null=True)
    code_secret = column.text(null=True)
    shares = column.text(null=True)

    class Meta:
        table = "offer_settings"
        key = ("shop_id",)


class PlayVersion(ShopRow):
    """A version of a play that the merchant edited or made; it is never changed. `content` is JSON
    (`plugin/lifecycle/plays.py`). Which version is in force stands in `offer_settings.plays`."""

    play = column.name(length=64)
    version = column.key()
    content = column.text()
    note = column.text(null=True)
    created_at = column.instant()

    class Meta:
        table = "play_versions"
        key = ("shop_id", "play", "version")


class OfferGrant(ShopRow):
    """An offer that was decided: given, or `held` back by the play's holdout so that both can be compared.
    `period`: the day of the event it counts from; `share` of the holdout then, ten-thousandths (NULL: not on record).
    `closed_why`: stage, off, ended, dismissed, redeemed or merged."""

    customer_id = column.platform_id()
    offer_id = column.key()
    play = column.name(length=64)
    play_version = column.integer()
    kind = column.name(length=32)
    rung = column.integer(null=True)
    period = column.integer()
    held = column.flag()
    percentage = column.integer(null=True)
    amount = column.money(null=True)
    cost = column.money(null=True)
    granted_at = column.instant()
    until_at = column.instant(null=True)
    closed_at = column.instant(null=True)
    closed_why = column.name(null=True, length=16)
    share = column.integer(null=True)

    class Meta:
        table = "offer_grants"
        key = ("shop_id", "customer_id", "offer_id")
        indexes: ClassVar = [("shop_id", "play", "granted_at")]


class OfferCode(ShopRow):
    """A discount code of ours. `source`: play, coupon or referral, and `subject` which of them. `state`: intended (the
    shop may have it as it stands here, or not yet), active, closing (to be withdrawn), idle (withdrawn or run out:
    used for the customer's next offer of the play), refused, or leaving (its customer is gone: to be deleted in the
    shop, then here). `customer_id` 0: nobody's any more. `discount_id` NULL: the shop was not seen to have it."""

    code_id = column.key()
    customer_id = column.platform_id()
    source = column.name(length=16)
    subject = column.name(length=64)
    offer_id = column.platform_id(null=True)
    code = column.name(length=64)
    folded = column.name(length=64)
    state = column.name(length=16)
    title = column.name()
    percentage = column.integer(null=True)
    amount = column.money(null=True)
    starts_at = column.instant()
    ends_at = column.instant(null=True)
    discount_id = column.platform_id(null=True)
    error = column.text(null=True)
    created_at = column.instant()
    changed_at = column.instant()
    redeemed_at = column.instant(null=True)

    class Meta:
        table = "offer_codes"
        key = ("shop_id", "code_id")
        unique_keys: ClassVar = [("shop_id", "folded")]
        indexes: ClassVar = [("shop_id", "customer_id"), ("shop_id", "state")]


class OfferRedemption(ShopRow):
    """An order in which a code of ours was used, as the orders say now. `customer_id` is who ordered (NULL: a guest);
    `voided_at` when the order was cancelled or refunded in full."""

    order_id = column.platform_id()
    code_id = column.key()
    customer_id = column.platform_id(null=True)
    source = column.name(length=16)
    subject = column.name(length=64)
    offer_id = column.platform_id(null=True)
    at = column.instant()
    voided_at = column.instant(null=True)

    class Meta:
        table = "offer_redemptions"
        key = ("shop_id", "order_id", "code_id")
        indexes: ClassVar = [("shop_id", "customer_id"), ("shop_id", "code_id")]


class PointSpend(ShopRow):
    """Points that a customer gave for a coupon: the one fact of the ledger that the shop does not state."""

    customer_id = column.platform_id()
    id = column.key()
    points = column.integer()
    at = column.instant()
    code_id = column.platform_id()

    class Meta:
        table = "point_spends"
        key = ("shop_id", "customer_id", "id")


class LoyaltyStanding(ShopRow):
    """What rules read of a member: the tier (NULL below the lowest) and the points that can be spent, and when points
    expire next. Computed; no row of who is no member."""

    customer_id = column.key()
    tier = column.name(null=True, length=64)
    points = column.integer()
    next_at = column.instant(null=True)

    class Meta:
        table = "loyalty_standings"
        key = ("shop_id", "customer_id")
        indexes: ClassVar = [("shop_id", "next_at")]


class ReferralCredit(ShopRow):
    """A friend whose first order came through somebody's referral code; one friend is credited once."""

    friend_id = column.key()
    referrer_id = column.platform_id()
    order_id = column.platform_id()
    code_id = column.platform_id()
    at = column.instant()

    class Meta:
        table = "referral_credits"
        key = ("shop_id", "friend_id")
        indexes: ClassVar = [("shop_id", "referrer_id")]


OFFER_TABLES: Final[tuple[type[ShopRow], ...]] = (
    OfferSettings, PlayVersion, OfferGrant, OfferCode, OfferRedemption, PointSpend, LoyaltyStanding, ReferralCredit,
)  # fmt: skip
