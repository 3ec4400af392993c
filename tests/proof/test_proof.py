"""The estimator where the truth is made: no effect, known effects, and laws."""

from collections.abc import Iterator
from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.offers import Discount
from plugin.domain.plays.ladder import in_force
from plugin.domain.proof.arms import Arm, Moments, Outcome, Side, incentive_key, incentive_of
from plugin.domain.proof.needed import SHARES, Base, base_of, best_share, needed
from plugin.domain.proof.sequences import ALPHA, NARROWEST_AT, boundary
from plugin.domain.proof.uplift import Measure, Verdict, helping, prove
from tests.support.hillstrom import made_up, sides
from tests.support.plays import BY_KEY

LOOKS = 24
BOUNDED = (Outcome.ORDERED, Outcome.ORDERS, Outcome.NET_REVENUE)


def looks(seed: int, customers: int, rate: float, share: float, uplift: float = 0.0) -> Iterator[Measure]:
    """What is shown at each of LOOKS looks, of orders and of revenue."""
    spend, held = made_up(seed, customers, rate, uplift=uplift, share=share)
    for end in np.geomspace(200, customers, LOOKS).astype(int):
        proof = prove(sides(spend[:end][~held[:end]], spend[:end][held[:end]], 1_000))
        yield from (proof.measures[outcome] for outcome in BOUNDED[1:])


def test_the_boundary_is_the_published_one() -> None:
    # sqrt(2 (t rho^2 + 1) / (t^2 rho^2) log(sqrt(t rho^2 + 1) / alpha)) of a mean is so many standard errors 1/sqrt(t)
    rho = sqrt((-2 * log(ALPHA) + log(-2 * log(ALPHA) + 1)) / NARROWEST_AT)
    for t in (1, 100, 2_000, 10**6):
        mean = sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * log(sqrt(t * rho**2 + 1) / ALPHA))
        assert boundary(t) == pytest.approx(mean * sqrt(t))
    assert [round(boundary(t), 2) for t in (200, 2_000, 20_000)] == [3.86, 3.04, 3.24]


@pytest.mark.parametrize(("rate", "share"), [(0.02, 0.5), (0.2, 0.05), (0.2, 0.1), (0.5, 0.3)])
def test_where_there_is_no_effect_one_is_hardly_ever_shown_however_often_one_looks(rate: float, share: float) -> None:
    shown, runs = 0, 150
    for seed in range(runs):
        shown += any(each.verdict is not Verdict.CANNOT_TELL_YET for each in looks(seed, 6_000, rate, share))
    assert shown / runs <= ALPHA


def test_an_ordinary_interval_would_show_one_far_more_often() -> None:
    """Why the others are not used: the same data, 1.96 standard errors."""
    wrong, runs = 0, 150
    for seed in range(runs):
        found = [
            abs(each.difference.value) > 1.96 * (each.difference.high - each.difference.value) / boundary(n)
            for n, each in zip(
                np.geomspace(200, 6_000, LOOKS).astype(int).repeat(2), looks(seed, 6_000, 0.2, 0.5), strict=True
            )
            if each.difference is not None and each.difference.high is not None
        ]
        wrong += any(found)
    assert wrong / runs > 4 * ALPHA


def test_a_known_effect_is_found_and_lies_within_the_interval_at_every_look() -> None:
    rate, uplift, runs, found, within = 0.1, 0.5, 60, 0, 0
    for seed in range(runs):
        each = list(looks(seed, 20_000, rate, 0.3, uplift))[::2]
        found += each[-1].verdict is Verdict.HELPS
        within += all(
            one.difference.low <= rate * uplift <= one.difference.high and one.ratio.low <= 1 + uplift <= one.ratio.high
            for one in each
            if one.difference is not None and one.difference.low is not None
        )
    assert found == runs
    assert within / runs >= 1 - ALPHA


def test_harm_is_said_too() -> None:
    spend, held = made_up(1, 20_000, 0.2, uplift=-0.5)
    proof = prove(sides(spend[~held], spend[held]))
    assert {proof.measures[outcome].verdict for outcome in BOUNDED} == {Verdict.HARMS}
    assert not proof.helps


def test_before_there_are_enough_there_is_no_interval_and_what_is_missing_is_said() -> None:
    assert prove({}).measures[Outcome.ORDERS] == Measure(None, None, None, None)
    one = Side("", 1_000, True)
    few = {one: Arm(n=29, ordered=9, orders=9, order_squares=9), replace_held(one): Arm(n=900, ordered=90, orders=90)}
    proof = prove(few)
    assert proof.too_few == "29 customers were held out and have had their time; an interval needs 30."
    assert proof.measures[Outcome.ORDERS].difference.low is None
    assert proof.measures[Outcome.ORDERS].verdict is Verdict.CANNOT_TELL_YET
    few[one] = Arm(n=300, ordered=9, orders=9, order_squares=9)
    assert prove(few).too_few == "9 of those who were held out ordered; an interval needs 10."


def replace_held(side: Side) -> Side:
    return side._replace(held=not side.held)


counts = st.integers(30, 5_000)
arms = st.builds(
    lambda n, rate, value: Arm(
        n=n, ordered=(m := max(10, round(n * rate))), orders=m, order_squares=m, revenue=m * value * 100,
        revenue_squares=float(m * (value / 100) ** 2),
    ),
    counts, st.floats(0, 1), st.integers(1, 10**6),
)  # fmt: skip


@given(arms, arms)
@settings(deadline=None)
def test_laws_of_two_sides(one: Arm, other: Arm) -> None:
    offered, held = Side("10%", 500, False), Side("10%", 500, True)
    here, there = prove({offered: one, held: other}), prove({offered: other, held: one})
    for outcome in BOUNDED:
        a, b = here.measures[outcome], there.measures[outcome]
        assert a.difference.low <= a.difference.value <= a.difference.high
        assert a.difference.low == pytest.approx(-b.difference.high, rel=1e-9, abs=1e-9)
        assert a.ratio.value == pytest.approx(1 / b.ratio.value)
        assert a.ratio.low == pytest.approx(1 / b.ratio.high, rel=1e-6)
    assert prove({held: other, offered: one}) == here  # in any order


def test_a_share_that_changed_with_the_season_does_not_look_like_an_effect() -> None:
    """In the busy season half were held out, in the quiet one a tenth; the offer does nothing in either."""

    def season(n: int, rate: float, share: int) -> dict[Side, Arm]:
        held = n * share // 10_000
        return {
            Side("", share, False): (each := arm_of(n - held, rate)),
            Side("", share, True): replace(each, **{k: getattr(arm_of(held, rate), k) for k in FIELDS}),
        }  # fmt: skip

    together = season(10_000, 0.4, 5_000) | season(10_000, 0.1, 1_000)
    proof = prove(together)
    assert proof.measures[Outcome.ORDERS].difference.value == pytest.approx(0)
    pooled = prove({Side("", 1, held): total(together, held=held) for held in (False, True)})
    assert pooled.measures[Outcome.ORDERS].verdict is Verdict.HARMS  # what comparing them all alike would say


FIELDS = ("n", "ordered", "orders", "order_squares")


def arm_of(n: int, rate: float) -> Arm:
    ordered = round(n * rate)
    return Arm(n=n, ordered=ordered, orders=ordered, order_squares=ordered)


def total(of: dict[Side, Arm], *, held: bool) -> Arm:
    return sum((arm for side, arm in of.items() if side.held is held), start=Arm())


def test_customers_decided_without_a_holdout_are_left_out() -> None:
    both = {Side("", 1_000, False): arm_of(900, 0.2), Side("", 1_000, True): arm_of(100, 0.2)}
    more = both | {Side("", -1, False): arm_of(5_000, 0.9)}
    assert prove(more) == prove(both)


def test_what_would_have_been_bought_anyway_is_the_holdouts_share_of_the_cost() -> None:
    found = prove({
        Side("10%", 1_000, False): replace(arm_of(9_000, 0.2), redeemed=900, redeemed_cost=9_000_000),
        Side("10%", 1_000, True): arm_of(1_000, 0.15),
    }).anyway  # fmt: skip
    assert (found.cost, found.given.value) == (9_000_000, pytest.approx(9_000_000 * 0.15 / 0.2))
    assert 0 < found.given.low < found.given.value < found.given.high < found.cost
    harm = prove({
        Side("10%", 1_000, False): replace(arm_of(9_000, 0.15), redeemed=900, redeemed_cost=9_000_000),
        Side("10%", 1_000, True): arm_of(1_000, 0.2),
    }).anyway  # fmt: skip
    assert harm.given.value == harm.given.high == harm.cost  # all of it, and not more
    nothing = prove({Side("", 1_000, False): arm_of(9_000, 0.2), Side("", 1_000, True): arm_of(1_000, 0.0)}).anyway
    assert (nothing.cost, nothing.given) == (0, None)


def test_the_size_that_is_asked_for_shows_it_in_four_of_five_cases() -> None:
    base = Base(Moments(1_000, 200, 200), 200, 0, 100.0)
    found = needed(base, share=3_000, uplift=0.3)
    shown = 0
    for seed in range(100):
        spend, held = made_up(seed, found.customers, 0.2, uplift=0.3, share=0.3)
        shown += prove(sides(spend[~held], spend[held])).measures[Outcome.ORDERS].verdict is Verdict.HELPS
    assert 0.7 <= shown / 100 <= 0.95
    assert found.weeks == -(-(found.customers - 1_000) // 100) + 4 or found.weeks == pytest.approx(
        (found.customers - 1_000) / 100 + 30 / 7, abs=1
    )


def test_how_long_it_takes_and_that_it_will_never_show() -> None:
    def shop(per_week: float, rate: float = 0.2) -> Base:
        return Base(Moments(1_000, 1_000 * rate, 1_000 * rate), int(1_000 * rate), 0, per_week)

    weeks = [needed(shop(per_week), share=1_000).weeks for per_week in (200, 1_000, 10_000)]
    assert weeks == sorted(weeks, reverse=True)
    never = needed(shop(5), share=1_000)
    assert (never.never, never.weeks) == (True, None)
    assert never.why.endswith("and 5.0 come in a week: this shop will not show it within 3 years.")
    assert needed(shop(0), share=1_000).never
    assert needed(shop(0), share=0).why == "Nobody is held out, so nothing can be told."
    unknown = needed(Base(Moments(9, 1, 1), 1, 50, 10.0), share=1_000)
    assert (unknown.base, unknown.never, unknown.weeks) == (None, False, None)
    assert needed(Base(Moments(10**6, 200_000, 200_000), 200_000, 0, 1.0), share=1_000).weeks == 0  # there are enough


def test_the_share_follows_the_shops_size() -> None:
    def share(per_week: float, rate: float = 0.2) -> int | None:
        return best_share(Base(Moments(1_000, 1_000 * rate, 1_000 * rate), int(1_000 * rate), 0, per_week))

    assert [share(per_week) for per_week in (10_000, 1_000, 500, 100, 5)] == [500, 1_000, 2_000, 3_000, 500]
    assert set(SHARES) == {500, 1_000, 2_000, 3_000}
    assert best_share(base_of({}, Outcome.ORDERS)) is None


@pytest.mark.parametrize("discount", [None, Discount(percentage=15), Discount(amount=75_000)])
def test_an_incentive_has_one_name(discount: Discount | None) -> None:
    assert incentive_of(incentive_key(discount)) == discount


def test_only_what_is_proven_goes_up_the_ladder() -> None:
    ladder = tuple(Discount(percentage=each) for each in (10, 15, 20))
    play = replace(BY_KEY["welcome"], ladder=ladder, level=2)
    assert in_force(play, frozenset()) == (play, None)  # the switch is off
    asks = replace(play, ladder_raises=True)
    cases = {
        frozenset(): (0, "not 20 %: the holdout does not show that it helps; 10 % is the first, which needs no proof"),
        frozenset({"10%"}): (0, "not 20 %: the holdout does not show that it helps; 10 % is the first, which needs no proof"),
        frozenset({"15%"}): (1, "not 20 %: the holdout does not show that it helps; 15 % is the highest that the holdout shows to help"),
        frozenset({"15%", "20%"}): (2, "20 %: the holdout shows that it helps"),
    }  # fmt: skip
    for proven, (level, why) in cases.items():
        assert in_force(asks, proven) == (replace(asks, level=level), why)
    assert in_force(replace(asks, level=0), frozenset()) == (replace(asks, level=0), None)


def test_a_bonus_helps_by_what_is_left_after_it_and_by_those_who_were_given_it() -> None:
    spend, held = made_up(3, 20_000, 0.2, uplift=0.6, share=0.3)
    helped = sides(spend[~held], spend[held], 3_000, "10%")
    spend, held = made_up(4, 20_000, 0.2, uplift=0.4, share=0.3)
    given_away = sides(spend[~held] * 0.6, spend[held], 3_000, "40%")  # more orders, each worth less
    found = prove(given_away)
    assert (found.measures[Outcome.ORDERS].verdict, found.helps) == (Verdict.HELPS, False)
    assert helping(helped | given_away) == {"10%"}
