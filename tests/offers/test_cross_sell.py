"""Co-purchases counted by hand, and as laws."""

from collections import Counter
from itertools import permutations
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.cross_sell import baskets_of, co_purchases, pair_scores, popularity

# Six baskets: 1 and 2 are together in three of them.
BASKETS = {1: (1, 2), 2: (1, 2), 3: (1, 2, 3), 4: (1,), 5: (3, 4), 6: (3, 4)}
ROWS = [(basket, product) for basket, products in BASKETS.items() for product in products]


def _arrays(rows):
    rows = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _table(pairs):
    columns = (pairs.product, pairs.rank, pairs.other, pairs.together)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


def test_six_baskets_give_exactly_these_pairs_counts_and_lifts():
    pairs = co_purchases(baskets_of(*_arrays(ROWS)), shrinkage=0)
    assert _table(pairs) == [(1, 1, 2, 3), (2, 1, 1, 3), (3, 1, 4, 2), (4, 1, 3, 2)]
    assert pairs.lift.tolist() == [6 * 3 / (4 * 3)] * 2 + [6 * 2 / (3 * 2)] * 2
    assert pairs.score.tolist() == pytest.approx([3 * log(1.5)] * 2 + [2 * log(2)] * 2)


def test_a_line_that_comes_twice_counts_once():
    assert _table(co_purchases(baskets_of(*_arrays(ROWS + ROWS)))) == _table(co_purchases(baskets_of(*_arrays(ROWS))))


def test_a_pair_no_more_often_than_chance_is_not_offered():
    everyone = [(basket, 1) for basket in range(10)] + [(basket, 2) for basket in range(5)]
    assert _table(co_purchases(baskets_of(*_arrays(everyone)))) == []


def test_few_data_pull_the_score_down_and_not_the_count():
    together, expected = np.array([2, 200]), np.array([0.01, 20.0])
    plain, shrunk = pair_scores(together, expected, shrinkage=0), pair_scores(together, expected, shrinkage=2)
    assert plain.tolist() == pytest.approx([2 * log(200), 200 * log(10)])
    assert shrunk[0] / plain[0] < 0.2
    assert shrunk[1] / plain[1] > 0.9


def test_a_frequent_pair_stands_before_a_rare_one_of_higher_lift():
    rows = [(basket, product) for basket in range(40) for product in (1, 2)]
    rows += [(basket, 1) for basket in range(40, 60)] + [(100, 1), (100, 9), (101, 1), (101, 9)]
    rows += [(basket, 50) for basket in range(200, 300)]
    pairs = co_purchases(baskets_of(*_arrays(rows)))
    of_1 = pairs.product == 1
    assert pairs.other[of_1].tolist() == [2, 9]
    assert pairs.lift[of_1].tolist() == pytest.approx([162 / 62, 162 / 62])


def test_equal_pairs_stand_in_the_order_of_their_ids_whatever_the_order_of_the_lines():
    rows = [(basket, product) for basket in range(3) for product in (7, 30, 20, 10)] + [(9, 1), (10, 1)]
    tables = {tuple(_table(co_purchases(baskets_of(*_arrays(rows[::step]))))) for step in (1, -1)}
    assert len(tables) == 1
    assert [row[2] for row in tables.pop() if row[0] == 7] == [10, 20, 30]


def test_only_offered_products_are_partners_and_the_list_is_cut_at_top():
    rows = [(basket, product) for basket in range(3) for product in (7, 10, 20, 30)] + [(9, 1), (10, 1)]
    pairs = co_purchases(baskets_of(*_arrays(rows)), offered=np.array([20, 30]), top=1)
    assert _table(pairs) == [(7, 1, 20, 3), (10, 1, 20, 3), (20, 1, 30, 3), (30, 1, 20, 3)]


def test_products_beyond_the_most_bought_are_left_out():
    baskets = baskets_of(*_arrays(ROWS), most_products=2)
    assert baskets.ids.tolist() == [1, 2]
    assert baskets.count == 6


def test_no_history_gives_no_pairs():
    assert _table(co_purchases(baskets_of(*_arrays([])))) == []
    assert [part.tolist() for part in popularity(*_arrays([]))] == [[], []]


def test_popularity_counts_buyers_and_breaks_ties_by_id():
    ids, buyers = popularity(*_arrays([*ROWS, (1, 1), (1, 1)]))
    assert list(zip(ids.tolist(), buyers.tolist(), strict=True)) == [(1, 4), (2, 3), (3, 3), (4, 2)]


@given(st.lists(st.tuples(st.integers(-3, 8), st.integers(1, 6)), max_size=60))
def test_counts_are_those_of_counting_by_hand(rows):
    by_basket: dict[int, set[int]] = {}
    for basket, product in rows:
        by_basket.setdefault(basket, set()).add(product)
    counted = Counter(pair for products in by_basket.values() for pair in permutations(products, 2))
    sizes = Counter(product for products in by_basket.values() for product in products)
    expected = {
        (a, b): count
        for (a, b), count in counted.items()
        if count >= 2 and count * len(by_basket) > sizes[a] * sizes[b]
    }
    pairs = co_purchases(baskets_of(*_arrays(rows)))
    assert {(a, b): count for a, _, b, count in _table(pairs)} == expected
    assert (np.diff(pairs.score)[np.diff(pairs.product) == 0] <= 0).all()
