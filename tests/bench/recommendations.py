"""Recommendations on held-out orders, and what fitting and looking them up costs.

Protocol, the same for every shop. The methods see only what was bought before the cut, and choose among themselves by the
backtest inside that history (`plugin/domain/recommend/backtest.py`); a run looks at the held-out orders for its figures only.
The candidates were written by people who had seen earlier figures of these data sets, so they are regression tests of the
choice, no proof for another shop. Orders that were cancelled are left out, guests' orders are baskets but no customers.
 - online_retail: cut 2011-10-01T00:00:00Z, the 70 days after it are held out; all customers.
 - completejourney (the demo's orders; where the package is installed): the last 30 days are held out; the 1,226 households
   of the demo's 1,800, by hash, that have at most 400 lines; all 2,469 with `--big`.
 - without data: a made-up shop of themes.
Cases: `new for you`, a known customer who bought something after the cut that she never had before, products she had are
not recommended; `buy again`, a known customer who bought anything, asked for all of it; `bought together`, a basket after
the cut (of at most 5,000, drawn by hash) of two or more products that were sold before it, one of which, drawn by hash, is
known and the others are asked for. Recall@10 = hits among the first ten / all asked for; NDCG@10 with binary gains and the
ideal cut at ten; means over cases. Ties are broken by the popularity of 30 days, then by product id.
`floor` is the plain method of each use on the same cases: EASE (penalty 300), own favourites, and for bought together the
better of counts and count x log lift. The goal is a ratio of 1. On the two real shops there stands beside it what was set
as a goal before these methods were written.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from plugin.domain.recommend.backtest import Figures, cases_of, choose, horizon_of, measured
from plugin.domain.recommend.history import DAY_US, Purchases, history_of
from plugin.domain.recommend.methods import CATALOGUE, PLAIN_DAYS, POPULARITY, Fits, Use
from plugin.domain.recommend.scorers import cosine, ease, gram_of
from plugin.ledger.store import open_store
from plugin.lifecycle.offers import fit_offers, recommend
from plugin.settings import read_settings
from tests.bench.grown_shop import NOW, PRODUCTS, grow
from tests.bench.registry import Figure, Options
from tests.bench.sync import new_database
from tests.support.completejourney import demo_purchases
from tests.support.online_retail import CUT, Lines, read_lines
from tests.support.small_shop import a_shop, stock
from tests.support.themes import themed_shop

END: Final = 2**62
BASKETS: Final = 5_000
LOOK_UPS: Final = 300
CUSTOMERS: Final = 4_000
MOST_MS: Final = 5.0
GOALS: Final = {
    "online_retail": {Use.NEW_FOR_YOU: 0.052, Use.BOUGHT_TOGETHER: 0.113, Use.BUY_AGAIN: 0.136},
    "completejourney": {Use.NEW_FOR_YOU: 0.019, Use.BOUGHT_TOGETHER: 0.079, Use.BUY_AGAIN: 0.098},
}
PLAIN: Final = {
    Use.NEW_FOR_YOU: ("ease 300",),
    Use.BOUGHT_TOGETHER: ("customers log lift", "orders count"),
    Use.BUY_AGAIN: ("favourites",),
}


async def run(options: Options) -> list[Figure]:
    figures, lines = await asyncio.to_thread(_quality, options)
    figures += await asyncio.to_thread(_fit_time, lines)
    for name in ("sqlite", "postgres") if options.postgres else ("sqlite",):
        figures += await _look_ups(options, name)
    return figures


def _quality(options: Options) -> tuple[list[Figure], Purchases]:
    figures: list[Figure] = []
    shops: list[tuple[str, Purchases, int]] = []
    if options.data is None:
        lines, _ = themed_shop(customers=2_000)
        end = int(lines.at.max()) + 1
        shops.append(("made-up themes", _purchases(lines), end - 30 * DAY_US))
    else:
        shops.append(("online_retail", _purchases(read_lines(options.data)), CUT))
    demo = demo_purchases(None if options.big else 1_800)
    if demo is not None:
        shops.append(("completejourney", demo, int((demo.at.max() // DAY_US - 29) * DAY_US)))
    for name, purchases, cut in shops:
        figures += _held_out(name, purchases, cut)
    return figures, max((each[1] for each in shops), key=lambda each: len(each.at))


def _purchases(lines: Lines) -> Purchases:
    return Purchases(lines.buyer, lines.order, lines.product, lines.at)


def _held_out(name: str, purchases: Purchases, cut: int) -> list[Figure]:
    past = purchases.before(cut)
    choices = choose(past, cut)
    figures = []
    for use, choice in choices.items():
        history = history_of(past, cut, CATALOGUE[use])
        fits = Fits(past, history, horizon_of(past, cut))
        cases = cases_of(use, purchases, history, END, BASKETS if use is Use.BOUGHT_TOGETHER else None)
        tie = fits.popularity(PLAIN_DAYS).astype(np.float32)
        found: dict[str, Figures] = {}
        for method in (choice.method, POPULARITY, *PLAIN[use]):
            scorer = fits.scorer(use, method)
            if scorer is not None:
                found[method] = measured(scorer, cases, tie)
        best = found[choice.method]
        plain = max((found[method] for method in PLAIN[use] if method in found), key=lambda each: each.recall)
        what = f"{name}, {use.lower().replace('_', ' ')} (n {best.n:,}): {choice.method}"
        set_before = GOALS.get(name, {}).get(use)
        goal = None if set_before is None else 1.0
        figures += [
            Figure(
                name=f"recall@10 {name}, {use.lower()}: beside the goal set before",
                value=best.recall,
                unit="share",
                floor=set_before,
                goal=goal,
            ),
            Figure(name=f"recall@10 {what}", value=best.recall, unit="share", floor=plain.recall, goal=1.0),
            Figure(name=f"NDCG@10 {what}", value=best.ndcg, unit="share", floor=plain.ndcg),
            Figure(name=f"recall@10 {name}, {use.lower()}: popularity", value=found[POPULARITY].recall, unit="share"),
        ]
    return figures


def _fit_time(purchases: Purchases) -> list[Figure]:
    """A million lines: the purchases again under other customers' numbers, and the same matrix given to `implicit`."""
    copies = -(-1_000_000 // len(purchases.at))
    many = Purchases(
        np.concatenate([purchases.buyer + np.sign(purchases.buyer) * copy * 10**9 for copy in range(copies)]),
        np.concatenate([purchases.order + copy * 10**12 for copy in range(copies)]),
        np.tile(purchases.product, copies),
        np.tile(purchases.at, copies),
    )
    history = history_of(many, int(many.at.max()) + 1)
    items = min(_seconds(lambda: cosine(gram_of(history, None)[2])) for _ in range(2))
    shallow = _seconds(lambda: ease(gram_of(history, None)[2], 300.0))
    narrow = gram_of(history, None)[0].tocsr()
    where = f"{len(many.at):,} lines, {narrow.shape[0]:,} buyers x {narrow.shape[1]:,} products"
    figures = [Figure(name=f"fit of EASE, {where}", value=shallow, unit="s of processor")]
    try:
        from implicit.nearest_neighbours import CosineRecommender
    except ModuleNotFoundError:
        peer = None
    else:
        peer = min(
            _seconds(lambda: CosineRecommender(K=100, num_threads=1).fit(narrow, show_progress=False)) for _ in range(2)
        )
    # As a rate, so that more is better: the goal of 1.5 times the peer's time is two thirds of its rate.
    lines = len(many.at)
    figures.append(
        Figure(
            name=f"fit of item-item cosine beside implicit's, {where}", value=lines / items, unit="lines/s",
            floor=lines / peer if peer else None, goal=1 / 1.5,
        )
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*figures, Figure(name="peak memory of this run", value=peak, unit="MB")]


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


async def _look_ups(options: Options, name: str) -> list[Figure]:
    shop = a_shop()
    now = datetime.fromtimestamp(NOW / 1e6, UTC)
    url = await new_database(options, name)
    environment = {
        "SHOPIFY_API_KEY": "bench", "SHOPIFY_API_SECRET": "bench", "REBLOOM_ENCRYPTION_KEYS": "a-key-of-the-benchmark-of-32-letters",
        "REBLOOM_DATABASE_URL": url.replace("sqlite://", "sqlite:///"),
    }  # fmt: skip
    async with open_store(read_settings(environment)) as store:
        await stock(store.database, *range(1, PRODUCTS + 1))
        await grow(store, CUSTOMERS)
        await fit_offers(store, shop, now=now)
        kinds: dict[str, Callable[[int], tuple[list[int], int | None]]] = {
            "beside a product": lambda n: ([1 + n % PRODUCTS], None),
            "new for a customer": lambda n: ([], 1 + n * 13 % CUSTOMERS),
        }
        figures = []
        for what, asked in kinds.items():
            taken = []
            for number in range(LOOK_UPS):
                products, customer = asked(number)
                started = time.perf_counter()
                await recommend(store, shop, products, customer_id=customer, first=5, now=now + timedelta(seconds=1))
                taken.append(time.perf_counter() - started)
            middle = float(np.median(taken)) * 1000
            rate = Figure(
                name=f"{name}: looking up what is {what} (median {middle:.2f} ms)", value=1000 / middle, unit="requests/s",
                floor=1000 / MOST_MS, goal=1.0,
            )  # fmt: skip
            figures.append(rate)
        return figures
