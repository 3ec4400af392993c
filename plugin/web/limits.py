"""How much each kind of request may take: the one table, and the meter that says when somebody asks too often.

The proxy in `deploy/nginx.conf` has the same limits; these hold without it, too.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Often:
    """`burst` requests at once, and `a_second` more each second."""

    a_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Requests that share a bound. `body` in bytes, times in seconds; `running` at once, `queued` behind them for at
    most `patience`. `address` and `credential` None: not counted."""

    name: str
    body: int
    body_within: float = 15.0
    within: float = 40.0
    running: int = 32
    queued: int = 256
    patience: float = 5.0
    address: Often | None = None
    credential: Often | None = None


OPERATIONS: Final = Lane(name="operations", body=0, within=10, running=64, queued=256)
PAGES: Final = Lane(name="pages", body=64 * _KIB, within=90, running=64, address=Often(20, 200))
# Shops' storefronts and webhooks come from few addresses of the platform, so addresses are not counted tightly there.
WEBHOOKS: Final = Lane(name="webhooks", body=16 * _KIB * _KIB, within=10, queued=2_000, patience=3)
GRAPHQL: Final = Lane(name="graphql", body=1_000_000, address=Often(500, 2_000), credential=Often(200, 1_000))
STOREFRONT: Final = Lane(name="storefront", body=1_000_000, address=Often(500, 2_000))
TOUCHPOINTS: Final = Lane(
    name="touchpoints", body=128 * _KIB, within=15, running=16, queued=128, patience=3,
    address=Often(50, 300), credential=Often(500, 2_000),
)  # fmt: skip
MOST_BODIES: Final = 96 * _KIB * _KIB  # bytes of bodies of one lane held at once, in all
_OF_PATH: Final = {
    "/healthz": OPERATIONS, "/readyz": OPERATIONS, "/metrics": OPERATIONS, "/webhooks": WEBHOOKS, "/graphql": GRAPHQL,
    "/storefront/graphql": STOREFRONT, "/touchpoints": TOUCHPOINTS,
}  # fmt: skip


def lane_of(path: str) -> Lane:
    return _OF_PATH.get(path, PAGES)


@dataclass(slots=True)
class Meter:
    """Who asked how often, in this process: a leaky bucket per key, of which at most `most` are kept; those not seen
    for longest are forgotten first. `clock` is monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    most: int = 50_000
    _paid_until: OrderedDict[Hashable, float] = field(default_factory=OrderedDict)

    def wait(self, key: Hashable, often: Often) -> float:
        """0 and counted, or the seconds after which it may be asked again, and not counted."""
        now, step = self.clock(), 1 / often.a_second
        paid = max(self._paid_until.get(key, now), now)
        late = paid + step - now - often.burst * step
        if late > 1e-9:  # noqa: PLR2004 - a clock's rounding is no lateness
            return late
        self._paid_until[key] = paid + step
        self._paid_until.move_to_end(key)
        if len(self._paid_until) > self.most:
            self._paid_until.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        return len(self._paid_until)


def network_of(address: str) -> str:
    """What one client can change at will is one client: the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - IP's own
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)).network_address)
