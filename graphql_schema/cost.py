"""The leaky buckets that the points of `graphql_schema/price.py` come out of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import floor
from typing import Final

_BUCKETS_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket that holds `size` points and regains `restore` of them a second."""

    size: int
    restore: int


MERCHANT_RATE: Final = Rate(size=10_000, restore=500)
STOREFRONT_RATE: Final = Rate(size=1_000, restore=50)


@dataclass(slots=True)
class _Bucket:
    level: float
    seen: float


@dataclass(slots=True)
class Buckets:
    """The buckets of this process, one for each (shop, credential). `clock` is monotonic seconds."""

    rate: Rate
    clock: Callable[[], float]
    _kept: OrderedDict[Hashable, _Bucket] = field(default_factory=OrderedDict)

    def take(self, key: Hashable, points: int) -> bool:
        """Take `points`, or nothing when there are fewer."""
        bucket = self._filled(key)
        if bucket.level < points:
            return False
        bucket.level -= points
        return True

    def give_back(self, key: Hashable, points: int) -> None:
        bucket = self._filled(key)
        bucket.level = min(self.rate.size, bucket.level + points)

    def status(self, key: Hashable) -> dict[str, int]:
        return {
            "maximumAvailable": self.rate.size,
            "currentlyAvailable": floor(self._filled(key).level),
            "restoreRate": self.rate.restore,
        }

    def _filled(self, key: Hashable) -> _Bucket:
        now = self.clock()
        bucket = self._kept.get(key)
        if bucket is None:
            bucket = self._kept[key] = _Bucket(self.rate.size, now)
            if len(self._kept) > _BUCKETS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        bucket.level = min(self.rate.size, bucket.level + max(0.0, now - bucket.seen) * self.rate.restore)
        bucket.seen = now
        return bucket
