"""Histories in which each evaluation waits for the one before: against a plain loop, and against the ordinary kind."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.columns import Ints
from plugin.domain.history import Before, Standing, journey, journey_in_turn
from plugin.domain.instants import FOREVER

DAY = 10  # of these made-up clocks
facts = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 95)), max_size=25)


def tomorrow(at: Ints) -> Ints:
    return (at // DAY + 1) * DAY


class Rule(NamedTuple):
    """A stage from the instant and the state before, and until when that stands."""

    decide: Callable[[int, int, int, int, int], int]
    until: Callable[[int, int, int, int], int]


def plain(told: list[tuple[int, int]], until: int, rule: Rule) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Customer by customer, one event after the other. Beside the entries: when each one's latest verdict ends."""
    entries, wakes = [], []
    for customer in range(max((of for of, _ in told), default=-1) + 1):
        pending = sorted({at for of, at in told if of == customer and at <= until})
        stage = since = previous = -1
        wake, shown = FOREVER, None
        while True:
            now = min([*pending[:1], wake])
            if now > until:
                break
            if pending[:1] == [now]:
                pending.pop(0)
            verdict = rule.decide(customer, now, stage, since, previous)
            wake = rule.until(customer, now, since, stage)
            if verdict != stage:
                stage, since, previous = verdict, now, stage
                wake = min(wake, (now // DAY + 1) * DAY)
            if shown != verdict:
                entries.append((customer, now, verdict))
                shown = verdict
        wakes.append(wake)
    return entries, wakes


def vectorised(told: list[tuple[int, int]], until: int, rule: Rule) -> tuple[list[tuple[int, int, int]], list[int]]:
    def judge(customer: Ints, at: Ints, before: Before) -> Standing:
        rows = list(zip(customer.tolist(), at.tolist(), *(column.tolist() for column in before), strict=True))
        stages = [rule.decide(*row) for row in rows]
        ends = [rule.until(of, now, since, stage) for of, now, stage, since, _ in rows]
        return Standing(np.array(stages), np.zeros(len(rows), dtype=np.int64), np.array(ends))

    customer, at = (np.array(column, dtype=np.int64) for column in zip(*told, strict=True)) if told else (
        np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))  # fmt: skip
    path, wakes = journey_in_turn(customer, at, until=until, judge=judge, again=tomorrow)
    return list(zip(path.customer.tolist(), path.at.tolist(), path.stage.tolist(), strict=True)), wakes.tolist()


RULES = {
    "goes round by itself": Rule(lambda _, now, stage, *__: (stage + 1) % 3, lambda _, now, *__: now + 7),
    "stays three days, then back": Rule(
        lambda of, now, stage, since, previous: 1 if stage == 1 and now // DAY - since // DAY < 3 else (now + of) % 2,
        lambda of, now, since, stage: (since // DAY + 3) * DAY if stage == 1 and since // DAY + 3 > now // DAY else FOREVER,
    ),
    "minds what was before": Rule(
        lambda _, now, stage, since, previous: 2 if previous == 0 and stage == 1 else 0 if stage < 0 else 1 + (now > 50),
        lambda _, now, *__: tomorrow(np.array([now]))[0] if now < 60 else FOREVER,
    ),
    "nowhere at first": Rule(lambda _, now, *__: -1 if now < 30 else 0, lambda _, now, *__: 30 if now < 30 else FOREVER),
}  # fmt: skip


@given(facts, st.integers(0, 120), st.sampled_from(sorted(RULES)))
@settings(max_examples=300, deadline=None)
def test_side_by_side_is_one_after_the_other(told: list[tuple[int, int]], until: int, name: str) -> None:
    assert vectorised(told, until, RULES[name]) == plain(told, until, RULES[name])


@given(facts, st.integers(0, 120))
@settings(max_examples=100, deadline=None)
def test_who_does_not_mind_the_state_before_has_the_ordinary_history(told: list[tuple[int, int]], until: int) -> None:
    def judge(customer: Ints, at: Ints) -> Standing:
        return Standing((at // 13 + customer) % 3, at // 26 % 2, (at // 13 + 1) * 13)

    customer, at = (
        np.array([of for of, _ in told], dtype=np.int64),
        np.array([when for _, when in told], dtype=np.int64),
    )
    ordinary = journey(customer, at, until=until, judge=judge)
    in_turn, _ = journey_in_turn(
        customer, at, until=until, judge=lambda of, when, _: judge(of, when), again=lambda when: when + 1_000
    )
    for column in ("customer", "at", "stage", "rung"):
        assert getattr(in_turn, column).tolist() == getattr(ordinary, column).tolist()


def test_nobody_has_no_history() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    path, wakes = journey_in_turn(
        nothing, nothing, until=9, judge=lambda of, _, __: Standing(of, of, of), again=tomorrow
    )
    assert (len(path), len(wakes)) == (0, 0)
