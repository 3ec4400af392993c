"""When a silence becomes a departure: formula, fit and bounds, against simulation and plain arithmetic."""

from itertools import pairwise
from math import ceil, exp, lgamma, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugin.domain.calendar import ShopCalendar
from plugin.domain.columns import Ints
from plugin.domain.lapse import (
    DEFAULT_LADDER,
    DEFAULT_QUANTILES,
    AdaptiveLapse,
    FixedLadder,
    GammaFit,
    LapseMode,
    LapseSettings,
    fit_gaps,
    lapse_in_force,
    next_gap_quantile,
    survival,
)
from plugin.domain.measures import gaps_at
from tests.rules.test_measures import DAY, AnOrder, as_arrays

SHAPES, RATES = st.floats(0.05, 50), st.floats(0.5, 5_000)
GAPS, SPANS = st.integers(0, 300), st.integers(0, 9_000)


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def simulated(shape: float, rate: float, customers: int, seed: int) -> tuple[Ints, Ints]:
    """Buyers with 0 to 7 gaps each; what they sum to in whole days."""
    rng = np.random.default_rng(seed)
    paces, gaps = rng.gamma(shape, 1 / rate, customers), rng.integers(0, 8, customers)
    spans = [round(rng.exponential(1 / pace, count).sum()) for pace, count in zip(paces, gaps, strict=True)]
    return gaps, ints(*spans)


def likelihood(shape: float, rate: float, gaps: Ints, spans: Ints) -> float:
    """The textbook's, with Gamma functions."""
    return sum(
        lgamma(shape + n) - lgamma(shape) + shape * log(rate) - (shape + n) * log(rate + t)
        for n, t in zip(gaps.tolist(), spans.tolist(), strict=True)
    )


@given(SHAPES, RATES, GAPS, SPANS, st.floats(0.01, 0.99))
def test_the_quantile_is_where_the_mixture_has_that_share_behind_it(
    shape: float, rate: float, gaps: int, span: int, quantile: float
) -> None:
    """P(longer than x) is the mean of e^(-pace * x) over the paces Gamma(r + n, a + T): integrated numerically."""
    days = float(next_gap_quantile(shape, rate, quantile, ints(gaps), ints(span))[0])
    assume(days < 1e12)  # a pace of next to nothing: the grid below would need to be finer than doubles are
    r, a = shape + gaps, rate + span
    logs = np.linspace(-60 / min(r, 1), log(r + 40 + 10 * r**0.5), 40_001)  # of pace * a, whose density is Gamma(r, 1)
    density = np.exp(r * logs - np.exp(logs) - lgamma(r))
    step = logs[1] - logs[0]
    assert (density * step).sum() == pytest.approx(1, abs=2e-3)
    assert (density * np.exp(-np.exp(logs) * days / a) * step).sum() == pytest.approx(1 - quantile, abs=2e-3)


def test_the_quantile_is_what_drawing_many_gaps_finds() -> None:
    rng = np.random.default_rng(7)
    for gaps, span in ((0, 0), (1, 200), (12, 84)):
        drawn = rng.exponential(1 / rng.gamma(2.5 + gaps, 1 / (110 + span), 400_000))
        for quantile in DEFAULT_QUANTILES:
            days = next_gap_quantile(2.5, 110, quantile, ints(gaps), ints(span))[0]
            assert (drawn <= days).mean() == pytest.approx(quantile, abs=3e-3)


@given(SHAPES, RATES, st.lists(st.tuples(GAPS, SPANS), min_size=1, max_size=9))
def test_rungs_rise_within_their_bounds_and_are_the_formula_rounded_up(
    shape: float, rate: float, customers: list[tuple[int, int]]
) -> None:
    gaps, spans = (ints(*column) for column in zip(*customers, strict=True))
    rungs = AdaptiveLapse(shape, rate)(gaps, spans)
    for lower, higher in pairwise(rungs):
        assert (lower <= higher).all()
    for quantile, days in zip(DEFAULT_QUANTILES, rungs, strict=True):
        assert ((days >= 7) & (days <= 1095)).all()
        plain = [(rate + t) * (exp(-log(1 - quantile) / (shape + n)) - 1) for n, t in customers]
        assert days.tolist() == [ceil(round(min(max(exact, 7), 1095), 6)) for exact in plain]


@given(SHAPES, RATES, GAPS, SPANS, st.integers(1, 400))
def test_a_slower_rhythm_lapses_later_and_a_fuller_history_of_the_same_length_sooner(
    shape: float, rate: float, gaps: int, span: int, more: int
) -> None:
    days = AdaptiveLapse(shape, rate)(ints(gaps, gaps, gaps + more), ints(span, span + more, span))[0]
    assert days[2] <= days[0] <= days[1]


def test_a_weekly_coffee_buyer_lapses_in_weeks_and_a_sofa_buyer_in_years() -> None:
    lapse = AdaptiveLapse(shape=0.6, rate=30.0)  # a shop that sells both
    coffee, sofa, new = (column.tolist() for column in np.stack(lapse(ints(30, 2, 0), ints(210, 1_400, 0))).T)
    assert coffee == [13, 19, 25]
    assert sofa == [1_095, 1_095, 1_095]  # 1,226 days and more without the bound
    assert new == [409, 1_095, 1_095]
    assert lapse(ints(400), ints(400))[0].tolist() == [7]  # daily: a week all the same


@pytest.mark.parametrize(("shape", "rate"), [(0.5, 10.0), (1.2, 60.0), (3.0, 200.0)])
def test_the_fit_finds_the_rhythm_that_the_gaps_were_drawn_from(shape: float, rate: float) -> None:
    gaps, spans = simulated(shape, rate, 6_000, seed=5)
    fit = fit_gaps(gaps, spans)
    assert fit is not None
    assert (fit.gaps, fit.customers) == (int(gaps.sum()), int((gaps > 0).sum()))
    assert fit.shape == pytest.approx(shape, rel=0.08)
    assert fit.rate == pytest.approx(rate, rel=0.08 if rate > 20 else 0.15)  # whole days blur a fast rhythm
    median = next_gap_quantile(fit.shape, fit.rate, 0.5, ints(0), ints(0))[0]
    assert median == pytest.approx(next_gap_quantile(shape, rate, 0.5, ints(0), ints(0))[0], rel=0.05)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 8), st.floats(3, 400), st.integers(0, 2**32 - 1))
def test_nothing_near_the_fit_is_likelier(shape: float, rate: float, seed: int) -> None:
    gaps, spans = simulated(shape, rate, 200, seed)
    fit = fit_gaps(gaps, spans)
    assert fit is not None
    assert fit.log_likelihood == pytest.approx(likelihood(fit.shape, fit.rate, gaps, spans), rel=1e-9)
    for r, a in ((1.02, 1.0), (0.98, 1.0), (1.0, 1.02), (1.0, 0.98), (1.02, 1.02), (0.98, 0.98), (0.5, 0.4), (2, 2.2)):
        if 0.01 < fit.shape * r < 1_000:
            assert likelihood(fit.shape * r, fit.rate * a, gaps, spans) <= fit.log_likelihood + 1e-6


def test_gaps_as_regular_as_clockwork_are_one_rhythm_for_all() -> None:
    fit = fit_gaps(ints(*[5] * 100), ints(*[150] * 100))
    assert fit is not None
    assert fit.shape == pytest.approx(1_000)
    assert fit.rate / fit.shape == pytest.approx(30, rel=1e-3)
    assert AdaptiveLapse(fit.shape, fit.rate)(ints(0, 5), ints(0, 150))[0].tolist() == [49, 49]  # 30 ln 5, rounded up


def test_too_few_gaps_are_not_fit_and_customers_without_any_say_nothing() -> None:
    assert fit_gaps(ints(), ints()) is None
    assert fit_gaps(ints(10, 9, 0), ints(90, 80, 0)) is None
    few, many = fit_gaps(ints(10, 10), ints(90, 40)), fit_gaps(ints(10, 0, 10, 0), ints(90, 0, 40, 0))
    assert few == many
    assert few is not None


def test_the_ladder_holds_until_there_are_two_hundred_gaps_unless_it_is_pinned() -> None:
    early, enough = GammaFit(2.0, 50.0, -1.0, 199, 90), GammaFit(2.0, 50.0, -1.0, 200, 90)
    chosen = LapseSettings(ladder=(30, 60, 120), quantiles=(0.5, 0.6, 0.7))
    ladder, adaptive = FixedLadder(30, 60, 120), AdaptiveLapse(2.0, 50.0, (0.5, 0.6, 0.7))
    assert [lapse_in_force(chosen, fit) for fit in (None, early, enough)] == [ladder, ladder, adaptive]
    fixed = LapseSettings(LapseMode.FIXED)
    assert lapse_in_force(fixed, enough) == DEFAULT_LADDER
    pinned = LapseSettings(LapseMode.ADAPTIVE)
    assert lapse_in_force(pinned, early) == AdaptiveLapse(2.0, 50.0)
    assert lapse_in_force(pinned, None) == DEFAULT_LADDER  # nothing to go by yet


def test_impossible_rhythms_are_refused() -> None:
    for shape, rate in ((0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="above 0"):
            AdaptiveLapse(shape, rate)
    for quantiles in ((0.0, 0.5, 0.9), (0.5, 0.5, 0.9), (0.5, 0.9, 1.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            AdaptiveLapse(1.0, 1.0, quantiles)


def test_survival_falls_from_one_and_is_the_formula_turned_round() -> None:
    days = np.arange(0, 400)
    share = survival(2.5, 110.0, days)
    assert share[0] == 1
    assert (np.diff(share) < 0).all()
    at = next_gap_quantile(2.5, 110.0, 0.8, ints(0), ints(0))
    assert survival(2.5, 110.0, at.astype(np.int64))[0] == pytest.approx(0.2, abs=2e-3)


def test_gaps_are_those_of_purchase_days_as_they_stood_at_the_instant() -> None:
    orders = as_arrays([
        [AnOrder(10 * DAY), AnOrder(10 * DAY + 5), AnOrder(14 * DAY, voided=90 * DAY), AnOrder(30 * DAY)],
        [AnOrder(5 * DAY)], [], [AnOrder(3 * DAY), AnOrder(40 * DAY), AnOrder(99 * DAY)],
    ])  # fmt: skip
    before, after = (gaps_at(orders, at * DAY, calendar=ShopCalendar("UTC")) for at in (89, 90))
    assert [column.tolist() for column in before] == [[0, 0, 3], [14, 30, 40], [4, 16, 37]]
    assert [column.tolist() for column in after] == [[0, 3], [30, 40], [20, 37]]
