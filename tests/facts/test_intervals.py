"""Intervals and survival against figures from textbooks."""

import numpy as np
import pytest

from plugin.domain.fact_sheet.intervals import (
    Estimate,
    clustered_share,
    equivalence,
    needed_for_equivalence,
    needed_to_tell,
    ratio,
    share,
    share_of_sum,
    wilson,
)
from plugin.domain.fact_sheet.shapes import Unit, Value, Verdict, all_of, falling, near
from plugin.domain.fact_sheet.survival import kaplan_meier

# Freireich et al. 1963, the 6-MP arm: weeks in remission, 0 where the patient was still in remission.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_kaplan_meier_gives_the_published_survival_of_the_remission_trial() -> None:
    found = kaplan_meier(np.array(WEEKS), np.array(RELAPSED) == 1)
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {week: round(float(found.survival[week]), 3) for week in published} == published
    deviations = {week: float(found.survival[week] * np.sqrt(found.greenwood[week])) for week in (6, 10, 23)}
    assert {week: round(deviation, 4) for week, deviation in deviations.items()} == {6: 0.0764, 10: 0.0963, 23: 0.1346}
    by = found.by(10)
    assert by is not None
    assert (by.n, by.denominator) == (5, 21)
    assert (round(1 - by.high, 3), round(1 - by.low, 3)) == (0.503, 0.889)  # log-log, as R's survfit prints it


def test_survival_says_nothing_past_the_last_sight_unless_all_came() -> None:
    assert kaplan_meier(np.array([3, 5]), np.array([True, False])).by(6) is None
    assert kaplan_meier(np.array([], dtype=np.int64), np.array([], dtype=np.bool_)).by(0) is None
    everybody = kaplan_meier(np.array([3, 5]), np.array([True, True])).by(30)
    assert everybody is not None
    assert (everybody.value, everybody.n, everybody.denominator, everybody.high) == (1.0, 2, 2, 1.0)
    assert 0 < everybody.low < 1
    nobody = kaplan_meier(np.array([9, 9, 9]), np.array([False, False, False])).by(5)
    assert nobody is not None
    assert (nobody.value, nobody.low) == (0.0, 0.0)
    assert (nobody.low, nobody.high) == pytest.approx(wilson(0.0, 3))


def test_wilson_gives_newcombes_published_intervals() -> None:
    for n, among, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]:
        found = share(n, among)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_a_ratio_of_shares_has_katzs_interval() -> None:
    found = ratio(share(15, 20), share(10, 20))  # log 1.5 +- 1.96 * sqrt(.25/15 + .5/10)
    assert found is not None
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (1.5, 0.9043, 2.4881)
    assert ratio(share(0, 20), share(10, 20)) is None


def test_observations_of_one_customer_are_not_taken_for_many() -> None:
    alone = clustered_share(np.array([1, 0, 1, 0] * 5), np.ones(20, dtype=np.int64))
    assert (alone.n, alone.denominator, alone.value) == (10, 20, 0.5)
    repeated = clustered_share(np.array([4, 0, 4, 0] * 5), np.full(20, 4))
    assert (repeated.n, repeated.denominator) == (40, 80)
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
    assert share(40, 80).low > repeated.low + 0.05


def test_a_share_of_a_sum_varies_as_customers_do() -> None:
    whole = np.array([100.0, 100.0, 100.0, 100.0])
    assert share_of_sum(whole / 4, whole) == (0.25, 0.25)
    low, high = share_of_sum(np.array([100.0, 0.0, 0.0, 0.0]), whole)
    assert (low, round(high, 4)) == (0.0, 0.74)  # 0.25 + 1.96 * sqrt(0.75 / 3 / 4)
    assert share_of_sum(np.array([1.0]), np.array([2.0])) == (0.0, 1.0)


def test_the_numbers_needed_are_those_of_the_literature() -> None:
    assert needed_to_tell(0.35, 0.36) == 35_940  # "about 36,000 customers a group"
    assert needed_for_equivalence(0.36, 0.02) == 9_866


def test_equivalence_needs_many_and_a_small_difference() -> None:
    many = equivalence(share(3_600, 10_000), share(3_620, 10_000), 0.02)
    few = equivalence(share(36, 100), share(36, 100), 0.02)
    assert round(many.difference, 4) == -0.002
    assert many.p < 0.05 < few.p
    assert many.low < -0.002 < many.high
    far = equivalence(share(5_000, 10_000), share(3_600, 10_000), 0.02)
    assert far.p > 0.99
    assert far.low > 0.12
    assert equivalence(share(0, 3), share(0, 3), 0.02).low < 0 < equivalence(share(0, 3), share(0, 3), 0.02).high


def a_value(low: float, high: float) -> Value:
    return Value("", Unit.SHARE, *Estimate((low + high) / 2, low, high, 1, 2))


def test_verdicts_follow_the_stated_rules() -> None:
    assert near(a_value(0.76, 0.84), 0.75, 0.85) is Verdict.SAME
    assert near(a_value(0.75, 0.85), 0.75, 0.85) is Verdict.SAME
    assert near(a_value(0.74, 0.84), 0.75, 0.85) is Verdict.CANNOT_TELL_YET
    assert near(a_value(0.70, 0.75), 0.75, 0.85) is Verdict.CANNOT_TELL_YET
    assert near(a_value(0.70, 0.7499), 0.75, 0.85) is Verdict.DIFFERS
    assert near(a_value(0.86, 0.9), 0.75, 0.85) is Verdict.DIFFERS
    assert near(None, 0.75, 0.85) is Verdict.CANNOT_TELL_YET
    same, differs, unknown = Verdict.SAME, Verdict.DIFFERS, Verdict.CANNOT_TELL_YET
    assert [all_of(found) for found in ([same, same], [same, unknown], [unknown, differs], [])] == [
        same, unknown, differs, unknown,
    ]  # fmt: skip
    high, middle, low = a_value(0.5, 0.6), a_value(0.4, 0.55), a_value(0.1, 0.2)
    assert falling([high, middle, low]) is same
    assert falling([high, middle]) is unknown
    assert falling([high, low, middle]) is differs
    assert falling([high]) is unknown
