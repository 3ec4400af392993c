"""When a webhook of ours is tried again, and when its endpoint is given up."""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60
HOUR: Final = 3_600
# Seconds from one attempt to the next: ten attempts in a little over three days.
WAITS: Final = (
    MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
OFF_AFTER: Final = 5 * 24 * HOUR  # seconds of nothing but failure
_SPREAD: Final = 0.1
_PARTS: Final = 1_000


def wait_after(attempts: int, seed: int) -> float | None:
    """Seconds until the next attempt after `attempts` that failed; None when there is none. `seed`, the delivery's own
    number, spreads deliveries that failed together over a tenth of the wait."""
    if attempts > len(WAITS):
        return None
    return WAITS[attempts - 1] * (1 + _SPREAD * (seed * 7919 % _PARTS) / _PARTS)
