"""The shop a piece of work is done for: read once at its beginning, handed down as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from plugin.domain.lapse import DEFAULT_QUANTILES
from plugin.errors import NotFoundError
from plugin.ledger.database import Database
from plugin.ledger.tables import Shop

Clock = Callable[[], datetime]
DEFAULT_MODEL: Final = "buyer-activity"
DEFAULT_TAG_PREFIX: Final = "rbl-"
DEFAULT_LADDER: Final = (90, 180, 360)


def utc_now() -> datetime:
    """The clock of production; tests pass another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopContext:
    """`id` is ours and stands in every row; `domain` is the platform's name, `x.myshopify.com`."""

    id: int
    platform_id: int | None
    domain: str
    name: str
    currency: str
    timezone: str  # IANA
    status: str  # installed, no_access, uninstalled
    scopes: frozenset[str]
    primary_model: str
    tag_prefix: str
    ladder: tuple[int, int, int]  # days of silence of the three rungs
    installed_at: int
    lapse_mode: str = "AUTO"  # which lapse is in force: FIXED, ADAPTIVE, or AUTO by the amount of history
    lapse_quantiles: tuple[float, float, float] = DEFAULT_QUANTILES
    computed_models: tuple[str, ...] = ()  # beside the primary one; empty: all that there are
    optional_stages: str = "AUTO"  # AUTO, ON, OFF: `plugin.lifecycle.choice`
    own_models: str = ""  # JSON of the merchant's own lifecycle models, as `plugin.lifecycle.models` reads it


class ShopRow(NamedTuple):
    """What a context is made of; its fields are columns of `shops`."""

    id: int
    platform_id: int | None
    domain: str
    name: str | None
    currency: str | None
    timezone: str | None
    status: str
    granted_scopes: str | None
    primary_model: str
    tag_prefix: str
    lapse_ladder: str
    installed_at: int
    lapse_mode: str | None
    lapse_quantiles: str | None
    computed_models: str | None
    optional_stages: str | None
    own_models: str | None


def context_of(row: Shop | ShopRow) -> ShopContext:
    first, second, third = (int(days) for days in row.lapse_ladder.split(","))
    return ShopContext(
        id=row.id,
        platform_id=row.platform_id,
        domain=row.domain,
        name=row.name or row.domain,
        currency=row.currency or "USD",
        timezone=row.timezone or "UTC",
        status=row.status,
        scopes=frozenset((row.granted_scopes or "").split(",")) - {""},
        primary_model=row.primary_model,
        tag_prefix=row.tag_prefix,
        ladder=(first, second, third),
        installed_at=row.installed_at,
        lapse_mode=row.lapse_mode or "AUTO",
        lapse_quantiles=_quantiles(row.lapse_quantiles),
        computed_models=tuple(key for key in (row.computed_models or "").split(",") if key),
        optional_stages=row.optional_stages or "AUTO",
        own_models=row.own_models or "",
    )


def _quantiles(text: str | None) -> tuple[float, float, float]:
    if not text:
        return DEFAULT_QUANTILES
    first, second, third = (float(share) for share in text.split(","))
    return first, second, third


async def shop_by_domain(database: Database, domain: str) -> ShopContext:
    """Raises NotFoundError for a shop that never installed Rebloom."""
    shop = await _found(database, "domain", domain)
    if shop is None:
        raise NotFoundError(f"{domain!r} has not installed Rebloom; open the app from that shop's admin first.")
    return shop


async def shop_by_id(database: Database, shop_id: int) -> ShopContext:
    """Raises NotFoundError for an unknown shop."""
    shop = await _found(database, "id", shop_id)
    if shop is None:
        raise NotFoundError(f"There is no shop {shop_id}.")
    return shop


async def _found(database: Database, column: str, value: str | int) -> ShopContext | None:
    """For each request that comes in: a statement of the ledger, a fifth of what the ORM takes to write it."""
    rows = await database.fetch(f"SELECT {', '.join(ShopRow._fields)} FROM shops WHERE {column} = $1", value)
    return context_of(ShopRow._make(rows[0])) if rows else None
