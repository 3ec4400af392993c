"""A shop's loyalty program: tiers by frequency and spend, points for money, rewards for points."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from plugin.domain.errors import DomainError
from plugin.domain.money import SCALE

MOST_TIERS: Final = 10
MOST_REWARDS: Final = 20
_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LONGEST_NAME: Final = 255
_MOST_POINTS: Final = 10**6
_MOST_AMOUNT: Final = 10**15
_MOST_ORDERS: Final = 10**6
_MOST_DAYS: Final = 3_650
_PER: Final = 100 * SCALE  # money for which `points_per_100` is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Reached with at least so many counted orders and so much net spend, ten-thousandths, lifetime."""

    key: str
    name: str
    orders: int = 0
    spend: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """A coupon for `points`, for that customer alone: `amount` off one order, ten-thousandths."""

    key: str
    name: str
    points: int
    amount: int
    valid_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """What a friend's first order brings: points for who referred, and `percentage` off for the friend."""

    points: int = 0
    percentage: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyProgram:
    """`points_per_100`: points for 100 units of the shop's currency, net. `expire_days` None: points do not expire.
    `tiers` from the lowest."""

    enabled: bool = False
    points_per_100: int = 100
    expire_days: int | None = 365
    tiers: tuple[Tier, ...] = (
        Tier(key="bronze", name="Bronze", orders=1),
        Tier(key="silver", name="Silver", orders=3),
        Tier(key="gold", name="Gold", orders=6),
        Tier(key="platinum", name="Platinum", orders=12),
    )
    rewards: tuple[Reward, ...] = (
        Reward(key="reward-500", name="5 off", points=500, amount=5 * SCALE),
        Reward(key="reward-1000", name="12 off", points=1_000, amount=12 * SCALE),
    )
    referral: Referral = field(default_factory=Referral)

    def points_for(self, net: int) -> int:
        """Whole points; none for what was paid back."""
        return max(net, 0) * self.points_per_100 // _PER

    def tier_of(self, orders: int, spend: int) -> str | None:
        """The highest whose both bounds are reached."""
        reached = [tier.key for tier in self.tiers if orders >= tier.orders and spend >= tier.spend]
        return reached[-1] if orders and reached else None

    def reward(self, key: str) -> Reward | None:
        return next((reward for reward in self.rewards if reward.key == key), None)


@dataclass(frozen=True, slots=True)
class ProgramProblem:
    field: str
    says: str


class ProgramError(DomainError):
    """The program cannot be kept; every fault that was found is in `problems`."""

    def __init__(self, problems: list[ProgramProblem]) -> None:
        super().__init__(" ".join(problem.says for problem in problems))
        self.problems = tuple(problems)


def check_program(program: LoyaltyProgram) -> None:
    """Raises ProgramError."""
    problems = [*_of_points(program), *_of_tiers(program.tiers), *_of_rewards(program.rewards)]
    if problems:
        raise ProgramError(problems)


def _of_points(program: LoyaltyProgram) -> Iterable[ProgramProblem]:
    if not 0 <= program.points_per_100 <= _MOST_POINTS:
        yield ProgramProblem("pointsPer100", "Points for 100 units of currency are a whole number from 0.")
    if program.expire_days is not None and not 1 <= program.expire_days <= _MOST_DAYS:
        yield ProgramProblem("expireDays", f"Points expire after 1 to {_MOST_DAYS} days, or not at all.")
    if not 0 <= program.referral.points <= _MOST_POINTS:
        yield ProgramProblem("referral", "Points for a referral are a whole number from 0.")
    if not 1 <= program.referral.percentage <= 100:  # noqa: PLR2004 - per cent
        yield ProgramProblem("referral", "A friend gets from 1 to 100 percent off.")


def _of_tiers(tiers: tuple[Tier, ...]) -> Iterable[ProgramProblem]:
    if len(tiers) > MOST_TIERS:
        yield ProgramProblem("tiers", f"A program has at most {MOST_TIERS} tiers.")
    yield from _of_keys("tiers", [(tier.key, tier.name) for tier in tiers])
    if any(not 0 <= tier.orders <= _MOST_ORDERS or not 0 <= tier.spend <= _MOST_AMOUNT for tier in tiers):
        yield ProgramProblem("tiers", "A tier's orders and spend are not below 0, nor beyond what anybody could reach.")
    bounds = [(tier.orders, tier.spend) for tier in tiers]
    if any(low[0] > high[0] or low[1] > high[1] for low, high in pairwise(bounds)):
        yield ProgramProblem("tiers", "Each tier asks for at least as much as the one below it.")


def _of_rewards(rewards: tuple[Reward, ...]) -> Iterable[ProgramProblem]:
    if len(rewards) > MOST_REWARDS:
        yield ProgramProblem("rewards", f"A program has at most {MOST_REWARDS} rewards.")
    yield from _of_keys("rewards", [(reward.key, reward.name) for reward in rewards])
    for reward in rewards:
        if not 1 <= reward.points <= _MOST_POINTS or not 1 <= reward.amount <= _MOST_AMOUNT:
            yield ProgramProblem("rewards", f"The reward {reward.key[:60]!r} needs points and an amount above 0.")
        if not 1 <= reward.valid_days <= _MOST_DAYS:
            yield ProgramProblem("rewards", f"A coupon holds from 1 to {_MOST_DAYS} days, not {reward.valid_days}.")


def _of_keys(field: str, named: list[tuple[str, str]]) -> Iterable[ProgramProblem]:
    keys = [key for key, _ in named]
    if len(set(keys)) < len(keys) or not all(_KEY.fullmatch(key) for key in keys):
        yield ProgramProblem(field, f"The keys of {field} differ, and have up to 63 characters: a to z, 0 to 9, -.")
    for _, name in named:
        plain = not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in name)
        if not plain or not name.strip() or len(name) > _LONGEST_NAME:
            yield ProgramProblem(field, f"Each of {field} needs a name of at most {_LONGEST_NAME} plain characters.")
