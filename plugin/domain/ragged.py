"""Groups of unequal length in flat arrays, without a Python loop over the groups."""

from __future__ import annotations

import numpy as np

from plugin.domain.columns import Ints


def ranges(starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """All indices of the ranges one after the other, and for each the number of the range it belongs to."""
    owners = np.repeat(np.arange(len(starts), dtype=np.int64), lengths)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths), owners


def offsets_of(owners: Ints, groups: int) -> Ints:
    """Where each group starts (and the last ends) in an array sorted by group."""
    offsets = np.zeros(groups + 1, dtype=np.int64)
    np.cumsum(np.bincount(owners, minlength=groups), out=offsets[1:])
    return offsets


def first_after(values: Ints, starts: Ints, stops: Ints, limits: Ints) -> Ints:
    """For each range [start, stop) of ascending `values`, the index of the first value above its limit, or its stop."""
    low, high = starts.copy(), stops.copy()
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        above = values[np.where(open_, middle, 0)] > limits
        high = np.where(open_ & above, middle, high)
        low = np.where(open_ & ~above, middle + 1, low)
    return low
