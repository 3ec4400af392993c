"""When a margin is told, and that its interval holds whatever the missing costs are."""

from dataclasses import replace

import numpy as np
import pytest

from plugin.domain.money import SCALE
from plugin.domain.proof.arms import Arm, Outcome, Side
from plugin.domain.proof.costed import APART_AT_MOST, COVERED_AT_LEAST, coverage
from plugin.domain.proof.needed import base_of, needed
from plugin.domain.proof.sequences import ALPHA
from plugin.domain.proof.uplift import Measure, Verdict, prove
from tests.support.hillstrom import Floats, made_up

COST = 0.6  # of what is paid, on the mean
SIDES = Side("", 5_000, False), Side("", 5_000, True)


def arm(spend: Floats, margin: Floats, known: Floats) -> Arm:
    """Of customers who spent so much in one order, whose margin is `known` or not."""
    ordered, scaled = spend > 0, np.rint(margin * known * SCALE).astype(np.int64)
    paid = np.rint(spend * SCALE).astype(np.int64)
    covered = paid * known
    return Arm(
        n=len(spend), ordered=int(ordered.sum()), orders=int(ordered.sum()), order_squares=int(ordered.sum()),
        revenue=int(paid.sum()), revenue_squares=float(((paid / SCALE) ** 2).sum()), covered=int((ordered & known).sum()),
        covered_revenue=int(covered.sum()), margin=int(scaled.sum()), margin_squares=float(((scaled / SCALE) ** 2).sum()),
        most_squares=float((((scaled + paid - covered) / SCALE) ** 2).sum()),
    )  # fmt: skip


def shop(
    seed: int, customers: int, *, uplift: float = 0.0, known: tuple[float, float] = (1.0, 1.0)
) -> tuple[Floats, Floats, Floats, Floats]:
    """(spend, held, margin, known) one by one as they come; the costs of so many offered, and held out, are `known`."""
    spend, held = made_up(seed, customers, 0.2, uplift=uplift)
    numbers = np.random.default_rng(seed + 10**6)
    margin = spend * (1 - numbers.uniform(COST - 0.3, COST + 0.3, customers))
    return spend, held, margin, numbers.random(customers) < np.where(held, known[1], known[0])


def both(spend: Floats, held: Floats, margin: Floats, known: Floats, end: int | None = None) -> dict[Side, Arm]:
    parts = (spend[:end], margin[:end], known[:end])
    return {side: arm(*(each[held[:end] == side.held] for each in parts)) for side in SIDES}


def test_with_all_costs_known_the_interval_is_made_as_that_of_revenue() -> None:
    """The same sums give the same interval."""
    sides = both(*shop(1, 5_000))
    free = {side: replace(a, margin=a.revenue, margin_squares=a.revenue_squares) for side, a in sides.items()}
    free = {side: replace(a, most_squares=a.margin_squares) for side, a in free.items()}
    proof = prove(free)
    assert proof.measures[Outcome.MARGIN] == proof.measures[Outcome.NET_REVENUE]
    assert (proof.coverage.together, proof.coverage.why_not) == (1.0, None)


@pytest.mark.parametrize("uplift", [0.3, 0.0])
@pytest.mark.parametrize("known", [(1.0, 1.0), (0.975, 0.975), (0.985, 0.97)])
def test_the_true_uplift_lies_within_at_every_look(known: tuple[float, float], uplift: float) -> None:
    """Also where more costs are missing on one side than on the other: of every order, not only of those covered."""
    runs, rate, mean, within, told = 60, 0.2, np.exp(3.5 + 0.5), 0, 0
    truth = rate * uplift * mean * (1 - COST)
    for seed in range(runs):
        made = shop(seed, 20_000, uplift=uplift, known=known)
        looks = [prove(both(*made, end)).measures[Outcome.MARGIN] for end in np.geomspace(300, 20_000, 16).astype(int)]
        shown = [each.difference for each in looks if each.difference is not None and each.difference.low is not None]
        within += all(each.low <= truth <= each.high for each in shown)
        told += bool(shown)
    assert within / runs >= 1 - ALPHA
    assert told > runs * 0.9


def test_what_is_missing_on_one_side_is_not_taken_for_an_effect() -> None:
    """An offer that does nothing, in a shop so large that one and a half per cent missing show: only what is covered
    would say that it helps."""
    sides = both(*shop(2, 4_000_000, known=(0.999, 0.9805)))
    proof = prove(sides)
    measure = proof.measures[Outcome.MARGIN]
    assert (proof.coverage.why_not, measure.verdict) == (None, Verdict.CANNOT_TELL_YET)
    taken_for_all = {
        side: replace(a, revenue=a.covered_revenue, covered=a.orders, most_squares=a.margin_squares)
        for side, a in sides.items()
    }
    assert prove(taken_for_all).measures[Outcome.MARGIN].verdict is Verdict.HELPS


def test_a_margin_that_missing_costs_would_bias_is_refused_with_its_reason() -> None:
    sides = both(*shop(3, 40_000, known=(0.999, 0.96)))
    proof = prove(sides)
    assert proof.measures[Outcome.MARGIN] == Measure(None, None, None, None)
    assert proof.coverage.why_not is not None
    assert proof.coverage.why_not.startswith("All unit costs are known of 99.9% of the orders (by number, or by what")
    assert proof.coverage.why_not.endswith(
        "of those held out; they may lie 2 percentage points apart at most, for what is missing on one side only would"
        " look like an effect."
    )
    assert proof.measures[Outcome.NET_REVENUE].difference is not None  # nothing else is lost by it


def of(orders: int, covered: int, revenue: int = 0, covered_revenue: int = 0) -> Arm:
    return Arm(
        n=1_000, ordered=orders, orders=orders, covered=covered, revenue=revenue, covered_revenue=covered_revenue
    )


def test_how_much_must_be_covered() -> None:
    assert (COVERED_AT_LEAST, APART_AT_MOST) == (0.95, 0.02)
    assert coverage(of(0, 0), of(0, 0)) == (
        1.0, 1.0, None, "None of its customers has ordered within 30 days yet, so there is no margin.",
    )  # fmt: skip
    assert coverage(of(9, 0), of(3, 0)).why_not == (
        "There is no order in this comparison of which all unit costs are known."
    )
    assert coverage(of(100, 95), of(200, 192)).why_not is None
    assert coverage(of(100, 95), of(0, 0)).why_not is not None  # none of nothing is missing: five points apart
    few = coverage(of(100, 94), of(100, 94))
    assert few.together == 0.94
    assert few.why_not == (
        "All unit costs are known of 94.0% of the orders (by number, or by what was paid if that is less) of those"
        " offered it, and of 94.0% of those held out; a margin needs 95% on each side."
    )
    assert coverage(of(100, 98), of(100, 96)).why_not is None
    assert coverage(of(100, 99), of(100, 96)).why_not is not None
    # One large order without a cost weighs by what was paid for it.
    heavy = coverage(of(100, 99, 1_000, 900), of(100, 99, 1_000, 1_000))
    assert (heavy.offered, heavy.held_out, heavy.together) == (0.9, 0.99, 0.95)
    assert coverage(of(100, 100, 0, 0), of(100, 100, -5, -5)).together == 1.0


def test_losses_have_no_ratio_and_no_number_of_weeks() -> None:
    """Goods sold for less than they cost."""
    spend, held, _, known = shop(4, 5_000)
    proof = prove(both(spend, held, -spend / 2, known))
    measure = proof.measures[Outcome.MARGIN]
    assert (measure.ratio, measure.offered < 0, measure.difference.low < 0) == (None, True, True)
    assert needed(base_of(both(spend, held, -spend / 2, known), Outcome.MARGIN), share=5_000).weeks is None
