"""Discount codes in the shop: made when an offer needs one, used again for the next, withdrawn when it ends.

Safe to stop anywhere and to run again: what is to be is on record before the shop is asked, a code has one text, and a
text that the shop has already is looked at before it is taken for ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final, Literal

from plugin.domain.codes import code_id, code_text, folded
from plugin.domain.instants import from_us, to_us
from plugin.domain.money import from_scaled
from plugin.errors import ShopUnavailableError
from plugin.ledger import codes as records
from plugin.ledger.codes import Code, Move, Wanted
from plugin.ledger.store import Store
from plugin.lifecycle.plays import lock_settings, play_book
from plugin.ports import DISCOUNT_BATCH, DiscountChange, DiscountResult, DiscountSpec, ShopGateway
from plugin.shops import Clock, ShopContext

BULK_FROM: Final = 200  # new codes: a file costs no points, a batch of 40 costs 440, of which a shop gives back 100/s
_AT_ONCE: Final = 1_000
_KEEP_IDLE: Final = timedelta(days=180)
_LONGEST_TITLE: Final = 255
_PERCENT: Final = Decimal(100)

Progress = Callable[[int], None]  # codes dealt with


@dataclass(slots=True)
class CodeReport:
    """`created`: new in the shop; `reused`: given the terms of another offer; `withdrawn`: can be used no more;
    `refused`: by the shop, with the reason on record."""

    created: int = 0
    reused: int = 0
    withdrawn: int = 0
    deleted: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Run:
    store: Store
    shop: ShopContext
    gateway: ShopGateway
    now: Clock
    secret: str
    progress: Progress | None
    report: CodeReport

    def at(self) -> int:
        return to_us(self.now())

    def tell(self) -> None:
        if self.progress is not None:
            told = self.report
            self.progress(told.created + told.reused + told.withdrawn + told.deleted + told.refused)


async def sync_codes(
    store: Store, shop: ShopContext, gateway: ShopGateway, *, now: Clock, progress: Progress | None = None
) -> CodeReport:
    """Bring the shop's codes to what the offers on record want; a second run right after asks the shop for nothing.
    Raises ShopUnavailableError or ShopAccessError; what was done until then is on record."""
    secret = await code_secret(store, shop.id)
    run = _Run(store, shop, gateway, now, secret, progress, CodeReport())
    await records.close_codes(store.database, shop.id, now=run.at())
    await records.retire(store.database, shop.id, before=run.at() - _KEEP_IDLE // timedelta(microseconds=1))
    before: list[Wanted] = []
    while (wanted := await _wanted(run)) and wanted != before:
        await _intend(run, wanted)
        before = wanted
    await _each(run, "closing", _withdraw)
    await _each(run, "leaving", _delete)
    await _make(run)
    return run.report


async def withdraw_codes(
    store: Store, shop: ShopContext, gateway: ShopGateway, *, now: Clock, progress: Progress | None = None
) -> int:
    """Delete every code of ours in the shop, before the app is taken away; how many there were. Safe to run again."""
    await records.leave(store.database, shop.id)
    run = _Run(store, shop, gateway, now, await code_secret(store, shop.id), progress, CodeReport())
    await _each(run, "leaving", _delete)
    return run.report.deleted


async def count_codes(store: Store, shop_id: int) -> int:
    """Codes that `withdraw_codes` would delete, as far as it is known."""
    rows = await store.database.fetch(
        "SELECT COUNT(*) FROM offer_codes WHERE shop_id = $1 AND (discount_id IS NOT NULL OR state = 'intended')",
        shop_id,
    )
    return int(rows[0][0])


async def code_secret(store: Store, shop_id: int) -> str:
    """What makes the shop's codes unguessable: drawn once."""
    async with store.database.transaction() as session:
        await lock_settings(session, shop_id)
        rows = await session.fetch("SELECT code_secret FROM offer_settings WHERE shop_id = $1", shop_id)
        if rows[0][0]:
            return store.vault.open(rows[0][0])
        secret = secrets.token_hex(32)
        await session.execute(
            "UPDATE offer_settings SET code_secret = $2 WHERE shop_id = $1", shop_id, store.vault.seal(secret)
        )
        return secret


async def _wanted(run: _Run) -> list[Wanted]:
    return await records.wanted_codes(run.store.database, run.shop.id, now=run.at(), limit=_AT_ONCE)


async def _intend(run: _Run, wanted: Sequence[Wanted]) -> None:
    """A code for each offer: one of an earlier offer of the same play that was not used, else a new one."""
    database, shop_id, now = run.store.database, run.shop.id, run.at()
    book = await play_book(database, run.shop)
    there: dict[int, list[Code]] = {}
    for code in await records.codes_of(database, shop_id, sorted({each.customer_id for each in wanted})):
        there.setdefault(code.customer_id, []).append(code)
    again, new = [], []
    for offer in wanted:
        theirs = there.setdefault(offer.customer_id, [])
        known = _reusable(theirs, offer.play)
        fresh = new_code(run.secret, shop_id, offer.customer_id, records.PLAY, offer.play, theirs)
        code = fresh if known is None else known
        name = book.plays[offer.play].name if offer.play in book.plays else offer.play
        intended = code._replace(
            offer_id=offer.offer_id, title=code_title(name, code.code_id), state="intended",
            percentage=offer.percentage, amount=offer.amount, starts_at=now, ends_at=offer.until_at,
        )  # fmt: skip
        theirs[:] = [*(each for each in theirs if each.code_id != code.code_id), intended]
        if known is None:
            new.append(records.new_row(shop_id, intended, folded(intended.code), now))
        else:
            again.append(intended)
    await records.intend(database, new)
    await records.intend_again(database, shop_id, again, now=now)


def _reusable(codes: Sequence[Code], play: str) -> Code | None:
    same = (code for code in codes if code.source == records.PLAY and code.subject == play)
    return next((code for code in same if code.state in {"idle", "closing"} and code.redeemed_at is None), None)


def new_code(  # noqa: PLR0917 - the parts of one code
    secret: str, shop_id: int, customer_id: int, source: str, subject: str, codes: Sequence[Code]
) -> Code:
    """Beside those that the customer has; its terms are still to be filled in."""
    taken, generation = {code.code_id for code in codes}, 0
    while (number := code_id(shop_id, customer_id, f"{source}/{subject}", generation)) in taken:
        generation += 1
    text = code_text(secret, shop_id, number)
    return Code(number, customer_id, source, subject, None, text, "intended", "", None, None, 0, None, None, None)


def code_title(name: str, code: int) -> str:
    """The number in it is what a code is known by as ours. No customer is named: titles are read in the admin."""
    return f"{name[: _LONGEST_TITLE - 30]} (Rebloom {code})"


async def _make(run: _Run) -> None:
    """Twice: a code that was found in the shop, or was gone there, is settled by the second pass."""
    for _ in range(2):
        after, left = 0, 0
        while codes := await records.in_state(
            run.store.database, run.shop.id, "intended", after=after, limit=_AT_ONCE
        ):  # fmt: skip
            after = codes[-1].code_id
            new = [code for code in codes if code.discount_id is None]
            known = [code for code in codes if code.discount_id is not None]
            if len(new) >= BULK_FROM:
                left += await _create_by_file(run, new)
                new = []
            for start in range(0, len(new), DISCOUNT_BATCH):
                left += await _change(run, new[start : start + DISCOUNT_BATCH])
            for start in range(0, len(known), DISCOUNT_BATCH):
                left += await _change(run, known[start : start + DISCOUNT_BATCH])
        if not left:
            return


async def _change(run: _Run, codes: Sequence[Code]) -> int:
    """Codes left to be settled by another pass."""
    changes = [
        DiscountChange(
            kind="create" if code.discount_id is None else "update", spec=_spec(code), discount_id=code.discount_id
        )
        for code in codes
    ]  # fmt: skip
    return await _settle(run, codes, await run.gateway.change_discounts(changes))


async def _create_by_file(run: _Run, codes: Sequence[Code]) -> int:
    left = 0
    async for place, result in run.gateway.create_discounts([_spec(code) for code in codes]):
        left += await _settle(run, [codes[place]], [result])
    return left


async def _settle(run: _Run, codes: Sequence[Code], results: Sequence[DiscountResult]) -> int:
    moved: list[Move] = []
    left = 0
    for code, result in zip(codes, results, strict=True):
        if result.error is None and result.discount_id is not None:
            moved.append((code.code_id, "active", result.discount_id, None))
            run.report.created += code.discount_id is None
            run.report.reused += code.discount_id is not None
        elif result.taken:
            moved += await _taken(run, code)
            left += 1
        elif result.gone:
            moved.append((code.code_id, "intended", None, None))
            left += 1
        else:
            moved.append((code.code_id, "refused", code.discount_id, result.error))
            run.report.refused += 1
    await records.move(run.store.database, run.shop.id, moved, now=run.at())
    run.tell()
    return left


async def _taken(run: _Run, code: Code) -> list[Move]:
    """Ours, from a call whose answer was lost: it is known from now on, and its terms are said again. Else the code
    gets another text."""
    found = await run.gateway.discount_by_code(code.code)
    if found is None:
        return []
    bound = {code.customer_id} if code.source != records.REFERRAL else set()
    if _is_ours(found.title, code) and found.customer_ids <= bound:
        return [(code.code_id, "intended", found.discount_id, None)]
    for attempt in range(1, 100):
        text = code_text(run.secret, run.shop.id, code.code_id, attempt)
        if text == code.code or await run.gateway.discount_by_code(text) is not None:
            continue
        await records.rename(run.store.database, run.shop.id, code.code_id, text, folded(text))
        return []
    raise ShopUnavailableError("No free text was found for a discount code; it will be tried again.")


def _is_ours(title: str, code: Code) -> bool:
    return title.endswith(f"(Rebloom {code.code_id})")


async def _each(run: _Run, state: str, work: Callable[[_Run, Sequence[Code]], Awaitable[None]]) -> None:
    after = 0
    while codes := await records.in_state(
        run.store.database, run.shop.id, state, after=after, limit=DISCOUNT_BATCH
    ):  # fmt: skip
        after = codes[-1].code_id
        await work(run, [await _located(run, code) for code in codes])
        run.tell()


async def _located(run: _Run, code: Code) -> Code:
    """With its discount, if the shop has one although no answer told so."""
    if code.discount_id is not None:
        return code
    found = await run.gateway.discount_by_code(code.code)
    return code._replace(discount_id=found.discount_id) if found and _is_ours(found.title, code) else code


async def _withdraw(run: _Run, codes: Sequence[Code]) -> None:
    there = [code for code in codes if code.discount_id is not None]
    moved: list[Move] = [(code.code_id, "idle", None, None) for code in codes if code.discount_id is None]
    results = await _asked(run, there, "deactivate")
    for code, result in zip(there, results, strict=True):
        done = result.error is None or result.gone
        moved.append(
            (code.code_id, "idle" if done else "closing", None if result.gone else code.discount_id, result.error)
        )
        run.report.withdrawn += done
    await records.move(run.store.database, run.shop.id, moved, now=run.at())


async def _delete(run: _Run, codes: Sequence[Code]) -> None:
    there = [code for code in codes if code.discount_id is not None]
    results = await _asked(run, there, "delete")
    gone = [code.code_id for code, result in zip(there, results, strict=True) if result.error is None or result.gone]
    run.report.deleted += len(gone)
    gone += [code.code_id for code in codes if code.discount_id is None]
    await records.drop(run.store.database, run.shop.id, gone)


async def _asked(run: _Run, codes: Sequence[Code], kind: Literal["deactivate", "delete"]) -> list[DiscountResult]:
    if not codes:
        return []
    changes = [DiscountChange(kind=kind, discount_id=code.discount_id) for code in codes]
    return await run.gateway.change_discounts(changes)


def _spec(code: Code) -> DiscountSpec:
    return DiscountSpec(
        title=code.title, code=code.code, starts_at=from_us(code.starts_at),
        ends_at=None if code.ends_at is None else from_us(code.ends_at),
        customer_ids=() if code.source == records.REFERRAL else (code.customer_id,),
        percentage=None if code.percentage is None else Decimal(code.percentage) / _PERCENT,
        amount=None if code.amount is None else from_scaled(code.amount),
    )  # fmt: skip
