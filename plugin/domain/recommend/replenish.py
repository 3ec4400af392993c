"""When a customer needs a product again: each product's own cycle in days per unit, from repeat purchases.

Model: of one customer and product, x = log(days until bought again / units bought) is normal around the product's
mean, that around its type's, that around the shop's (empirical Bayes, Morris 1983: variances by the method of moments
from the shop's own repeats). Every mean is shrunk by its own number of repeats, so few data say what the type or the
shop says; a customer's own repeats move her mean away from the product's the same way. Due is the last purchase +
units x e^mean; the interval covers 80 % under the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from plugin.domain.columns import Bools, Floats, Ints
from plugin.domain.recommend.history import DAY_US

LEAST_REPEATS: Final = 3  # of a product, by two customers or more: its cycle is its own
LEAST_CUSTOMERS: Final = 2
# A customer who bought it once is told only where most who bought it came back for it.
LEAST_SHARE_AGAIN: Final = 0.5
_Z: Final = 1.2816  # 10 % beyond on either side
_LEAST_VARIANCE: Final = 0.05
_LONGEST: Final = 1_095.0  # days; as for a lapse (lifecycle.md, section 3)


@dataclass(frozen=True, slots=True)
class Replenishments:
    """One row per customer and product, by customer and then by due day. Instants in epoch microseconds. `cycle` days
    per unit, `units` bought last, `repeats` of the product by everybody, `own` of them the customer's."""

    customer: Ints
    product: Ints
    due: Ints
    first: Ints
    until: Ints
    cycle: Floats
    units: Ints
    repeats: Ints
    own: Ints


@dataclass(frozen=True, slots=True)
class _Visits:
    """One row per (customer, product, day), ascending: units bought that day, and days until the next (NaN: none)."""

    customer: Ints
    product: Ints
    at: Ints
    units: Ints
    gap: Floats


def replenishments(
    customer: Ints, product: Ints, at: Ints, units: Ints, *, kinds: Mapping[int, str], as_of: int
) -> Replenishments:
    """Who needs what again, from lines before `as_of` (guests left out by the caller). `kinds`: product -> its type, ''
    for none. Nothing is due that was followed by another product of the same type (bought elsewhere in the same need),
    nor once the interval has passed: that customer left it."""
    known = (at < as_of) & (units > 0)
    visits = _visits(customer[known], product[known], at[known], units[known])
    ids, item = np.unique(visits.product, return_inverse=True)
    names, kind_of = np.unique(np.array([kinds.get(int(each), "") for each in ids], dtype=str), return_inverse=True)
    again = ~np.isnan(visits.gap)
    value = np.log(np.where(again, visits.gap, 1.0) / visits.units)
    mean, posterior, within, repeats, customers = _products(value, again, item, kind_of, visits.customer)
    buyers = np.bincount(item[~again], minlength=len(ids))  # each pair's last visit is followed by none
    share_again = customers / np.maximum(buyers, 1)

    last = np.flatnonzero(~again)
    pair = np.cumsum(~again) - (~again)  # visits of a pair stand together, its last one closes it
    own = np.bincount(pair[again], minlength=len(last))
    summed = np.bincount(pair[again], weights=value[again], minlength=len(last))
    which = item[last]
    spread = np.maximum(posterior[which] + within / 2, 1e-9)  # how customers differ is about half of what repeats do
    hers = (mean[which] / spread + summed / within) / (1 / spread + own / within)
    left = 1 / (1 / spread + own / within)
    width = _Z * np.sqrt(left + within)
    last_at, last_units = visits.at[last], visits.units[last]
    base = np.log(last_units)
    days = np.exp(np.stack([hers, hers - width, hers + width]) + base).clip(1.0, _LONGEST)
    due, first, until = (last_at + np.rint(each).astype(np.int64) * DAY_US for each in days)
    told = (repeats[which] >= LEAST_REPEATS) & (customers[which] >= LEAST_CUSTOMERS)
    told &= (own > 0) | (share_again[which] >= LEAST_SHARE_AGAIN)
    told &= until >= as_of
    told &= ~_elsewhere(visits.customer[last], which, last_at, kind_of, names)
    rows = np.flatnonzero(told)
    rows = rows[np.lexsort((visits.product[last][rows], due[rows], visits.customer[last][rows]))]
    return Replenishments(
        customer=visits.customer[last][rows], product=visits.product[last][rows], due=due[rows], first=first[rows],
        until=until[rows], cycle=np.exp(hers[rows]), units=last_units[rows], repeats=repeats[which][rows],
        own=own[rows],
    )  # fmt: skip


def _visits(customer: Ints, product: Ints, at: Ints, units: Ints) -> _Visits:
    day = at // DAY_US
    order = np.lexsort((at, day, product, customer))
    customer, product, at, units, day = (column[order] for column in (customer, product, at, units, day))
    new = np.ones(len(day), dtype=np.bool_)
    new[1:] = (np.diff(customer) != 0) | (np.diff(product) != 0) | (np.diff(day) != 0)
    starts = np.flatnonzero(new)
    summed = np.add.reduceat(units, starts) if len(starts) else units
    customer, product, at = customer[starts], product[starts], at[starts]
    gap = np.full(len(starts), np.nan)
    if len(starts) > 1:
        same = (np.diff(customer) == 0) & (np.diff(product) == 0)
        gap[:-1] = np.where(same, np.diff(day[starts]), np.nan)
    return _Visits(customer, product, at, summed, gap)


def _products(
    value: Floats, again: Bools, item: Ints, kind_of: Ints, customer: Ints
) -> tuple[Floats, Floats, float, Ints, Ints]:
    """Of each product: its shrunk mean, the variance left in it, the variance within products, its repeats, and the
    customers they come from."""
    count = len(kind_of)
    repeats = np.bincount(item[again], minlength=count)
    people, person = np.unique(customer[again], return_inverse=True)
    pairs = np.unique(item[again] * max(len(people), 1) + person)
    customers = np.bincount(pairs // max(len(people), 1), minlength=count)
    total = np.bincount(item[again], weights=value[again], minlength=count)
    raw = total / np.maximum(repeats, 1)
    within = _pooled(value[again], raw[item[again]], int((repeats > 0).sum()))
    between = _between(raw, repeats, within)
    shop = float(value[again].mean()) if again.any() else float(np.log(30.0))
    kinds = int(kind_of.max(initial=-1)) + 1
    of_kind = np.bincount(kind_of, weights=repeats, minlength=kinds)
    kind_total = np.bincount(kind_of, weights=total, minlength=kinds)
    # A type's mean is as sure as its products allow; the shop stands for one product more.
    kind_mean = (kind_total / within + shop / between) / (of_kind / within + 1 / between)
    prior = kind_mean[kind_of]
    mean = (total / within + prior / between) / (repeats / within + 1 / between)
    posterior = 1 / (repeats / within + 1 / between)
    return mean, posterior, within, repeats, customers


def _pooled(value: Floats, around: Floats, groups: int) -> float:
    freedom = len(value) - groups
    return max(float(((value - around) ** 2).sum()) / freedom, _LEAST_VARIANCE) if freedom > 0 else 1.0


def _between(raw: Floats, repeats: Ints, within: float) -> float:
    """What product means differ by beyond what chance within them explains (method of moments)."""
    seen = repeats > 0
    if int(seen.sum()) < 2:  # noqa: PLR2004 - nothing differs from itself
        return 1.0
    expected = within * float((1 / repeats[seen]).mean())
    return max(float(raw[seen].var(ddof=1)) - expected, _LEAST_VARIANCE)


def _elsewhere(customer: Ints, item: Ints, at: Ints, kind_of: Ints, names: object) -> Bools:
    """Whether another product of the same type was bought after this one was bought last."""
    kind = kind_of[item]
    order = np.lexsort((at, kind, customer))
    group = np.zeros(len(order), dtype=np.int64)
    if len(order):
        group[1:] = np.cumsum((np.diff(customer[order]) != 0) | (np.diff(kind[order]) != 0))
    latest = np.full(int(group.max(initial=-1)) + 1, -(2**63), dtype=np.int64)
    np.maximum.at(latest, group, at[order])
    found = np.zeros(len(order), dtype=np.bool_)
    found[order] = latest[group] > at[order]
    named = np.asarray(names)[kind] != ""
    result: Bools = found & named
    return result
