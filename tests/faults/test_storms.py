"""A shop in a storm, and one that is away for an hour: the work goes on by itself, ends as in the shop beside it that had
no trouble, and does nothing twice."""

import pytest

from integrations.devshop.faults import Fault
from plugin.lifecycle import publish
from tests.support.storms import (
    CALM,
    CUSTOMERS,
    LOSES,
    STORMY,
    WEATHER,
    Storm,
    effects_counted,
    happened,
    weather,
)


def lost(faults: list[Fault]) -> int:
    """How many answers were lost to things that the shop did."""
    return sum(happened(fault) for fault in faults if getattr(fault, LOSES) is not None)


async def by_file(storm: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both shops copied and placed, the calm one pushed, all by bulk file."""
    monkeypatch.setattr(publish, "FILE_TAKES", -1.0)
    for domain in (CALM, STORMY):
        await storm.sync(domain)
        await storm.place(domain, "active")
    await storm.push(CALM)


async def test_a_copy_through_a_storm_ends_as_in_calm(storm: Storm) -> None:
    await storm.sync(CALM)
    faults = weather(1, requests=200, share=0.6)
    storm.dev.shops.faults.add(*faults)
    await storm.as_job("sync", lambda: storm.sync(STORMY))
    await storm.assert_same()
    assert sum(map(happened, faults)) >= len(WEATHER)
    exports = [each for each in storm.dev[STORMY].state.bulk.values() if each["type"] == "QUERY"]
    assert 3 <= len(exports) <= 3 + lost(faults)


@pytest.mark.parametrize("way", ["by call", "by file"])
async def test_a_push_through_a_storm_writes_each_tag_once(
    storm: Storm, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FILE_TAKES", 1e9 if way == "by call" else -1.0)
    monkeypatch.setattr(publish, "TAG_BATCH", 1)  # so that there are many requests to hit
    for domain in (CALM, STORMY):
        await storm.sync(domain)
    faults = weather(3, requests=300, share=0.5)
    storm.dev.shops.faults.add(*faults)
    with effects_counted() as effects:
        for stage in ("active", "departing"):
            for domain in (CALM, STORMY):
                await storm.place(domain, stage)
            await storm.push(CALM)
            await storm.as_job("push", lambda: storm.push(STORMY))
    await storm.assert_same()
    assert all(tags == ["rbl-stage-departing"] for tags in storm.tags(STORMY).values())
    assert sum(map(happened, faults)) >= len(WEATHER)
    assert effects == {CALM: 36, STORMY: 36}  # 12 added; 12 removed and 12 added
    storm.dev.shops.faults.clear()
    writes = storm.dev[STORMY].state.writes.total()
    await storm.push(STORMY)
    assert storm.dev[STORMY].state.writes.total() == writes


async def test_answers_of_a_bulk_file_that_are_cut_off_are_read_again_and_not_asked_for_again(
    storm: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    await by_file(storm, monkeypatch)
    fault = Fault(path=f"{STORMY}/_files/", cut_after=300, times=2)
    storm.dev.shops.faults.add(fault)
    await storm.as_job("push", lambda: storm.push(STORMY))
    await storm.assert_same()
    assert (fault.seen, storm.attempts["push"]) == (4, 2)
    assert storm.dev[STORMY].state.writes == storm.dev[CALM].state.writes


async def test_an_export_whose_address_is_too_old_is_asked_for_anew(storm: Storm) -> None:
    await storm.sync(CALM)
    fault = Fault(path=f"{STORMY}/_files/", skip=1, times=4, status=403)
    storm.dev.shops.faults.add(fault)
    await storm.as_job("sync", lambda: storm.sync(STORMY))
    await storm.assert_same()
    assert (happened(fault), storm.attempts["sync"]) == (True, 0)
    assert len(storm.dev[STORMY].state.bulk) == len(storm.dev[CALM].state.bulk) + 1  # three of four tries were of one


DAMAGED = """{"data":{"tagsAdd":{"node":{"id":"x"},"userErrors":[]}},"__lineNumber":1}

{"data":{"tagsAdd":{"node":{"id":"x"},"userErrors":[]}},"__lineNumber":1}
{"data":{"tagsAdd":{"node":null,"userErrors":[]}},"__lineNumber":99}
{"data":{"tagsAdd":{"node":{"id":"x"},"userErr
"""


REFUSED = "<Error><Code>AccessDenied</Code></Error>"


@pytest.mark.parametrize(
    ("body", "failures"), [(DAMAGED, 1), ("", 0), (REFUSED, 1)], ids=["damaged", "empty", "too old"]
)
async def test_answers_that_cannot_be_read_are_asked_for_again_and_their_neighbours_stand(
    storm: Storm, body: str, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await by_file(storm, monkeypatch)
    status = 403 if body == REFUSED else 200
    fault = Fault(path=f"{STORMY}/_files/", status=status, body=body)
    storm.dev.shops.faults.add(fault)
    with effects_counted() as effects:
        await storm.as_job("push", lambda: storm.push(STORMY))
        assert storm.attempts["push"] == failures
        await storm.push(STORMY)  # an empty file is no failure: what has no answer is found by the next plan
    await storm.assert_same()
    assert happened(fault)
    assert effects == {STORMY: len(CUSTOMERS)}


@pytest.mark.parametrize(
    ("work", "goes_down_after", "down"),
    [
        ("sync", 7, {"reset": True}),
        ("push by call", 4, {"status": 503}),
        ("push by file", 4, {"status": 429, "headers": {"Retry-After": "600"}}),
    ],
    ids=["copy", "push by call", "polling a push"],
)
async def test_a_shop_that_is_down_for_an_hour_is_left_in_peace_and_served_afterwards(
    storm: Storm, work: str, goes_down_after: int, down: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes down in the middle of the work; its token ends while it is away."""
    monkeypatch.setattr(publish, "FILE_TAKES", 1e9 if work == "push by call" else -1.0)
    monkeypatch.setattr(publish, "TAG_BATCH", 2)
    await storm.sync(CALM)
    if work != "sync":
        await storm.sync(STORMY)
    for domain in (CALM, STORMY):
        await storm.place(domain, "active")
    begun, faults = storm.time.at, storm.dev.shops.faults
    outage = Fault(path=STORMY, skip=goes_down_after, times=None, **down)
    faults.add(outage)
    plain = storm.time.sleep

    async def sleep(seconds: float) -> None:
        await plain(seconds)
        if storm.time.at >= begun + 3_600.0:
            faults.clear()

    monkeypatch.setattr(storm.time, "sleep", sleep)
    await storm.as_job(work, lambda: storm.sync(STORMY) if work == "sync" else storm.push(STORMY))
    assert 3_600 <= storm.time.at - begun < 2 * 3_600
    # Ten tries of a call, of up to six calls under way, a job; and a job every ten minutes in the end: no hammering.
    assert 10 <= outage.seen - outage.skip <= 400
    assert storm.attempts[work] >= 5
    for domain in (CALM, STORMY):
        await storm.push(domain)
    await storm.assert_same()
    assert storm.dev[STORMY].state.writes == storm.dev[CALM].state.writes
