"""Which method this shop's own past speaks for: rank by what was known at a cut, look at what was bought after it.

A rolling temporal split: the horizon is a sixth of the shop's history, 7 to 30 days, and the last three horizons are
each held out once. A case is a known customer who bought after the cut (new for you: products she had never bought; buy
again: all she bought), or, for bought together, a basket after the cut of which one product, chosen by its number, is
known and the others are asked for; products that nobody bought before the cut are left out of baskets.
Recall@10 is hits over all that was asked for, NDCG@10 with binary gains; both are means over cases, then over cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from plugin.domain.columns import Ints
from plugin.domain.recommend.again import places_of
from plugin.domain.recommend.history import DAY_US, Block, History, Purchases, Sparse, history_of
from plugin.domain.recommend.methods import CATALOGUE, POPULARITY, POWERS, UNTESTED, Fits, Use
from plugin.domain.recommend.scorers import Scorer, top_of

FIRST: Final = 10
CUTS: Final = 3
LEAST_CASES: Final = 50  # of all cuts together; with fewer the method is the plain one, untested
MOST_CASES: Final = 1_500  # of one cut
AGED: Final = 3  # methods that are tried with each half-life
TRENDED: Final = 3  # and with each power of recent popularity
BLOCK_ROWS: Final = 256
_SHORTEST, _LONGEST = 7.0, 30.0
_MARKS: Final = (" & ", " + ")
_WIDE: Final = 2**40  # product ids are put below a row number by their last 40 bits
_DISCOUNT: Final = 1.0 / np.log2(np.arange(2, FIRST + 2))
_MIXER: Final = 0x9E3779B97F4A7C15  # Knuth's multiplicative hash: a draw that is the same in any process


@dataclass(frozen=True, slots=True)
class Cases:
    """`row` of the scorer (-1: a product outside the catalogue, of which nothing is known), `wanted` (cases x products,
    1 what was bought), `hidden` (cases x products that may not be recommended), `size` how much was asked for, in or
    out of the catalogue."""

    row: Ints
    wanted: Sparse
    hidden: Sparse
    size: Ints


@dataclass(frozen=True, slots=True)
class Figures:
    recall: float
    ndcg: float
    n: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The method of one use. `figures` None: too few cases to test. `tested_on` is the first and last instant held out
    (epoch microseconds), `candidates` how many methods were tried."""

    use: Use
    method: str
    figures: Figures | None
    popularity: Figures | None
    tested_on: tuple[int, int] | None
    candidates: int
    horizon: float


def horizon_of(purchases: Purchases, as_of: int) -> float:
    """Days that are held out at a time."""
    known = purchases.at[purchases.at < as_of]
    span = (as_of - int(known.min())) / DAY_US if len(known) else 0.0
    return float(np.clip(span / 6, _SHORTEST, _LONGEST))


def choose(purchases: Purchases, as_of: int, uses: Iterable[Use] = Use) -> dict[Use, Choice]:
    """By recall@10 over the last cuts; of equals the simpler. The best single methods are tried again put together, and
    the best of all times recent popularity."""
    wanted = list(uses)
    horizon = horizon_of(purchases, as_of)
    cuts = [as_of - int((back + 1) * horizon * DAY_US) for back in range(CUTS)]
    found: dict[Use, dict[str, list[Figures]]] = {use: {} for use in wanted}
    for use in wanted:
        histories = [history_of(purchases, cut, CATALOGUE[use]) for cut in cuts]
        fits = [Fits(purchases.before(each.as_of), each, horizon) for each in histories]
        cases = [cases_of(use, purchases, each, each.as_of + int(horizon * DAY_US)) for each in histories]
        if sum(len(each.row) for each in cases) < LEAST_CASES:
            continue
        _measure(use, fits, cases, fits[0].plain(use), found[use])
        _measure(use, fits, cases, _aged(fits[0], use, found[use]), found[use])
        _measure(use, fits, cases, _variants(found[use]), found[use])
        _measure(use, fits, cases, _trends(found[use]), found[use])
        for each in fits:
            each.forget()
    span = (cuts[-1], as_of)
    return {use: _choice(use, found[use], span, horizon) for use in wanted}


def cases_of(use: Use, purchases: Purchases, history: History, end: int, most: int | None = MOST_CASES) -> Cases:
    """What was bought from `history.as_of` until `end`, as questions with their answers."""
    later = purchases.where(history.as_of, end)
    if use is Use.BOUGHT_TOGETHER:
        return _baskets(history, later, most)
    return _customers(use, history, purchases.before(history.as_of), later, most)


def _customers(use: Use, history: History, earlier: Purchases, later: Purchases, most: int | None) -> Cases:
    product = places_of(history.products, later.product)
    buyer = places_of(history.buyers, later.buyer)
    known = (buyer >= 0) & (later.buyer > 0)
    buyers = _drawn(np.unique(buyer[known]), history.buyers, most)
    place = places_of(buyers, buyer)
    chosen = known & (place >= 0)
    wanted = _matrix(place[chosen & (product >= 0)], product[chosen & (product >= 0)], len(buyers), history)
    owned = history.by_buyer()[buyers]
    owned.data[:] = 1
    hidden = sp.csr_matrix(wanted.shape, dtype=np.float32)
    pairs = np.unique(place[chosen] * _WIDE + later.product[chosen] % _WIDE)
    if use is Use.NEW_FOR_YOU:
        wanted, hidden = (wanted - wanted.multiply(owned)).tocsr(), owned
        wanted.eliminate_zeros()
        had = places_of(buyers, places_of(history.buyers, earlier.buyer))
        pairs = np.setdiff1d(pairs, had[had >= 0] * _WIDE + earlier.product[had >= 0] % _WIDE)
    size = np.bincount(pairs // _WIDE, minlength=len(buyers))
    asked = np.flatnonzero(size > 0)
    return Cases(buyers[asked], wanted[asked], hidden[asked], size[asked])


def _baskets(history: History, later: Purchases, most: int | None) -> Cases:
    item = places_of(history.sold, later.product)
    known = item >= 0
    orders, order = np.unique(later.order[known], return_inverse=True)
    basket, inside = np.divmod(np.unique(order * max(len(history.sold), 1) + item[known]), max(len(history.sold), 1))
    several = _drawn(np.flatnonzero(np.bincount(basket, minlength=len(orders)) > 1), orders, most)
    place = places_of(several, basket)
    row, product = place[place >= 0], history.sold[inside[place >= 0]]
    by_draw = np.lexsort((_mixed(product + orders[several][row]), row))
    _, first = np.unique(row[by_draw], return_index=True)
    given = places_of(history.products, product[by_draw][first])
    column = places_of(history.products, product)
    wanted = _matrix(row[column >= 0], column[column >= 0], len(several), history)
    hidden = _matrix(np.flatnonzero(given >= 0), given[given >= 0], len(several), history)
    wanted = (wanted - hidden).tocsr()
    wanted.eliminate_zeros()
    return Cases(given, wanted, hidden, np.bincount(row, minlength=len(several)) - 1)


def measured(scorer: Scorer, cases: Cases, tie: Block) -> Figures:
    """Ties of scores are broken by `tie` (recent popularity), then by product id."""
    recall, ndcg = 0.0, 0.0
    faint = (tie / max(float(tie.max(initial=0)), 1.0)).astype(np.float32)
    for start in range(0, len(cases.row), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        row = cases.row[part]
        block = scorer(np.maximum(row, 0))
        block[row < 0] = 0
        best = top_of(admissible(block, cases.hidden[part], faint), FIRST)
        hits = np.take_along_axis(cases.wanted[part].toarray() > 0, best, axis=1)
        size = cases.size[part]
        ideal = np.cumsum(_DISCOUNT)[np.minimum(size, FIRST) - 1]
        recall += float((hits.sum(axis=1) / size).sum())
        ndcg += float((hits @ _DISCOUNT[: hits.shape[1]] / ideal).sum())
    count = max(len(cases.row), 1)
    return Figures(recall / count, ndcg / count, len(cases.row))


def admissible(block: Block, hidden: Sparse, faint: Block) -> Block:
    """Scores with ties broken, and nothing that is hidden."""
    top = np.maximum(block.max(axis=1, keepdims=True, initial=0), 1e-9)
    ranked: Block = block / top + np.float32(1e-5) * faint
    rows, columns = hidden.nonzero()
    ranked[rows, columns] = -np.inf
    return ranked


def _measure(
    use: Use, fits: Sequence[Fits], cases: Sequence[Cases], names: Iterable[str], found: dict[str, list[Figures]]
) -> None:
    for name in names:
        for fit, each in zip(fits, cases, strict=True):
            scorer = fit.scorer(use, name)
            if scorer is not None and len(each.row):
                tie = fit.popularity(30.0).astype(np.float32)
                found.setdefault(name, []).append(measured(scorer, each, tie))


def _aged(fits: Fits, use: Use, found: dict[str, list[Figures]]) -> list[str]:
    """The best of what was begun with, with each half-life."""
    best = sorted(found, key=lambda name: -_mean(found[name]).recall)[:AGED]
    return [name for name in fits.names(use) if name not in found and name.partition(", ")[0] in best]


def _variants(found: dict[str, list[Figures]]) -> list[str]:
    """The best of each half-life, and the best of each kind, put together: by score and by rank."""
    ranked = [name for name in sorted(found, key=lambda name: -_mean(found[name]).recall) if "popularity" not in name]
    if not ranked:
        return []
    lives = _firsts(ranked, _life)
    kinds = _firsts(ranked, _kind)
    bases = _firsts(ranked, lambda name: name.split()[0])
    names = [mark.join(group[:size]) for group in (lives, kinds) for size in (2, 3) for mark in _MARKS if group[1:]]
    names += [" & ".join((*lives[:2], base)) for base in bases[1:2]]
    return list(dict.fromkeys(names))


def _trends(found: dict[str, list[Figures]]) -> list[str]:
    """The best so far, times recent popularity."""
    ranked = sorted(found, key=lambda name: -_mean(found[name]).recall)
    best = [name for name in ranked if not name.startswith("popularity")][:TRENDED]
    return [f"{name} x popularity^{power}" for name in best for power in POWERS]


def _firsts(ranked: Sequence[str], key: Callable[[str], str]) -> list[str]:
    firsts: dict[str, str] = {}
    for name in ranked:
        firsts.setdefault(key(name), name)
    return list(firsts.values())


def _life(name: str) -> str:
    return name.partition(", ")[2]


def _kind(name: str) -> str:
    """Without half-life and penalty."""
    return " ".join(word for word in name.partition(", ")[0].split() if not word.isdigit())


def _choice(use: Use, found: dict[str, list[Figures]], span: tuple[int, int], horizon: float) -> Choice:
    if not found:
        return Choice(use, UNTESTED[use], None, None, None, 0, horizon)
    cuts = max(len(figures) for figures in found.values())
    means = {name: _mean(figures) for name, figures in found.items() if len(figures) == cuts}
    best = max(means, key=lambda name: means[name].recall)
    return Choice(use, best, means[best], means[POPULARITY], span, len(found), horizon)


def _mean(figures: Sequence[Figures]) -> Figures:
    n = sum(each.n for each in figures)
    over: Callable[[str], float] = lambda what: sum(getattr(each, what) * each.n for each in figures) / max(n, 1)  # noqa: E731 - two words
    return Figures(over("recall"), over("ndcg"), n)


def _matrix(row: Ints, column: Ints, height: int, history: History) -> Sparse:
    matrix = sp.csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=(height, len(history.products)))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _drawn(places: Ints, names: Ints, most: int | None) -> Ints:
    """At most so many, by a hash of their names; ascending."""
    if most is None or len(places) <= most:
        return places
    return np.sort(places[np.argsort(_mixed(names[places]), kind="stable")[:most]])


def _mixed(numbers: Ints) -> NDArray[np.uint64]:
    mixed = numbers.astype(np.uint64) * np.uint64(_MIXER)
    return mixed ^ (mixed >> np.uint64(29))
