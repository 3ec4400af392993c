"""Loaders of one request, each scoped to the request's one shop: whatever a page asks of its rows is one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from graphql_schema.batching import Loader
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


def _by_id(read: Callable[[Sequence[int]], Awaitable[Mapping[int, V]]]) -> Loader[int, V | None]:
    async def load(ids: list[int]) -> list[V | None]:
        found = await read(ids)
        return [found.get(number) for number in ids]

    return Loader(load)


def _lists(
    read: Callable[[Sequence[int], A], Awaitable[Mapping[int, list[V]]]],
) -> Loader[tuple[int, A], list[V]]:
    """Keys are (parent, arguments): one read for each different set of arguments, whatever the number of parents."""

    async def load(keys: list[tuple[int, A]]) -> list[list[V]]:
        parents: dict[A, list[int]] = {}
        for parent, arguments in keys:
            parents.setdefault(arguments, []).append(parent)
        found = {arguments: await read(asked, arguments) for arguments, asked in parents.items()}
        return [found[arguments].get(parent, []) for parent, arguments in keys]

    return Loader(load)


class Loaders:
    """A request's loaders. Nothing is kept longer than the request."""

    def __init__(self, store: Store, shop: ShopContext, now: datetime) -> None:
        self._store, self._shop, self._now = store, shop, now
        database, shop_id = store.database, shop.id
        self.customers: Loader[int, CustomerRow | None] = _by_id(
            lambda ids: readers.customers_by_id(database, shop_id, ids)
        )
        self.persons: Loader[int, str | None] = _by_id(lambda ids: readers.sealed_persons(database, shop_id, ids))
        self.segments: Loader[int, SegmentRow | None] = _by_id(
            lambda ids: readers.segments_by_id(database, shop_id, ids)
        )
        self.segment_counts: Loader[int, int | None] = _by_id(
            lambda ids: readers.segment_counts(database, shop_id, ids)
        )
        self.rfm_taken_at: Loader[int, int | None] = _by_id(lambda shops: readers.rfm_taken_at(database, shops))
        self.predictions: Loader[int, PredictionRow | None] = _by_id(lambda ids: predictions_of(database, shop_id, ids))
        self.prediction_models: Loader[int, list[PredictionModelRow] | None] = _by_id(self._prediction_models)
        self.products: Loader[int, ProductRow | None] = _by_id(
            lambda ids: readers.products_by_id(database, shop_id, ids)
        )
        self.tags: Loader[int, list[str] | None] = _by_id(self._wanted_tags)
        self.placements: Loader[tuple[int, int | None], list[PlacementRow]] = _lists(self._placements)
        self.transitions: Loader[tuple[int, tuple[str, Page]], list[TransitionRow]] = _lists(
            lambda ids, how: stage_readers.transitions_page(database, shop_id, ids, *how)
        )
        self.superseded: Loader[tuple[int, tuple[str, int]], list[SupersededRow]] = _lists(
            lambda ids, how: stage_readers.superseded(database, shop_id, ids, *how)
        )
        self.segments_of: Loader[tuple[int, Page], list[SegmentRow]] = _lists(
            lambda ids, page: readers.segments_of(database, shop_id, ids, page)
        )
        self.members_of: Loader[tuple[int, Page], list[CustomerRow]] = _lists(
            lambda ids, page: readers.members_of(database, shop_id, ids, page)
        )
        self.journeys: Loader[tuple[int, Page], list[JourneyRow]] = _lists(
            lambda ids, page: journeys_of(database, shop_id, ids, page)
        )
        self.offers: Loader[tuple[int, tuple[OfferPlacement | None, int]], list[OfferDecision]] = _lists(self._offers)
        self.outcomes: Loader[tuple[int, int], Mapping[str, Outcomes]] = Loader(self._outcomes)
        self.webhook_payloads: Loader[tuple[int, int], str | None] = Loader(self._webhook_payloads)
        self.proofs: Loader[int, Counted | None] = _by_id(self._proofs)
        self.accounts: Loader[int, Account | None] = _by_id(self._accounts)
        self.decisions: Loader[tuple[int, OfferPlacement | None], list[OfferDecision | Refusal]] = _lists(
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
