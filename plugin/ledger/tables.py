"""The tables. Every row belongs to one shop, and the shop stands first in every key and index.

Tortoise wants one primary key field; the real key, made by the migrations, is `Meta.key`, which begins with
`shop_id` (see `plugin/ledger/shop_table.py`). Bulk reads and writes go through `database.py`, small ones through these
classes. A person stands in `persons` alone, and sealed in `inbox`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from tortoise import fields
from tortoise.models import Model

from plugin.ledger import fields as column
from plugin.ledger.computed_tables import (
    FactSheet,
    LapseFit,
    LifecycleModel,
    Placement,
    Profile,
    RfmPopulation,
    StageTransition,
    SupersededTransition,
)
from plugin.ledger.delivery_tables import DELIVERY_TABLES
from plugin.ledger.event_tables import EVENT_TABLES
from plugin.ledger.fact_tables import (
    BulkRun,
    Customer,
    InboxDelivery,
    Order,
    OrderLine,
    Person,
    Product,
    Refund,
    SetAside,
    ShopRow,
    SyncState,
    Variant,
)
from plugin.ledger.job_tables import JOB_TABLES
from plugin.ledger.offer_tables import OFFER_TABLES
from plugin.ledger.prediction_tables import PREDICTION_TABLES
from plugin.ledger.proof_tables import PROOF_TABLES
from plugin.ledger.recommendation_tables import RECOMMENDATION_TABLES
from plugin.ledger.touchpoint_tables import Touchpoint, WriteKey
from plugin.ledger.webhook_tables import WEBHOOK_TABLES


class Shop(Model):
    """An installation. Tokens are sealed; `status` is installed, no_access or uninstalled."""

    id = fields.IntField(primary_key=True)
    domain = fields.CharField(max_length=255, unique=True)
    platform_id = column.platform_id(null=True)
    name = column.name(null=True)
    currency = column.name(null=True, length=3)
    timezone = column.name(null=True)
    primary_host = column.name(null=True)
    status = column.name(length=16)
    status_reason = column.text(null=True)
    access_token = column.text(null=True)
    refresh_token = column.text(null=True)
    access_expires_at = column.instant(null=True)
    refresh_expires_at = column.instant(null=True)
    refreshing_until = column.instant(null=True)  # one process is asking for new tokens, until then at most
    granted_scopes = column.text(null=True)
    installed_at = column.instant()
    uninstalled_at = column.instant(null=True)
    primary_model = column.name()
    tag_prefix = column.name(length=32)
    lapse_ladder = column.name(length=64)  # "90,180,360"
    lapse_mode = column.name(null=True, length=16)  # FIXED, ADAPTIVE or AUTO; NULL until the merchant chooses: AUTO
    lapse_quantiles = column.name(null=True, length=96)  # "0.8,0.9,0.95"; NULL until the merchant chooses
    computed_models = column.text(null=True)  # keys of lifecycle models, "a,b"; NULL for all
    optional_stages = column.name(null=True, length=8)
    own_models = column.text(null=True)  # JSON of the merchant's lifecycle models in force

    class Meta:
        table = "shops"


class InstallState(Model):
    """A `state` handed out for one installing browser; only its hash is kept, and it is spent once."""

    state_hash = fields.CharField(max_length=64, primary_key=True)
    domain = column.name()
    created_at = column.instant()

    class Meta:
        table = "install_states"


class DatabaseMark(Model):
    """Facts of this database itself: a sealed text that proves the encryption key fits."""

    key = fields.CharField(max_length=64, primary_key=True)
    value = column.text()

    class Meta:
        table = "meta"


class Executor(Model):
    """A process that takes jobs, and when it last said that it lives (seconds since the epoch)."""

    id = fields.CharField(max_length=64, primary_key=True)
    beat_at = fields.FloatField()

    class Meta:
        table = "executors"


class Segment(ShopRow):
    """A named rule. `query` as the merchant typed it; `tag` NULL when the segment asks for none."""

    id = column.key()
    name = column.name()
    query = column.text()
    tag = column.name(null=True)
    created_at = column.instant()
    updated_at = column.instant()

    class Meta:
        table = "segments"
        key = ("shop_id", "id")
        unique_keys: ClassVar = [("shop_id", "name")]


class SegmentMember(ShopRow):
    segment_id = column.platform_id()
    customer_id = column.key()
    joined_at = column.instant()

    class Meta:
        table = "segment_members"
        key = ("shop_id", "segment_id", "customer_id")
        indexes: ClassVar = [("shop_id", "customer_id", "segment_id")]


class SegmentEvent(ShopRow):
    """Somebody joined (`change` 1) or left (-1) a segment; 0: both at the one instant. The sum of changes up to an
    instant is how many were members then. `at`: when the verdict flipped, as far as known (`memberships.py`)."""

    segment_id = column.platform_id()
    at = column.instant()
    customer_id = column.key()
    change = column.integer()

    class Meta:
        table = "segment_events"
        key = ("shop_id", "segment_id", "at", "customer_id")
        indexes: ClassVar = [("shop_id", "customer_id")]


class CoPurchase(ShopRow):
    """`rank` 1 is what to offer first beside `product_id`. `together`: customers who bought both."""

    product_id = column.platform_id()
    rank = column.key()
    other_id = column.platform_id()
    together = column.integer()
    lift = column.real(null=False)
    score = column.real(null=False)

    class Meta:
        table = "copurchases"
        key = ("shop_id", "product_id", "rank")


class ProductRank(ShopRow):
    """Popularity: distinct buyers of the last 90 days of the shop's history."""

    rank = column.key()
    product_id = column.platform_id()
    buyers = column.integer()

    class Meta:
        table = "product_ranks"
        key = ("shop_id", "rank")


class OfferResponse(ShopRow):
    """What a customer did with an offer: accepted or dismissed."""

    offer_id = column.key()
    customer_id = column.platform_id()
    response = column.name(length=16)
    at = column.instant()

    class Meta:
        table = "offer_responses"
        key = ("shop_id", "customer_id", "offer_id")


class TagRecord(ShopRow):
    """A tag in the shop that Rebloom wrote and may therefore remove. `state` at `written_at`: intended (about to be
    written; the shop may have it or not), written, or removed (kept until the shop states the customer's tags again,
    so that an older statement is not taken for a tag of the merchant's own)."""

    customer_id = column.platform_id()
    tag = column.text_key()
    state = column.name(length=8)
    written_at = column.instant()

    class Meta:
        table = "tag_records"
        key = ("shop_id", "customer_id", "tag")


class PushState(ShopRow):
    """The stage metafields last written, and the shop's last refusal for this customer."""

    customer_id = column.key()
    stage = column.name(null=True, length=64)
    stage_since_day = column.day()
    refusal = column.text(null=True)
    pushed_at = column.instant()

    class Meta:
        table = "push_states"
        key = ("shop_id", "customer_id")


class PushRun(ShopRow):
    """The latest tag push of a shop, for `shop.tagPush`."""

    shop_id = column.key()
    phase = column.name(length=16)
    dry_run = column.flag()
    customers = column.integer()
    added = column.integer()
    removed = column.integer()
    skipped = column.integer()
    refused = column.integer()
    started_at = column.instant()
    finished_at = column.instant(null=True)
    error = column.text(null=True)

    class Meta:
        table = "push_runs"
        key = ("shop_id",)


class PartnerToken(ShopRow):
    """A partner's credential: only the hash is kept; `prefix` is what people recognise it by."""

    id = column.key()
    name = column.name()
    token_hash = column.name(length=64)
    prefix = column.name(length=16)
    scopes = column.text()
    created_at = column.instant()
    revoked_at = column.instant(null=True)

    class Meta:
        table = "partner_tokens"
        key = ("shop_id", "id")
        unique_keys: ClassVar = [("shop_id", "token_hash")]


SHOP_TABLES: Final[tuple[type[ShopRow], ...]] = (
    SyncState, BulkRun, SetAside, Customer, Person, Product, Variant, Order, OrderLine, Refund, Profile,
    RfmPopulation, LapseFit, FactSheet, Placement, LifecycleModel, StageTransition, SupersededTransition, Segment,
    SegmentMember, SegmentEvent, CoPurchase, ProductRank, OfferResponse, TagRecord, PushState, PushRun, InboxDelivery,
    PartnerToken, Touchpoint, WriteKey, *OFFER_TABLES, *JOB_TABLES, *DELIVERY_TABLES, *RECOMMENDATION_TABLES,
    *PREDICTION_TABLES, *PROOF_TABLES, *EVENT_TABLES, *WEBHOOK_TABLES,
)  # fmt: skip
