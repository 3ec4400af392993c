"""The methods on small shops worked out by hand, the backtest on made-up themes, and lists that leave out what must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.cross_sell import CoPurchases
from plugin.domain.recommend.again import owned_of
from plugin.domain.recommend.backtest import LEAST_CASES, Cases, cases_of, choose, measured
from plugin.domain.recommend.history import DAY_US, Purchases, history_of
from plugin.domain.recommend.lists import again_for_customers, beside_products, new_for_customers
from plugin.domain.recommend.methods import POPULARITY, UNTESTED, Fits, Use
from plugin.domain.recommend.scorers import Baskets, ease, fused, gram_of, popular, together, top_of
from tests.support.themes import themed_shop

NOW = 1_000 * DAY_US


def bought(*rows: tuple[int, int, int, int]) -> Purchases:
    """(buyer, order, product, days ago)."""
    buyer, order, product, ago = np.array(rows, dtype=np.int64).reshape(-1, 4).T.copy()
    return Purchases(buyer, order, product, NOW - ago * DAY_US)


def long_shop(seed: int = 3) -> Purchases:
    """The themed shop, three products an order."""
    lines, _ = themed_shop(customers=500, seed=seed)
    new = np.r_[True, np.diff(lines.buyer) != 0]
    since = np.arange(len(new)) - np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    starts = np.flatnonzero(since % 3 == 0)
    order = np.cumsum(since % 3 == 0)
    return Purchases(lines.buyer, order, lines.product, lines.at[starts][order - 1])


def test_ease_is_the_closed_form_of_its_source():
    gram = np.array([[4, 2, 1], [2, 3, 0], [1, 0, 2]], dtype=np.float32)
    inverse = np.linalg.inv(gram.astype(np.float64) + 10 * np.eye(3))
    expected = np.eye(3) - inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(ease(gram, 10.0), expected, atol=1e-5)
    assert ease(np.zeros((0, 0), dtype=np.float32), 10.0).shape == (0, 0)


def test_pairs_count_baskets_and_older_ones_less():
    shop = history_of(
        bought((1, 1, 7, 90), (1, 1, 8, 90), (2, 2, 7, 0), (2, 2, 9, 0), (3, 3, 7, 0), (3, 3, 9, 0)), NOW + 1
    )
    plain = together(Baskets(shop, "order", None), "count")(np.array([0]))
    np.testing.assert_allclose(plain, [[0, 1, 2]])
    fading = together(Baskets(shop, "order", 90.0), "count")(np.array([0]))
    np.testing.assert_allclose(fading, [[0, 0.5, 2]], atol=1e-6)


def test_a_large_basket_shares_its_vote_and_counts_stay_those_of_pairs():
    shop = history_of(bought(*((1, 1, product, 0) for product in range(5)), (2, 2, 0, 0), (2, 2, 1, 0)), NOW + 1)
    every = np.arange(5)
    plain, shared = (together(Baskets(shop, "order", None, damping), "count")(every) for damping in (0.0, 1.0))
    np.testing.assert_allclose(plain[0], [0, 2, 1, 1, 1])
    # Of the order of five each other product has a quarter of a vote, of the order of two the other one a whole.
    np.testing.assert_allclose(shared[0] / shared[0, 2], [0, 5, 1, 1, 1], rtol=1e-5)
    assert shared.sum() == pytest.approx(plain.sum())


def test_a_product_with_few_baskets_borrows_what_the_shop_buys():
    alone = bought((1, 1, 9, 0), *((who, who, product, 0) for who in range(2, 6) for product in range(who - 1)))
    shop = history_of(alone, NOW + 1)
    row = np.array([np.searchsorted(shop.products, 9)])
    plain, smoothed = (together(Baskets(shop, "order", None), kind)(row)[0] for kind in ("count", "smoothed count"))
    assert plain.tolist() == [0] * len(plain)
    np.testing.assert_allclose(smoothed, [30 * orders / 5 for orders in (4, 3, 2, 1)] + [0], rtol=1e-5)


@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 3), st.integers(0, 99))
def test_the_top_is_what_a_stable_sort_says(width: int, count: int, values: int, seed: int):
    random = np.random.default_rng(seed)
    block = random.integers(-values, values + 1, (3, width)).astype(np.float32)
    block[random.random(block.shape) < 0.1] = -np.inf
    expected = np.argsort(-block, axis=1, kind="stable")[:, :count]
    assert top_of(block, count).tolist() == expected.tolist()


def test_equal_scores_go_by_product_and_rank_fusion_adds_reciprocal_ranks():
    block = np.array([[1, 3, 3, 0, 3]], dtype=np.float32)
    assert top_of(block, 3).tolist() == [[1, 2, 4]]
    one, other = (
        lambda _rows, scores=scores: np.array([scores], dtype=np.float32) for scores in ([3, 2, 1], [1, 3, 2])
    )
    np.testing.assert_allclose(
        fused([one, other])(np.array([0])), [[1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62]]
    )


def test_recall_and_ndcg_are_those_of_their_definitions():
    history = history_of(bought(*((1, 1, product, 1) for product in range(20))), NOW)
    scores = np.zeros((1, 20), dtype=np.float32)
    scores[0, :10] = np.arange(10, 0, -1)
    wanted = history.by_buyer() * 0
    wanted = type(wanted)((np.ones(3, dtype=np.float32), ([0, 0, 0], [0, 2, 15])), shape=(1, 20))
    cases = Cases(np.array([0]), wanted, wanted * 0, np.array([4]))  # one more was bought, outside the catalogue
    found = measured(lambda _rows: scores, cases, np.zeros(20, dtype=np.float32))
    gain = (1 / np.log2(2) + 1 / np.log2(4)) / sum(1 / np.log2(rank + 1) for rank in range(1, 5))
    assert (found.recall, found.n) == (pytest.approx(2 / 4), 1)
    assert found.ndcg == pytest.approx(gain)


def test_cases_know_nothing_of_after_the_cut_and_guests_are_no_customers():
    shop = bought(
        (1, 1, 7, 50), (1, 2, 8, 10), (1, 2, 7, 10), (-3, 3, 7, 60), (-4, 4, 8, 9), (5, 5, 8, 60), (6, 6, 99, 8), (6, 6, 7, 8)
    )  # fmt: skip
    history = history_of(shop, NOW - 20 * DAY_US)
    assert history.products.tolist() == [7, 8]
    new = cases_of(Use.NEW_FOR_YOU, shop, history, NOW)
    assert history.buyers[new.row].tolist() == [1]
    assert (new.wanted.toarray().tolist(), new.size.tolist()) == ([[0, 1]], [1])
    again = cases_of(Use.BUY_AGAIN, shop, history, NOW)
    assert (again.wanted.toarray().tolist(), again.size.tolist()) == ([[1, 1]], [2])
    baskets = cases_of(Use.BOUGHT_TOGETHER, shop, history, NOW)  # 6's has one product that was sold before
    assert (baskets.size.tolist(), (baskets.wanted + baskets.hidden).toarray().tolist()) == ([1], [[1, 1]])


def test_the_backtest_chooses_a_method_that_beats_popularity_where_tastes_differ_and_says_so():
    shop = long_shop()
    choices = choose(shop, int(shop.at.max()) + 1)
    for use in (Use.NEW_FOR_YOU, Use.BOUGHT_TOGETHER):
        choice = choices[use]
        assert choice.figures is not None
        assert choice.popularity is not None
        assert choice.figures.n >= LEAST_CASES
        assert choice.figures.recall > 1.3 * choice.popularity.recall > 0, use
    assert choices == choose(shop, int(shop.at.max()) + 1)


def test_the_choice_uses_nothing_of_after_its_day():
    shop = long_shop()
    end = int(np.quantile(shop.at, 0.8))
    assert choose(shop, end) == choose(shop.before(end), end)


@pytest.mark.parametrize(
    "shop",
    [
        bought(),
        bought((1, 1, 7, 3)),
        bought(*((who, who, 7, who) for who in range(1, 300))),
        bought(*((-order, order, order % 3, order) for order in range(1, 60))),
    ],
    ids=["cold", "one order", "one product", "guests only"],
)
def test_shops_that_have_little_to_tell_get_the_plain_methods_and_sensible_lists(shop: Purchases):
    choices = choose(shop, NOW)
    history = history_of(shop, NOW)
    fits = Fits(shop, history, 7.0)
    for use, choice in choices.items():
        if choice.figures is None:
            assert choice.method == UNTESTED[use]
        scorer = fits.scorer(use, choice.method)
        assert scorer is not None
        rows = np.arange(min(len(history.buyers if use is not Use.BOUGHT_TOGETHER else history.products), 3))
        assert np.isfinite(scorer(rows)).all()


@pytest.mark.parametrize("use", Use)
def test_every_method_can_be_fitted_on_any_history_and_gives_finite_scores(use: Use):
    for shop in (
        bought(),
        bought((1, 1, 7, 3), (2, 2, 8, 3)),
        long_shop().before(int(np.quantile(long_shop().at, 0.3))),
    ):
        history = history_of(shop, NOW if len(shop.at) < 3 else int(shop.at.max()) + 1)
        fits = Fits(shop, history, 7.0)
        height = len(history.products if use is Use.BOUGHT_TOGETHER else history.buyers)
        for name in fits.names(use):
            scorer = fits.scorer(use, name)
            if scorer is not None:
                block = scorer(np.arange(min(height, 5)))
                assert block.shape == (min(height, 5), len(history.products)), name
                assert np.isfinite(block).all(), name


SMALL = bought(
    (1, 1, 7, 40), (1, 2, 7, 20), (1, 3, 8, 10), (2, 4, 7, 9), (2, 4, 9, 9), (3, 5, 7, 8), (3, 5, 9, 8), (-6, 6, 8, 5), (-6, 6, 9, 5)
)  # fmt: skip


def _columns(pairs: CoPurchases) -> list[np.ndarray]:
    return [getattr(pairs, name) for name in CoPurchases.__slots__]


def test_new_products_are_never_owned_nor_withheld_and_name_the_own_product_that_speaks_for_them():
    history = history_of(SMALL, NOW)
    pairs = beside_products(history, together(Baskets(history, "buyer", None), "count"), np.array([True, True, True]))
    assert list(zip(pairs.product, pairs.other, pairs.together, strict=True)) == [(7, 9, 2), (9, 7, 2)]
    scorer = popular(history, 90.0)
    (picks,) = new_for_customers(history, scorer, pairs, np.array([True, True, True]), history.popularity(90))
    rows = zip(picks.customer, picks.product, picks.anchor, picks.together, strict=True)
    assert list(rows) == [(1, 9, 7, 2), (2, 8, 0, 2), (3, 8, 0, 2)]  # nobody for the guest
    assert picks.lift[0] == pytest.approx(2 / (3 * 3 / 4))
    (picks,) = new_for_customers(history, scorer, pairs, np.array([True, True, False]), history.popularity(90))
    assert picks.customer.tolist() == [2, 3]
    # Pairs may be of products that are too rare for the lists of customers.
    narrow = history_of(SMALL, NOW, 2)
    assert narrow.products.tolist() == [7, 9]
    (picks,) = new_for_customers(narrow, popular(narrow, 90.0), pairs, np.array([True, True]), narrow.popularity(90))
    assert list(zip(picks.customer, picks.product, picks.anchor, strict=True)) == [(1, 9, 7)]
    wide = CoPurchases(*(np.concatenate([column, column]) for column in _columns(pairs)))
    wide.product[:2], wide.other[2:] = 8, 8
    (picks,) = new_for_customers(narrow, popular(narrow, 90.0), wide, np.array([True, True]), narrow.popularity(90))
    assert picks.anchor.tolist() == [0]


def test_again_are_own_products_by_how_often_and_only_those_on_offer():
    history = history_of(SMALL, NOW)
    fits = Fits(SMALL, history, 7.0)
    scorer = fits.scorer(Use.BUY_AGAIN, "favourites")
    assert scorer is not None
    (picks,) = again_for_customers(history, scorer, owned_of(history, None), np.array([True, True, False]))
    rows = list(zip(picks.customer, picks.rank, picks.product, picks.together, strict=True))
    assert rows == [(1, 1, 7, 2), (1, 2, 8, 1), (2, 1, 7, 1), (3, 1, 7, 1)]


def test_what_is_due_goes_before_what_was_just_bought():
    rows = [(1, order, 7, 120 - 30 * order) for order in range(4)] + [
        (1, 10 + order, 8, 91 - 30 * order) for order in range(4)
    ]
    shop = bought(*rows)  # both each 30 days; 7 last 30 days ago, 8 yesterday
    history = history_of(shop, NOW)
    scorer = Fits(shop, history, 7.0).scorer(Use.BUY_AGAIN, "due")
    assert scorer is not None
    seven, eight = scorer(np.array([0]))[0]
    assert seven > eight


def test_popularity_is_distinct_buyers_of_its_days():
    history = history_of(SMALL, NOW)
    assert history.popularity(30).tolist() == [3, 2, 3]
    assert history.popularity(9).tolist() == [2, 1, 3]
    assert POPULARITY == "popularity 30 days"


def test_the_gram_is_of_products_that_three_or_more_bought():
    matrix, chosen, gram = gram_of(history_of(SMALL, NOW), None)
    assert chosen.tolist() == [0, 2]
    assert gram.tolist() == [[3, 2], [2, 3]]
    assert matrix.shape == (4, 2)


def test_a_list_beside_products_is_empty_where_nothing_is_bought_twice_together():
    history = history_of(bought((1, 1, 7, 1), (1, 1, 8, 1)), NOW)
    pairs = beside_products(history, popular(history, 90.0), np.array([True, True]))
    assert isinstance(pairs, CoPurchases)
    assert len(pairs.product) == 0
