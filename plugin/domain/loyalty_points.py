"""The points of one customer as a ledger, told anew from facts: the same whatever the order in which they came.

An order earns a lot of points. What is refunded takes back from its own lot; where those points were spent already it
is owed, and paid by other points, now or when they are earned. Points that expired cannot be taken back again. Spending
takes from the lot that expires first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from plugin.domain.instants import FOREVER
from plugin.domain.loyalty import LoyaltyProgram
from plugin.domain.offers import DAY_US


class EntryKind(StrEnum):
    EARNED = "EARNED"
    REFERRAL = "REFERRAL"
    TAKEN_BACK = "TAKEN_BACK"
    EXPIRED = "EXPIRED"
    SPENT = "SPENT"


# At one instant: what is earned comes before what is taken.
_RANK: Final = {kind: rank for rank, kind in enumerate(EntryKind)}


@dataclass(frozen=True, slots=True)
class EarningOrder:
    """A counted order: money in ten-thousandths; `refunds` are (instant, amount)."""

    id: int
    at: int
    total: int
    refunds: tuple[tuple[int, int], ...] = ()
    voided_at: int | None = None


class Gift(NamedTuple):
    """Points for a friend's first order. `id` is the friend."""

    id: int
    at: int
    points: int


class Spend(NamedTuple):
    id: int
    at: int
    points: int


class Entry(NamedTuple):
    """`points` is signed; `source` the order, friend or spend it comes from; `balance` after it, below 0 while points
    are owed."""

    at: int
    kind: EntryKind
    points: int
    source: int
    balance: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """`next_at`: when points expire next; None when none will."""

    entries: tuple[Entry, ...]
    balance: int
    next_at: int | None

    @property
    def spendable(self) -> int:
        return max(self.balance, 0)


@dataclass(slots=True)
class _Lot:
    source: int
    expires_at: int
    left: int
    expired: int = 0


@dataclass(slots=True)
class _Books:
    lots: dict[tuple[EntryKind, int], _Lot] = field(default_factory=dict)
    owed: int = 0
    entries: list[Entry] = field(default_factory=list)

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots.values()) - self.owed

    def put(self, at: int, kind: EntryKind, points: int, source: int) -> None:
        if points:
            self.entries.append(Entry(at, kind, points, source, self.balance))

    def use(self, points: int) -> None:
        """From the lot that expires first; what is not there is owed."""
        for lot in sorted(self.lots.values(), key=lambda lot: (lot.expires_at, lot.source)):
            part = min(lot.left, points)
            lot.left -= part
            points -= part
        self.owed += points

    def settle(self) -> None:
        owed, self.owed = self.owed, 0
        self.use(owed)


class _Event(NamedTuple):
    at: int
    rank: int
    source: int
    kind: EntryKind
    points: int  # earned or spent; of a refund what the order is worth from then on


def _turn(event: _Event) -> tuple[int, int, int, int]:
    """Of two refunds at one instant, the one that leaves more comes first."""
    return event.at, event.rank, event.source, -event.points


def ledger(
    program: LoyaltyProgram, orders: Iterable[EarningOrder], gifts: Iterable[Gift], spends: Iterable[Spend], *, now: int
) -> Ledger:
    """As of `now`, epoch microseconds."""
    books, worth = _Books(), dict[int, int]()
    for event in sorted(_events(program, orders, gifts, spends, now), key=_turn):
        _expire(books, event.at)
        match event.kind:
            case EntryKind.EARNED | EntryKind.REFERRAL:
                books.lots[event.kind, event.source] = _Lot(event.source, _ends(program, event.at), event.points)
                if event.kind is EntryKind.EARNED:
                    worth[event.source] = event.points
                books.settle()
                books.put(event.at, event.kind, event.points, event.source)
            case EntryKind.TAKEN_BACK:
                _take_back(books, event, worth)
            case _:
                books.use(event.points)
                books.put(event.at, EntryKind.SPENT, -event.points, event.source)
    _expire(books, now)
    ends = [lot.expires_at for lot in books.lots.values() if lot.left and lot.expires_at < FOREVER]
    return Ledger(tuple(books.entries), books.balance, min(ends, default=None))


def _events(
    program: LoyaltyProgram, orders: Iterable[EarningOrder], gifts: Iterable[Gift], spends: Iterable[Spend], now: int
) -> list[_Event]:
    events = []
    for order in orders:
        steps = [(order.at, EntryKind.EARNED, program.points_for(order.total))]
        net = order.total
        for at, amount in sorted(order.refunds):
            net -= amount
            steps.append((max(at, order.at), EntryKind.TAKEN_BACK, program.points_for(net)))
        if order.voided_at is not None:
            steps.append((max(order.voided_at, order.at), EntryKind.TAKEN_BACK, 0))
        events += [_Event(at, _RANK[kind], order.id, kind, points) for at, kind, points in _lowest(steps)]
    kinds: Sequence[tuple[EntryKind, Iterable[Gift | Spend]]] = (
        (EntryKind.REFERRAL, gifts), (EntryKind.SPENT, spends),
    )  # fmt: skip
    events += [_Event(each.at, _RANK[kind], each.id, kind, each.points) for kind, many in kinds for each in many]
    return [event for event in events if event.at <= now]


def _lowest(steps: list[tuple[int, EntryKind, int]]) -> list[tuple[int, EntryKind, int]]:
    """In time, each step worth no more than the one before: what was voided is not worth something again."""
    ordered, worth = sorted(steps[1:], key=lambda step: (step[0], -step[2])), steps[0][2]
    lowered = [steps[0]]
    for at, kind, points in ordered:
        worth = min(worth, points)
        lowered.append((at, kind, worth))
    return lowered


def _take_back(books: _Books, event: _Event, worth: dict[int, int]) -> None:
    lot = books.lots[EntryKind.EARNED, event.source]
    points = worth[event.source] - event.points
    worth[event.source] = event.points
    before = books.balance
    part = min(lot.left, points)
    lot.left -= part
    points -= part
    lost = min(lot.expired, points)  # gone already
    lot.expired -= lost
    books.use(points - lost)
    books.put(event.at, EntryKind.TAKEN_BACK, books.balance - before, event.source)


def _expire(books: _Books, until: int) -> None:
    """Lots that end at `until` or before, each at its own time."""
    for lot in sorted(books.lots.values(), key=lambda lot: (lot.expires_at, lot.source)):
        if lot.left and lot.expires_at <= until:
            points, lot.left = lot.left, 0
            lot.expired += points
            books.put(lot.expires_at, EntryKind.EXPIRED, -points, lot.source)


def _ends(program: LoyaltyProgram, at: int) -> int:
    return FOREVER if program.expire_days is None else at + program.expire_days * DAY_US
