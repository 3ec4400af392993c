"""Who gets nothing from a play, so that what it brings can be measured.

The draw is a hash of shop, play and customer and of nothing else: the same in any process, never stored, fixed before
any offer is decided. Raising a play's share only adds customers to its holdout, lowering it only lets some go.
"""

from __future__ import annotations

import hashlib
from typing import Final

from plugin.domain.plays.play import SHARE_SCALE

_WIDTH: Final = 8  # bytes


def draw(shop_id: int, play: str, customer_id: int) -> int:
    """A number from 0 to 2^64 - 1, even over customers and independent between plays."""
    text = f"holdout/{shop_id}/{play}/{customer_id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=_WIDTH).digest())


def is_held_out(shop_id: int, play: str, customer_id: int, share: int) -> bool:
    """Whether the customer is among the `share` ten-thousandths who get nothing."""
    return draw(shop_id, play, customer_id) * SHARE_SCALE < share << (8 * _WIDTH)
