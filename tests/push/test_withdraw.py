"""`rebloom remove`: exactly what we wrote goes, whatever interrupts it; nothing is written after."""

import contextlib

import pytest

from plugin.domain.instants import to_us
from plugin.errors import BadRequestError
from plugin.ledger.push_records import is_withdrawn
from plugin.ledger.store import Store
from plugin.lifecycle import publish
from plugin.lifecycle.publish import push_tags
from plugin.lifecycle.withdraw import withdraw
from plugin.ports import Subscription
from tests.jobs.test_schedule import LONG_AGO, a_shop_row
from tests.push.test_publish import Clock
from tests.support.memory_shop import Killed, MemoryShop
from tests.support.small_shop import TODAY, a_shop, place, put

ADDRESS = "https://app.example/webhooks"
SHOP = a_shop()
CUSTOMERS = range(1, 31)


async def pushed(store: Store) -> MemoryShop:
    """Thirty customers of whom each has a tag of the merchant's, pushed; one since deleted in the shop."""
    await a_shop_row(store)
    shop = MemoryShop(tags={who: ["vip", "rbl-own"] for who in CUSTOMERS})
    await put(
        store.database, "customers",
        [{"id": who, "tags": '["vip","rbl-own"]', "traits_stated_at": 1} for who in CUSTOMERS],
    )  # fmt: skip
    for who in CUSTOMERS:
        await place(store.database, who, "active", since_day=TODAY - who)
    await push_tags(store, SHOP, shop, now=Clock())
    for number, uri in enumerate((ADDRESS, ADDRESS, "https://other.example/hooks")):
        gid = f"gid://shopify/WebhookSubscription/{number}"
        shop.subscribed[gid] = Subscription(gid=gid, topic=f"TOPIC_{number}", uri=uri)
    return shop


def left(shop: MemoryShop) -> tuple[set[str], int, list[str]]:
    tags = {tag for tags in shop.tags.values() for tag in tags}
    return tags, len(shop.metafields), [each.uri for each in shop.subscribed.values()]


CLEARED = ({"vip", "rbl-own"}, 0, ["https://other.example/hooks"])


@pytest.mark.parametrize("file_takes", [1_000.0, 5.0], ids=["by call", "by file"])
async def test_exactly_what_we_wrote_goes_and_nothing_comes_back(
    store: Store, file_takes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FILE_TAKES", file_takes)
    shop = await pushed(store)
    writes = shop.writes
    dry = await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock(), dry_run=True)
    assert (dry.counts, shop.writes) == ({"tags": 30, "metafields": 60, "codes": 0, "subscriptions": 2}, writes)
    assert not await is_withdrawn(store.database, 1)

    told: list[tuple[str, int, int]] = []
    show = lambda what, done, of: told.append((what, done, of))  # noqa: E731 - one line of a test
    work = await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock(), show=show)
    assert (work.counts, work.refused, left(shop)) == (dry.counts, 0, CLEARED)
    assert {what for what, done, of in told if done == of} == {"tags", "metafields", "subscriptions"}

    writes = shop.writes
    with pytest.raises(BadRequestError, match="install the app there again"):
        await push_tags(store, SHOP, shop, now=Clock())
    again = await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock())
    assert (again.counts, shop.writes) == ({"tags": 0, "metafields": 0, "codes": 0, "subscriptions": 0}, writes)

    await store.database.execute("UPDATE shops SET installed_at = $1 WHERE id = 1", to_us(LONG_AGO) + 1)
    await push_tags(store, SHOP, shop, now=Clock())
    assert shop.tags[1] == ["rbl-own", "rbl-stage-active", "vip"]


@pytest.mark.parametrize("file_takes", [1_000.0, 5.0], ids=["by call", "by file"])
async def test_killed_at_any_write_it_is_ended_by_running_it_again(
    store: Store, file_takes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "FILE_TAKES", file_takes)
    shop = await pushed(store)
    killed = 0
    by_file = file_takes < 30
    for kill in ("before", "after", *(("unread", "half read") if by_file else ())) * 4:
        shop.fail = kill
        with contextlib.suppress(Killed):
            await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock())
        killed += shop.fail is None
    shop.fail = None
    await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock())
    assert killed >= 6
    assert left(shop) == CLEARED


async def test_a_customer_who_is_gone_is_counted_as_refused_and_stops_nothing(store: Store) -> None:
    shop = await pushed(store)
    del shop.tags[7]
    work = await withdraw(store, SHOP, shop, address=ADDRESS, now=Clock())
    assert (work.refused, left(shop)) == (1, CLEARED)
