"""Tags and metafields against a shop in memory, on both databases."""

import json
from datetime import datetime, timedelta

import pytest

from plugin.domain.tags import segment_tag, stage_tag
from plugin.errors import ShopUnavailableError
from plugin.ledger.store import Store
from plugin.lifecycle import publish
from plugin.lifecycle.publish import push_tags, wanted_tags
from plugin.ports import TAG_BATCH
from tests.support.memory_shop import Killed, MemoryShop
from tests.support.small_shop import NOW, TODAY, a_shop, place, put

SHOP = a_shop()


class Clock:
    """A second later each time it is asked."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def _customers(store: Store, shop: MemoryShop, stages: dict[int, str | tuple[str, int]]) -> None:
    await put(store.database, "customers", [{"id": who, "tags": "[]", "traits_stated_at": 1} for who in stages])
    for who, stage in stages.items():
        key, rung = stage if isinstance(stage, tuple) else (stage, None)
        await place(store.database, who, key, rung=rung, since_day=TODAY - who)
        shop.tags.setdefault(who, [])


async def _segment(store: Store, number: int, tag: str | None, *members: int) -> None:
    await put(store.database, "segments", [{"id": number, "name": f"Segment {number}", "tag": tag}])
    await put(store.database, "segment_members", [{"segment_id": number, "customer_id": who} for who in members])


async def _stated(store: Store, who: int, tags: list[str], at: datetime) -> None:
    """The shop states this customer's tags."""
    us = round(at.timestamp() * 1e6)
    await put(
        store.database,
        "customers",
        [{"id": who, "tags": json.dumps(tags), "traits_stated_at": us, "stated_at": us}],
    )


async def _records(store: Store) -> list:
    return await store.database.fetch(
        "SELECT customer_id, tag, state FROM tag_records WHERE shop_id = $1 ORDER BY 1, 2", 1
    )


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Gold", "rbl-gold"), (" gold ", "rbl-gold"), ("ÄRGER", "rbl-ärger"), ("a,b", None), ("", None), ("x\0", None),
        ("x" * 251, "rbl-" + "x" * 251), ("x" * 252, None), ("Stage-active", None),
    ],
)  # fmt: skip
def test_a_segments_tag_is_one_the_shop_takes_as_it_is_and_never_looks_like_a_stage(tag: str, expected: str | None):
    assert segment_tag("rbl-", tag) == expected


def test_the_stage_tag_names_the_rung():
    assert [stage_tag("RBL-", "departing", 2), stage_tag("x-", "new_buyer", None)] == [
        "rbl-stage-departing-2",
        "x-stage-new_buyer",
    ]


async def test_a_first_push_writes_stage_and_segment_tags_and_metafields_and_a_second_nothing(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active", 2: ("departing", 2), 3: "new_buyer"})
    await _segment(store, 1, "vip", 1, 2)
    await _segment(store, 2, None, 3)

    report = await push_tags(store, SHOP, shop, now=clock)

    assert shop.tags == {
        1: ["rbl-stage-active", "rbl-vip"],
        2: ["rbl-stage-departing-2", "rbl-vip"],
        3: ["rbl-stage-new_buyer"],
    }
    assert shop.metafields[2, "$app:rebloom.stage"] == "departing"
    assert shop.metafields[2, "$app:rebloom.stage_since"] == "2026-11-21"
    assert (report.customers, report.added, report.removed, report.skipped, report.refused) == (3, 5, 0, 0, 0)
    assert report.sample[1] == "Customer 2: + rbl-stage-departing-2 + rbl-vip"
    assert await wanted_tags(store, SHOP, [1, 2, 9]) == {1: shop.tags[1], 2: shop.tags[2], 9: []}

    shop.writes = 0
    again = await push_tags(store, SHOP, shop, now=clock)
    assert (again.customers, again.added, again.removed, again.skipped, shop.writes) == (0, 0, 0, 3, 0)


async def test_a_change_of_stage_swaps_the_tag_and_leaves_the_merchants(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    shop.add(1, ["VIP", "rbl-looks-like-ours", "RBL-Stage-Returned"])
    await _stated(store, 1, shop.tags[1], NOW)
    await push_tags(store, SHOP, shop, now=clock)
    for stage in ("returned", "active", "departing"):
        await place(store.database, 1, stage, since_day=TODAY - 1)
        await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-looks-like-ours", "rbl-stage-departing", "RBL-Stage-Returned", "VIP"]
    assert ("RBL-Stage-Returned".casefold(), "written") not in [row[1:] for row in await _records(store)]
    assert shop.metafields[1, "$app:rebloom.stage"] == "departing"


async def test_a_dry_run_says_what_it_would_write_and_changes_nothing(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active", 2: "visitor"})
    dry = await push_tags(store, SHOP, shop, now=clock, dry_run=True)
    assert (dry.customers, dry.added, dry.removed) == (2, 2, 0)
    assert dry.sample == ("Customer 1: + rbl-stage-active", "Customer 2: + rbl-stage-visitor")
    assert (shop.writes, shop.tags, await _records(store)) == (0, {1: [], 2: []}, [])
    assert await store.database.fetch("SELECT count(*) FROM push_states WHERE shop_id = $1", 1) == [(0,)]
    assert await store.database.fetch("SELECT phase, dry_run, added FROM push_runs WHERE shop_id = $1", 1) == [
        ("done", True, 2)
    ]
    wet = await push_tags(store, SHOP, shop, now=clock)
    assert (wet.customers, wet.added, wet.removed, wet.sample) == (2, 2, 0, dry.sample)


async def test_only_what_is_on_record_and_carries_our_prefix_is_removed(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    shop.add(1, ["rbl-old", "vip"])
    rows = [{"customer_id": 1, "tag": tag} for tag in ("rbl-old", "vip")]
    await put(store.database, "tag_records", rows)
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-stage-active", "vip"]


async def test_after_a_change_of_prefix_the_old_tags_on_record_go_and_look_alikes_stay(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active", 2: "visitor"})
    shop.add(1, ["rbl-own"])
    await push_tags(store, SHOP, shop, now=clock)
    renamed = a_shop(tag_prefix="Club-")
    report = await push_tags(store, renamed, shop, now=clock)
    assert (report.added, report.removed) == (2, 2)
    assert shop.tags == {1: ["club-stage-active", "rbl-own"], 2: ["club-stage-visitor"]}
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags == {1: ["rbl-own", "rbl-stage-active"], 2: ["rbl-stage-visitor"]}


@pytest.mark.parametrize("where", ["unread", "half read"])
async def test_a_process_killed_while_a_file_runs_reads_its_answers_the_next_time_and_asks_nothing_twice(
    store: Store, clock, monkeypatch, where: str
):
    monkeypatch.setattr(publish, "FILE_TAKES", 5)
    shop = MemoryShop(fail=where)
    await _customers(store, shop, dict.fromkeys(range(1, 11), "active"))
    del shop.tags[7]
    with pytest.raises(Killed):
        await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls == ["tagsAdd"]
    assert "written" not in [row[2] for row in await _records(store)]
    report = await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls == ["tagsAdd", "set_metafields"]
    assert (report.added, report.refused, report.customers) == (9, 1, 9)
    assert [row[2] for row in await _records(store)].count("written") == 9
    assert await store.database.fetch("SELECT kind FROM push_files WHERE shop_id = $1", 1) == []


async def test_a_file_that_the_shop_has_forgotten_is_asked_for_again(store: Store, clock, monkeypatch):
    monkeypatch.setattr(publish, "FILE_TAKES", 5)
    shop = MemoryShop(fail="unread")
    await _customers(store, shop, dict.fromkeys(range(1, 11), "active"))
    with pytest.raises(Killed):
        await push_tags(store, SHOP, shop, now=clock)
    shop.operations.clear()
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls == ["tagsAdd", "tagsAdd", "metafieldsSet"]
    assert all(tags == ["rbl-stage-active"] for tags in shop.tags.values())


async def test_a_tag_of_ours_that_the_merchant_took_away_comes_back_after_the_shop_says_so(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    await push_tags(store, SHOP, shop, now=clock)
    shop.remove(1, ["RBL-STAGE-ACTIVE"])
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == []  # nobody told us yet
    await _stated(store, 1, [], clock())
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-stage-active"]
    writes = shop.writes
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.writes == writes


async def test_a_refusal_is_kept_with_its_reason_and_sent_again_only_when_something_changed(store: Store, clock):
    shop = MemoryShop(limit=2)
    await _customers(store, shop, {1: "active", 2: "active"})
    shop.add(1, ["a", "b"])
    report = await push_tags(store, SHOP, shop, now=clock)
    assert (report.refused, report.added) == (1, 1)
    rows = await store.database.fetch(
        "SELECT refusal FROM push_states WHERE shop_id = $1 AND refusal IS NOT NULL ORDER BY customer_id", 1
    )
    assert [json.loads(row[0])["message"] for row in rows] == ["Customers must have 250 tags or less."]

    writes = shop.writes
    again = await push_tags(store, SHOP, shop, now=clock)
    assert (again.refused, again.added, shop.writes) == (0, 0, writes)

    shop.remove(1, ["a"])
    await _stated(store, 1, ["b"], clock())
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["b", "rbl-stage-active"]
    assert shop.metafields[1, "$app:rebloom.stage"] == "active"
    assert await store.database.fetch(
        "SELECT count(*) FROM push_states WHERE shop_id = $1 AND refusal IS NOT NULL", 1
    ) == [(0,)]


async def test_a_metafield_refused_for_one_is_set_for_the_others(store: Store, clock):
    shop = MemoryShop(refuse_metafields={2})
    await _customers(store, shop, {1: "active", 2: "active", 3: "active"})
    report = await push_tags(store, SHOP, shop, now=clock)
    assert (report.refused, report.customers) == (1, 2)
    assert {who for who, _ in shop.metafields} == {1, 3}
    writes = shop.writes
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.writes == writes


async def test_a_customer_deleted_meanwhile_is_refused_and_the_others_are_written(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active", 2: "active"})
    del shop.tags[1]
    report = await push_tags(store, SHOP, shop, now=clock)
    assert (report.refused, report.added, shop.tags) == (1, 1, {2: ["rbl-stage-active"]})


@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_process_killed_around_a_write_leaves_nothing_lost_and_nothing_doubled(store: Store, clock, where):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    await push_tags(store, SHOP, shop, now=clock)
    await place(store.database, 1, "departing", rung=1, since_day=TODAY)
    shop.fail = where
    with pytest.raises(Killed):
        await push_tags(store, SHOP, shop, now=clock)
    await place(store.database, 1, "returned", since_day=TODAY)
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-stage-returned"]
    writes = shop.writes
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.writes == writes


async def test_many_customers_go_by_file_removals_first_and_end_the_same(store: Store, clock, monkeypatch):
    monkeypatch.setattr(publish, "FILE_TAKES", 5)
    shop, told = MemoryShop(), []
    everyone = range(1, 41)
    await _customers(store, shop, dict.fromkeys(everyone, "active"))
    del shop.tags[7]
    report = await push_tags(store, SHOP, shop, now=clock, progress=lambda done, of: told.append((done, of)))
    assert shop.calls == ["tagsAdd", "metafieldsSet"]
    assert (report.customers, report.added, report.refused, told[-1]) == (39, 39, 1, (40, 40))

    await _customers(store, shop, dict.fromkeys((who for who in everyone if who != 7), "visitor"))
    shop.calls.clear()
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls == ["tagsRemove", "tagsAdd", "metafieldsSet"]
    assert shop.tags == {who: ["rbl-stage-visitor"] for who in everyone if who != 7}
    shop.calls.clear()
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls == []


async def test_a_bulk_run_that_fails_half_way_keeps_what_was_done_and_the_next_push_does_the_rest(
    store: Store, clock, monkeypatch
):
    monkeypatch.setattr(publish, "FILE_TAKES", 5)
    shop = MemoryShop(fail="half")
    await _customers(store, shop, dict.fromkeys(range(1, 11), "active"))
    with pytest.raises(ShopUnavailableError):
        await push_tags(store, SHOP, shop, now=clock)
    states = [row[2] for row in await _records(store)]
    assert (states.count("written"), states.count("intended")) == (5, 5)
    assert await store.database.fetch("SELECT phase, added, error FROM push_runs WHERE shop_id = $1", 1) == [
        ("failed", 5, "The bulk operation failed half way.")
    ]
    report = await push_tags(store, SHOP, shop, now=clock)
    assert report.added == 5
    assert all(tags == ["rbl-stage-active"] for tags in shop.tags.values())


async def test_a_batch_holds_as_many_customers_as_the_gateway_takes(store: Store, clock, monkeypatch):
    monkeypatch.setattr(publish, "FILE_TAKES", 1_000)
    shop = MemoryShop()
    await _customers(store, shop, dict.fromkeys(range(1, TAG_BATCH + 2), "active"))
    await push_tags(store, SHOP, shop, now=clock)
    assert shop.calls.count("swap_tags") == 2


async def test_another_shops_customers_are_not_written(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    other = MemoryShop(tags={1: []})
    report = await push_tags(store, a_shop(2), other, now=clock)
    assert (report.customers, other.writes) == (0, 0)


async def test_an_old_statement_with_our_tag_is_not_taken_for_the_merchants(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    await push_tags(store, SHOP, shop, now=clock)
    await _stated(store, 1, shop.tags[1], clock())
    for stage in ("departing", "active"):  # the shop says nothing new in between
        await place(store.database, 1, stage)
        await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-stage-active"]
    assert [row[1:] for row in await _records(store)] == [
        ("rbl-stage-active", "written"),
        ("rbl-stage-departing", "removed"),
    ]


async def test_a_tag_we_took_away_and_the_merchant_typed_again_is_the_merchants(store: Store, clock):
    shop = MemoryShop()
    await _customers(store, shop, {1: "active"})
    await push_tags(store, SHOP, shop, now=clock)
    await place(store.database, 1, "departing")
    await push_tags(store, SHOP, shop, now=clock)
    shop.add(1, ["rbl-stage-active"])
    await _stated(store, 1, shop.tags[1], clock())
    for stage in ("active", "returned"):
        await place(store.database, 1, stage)
        await push_tags(store, SHOP, shop, now=clock)
    assert shop.tags[1] == ["rbl-stage-active", "rbl-stage-returned"]
