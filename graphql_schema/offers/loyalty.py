"""The loyalty program, a member's account, coupons for points, and friends' codes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import strawberry

from graphql_schema.access import Access, Scope, needs
from graphql_schema.context import Info, certain, instant
from graphql_schema.errors import UserError, UserErrorCode, user_error
from graphql_schema.ids import number_of
from graphql_schema.offers.types import check_first
from graphql_schema.pagination import given
from graphql_schema.scalars import Money, money
from plugin.domain import loyalty as domain
from plugin.domain.loyalty import LoyaltyProgram as Program
from plugin.domain.loyalty import ProgramError
from plugin.domain.loyalty_points import EntryKind
from plugin.domain.money import to_scaled
from plugin.errors import BadRequestError, NotFoundError
from plugin.ledger.codes import COUPON, REFERRAL, Code, codes_of
from plugin.lifecycle.loyalty import (
    Account,
    program_of,
    referral_code,
    referrals_of,
    save_program,
    spend_points,
)

_OFFERS = [Access(scope=Scope.READ_OFFERS)]
MOST_ENTRIES: Final = 250
strawberry.enum(EntryKind, name="PointEntryKind", description="Why points came or went.")


@strawberry.type(description="A tier of the loyalty program; both bounds must be reached.", directives=_OFFERS)
class LoyaltyTier:
    key: str = strawberry.field(description="Its stable name, as rules read it.")
    name: str = strawberry.field(description="Its name for people.")
    orders: int = strawberry.field(description="Counted orders it asks for.")
    spend: Money = strawberry.field(description="Net spend it asks for.")


@strawberry.type(description="What points can be spent on: a coupon for that customer alone.", directives=_OFFERS)
class LoyaltyReward:
    key: str = strawberry.field(description="Its stable name.")
    name: str = strawberry.field(description="Its name for people.")
    points: int = strawberry.field(description="What it takes.")
    amount: Money = strawberry.field(description="What the coupon takes off one order.")
    valid_days: int = strawberry.field(description="How long the coupon holds.")


@strawberry.type(description="The shop's loyalty program.", directives=_OFFERS)
class LoyaltyProgram:
    enabled: bool = strawberry.field(description="False until the merchant switches it on.")
    points_per100: int = strawberry.field(description="Points for 100 units of the shop's currency, net.")
    expire_days: int | None = strawberry.field(description="Days after which points expire; null for never.")
    referral_points: int = strawberry.field(description="Points for a friend's first order.")
    referral_percentage: int = strawberry.field(description="Percent off for the friend.")
    tiers: list[LoyaltyTier] = strawberry.field(description="The tiers, from the lowest.")
    rewards: list[LoyaltyReward] = strawberry.field(description="What points can be spent on.")


def program_type(program: Program, currency: str) -> LoyaltyProgram:
    return LoyaltyProgram(
        enabled=program.enabled, points_per100=program.points_per_100, expire_days=program.expire_days,
        referral_points=program.referral.points, referral_percentage=program.referral.percentage,
        tiers=[_tier(tier, currency) for tier in program.tiers],
        rewards=[
            LoyaltyReward(
                key=each.key, name=each.name, points=each.points, amount=money(each.amount, currency),
                valid_days=each.valid_days,
            )
            for each in program.rewards
        ],
    )  # fmt: skip


def _tier(tier: domain.Tier, currency: str) -> LoyaltyTier:
    return LoyaltyTier(key=tier.key, name=tier.name, orders=tier.orders, spend=money(tier.spend, currency))


@strawberry.input(description="A tier to be.")
class LoyaltyTierInput:
    key: str = strawberry.field(description="Its stable name: a to z, digits and hyphens.")
    name: str = strawberry.field(description="Its name for people.")
    orders: int = strawberry.field(default=0, description="Counted orders it asks for.")
    spend: Decimal = strawberry.field(default=Decimal(0), description="Net spend it asks for.")


@strawberry.input(description="A reward to be.")
class LoyaltyRewardInput:
    key: str = strawberry.field(description="Its stable name: a to z, digits and hyphens.")
    name: str = strawberry.field(description="Its name for people.")
    points: int = strawberry.field(description="What it takes.")
    amount: Decimal = strawberry.field(description="What the coupon takes off one order.")
    valid_days: int = strawberry.field(default=90, description="How long the coupon holds.")


@strawberry.input(description="What is to be changed of the loyalty program; what is left out stays.")
class LoyaltyProgramInput:
    enabled: bool | None = strawberry.field(default=strawberry.UNSET, description="Whether there is one.")
    points_per100: int | None = strawberry.field(
        default=strawberry.UNSET, description="Points for 100 units of the shop's currency, net."
    )
    expire_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="Days after which points expire; null for never."
    )
    referral_points: int | None = strawberry.field(
        default=strawberry.UNSET, description="Points for a friend's first order."
    )
    referral_percentage: int | None = strawberry.field(
        default=strawberry.UNSET, description="Percent off for the friend."
    )
    tiers: list[LoyaltyTierInput] | None = strawberry.field(
        default=strawberry.UNSET, description="The tiers, from the lowest, in the place of the old ones."
    )
    rewards: list[LoyaltyRewardInput] | None = strawberry.field(
        default=strawberry.UNSET, description="The rewards, in the place of the old ones."
    )


@strawberry.type(description="Points that came or went.", directives=_OFFERS)
class PointEntry:
    at: datetime = strawberry.field(description="When.")
    kind: EntryKind = strawberry.field(description="Why.")
    points: int = strawberry.field(description="How many; below 0 when they went.")
    balance: int = strawberry.field(description="The balance after it; below 0 while points are owed.")


@strawberry.type(description="A discount code for one customer, or for her friends.", directives=_OFFERS)
class CustomerCode:
    code: str | None = strawberry.field(description="Its text; null until the shop has it.")
    percentage: int | None = strawberry.field(description="Percent off the order, where it is one.")
    amount: Money | None = strawberry.field(description="The amount off the order, where it is one.")
    valid_until: datetime | None = strawberry.field(description="When it ends; null without a term.")
    redeemed_at: datetime | None = strawberry.field(description="When it was used.")


def code_of(code: Code, currency: str) -> CustomerCode:
    return CustomerCode(
        code=code.code if code.state == "active" or code.redeemed_at is not None else None, percentage=code.percentage,
        amount=None if code.amount is None else money(code.amount, currency), valid_until=instant(code.ends_at),
        redeemed_at=instant(code.redeemed_at),
    )  # fmt: skip


@strawberry.type(description="A customer's membership.", directives=_OFFERS)
class LoyaltyAccount:
    points: int = strawberry.field(description="What can be spent now.")
    balance: int = strawberry.field(description="The same, or below 0 while points are owed.")
    tier: LoyaltyTier | None = strawberry.field(description="The tier; null below the lowest.")
    points_expire_at: datetime | None = strawberry.field(description="When some of the points end.")
    account: strawberry.Private[Account]
    customer_id: strawberry.Private[int]

    @strawberry.field(description="The latest entries of the ledger, the newest first.")
    def entries(self, first: int | None = 20) -> list[PointEntry]:
        size = check_first(first, MOST_ENTRIES, default=20)
        return [
            PointEntry(at=certain(each.at), kind=each.kind, points=each.points, balance=each.balance)
            for each in reversed(self.account.ledger.entries[-size:])
        ]

    @strawberry.field(description="Coupons for points, the oldest first.")
    async def coupons(self, info: Info) -> list[CustomerCode]:
        context = info.context
        codes = await codes_of(context.store.database, context.shop.id, [self.customer_id])
        return [code_of(code, context.shop.currency) for code in codes if code.source == COUPON]

    @strawberry.field(description="The code for friends; null until referralCodeCreate made one.")
    async def referral_code(self, info: Info) -> CustomerCode | None:
        context = info.context
        codes = await codes_of(context.store.database, context.shop.id, [self.customer_id])
        found = [code for code in codes if code.source == REFERRAL]
        return code_of(found[-1], context.shop.currency) if found else None

    @strawberry.field(description="Friends whose first order was credited.")
    async def referrals(self, info: Info) -> int:
        context = info.context
        found = await referrals_of(context.store.database, context.shop.id, [self.customer_id])
        return found.get(self.customer_id, 0)


async def account_type(info: Info, customer_id: int) -> LoyaltyAccount | None:
    context = info.context
    account = await context.loaders.accounts.load(customer_id)
    if account is None:
        return None
    program = await program_of(context.store.database, context.shop.id)
    tiers = {tier.key: tier for tier in program.tiers}
    return LoyaltyAccount(
        points=account.ledger.spendable, balance=account.ledger.balance,
        tier=_tier(tiers[account.tier], context.shop.currency) if account.tier in tiers else None,
        points_expire_at=instant(account.ledger.next_at), account=account, customer_id=customer_id,
    )  # fmt: skip


@strawberry.type(description="What came of a change to the loyalty program.", directives=_OFFERS)
class LoyaltyProgramPayload:
    loyalty_program: LoyaltyProgram | None = strawberry.field(description="As it is now; null: nothing was changed.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type(description="What came of asking for a code.", directives=_OFFERS)
class CustomerCodePayload:
    code: CustomerCode | None = strawberry.field(description="The code; its text follows when the shop has it.")
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty when it was done.")


@strawberry.type
class LoyaltyQueries:
    @strawberry.field(description="The shop's loyalty program.", directives=needs(Scope.READ_OFFERS))
    async def loyalty_program(self, info: Info) -> LoyaltyProgram:
        context = info.context
        return program_type(await program_of(context.store.database, context.shop.id), context.shop.currency)


@strawberry.type
class LoyaltyMutations:
    @strawberry.mutation(
        description="Change the loyalty program; points are told anew by it, from the orders.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def loyalty_program_save(self, info: Info, input: LoyaltyProgramInput) -> LoyaltyProgramPayload:
        context = info.context
        before = await program_of(context.store.database, context.shop.id)
        try:
            program = _changed(before, input)
            await save_program(context.store, context.shop.id, program, now=context.now)
        except ProgramError as error:
            wrong = [
                UserError(field=["input", each.field], message=each.says, code=UserErrorCode.INVALID)
                for each in error.problems
            ]
            return LoyaltyProgramPayload(loyalty_program=None, user_errors=wrong)
        await context.jobs.enqueue("loyalty", context.shop.id)
        return LoyaltyProgramPayload(loyalty_program=program_type(program, context.shop.currency), user_errors=[])

    @strawberry.mutation(
        description="Spend a customer's points on a reward: a coupon for her alone. While she holds one of that reward "
        "that she has not used, that one is given back and nothing is spent.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def loyalty_redeem(self, info: Info, customer_id: strawberry.ID, reward: str) -> CustomerCodePayload:
        context = info.context
        try:
            number = number_of(customer_id, "Customer")
            code = await spend_points(context.store, context.shop, number, reward, now=context.now)
        except (BadRequestError, NotFoundError) as error:
            return _no_code("reward" if "reward" in str(error) else "customerId", error)
        await context.jobs.enqueue("loyalty", context.shop.id)
        return CustomerCodePayload(code=code_of(code, context.shop.currency), user_errors=[])

    @strawberry.mutation(
        description="The code that a customer gives to friends; the same one each time.",
        directives=needs(Scope.WRITE_OFFERS),
    )
    async def referral_code_create(self, info: Info, customer_id: strawberry.ID) -> CustomerCodePayload:
        context = info.context
        try:
            number = number_of(customer_id, "Customer")
            code = await referral_code(context.store, context.shop, number, now=context.now)
        except (BadRequestError, NotFoundError) as error:
            return _no_code("customerId", error)
        await context.jobs.enqueue("codes", context.shop.id)
        return CustomerCodePayload(code=code_of(code, context.shop.currency), user_errors=[])


def _no_code(field: str, error: BadRequestError | NotFoundError) -> CustomerCodePayload:
    code = UserErrorCode.NOT_FOUND if isinstance(error, NotFoundError) else UserErrorCode.INVALID
    return CustomerCodePayload(code=None, user_errors=[user_error(field, str(error), code)])


def _changed(program: Program, input: LoyaltyProgramInput) -> Program:
    """Raises ProgramError for money that cannot be kept."""
    tiers, rewards = given(input.tiers), given(input.rewards)
    points, percentage = given(input.referral_points), given(input.referral_percentage)
    referral = domain.Referral(
        points=program.referral.points if points is None else points,
        percentage=program.referral.percentage if percentage is None else percentage,
    )
    per, enabled = given(input.points_per100), given(input.enabled)
    expire: Any = input.expire_days
    return Program(
        enabled=program.enabled if enabled is None else enabled,
        points_per_100=program.points_per_100 if per is None else per,
        expire_days=program.expire_days if expire is strawberry.UNSET else expire,
        tiers=program.tiers if tiers is None else tuple(
            domain.Tier(key=each.key, name=each.name, orders=each.orders, spend=_scaled("tiers", each.spend))
            for each in tiers
        ),
        rewards=program.rewards if rewards is None else tuple(
            domain.Reward(
                key=each.key, name=each.name, points=each.points, amount=_scaled("rewards", each.amount),
                valid_days=each.valid_days,
            )
            for each in rewards
        ),
        referral=referral,
    )  # fmt: skip


def _scaled(field: str, amount: Decimal) -> int:
    try:
        return to_scaled(amount)
    except (ValueError, ArithmeticError) as error:
        said = f"{amount} is no amount that can be kept: {error}"
        raise ProgramError([domain.ProgramProblem(field, said)]) from None
