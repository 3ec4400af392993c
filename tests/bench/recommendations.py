"""New products recommended at the cut of online_retail (README, "Split"), against popularity; without that data, the
same on made-up themes. And how long the fit of the pairs takes beside one pass that only groups the lines."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import numpy as np

from plugin.domain.cross_sell import LEAST_TOGETHER, baskets_of, co_purchases
from tests.bench.registry import Figure, Options
from tests.support.backtest import recalls
from tests.support.online_retail import CUT, Lines, new_products, read_lines
from tests.support.themes import themed_shop

GOAL: Final = 1.0  # at least popularity


async def run(options: Options) -> list[Figure]:
    return await asyncio.to_thread(_run, options)


def _run(options: Options) -> list[Figure]:
    if options.data is None:
        where, (lines, later) = "made-up themes", themed_shop(customers=2_000)
    else:
        where, lines, later = "online_retail", read_lines(options.data), new_products(options.data)
    known = lines.before(CUT)
    found = recalls(known.buyer, known.at, known.product, later)
    popular = found["popularity"]
    return [
        Figure(
            name=f"recall@10 of new products, {where}: {name}",
            value=recall,
            unit="share",
            floor=popular,
            goal=GOAL if name == "count x log lift" else None,
        )
        for name, recall in found.items()
    ] + _fit_time(lines)


def _fit_time(lines: Lines) -> list[Figure]:
    started = time.perf_counter()
    baskets = baskets_of(lines.buyer, lines.product, least=LEAST_TOGETHER)
    grouped = time.perf_counter()
    pairs = co_purchases(baskets)
    ended = time.perf_counter()
    rows = len(np.unique(pairs.product))
    return [
        Figure(
            name=f"fit of co-purchases, {len(lines.order):,} lines, {rows:,} products",
            value=len(lines.order) / (ended - started),
            unit="lines/s",
            floor=len(lines.order) / (grouped - started),
        )
    ]
