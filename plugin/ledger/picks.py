"""Which customers a bulk statement is about: an id range, or a few ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from plugin.domain.columns import Ints

_PADDED: Final = (1, 8, 64, 512)  # sizes of id lists, so that few different statements are prepared
MOST_IDS: Final = _PADDED[-1]
_SMALLEST: Final = 0  # ids of the platform are above it
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Pick:
    """Which customers: a condition on a column that holds customer ids, with its parameters from `$2` on."""

    form: str
    params: tuple[int, ...]
    few: bool

    def condition(self, column: str) -> str:
        return self.form.format(column)

    def split(self, ids: Ints, size: int) -> list[Pick]:
        """Of a range: ranges that together cover it, with at most `size` of `ids` (ascending, within it) in each."""
        low, high = self.params
        starts = [low, *ids[size::size].tolist()]
        return [between(*ends) for ends in zip(starts, [*(start - 1 for start in starts[1:]), high], strict=True)]

    def within(self, sql: str) -> str:
        """`sql` with each `{column}` replaced by the condition on it."""
        head, _, rest = sql.partition("{")
        column, _, tail = rest.partition("}")
        return head + self.condition(column) + tail


def between(low: int, high: int) -> Pick:
    """Ids from `low` to `high`, both in."""
    return Pick("{0} BETWEEN $2 AND $3", (low, high), few=False)


def among(ids: Sequence[int]) -> Pick:
    """At most `MOST_IDS` ids, at least one."""
    size = next(size for size in _PADDED if size >= len(ids))
    marks = ", ".join(f"${position}" for position in range(2, size + 2))
    return Pick(f"{{0}} IN ({marks})", (*ids, *[ids[-1]] * (size - len(ids))), few=True)


def id_ranges(ids: Ints, size: int) -> list[Pick]:
    """Ranges that together cover every possible id, with at most `size` of `ids` (ascending) in each."""
    return between(_SMALLEST, _LARGEST).split(ids, size)
