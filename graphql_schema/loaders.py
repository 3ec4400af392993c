"""Loaders of one request, each scoped to the request's one shop: whatever a page asks of its rows is one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from strawberry.dataloader import DataLoader

from graphql_schema.pagination import Page
from plugin.domain.offers import OfferPlacement
from plugin.domain.outcomes import Outcomes
from plugin.domain.plays.decide import OfferDecision, Refusal
from plugin.ledger import readers, stage_readers
from plugin.ledger.journeys import JourneyRow, journeys_of
from plugin.ledger.offer_outcomes import outcomes_between
from plugin.ledger.predictions import PredictionModelRow, PredictionRow, prediction_models, predictions_of
from plugin.ledger.proofs import Counted, counted_of
from plugin.ledger.readers import CustomerRow, ProductRow, SegmentRow
from plugin.ledger.stage_readers import PlacementRow, SupersededRow, TransitionRow
from plugin.ledger.store import Store
from plugin.outgoing.endpoints import payloads_of
from plugin.shops import ShopContext

if TYPE_CHECKING:
    from plugin.lifecycle.loyalty import Account

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
A = TypeVar("A", bound=Hashable)


class _Shared(DataLoader[K, V]):
    """Where a field that must not be null fails, graphql-core cancels its neighbours; what several of them wait for
    must not be cancelled with the first of them, or those left would end the whole request."""

    def load(self, key: K) -> Awaitable[V]:
        return asyncio.shield(super().load(key))


def _by_id(read: Callable[[Sequence[int]], Awaitable[Mapping[int, V]]]) -> DataLoader[int, V | None]:
    async def load(ids: list[int]) -> list[V | None]:
        found = await read(ids)
        return [found.get(number) for number in ids]

    return _Shared(load)


def _lists(
    read: Callable[[Sequence[int], A], Awaitable[Mapping[int, list[V]]]],
) -> DataLoader[tuple[int, A], list[V]]:
    """Keys are (parent, arguments): one read for each different set of arguments, whatever the number of parents."""

    async def load(keys: list[tuple[int, A]]) -> list[list[V]]:
        found = {
            arguments: await read([parent for parent, same in keys if same == arguments], arguments)
            for arguments in dict.fromkeys(arguments for _, arguments in keys)
        }
        return [found[arguments].get(parent, []) for parent, arguments in keys]

    return _Shared(load)


class Loaders:
    """A request's loaders. Nothing is kept longer than the request."""

    def __init__(self, store: Store, shop: ShopContext, now: datetime) -> None:
        self._store, self._shop, self._now = store, shop, now
        database, shop_id = store.database, shop.id
        self.customers: DataLoader[int, CustomerRow | None] = _by_id(
            lambda ids: readers.customers_by_id(database, shop_id, ids)
        )
        self.persons: DataLoader[int, str | None] = _by_id(lambda ids: readers.sealed_persons(database, shop_id, ids))
        self.segments: DataLoader[int, SegmentRow | None] = _by_id(
            lambda ids: readers.segments_by_id(database, shop_id, ids)
        )
        self.segment_counts: DataLoader[int, int | None] = _by_id(
            lambda ids: readers.segment_counts(database, shop_id, ids)
        )
        self.rfm_taken_at: DataLoader[int, int | None] = _by_id(lambda shops: readers.rfm_taken_at(database, shops))
        self.predictions: DataLoader[int, PredictionRow | None] = _by_id(
            lambda ids: predictions_of(database, shop_id, ids)
        )
        self.prediction_models: DataLoader[int, list[PredictionModelRow] | None] = _by_id(self._prediction_models)
        self.products: DataLoader[int, ProductRow | None] = _by_id(
            lambda ids: readers.products_by_id(database, shop_id, ids)
        )
        self.tags: DataLoader[int, list[str] | None] = _by_id(self._wanted_tags)
        self.placements: DataLoader[tuple[int, int | None], list[PlacementRow]] = _lists(self._placements)
        self.transitions: DataLoader[tuple[int, tuple[str, Page]], list[TransitionRow]] = _lists(
            lambda ids, how: stage_readers.transitions_page(database, shop_id, ids, *how)
        )
        self.superseded: DataLoader[tuple[int, tuple[str, int]], list[SupersededRow]] = _lists(
            lambda ids, how: stage_readers.superseded(database, shop_id, ids, *how)
        )
        self.segments_of: DataLoader[tuple[int, Page], list[SegmentRow]] = _lists(
            lambda ids, page: readers.segments_of(database, shop_id, ids, page)
        )
        self.members_of: DataLoader[tuple[int, Page], list[CustomerRow]] = _lists(
            lambda ids, page: readers.members_of(database, shop_id, ids, page)
        )
        self.journeys: DataLoader[tuple[int, Page], list[JourneyRow]] = _lists(
            lambda ids, page: journeys_of(database, shop_id, ids, page)
        )
        self.offers: DataLoader[tuple[int, tuple[OfferPlacement | None, int]], list[OfferDecision]] = _lists(
            self._offers
        )
        self.outcomes: DataLoader[tuple[int, int], Mapping[str, Outcomes]] = _Shared(self._outcomes)
        self.webhook_payloads: DataLoader[tuple[int, int], str | None] = _Shared(self._webhook_payloads)
        self.proofs: DataLoader[int, Counted | None] = _by_id(self._proofs)
        self.accounts: DataLoader[int, Account | None] = _by_id(self._accounts)
        self.decisions: DataLoader[tuple[int, OfferPlacement | None], list[OfferDecision | Refusal]] = _lists(
            self._decisions
        )

    async def _placements(self, ids: Sequence[int], at: int | None) -> Mapping[int, list[PlacementRow]]:
        if at is None:
            return await stage_readers.placements(self._store.database, self._shop.id, ids)
        return await stage_readers.placements_at(self._store.database, self._shop.id, ids, at)

    async def _offers(
        self, ids: Sequence[int], how: tuple[OfferPlacement | None, int]
    ) -> Mapping[int, list[OfferDecision]]:
        from plugin.lifecycle.deciding import offers_for

        return await offers_for(self._store, self._shop, ids, placement=how[0], first=how[1], now=self._now)

    async def _decisions(
        self, ids: Sequence[int], placement: OfferPlacement | None
    ) -> Mapping[int, list[OfferDecision | Refusal]]:
        from plugin.lifecycle.deciding import decisions_for

        found = await decisions_for(self._store, self._shop, ids, placement=placement, now=self._now)
        return {customer: [*each.offers, *each.refused] for customer, each in found.items()}

    async def _outcomes(self, windows: list[tuple[int, int]]) -> list[Mapping[str, Outcomes]]:
        return [await outcomes_between(self._store.database, self._shop.id, *window) for window in windows]

    async def _webhook_payloads(self, keys: list[tuple[int, int]]) -> list[str | None]:
        found = await payloads_of(self._store, self._shop.id, keys)
        return [found.get(key) for key in keys]

    async def _proofs(self, shops: Sequence[int]) -> dict[int, Counted]:
        return {shop: await counted_of(self._store.database, shop) for shop in shops}

    async def _accounts(self, ids: Sequence[int]) -> Mapping[int, Account]:
        from plugin.lifecycle.loyalty import accounts_of

        return await accounts_of(self._store.database, self._shop.id, ids, now=self._now)

    async def _prediction_models(self, shops: Sequence[int]) -> dict[int, list[PredictionModelRow]]:
        return {shop: await prediction_models(self._store.database, shop) for shop in shops}

    async def _wanted_tags(self, ids: Sequence[int]) -> Mapping[int, list[str]]:
        from plugin.lifecycle.publish import wanted_tags

        return await wanted_tags(self._store, self._shop, ids)
