"""The tables of what is computed about customers: profiles, what scores are relative to, stages and their history."""

from __future__ import annotations

from typing import ClassVar

from plugin.ledger import fields as column
from plugin.ledger.fact_tables import ShopRow


class Profile(ShopRow):
    r"""The columns that rules read (`plugin/domain/rules/attributes.py`), one row a customer, all computed.

    Lists are texts "\x1fa\x1fb\x1f". `due_at` is the earliest instant at which any verdict about this customer
    could change with no new fact; NULL when none can. `digest` stands for all that the row and the customer's history
    were computed from (`plugin/lifecycle/digests.py`).
    """

    customer_id = column.key()
    orders = column.integer()
    net_spend = column.money()
    paid = column.money()
    refunded = column.money()
    purchase_days = column.integer()
    first_order_at = column.instant(null=True)
    first_order_day = column.day()
    last_order_at = column.instant(null=True)
    last_order_day = column.day()
    return_order_at = column.instant(null=True)
    return_order_day = column.day()
    first_order_items = column.integer(null=True)
    gap_median = column.real()
    last_gap = column.integer(null=True)
    unbroken_days = column.integer()
    laps = column.integer()
    lapse_1 = column.integer(null=True)
    lapse_2 = column.integer(null=True)
    lapse_3 = column.integer(null=True)
    average_order_value = column.real()
    refund_rate = column.real()
    discount_share = column.real()
    rfm_recency = column.integer(null=True)
    rfm_frequency = column.integer(null=True)
    rfm_monetary = column.integer(null=True)
    rfm_group = column.name(null=True, length=32)
    abandoned_checkout_at = column.instant(null=True)
    abandoned_checkout_day = column.day()
    company_id = column.platform_id(null=True)
    created_by_app_id = column.platform_id(null=True)
    account_status = column.name(null=True, length=32)
    added_at = column.instant()
    added_day = column.day(null=False)
    cities = column.text(null=True)
    countries = column.text(null=True)
    regions = column.text(null=True)
    email_domain = column.name(null=True)
    language = column.name(null=True, length=32)
    tags = column.text(null=True)
    email_status = column.name(null=True, length=32)
    sms_status = column.name(null=True, length=32)
    spend_tier = column.name(null=True, length=16)
    subscription_status = column.name(null=True, length=32)
    loyalty_tier = column.name(null=True, length=64)
    loyalty_points = column.integer(null=True)
    last_seen_at = column.instant(null=True)
    last_seen_day = column.day()
    nps_score = column.integer(null=True)
    open_complaint = column.integer(null=True)  # 1: a case is open
    probability_alive = column.real()
    expected_orders = column.real()  # within 90 days
    next_order_at = column.instant(null=True)
    next_order_day = column.day()
    predicted_clv = column.money(null=True)
    replenishment_at = column.instant(null=True)
    replenishment_day = column.day()
    due_at = column.instant(null=True)
    digest = column.integer(null=True)
    computed_at = column.instant()

    class Meta:
        table = "profiles"
        key = ("shop_id", "customer_id")
        indexes: ClassVar = [
            ("shop_id", "due_at"), ("shop_id", "last_order_at", "customer_id"), ("shop_id", "net_spend", "customer_id"),
            ("shop_id", "orders", "customer_id"), ("shop_id", "added_at", "customer_id"),
        ]  # fmt: skip


class RfmPopulation(ShopRow):
    """What RFM scores are relative to, as of the last full recompute: the edges between fifths of the shop's buyers
    ("10,20,30,40"; empty without buyers). One customer is scored against it without reading any other."""

    shop_id = column.key()
    taken_at = column.instant()
    last_order_day = column.text()
    orders = column.text()
    net_spend = column.text()
    days_to_conversion = column.real()  # median, from registering to the first order; NULL without buyers

    class Meta:
        table = "rfm_populations"
        key = ("shop_id",)


class LapseFit(ShopRow):
    """The shop's buying rhythm as of the last full recompute, and what it was taken from. `shape` to `log_likelihood`
    are NULL where there was too little to fit. `observed`: for 0, 1, 2 … days, ten-thousandths of gaps that were
    longer ("9876,9711,…"), each customer counting once."""

    shop_id = column.key()
    fitted_at = column.instant()
    shape = column.real()
    rate = column.real()
    log_likelihood = column.real()
    gaps = column.integer()
    customers = column.integer()
    first_day = column.day()
    last_day = column.day()
    observed = column.text()

    class Meta:
        table = "lapse_fits"
        key = ("shop_id",)


class FactSheet(ShopRow):
    """The latest fact sheet (lifecycle.md, section 6), as JSON of `plugin.domain.fact_sheet.FactSheet`."""

    shop_id = column.key()
    computed_at = column.instant()
    sheet = column.text()

    class Meta:
        table = "fact_sheets"
        key = ("shop_id",)


class Placement(ShopRow):
    """The stage a customer is in now, of each computed model. `because` is a JSON list of reasons."""

    model = column.name(length=64)
    customer_id = column.key()
    stage = column.name(length=64)
    rung = column.integer(null=True)
    since_at = column.instant()
    since_day = column.day(null=False)
    previous_stage = column.name(null=True, length=64)
    valid_until = column.instant(null=True)
    because = column.text()

    class Meta:
        table = "placements"
        key = ("shop_id", "customer_id", "model")
        indexes: ClassVar = [("shop_id", "model", "stage", "customer_id")]


class LifecycleModel(ShopRow):
    """A version of a lifecycle model that the merchant edited or made; it is never changed. `stages` is JSON
    (`plugin/lifecycle/models.py`). Which version is in force stands in `shops.own_models`."""

    model = column.name(length=64)
    version = column.key()
    name = column.name()
    stages = column.text()
    note = column.text(null=True)
    created_at = column.instant()

    class Meta:
        table = "lifecycle_models"
        key = ("shop_id", "model", "version")


class StageTransition(ShopRow):
    """A change of stage or rung, at the instant it became true. `from_stage` NULL: the first placement, or after a time
    in no stage. `to_stage` NULL: no rule of the model holds any more."""

    model = column.name(length=64)
    customer_id = column.platform_id()
    at = column.key()
    from_stage = column.name(null=True, length=64)
    from_rung = column.integer(null=True)
    to_stage = column.name(null=True, length=64)
    to_rung = column.integer(null=True)
    because = column.text()
    model_version = column.integer()
    recorded_at = column.instant()

    class Meta:
        table = "stage_transitions"
        key = ("shop_id", "customer_id", "model", "at")
        indexes: ClassVar = [("shop_id", "model", "at")]


class SupersededTransition(ShopRow):
    """What the stage history said from `recorded_at` until `superseded_at`, and says no more. `reason`: corrected (a
    fact came late, changed or went, or the lapse changed), model (another version of the model) or merged (it was
    said of a customer who was folded into this one)."""

    model = column.name(length=64)
    customer_id = column.platform_id()
    at = column.key()
    from_stage = column.name(null=True, length=64)
    from_rung = column.integer(null=True)
    to_stage = column.name(null=True, length=64)
    to_rung = column.integer(null=True)
    because = column.text()
    model_version = column.integer()
    recorded_at = column.instant()
    superseded_at = column.instant()
    reason = column.name(length=16)

    class Meta:
        table = "stage_transitions_superseded"
        key = ("shop_id", "customer_id", "model", "at", "recorded_at", "reason")
