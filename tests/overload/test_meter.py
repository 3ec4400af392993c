"""Who asks too often: the meter's arithmetic, its memory, and what one client is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.web.limits import GRAPHQL, PAGES, WEBHOOKS, Meter, Often, lane_of, network_of


def test_a_burst_passes_then_one_a_step() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    often = Often(10, 3)
    assert [meter.wait("a", often) for _ in range(3)] == [0, 0, 0]
    assert meter.wait("a", often) == pytest.approx(0.1)
    assert meter.wait("b", often) == 0
    now[0] = 0.1
    assert meter.wait("a", often) == 0
    assert meter.wait("a", often) == pytest.approx(0.1)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200), st.integers(1, 20), st.sampled_from([0.5, 1.0, 7.0, 50.0]))
def test_never_more_than_the_burst_and_the_rate_allow(pauses: list[float], burst: int, rate: float) -> None:
    now = [100.0]
    meter = Meter(clock=lambda: now[0])
    passed: list[float] = []
    for pause in pauses:
        now[0] += pause
        wait = meter.wait("a", Often(rate, burst))
        if wait == 0:
            passed.append(now[0])
        else:
            assert 0 < wait <= 1 / rate + 1e-9
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6


def test_memory_is_bounded_however_many_ask() -> None:
    meter = Meter(clock=lambda: 0.0, most=100)
    for number in range(10_000):
        assert meter.wait(number, Often(1, 1)) == 0
    assert len(meter) == 100
    assert meter.wait(9_999, Often(1, 1)) > 0


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    now = [50.0]
    meter = Meter(clock=lambda: now[0])
    assert meter.wait("a", Often(1, 1)) == 0
    now[0] = 0.0
    assert meter.wait("a", Often(1, 1)) > 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_what_one_client_can_change_at_will_is_one_client(address: str, client: str) -> None:
    assert network_of(address) == client


def test_every_path_has_a_lane() -> None:
    assert [lane_of(path) for path in ("/graphql", "/webhooks", "/auth", "/nowhere")] == [
        GRAPHQL,
        WEBHOOKS,
        PAGES,
        PAGES,
    ]
