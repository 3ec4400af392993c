"""Count x log lift against raw lift and popularity: on a made-up shop always, on real orders where they are present."""

from pathlib import Path

import numpy as np
import pytest

from plugin.domain.cross_sell import baskets_of, expected_together, partners_of
from tests.support.backtest import recalls
from tests.support.online_retail import CUT, PRESENT, new_products, read_lines, truth
from tests.support.themes import themed_shop

SOURCES = [None, *(folder for folder in PRESENT if folder.name == "full")]


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: "made up" if folder is None else folder.name)
def test_new_products_are_found_better_than_by_popularity_and_far_better_than_by_raw_lift(folder: Path | None):
    lines, later = themed_shop() if folder is None else (read_lines(folder), new_products(folder))
    known = lines.before(CUT)
    found = recalls(known.buyer, known.at, known.product, later)
    assert found["count x log lift"] > 1.5 * found["popularity"] > 0
    assert found["count x log lift"] > 1.5 * found["raw lift"]


HAND_MADE = [((1, 1, 2, 2, 3, 3, 4, 5), (7, 8, 7, 8, 7, 9, 7, 9), (7, 8, 2, 5 * 2 / (4 * 2)))]


@pytest.mark.parametrize("folder", [None, *PRESENT], ids=lambda folder: "by hand" if folder is None else folder.name)
def test_pairs_counted_over_orders_are_those_of_the_truth(folder: Path | None):
    if folder is None:
        orders, products, pair = HAND_MADE[0]
        expected, baskets = [pair], baskets_of(np.array(orders), np.array(products))
    else:
        lines, known = read_lines(folder), truth(folder)["pairs"]
        baskets = baskets_of(lines.order, lines.product)
        expected = [
            (_number(pair["a"]), _number(pair["b"]), pair["orders_both"], pair["lift"])
            for pair in known["top20_by_count"] + known["top20_by_lift"]
        ]
        assert baskets.count == known["orders_with_a_product"]
    for one, other, together, lift in expected:
        index, partner = np.searchsorted(baskets.ids, [one, other])
        assert partners_of(baskets, index)[partner] == together
        assert together / expected_together(baskets, index)[partner] == pytest.approx(lift, abs=1e-6)


def _number(gid: str) -> int:
    return int(gid.rsplit("/", 1)[1])
