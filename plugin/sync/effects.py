"""What applying a delivery is made of: what a topic's handler has to work with, and what it gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from plugin.ledger.database import Session
from plugin.ledger.inbox import Waiting
from plugin.ledger.store import Store
from plugin.ports import ShopGateway


@dataclass(frozen=True, slots=True)
class Outcome:
    """The customers whose facts may have changed; a note when there is something to say."""

    changed: frozenset[int] = frozenset()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """`gateway` None: the shop cannot be asked. `now`: epoch microseconds. `folder`: where its exports stand."""

    store: Store
    shop_id: int
    gateway: ShopGateway | None
    now: int
    folder: Path | None = None


Effect = Callable[[Session], Awaitable[Outcome]]  # inside the transaction that ends the delivery
Handler = Callable[[Work, Waiting], Awaitable[Effect]]  # whatever asks the shop comes before it


def body_of(delivery: Waiting) -> bytes:
    return delivery.body or b""


async def nothing(_: Work, __: Waiting) -> Effect:
    async def effect(_: Session) -> Outcome:
        return Outcome(note="nothing to do for this topic")

    return effect
