"""Members, coupons and friends on both databases: from the facts alone, once, and with nothing lost at a merge."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.domain.loyalty import LoyaltyProgram, ProgramError, Referral, Reward, Tier
from plugin.errors import BadRequestError, NotFoundError
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.store import Store
from plugin.lifecycle.loyalty import (
    accounts_of,
    expiring,
    program_of,
    referral_code,
    referrals_of,
    refresh_loyalty,
    save_program,
    spend_points,
)
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.redemptions import record_redemptions
from plugin.lifecycle.segments import create_segment
from tests.support.small_shop import DAY, NOW, TODAY, a_shop, put

SHOP = a_shop()
PROGRAM = LoyaltyProgram(
    enabled=True, expire_days=100, referral=Referral(points=40),
    tiers=(Tier(key="bronze", name="Bronze", orders=1), Tier(key="gold", name="Gold", orders=2, spend=1_500_000)),
    rewards=(Reward(key="five", name="5 off", points=100, amount=50_000),),
)  # fmt: skip


async def _people(store: Store, *ids: int) -> None:
    await put(store.database, "customers", [{"id": number} for number in ids])


async def _buy(store: Store, number: int, customer: int | None, total: int, days_ago: int = 1, **changes: Any) -> None:
    at = (TODAY - days_ago) * DAY
    row = {"id": number, "customer_id": customer, "total": total * 10_000, "processed_at": at, **changes}
    await put(store.database, "orders", [row])


async def _refund(store: Store, order: int, amount: int, days_ago: int = 0) -> None:
    await store.database.execute(
        "INSERT INTO refunds (shop_id, id, order_id, at, amount) VALUES ($1, $2, $3, $4, $5)",
        1, order, order, (TODAY - days_ago) * DAY, amount * 10_000,
    )  # fmt: skip
    await store.database.execute(
        "UPDATE orders SET refunded = $3 WHERE shop_id = $1 AND id = $2", 1, order, amount * 10_000
    )


async def _standings(store: Store) -> list[tuple]:
    return await store.database.fetch(
        "SELECT customer_id, tier, points FROM loyalty_standings WHERE shop_id = $1 ORDER BY customer_id", 1
    )


async def _points(store: Store, customer: int) -> int:
    return (await accounts_of(store.database, 1, [customer], now=NOW))[customer].ledger.balance


async def _profiles(store: Store) -> list[tuple]:
    return await store.database.fetch(
        "SELECT customer_id, loyalty_tier, loyalty_points FROM profiles WHERE shop_id = $1 ORDER BY customer_id", 1
    )


async def test_without_a_program_nobody_is_a_member(store: Store):
    await _people(store, 1)
    await _buy(store, 1, 1, 100)
    assert await refresh_loyalty(store, SHOP, now=NOW) == set()
    assert await accounts_of(store.database, 1, [1], now=NOW) == {}
    with pytest.raises(ProgramError):
        await save_program(store, 1, replace(PROGRAM, expire_days=0), now=NOW)
    assert await program_of(store.database, 1) == LoyaltyProgram()
    with pytest.raises(BadRequestError, match="no loyalty program"):
        await spend_points(store, SHOP, 1, "five", now=NOW)


async def test_tiers_and_points_follow_the_facts_and_reach_rules_and_segments(store: Store):
    await save_program(store, 1, PROGRAM, now=NOW)
    await _people(store, 1, 2, 3)
    await _buy(store, 1, 1, 100, days_ago=30)
    await _buy(store, 2, 1, 60, days_ago=3)
    await _buy(store, 3, 2, 20, voided_at=TODAY * DAY)
    await _buy(store, 4, 2, 30, days_ago=120)  # too long ago for points
    segment = await create_segment(
        store, SHOP, name="Gold", query="loyalty_tier = 'gold' AND loyalty_points >= 160", now=NOW
    )
    assert await refresh_loyalty(store, SHOP, now=NOW) == {1, 2, 3}
    assert await _standings(store) == [(1, "gold", 160), (2, "bronze", 0), (3, None, 0)]
    assert await refresh_loyalty(store, SHOP, now=NOW) == set()
    await recompute_shop(store, SHOP, as_of=NOW)
    assert await _profiles(store) == [(1, "gold", 160), (2, "bronze", 0), (3, None, 0)]
    members = "SELECT customer_id FROM segment_members WHERE shop_id = $1 AND segment_id = $2"
    assert await store.database.fetch(members, 1, segment.id) == [(1,)]

    await _refund(store, 1, 50)
    assert await refresh_loyalty(store, SHOP, now=NOW, customers=[1]) == {1}
    await recompute_customers(store, SHOP, [1], as_of=NOW)
    assert (await _profiles(store))[0] == (1, "bronze", 110)
    assert await store.database.fetch(members, 1, segment.id) == []

    later = NOW + timedelta(days=70)
    assert await expiring(store.database, 1, now=later) == [1]
    assert await refresh_loyalty(store, SHOP, now=later, customers=[1]) == {1}
    assert (await _standings(store))[0] == (1, "bronze", 60)

    await save_program(store, 1, replace(PROGRAM, enabled=False), now=NOW)
    assert await refresh_loyalty(store, SHOP, now=NOW) == {1, 2, 3}
    await recompute_shop(store, SHOP, as_of=NOW)
    assert await _profiles(store) == [(1, None, None), (2, None, None), (3, None, None)]


async def test_points_become_a_coupon_of_ones_own_once(store: Store):
    await save_program(store, 1, PROGRAM, now=NOW)
    await _people(store, 1, 2)
    await _buy(store, 1, 1, 150)
    code = await spend_points(store, SHOP, 1, "five", now=NOW)
    assert (code.customer_id, code.amount, code.source, code.state) == (1, 50_000, "coupon", "intended")
    assert await spend_points(store, SHOP, 1, "five", now=NOW) == code
    assert await _points(store, 1) == 50
    for customer, reward, error in (
        (1, "none", NotFoundError),
        (2, "five", BadRequestError),
        (9, "five", NotFoundError),
    ):
        with pytest.raises(error):
            await spend_points(store, SHOP, customer, reward, now=NOW)

    await store.database.execute("UPDATE offer_codes SET state = 'active' WHERE shop_id = $1", 1)
    await _buy(store, 2, 1, 70, days_ago=0, discount_codes=f'["{code.code.lower()}"]')
    await record_redemptions(store, SHOP, now=NOW, customers=[1])
    second = await spend_points(store, SHOP, 1, "five", now=NOW)  # 50 + 70
    assert second.code != code.code
    assert await _points(store, 1) == 20

    await _buy(store, 1, 1, 150, voided_at=TODAY * DAY)  # what was spent is owed
    assert await _points(store, 1) == -130
    await refresh_loyalty(store, SHOP, now=NOW)
    assert (await _standings(store))[0] == (1, "bronze", 0)


async def test_a_friend_is_credited_when_both_are_real(store: Store):
    await save_program(store, 1, PROGRAM, now=NOW)
    await _people(store, 1, 2, 3)
    code = await referral_code(store, SHOP, 1, now=NOW)
    assert await referral_code(store, SHOP, 1, now=NOW) == code
    used = {"discount_codes": f'["OTHER","{code.code.swapcase()}"]'}

    async def credited(*customers: int) -> tuple[int, int, frozenset[int]]:
        report = await record_redemptions(store, SHOP, now=NOW, customers=customers)
        return (await referrals_of(store.database, 1, [1])).get(1, 0), await _points(store, 1), report.referrers

    await _buy(store, 10, 1, 1, **used)  # herself
    assert await credited(1) == (0, 1, frozenset())
    await _buy(store, 20, 2, 10, days_ago=5)
    await _buy(store, 21, 2, 10, **used)  # not the first order
    assert await credited(2) == (0, 1, frozenset())
    await _buy(store, 20, 2, 10, days_ago=5, voided_at=TODAY * DAY)  # now it is
    assert await credited(2) == (1, 41, frozenset({1}))
    assert await credited(2) == (1, 41, frozenset())
    await _buy(store, 22, 2, 10, days_ago=0, **used)  # the same friend again
    assert await credited(2) == (1, 41, frozenset())
    await _refund(store, 21, 4)
    assert await credited(2) == (0, 1, frozenset({1}))
    await _buy(store, 30, None, 10, **used)  # a guest is nobody
    await _buy(store, 31, 3, 10, **used)
    assert await credited(3) == (1, 41, frozenset({1}))
    async with store.database.transaction() as session:  # it was the same person all along
        await merge_customers(session, 1, kept=1, folded=3, at=TODAY * DAY)
    assert (await credited(1))[:2] == (0, 11)


async def test_a_merge_adds_up_and_a_redaction_leaves_nothing(store: Store):
    await save_program(store, 1, PROGRAM, now=NOW)
    await _people(store, 1, 2)
    await _buy(store, 1, 1, 150)
    await _buy(store, 2, 2, 30)
    await spend_points(store, SHOP, 1, "five", now=NOW)
    await refresh_loyalty(store, SHOP, now=NOW)
    async with store.database.transaction() as session:
        await merge_customers(session, 1, kept=2, folded=1, at=TODAY * DAY)
    await refresh_loyalty(store, SHOP, now=NOW, customers=[1, 2])
    assert await _standings(store) == [(2, "gold", 80)]
    async with store.database.transaction() as session:
        await delete_customer(session, 1, 2, at=TODAY * DAY)
    for table in ("point_spends", "loyalty_standings", "referral_credits", "offer_grants", "offer_redemptions"):
        assert await store.database.fetch(f"SELECT * FROM {table} WHERE shop_id = $1", 1) == []
    left = await store.database.fetch("SELECT customer_id, offer_id, state FROM offer_codes WHERE shop_id = $1", 1)
    assert left == [(0, None, "leaving")]  # nobody's, until the shop has deleted it


async def _told(store: Store, facts: Sequence[tuple]) -> list[tuple]:
    for kind, *values in facts:
        await (_buy(store, *values) if kind == "buy" else _refund(store, *values))
        await refresh_loyalty(store, SHOP, now=NOW, customers=[1, 2])
    return await _standings(store)


async def test_the_same_facts_in_any_order_give_the_same_points(store: Store):
    await save_program(store, 1, PROGRAM, now=NOW)
    await _people(store, 1, 2)
    facts: list[tuple] = [("buy", number, number % 2 + 1, number * 13 + 7, number * 9) for number in range(1, 9)]
    facts += [("refund", number, number * 5, number) for number in (2, 5, 7)]
    found = []
    for seed in range(2):
        await store.database.execute("DELETE FROM orders WHERE shop_id = $1", 1)
        await store.database.execute("DELETE FROM refunds WHERE shop_id = $1", 1)
        shuffled = list(facts)
        random.Random(seed).shuffle(shuffled)
        shuffled.sort(key=lambda fact: fact[0] == "refund")  # a refund names its order
        found.append(await _told(store, shuffled))
    assert found[0] == found[1]
    assert found[0][0][2] > 0
