"""What touchpoints say of (customer, instant) pairs: when last seen, the latest answer, whether a complaint is open.

A table of touchpoints holds, sorted by customer and instant, `processed_at`, `seen` (an act of the customer's own),
`score` (the answer of a survey) and `complaint` (+1 opens a case, -1 closes it): see segment-language.md, 10.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Bools, Column, Ints
from plugin.domain.ragged import first_after

Table = tuple[Ints, Mapping[str, Column]]  # where each customer's rows start, and columns
ENGAGEMENT: Final = frozenset({"last_seen_at", "last_seen_day", "nps_score", "open_complaint"})


def engagement(
    table: Table | None,
    customer: Ints,
    at: Ints,
    last_order: Column,
    calendar: ShopCalendar,
) -> dict[str, Column]:
    """The columns of `ENGAGEMENT`. An order is an act, too: `last_order` is the instant of each pair's latest."""
    if table is None:
        nothing = Column(np.zeros(len(at), dtype=np.int64), np.ones(len(at), dtype=np.bool_))
        return _seen(last_order, nothing, calendar) | {"nps_score": nothing, "open_complaint": _never(len(at))}
    offsets, columns = table
    acts, answers = columns["seen"].values != 0, ~columns["score"].null
    seen = _latest(table, customer, at, acts, columns["processed_at"].values)
    sums = np.concatenate([[0], np.cumsum(columns["complaint"].values)])
    stops = first_after(columns["processed_at"].values, offsets[customer], offsets[customer + 1], at)
    still_open = sums[stops] - sums[offsets[customer]] > 0
    return _seen(last_order, seen, calendar) | {
        "nps_score": _latest(table, customer, at, answers, columns["score"].values),
        "open_complaint": Column(still_open.astype(np.int64), np.zeros(len(at), dtype=np.bool_)),
    }


def _never(pairs: int) -> Column:
    return Column(np.zeros(pairs, dtype=np.int64), np.zeros(pairs, dtype=np.bool_))


def _seen(one: Column, other: Column, calendar: ShopCalendar) -> dict[str, Column]:
    null = one.null & other.null
    latest = np.maximum(np.where(one.null, 0, one.values), np.where(other.null, 0, other.values))
    instants = np.where(null, 0, latest)
    days = np.where(null, 0, calendar.day_of(instants))
    return {"last_seen_at": Column(instants, null), "last_seen_day": Column(days, null)}


def _latest(table: Table, customer: Ints, at: Ints, which: Bools, values: Ints) -> Column:
    """Of the rows `which`, the value of the latest by each pair's instant."""
    offsets, columns = table
    before = np.concatenate([[0], np.cumsum(which)])  # rows of that kind before each place
    instants, kept = columns["processed_at"].values[which], values[which]
    starts, stops = before[offsets[customer]], before[offsets[customer + 1]]
    place = first_after(instants, starts, stops, at) - 1
    null = place < starts
    if not len(kept):
        return Column(np.zeros(len(at), dtype=np.int64), null)
    return Column(np.where(null, 0, kept[np.where(null, 0, place)]), null)


def complaint_changes(cases: Iterable[tuple[int, str | None, str | None]]) -> list[int]:
    """For rows (customer, subject, outcome) sorted by customer and instant: 1 where a case opens that was not open, -1
    where one that was is closed, else 0."""
    changes, of, open_cases = [], -1, set[str | None]()
    for customer, subject, outcome in cases:
        if customer != of:
            of, open_cases = customer, set()
        if outcome == "complaint" and subject not in open_cases:
            open_cases.add(subject)
            changes.append(1)
        elif outcome == "resolved" and subject in open_cases:
            open_cases.discard(subject)
            changes.append(-1)
        else:
            changes.append(0)
    return changes
