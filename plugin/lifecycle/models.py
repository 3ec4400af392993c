"""The lifecycle models of a shop: those that ship, as the merchant changed them, and the merchant's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import structlog

from plugin.domain.instants import to_us
from plugin.domain.lifecycles import MODELS, LifecycleModel
from plugin.domain.own_models import ModelError, ModelProblem, OwnModel, OwnStage, compile_model, cycle_of
from plugin.domain.rules import Names
from plugin.errors import NotFoundError
from plugin.ledger.database import Session
from plugin.ledger.store import Store
from plugin.shops import ShopContext

log = structlog.get_logger(__name__)
MOST_MODELS: Final = 20  # of the merchant's own
SHIPPED: Final = 0  # the version of a model that nobody changed


class _Kept(msgspec.Struct, frozen=True):
    """A version in force, as it stands in `shops.own_models`."""

    version: int
    model: OwnModel


def models_of(shop: ShopContext) -> Mapping[str, LifecycleModel]:
    """Every model of the shop by key, in the versions that are in force; those that ship come first."""
    return _models(shop.own_models, shop.primary_model)


@lru_cache(maxsize=256)
def _models(own: str, primary_model: str) -> Mapping[str, LifecycleModel]:
    models: dict[str, LifecycleModel] = dict(MODELS)
    kept = _kept(own)
    names = Names(models=_stage_keys(kept), primary_model=primary_model)
    for key, of in kept.items():
        try:
            models[key] = compile_model(of.model, names=names, version=of.version, like=MODELS.get(key))
        except ModelError as error:  # it was readable when it was saved; a later release refuses it
            log.warning("model_unreadable", model=key, version=of.version, problems=len(error.problems))
    return MappingProxyType(models)


def _kept(own: str | None) -> dict[str, _Kept]:
    return {of.model.key: of for of in msgspec.json.decode(own, type=list[_Kept])} if own else {}


def _stage_keys(kept: Mapping[str, _Kept]) -> dict[str, tuple[str, ...]]:
    own = {key: tuple(stage.key for stage in of.model.stages) for key, of in kept.items()}
    return {key: model.keys for key, model in MODELS.items()} | own


def read_model(shop: ShopContext, text: OwnModel) -> LifecycleModel:
    """`text` as it would be computed, before it is saved. Raises ModelError."""
    models = models_of(shop)
    names = Names(models={key: model.keys for key, model in models.items()}, primary_model=shop.primary_model)
    version = models[text.key].version if text.key in models else SHIPPED
    model = compile_model(text, names=names, version=version + 1, like=MODELS.get(text.key))
    cycle = cycle_of({**models, model.key: model}, shop.primary_model)
    if cycle:
        raise ModelError([ModelProblem("stages", f"Models may not wait for each other: {' → '.join(cycle)}.")])
    if len(models) - len(MODELS) >= MOST_MODELS and text.key not in models:
        raise ModelError([ModelProblem("key", f"A shop has at most {MOST_MODELS} models of its own.")])
    return model


def with_model(shop: ShopContext, text: OwnModel, version: int) -> ShopContext:
    """The shop as it would be with `text` in force."""
    kept = {**_kept(shop.own_models), text.key: _Kept(version, text)}
    return replace(shop, own_models=_text(kept))


async def save_model(
    store: Store, shop: ShopContext, text: OwnModel, *, note: str | None = None, now: datetime
) -> LifecycleModel:
    """A new version, in force from now on; customers are placed by the next recompute. Raises ModelError; then nothing
    was changed."""
    model = read_model(shop, text)
    async with store.database.transaction() as session:
        kept = await _locked(session, shop.id)
        rows = await session.fetch(
            "SELECT COALESCE(MAX(version), 0) FROM lifecycle_models WHERE shop_id = $1 AND model = $2",
            shop.id, model.key,
        )  # fmt: skip
        version = int(rows[0][0]) + 1
        await session.execute(
            "INSERT INTO lifecycle_models (shop_id, model, version, name, stages, note, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            shop.id, model.key, version, model.name, msgspec.json.encode(text.stages).decode(), note, to_us(now),
        )  # fmt: skip
        own = OwnModel(model.key, model.name, text.stages)
        await _put(session, shop.id, {**kept, model.key: _Kept(version, own)})
    return compile_model(own, names=Names(models={own.key: model.keys}), version=version, like=MODELS.get(own.key))


async def restore_model(store: Store, shop: ShopContext, key: str, version: int) -> int:
    """Put an older version in force again, SHIPPED for the model as it ships; the version that was in force before.
    Raises NotFoundError for a version that there is not, and ModelError for one that can be read no more."""
    before = models_of(shop)[key].version if key in models_of(shop) else SHIPPED
    async with store.database.transaction() as session:
        kept = await _locked(session, shop.id)
        if version == SHIPPED and key in MODELS:
            kept.pop(key, None)
        else:
            rows = await session.fetch(
                "SELECT name, stages FROM lifecycle_models WHERE shop_id = $1 AND model = $2 AND version = $3",
                shop.id, key, version,
            )  # fmt: skip
            if not rows:
                raise NotFoundError(f"There is no version {version} of the lifecycle model {key[:60]!r}.")
            text = OwnModel(key, rows[0][0], msgspec.json.decode(rows[0][1], type=tuple[OwnStage, ...]))
            read_model(shop, text)
            kept[key] = _Kept(version, text)
        await _put(session, shop.id, kept)
    return before


async def versions_of(store: Store, shop_id: int, key: str) -> list[tuple[Any, ...]]:
    """(version, name, note, created_at) of each saved version, the newest first."""
    return await store.database.fetch(
        "SELECT version, name, note, created_at FROM lifecycle_models WHERE shop_id = $1 AND model = $2"
        " ORDER BY version DESC",
        shop_id, key,
    )  # fmt: skip


async def _locked(session: Session, shop_id: int) -> dict[str, _Kept]:
    """What is in force; others who change this shop's models wait."""
    await session.execute("UPDATE shops SET status = status WHERE id = $1", shop_id)
    rows = await session.fetch("SELECT own_models FROM shops WHERE id = $1", shop_id)
    return _kept(rows[0][0]) if rows else {}


async def _put(session: Session, shop_id: int, kept: Mapping[str, _Kept]) -> None:
    await session.execute("UPDATE shops SET own_models = $2 WHERE id = $1", shop_id, _text(kept) or None)


def _text(kept: Mapping[str, _Kept]) -> str:
    return msgspec.json.encode(list(kept.values())).decode() if kept else ""
