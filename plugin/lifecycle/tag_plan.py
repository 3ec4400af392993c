"""What a push would write, as a set-based difference in the database: wanted tags against tags on record.

Only differences come out of it: an idle push reads nothing but two empty answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from plugin.domain.tags import segment_tag, stage_tag
from plugin.domain.text import fold
from plugin.ledger.database import Database
from plugin.ledger.lists import among, id_list
from plugin.ledger.push_records import used_prefixes
from plugin.ledger.store import Store
from plugin.shops import ShopContext

_LIVE: Final = "c.shop_id = $1 AND c.deleted_at IS NULL AND c.merged_into IS NULL"
# `stated`: the shop's latest statement of this customer's tags has the tag.
_STATED: Final = "COALESCE(LOWER(c.tags) LIKE w.pattern ESCAPE '!', (1 = 0))"
_ADDS: Final = f"""
    SELECT w.customer_id, w.tag FROM want w
    JOIN customers c ON c.id = w.customer_id AND {_LIVE}
    LEFT JOIN tag_records r ON r.shop_id = $1 AND r.customer_id = w.customer_id AND r.tag = w.tag
    WHERE (r.tag IS NULL AND NOT {_STATED})
       OR r.state = 'intended'
       OR (r.state = 'removed' AND NOT ({_STATED} AND COALESCE(c.traits_stated_at, 0) > r.written_at))
       OR (r.state = 'written' AND c.tags IS NOT NULL AND c.traits_stated_at > r.written_at AND NOT {_STATED})
    ORDER BY w.customer_id, w.tag"""
# Asked of the tables and not of `want`: a CTE has no index, and an outer join to it would be quadratic on SQLite.
_REMOVES: Final = f"""
    SELECT r.customer_id, r.tag FROM tag_records r
    JOIN customers c ON c.id = r.customer_id AND {_LIVE}
    WHERE r.shop_id = $1 AND r.state <> 'removed'
      AND NOT EXISTS (
        SELECT 1 FROM placements s JOIN stage_tags t ON t.stage = s.stage AND t.rung = COALESCE(s.rung, 0)
        WHERE s.shop_id = $1 AND s.model = $2 AND s.customer_id = r.customer_id AND t.tag = r.tag)
      AND NOT EXISTS (
        SELECT 1 FROM segment_tags t JOIN segment_members m ON m.shop_id = $1 AND m.segment_id = t.segment_id
        WHERE m.customer_id = r.customer_id AND t.tag = r.tag)
    ORDER BY r.customer_id, r.tag"""
_STAGES: Final = f"""
    SELECT s.customer_id, s.stage, s.since_day FROM placements s
    JOIN customers c ON c.id = s.customer_id AND {_LIVE}
    LEFT JOIN push_states p ON p.shop_id = $1 AND p.customer_id = s.customer_id
    WHERE s.shop_id = $1 AND s.model = $2
      AND (p.customer_id IS NULL OR p.stage IS NULL OR p.stage <> s.stage OR p.stage_since_day <> s.since_day)
    ORDER BY s.customer_id"""


@dataclass(slots=True)
class Change:
    add: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """`stages`: the metafields to set, (customer, stage, since_day). `wanting`: customers with any wanted tag."""

    tags: dict[int, Change]
    stages: list[tuple[int, str, int]]
    wanting: int


async def plan_push(store: Store, shop: ShopContext) -> Plan:
    want, values = await _want(store.database, shop)
    changes: defaultdict[int, Change] = defaultdict(Change)
    for customer, tag in await store.database.fetch(f"WITH {want} {_ADDS}", *values):
        changes[customer].add.append(tag)
    prefixes = await our_prefixes(store, shop)
    for customer, tag in await store.database.fetch(f"WITH {want} {_REMOVES}", *values):
        if tag.startswith(prefixes):
            changes[customer].remove.append(tag)
    stages = await store.database.fetch(_STAGES, shop.id, shop.primary_model)
    counted = await store.database.fetch(
        f"WITH {want} SELECT COUNT(DISTINCT w.customer_id) FROM want w"
        f" JOIN customers c ON c.id = w.customer_id AND {_LIVE}",
        *values,
    )
    return Plan(dict(sorted(changes.items())), [(row[0], row[1], row[2]) for row in stages], counted[0][0])


async def our_prefixes(store: Store, shop: ShopContext) -> tuple[str, ...]:
    """The shop's tag prefix, and those it had when tags were written: after a change the old tags on record go, too."""
    return tuple(sorted({fold(shop.tag_prefix), *await used_prefixes(store.database, shop.id)}))


async def wanted_tags(store: Store, shop: ShopContext, customer_ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags Rebloom wants on each customer, sorted."""
    want, values = await _want(store.database, shop, customer_ids)
    rows = await store.database.fetch(f"WITH {want} SELECT w.customer_id, w.tag FROM want w", *values)
    found: dict[int, list[str]] = {customer: [] for customer in customer_ids}
    for customer, tag in rows:
        found[customer].append(tag)
    return {customer: sorted(tags) for customer, tags in found.items()}


async def _want(database: Database, shop: ShopContext, only: Sequence[int] | None = None) -> tuple[str, list[Any]]:
    """`want(customer_id, tag, pattern)` as common table expressions, and their values. The texts are made here once for
    each stage and segment, so that both databases and the domain fold alike."""
    asked = () if only is None else (id_list(database.dialect, only),)
    stages = await database.fetch(
        "SELECT DISTINCT stage, COALESCE(rung, 0) FROM placements WHERE shop_id = $1 AND model = $2"
        + (f" AND {among(database.dialect, 'customer_id', 3)}" if asked else ""),
        shop.id, shop.primary_model, *asked,
    )  # fmt: skip
    segments = await database.fetch("SELECT id, tag FROM segments WHERE shop_id = $1 AND tag IS NOT NULL", shop.id)
    values: list[Any] = [shop.id, shop.primary_model]
    of_stages = _table(values, [(s, r, *_tag(stage_tag(shop.tag_prefix, s, r))) for s, r in stages], "TBTT")
    named = [(number, segment_tag(shop.tag_prefix, tag)) for number, tag in segments]
    of_segments = _table(values, [(number, *_tag(tag)) for number, tag in named if tag], "BTT")
    of_placements = of_members = ""
    if only is not None:
        values.append(id_list(database.dialect, only))
        of_placements = f" AND {among(database.dialect, 's.customer_id', len(values))}"
        of_members = f" AND {among(database.dialect, 'm.customer_id', len(values))}"
    return (
        f"stage_tags(stage, rung, tag, pattern) AS ({of_stages}),"
        f" segment_tags(segment_id, tag, pattern) AS ({of_segments}),"
        " want AS (SELECT s.customer_id, t.tag, t.pattern FROM placements s"
        " JOIN stage_tags t ON t.stage = s.stage AND t.rung = COALESCE(s.rung, 0)"
        f" WHERE s.shop_id = $1 AND s.model = $2{of_placements}"
        " UNION SELECT m.customer_id, t.tag, t.pattern FROM segment_members m"
        " JOIN segment_tags t ON t.segment_id = m.segment_id"
        f" WHERE m.shop_id = $1{of_members})"
    ), values


def _tag(tag: str) -> tuple[str, str]:
    """The tag, and what matches it as an element of the JSON text in which the shop's tags are kept."""
    element = orjson.dumps(tag).decode()
    return tag, f"%{element.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def _table(values: list[Any], rows: Sequence[tuple[Any, ...]], kinds: str) -> str:
    """A VALUES list bound to `values`; one row of NULLs when there is none, which no join matches."""
    types = {"T": "TEXT", "B": "BIGINT"}
    if not rows:
        return "VALUES (" + ", ".join(f"CAST(NULL AS {types[kind]})" for kind in kinds) + ")"
    lines = []
    for row in rows:
        start = len(values)
        values += row
        lines.append(
            "(" + ", ".join(f"CAST(${start + place} AS {types[kind]})" for place, kind in enumerate(kinds, 1)) + ")"
        )
    return "VALUES " + ", ".join(lines)
