"""The points ledger: examples worked out by hand, and the laws that hold for any facts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.domain.loyalty import LoyaltyProgram, ProgramError, Referral, Reward, Tier, check_program
from plugin.domain.loyalty_points import EarningOrder, EntryKind, Gift, Spend, ledger
from plugin.domain.money import SCALE
from plugin.domain.offers import DAY_US

PROGRAM = LoyaltyProgram(enabled=True, points_per_100=100, expire_days=365, referral=Referral(points=50))
NEVER = replace(PROGRAM, expire_days=None)


def order(number: int, day: int, total: float, *refunds: tuple[int, float], voided: int | None = None) -> EarningOrder:
    back = tuple((at * DAY_US, round(amount * SCALE)) for at, amount in refunds)
    return EarningOrder(number, day * DAY_US, round(total * SCALE), back, None if voided is None else voided * DAY_US)


def spend(number: int, day: int, points: int) -> Spend:
    return Spend(number, day * DAY_US, points)


def told(program: LoyaltyProgram, *facts, day: int) -> list[tuple[str, int, int]]:
    """(kind, points, balance) of each entry."""
    orders = [each for each in facts if isinstance(each, EarningOrder)]
    gifts = [each for each in facts if isinstance(each, Gift)]
    spends = [each for each in facts if isinstance(each, Spend)]
    found = ledger(program, orders, gifts, spends, now=day * DAY_US)
    assert found.balance == (found.entries[-1].balance if found.entries else 0)
    return [(str(entry.kind), entry.points, entry.balance) for entry in found.entries]


def test_an_order_earns_whole_points_of_its_net_value_and_only_once_it_counts():
    assert told(PROGRAM, order(1, 5, 49.99), day=5) == [("EARNED", 49, 49)]
    assert told(PROGRAM, order(1, 5, 49.99), day=4) == []
    assert told(replace(PROGRAM, points_per_100=5), order(1, 5, 99.99), day=5) == [("EARNED", 4, 4)]


def test_a_refund_takes_back_what_the_order_is_not_worth_any_more():
    assert told(PROGRAM, order(1, 5, 50, (6, 10.5), (9, 39.5)), day=9) == [
        ("EARNED", 50, 50), ("TAKEN_BACK", -11, 39), ("TAKEN_BACK", -39, 0),
    ]  # fmt: skip
    assert told(PROGRAM, order(1, 5, 50, voided=7), day=8) == [("EARNED", 50, 50), ("TAKEN_BACK", -50, 0)]
    assert told(PROGRAM, order(1, 5, 50, (8, 10), voided=7), day=9) == [("EARNED", 50, 50), ("TAKEN_BACK", -50, 0)]


def test_points_that_were_spent_are_owed_when_the_order_comes_back_and_paid_by_the_next():
    facts = (order(1, 5, 100), spend(9, 6, 80), order(1 + 1, 20, 30), order(3, 30, 60))
    back = (order(1, 5, 100, voided=10), *facts[1:])
    assert told(PROGRAM, *facts, day=30)[-1] == ("EARNED", 60, 110)
    assert told(PROGRAM, *back, day=30) == [
        ("EARNED", 100, 100), ("SPENT", -80, 20), ("TAKEN_BACK", -100, -80), ("EARNED", 30, -50), ("EARNED", 60, 10),
    ]  # fmt: skip
    owing = ledger(PROGRAM, [back[0]], [], [facts[1]], now=15 * DAY_US)
    assert (owing.balance, owing.spendable) == (-80, 0)


def test_points_expire_each_at_their_own_time_and_spending_takes_the_oldest_first():
    facts = (order(1, 0, 40), order(2, 100, 30), spend(9, 200, 25))
    assert told(PROGRAM, *facts, day=465) == [
        ("EARNED", 40, 40), ("EARNED", 30, 70), ("SPENT", -25, 45), ("EXPIRED", -15, 30), ("EXPIRED", -30, 0),
    ]  # fmt: skip
    before = ledger(PROGRAM, facts[:2], [], [facts[2]], now=364 * DAY_US)
    assert (before.balance, before.next_at) == (45, 365 * DAY_US)
    assert ledger(NEVER, facts[:2], [], [facts[2]], now=9_999 * DAY_US).next_at is None


def test_what_expired_cannot_be_taken_back_again():
    assert told(PROGRAM, order(1, 0, 40, voided=400), order(2, 390, 10), day=400) == [
        ("EARNED", 40, 40), ("EXPIRED", -40, 0), ("EARNED", 10, 10),
    ]  # fmt: skip


def test_a_friends_first_order_is_worth_what_the_program_says():
    assert told(PROGRAM, Gift(77, 3 * DAY_US, 50), order(77, 4, 10), day=5) == [
        ("REFERRAL", 50, 50),
        ("EARNED", 10, 60),
    ]


DAYS = st.integers(0, 900)
ORDERS = st.lists(
    st.builds(
        lambda day, total, refunds, voided: order(0, day, total / 100, *((day + after, amount / 100) for after, amount in refunds), voided=None if voided is None else day + voided),
        DAYS,
        st.integers(0, 50_000),
        st.lists(st.tuples(st.integers(-3, 500), st.integers(0, 20_000)), max_size=3),
        st.none() | st.integers(0, 500),
    ),
    max_size=6,
)  # fmt: skip
SPENDS = st.lists(st.tuples(DAYS, st.integers(1, 400)), max_size=4)


@settings(max_examples=200)
@given(ORDERS, SPENDS, st.sampled_from([PROGRAM, NEVER]), st.randoms(use_true_random=False))
def test_laws_of_the_ledger(orders, spends, program, rng):
    orders = [replace(each, id=number) for number, each in enumerate(orders)]
    paid = [spend(100 + number, *each) for number, each in enumerate(spends)]
    now = 950 * DAY_US
    found = ledger(program, orders, [], paid, now=now)
    shuffled, shuffled_spends = list(orders), list(paid)
    rng.shuffle(shuffled)
    rng.shuffle(shuffled_spends)
    assert ledger(program, shuffled, [], shuffled_spends, now=now) == found  # in any order of delivery
    running = 0
    for entry in found.entries:  # each step is told exactly, in time
        running += entry.points
        assert entry.balance == running
    assert [entry.at for entry in found.entries] == sorted(entry.at for entry in found.entries)
    assert found.balance == running
    assert -sum(entry.points for entry in found.entries if entry.kind is EntryKind.SPENT) == sum(
        each.points for each in paid if each.at <= now
    )
    for each in orders:  # no order brings more than it was ever worth, nor is more taken back than it brought
        brought = sum(e.points for e in found.entries if e.source == each.id and e.kind is EntryKind.EARNED)
        taken = sum(e.points for e in found.entries if e.source == each.id and e.kind is EntryKind.TAKEN_BACK)
        ended = sum(e.points for e in found.entries if e.source == each.id and e.kind is EntryKind.EXPIRED)
        assert brought == program.points_for(each.total)
        assert -taken - ended <= brought
    cut = rng.randrange(950)  # the past is told as it was then
    earlier = ledger(program, orders, [], paid, now=cut * DAY_US)
    assert earlier.entries == tuple(entry for entry in found.entries if entry.at <= cut * DAY_US)
    if not paid:  # without spending, the points are those of the orders that count and have not expired
        assert found.balance == sum(
            program.points_for(each.total - sum(amount for at, amount in each.refunds if at <= now))
            for each in orders
            if (each.voided_at is None or each.voided_at > now)
            and (program.expire_days is None or each.at + 365 * DAY_US > now)
        )


@pytest.mark.parametrize(
    ("orders", "spend_", "tier"),
    [(0, 0, None), (1, 0, "bronze"), (5, 0, "silver"), (6, 0, "silver"), (6, 3_000_000, "gold"), (99, 9**9, "gold")],
)
def test_a_tier_asks_for_frequency_and_spend(orders, spend_, tier):
    tiers = (
        Tier(key="bronze", name="B", orders=1), Tier(key="silver", name="S", orders=3),
        Tier(key="gold", name="G", orders=6, spend=3_000_000),
    )  # fmt: skip
    assert replace(PROGRAM, tiers=tiers).tier_of(orders, spend_) == tier
    assert replace(PROGRAM, tiers=()).tier_of(5, 5) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"points_per_100": -1}, "pointsPer100"), ({"expire_days": 0}, "expireDays"),
        ({"tiers": (Tier(key="A b", name="x"),)}, "tiers"),
        ({"tiers": (Tier(key="a", name="x"), Tier(key="a", name="x"))}, "tiers"),
        ({"tiers": (Tier(key="a", name="x", orders=5), Tier(key="b", name="x", orders=4))}, "tiers"),
        ({"tiers": (Tier(key="a", name=" "),)}, "tiers"),
        ({"rewards": (Reward(key="a", name="x", points=0, amount=1),)}, "rewards"),
        ({"rewards": (Reward(key="a", name="x", points=1, amount=1, valid_days=0),)}, "rewards"),
        ({"referral": Referral(points=-1)}, "referral"), ({"referral": Referral(percentage=0)}, "referral"),
    ],
    ids=str,
)  # fmt: skip
def test_a_program_that_cannot_be_kept_is_refused_with_the_field(changes, field):
    check_program(PROGRAM)
    with pytest.raises(ProgramError) as refused:
        check_program(replace(PROGRAM, **changes))
    assert {each.field for each in refused.value.problems} == {field}
