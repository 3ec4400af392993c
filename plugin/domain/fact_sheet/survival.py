"""Kaplan-Meier: what share has bought again by a day, where some have not been watched that long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.fact_sheet.intervals import Estimate, log_log, wilson


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """By day 0, 1, …: at risk, events, what is left (`survival`) and Greenwood's sum. Somebody who was let out of sight
    on a day was at risk on it."""

    at_risk: Ints
    events: Ints
    survival: Floats
    greenwood: Floats

    def by(self, day: int) -> Estimate | None:
        """The share that had the event by `day`; None where nobody without it was watched that long."""
        if not len(self.at_risk) or (day >= len(self.at_risk) and self.survival[-1] > 0):
            return None
        day = min(day, len(self.at_risk) - 1)
        left, n, start = float(self.survival[day]), int(self.events[: day + 1].sum()), int(self.at_risk[0])
        if 0 < left < 1:
            low, high = log_log(left, float(self.greenwood[day]))
            return Estimate(1 - left, 1 - high, 1 - low, n, start)
        return Estimate(1 - left, *wilson(1 - left, int(self.at_risk[: day + 1].min())), n, start)


def kaplan_meier(days: Ints, happened: Bools) -> Survival:
    """`days` (from 0) until the event where `happened`, else until the last sight."""
    length = int(days.max()) + 1 if len(days) else 0
    events = np.bincount(days[happened], minlength=length)
    leaving = np.bincount(days, minlength=length)
    at_risk = len(days) - (np.cumsum(leaving) - leaving)
    kept = 1 - events / np.maximum(at_risk, 1)
    some_stay = at_risk > events
    terms = np.where(some_stay, events / np.maximum(at_risk * (at_risk - events), 1), 0.0)
    return Survival(at_risk, events, np.cumprod(kept), np.cumsum(terms))
