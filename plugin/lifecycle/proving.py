"""The nightly count behind the proofs of plays. It replaces what the last one wrote in one transaction, so one that was
killed changes nothing, and the same facts at the same instant give the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from plugin.domain.instants import to_us
from plugin.domain.plays.shipped import PLAYS_BY_KEY
from plugin.domain.proof.arms import Arm, Outcome, Side
from plugin.domain.proof.needed import base_of, best_share
from plugin.ledger.proofs import PROOFS, UNCOSTED, count_sides, count_uncosted, proof_rows, sides_of_plays
from plugin.ledger.store import Store
from plugin.lifecycle.plays import lock_settings
from plugin.shops import ShopContext


async def refresh_proofs(store: Store, shop: ShopContext, *, now: datetime) -> int:
    """Count again, and set the holdouts' shares of shipped plays that have none of their own yet; the plays counted."""
    at = to_us(now)
    counted = await count_sides(store.database, shop.id, now=at)
    sides = ((play, side, arm) for play, found in counted.items() for side, arm in found.items())
    rows = proof_rows(shop.id, sides, gone=False, at=at)
    uncosted = await count_uncosted(store.database, shop.id, now=at)
    async with store.database.transaction() as session:
        await session.execute("DELETE FROM play_proofs WHERE shop_id = $1 AND NOT gone", shop.id)
        await session.upsert(PROOFS, rows)
        await session.execute("DELETE FROM uncosted_products WHERE shop_id = $1", shop.id)
        await session.upsert(UNCOSTED, [(shop.id, *row) for row in uncosted])
    await _set_shares(store, shop.id)
    return len(counted)


async def _set_shares(store: Store, shop_id: int) -> None:
    """Once for each play, as soon as it is known what its customers do: a share that moved with every night's count
    would put customers of many shares beside each other. A play that the merchant saved has the share she gave it."""
    found = await sides_of_plays(store.database, shop_id)
    async with store.database.transaction() as session:
        await lock_settings(session, shop_id)
        ((text,),) = await session.fetch("SELECT shares FROM offer_settings WHERE shop_id = $1", shop_id)
        shares = msgspec.json.decode(text or "{}", type=dict[str, int])
        new = _found_shares({play: sides for play, sides in found.items() if play not in shares})
        if new:
            text = msgspec.json.encode(shares | new, order="sorted").decode()
            await session.execute("UPDATE offer_settings SET shares = $2 WHERE shop_id = $1", shop_id, text)


def _found_shares(found: Mapping[str, Mapping[Side, Arm]]) -> dict[str, int]:
    shares = {
        play: best_share(base_of(sides, Outcome.ORDERS))
        for play, sides in found.items()
        if play in PLAYS_BY_KEY and PLAYS_BY_KEY[play].holdout
    }
    return {play: share for play, share in shares.items() if share is not None}
