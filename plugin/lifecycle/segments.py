"""Segments: named rules. Membership is filled by one statement when a rule is saved, and kept by every recompute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from plugin.domain.instants import to_us
from plugin.domain.rules import Problem, Rule, parse
from plugin.errors import BadRequestError, NotFoundError
from plugin.ledger.database import Row, Session
from plugin.ledger.memberships import refill
from plugin.ledger.readers import SegmentRow
from plugin.ledger.rules_sql import compile_rule
from plugin.ledger.store import Store
from plugin.lifecycle.due import lower_due
from plugin.lifecycle.plan import calendar_of, names_of
from plugin.shops import ShopContext

LONGEST_NAME: Final = 255
LONGEST_TAG: Final = 200  # with a prefix of 32 it stays under the platform's 255
SAMPLE: Final = 10
_RESERVED: Final = "stage-"  # the tags of stages
_NOT_IN_TAG: Final = re.compile(r"[^a-z0-9]+")


class SegmentError(BadRequestError):
    """A segment that cannot be saved: `field` and `code` (BLANK, TOO_LONG, TAKEN, INVALID) say why."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class Unset(Enum):
    """An argument that was not given, where None means something."""

    UNSET = "unset"


@dataclass(frozen=True, slots=True)
class SegmentPreview:
    """Who the rule names now: how many, and the lowest ids of them."""

    count: int
    sample_ids: list[int]
    warnings: tuple[Problem, ...]


async def create_segment(
    store: Store, shop: ShopContext, *, name: str, query: str, tag: str | None = None, now: datetime
) -> SegmentRow:
    """Raises RuleError for the query and SegmentError for the rest; then nothing was changed."""
    rule = parse(query, names=names_of(shop)).rule
    name, tag = _checked_name(name), _checked_tag(tag)
    async with store.database.transaction() as session:
        await _one_at_a_time(session, shop.id)
        await _refuse_taken(session, shop.id, name, except_id=0)
        number = await _next_id(session, shop.id)
        await session.execute(
            "INSERT INTO segments (shop_id, id, name, query, tag, created_at, updated_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $6)",
            shop.id, number, name, query, tag, to_us(now),
        )  # fmt: skip
        await refill(session, number, *_condition(store, shop, rule, now), at=to_us(now))
    await lower_due(store.database, shop, rule, as_of=now)
    return SegmentRow(number, name, query, tag, to_us(now), to_us(now))


async def update_segment(
    store: Store, shop: ShopContext, segment_id: int, *, name: str | None = None, query: str | None = None,
    tag: str | Unset | None = Unset.UNSET, now: datetime,
) -> SegmentRow:  # fmt: skip
    """What is given is changed. Raises NotFoundError, RuleError or SegmentError; then nothing was changed."""
    rule = None if query is None else parse(query, names=names_of(shop)).rule
    new_name = None if name is None else _checked_name(name)
    new_tag = tag if isinstance(tag, Unset) else _checked_tag(tag)
    async with store.database.transaction() as session:
        await _one_at_a_time(session, shop.id)
        there = await _read(session, shop.id, segment_id)
        row = SegmentRow(
            segment_id, new_name or there.name, there.query if query is None else query,
            there.tag if isinstance(new_tag, Unset) else new_tag, there.created_at, to_us(now),
        )  # fmt: skip
        await _refuse_taken(session, shop.id, row.name, except_id=segment_id)
        await session.execute(
            "UPDATE segments SET name = $3, query = $4, tag = $5, updated_at = $6 WHERE shop_id = $1 AND id = $2",
            shop.id, segment_id, row.name, row.query, row.tag, row.updated_at,
        )  # fmt: skip
        if rule is not None:
            await refill(session, segment_id, *_condition(store, shop, rule, now), at=to_us(now))
    if rule is not None:
        await lower_due(store.database, shop, rule, as_of=now)
    return row


async def delete_segment(store: Store, shop: ShopContext, segment_id: int) -> None:
    """Raises NotFoundError."""
    async with store.database.transaction() as session:
        await _read(session, shop.id, segment_id)
        await session.execute("DELETE FROM segments WHERE shop_id = $1 AND id = $2", shop.id, segment_id)
        for table in ("segment_members", "segment_events"):
            await session.execute(f"DELETE FROM {table} WHERE shop_id = $1 AND segment_id = $2", shop.id, segment_id)


async def preview(store: Store, shop: ShopContext, query: str, *, now: datetime) -> SegmentPreview:
    """Raises RuleError."""
    parsed = parse(query, names=names_of(shop))
    condition, values = _condition(store, shop, parsed.rule, now)
    counted = await store.database.fetch(f"SELECT COUNT(*) FROM profiles p WHERE {condition}", *values)
    sample = await store.database.fetch(
        f"SELECT p.customer_id FROM profiles p WHERE {condition} ORDER BY p.customer_id LIMIT {SAMPLE}", *values
    )
    return SegmentPreview(counted[0][0], [row[0] for row in sample], parsed.warnings)


def normal_tag(tag: str) -> str:
    """Lower case, digits and single hyphens: "Gold customers!" → "gold-customers"."""
    return _NOT_IN_TAG.sub("-", tag.lower()).strip("-")


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise SegmentError("name", "BLANK", "A segment needs a name.")
    if len(name) > LONGEST_NAME:
        raise SegmentError("name", "TOO_LONG", f"A name has at most {LONGEST_NAME} characters, this one {len(name)}.")
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise SegmentError("name", "INVALID", "The name holds a character that cannot be stored.")
    return name


def _checked_tag(tag: str | None) -> str | None:
    if tag is None or not tag.strip():
        return None
    normal = normal_tag(tag)
    if not normal:
        raise SegmentError("tag", "INVALID", "A tag needs at least one letter from a to z or a digit.")
    if len(normal) > LONGEST_TAG:
        raise SegmentError("tag", "TOO_LONG", f"A tag has at most {LONGEST_TAG} characters, this one {len(normal)}.")
    if normal.startswith(_RESERVED):
        raise SegmentError("tag", "INVALID", f"Tags that begin with {_RESERVED} belong to the stages; choose another.")
    return normal


async def _one_at_a_time(session: Session, shop_id: int) -> None:
    """Others who change this shop's segments wait here: numbers and names are settled one after the other."""
    await session.execute("UPDATE shops SET status = status WHERE id = $1", shop_id)


async def _refuse_taken(session: Session, shop_id: int, name: str, *, except_id: int) -> None:
    taken = await session.fetch(
        "SELECT 1 FROM segments WHERE shop_id = $1 AND name = $2 AND id <> $3", shop_id, name, except_id
    )
    if taken:
        raise SegmentError("name", "TAKEN", f"There is a segment named {name} already; choose another name.")


async def _next_id(session: Session, shop_id: int) -> int:
    """Above all that are in use, or were: a deleted segment's members may still be there for a moment."""
    rows: list[Row] = await session.fetch(
        "SELECT COALESCE((SELECT MAX(id) FROM segments WHERE shop_id = $1), 0),"
        " COALESCE((SELECT MAX(segment_id) FROM segment_members WHERE shop_id = $1), 0),"
        " COALESCE((SELECT MAX(segment_id) FROM segment_events WHERE shop_id = $1), 0)",
        shop_id,
    )
    return int(max(rows[0])) + 1


async def _read(session: Session, shop_id: int, segment_id: int) -> SegmentRow:
    rows = await session.fetch(
        "SELECT id, name, query, tag, created_at, updated_at FROM segments WHERE shop_id = $1 AND id = $2",
        shop_id,
        segment_id,
    )
    if not rows:
        raise NotFoundError(f"There is no segment {segment_id}.")
    return SegmentRow(*rows[0])


def _condition(store: Store, shop: ShopContext, rule: Rule, now: datetime) -> tuple[str, list[Any]]:
    return compile_rule(
        rule, shop_id=shop.id, at=to_us(now), calendar=calendar_of(shop),
        dialect=store.database.dialect, primary_model=shop.primary_model,
    )  # fmt: skip
