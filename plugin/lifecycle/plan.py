"""What a recompute applies to every customer: read once, used for each chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

import structlog

from plugin.domain.calendar import ShopCalendar
from plugin.domain.instants import to_us
from plugin.domain.lapse import Lapse
from plugin.domain.lifecycles import LifecycleModel
from plugin.domain.rfm import NOBODY, Edges, Population
from plugin.domain.rules import Names, Rule, RuleError, parse
from plugin.domain.rules.attributes import FUNCTIONS
from plugin.domain.rules.reads import functions_read
from plugin.errors import BadStatementError
from plugin.ledger.database import Database
from plugin.lifecycle.choice import chosen_models
from plugin.lifecycle.lapse_fits import read_lapse
from plugin.lifecycle.models import models_of
from plugin.shops import ShopContext

log = structlog.get_logger(__name__)
_ALL_ORDERS = "read_all_orders"
Told = dict[Rule, dict[bytes, str]]  # reasons put into words, by rule and by the values it compared


@dataclass(frozen=True, slots=True)
class SegmentRule:
    id: int
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`as_of` in epoch microseconds. `history_from`: where the shop's own orders begin for us, if not at its own
    beginning. A segment whose query is no longer read keeps its members: it is not among `segments`."""

    shop_id: int
    primary_model: str
    as_of: int
    calendar: ShopCalendar
    lapse: Lapse
    models: tuple[LifecycleModel, ...]
    segments: tuple[SegmentRule, ...]
    population: Population
    history_from: int | None
    told: Told = field(default_factory=dict, compare=False)

    @property
    def reads_lines(self) -> bool:
        rules = [*(rule for model in self.models for rule in model), *(segment.rule for segment in self.segments)]
        return any(FUNCTIONS[name].rows == "order_lines" for name in functions_read(rules))


def names_of(shop: ShopContext) -> Names:
    """What this shop adds to the rule language."""
    return Names(models={model.key: model.keys for model in models_of(shop).values()}, primary_model=shop.primary_model)


def calendar_of(shop: ShopContext) -> ShopCalendar:
    """Raises BadStatementError for a time zone that this machine does not know."""
    try:
        return ShopCalendar(shop.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{shop.domain} states the time zone {shop.timezone!r}, which is not known here; update tzdata."
        raise BadStatementError(message) from error


async def read_plan(database: Database, shop: ShopContext, as_of: datetime) -> Plan:
    return Plan(
        shop_id=shop.id, primary_model=shop.primary_model, as_of=to_us(as_of), calendar=calendar_of(shop),
        lapse=await read_lapse(database, shop), models=await _models(database, shop),
        segments=await _segments(database, shop),
        population=await read_population(database, shop.id), history_from=await history_from(database, shop),
    )  # fmt: skip


async def _segments(database: Database, shop: ShopContext) -> tuple[SegmentRule, ...]:
    names = names_of(shop)
    read = []
    for number, query in await database.fetch("SELECT id, query FROM segments WHERE shop_id = $1 ORDER BY id", shop.id):
        try:
            read.append(SegmentRule(number, parse(query, names=names).rule))
        except RuleError as error:  # it was readable when it was saved; a later version refuses it
            log.warning("segment_unreadable", shop_id=shop.id, segment_id=number, kind=str(error.primary.kind))
    return tuple(read)


async def history_from(database: Database, shop: ShopContext) -> int | None:
    if _ALL_ORDERS in shop.scopes:
        return None
    rows = await database.fetch("SELECT history_from FROM sync_states WHERE shop_id = $1", shop.id)
    return rows[0][0] if rows else None


async def _models(database: Database, shop: ShopContext) -> tuple[LifecycleModel, ...]:
    """Those chosen for the shop as the last full recompute found it."""
    rows = await database.fetch("SELECT days_to_conversion FROM rfm_populations WHERE shop_id = $1", shop.id)
    return chosen_models(shop, models_of(shop), rows[0][0] if rows else None)


async def read_population(database: Database, shop_id: int) -> Population:
    """The edges that RFM scores were last taken against; NOBODY before the first full recompute."""
    rows = await database.fetch(
        "SELECT last_order_day, orders, net_spend FROM rfm_populations WHERE shop_id = $1", shop_id
    )
    return Population(*(_edges(text) for text in rows[0])) if rows else NOBODY


def _edges(text: str) -> Edges:
    return Edges(tuple(int(value) for value in text.split(",") if value))


def edges_text(edges: Edges) -> str:
    return ",".join(map(str, edges.values))
