"""The plays of a shop: those that ship, as the merchant changed them, and the merchant's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from plugin.domain.instants import to_us
from plugin.domain.plays.play import Play, PlayError, PlayProblem, check_play
from plugin.domain.plays.shipped import PLAYS_BY_KEY
from plugin.domain.rules import Rule
from plugin.errors import NotFoundError
from plugin.ledger.database import Database, Session
from plugin.ledger.store import Store
from plugin.lifecycle.plan import names_of
from plugin.shops import ShopContext

if TYPE_CHECKING:
    from plugin.lifecycle.triggers import Triggers

log = structlog.get_logger(__name__)
MOST_PLAYS: Final = 100  # of the merchant's own
SHIPPED: Final = 0  # the version of a play that nobody changed
_READ: Final = "SELECT plays, shares FROM offer_settings WHERE shop_id = $1"


@dataclass(frozen=True, slots=True)
class PlayBook:
    """Every play of a shop by key, in the versions in force, those that ship first; and the rules of their triggers. A
    play whose trigger a later release refuses has no rule, and offers nothing. `triggers`: what was written of them
    (`triggers.py`)."""

    plays: Mapping[str, Play]
    rules: Mapping[str, Rule]
    triggers: dict[tuple[int, str, str, str], Triggers] = field(default_factory=dict, compare=False, repr=False)


async def play_book(database: Database, shop: ShopContext) -> PlayBook:
    rows = await database.fetch(_READ, shop.id)
    kept, shares = rows[0] if rows else (None, None)
    return _book(kept or "", shares or "{}", (shop.own_models, shop.primary_model), _Hidden(shop))


class _Hidden:
    """The shop beside a cache key: it is as equal as any other, because what matters of it stands in the key."""

    def __init__(self, shop: ShopContext) -> None:
        self.shop = shop

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hidden)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _book(kept: str, shares: str, models: tuple[str, str], hidden: _Hidden) -> PlayBook:  # noqa: ARG001 - the key
    plays = _shared(shares) | _kept(kept)
    names, rules = names_of(hidden.shop), {}
    for key, play in plays.items():
        try:
            rules[key] = check_play(play, names)
        except PlayError as error:  # it was right when it was saved: a stage it names is gone, or a word it uses
            log.warning("play_unreadable", play=key, version=play.version, problems=len(error.problems))
    return PlayBook(MappingProxyType(plays), MappingProxyType(rules))


def _shared(text: str) -> dict[str, Play]:
    """The plays that ship, with the holdout's share that was found for this shop; one the merchant saved keeps hers."""
    shares = msgspec.json.decode(text, type=dict[str, int])
    return {
        key: replace(play, holdout=shares[key]) if key in shares and play.holdout else play
        for key, play in PLAYS_BY_KEY.items()
    }


def _kept(text: str | None) -> dict[str, Play]:
    return {play.key: play for play in msgspec.json.decode(text, type=list[Play])} if text else {}


async def save_play(
    store: Store, shop: ShopContext, play: Play, *, new: bool, note: str | None = None, now: datetime
) -> Play:
    """A new version, in force from now on; what was granted before keeps its terms. `new`: the key must be free, else
    taken. Raises PlayError or NotFoundError; then nothing was changed."""
    check_play(play, names_of(shop))
    async with store.database.transaction() as session:
        kept = await _locked(session, shop.id)
        there = play.key in kept or play.key in PLAYS_BY_KEY
        if new and there:
            raise PlayError([PlayProblem("key", f"There is a play {play.key!r} already; choose another key.")])
        if not new and not there:
            raise NotFoundError(f"There is no play {play.key!r}.")
        if new and len(kept.keys() - PLAYS_BY_KEY.keys()) >= MOST_PLAYS:
            raise PlayError([PlayProblem("key", f"A shop has at most {MOST_PLAYS} plays of its own.")])
        saved = replace(play, version=await _next_version(session, shop.id, play.key))
        await session.execute(
            "INSERT INTO play_versions (shop_id, play, version, content, note, created_at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            shop.id, saved.key, saved.version, _text([saved]), note, to_us(now),
        )  # fmt: skip
        await _put(session, shop.id, {**kept, saved.key: saved})
    return saved


async def restore_play(store: Store, shop: ShopContext, key: str, version: int) -> Play:
    """Put an older version in force again, SHIPPED for the play as it ships. Raises NotFoundError for a version that
    there is not, and PlayError for one that can be used no more."""
    async with store.database.transaction() as session:
        kept = await _locked(session, shop.id)
        if version == SHIPPED and key in PLAYS_BY_KEY:
            kept.pop(key, None)
            play = PLAYS_BY_KEY[key]
        else:
            rows = await session.fetch(
                "SELECT content FROM play_versions WHERE shop_id = $1 AND play = $2 AND version = $3",
                shop.id, key, version,
            )  # fmt: skip
            if not rows:
                raise NotFoundError(f"There is no version {version} of the play {key[:60]!r}.")
            (play,) = _kept(rows[0][0]).values()
            check_play(play, names_of(shop))
            kept[key] = play
        await _put(session, shop.id, kept)
    return play


async def versions_of(store: Store, shop_id: int, key: str) -> list[tuple[Any, ...]]:
    """(version, note, created_at, play) of each saved version, the newest first."""
    rows = await store.database.fetch(
        "SELECT version, note, created_at, content FROM play_versions WHERE shop_id = $1 AND play = $2"
        " ORDER BY version DESC",
        shop_id, key,
    )  # fmt: skip
    return [(*row[:3], _kept(row[3])[key]) for row in rows]


async def lock_settings(session: Session, shop_id: int) -> None:
    """The shop's row of settings is there, and others who change it wait."""
    await session.execute("INSERT INTO offer_settings (shop_id) VALUES ($1) ON CONFLICT DO NOTHING", shop_id)
    await session.execute("UPDATE offer_settings SET plays = plays WHERE shop_id = $1", shop_id)


async def _locked(session: Session, shop_id: int) -> dict[str, Play]:
    await lock_settings(session, shop_id)
    rows = await session.fetch(_READ, shop_id)
    return _kept(rows[0][0])


async def _next_version(session: Session, shop_id: int, key: str) -> int:
    rows = await session.fetch(
        "SELECT COALESCE(MAX(version), 0) FROM play_versions WHERE shop_id = $1 AND play = $2", shop_id, key
    )
    return int(rows[0][0]) + 1


async def _put(session: Session, shop_id: int, kept: Mapping[str, Play]) -> None:
    text = _text(list(kept.values())) if kept else None
    await session.execute("UPDATE offer_settings SET plays = $2 WHERE shop_id = $1", shop_id, text)


def _text(plays: list[Play]) -> str:
    return msgspec.json.encode(plays).decode()
