"""Customers before the engine, and shops whose plays hold nobody out."""

from dataclasses import replace
from typing import Any

import msgspec

from plugin.domain.offers import DAY_US
from plugin.domain.plays.play import Channel, Play
from plugin.domain.plays.shipped import PLAYS
from plugin.domain.plays.situation import Event, Situation, Standing
from plugin.ledger.database import Database
from tests.support.small_shop import NOW_US, TODAY

OPEN = tuple(replace(play, holdout=0) for play in PLAYS)  # the shipped plays, without holdouts
BY_KEY = {play.key: play for play in OPEN}
EVERYTHING = frozenset(BY_KEY)


def only(*plays: Play | str) -> tuple[Play, ...]:
    """These plays, or the open ones of these keys, and every other switched off."""
    chosen = {play.key: play for play in (BY_KEY[each] if isinstance(each, str) else each for each in plays)}
    return tuple(chosen.get(play.key, replace(play, enabled=False)) for play in OPEN)


ANN = Situation(
    shop_id=1, customer_id=7, now=NOW_US, today=TODAY, day_start=TODAY * DAY_US, installed_at=NOW_US,
    added=Event(NOW_US, TODAY), orders=0, net_spend=0, standings={"buyer-activity": Standing("visitor", None)},
    matched=frozenset(), lapse_days=(90, 180, 360), consents=frozenset(Channel),
)  # fmt: skip


def event(days_ago: int) -> Event:
    return Event(NOW_US - days_ago * DAY_US, TODAY - days_ago)


def silent(days: int, stage: str, rung: int | None = None, orders: int = 1, **changes: Any) -> Situation:
    """Ann with `orders` orders of 50.00 each, the last `days` days ago."""
    return replace(
        ANN, standings={"buyer-activity": Standing(stage, rung)}, orders=orders, net_spend=orders * 500_000,
        last_order=event(days), first_order=event(days + 30 * (orders - 1)), added=event(500), **changes,
    )  # fmt: skip


async def keep_plays(database: Database, plays: tuple[Play, ...] = OPEN, shop_id: int = 1) -> None:
    """The shop's plays in force, as if its merchant had saved them."""
    text = msgspec.json.encode(plays).decode()
    await database.execute(
        "INSERT INTO offer_settings (shop_id, plays) VALUES ($1, $2)"
        " ON CONFLICT (shop_id) DO UPDATE SET plays = excluded.plays",
        shop_id,
        text,
    )
