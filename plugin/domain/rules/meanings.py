"""One sentence on each attribute and function, for the editor's completions and the documentation.

"Counted orders" are neither test orders nor deleted, cancelled, fully refunded or in the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ATTRIBUTE_MEANINGS: Final[Mapping[str, str]] = MappingProxyType({
    "abandoned_checkout_date": "Day of the latest abandoned checkout.",
    "amount_spent": "Lifetime spend over counted orders, less refunds, in the shop's currency.",
    "companies": "B2B company of which the customer is a contact.",
    "created_by_app_id": "App that created the customer.",
    "customer_account_status": "State of the customer's account in the shop.",
    "customer_added_date": "Day the customer's record was created in the shop.",
    "customer_cities": "Cities of the saved addresses, as US-CA-LosAngeles.",
    "customer_countries": "Countries of the saved addresses, two letters.",
    "customer_regions": "Regions of the saved addresses, as US-CA.",
    "customer_email_domain": "The part of the e-mail address after @.",
    "customer_language": "Language of the customer, such as en or pt-BR.",
    "customer_tags": "Tags of the customer; letter case does not matter.",
    "email_subscription_status": "Consent to marketing by e-mail.",
    "sms_subscription_status": "Consent to marketing by SMS.",
    "first_order_date": "Day of the first counted order.",
    "last_order_date": "Day of the last counted order.",
    "number_of_orders": "Counted orders, lifetime.",
    "predicted_spend_tier": "Predicted spend of the following year, in three tiers.",
    "product_subscription_status": "State of the customer's product subscriptions.",
    "rfm_group": "Group by recency, frequency and spend.",
    "lifecycle_stage": "Stage in which the customer is, in the default model or a named one.",
    "days_in_stage": "Days since the customer entered the current stage; 0 on that day.",
    "previous_stage": "Stage held just before the current one.",
    "days_since_last_order": "Days since the last purchase day; 0 is today.",
    "days_since_first_order": "Days since the first purchase day; 0 is today.",
    "days_since_return": "Days since the first order after a silence that counted as a lapse.",
    "days_since_added": "Days since the customer's record was created.",
    "purchase_days": "Days with at least one counted order, lifetime.",
    "unbroken_purchase_days": "Purchase days since the latest lapse ended, with the day that ended it; all if none.",
    "laps": "1 from the first order on, and 1 more for each order of a customer who was bonding by her orders.",
    "order_gap_median_days": "Median of the days between two purchase days.",
    "last_order_gap_days": "Days between the last two purchase days.",
    "lapse_days": "Days of silence after which this customer counts as lapsed.",
    "lapse_days_rung_2": "Days of silence after which this customer reaches the second rung of departing.",
    "lapse_days_rung_3": "Days of silence after which this customer reaches the third rung of departing.",
    "first_order_items": "Units on the first counted order, before refunds.",
    "average_order_value": "amount_spent divided by number_of_orders.",
    "refund_rate": "Money refunded divided by money paid, from 0 to 1.",
    "discount_order_share": "Share of counted orders with a discount, from 0 to 1.",
    "rfm_recency": "Recency score from 1 to 5; 5 is the most recent fifth of the shop.",
    "rfm_frequency": "Order count score from 1 to 5; 5 is the top fifth of the shop.",
    "rfm_monetary": "Spend score from 1 to 5; 5 is the top fifth of the shop.",
    "probability_alive": "Probability, from 0 to 1, that the customer will order again.",
    "expected_orders_90d": "Expected number of counted orders in the next 90 days.",
    "predicted_next_order_date": "First day by which the next order is more likely than not.",
    "predicted_clv": "Expected spend of the next 365 days.",
    "next_replenishment_date": "Earliest day on which something bought is used up; may be past. Missing: nothing is.",
    "last_seen_date": "Latest day on which the customer did something.",
    "nps_score": "Latest answer to the 0-to-10 question.",
    "loyalty_tier": "Tier in the shop's loyalty program; missing without one, or below the lowest tier.",
    "loyalty_points": "Loyalty points that can be spent; missing without a loyalty program.",
    "open_complaint": "Whether a complaint of the customer is open.",
})  # fmt: skip

FUNCTION_MEANINGS: Final[Mapping[str, str]] = MappingProxyType({
    "products_purchased": "Lines of counted orders.",
    "orders_placed": "Counted orders.",
    "shopify_email.bounced": "E-mails that could not be delivered.",
    "shopify_email.clicked": "E-mails with a click.",
    "shopify_email.delivered": "E-mails that were delivered.",
    "shopify_email.marked_as_spam": "E-mails marked as spam.",
    "shopify_email.opened": "E-mails that were opened.",
    "shopify_email.unsubscribed": "E-mails that led to an unsubscription.",
    "storefront.product_viewed": "Views of a product in the online store.",
    "storefront.collection_viewed": "Views of a collection in the online store.",
    "store_credit_accounts": "Store credit accounts.",
    "customer_within_distance": "Saved addresses near a point.",
    "touchpoints": "Everything recorded between shop and customer.",
    "in_holdout": "Holdouts and experiments that the customer is assigned to.",
})  # fmt: skip
