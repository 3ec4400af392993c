"""The loyalty program of a shop: kept as data, points told anew from facts, coupons and referral codes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from plugin.domain.codes import folded
from plugin.domain.instants import to_us
from plugin.domain.loyalty import LoyaltyProgram, check_program
from plugin.domain.loyalty_points import EarningOrder, Gift, Ledger, Spend, ledger
from plugin.domain.offers import DAY_US
from plugin.errors import BadRequestError, NotFoundError
from plugin.ledger import codes as records
from plugin.ledger.codes import COUPON, REFERRAL, Code
from plugin.ledger.database import Database, Dialect, Row, Session, Upsert
from plugin.ledger.lists import among, id_list
from plugin.ledger.store import Store
from plugin.lifecycle.codes import code_secret, code_title, new_code
from plugin.lifecycle.frames import customer_ids
from plugin.lifecycle.plays import lock_settings
from plugin.shops import ShopContext

_AT_ONCE: Final = 2_000  # customers
_STANDINGS: Final = Upsert(
    table="loyalty_standings",
    columns=("shop_id", "customer_id", "tier", "points", "next_at"),
    key=("shop_id", "customer_id"),
    update=("tier", "points", "next_at"),
)
_SPENDS: Final = Upsert(
    table="point_spends",
    columns=("shop_id", "customer_id", "id", "points", "at", "code_id"),
    key=("shop_id", "customer_id", "id"),
)


class Account(NamedTuple):
    """A member as of an instant. `orders` and `spend` are what the tier follows from."""

    ledger: Ledger
    orders: int
    spend: int
    tier: str | None


@dataclass(slots=True)
class _Facts:
    orders: list[EarningOrder]
    gifts: list[Gift]
    spends: list[Spend]


async def program_of(database: Database | Session, shop_id: int) -> LoyaltyProgram:
    """As the merchant saved it; switched off until then."""
    rows = await database.fetch("SELECT loyalty FROM offer_settings WHERE shop_id = $1", shop_id)
    text = rows[0][0] if rows else None
    return msgspec.json.decode(text, type=LoyaltyProgram) if text else LoyaltyProgram()


async def save_program(store: Store, shop_id: int, program: LoyaltyProgram, *, now: datetime) -> None:
    """In force from now on, for all points that were ever earned. Switched off, friends' codes are withdrawn; coupons
    hold. Raises ProgramError; then nothing was changed."""
    check_program(program)
    async with store.database.transaction() as session:
        await lock_settings(session, shop_id)
        text = msgspec.json.encode(program).decode()
        await session.execute("UPDATE offer_settings SET loyalty = $2 WHERE shop_id = $1", shop_id, text)
        if not program.enabled:
            await session.execute(
                "UPDATE offer_codes SET state = 'closing', changed_at = $2 WHERE shop_id = $1 AND source = 'referral'"
                " AND state IN ('active', 'intended')",
                shop_id, to_us(now),
            )  # fmt: skip


async def accounts_of(
    database: Database, shop_id: int, ids: Sequence[int], *, now: datetime, program: LoyaltyProgram | None = None
) -> dict[int, Account]:
    """Everybody's account told from the facts; empty where there is no program. Four queries."""
    program = program or await program_of(database, shop_id)
    if not program.enabled or not ids:
        return {}
    facts = await _facts(database, database.dialect, shop_id, ids, program)
    return await asyncio.to_thread(_accounts, program, facts, to_us(now))


async def refresh_loyalty(
    store: Store, shop: ShopContext, *, now: datetime, customers: Iterable[int] | None = None
) -> set[int]:
    """Bring what rules read of these members, or all, to what the facts say; who changed. Before their profiles are
    computed, so that segments are judged by it."""
    database = store.database
    program = await program_of(database, shop.id)
    ids = sorted(set(customers)) if customers is not None else (await customer_ids(database, shop.id)).tolist()
    if not program.enabled:
        rows = await database.fetch("SELECT customer_id FROM loyalty_standings WHERE shop_id = $1", shop.id)
        await database.execute("DELETE FROM loyalty_standings WHERE shop_id = $1", shop.id)
        return {row[0] for row in rows}
    changed: set[int] = set()
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        accounts = await accounts_of(database, shop.id, part, now=now, program=program)
        changed |= await _write(database, shop.id, part, accounts)
    return changed


async def expiring(database: Database | Session, shop_id: int, *, now: datetime) -> list[int]:
    """Members some of whose points have ended by now."""
    rows = await database.fetch(
        "SELECT customer_id FROM loyalty_standings WHERE shop_id = $1 AND next_at <= $2", shop_id, to_us(now)
    )
    return [row[0] for row in rows]


async def spend_points(store: Store, shop: ShopContext, customer_id: int, reward_key: str, *, now: datetime) -> Code:
    """A coupon for points; the one she holds, if she has not used it yet: asking twice spends once. Raises
    NotFoundError for an unknown customer or reward, BadRequestError where the points do not reach; then nothing was
    changed."""
    secret = await code_secret(store, shop.id)
    async with store.database.transaction() as session:
        await lock_settings(session, shop.id)  # two at once would spend the same points
        program = await _program(session, shop.id)
        reward = program.reward(reward_key)
        if reward is None:
            raise NotFoundError(f"The loyalty program has no reward {reward_key[:60]!r}.")
        await _member(session, shop.id, customer_id)
        at = to_us(now)
        codes = await _codes(session, shop.id, customer_id, COUPON, reward_key)
        held = [code for code in codes if code.redeemed_at is None and (code.ends_at or 0) > at]
        if held:
            return held[0]
        facts = await _facts(session, store.database.dialect, shop.id, [customer_id], program)
        account = _accounts(program, facts, at)[customer_id]
        if account.ledger.spendable < reward.points:
            raise BadRequestError(
                f"The reward {reward_key!r} takes {reward.points} points; this customer can spend"
                f" {account.ledger.spendable}."
            )
        code = new_code(secret, shop.id, customer_id, COUPON, reward_key, codes)._replace(
            amount=reward.amount, starts_at=at, ends_at=at + reward.valid_days * DAY_US
        )
        code = code._replace(title=code_title(reward.name, code.code_id))
        await session.upsert(records.INSERT, [records.new_row(shop.id, code, folded(code.code), at)])
        await session.upsert(_SPENDS, [(shop.id, customer_id, code.code_id, reward.points, at, code.code_id)])
        return code


async def referral_code(store: Store, shop: ShopContext, customer_id: int, *, now: datetime) -> Code:
    """The code that the customer gives to friends: one for ever. Raises NotFoundError for an unknown customer,
    BadRequestError without a program."""
    secret = await code_secret(store, shop.id)
    async with store.database.transaction() as session:
        await lock_settings(session, shop.id)
        program = await _program(session, shop.id)
        await _member(session, shop.id, customer_id)
        codes = await _codes(session, shop.id, customer_id, REFERRAL, REFERRAL)
        standing = [code for code in codes if code.state in {"active", "intended"}]
        if standing:
            return standing[0]
        idle = [code for code in codes if code.state in {"idle", "closing"}]
        code = idle[0] if idle else new_code(secret, shop.id, customer_id, REFERRAL, REFERRAL, codes)
        code = code._replace(
            percentage=program.referral.percentage, starts_at=to_us(now), ends_at=None, state="intended",
            title=code_title("From a friend", code.code_id),
        )  # fmt: skip
        if idle:
            await session.execute(
                "UPDATE offer_codes SET state = 'intended', percentage = $3, changed_at = $4"
                " WHERE shop_id = $1 AND code_id = $2",
                shop.id, code.code_id, code.percentage, to_us(now),
            )  # fmt: skip
        else:
            await session.upsert(records.INSERT, [records.new_row(shop.id, code, folded(code.code), to_us(now))])
        return code


async def referrals_of(database: Database, shop_id: int, ids: Sequence[int]) -> dict[int, int]:
    """How many friends of each were credited."""
    rows = await database.fetch(
        "SELECT referrer_id, COUNT(*) FROM referral_credits"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'referrer_id', 2)} GROUP BY referrer_id",
        shop_id, id_list(database.dialect, ids),
    )  # fmt: skip
    return {row[0]: int(row[1]) for row in rows}


def _accounts(program: LoyaltyProgram, facts: Mapping[int, _Facts], now: int) -> dict[int, Account]:
    accounts = {}
    for customer, of in facts.items():
        told = ledger(program, of.orders, of.gifts, of.spends, now=now)
        counting = [order for order in of.orders if order.at <= now and (order.voided_at or now + 1) > now]
        spend = sum(
            order.total - sum(amount for at, amount in order.refunds if at <= now) for order in counting
        )  # fmt: skip
        tier = program.tier_of(len(counting), spend)
        accounts[customer] = Account(told, len(counting), spend, tier)
    return accounts


async def _facts(
    reader: Database | Session, dialect: Dialect, shop_id: int, ids: Sequence[int], program: LoyaltyProgram
) -> dict[int, _Facts]:
    """Of living customers."""
    values = (shop_id, id_list(dialect, ids))
    living = await reader.fetch(
        "SELECT id FROM customers WHERE shop_id = $1 AND deleted_at IS NULL AND merged_into IS NULL"
        f" AND {among(dialect, 'id', 2)}",
        *values,
    )
    facts = {row[0]: _Facts([], [], []) for row in living}
    counted = f"o.shop_id = $1 AND {among(dialect, 'o.customer_id', 2)} AND o.counted AND o.deleted_at IS NULL"
    refunds: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for order, at, amount in await reader.fetch(
        "SELECT r.order_id, r.at, r.amount FROM refunds r"
        f" JOIN orders o ON o.shop_id = r.shop_id AND o.id = r.order_id WHERE {counted}",
        *values,
    ):
        refunds[order].append((at, amount))
    for customer, order, at, total, voided in await reader.fetch(
        f"SELECT o.customer_id, o.id, o.processed_at, o.total, o.voided_at FROM orders o WHERE {counted}", *values
    ):
        if customer in facts:
            facts[customer].orders.append(EarningOrder(order, at, total, tuple(refunds[order]), voided))
    for customer, number, at, points in await reader.fetch(
        f"SELECT customer_id, id, at, points FROM point_spends WHERE shop_id = $1"
        f" AND {among(dialect, 'customer_id', 2)}",
        *values,
    ):
        if customer in facts:
            facts[customer].spends.append(Spend(number, at, points))
    for referrer, friend, at in await reader.fetch(
        "SELECT referrer_id, friend_id, at FROM referral_credits WHERE shop_id = $1"
        f" AND {among(dialect, 'referrer_id', 2)}",
        *values,
    ):
        if referrer in facts:
            facts[referrer].gifts.append(Gift(friend, at, program.referral.points))
    return facts


async def _write(database: Database, shop_id: int, ids: Sequence[int], accounts: Mapping[int, Account]) -> set[int]:
    rows = await database.fetch(
        "SELECT customer_id, tier, points, next_at FROM loyalty_standings"
        f" WHERE shop_id = $1 AND {among(database.dialect, 'customer_id', 2)}",
        shop_id, id_list(database.dialect, ids),
    )  # fmt: skip
    there = {row[0]: tuple(row) for row in rows}
    wanted: dict[int, Row] = {
        customer: (customer, account.tier, account.ledger.spendable, account.ledger.next_at)
        for customer, account in accounts.items()
    }
    changed = [row for customer, row in wanted.items() if there.get(customer) != row]
    gone = [customer for customer in there if customer not in wanted]
    await database.upsert(_STANDINGS, [(shop_id, *row) for row in changed])
    await database.execute_many(
        "DELETE FROM loyalty_standings WHERE shop_id = $1 AND customer_id = $2", [(shop_id, each) for each in gone]
    )
    return {row[0] for row in changed} | set(gone)


async def _program(session: Session, shop_id: int) -> LoyaltyProgram:
    program = await program_of(session, shop_id)
    if not program.enabled:
        raise BadRequestError("This shop has no loyalty program; switch it on with loyaltyProgramSave.")
    return program


async def _member(session: Session, shop_id: int, customer_id: int) -> None:
    rows = await session.fetch(
        "SELECT 1 FROM customers WHERE shop_id = $1 AND id = $2 AND deleted_at IS NULL AND merged_into IS NULL",
        shop_id, customer_id,
    )  # fmt: skip
    if not rows:
        raise NotFoundError(f"There is no customer {customer_id}.")


async def _codes(session: Session, shop_id: int, customer_id: int, source: str, subject: str) -> list[Code]:
    rows = await session.fetch(
        f"SELECT {', '.join(Code._fields)} FROM offer_codes WHERE shop_id = $1 AND customer_id = $2 AND source = $3"
        " AND subject = $4 ORDER BY created_at, code_id",
        shop_id, customer_id, source, subject,
    )  # fmt: skip
    return [Code(*row) for row in rows]
