"""The one table of attributes and functions: type, where the value stands, and how it moves with the clock.

Both evaluators, the flip times, the checks, the documentation and the editor's completions come from this table
(segment-language.md, chapters 5, 6 and 10). A *column* is a column of the profile: the same name in the database
table `profiles` and in the in-memory `Batch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from plugin.domain.rules.meanings import ATTRIBUTE_MEANINGS, FUNCTION_MEANINGS


class AttributeType(StrEnum):
    DATE = "date"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"
    RATIO = "ratio"
    STRING = "string"
    ENUM = "enum"
    BOOLEAN = "boolean"
    TEXT_LIST = "list of string"  # compared without regard to case
    CODE_LIST = "list of code"  # compared exactly
    ID = "ID"


NUMERIC: Final = frozenset({AttributeType.INTEGER, AttributeType.DECIMAL, AttributeType.MONEY, AttributeType.RATIO})
LISTS: Final = frozenset({AttributeType.TEXT_LIST, AttributeType.CODE_LIST})


class Storage(StrEnum):
    """How the profile holds a value."""

    INT = "int"  # 64-bit integer
    MONEY = "money"  # 64-bit integer, shop currency, scaled by 10^4
    REAL = "real"  # IEEE double; money quotients in whole currency units
    TEXT = "text"
    DAY = "day"  # `<column>_day` (epoch day in the shop's zone) and `<column>_at` (epoch microseconds)
    DAYS_SINCE = "days_since"  # today minus `<column>_day`: moves with the clock
    LIST = "list"  # text "\x1fa\x1fb\x1f", elements folded for TEXT_LIST; NULL when empty
    STAGE = "stage"  # of a lifecycle model: rows of `placements`
    NOWHERE = "nowhere"  # no part of the product records it: always NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: `nullable` False means a customer without data has 0 or a fixed value instead."""

    name: str
    type: AttributeType
    storage: Storage
    column: str = ""
    values: tuple[str, ...] = ()  # of an enum
    nullable: bool = True
    portable: bool = True  # Shopify knows it, too
    takes_model: bool = False  # `name('model-key')`
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A condition inside MATCHES. Row parameters filter rows, aggregates are computed over the rows left."""

    name: str
    type: AttributeType
    column: str = ""
    aggregate: bool = False
    values: tuple[str, ...] = ()
    operators: frozenset[str] | None = None  # None: all of its type; members of "= != > >= < <= BETWEEN IN"
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """`rows`: `orders`, `order_lines`, `touchpoints` (counted orders among them), `product_views`, `collection_views`,
    or empty while no part of the product records such rows."""

    name: str
    rows: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    portable: bool = True
    description: str = ""

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters without which brackets make no sense."""
        return tuple(name for name, parameter in self.parameters.items() if parameter.required)


_A, _T, _S = Attribute, AttributeType, Storage

RFM_GROUPS: Final = (
    "CHAMPIONS", "LOYAL", "ACTIVE", "NEW", "PROMISING", "NEEDS_ATTENTION", "AT_RISK", "ALMOST_LOST",
    "PREVIOUSLY_LOYAL", "DORMANT", "PROSPECTS",
)  # fmt: skip
_EMAIL = ("SUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "INVALID", "UNSUBSCRIBED", "REDACTED")
_SMS = ("SUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "UNSUBSCRIBED", "REDACTED")
_SUBSCRIPTION = ("ACTIVE", "PAUSED", "CANCELLED", "EXPIRED", "FAILED", "NEVER_SUBSCRIBED")

_SHOPIFY: Final = (
    _A(name="abandoned_checkout_date", type=_T.DATE, storage=_S.DAY, column="abandoned_checkout"),
    _A(name="amount_spent", type=_T.MONEY, storage=_S.MONEY, column="net_spend", nullable=False),
    _A(name="companies", type=_T.ID, storage=_S.INT, column="company_id"),
    _A(name="created_by_app_id", type=_T.ID, storage=_S.INT, column="created_by_app_id"),
    _A(name="customer_account_status", type=_T.ENUM, storage=_S.TEXT, column="account_status",
       values=("DECLINED", "DISABLED", "ENABLED", "INVITED")),
    _A(name="customer_added_date", type=_T.DATE, storage=_S.DAY, column="added"),
    _A(name="customer_cities", type=_T.CODE_LIST, storage=_S.LIST, column="cities"),
    _A(name="customer_countries", type=_T.CODE_LIST, storage=_S.LIST, column="countries"),
    _A(name="customer_regions", type=_T.CODE_LIST, storage=_S.LIST, column="regions"),
    _A(name="customer_email_domain", type=_T.STRING, storage=_S.TEXT, column="email_domain"),
    _A(name="customer_language", type=_T.STRING, storage=_S.TEXT, column="language"),
    _A(name="customer_tags", type=_T.TEXT_LIST, storage=_S.LIST, column="tags"),
    _A(name="email_subscription_status", type=_T.ENUM, storage=_S.TEXT, column="email_status", values=_EMAIL),
    _A(name="sms_subscription_status", type=_T.ENUM, storage=_S.TEXT, column="sms_status", values=_SMS),
    _A(name="first_order_date", type=_T.DATE, storage=_S.DAY, column="first_order"),
    _A(name="last_order_date", type=_T.DATE, storage=_S.DAY, column="last_order"),
    _A(name="number_of_orders", type=_T.INTEGER, storage=_S.INT, column="orders", nullable=False),
    _A(name="predicted_spend_tier", type=_T.ENUM, storage=_S.TEXT, column="spend_tier",
       values=("HIGH", "MEDIUM", "LOW")),
    _A(name="product_subscription_status", type=_T.ENUM, storage=_S.TEXT, column="subscription_status",
       values=_SUBSCRIPTION),
    _A(name="rfm_group", type=_T.ENUM, storage=_S.TEXT, column="rfm_group", values=RFM_GROUPS),
)  # fmt: skip

_OURS: Final = (
    _A(name="lifecycle_stage", type=_T.ENUM, storage=_S.STAGE, column="stage", takes_model=True),
    _A(name="days_in_stage", type=_T.INTEGER, storage=_S.STAGE, column="since", takes_model=True),
    _A(name="previous_stage", type=_T.ENUM, storage=_S.STAGE, column="previous_stage", takes_model=True),
    _A(name="days_since_last_order", type=_T.INTEGER, storage=_S.DAYS_SINCE, column="last_order"),
    _A(name="days_since_first_order", type=_T.INTEGER, storage=_S.DAYS_SINCE, column="first_order"),
    # Of this product, not of segment-language.md: the stage `returned` is a matter of how an earlier silence ended.
    _A(name="days_since_return", type=_T.INTEGER, storage=_S.DAYS_SINCE, column="return_order"),
    _A(name="days_since_added", type=_T.INTEGER, storage=_S.DAYS_SINCE, column="added"),
    _A(name="purchase_days", type=_T.INTEGER, storage=_S.INT, column="purchase_days", nullable=False),
    # Of this product, too: the stage `loyalty` asks for two purchases since the latest lapse, `bonding` counts laps.
    _A(name="unbroken_purchase_days", type=_T.INTEGER, storage=_S.INT, column="unbroken_days", nullable=False),
    _A(name="laps", type=_T.INTEGER, storage=_S.INT, column="laps", nullable=False),
    _A(name="order_gap_median_days", type=_T.DECIMAL, storage=_S.REAL, column="gap_median"),
    _A(name="last_order_gap_days", type=_T.INTEGER, storage=_S.INT, column="last_gap"),
    _A(name="lapse_days", type=_T.INTEGER, storage=_S.INT, column="lapse_1"),
    _A(name="lapse_days_rung_2", type=_T.INTEGER, storage=_S.INT, column="lapse_2"),
    _A(name="lapse_days_rung_3", type=_T.INTEGER, storage=_S.INT, column="lapse_3"),
    _A(name="first_order_items", type=_T.INTEGER, storage=_S.INT, column="first_order_items"),
    _A(name="average_order_value", type=_T.MONEY, storage=_S.REAL, column="average_order_value"),
    _A(name="refund_rate", type=_T.RATIO, storage=_S.REAL, column="refund_rate"),
    _A(name="discount_order_share", type=_T.RATIO, storage=_S.REAL, column="discount_share"),
    _A(name="rfm_recency", type=_T.INTEGER, storage=_S.INT, column="rfm_recency"),
    _A(name="rfm_frequency", type=_T.INTEGER, storage=_S.INT, column="rfm_frequency"),
    _A(name="rfm_monetary", type=_T.INTEGER, storage=_S.INT, column="rfm_monetary"),
    _A(name="probability_alive", type=_T.RATIO, storage=_S.REAL, column="probability_alive"),
    _A(name="expected_orders_90d", type=_T.DECIMAL, storage=_S.REAL, column="expected_orders"),
    _A(name="predicted_next_order_date", type=_T.DATE, storage=_S.DAY, column="next_order"),
    _A(name="predicted_clv", type=_T.MONEY, storage=_S.MONEY, column="predicted_clv"),
    _A(name="next_replenishment_date", type=_T.DATE, storage=_S.DAY, column="replenishment"),
    _A(name="last_seen_date", type=_T.DATE, storage=_S.DAY, column="last_seen"),
    _A(name="nps_score", type=_T.INTEGER, storage=_S.INT, column="nps_score"),
    _A(name="loyalty_tier", type=_T.STRING, storage=_S.TEXT, column="loyalty_tier"),
    _A(name="loyalty_points", type=_T.INTEGER, storage=_S.INT, column="loyalty_points"),
    # Of this product, too: while one is open nothing is sold (lifecycle.md, section 7).
    _A(name="open_complaint", type=_T.BOOLEAN, storage=_S.INT, column="open_complaint", nullable=False),
)  # fmt: skip

ATTRIBUTES: Final[Mapping[str, Attribute]] = MappingProxyType(
    {
        attribute.name: replace(attribute, description=ATTRIBUTE_MEANINGS.get(attribute.name, ""))
        for attribute in (*_SHOPIFY, *(replace(each, portable=False) for each in _OURS))  # Shopify does not know ours
    }
)

_ID_OPERATORS = frozenset({"=", "!=", "IN", "NOT IN"})
_EQUALS = frozenset({"="})


def _parameters(*parameters: Parameter) -> Mapping[str, Parameter]:
    return MappingProxyType({p.name: p for p in parameters})


_P = Parameter
_COUNT = _P(name="count", type=_T.INTEGER, aggregate=True)
_ACTIVITY = _parameters(
    _P(name="activity_id", type=_T.ID, operators=_ID_OPERATORS), _P(name="date", type=_T.DATE), _COUNT
)

_FUNCTIONS: Final = (
    Function(name="products_purchased", rows="order_lines", parameters=_parameters(
        _P(name="id", type=_T.ID, column="product_id", operators=_ID_OPERATORS),
        _P(name="tag", type=_T.TEXT_LIST, column="product_tags", operators=_EQUALS),
        _P(name="category", type=_T.STRING, column="product_category", operators=_EQUALS),
        _P(name="date", type=_T.DATE, column="processed_at"),
        _P(name="quantity", type=_T.INTEGER, column="quantity"),
        _P(name="count", type=_T.INTEGER, aggregate=True),  # of distinct orders
        _P(name="sum_quantity", type=_T.INTEGER, aggregate=True),
    )),
    Function(name="orders_placed", rows="orders", parameters=_parameters(
        _P(name="date", type=_T.DATE, column="processed_at"),
        _P(name="amount", type=_T.MONEY, column="total"),
        _P(name="app_id", type=_T.ID, column="app_id", operators=_ID_OPERATORS),
        _P(name="location_id", type=_T.ID, column="location_id", operators=_ID_OPERATORS),
        _COUNT,
        _P(name="sum_amount", type=_T.MONEY, aggregate=True),
    )),
    *(Function(name=f"shopify_email.{event}", rows="", parameters=_ACTIVITY)
      for event in ("bounced", "clicked", "delivered", "marked_as_spam", "opened", "unsubscribed")),
    Function(name="storefront.product_viewed", rows="product_views", parameters=_parameters(
        _P(name="id", type=_T.ID, column="product_id", operators=_ID_OPERATORS),
        _P(name="date", type=_T.DATE, column="processed_at"),
        _P(name="tag", type=_T.TEXT_LIST, column="product_tags", operators=_EQUALS), _COUNT)),
    Function(name="storefront.collection_viewed", rows="collection_views", parameters=_parameters(
        _P(name="id", type=_T.ID, column="collection_id", operators=_ID_OPERATORS),
        _P(name="date", type=_T.DATE, column="processed_at"), _COUNT)),
    Function(name="store_credit_accounts", rows="", parameters=_parameters(
        _P(name="currency", type=_T.STRING), _P(name="balance", type=_T.DECIMAL),
        _P(name="next_expiry_date", type=_T.DATE), _P(name="last_credit_date", type=_T.DATE))),
    Function(name="customer_within_distance", rows="", parameters=_parameters(
        _P(name="coordinates", type=_T.STRING, operators=_EQUALS, required=True),
        _P(name="distance_km", type=_T.DECIMAL, operators=frozenset({"=", "<="})),
        _P(name="distance_mi", type=_T.DECIMAL, operators=frozenset({"=", "<="})))),
    Function(name="touchpoints", rows="touchpoints", portable=False, parameters=_parameters(
        _P(name="kind", type=_T.ENUM, column="kind", operators=_ID_OPERATORS, values=(
            "order", "visit", "product_view", "cart", "checkout", "email_sent", "email_open", "email_click", "sms_sent",
            "sms_click", "push_sent", "push_open", "ad_click", "form", "survey", "support", "review", "pos_visit",
            "other", "search", "referral", "share",  # these three of lifecycle.md, section 8; the rest of this product
            "collection_view", "offer_shown", "offer_clicked", "offer_accepted", "offer_dismissed", "offer_redeemed",
            "offer_expired")),
        _P(name="channel", type=_T.ENUM, column="channel", operators=_ID_OPERATORS, values=(
            "email", "sms", "push", "whatsapp", "web", "app", "pos", "ads", "support", "other")),
        _P(name="date", type=_T.DATE, column="processed_at"), _COUNT)),
    Function(name="in_holdout", rows="", portable=False, parameters=_parameters(
        _P(name="key", type=_T.STRING, operators=_ID_OPERATORS), _P(name="date", type=_T.DATE))),
)  # fmt: skip

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {function.name: replace(function, description=FUNCTION_MEANINGS.get(function.name, "")) for function in _FUNCTIONS}
)
