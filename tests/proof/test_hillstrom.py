"""The estimator on a real randomised experiment, beside the figures told with it."""

import numpy as np
import pytest

from plugin.domain.proof.arms import Outcome
from plugin.domain.proof.uplift import Verdict, prove
from tests.support.hillstrom import PRESENT, read, sides, truth

(FOLDER,) = PRESENT
ARMS, TRUTH = read(FOLDER), truth(FOLDER)
NONE = "No E-Mail"
FIGURES = {"conversion": Outcome.ORDERS, "spend": Outcome.NET_REVENUE}


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("mailing", ["Mens E-Mail", "Womens E-Mail"])
def test_the_truth_lies_within_the_interval(mailing: str, figure: str) -> None:
    told = TRUTH["difference_from_no_email"][mailing][figure]
    found = prove(sides(ARMS[mailing], ARMS[NONE])).measures[FIGURES[figure]].difference
    assert found is not None
    assert found.value == pytest.approx(told["difference"], abs=1e-6)
    assert found.low < told["ci95"][0] < told["difference"] < told["ci95"][1] < found.high  # who looks daily pays width


def test_what_each_mailing_is_shown_to_bring() -> None:
    verdicts = {
        mailing: [
            str(prove(sides(ARMS[mailing], ARMS[NONE])).measures[outcome].verdict) for outcome in FIGURES.values()
        ]
        for mailing in ("Mens E-Mail", "Womens E-Mail")
    }
    assert verdicts == {
        "Mens E-Mail": [Verdict.HELPS, Verdict.HELPS],
        "Womens E-Mail": [Verdict.HELPS, Verdict.CANNOT_TELL_YET],  # 0.42 a customer, from -0.04 to 0.89
    }


@pytest.mark.parametrize("figure", FIGURES)
def test_it_lies_within_it_at_every_look_while_customers_come_with_a_small_holdout(figure: str) -> None:
    told = TRUTH["difference_from_no_email"]["Mens E-Mail"][figure]["difference"]
    missed, bounded = 0, 0
    for seed in range(20):
        numbers = np.random.default_rng(seed)
        offered = numbers.permutation(ARMS["Mens E-Mail"])
        held = numbers.permutation(ARMS[NONE])[: len(offered) // 4]  # a fifth of all
        looks = []
        for part in np.linspace(0.1, 1.0, 10):
            shown = prove(sides(offered[: int(part * len(offered))], held[: int(part * len(held))], 2_000))
            difference = shown.measures[FIGURES[figure]].difference
            if difference is not None and difference.low is not None:
                looks.append(difference.low <= told <= difference.high)
        missed, bounded = missed + (not all(looks)), bounded + bool(looks)
    assert (missed, bounded) == (0, 20)
