"""A shop, a merchant who edits it all the time, and a pusher that is refused and killed: at the end every tag of the
merchant's is where the merchant left it, and ours are exactly the wanted ones."""

import contextlib
import json
from datetime import timedelta
from random import Random

import pytest

from plugin.errors import ShopUnavailableError
from plugin.ledger.removals import delete_customer
from plugin.ledger.store import Store
from plugin.lifecycle import publish
from plugin.lifecycle.publish import push_tags, wanted_tags
from tests.support.memory_shop import Killed, MemoryShop
from tests.support.small_shop import NOW, TODAY, a_shop, place, put

SHOP = a_shop()
STAGES = [("visitor", None), ("new_buyer", None), ("active", None), *(("departing", rung) for rung in (1, 2, 3))]
TYPED = ["vip", "B2B", "rbl-own", "rbl-gold", "RBL-STAGE-ACTIVE", "rbl-stage-departing-2", "rbl-stage-holiday"]
SEGMENTS = {1: "gold", 2: "Newsletter", 3: None}
CUSTOMERS = range(1, 4)


class World:
    """`own`: the tags that are the merchant's, folded. A tag typed while it is on record as ours stays ours."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.database, self.random = store, store.database, Random(seed)
        self.shop = MemoryShop(limit=9, lanes=3, tags={who: [] for who in CUSTOMERS})
        self.own: dict[int, set[str]] = {who: set() for who in CUSTOMERS}
        self.at = NOW

    def now(self):
        self.at += timedelta(seconds=1)
        return self.at

    async def begin(self) -> None:
        for number, tag in SEGMENTS.items():
            await put(self.database, "segments", [{"id": number, "name": str(number), "tag": tag}])
        for who in CUSTOMERS:
            await put(self.database, "customers", [{"id": who, "tags": "[]", "traits_stated_at": 1}])
            await self.move(who)

    def anyone(self) -> int | None:
        return self.random.choice(sorted(self.shop.tags)) if self.shop.tags else None

    async def move(self, who: int) -> None:
        stage, rung = self.random.choice(STAGES)
        await place(self.database, who, stage, rung=rung, since_day=TODAY - self.random.randrange(3))

    async def join_or_leave(self, who: int) -> None:
        segment = self.random.choice(list(SEGMENTS))
        left = await self.database.execute(
            "DELETE FROM segment_members WHERE shop_id = $1 AND segment_id = $2 AND customer_id = $3", 1, segment, who
        )
        if not left:
            await put(self.database, "segment_members", [{"segment_id": segment, "customer_id": who}])

    async def type_tag(self, who: int) -> None:
        tag = self.random.choice(TYPED)
        on_record = await self.database.fetch(
            "SELECT 1 FROM tag_records WHERE shop_id = $1 AND customer_id = $2 AND tag = $3 AND state <> 'removed'",
            1, who, tag.casefold(),
        )  # fmt: skip
        if self.shop.add(who, [tag]) is None and not on_record:
            self.own[who].add(tag.casefold())
        await self.state(who)  # of a look-alike typed since the last statement nobody could know whose it is

    async def take_away(self, who: int) -> None:
        if held := self.shop.tags[who]:
            tag = self.random.choice(held)
            self.shop.remove(who, [tag])
            self.own[who].discard(tag.casefold())
            await self.state(who)

    async def crowd(self, who: int) -> None:
        many = [f"extra-{number}" for number in range(self.shop.limit - len(self.shop.tags[who]))]
        if self.shop.add(who, many) is None:
            self.own[who].update(many)

    async def clear(self, who: int) -> None:
        extra = [tag for tag in self.shop.tags[who] if tag.startswith("extra-")]
        self.shop.remove(who, extra)
        self.own[who].difference_update(extra)
        await self.state(who)

    async def delete(self, who: int) -> None:
        if self.random.random() < 0.05:
            del self.shop.tags[who], self.own[who]

    async def state(self, who: int) -> None:
        at = round(self.now().timestamp() * 1e6)
        row = {"id": who, "tags": json.dumps(self.shop.tags[who]), "traits_stated_at": at, "stated_at": at}
        await put(self.database, "customers", [row])

    async def push(self, _who: int) -> None:
        self.shop.fail = self.random.choice([None, None, "before", "after", "half", "unread", "half read"])
        with contextlib.suppress(Killed, ShopUnavailableError):
            await push_tags(self.store, SHOP, self.shop, now=self.now)
        self.shop.fail = None

    async def end(self) -> None:
        """The shop tells us everything, and nothing fails any more."""
        for who in CUSTOMERS:
            if who in self.shop.tags:
                await self.clear(who)
            else:
                async with self.database.transaction() as session:
                    await delete_customer(session, 1, who, at=1)
        await push_tags(self.store, SHOP, self.shop, now=self.now)


@pytest.mark.parametrize("file_takes", [-1, 1_000], ids=["by file", "by batch"])
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_merchants_tags_stay_and_ours_converge(
    store: Store, seed: int, file_takes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(publish, "FILE_TAKES", file_takes)
    monkeypatch.setattr(publish, "TAG_BATCH", 1)  # with three calls under way at once
    world = World(store, seed)
    await world.begin()
    steps = [
        world.move, world.move, world.join_or_leave, world.type_tag, world.take_away, world.crowd, world.clear,
        world.delete, world.state, world.push, world.push, world.push,
    ]  # fmt: skip
    for _ in range(120):
        who = world.anyone()
        if who is not None:
            await world.random.choice(steps)(who)
    await world.end()

    wanted = await wanted_tags(store, SHOP, list(world.shop.tags))
    for who, tags in world.shop.tags.items():
        held = [tag.casefold() for tag in tags]
        assert held == sorted(world.own[who] | set(wanted[who])), who
        ours = set(held) - world.own[who]
        assert sum(tag.startswith("rbl-stage-") for tag in ours) <= 1
        assert world.own[who] <= set(held)
    writes = world.shop.writes
    await push_tags(store, SHOP, world.shop, now=world.now)
    assert world.shop.writes == writes
