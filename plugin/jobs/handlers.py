"""What each kind of job does. Every one may be killed anywhere and run again from its beginning.

A handler gives a small summary; the kinds under `then` are put in line when it has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import structlog

from plugin.domain.instants import from_us, to_us
from plugin.jobs.queue import CLOSE, Handler, Jobs
from plugin.jobs.schedule import SCHEDULE, due
from plugin.ledger import unplaced
from plugin.ledger.inbox import mark_leavers, waiting_shops
from plugin.ledger.push_records import is_withdrawn
from plugin.ledger.retention import let_go
from plugin.ledger.rotation import seal_again
from plugin.ledger.store import Store
from plugin.ledger.tables import Shop
from plugin.lifecycle.codes import sync_codes
from plugin.lifecycle.fact_sheet import refresh_fact_sheet
from plugin.lifecycle.granting import grant_offers
from plugin.lifecycle.loyalty import expiring, refresh_loyalty
from plugin.lifecycle.offers import fit_offers
from plugin.lifecycle.predicting import fit_predictions
from plugin.lifecycle.proving import refresh_proofs
from plugin.lifecycle.publish import push_tags
from plugin.lifecycle.recompute import recompute_customers, recompute_shop
from plugin.lifecycle.redemptions import record_redemptions
from plugin.lifecycle.sweep import sweep
from plugin.outgoing.endpoints import is_waiting, listens
from plugin.outgoing.sending import Outgoing
from plugin.settings import Settings
from plugin.shops import Clock, ShopContext, context_of, shop_by_id
from plugin.sync.backfill import run_sync
from plugin.sync.deliveries import apply_inbox
from plugin.sync.reconcile import reconcile
from plugin.sync.topics import subscribe_all
from plugin.work import work_folder

if TYPE_CHECKING:
    from plugin.installations import Gateways

_DRAIN: Final = 500  # deliveries a round
_KEEP_JOBS: Final = timedelta(days=7)
_DISCOUNTS: Final = "write_discounts"
_TOKEN_AHEAD: Final = timedelta(minutes=10)  # before its end; a call that finds it older renews it itself
_FORGOTTEN: Final = 20_000  # jobs remembered as put in line, so that a minute asks the engine only for what is new
_log = structlog.get_logger(__name__)


class Handlers:
    """The shell's work by name, over one store and the gateways of its shops."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        gateways: Gateways,
        jobs: Jobs,
        now: Clock,
        *,
        settle_in: Callable[[int], Awaitable[object]] | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        """`settle_in` ends an installation that was broken off (`plugin/web/install.py`); `outgoing` sends webhooks."""
        self._settings = settings
        self._store = store
        self._gateways = gateways
        self._jobs = jobs
        self._now = now
        self._settle_in = settle_in
        self._outgoing = outgoing
        self._asked: set[tuple[str, int, str]] = set()

    def by_kind(self) -> Mapping[str, Handler]:
        """Only `inbox` works for a shop that does not let us in: it is how a shop leaves, and is forgotten."""
        of_installed: dict[str, Handler] = {
            "sync": self.sync,
            "recompute": self.recompute,
            "push": self.push,
            "sweep": self.sweep,
            "facts": self.facts,
            "proofs": self.proofs,
            "recommend": self.recommend,
            "offers": self.offers,
            "codes": self.codes,
            "loyalty": self.loyalty,
            "token": self.token,
            "retention": self.retention,
            "settle": self.settle,
            "reconcile": self.reconcile,
            "topics": self.topics,
            "seal": self.seal,
            "webhooks": self.webhooks,
            CLOSE: self.settled,
        }
        return {"inbox": self.inbox} | {kind: self._while_installed(work) for kind, work in of_installed.items()}

    async def sync(self, shop_id: int) -> dict[str, Any]:
        """Copy the shop, then everything that follows from it."""
        shop = await shop_by_id(self._store.database, shop_id)
        gateway = await self._gateways.for_shop(shop_id)
        report = await run_sync(
            self._store,
            shop,
            gateway,
            now=self._now,
            progress=_quiet,
            work_dir=work_folder(self._settings, shop.domain),
        )
        await self.recompute(shop_id)
        follow = {"then": ["push", "codes", "recommend", *await self._told(shop_id)], "close": True}
        return {"customers": report.customers, "orders": report.orders, **follow}

    async def recompute(self, shop_id: int) -> dict[str, Any]:
        shop = await shop_by_id(self._store.database, shop_id)
        await fit_predictions(self._store, shop, now=self._now())
        placed = await self._place_all(shop)
        await refresh_proofs(self._store, shop, now=self._now())
        await refresh_fact_sheet(self._store, shop, now=self._now())
        return placed

    async def _place_all(self, shop: ShopContext) -> dict[str, Any]:
        await unplaced.take(self._store.database, shop.id)
        await record_redemptions(self._store, shop, now=self._now())
        await refresh_loyalty(self._store, shop, now=self._now())
        report = await recompute_shop(self._store, shop, as_of=self._now())
        await grant_offers(self._store, shop, now=self._now())
        summary = {"customers": report.customers, "transitions": report.transitions}
        return {**summary, "then": ["push", "codes", *await self._told(shop.id)], "close": True}

    async def recommend(self, shop_id: int) -> dict[str, Any]:
        """The shop's own backtest and what follows from it: minutes of work, so beside the shop's other jobs."""
        report = await fit_offers(self._store, await shop_by_id(self._store.database, shop_id), now=self._now())
        return {**report._asdict(), "then": ["offers"]}

    async def facts(self, shop_id: int) -> dict[str, Any]:
        """The fact sheet alone, for a shop that has none yet."""
        sheet = await refresh_fact_sheet(self._store, await shop_by_id(self._store.database, shop_id), now=self._now())
        return {"lines": len(sheet.lines)}

    async def proofs(self, shop_id: int) -> dict[str, Any]:
        """After unit costs were stated: margins by them."""
        return {
            "plays": await refresh_proofs(self._store, await shop_by_id(self._store.database, shop_id), now=self._now())
        }

    async def inbox(self, shop_id: int) -> dict[str, Any]:
        """Apply what has arrived until nothing is left, then place the customers it touched."""
        shop = await shop_by_id(self._store.database, shop_id)
        gateway = await self._gateways.for_shop(shop_id) if shop.status == "installed" else None
        folder = work_folder(self._settings, shop.domain)
        while await apply_inbox(self._store, shop, gateway, now=self._now, limit=_DRAIN, folder=folder):
            pass  # who changed is noted; they are placed once, when all is in
        return await self._place_noted(await shop_by_id(self._store.database, shop_id))

    async def _place_noted(self, shop: ShopContext) -> dict[str, Any]:
        """Everybody whose facts have changed, also by a job that was killed before it came to this. The notes go when
        what follows stands in line (`settled`)."""
        if shop.status != "installed" or not (touched := await unplaced.take(self._store.database, shop.id)):
            return {"customers": 0}
        used = await record_redemptions(self._store, shop, now=self._now(), customers=touched)
        touched |= used.referrers
        await self._members(shop, touched)
        return {"customers": len(touched), "then": ["push", "codes", *await self._told(shop.id)], "close": True}

    async def settled(self, shop_id: int) -> dict[str, Any]:
        """Who was placed is noted no more."""
        await unplaced.settle(self._store.database, shop_id)
        return {}

    async def push(self, shop_id: int, *, dry_run: bool = False) -> dict[str, Any]:
        shop = await shop_by_id(self._store.database, shop_id)
        if await is_withdrawn(self._store.database, shop_id):
            return {"stopped": "withdrawn"}
        gateway = await self._gateways.for_shop(shop_id)
        report = await push_tags(self._store, shop, gateway, now=self._now, dry_run=dry_run)
        return {"added": report.added, "removed": report.removed, "refused": report.refused}

    async def offers(self, shop_id: int) -> dict[str, Any]:
        """After a play was changed: who is offered what by it."""
        report = await grant_offers(self._store, await shop_by_id(self._store.database, shop_id), now=self._now())
        return {**report._asdict(), "then": ["codes"]}

    async def loyalty(self, shop_id: int) -> dict[str, Any]:
        """After the program was changed: everybody's tier and points by it."""
        return await self._place_all(await shop_by_id(self._store.database, shop_id))

    async def _members(self, shop: ShopContext, customers: set[int]) -> None:
        """Points and tiers of these, then their profiles and offers."""
        await refresh_loyalty(self._store, shop, now=self._now(), customers=customers)
        await recompute_customers(self._store, shop, sorted(customers), as_of=self._now())
        await grant_offers(self._store, shop, now=self._now(), customers=customers)

    async def codes(self, shop_id: int) -> dict[str, Any]:
        """The shop's discount codes as the offers on record want them."""
        shop = await shop_by_id(self._store.database, shop_id)
        if _DISCOUNTS not in shop.scopes:
            return {"stopped": f"{_DISCOUNTS} is not granted"}
        if await is_withdrawn(self._store.database, shop_id):
            return {"stopped": "withdrawn"}
        gateway = await self._gateways.for_shop(shop_id)
        return asdict(await sync_codes(self._store, shop, gateway, now=self._now))

    async def sweep(self, shop_id: int) -> dict[str, Any]:
        """Whose time has come: those by their own instant, then their offers, and whoever was noted before."""
        shop, started, database = await shop_by_id(self._store.database, shop_id), self._now(), self._store.database
        async with database.transaction() as session:
            await unplaced.note(session, shop_id, await expiring(session, shop_id, now=started))
        noted = await unplaced.take(database, shop_id)
        await self._members(shop, noted)
        await unplaced.note_due(database, shop_id, to_us(started))
        due = await unplaced.take(database, shop_id) - noted
        await sweep(self._store, shop, as_of=started)
        await grant_offers(self._store, shop, now=self._now(), customers=due)
        then = ["push", "codes", *await self._told(shop_id)] if noted or due else []
        return {"customers": len(noted | due), "then": then, "close": True}

    async def webhooks(self, shop_id: int) -> dict[str, Any]:
        """Tell partners what came true, and again what they did not take."""
        return (
            dict(await self._outgoing.run(await shop_by_id(self._store.database, shop_id)))
            if self._outgoing is not None
            else {}
        )

    async def _told(self, shop_id: int) -> list[str]:
        """What follows where somebody is told."""
        return ["webhooks"] if await listens(self._store.database, shop_id) else []

    async def token(self, shop_id: int) -> dict[str, Any]:
        """New tokens before the old ones end, so that no call has to wait for them and none is lost in idle months."""
        await self._gateways.refresh_ahead(shop_id, _TOKEN_AHEAD)
        return {}

    async def retention(self, shop_id: int) -> dict[str, Any]:
        return await let_go(self._store.database, shop_id, now=self._now())

    async def reconcile(self, shop_id: int) -> dict[str, Any]:
        """Find and mend what no webhook brought."""
        shop = await shop_by_id(self._store.database, shop_id)
        if not await self._ever_copied(shop):
            return {"stopped": "not copied yet"}
        walked = await reconcile(self._store, shop, await self._gateways.for_shop(shop_id), now=self._now)
        found = {"missed": walked.missed, "outdated": walked.outdated, "gone": walked.gone}
        return {**found, **await self._place_noted(shop)}

    async def topics(self, shop_id: int) -> dict[str, Any]:
        """Ask again for the webhooks that the shop does not send (any more)."""
        shop = await shop_by_id(self._store.database, shop_id)
        if await is_withdrawn(self._store.database, shop_id):
            return {"stopped": "withdrawn"}
        return {"refused": await subscribe_all(await self._gateways.for_shop(shop_id), shop, self._settings)}

    async def seal(self, _: int) -> dict[str, Any]:
        """While more than one encryption key is configured, seal again what an older one sealed."""
        return {"sealed": await seal_again(self._store) if len(self._settings.encryption_keys) > 1 else 0}

    async def settle(self, shop_id: int) -> dict[str, Any]:
        """An installation that was broken off between its token and its first copy."""
        if self._settle_in is not None:
            await self._settle_in(shop_id)
        return {"then": ["sync"]}  # put in line behind the job: the engine takes no job from inside one

    async def tick(self) -> None:
        """Once a minute: who has left, what the schedule says, customers whose time has come, deliveries whose nudge
        was lost, tokens near their end, installations that were broken off."""
        await mark_leavers(self._store)
        now = self._now()
        for row in await Shop.filter(status="installed"):
            shop = context_of(row)
            for kind, once in due(SCHEDULE, shop.id, from_us(shop.installed_at), now):
                await self._once(kind, shop.id, once)
            if await self._someone_due(shop):
                await self._jobs.nudge("sweep", shop.id)
            ends = row.access_expires_at
            if row.refresh_token is not None and ends is not None and ends <= to_us(now + _TOKEN_AHEAD):
                await self._once("token", shop.id, f"ends-{ends}")
            if await is_waiting(self._store.database, shop.id, now=to_us(now)):
                await self._jobs.nudge("webhooks", shop.id)
            if shop.platform_id is None or not await self._ever_copied(shop):
                await self._once("settle", shop.id, f"installed-{shop.installed_at}")
        for shop_id in {*await waiting_shops(self._store), *await unplaced.shops_with_unplaced(self._store.database)}:
            await self._jobs.nudge("inbox", shop_id)
        await self._jobs.forget_before(now - _KEEP_JOBS)

    async def _once(self, kind: str, shop_id: int, once: str) -> None:
        if (kind, shop_id, once) in self._asked:
            return
        await self._jobs.enqueue(kind, shop_id, once=once)
        if len(self._asked) >= _FORGOTTEN:
            self._asked.clear()
        self._asked.add((kind, shop_id, once))

    async def _ever_copied(self, shop: ShopContext) -> bool:
        """A copy was begun since this installation."""
        rows = await self._store.database.fetch(
            "SELECT 1 FROM sync_states WHERE shop_id = $1 AND started_at >= $2", shop.id, shop.installed_at
        )
        return bool(rows)

    async def _someone_due(self, shop: ShopContext) -> bool:
        rows = await self._store.database.fetch(
            "SELECT 1 FROM profiles WHERE shop_id = $1 AND due_at <= $2 LIMIT 1", shop.id, to_us(self._now())
        )
        return bool(rows) or bool(await expiring(self._store.database, shop.id, now=self._now()))

    def _while_installed(self, work: Handler) -> Handler:
        """Nothing is begun for a shop that has left, whatever was in line for it."""

        @wraps(work)
        async def guarded(shop_id: int, **arguments: object) -> Mapping[str, Any]:
            shop = await shop_by_id(self._store.database, shop_id)
            return await work(shop_id, **arguments) if shop.status == "installed" else {"stopped": shop.status}

        return guarded


def _quiet(_: object) -> None:
    """A job's progress is read from `sync_states` and the log."""
