"""Discount codes: which text a code has, and whose it is.

A text follows from a secret of the shop, so that nobody can guess one, and from the code's number, so that a code made
twice would be the same one: the shop takes each text once.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from plugin.domain.ids import LARGEST_ID

# No I and O, 0 and 1: read out over a phone, they would be taken for one another.
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_BITS: Final = 5
_GROUPS, _GROUP = 3, 4  # XXXX-XXXX-XXXX, 60 bits


def code_id(shop_id: int, customer_id: int, subject: str, generation: int) -> int:
    """The number of a customer's code for `subject` (a play, a coupon, referral), 1..2^63-1. The next generation begins
    when the one before was used."""
    text = f"code/{shop_id}/{customer_id}/{subject}/{generation}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) % LARGEST_ID + 1


def code_text(secret: str, shop_id: int, code: int, attempt: int = 0) -> str:
    """`attempt` counts texts that somebody else had."""
    seed = hmac.digest(secret.encode(), f"{shop_id}/{code}/{attempt}".encode(), "sha256")
    number = int.from_bytes(seed)
    letters = [_ALPHABET[number >> (_BITS * place) & (2**_BITS - 1)] for place in range(_GROUPS * _GROUP)]
    return "-".join("".join(letters[start : start + _GROUP]) for start in range(0, len(letters), _GROUP))


def folded(code: str) -> str:
    """Codes are one regardless of letter case (RECORDED.md, section 7)."""
    return code.strip().casefold()
