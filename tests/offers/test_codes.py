"""Codes in the shop: made once, bound, used again, withdrawn, recognised when used; on the dev shop, over HTTP."""

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.devshop.discounts import DiscountNode
from integrations.devshop.merchant import DevShop
from integrations.devshop.rows import Customer
from integrations.devshop.server import DevShopConfig
from plugin.domain.codes import code_id, code_text, folded
from plugin.domain.instants import to_us
from plugin.domain.offers import OfferResponse
from plugin.jobs.handlers import Handlers
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.store import Store
from plugin.ledger.tables import Shop
from plugin.lifecycle.codes import CodeReport, count_codes, sync_codes, withdraw_codes
from plugin.lifecycle.deciding import offers_for, respond
from plugin.lifecycle.granting import grant_offers
from plugin.lifecycle.redemptions import RedemptionReport, record_redemptions
from plugin.settings import read_settings
from tests.conftest import ENVIRONMENT
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import NOW as NOON
from tests.support.devshop_data import SHOP, small_data
from tests.support.devshop_gateway import APP, MortalGateway, devshop_gateway
from tests.support.memory_shop import Killed
from tests.support.plays import keep_plays, only
from tests.support.small_shop import DAY, a_shop, place, put

PEOPLE = tuple(range(1, 9))
BONUSES = ("win-back-1", "win-back-2", "second-order", "returned")
CONTEXT = a_shop(domain=SHOP)


@pytest.fixture
def dev() -> Iterator[RunningDevShop]:
    data = small_data()
    for number in PEOPLE:
        data.customers.setdefault(
            number, Customer(id=number, created_at="2026-01-01T12:00:00Z", updated_at="2026-01-01T12:00:00Z")
        )
    with running_devshop(DevShopConfig(app=APP, shops={SHOP: data}, clock=lambda: NOON)) as running:
        yield running


@dataclass
class Rig:
    store: Store
    shop: DevShop
    gateway: MortalGateway
    orders: int = 1_000

    def now(self) -> datetime:
        return self.shop.state.now()

    @property
    def today(self) -> int:
        return to_us(self.now()) // DAY

    async def stand(self, customer: int, stage: str, days: int, rung: int | None = None) -> None:
        """`days` since the last of her two orders."""
        day = self.today - days
        last = {"last_order_at": day * DAY, "last_order_day": day, "first_order_at": day * DAY, "first_order_day": day}
        back = {"return_order_at": day * DAY, "return_order_day": day} if stage == "returned" else {}
        profile = {"orders": 2, "net_spend": 1_000_000, "added_at": 0, "added_day": 0, **last, **back}
        await put(self.store.database, "customers", [{"id": customer}])
        await place(self.store.database, customer, stage, rung=rung, **profile)

    async def decide(self) -> None:
        await record_redemptions(self.store, CONTEXT, now=self.now())
        await grant_offers(self.store, CONTEXT, now=self.now(), customers=PEOPLE)

    async def sync(self) -> CodeReport:
        await self.decide()
        return await sync_codes(self.store, CONTEXT, self.gateway, now=self.now)

    async def code(self, customer: int) -> str | None:
        offers = (await offers_for(self.store, CONTEXT, [customer], placement=None, first=20, now=self.now()))[customer]
        return next((offer.code for offer in offers if offer.discount), None)

    async def buy(self, customer: int, code: str) -> None:
        """In the shop, and as its webhook would tell it."""
        order = self.shop.redeem(customer, (11, 1), code)
        await self.tell(order.id, customer, code)

    async def tell(self, order: int, customer: int | None, code: str, **changes: Any) -> None:
        row = {
            "id": order, "customer_id": customer, "processed_at": to_us(self.now()), "total": 55_000,
            "discount_codes": f'["{code}"]', **changes,
        }  # fmt: skip
        await put(self.store.database, "orders", [row])

    def discounts(self) -> list[DiscountNode]:
        return list(self.shop.state.discounts.values())

    def active(self) -> dict[str, list[int]]:
        """Codes that work now, and for whom."""
        living = (node.discount for node in self.discounts() if node.discount.status(self.now()) == "ACTIVE")
        return {each.codes[0][1]: list(each.customers) for each in living if not each.used}

    def writes(self) -> int:
        return sum(count for name, count in self.shop.state.writes.items() if name.startswith("discount"))

    async def redeemed(self) -> list[tuple]:
        return await self.store.database.fetch(
            "SELECT order_id, customer_id, subject, offer_id, voided_at FROM offer_redemptions WHERE shop_id = $1"
            " ORDER BY order_id",
            1,
        )


@pytest.fixture
async def rig(store: Store, dev: RunningDevShop) -> AsyncIterator[Rig]:
    await keep_plays(store.database, only(*BONUSES))
    async with devshop_gateway(dev, SHOP) as gateway:
        yield Rig(store, dev[SHOP], MortalGateway(gateway))


def test_a_text_is_unguessable_the_same_again_and_read_out_without_doubt():
    number = code_id(1, 7, "welcome", 0)
    text = code_text("secret", 1, number)
    assert text == code_text("secret", 1, number) == "MQ6R-T3HM-MVN9"
    assert re.fullmatch(r"(?:[2-9A-HJ-NP-Z]{4}-){2}[2-9A-HJ-NP-Z]{4}", text)
    others = {code_text(secret, shop, number, attempt) for secret in "ab" for shop in (1, 2) for attempt in (0, 1)}
    assert len(others) == 8
    assert len({code_text("secret", 1, code_id(1, who, "welcome", 0)) for who in range(2_000)}) == 2_000
    assert folded(" Ab-C ") == "ab-c"


async def test_an_offer_has_its_code_only_when_the_shop_has_it_bound_and_with_an_end(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.decide()
    assert (await rig.code(1), rig.discounts()) == (None, [])
    assert await rig.sync() == CodeReport(created=1)
    code = await rig.code(1)
    (node,) = rig.discounts()
    discount = node.discount
    assert discount.codes[0][1] == code
    assert (list(discount.customers), discount.percentage, discount.once) == ([1], 0.1, True)
    assert discount.ends_at is not None
    assert "Win back, small bonus" in discount.title
    writes = rig.writes()
    assert await rig.sync() == CodeReport()
    assert rig.writes() == writes


async def test_the_next_rung_has_a_code_of_its_own_and_the_first_is_withdrawn(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    first = await rig.code(1)
    await rig.stand(1, "departing", 185, rung=2)
    assert await rig.sync() == CodeReport(created=1, withdrawn=1)
    second = await rig.code(1)
    assert second != first
    assert rig.active() == {second: [1]}
    with pytest.raises(ValueError, match="valid discount code"):
        rig.shop.redeem(1, (11, 1), str(first))


async def test_a_code_that_was_not_used_serves_the_next_offer_of_the_play(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    first = await rig.code(1)
    await rig.stand(1, "active", 3)
    assert (await rig.sync()).withdrawn == 1
    rig.shop.advance(timedelta(days=100))
    await rig.stand(1, "departing", 95, rung=1)
    assert await rig.sync() == CodeReport(reused=1)
    assert (await rig.code(1), len(rig.discounts())) == (first, 1)
    assert rig.active() == {first: [1]}


async def test_a_code_that_nobody_took_up_for_half_a_year_is_deleted(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    await rig.stand(1, "active", 3)
    await rig.sync()
    rig.shop.advance(timedelta(days=181))
    assert await rig.sync() == CodeReport(deleted=1)
    assert (rig.discounts(), await count_codes(rig.store, 1)) == ([], 0)


async def test_a_used_code_is_on_record_with_its_order_and_the_next_is_another(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    code = str(await rig.code(1))
    (offer,) = (await offers_for(rig.store, CONTEXT, [1], placement=None, first=1, now=rig.now()))[1]
    with pytest.raises(ValueError, match="available to you"):
        rig.shop.redeem(2, (11, 1), code)
    await rig.buy(1, code.lower())
    with pytest.raises(ValueError, match="available to you"):
        rig.shop.redeem(1, (11, 1), code)
    assert await record_redemptions(rig.store, CONTEXT, now=rig.now(), customers=[1]) == RedemptionReport(
        1, 0, frozenset()
    )
    assert await record_redemptions(rig.store, CONTEXT, now=rig.now()) == RedemptionReport(0, 0, frozenset())
    ((order, *rest),) = await rig.redeemed()
    assert rest == [1, "win-back-1", offer.id, None]
    assert await rig.sync() == CodeReport()
    assert await rig.code(1) is None  # used up, although the customer may stand there for a moment longer

    await rig.tell(order, 1, code.lower(), voided_at=to_us(rig.now()))  # cancelled: known as such, and not given back
    await rig.sync()
    assert (await rig.redeemed())[0][4] == to_us(rig.now())
    assert await rig.code(1) is None

    rig.shop.advance(timedelta(days=200))
    await rig.stand(1, "departing", 95, rung=1)
    assert await rig.sync() == CodeReport(created=1)
    assert await rig.code(1) not in {None, code}


async def test_an_order_that_is_gone_gives_the_code_back(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    code = str(await rig.code(1))
    await rig.tell(500, 1, code)
    await rig.sync()
    assert await rig.code(1) is None
    await rig.tell(500, 1, code, deleted_at=1, counted=False)
    await rig.sync()
    assert (await rig.redeemed(), await rig.code(1)) == ([], code)


@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_crash_around_the_making_leaves_one_code(rig: Rig, where: str):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.stand(2, "new_buyer", 5)
    rig.gateway.fail = where
    with pytest.raises(Killed):
        await rig.sync()
    assert (await rig.code(1), len(rig.discounts())) == (None, 0 if where == "before" else 2)
    await rig.sync()
    assert len(rig.discounts()) == 2
    assert rig.active() == {await rig.code(1): [1], await rig.code(2): [2]}


async def test_a_text_that_the_merchant_has_already_is_left_to_the_merchant(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    rig.gateway.fail = "before"
    with pytest.raises(Killed):
        await rig.sync()
    ((text,),) = await rig.store.database.fetch("SELECT code FROM offer_codes WHERE shop_id = $1", 1)
    merchants = {
        "title": "Mine", "code": text.lower(), "startsAt": NOON.isoformat(), "context": {"all": "ALL"},
        "customerGets": {"value": {"percentage": 0.5}, "items": {"all": True}},
    }  # fmt: skip
    call = "mutation($i: DiscountCodeBasicInput!) { discountCodeBasicCreate(basicCodeDiscount: $i) { userErrors { code } } }"
    from integrations.shopify.protocol import Call

    await rig.gateway.real._client.run(Call(name="x", document=call, variables={"i": merchants}))  # type: ignore[attr-defined]
    assert await rig.sync() == CodeReport(created=1)
    assert await rig.code(1) not in {None, text}
    assert rig.discounts()[0].discount.title == "Mine"
    assert rig.discounts()[0].discount.percentage == 0.5


async def test_a_discount_that_the_merchant_deleted_is_made_again_when_it_is_wanted(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    code = await rig.code(1)
    rig.shop.state.discounts.clear()
    await rig.stand(1, "active", 3)
    await rig.sync()
    rig.shop.advance(timedelta(days=100))
    await rig.stand(1, "departing", 95, rung=1)
    await rig.sync()
    assert rig.active() == {code: [1]}


async def test_many_codes_are_made_by_one_file(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("plugin.lifecycle.codes.BULK_FROM", 3)
    for customer in PEOPLE:
        await rig.stand(customer, "departing", 95, rung=1)
    assert await rig.sync() == CodeReport(created=len(PEOPLE))
    assert rig.active() == {await rig.code(customer): [customer] for customer in PEOPLE}


async def test_a_merge_binds_the_code_to_who_is_left_and_a_redaction_takes_it_away(rig: Rig):
    await rig.stand(1, "departing", 95, rung=1)
    await rig.stand(2, "active", 3)
    await rig.sync()
    code = await rig.code(1)
    async with rig.store.database.transaction() as session:
        await merge_customers(session, 1, kept=2, folded=1, at=to_us(rig.now()))
    await rig.stand(2, "departing", 95, rung=1)
    await rig.sync()
    assert rig.active() == {code: [1, 2]}
    assert await rig.code(2) == code
    async with rig.store.database.transaction() as session:
        await delete_customer(session, 1, 2, at=to_us(rig.now()))
    assert (await rig.sync()).deleted == 1
    assert rig.discounts() == []
    assert await rig.store.database.fetch("SELECT * FROM offer_codes WHERE shop_id = $1", 1) == []


async def test_removal_takes_every_code_of_ours_and_none_of_the_merchants(rig: Rig):
    for customer in PEOPLE[:3]:
        await rig.stand(customer, "departing", 95, rung=1)
    await rig.sync()
    await rig.buy(1, str(await rig.code(1)))
    assert await count_codes(rig.store, 1) == 3
    rig.gateway.fail = "after"
    with pytest.raises(Killed):
        await withdraw_codes(rig.store, CONTEXT, rig.gateway, now=rig.now)
    await withdraw_codes(rig.store, CONTEXT, rig.gateway, now=rig.now)
    assert (rig.discounts(), await count_codes(rig.store, 1)) == ([], 0)


class _Gateways:
    """Every shop's gateway is the rig's."""

    def __init__(self, gateway: MortalGateway) -> None:
        self.gateway = gateway

    async def for_shop(self, shop_id: int) -> MortalGateway:
        return self.gateway


async def _installed(scopes: str) -> int:
    row = await Shop.create(
        domain=SHOP, currency="EUR", timezone="UTC", status="installed", platform_id=1, installed_at=to_us(NOON),
        primary_model="buyer-activity", tag_prefix="rbl-", lapse_ladder="90,180,360", granted_scopes=scopes,
    )  # fmt: skip
    return int(row.id)


@pytest.mark.parametrize("scopes", ["write_customers,write_discounts", "write_customers"])
async def test_the_jobs_after_a_change_of_a_play_make_the_codes_where_the_scope_is_granted(rig: Rig, scopes: str):
    shop = await _installed(scopes)
    assert shop == CONTEXT.id
    await rig.stand(1, "departing", 95, rung=1)
    handlers = Handlers(read_settings(ENVIRONMENT), rig.store, _Gateways(rig.gateway), None, rig.now)  # type: ignore[arg-type]
    jobs = handlers.by_kind()
    report = await jobs["offers"](shop)
    assert (report["granted"], report["then"]) == (1, ["codes"])
    made = await jobs["codes"](shop)
    if "discounts" in scopes:
        assert (made["created"], len(rig.discounts())) == (1, 1)
    else:
        assert made == {"stopped": "write_discounts is not granted"}
        assert rig.discounts() == []
    assert (await jobs["loyalty"](shop))["customers"] == 0


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_and_wherever_it_stops_the_codes_are_those_of_the_offers(rig: Rig, seed: int):
    """The model: an offer that stands has one working code, bound to its customer; nothing else works."""
    rng = random.Random(seed)
    enabled, gone = set(BONUSES), set[int]()
    for _ in range(12):
        for customer in rng.sample([who for who in PEOPLE if who not in gone], 3):
            await _something(rig, rng, customer, enabled, gone)
        rig.gateway.fail = rng.choice([None, "before", "after"])
        try:
            await rig.sync()
        except Killed:
            if rng.random() < 0.5:
                continue  # and more happens before it runs again
        rig.gateway.fail = None
        await rig.sync()
        await _check(rig, [who for who in PEOPLE if who not in gone])


async def _something(rig: Rig, rng: random.Random, customer: int, enabled: set[str], gone: set[int]) -> None:
    match rng.choice(["stage", "stage", "stage", "clock", "play", "buy", "dismiss", "merge", "merchant", "redact"]):
        case "stage":
            stage, days, rung = rng.choice(
                [("departing", 95, 1), ("departing", 200, 2), ("new_buyer", 4, None), ("returned", 2, None), ("active", 9, None)]
            )  # fmt: skip
            await rig.stand(customer, stage, days, rung)
        case "clock":
            rig.shop.advance(timedelta(days=rng.randrange(1, 40)))
        case "play":
            enabled.symmetric_difference_update({rng.choice(BONUSES)})
            await keep_plays(rig.store.database, only(*enabled))
        case "buy":
            code = await rig.code(customer)
            if code in rig.active():
                await rig.buy(customer, rng.choice([str.lower, str.upper])(code))
        case "dismiss":
            offers = await offers_for(rig.store, CONTEXT, [customer], placement=None, first=1, now=rig.now())
            for offer in offers[customer]:
                await respond(rig.store, CONTEXT, customer, offer.id, OfferResponse.DISMISSED, rig.now())
        case "merge":
            other = rng.choice([who for who in PEOPLE if who not in gone])
            if other != customer:
                async with rig.store.database.transaction() as session:
                    await merge_customers(session, 1, kept=customer, folded=other, at=to_us(rig.now()))
                gone.add(other)
        case "redact" if len(gone) < 3:
            async with rig.store.database.transaction() as session:
                await delete_customer(session, 1, customer, at=to_us(rig.now()))
            gone.add(customer)
        case "merchant":
            idle = [n for n, node in rig.shop.state.discounts.items() if node.discount.status(rig.now()) == "EXPIRED"]
            for number in idle[:1]:
                del rig.shop.state.discounts[number]


async def _check(rig: Rig, living: list[int]) -> None:
    offers = await offers_for(rig.store, CONTEXT, living, placement=None, first=20, now=rig.now())
    wanted = {offer.code: who for who, each in offers.items() for offer in each if offer.discount}
    assert None not in wanted
    active = rig.active()
    assert active.keys() == wanted.keys()
    assert all(who in active[str(code)] for code, who in wanted.items())
    texts = Counter(node.discount.codes[0][1].casefold() for node in rig.discounts())
    assert set(texts.values()) <= {1}
    unused = await rig.store.database.fetch(
        "SELECT customer_id, subject, COUNT(*) FROM offer_codes WHERE shop_id = $1 AND redeemed_at IS NULL"
        " GROUP BY customer_id, subject",
        1,
    )
    assert len(unused) <= len(PEOPLE) * len(BONUSES)
    writes = rig.writes()
    assert await rig.sync() == CodeReport()
    assert rig.writes() == writes
