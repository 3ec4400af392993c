"""The walk from fact to fact and from verdict to verdict, with a judge who remembers what was asked."""

import numpy as np

from plugin.domain.columns import Ints
from plugin.domain.history import Journey, Standing, journey, stays


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def rows(path: Journey) -> list[tuple[int, int, int, int]]:
    return list(zip(path.customer.tolist(), path.at.tolist(), path.stage.tolist(), path.rung.tolist(), strict=True))


def test_each_instant_is_judged_once_and_none_after_the_end() -> None:
    asked: list[tuple[int, int]] = []

    def judge(customer: Ints, at: Ints) -> Standing:
        asked.extend(zip(customer.tolist(), at.tolist(), strict=True))
        return Standing(customer % 2, customer, at + 10)  # everything stands for 10

    facts = [(1, 5), (0, 0), (0, 25), (1, 5), (2, 20), (3, 21), (4, 0), (4, 10), (5, 31)]
    customer, at = (ints(*column) for column in zip(*facts, strict=True))
    path = journey(customer, at, until=30, judge=judge)
    assert sorted(asked) == [
        (0, 0), (0, 10), (0, 20), (0, 25), (1, 5), (1, 15), (1, 25), (2, 20), (2, 30), (3, 21),
        (4, 0), (4, 10), (4, 20), (4, 30),
    ]  # fmt: skip
    # whoever stands as before enters nothing
    assert rows(path) == [(0, 0, 0, 0), (1, 5, 1, 1), (2, 20, 0, 2), (3, 21, 1, 3), (4, 0, 0, 4)]
    assert path.opens.all()
    assert path.closes.all()


def test_a_change_of_stage_or_of_rung_alone_is_an_entry_and_a_stay_outlasts_its_rungs() -> None:
    stage, rung = ints(0, 1, 1, 1, 0), ints(0, 1, 1, 2, 2)

    def judge(customer: Ints, at: Ints) -> Standing:
        return Standing(stage[at], rung[at], np.full(len(customer), 10**9, dtype=np.int64))

    path = journey(ints(7, 7, 7, 7, 7, 8), ints(4, 3, 2, 1, 0, 3), until=9, judge=judge)
    assert rows(path) == [(7, 0, 0, 0), (7, 1, 1, 1), (7, 3, 1, 2), (7, 4, 0, 2), (8, 3, 1, 2)]
    entered = stays(path)
    assert (entered.since.tolist(), entered.previous.tolist()) == ([0, 1, 1, 4, 3], [-1, 0, 0, 1, -1])
    assert (path.opens.tolist(), path.closes.tolist()) == (
        [True, False, False, False, True], [False, False, False, True, True],
    )  # fmt: skip


def test_nobody_has_no_journey() -> None:
    def judge(customer: Ints, at: Ints) -> Standing:
        raise AssertionError((customer, at))

    assert len(journey(ints(), ints(), until=0, judge=judge)) == 0
    assert len(journey(ints(1), ints(1), until=0, judge=judge)) == 0
