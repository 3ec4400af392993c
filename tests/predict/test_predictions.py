"""Repurchase: fitted on made-up buyers whose truth is known, refused where there is too little."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from plugin.domain.predict.candidates import level_of
from plugin.domain.predict.choosing import Chosen, TooLittle, choose
from plugin.domain.predict.features import OrderDays, buyers_before, orders_after
from plugin.domain.predict.forecast import LATER, SOON, forecast, tiers
from plugin.domain.predict.quality import auc, calibration_error
from plugin.domain.predict.regression import Link, fit_regression
from plugin.domain.predict.spend import fit_spend
from plugin.domain.predict.till_they_die import DieFit, Lives, _log_likelihoods, fit_lives
from tests.support.order_days import made_up

CDNOW = Path(__file__).parent / "cases" / "cdnow.csv"
PUBLISHED = np.array([0.243, 4.414, 0.793, 2.426])  # BG/NBD on CDNOW, 39 weeks (Fader, Hardie & Lee 2005)


def simulated(parameters: np.ndarray, buyers: int, *, modified: bool) -> Lives:
    """Of buyers followed for 12 to 39 units of time."""
    r, alpha, a, b = parameters
    rng = np.random.default_rng(1)
    age = rng.uniform(12, 39, buyers)
    repeats, last = np.zeros(buyers), np.zeros(buyers)
    for row in range(buyers):
        rate, leaves, at = rng.gamma(r, 1 / alpha), rng.beta(a, b), 0.0
        if modified and rng.random() < leaves:
            continue
        while (at := at + rng.exponential(1 / rate)) < age[row]:
            repeats[row], last[row] = repeats[row] + 1, at
            if rng.random() < leaves:
                break
    return Lives(repeats, last, age)


@pytest.mark.parametrize("modified", [False, True])
def test_the_parameters_that_buyers_were_made_from_are_found(modified: bool) -> None:
    lives = simulated(PUBLISHED, 10_000, modified=modified)
    found = fit_lives(lives, modified=modified)
    truth = float(_log_likelihoods(PUBLISHED, lives, modified=modified).sum())
    assert found.log_likelihood >= truth - 1e-6  # the maximum is not below the truth, and hardly above
    assert found.log_likelihood - truth < 12
    assert (found.r, found.alpha) == pytest.approx((0.243, 4.414), rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(0.793 / (0.793 + 2.426), abs=0.05)
    slope = approx_fprime(
        np.log([found.r, found.alpha, found.a, found.b]),
        lambda logs: float(_log_likelihoods(np.exp(logs), lives, modified=modified).mean()),
        1e-6,
    )
    assert np.abs(slope).max() < 1e-3


def test_the_published_model_expects_what_its_authors_print() -> None:
    """Their worked example: x = 2, t_x = 30.43, T = 38.86 weeks; 1.226 purchases in the next 39."""
    fit = DieFit(False, *PUBLISHED.tolist(), 0.0)
    one = Lives(np.array([2.0]), np.array([30.43]), np.array([38.86]))
    assert fit.expected(one, 39)[0] == pytest.approx(1.226, abs=0.001)
    never = Lives(np.array([0.0]), np.array([0.0]), np.array([38.86]))
    assert fit.alive(never)[0] == 1  # the complaint about BG/NBD
    assert fit_lives(simulated(PUBLISHED, 500, modified=True), modified=True).alive(never)[0] < 1


def test_the_published_parameters_of_cdnow_are_found() -> None:
    """Fader & Hardie's tenth of the CDNOW buyers of early 1997, 39 weeks of calibration: repeat purchases, weeks from the
    first to the last and to the end, and how many customers have these three."""
    repeats, last, age, customers = np.loadtxt(CDNOW, delimiter=",", skiprows=1, unpack=True)
    rows = np.repeat(np.arange(len(customers)), customers.astype(np.int64))
    assert len(rows) == 2_357
    found = fit_lives(Lives(repeats[rows], last[rows], age[rows]), modified=False)
    assert [round(each, 3) for each in (found.r, found.alpha, found.a, found.b)] == [0.243, 4.414, 0.793, 2.426]
    assert round(found.log_likelihood, 1) == -9582.4


@pytest.mark.parametrize("modified", [False, True])
def test_expected_orders_are_those_that_simulated_buyers_make(modified: bool) -> None:
    lives = simulated(PUBLISHED, 30_000, modified=modified)
    new = DieFit(modified, *PUBLISHED.tolist(), 0.0)
    born = Lives(np.zeros(1), np.zeros(1), np.zeros(1))
    of_age = [float(new.expected(born, age)[0]) for age in np.linspace(12, 39, 50)]
    assert np.mean(of_age) == pytest.approx(lives.repeats.mean(), rel=0.05)


def test_spend_is_drawn_towards_the_shop() -> None:
    rng = np.random.default_rng(3)
    orders = rng.integers(1, 9, 4_000)
    own = 4 * 10 / rng.gamma(4, 1, 4_000)  # p = 6, q = 4, gamma chosen so that the mean is 40 / 3
    mean = np.array([rng.gamma(6 * x, m / (6 * x)) for x, m in zip(orders, own, strict=True)])
    fit = fit_spend(orders, mean)
    assert (fit.p, fit.q) == pytest.approx((6, 4), rel=0.15)
    shop = float(fit.expected(np.array([0]), np.array([0.0]))[0])
    assert shop == pytest.approx(40 / 3, rel=0.05)
    once, often = fit.expected(np.array([1, 50]), np.array([100.0, 100.0]))
    assert shop < once < often < 100


def test_quality_on_figures_worked_by_hand() -> None:
    score, came = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1])
    assert auc(score, came) == 0.875  # 3.5 of 4 pairs
    assert auc(score, np.zeros(4, dtype=np.int64)) is None
    assert calibration_error(np.full(20, 0.5), np.tile([0, 1], 10)) == 0
    assert calibration_error(score, came) == pytest.approx((0.1 + 0.4 + 0.6 + 0.2) / 4)


@pytest.mark.parametrize("link", list(Link))
def test_a_regression_is_calibrated_on_what_it_learnt_from(link: Link) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(2_000, 3))
    mean = 1 / (1 + np.exp(-matrix @ np.array([1.0, -0.5, 0.0])))
    outcome = rng.binomial(1, mean) if link is Link.LOGISTIC else rng.poisson(mean)
    assert fit_regression(matrix, outcome, link)(matrix).sum() == pytest.approx(outcome.sum(), rel=1e-6)


def test_features_know_nothing_of_the_day_itself_or_later() -> None:
    orders = OrderDays.of(np.array([1, 1, 1, 2]), np.array([10, 10, 20, 30]), np.array([5.0, 5.0, 7.0, 9.0]))
    buyers = buyers_before(orders, 30)
    assert buyers.buyer.tolist() == [1]
    assert (buyers.recency[0], buyers.age[0], buyers.repeats[0], buyers.orders[0], buyers.spend[0]) == (
        10,
        20,
        1,
        3,
        17,
    )
    assert orders_after(orders, buyers_before(orders, 15), 15, 5).tolist() == [0]
    assert orders_after(orders, buyers_before(orders, 15), 15, 6).tolist() == [1]


def test_the_level_is_what_is_unusual_about_the_latest_weeks() -> None:
    orders = made_up(800)
    assert abs(level_of(orders, 440, 60)) < 0.15
    again = orders.within(412, 440)
    rng = np.random.default_rng(4)
    came = np.setdiff1d(orders.buyer, again.buyer)
    season = rng.choice(came, len(came) // 5, replace=False)  # of those who had stayed away
    busy = OrderDays.of(
        np.r_[orders.buyer, season],
        np.r_[orders.day, rng.integers(412, 440, len(season))],
        np.r_[orders.amount, np.full(len(season), 20.0)],
    )
    assert level_of(busy, 440, 60) > level_of(orders, 440, 60) + 0.2
    assert level_of(busy, 412, 60) == level_of(orders, 412, 60)  # nothing is known of later days
    assert level_of(orders.within(380, 440), 440, 60) == 0  # too little past


def test_the_choice_is_better_than_silence_alone_and_keeps_its_word() -> None:
    orders = made_up()
    model = choose(orders, 440, 30)
    assert isinstance(model, Chosen)
    assert model.quality.auc > model.quality.baseline_auc
    assert model.quality.calibration_error < 0.06
    assert (model.quality.first, model.quality.end, model.windows) == (410, 440, 2)
    again = choose(orders.before(440), 440, 30)
    assert isinstance(again, Chosen)
    assert again.quality == model.quality  # what came later was not looked at
    buyers = buyers_before(orders, 440)
    came = (orders_after(orders, buyers, 440, 30) > 0).astype(np.int64)
    assert (auc(model(buyers), came) or 0) > 0.75
    assert calibration_error(model(buyers), came) < 0.06


def test_a_young_or_small_shop_is_told_why_there_are_none() -> None:
    orders = made_up()
    young = choose(orders, 60, 30)
    assert isinstance(young, TooLittle)
    assert young.reason == "Predicting 30 days ahead needs 90 days of orders; this shop's go back 60."
    small = choose(made_up(buyers=50), 440, 30)
    assert isinstance(small, TooLittle)
    assert "needs 100 buyers" in small.reason
    nobody = OrderDays.of(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0))
    assert forecast(nobody, 100).forecast is None


def test_a_forecast_says_nothing_impossible() -> None:
    told = forecast(made_up(), 470).forecast
    assert told is not None
    assert np.all((told.soon >= 0) & (told.soon <= told.later) & (told.later <= 1))
    assert np.all((told.alive >= 0) & (told.alive <= 1))
    assert np.all(told.orders >= 0)
    assert np.all((told.next_day == 0) | ((told.next_day > 470) & (told.next_day <= 470 + 365)))
    likely = told.soon >= 0.5
    assert likely.any()
    assert np.all(told.next_day[likely] <= 470 + SOON)
    assert np.all((told.next_day[told.later < 0.5] == 0) | (told.next_day[told.later < 0.5] > 470 + LATER))
    assert set(told.tier) == {"HIGH", "MEDIUM", "LOW"}
    assert np.corrcoef(told.later, told.orders)[0, 1] > 0.7


def test_tiers_cut_at_the_tenth_and_the_seventieth() -> None:
    named = tiers(np.array([*range(1, 101), np.nan, 0.0]))
    assert (named.count("LOW"), named.count("HIGH"), named[-2], named[-1]) == (10, 30, "", "LOW")
