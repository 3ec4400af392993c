"""The five lifecycle models that ship, as texts (lifecycle.md, section 4): change a rule here and nowhere else.

Within a model the rules exclude each other and cover everybody, so the order in which they are asked does not matter,
and each may be copied into a segment as it stands. Stages stand in the order of the journey.

What the field's texts leave open is settled so:
- "In the last 30 days" is today and the 29 days before it: `> -30d`, as with `days_since_return < 30`.
- One occasion is one purchase day: two orders of one day make nobody a repeat buyer.
- The use and support period of what was bought (`experience`) lasts until the customer should have bought again.
- Who is lapsed stands where the same acts would put somebody who never bought, at `consideration` at least;
  `StagePlacement.lapsed` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class StageText:
    """`rungs` are rules, too. `query_without` is the rule while the model's optional stages are off: they must still
    cover everybody then."""

    key: str
    name: str
    meaning: str
    query: str
    query_without: str | None = None
    optional: bool = False
    rungs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelText:
    """`source` names the text that the stages are taken from."""

    key: str
    name: str
    source: str
    stages: tuple[StageText, ...]


_BUYER_ACTIVITY = ModelText(
    key="buyer-activity", name="Buyer activity", source="002_100c901b39bcaa0f.txt",
    stages=(
        StageText(
            key="visitor", name="Visitor", meaning="Known to the shop, but has no order that counts.",
            query="number_of_orders = 0",
        ),
        StageText(
            key="new_buyer", name="New buyer",
            meaning="Bought on exactly one day, and has been silent for less than lapse_days.",
            query="purchase_days = 1 AND days_since_last_order < lapse_days",
        ),
        StageText(
            key="active", name="Active",
            meaning="Bought on two days or more, has been silent for less than lapse_days, and did not just come back.",
            query="purchase_days >= 2 AND days_since_last_order < lapse_days AND NOT days_since_return < 30",
        ),
        StageText(
            key="departing", name="Departing",
            meaning="Silent for lapse_days or more: should have bought by now. The rung says how long the silence is.",
            query="days_since_last_order >= lapse_days",
            rungs=(
                "days_since_last_order >= lapse_days",
                "days_since_last_order >= lapse_days_rung_2",
                "days_since_last_order >= lapse_days_rung_3",
            ),
        ),
        StageText(
            key="returned", name="Returned",
            meaning="Was departing, then ordered: for 30 days from that order, the month of greatest attention.",
            query="days_since_return < 30 AND days_since_last_order < lapse_days",
        ),
    ),
)  # fmt: skip

_CONTACTABLE = "(email_subscription_status = 'SUBSCRIBED' OR sms_subscription_status = 'SUBSCRIBED')"
_OPEN_CART = "(abandoned_checkout_date > -30d OR touchpoints MATCHES (kind IN ('cart', 'checkout'), date > -30d))"

_REACH_LOYALTY = ModelText(
    key="reach-loyalty", name="Reach to loyalty", source="000_6526cb1f10bded32.txt",
    stages=(
        StageText(
            key="reach", name="Reach", meaning="Known, but may not be written to; has neither ordered nor a cart.",
            query=f"number_of_orders = 0 AND NOT {_OPEN_CART} AND NOT {_CONTACTABLE}",
        ),
        StageText(
            key="acquisition", name="Acquisition",
            meaning="Agreed to e-mail or SMS; has no order, and nothing in a cart.",
            query=f"number_of_orders = 0 AND NOT {_OPEN_CART} AND {_CONTACTABLE}",
        ),
        StageText(
            key="conversion", name="Conversion",
            meaning="Had a cart or checkout open in the last 30 days, and no order yet.",
            query=f"number_of_orders = 0 AND {_OPEN_CART}",
        ),
        StageText(
            key="retention", name="Retention",
            meaning="Bought on one day, or on several, but is lapsed or has bought only once since coming back.",
            query="number_of_orders > 0 AND NOT (unbroken_purchase_days >= 2 AND days_since_last_order < lapse_days)",
        ),
        StageText(
            key="loyalty", name="Loyalty",
            meaning="Bought on two days or more without a lapse between them, and is not lapsed: never was, or is back "
            "for two.",
            query="unbroken_purchase_days >= 2 AND days_since_last_order < lapse_days",
        ),
    ),
)  # fmt: skip

_BONDED = "(nps_score >= 9 OR touchpoints MATCHES (kind IN ('review', 'referral')))"
_STAYS = f"(purchase_days >= 3 AND days_since_last_order < lapse_days OR {_BONDED[1:-1]})"
_UNBOUND = f"NOT days_since_last_order < 7 AND NOT days_since_last_order < lapse_days AND NOT {_BONDED}"
_EVALUATES = (
    "(abandoned_checkout_date > -30d OR storefront.product_viewed MATCHES (date > -30d) OR touchpoints MATCHES"
    " (kind IN ('product_view', 'search', 'cart', 'checkout', 'support'), date > -30d))"
)
_FOLLOWS = (
    f"({_CONTACTABLE[1:-1]} OR shopify_email.opened MATCHES () OR shopify_email.clicked MATCHES () OR touchpoints"
    " MATCHES (kind IN ('email_open', 'email_click', 'sms_click', 'push_open', 'ad_click', 'form')))"
)

_AWARENESS_BONDING = ModelText(
    key="awareness-bonding", name="Awareness to bonding", source="001_d71d4faa6369ce09.txt",
    stages=(
        StageText(
            key="awareness", name="Awareness",
            meaning="Known only: owns nothing in use, looks at nothing, follows nothing.",
            query=f"{_UNBOUND} AND NOT {_EVALUATES} AND NOT {_FOLLOWS}",
            query_without=f"{_UNBOUND} AND NOT {_EVALUATES}",
        ),
        StageText(
            key="engagement", name="Engagement", optional=True,
            meaning="Follows the shop: agreed to messages, opened or clicked one, or answered a form.",
            query=f"{_UNBOUND} AND NOT {_EVALUATES} AND {_FOLLOWS}",
        ),
        StageText(
            key="evaluation", name="Evaluation",
            meaning="In 30 days looked at products, searched, had a cart or asked support; owns nothing in use.",
            query=f"{_UNBOUND} AND {_EVALUATES}",
        ),
        StageText(
            key="purchase", name="Purchase",
            meaning="In the 7 days from an order, be it the first or the start of a new lap.",
            query="days_since_last_order < 7",
        ),
        StageText(
            key="experience", name="Experience",
            meaning="Bought on one day or two, and uses it: from the 7th day until the next purchase should have come.",
            query="days_since_last_order >= 7 AND days_since_last_order < lapse_days AND purchase_days < 3"
            f" AND NOT {_BONDED}",
        ),
        StageText(
            key="bonding", name="Bonding",
            meaning="Bought on three days or more and is not lapsed, or is a promoter, a reviewer or a referrer. A new "
            "order starts a new lap.",
            query=f"NOT days_since_last_order < 7 AND {_STAYS}",
        ),
    ),
)  # fmt: skip

_ADVOCATE = "(nps_score >= 9 OR touchpoints MATCHES (kind IN ('review', 'referral', 'share')))"
_CONSIDERS = (
    "(abandoned_checkout_date > -30d OR storefront.product_viewed MATCHES (date > -30d) OR touchpoints MATCHES"
    " (kind IN ('product_view', 'search', 'cart', 'checkout', 'form', 'support'), date > -30d))"
)


def _to_advocacy(first_order: StageText) -> tuple[StageText, ...]:
    """Two of the field's texts tell the same journey and differ in what they call the time after the first order."""
    return (
        StageText(
            key="awareness", name="Awareness", meaning="Known; has not ordered, and looks at nothing.",
            query=f"number_of_orders = 0 AND NOT {_CONSIDERS} AND NOT {_ADVOCATE}",
        ),
        StageText(
            key="consideration", name="Consideration",
            meaning="In the last 30 days looked at products, searched, asked or filled a cart, and has not ordered; or "
            "ordered, and is lapsed.",
            query=f"number_of_orders = 0 AND {_CONSIDERS} AND NOT {_ADVOCATE} OR days_since_last_order >= lapse_days",
        ),
        first_order,
        StageText(
            key="retention", name="Retention", meaning="Bought on two days or more, and is not lapsed.",
            query=f"purchase_days >= 2 AND days_since_last_order < lapse_days AND NOT {_ADVOCATE}",
        ),
        StageText(
            key="advocacy", name="Advocacy", meaning="Promoter, reviewer, referrer or sharer, and not lapsed.",
            query=f"{_ADVOCATE} AND NOT days_since_last_order >= lapse_days",
        ),
    )  # fmt: skip


def _first_order(key: str, name: str) -> StageText:
    return StageText(
        key=key, name=name, meaning="From the first order until the second occasion or the lapse.",
        query=f"purchase_days = 1 AND days_since_last_order < lapse_days AND NOT {_ADVOCATE}",
    )  # fmt: skip


_JOURNEY_FUNNEL: Final = ModelText(
    key="journey-funnel", name="Journey funnel", source="004_ee64d9ff82d3b374.txt",
    stages=_to_advocacy(_first_order("purchase", "Purchase")),
)  # fmt: skip

SHIPPED: Final = (
    _BUYER_ACTIVITY,
    _REACH_LOYALTY,
    _AWARENESS_BONDING,
    ModelText(
        key="awareness-advocacy", name="Awareness to advocacy", source="003_264792ea664a6fde.txt",
        stages=_to_advocacy(_first_order("conversion", "Conversion")),
    ),
    _JOURNEY_FUNNEL,
)  # fmt: skip


def _of_contacts(stage: StageText) -> StageText:
    return replace(stage, query=f"companies IS NOT NULL AND ({stage.query})")


# Not computed by themselves: a merchant saves one as a model of her own. Customers who are nobody's contact stand in no
# stage of it.
VARIANTS: Final[Mapping[str, tuple[ModelText, ...]]] = MappingProxyType({
    "journey-funnel": (
        replace(
            _JOURNEY_FUNNEL, key="journey-funnel-b2b", name="Journey funnel, B2B: company contacts",
            stages=tuple(map(_of_contacts, _JOURNEY_FUNNEL.stages)),
        ),
    ),
})  # fmt: skip
