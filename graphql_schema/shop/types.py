"""The shop: how far its copy is, what was pushed back, who else has access."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, instant
from graphql_schema.errors import UserError
from graphql_schema.predictions.types import PredictionModel, prediction_model
from graphql_schema.recommendations.types import Recommender, recommender_of
from graphql_schema.shop.lapse import Lapse, lapse_of
from graphql_schema.shop.upkeep import DataRequest, Reconciliation, data_requests_of, reconciliation_of
from graphql_schema.stages.types import LifecycleModel, model_named, model_type
from plugin.domain.ids import gid
from plugin.ledger import readers
from plugin.ledger.readers import PushRow, SyncRow
from plugin.ledger.recommendations import choices_of
from plugin.ledger.touchpoints import present_key
from plugin.lifecycle.choice import computed_of
from plugin.lifecycle.lapse_fits import read_fit
from plugin.lifecycle.models import models_of
from plugin.partners import PartnerTokenInfo, list_tokens
from plugin.shops import ShopContext
from plugin.sync.reconcile import reconciliation_row

_SHOP = [Access(scope=Scope.READ_SHOP)]


@strawberry.enum(description="How far the copy of the shop is; between WAITING and DONE it names what is being copied.")
class SyncPhase(StrEnum):
    WAITING = "WAITING"
    SHOP = "SHOP"
    PRODUCTS = "PRODUCTS"
    CUSTOMERS = "CUSTOMERS"
    ORDERS = "ORDERS"
    DONE = "DONE"
    FAILED = "FAILED"


@strawberry.enum(
    description="Whether optional stages are computed. AUTO: where half of the buyers took more than a week from "
    "registering to their first order."
)
class OptionalStages(StrEnum):
    AUTO = "AUTO"
    ON = "ON"
    OFF = "OFF"


@strawberry.enum(description="Whether a push of tags is running.")
class PushPhase(StrEnum):
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@strawberry.type(description="The copy of the shop's data: how much, how fresh.", directives=_SHOP)
class SyncStatus:
    phase: SyncPhase = strawberry.field(description="Whether it is being made.")
    customers: int = strawberry.field(description="Customers held.")
    orders: int = strawberry.field(description="Orders held.")
    order_lines: int = strawberry.field(description="Lines of orders held.")
    products: int = strawberry.field(description="Products held.")
    started_at: datetime | None = strawberry.field(description="When the last full copy was begun.")
    finished_at: datetime | None = strawberry.field(description="When it was complete.")
    fresh_as_of: datetime | None = strawberry.field(description="Everything the shop said until then is in it.")
    history_from: datetime | None = strawberry.field(description="Orders before this instant were not granted to us.")
    error: str | None = strawberry.field(description="What stopped it, if anything did.")


def sync_status(row: SyncRow | None) -> SyncStatus:
    row = row or SyncRow("waiting", 0, 0, 0, 0, None, None, None, None, None)
    return SyncStatus(
        phase=SyncPhase(row.phase.upper()),
        customers=row.customers,
        orders=row.orders,
        order_lines=row.order_lines,
        products=row.products,
        started_at=instant(row.started_at),
        finished_at=instant(row.finished_at),
        fresh_as_of=instant(row.fresh_as_of),
        history_from=instant(row.history_from),
        error=row.error,
    )


@strawberry.type(description="The last push of tags to the shop.", directives=_SHOP)
class TagPushStatus:
    phase: PushPhase = strawberry.field(description="Whether it is running.")
    dry_run: bool = strawberry.field(description="Whether it only counted what it would write.")
    customers: int = strawberry.field(description="Customers looked at.")
    added: int = strawberry.field(description="Tags added.")
    removed: int = strawberry.field(description="Tags removed.")
    skipped: int = strawberry.field(description="Customers that needed no write.")
    refused: int = strawberry.field(description="Customers the shop refused to change.")
    started_at: datetime | None = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="What stopped it, if anything did.")


def push_status(row: PushRow | None) -> TagPushStatus:
    row = row or PushRow("waiting", False, 0, 0, 0, 0, 0, None, None, None)
    return TagPushStatus(
        phase=PushPhase(row.phase.upper()),
        dry_run=row.dry_run,
        customers=row.customers,
        added=row.added,
        removed=row.removed,
        skipped=row.skipped,
        refused=row.refused,
        started_at=instant(row.started_at),
        finished_at=instant(row.finished_at),
        error=row.error,
    )


@strawberry.type(
    description="A partner's credential. The token itself is shown once, when it is made.",
    directives=[Access(scope=Scope.WRITE_TOKENS)],
)
class PartnerToken:
    id: strawberry.ID = strawberry.field(description="Its global id.")
    name: str = strawberry.field(description="What the merchant called it.")
    prefix: str = strawberry.field(description="The first characters of the token, to recognise it by.")
    scopes: list[str] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    revoked_at: datetime | None = strawberry.field(description="When it was made useless; null while it works.")


def token_of(row: PartnerTokenInfo) -> PartnerToken:
    return PartnerToken(
        id=strawberry.ID(gid("PartnerToken", row.id, app="rebloom")),
        name=row.name,
        prefix=row.prefix,
        scopes=sorted(row.scopes),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


@strawberry.type(description="The shop this credential belongs to.", directives=_SHOP)
class Shop:
    id: strawberry.ID = strawberry.field(description="The platform's global id of it.")
    domain: str = strawberry.field(description="Its `myshopify.com` domain.")
    name: str = strawberry.field(description="Its name.")
    currency_code: str = strawberry.field(description="The ISO 4217 code of the currency it keeps its books in.")
    timezone: str = strawberry.field(description="The IANA time zone its days are counted in.")
    tag_prefix: str = strawberry.field(description="What each tag of ours begins with.")
    shop: strawberry.Private[ShopContext]

    @strawberry.field(description="The model that tags and offers follow.", directives=needs(Scope.READ_LIFECYCLE))
    def primary_model(self) -> LifecycleModel:
        return model_type(model_named(self.shop, self.shop.primary_model))

    @strawberry.field(
        description="The models that are computed, the primary one among them.", directives=needs(Scope.READ_LIFECYCLE)
    )
    def computed_models(self) -> list[LifecycleModel]:
        return [model_type(model) for model in computed_of(self.shop, models_of(self.shop))]

    @strawberry.field(description="Whether the optional stages of the models are on.")
    def optional_stages(self) -> OptionalStages:
        return OptionalStages(self.shop.optional_stages)

    @strawberry.field(description="After how long a silence its customers count as departing.")
    async def lapse(self, info: Info) -> Lapse:
        return lapse_of(self.shop, await read_fit(info.context.store.database, self.shop.id))

    @strawberry.field(
        description="How its recommendations are made, one for each use; empty before the first fit.",
        directives=needs(Scope.READ_OFFERS),
    )
    async def recommender(self, info: Info) -> list[Recommender]:
        return [recommender_of(row) for row in await choices_of(info.context.store.database, self.shop.id)]

    @strawberry.field(
        description="The models of ordering again, one a horizon, with their quality; empty before the first fit.",
        directives=needs(Scope.READ_CUSTOMERS),
    )
    async def prediction_models(self, info: Info) -> list[PredictionModel]:
        models = await info.context.loaders.prediction_models.load(self.shop.id)
        return [prediction_model(row) for row in models or []]

    @strawberry.field(description="How far the copy of its data is.")
    async def sync(self, info: Info) -> SyncStatus:
        return sync_status(await readers.sync_row(info.context.store.database, self.shop.id))

    @strawberry.field(description="The last walk that found what no webhook brought; null before the first.")
    async def reconciliation(self, info: Info) -> Reconciliation | None:
        return reconciliation_of(await reconciliation_row(info.context.store.database, self.shop.id))

    @strawberry.field(
        description="Requests of customers for their data, the latest first, for 60 days.",
        directives=needs(Scope.WRITE_SHOP),
    )
    async def data_requests(self, info: Info) -> list[DataRequest]:
        return await data_requests_of(info)

    @strawberry.field(description="The last push of tags.")
    async def tag_push(self, info: Info) -> TagPushStatus:
        return push_status(await readers.push_row(info.context.store.database, self.shop.id))

    @strawberry.field(
        description="The public key of `POST /touchpoints` for the shop's own pages; it can only write. Null until "
        "`touchpointKeyRotate` makes one.",
        directives=needs(Scope.WRITE_SHOP),
    )
    async def touchpoint_key(self, info: Info) -> str | None:
        return await present_key(info.context.store.database, self.shop.id)

    @strawberry.field(
        description="Partner tokens, oldest first, revoked ones included.", directives=needs(Scope.WRITE_TOKENS)
    )
    async def partner_tokens(self, info: Info) -> list[PartnerToken]:
        return [token_of(row) for row in await list_tokens(info.context.store, self.shop.id)]


def shop_of(shop: ShopContext) -> Shop:
    number = gid("Shop", shop.platform_id) if shop.platform_id else gid("Shop", shop.id, app="rebloom")
    return Shop(
        id=strawberry.ID(number),
        domain=shop.domain,
        name=shop.name,
        currency_code=shop.currency,
        timezone=shop.timezone,
        tag_prefix=shop.tag_prefix,
        shop=shop,
    )


@strawberry.type(description="What came of changing the shop's settings.", directives=_SHOP)
class ShopPayload:
    shop: Shop | None = strawberry.field(description="The shop as it is now; null when nothing was changed.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type(description="What came of asking for a sync.", directives=_SHOP)
class SyncPayload:
    sync: SyncStatus | None = strawberry.field(description="The copy as it is now; the work goes on after the answer.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was begun.")


@strawberry.type(description="What came of asking for a push of tags.", directives=_SHOP)
class TagPushPayload:
    tag_push: TagPushStatus | None = strawberry.field(description="The push as it is now; it goes on after the answer.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was begun.")


@strawberry.type(description="What came of making a partner token.", directives=[Access(scope=Scope.WRITE_TOKENS)])
class PartnerTokenPayload:
    partner_token: PartnerToken | None = strawberry.field(description="The new token's entry; null when none was made.")
    token: str | None = strawberry.field(description="The token itself, shown this once.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was made.")


@strawberry.type(description="What came of revoking a token.", directives=[Access(scope=Scope.WRITE_TOKENS)])
class PartnerTokenRevokePayload:
    revoked_partner_token_id: strawberry.ID | None = strawberry.field(description="The token that no longer works.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was revoked.")
