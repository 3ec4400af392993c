"""Changing the shop's settings, starting work, giving others access."""

from __future__ import annotations

import re
from typing import Any, Final

import strawberry

from graphql_schema.access import Scope, needs
from graphql_schema.context import Info
from graphql_schema.errors import UserError, UserErrorCode, user_error
from graphql_schema.ids import number_of
from graphql_schema.shop.lapse import LapseInput, lapse_changes
from graphql_schema.shop.types import (
    OptionalStages,
    PartnerTokenPayload,
    PartnerTokenRevokePayload,
    ShopPayload,
    SyncPayload,
    TagPushPayload,
    push_status,
    shop_of,
    sync_status,
    token_of,
)
from graphql_schema.shop.upkeep import ReconcilePayload, reconciliation_of
from plugin.errors import BadRequestError
from plugin.ledger import readers
from plugin.ledger.tables import Shop as ShopTable
from plugin.lifecycle.models import models_of
from plugin.partners import create_token, revoke_token
from plugin.shops import ShopContext, shop_by_id
from plugin.sync.reconcile import reconciliation_row

_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}-")
_STARTING: Final = 10  # points


@strawberry.type
class ShopMutations:
    @strawberry.mutation(
        description="Change what is given of the shop's settings. Customers are placed anew after a change of lapse.",
        directives=needs(Scope.WRITE_SHOP),
    )
    async def shop_update(
        self,
        info: Info,
        primary_model: str | None = strawberry.UNSET,
        tag_prefix: str | None = strawberry.UNSET,
        lapse: LapseInput | None = strawberry.UNSET,
        computed_models: list[str] | None = strawberry.UNSET,
        optional_stages: OptionalStages | None = strawberry.UNSET,
    ) -> ShopPayload:
        context = info.context
        changes, refused = _settings(context.shop, primary_model or None, tag_prefix or None, lapse or None)
        if computed_models is not None and computed_models is not strawberry.UNSET:
            refused += _unknown(context.shop, computed_models)
            changes["computed_models"] = ",".join(computed_models) or None
        if optional_stages:
            changes["optional_stages"] = optional_stages.value
        if refused:
            return ShopPayload(shop=None, user_errors=refused)
        if changes:
            await ShopTable.filter(id=context.shop.id).update(**changes)
            # What tags and stages are follows from these; the job reads the settings when it runs.
            await context.jobs.enqueue("recompute", context.shop.id)
        return ShopPayload(shop=shop_of(await shop_by_id(context.store.database, context.shop.id)), user_errors=[])

    @strawberry.mutation(
        description="Copy the shop's data again, from the beginning or from where the last copy stopped.",
        directives=needs(Scope.WRITE_SHOP, points=_STARTING),
    )
    async def sync_start(self, info: Info) -> SyncPayload:
        context = info.context
        await context.jobs.enqueue("sync", context.shop.id)
        row = await readers.sync_row(context.store.database, context.shop.id)
        return SyncPayload(sync=sync_status(row), user_errors=[])

    @strawberry.mutation(
        description="Find and mend what no webhook brought since the last walk; it is done daily by itself.",
        directives=needs(Scope.WRITE_SHOP, points=_STARTING),
    )
    async def reconcile_start(self, info: Info) -> ReconcilePayload:
        context = info.context
        await context.jobs.enqueue("reconcile", context.shop.id)
        row = await reconciliation_row(context.store.database, context.shop.id)
        return ReconcilePayload(reconciliation=reconciliation_of(row), user_errors=[])

    @strawberry.mutation(
        description="Bring the tags in the shop up to date; with `dryRun`, only count what would be written.",
        directives=needs(Scope.WRITE_SHOP, points=_STARTING),
    )
    async def tag_push_start(self, info: Info, dry_run: bool | None = False) -> TagPushPayload:
        context = info.context
        if dry_run:
            await context.jobs.enqueue("push", context.shop.id, dry_run=True)
        else:
            await context.jobs.enqueue("push", context.shop.id)
        row = await readers.push_row(context.store.database, context.shop.id)
        return TagPushPayload(tag_push=push_status(row), user_errors=[])

    @strawberry.mutation(
        description="Make a credential for a partner's tool; the token is shown this once.",
        directives=needs(Scope.WRITE_TOKENS, points=_STARTING),
    )
    async def partner_token_create(self, info: Info, name: str, scopes: list[str]) -> PartnerTokenPayload:
        context = info.context
        try:
            token, row = await create_token(context.store, context.shop.id, name, scopes, context.now)
        except BadRequestError as error:
            refused = user_error(None, str(error), UserErrorCode.INVALID)
            return PartnerTokenPayload(partner_token=None, token=None, user_errors=[refused])
        return PartnerTokenPayload(partner_token=token_of(row), token=token, user_errors=[])

    @strawberry.mutation(
        description="Make a partner token useless, from the next request on.", directives=needs(Scope.WRITE_TOKENS)
    )
    async def partner_token_revoke(self, info: Info, id: strawberry.ID) -> PartnerTokenRevokePayload:
        context = info.context
        try:
            number = number_of(id, "PartnerToken", app="rebloom")
        except BadRequestError as error:
            refused = user_error("id", str(error), UserErrorCode.INVALID)
            return PartnerTokenRevokePayload(revoked_partner_token_id=None, user_errors=[refused])
        if not await revoke_token(context.store, context.shop.id, number, context.now):
            refused = user_error("id", "The shop has no such token in use.", UserErrorCode.NOT_FOUND)
            return PartnerTokenRevokePayload(revoked_partner_token_id=None, user_errors=[refused])
        return PartnerTokenRevokePayload(revoked_partner_token_id=id, user_errors=[])


def _unknown(shop: ShopContext, keys: list[str]) -> list[UserError]:
    models = models_of(shop)
    return [
        user_error(
            "computedModels",
            f"There is no lifecycle model {key[:60]!r}; there are: {', '.join(models)}.",
            UserErrorCode.INVALID,
        )
        for key in keys
        if key not in models
    ]


def _settings(
    shop: ShopContext, model: str | None, prefix: str | None, lapse: LapseInput | None
) -> tuple[dict[str, Any], list[UserError]]:
    """Columns to change, and everything that is wrong; nothing is changed when something is."""
    changes: dict[str, Any] = {}
    refused: list[UserError] = []
    if model is not None:
        changes["primary_model"] = model
        if model not in models_of(shop):
            message = f"There is no lifecycle model {model[:60]!r}; there are: {', '.join(models_of(shop))}."
            refused.append(user_error("primaryModel", message, UserErrorCode.INVALID))
    if prefix is not None:
        changes["tag_prefix"] = prefix
        if not _PREFIX.fullmatch(prefix):
            message = "A tag prefix has 2 to 32 characters, a to z, digits and hyphens, and ends in a hyphen."
            refused.append(user_error("tagPrefix", message, UserErrorCode.INVALID))
    if lapse is not None:
        columns, wrong = lapse_changes(lapse)
        changes |= columns
        refused += [user_error("lapse", message, UserErrorCode.INVALID) for message in wrong]
    return changes, refused
