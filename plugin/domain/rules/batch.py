"""What the evaluator reads and answers: many (customer, instant) pairs as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Bools, Column, Ints
from plugin.domain.rules.syntax import Clause


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """Rows of a kind, sorted by customer and order. Pair i owns rows `start[i]` up to `stop[i]`; pairs may share rows.

    `orders` has processed_at, voided_at (FOREVER: never), total, app_id, location_id; `order_lines` has processed_at,
    voided_at, order (any integer that tells orders apart; lines of one order are neighbours), product_id,
    product_tags (folded list text), product_category, quantity. `touchpoints` has kind and channel beside the two
    instants, `product_views` product_id and product_tags, `collection_views` collection_id. Rows of the future are in
    it: they count when due.
    """

    start: Ints
    stop: Ints
    columns: Mapping[str, Column]


class Leaf(NamedTuple):
    """A clause's answer per pair, the instant at which the clock may flip it (None: never, for all), and of a function
    the number of rows that pass its row conditions."""

    holds: Bools
    until: Ints | None = None
    rows: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pairs to judge. `columns` are those that attributes.py names, and `next_fact_at` from the measures;
    of a lifecycle model `stage:<model>`, `since_day:<model>`, `previous_stage:<model>` and, where the stage itself
    can move with the clock, `stage_valid_until:<model>`. A model without columns has placed nobody."""

    at: Ints
    today: Ints
    calendar: ShopCalendar
    columns: Mapping[str, Column]
    rows: Mapping[str, RowTable] = field(default_factory=dict)
    primary_model: str = ""
    answers: dict[Clause, Leaf] = field(default_factory=dict)  # rules of one model share most of their clauses

    def __len__(self) -> int:
        return len(self.at)

    def column(self, name: str) -> Column:
        """Raises KeyError for a column that is neither given nor a lifecycle model's."""
        if ":" in name and name not in self.columns:
            nobody = np.ones(len(self), dtype=np.bool_)
            text = not name.startswith("since")
            return Column(np.zeros(len(self), dtype=np.dtypes.StringDType() if text else np.int64), nobody)
        return self.columns[name]


class Verdicts(NamedTuple):
    """Whether the rule holds for each pair, and until when that stands with no new fact (epoch microseconds; FOREVER).

    For a comparison it is exact. It may be early for a function (a row leaves the window of its date, others are left)
    and for AND and OR (a term that flips need not decide). An order, refund or void known for later always ends it.
    """

    holds: Bools
    valid_until: Ints
