"""Exact money: `Decimal` in Python, an integer of ten-thousandths in the store.

The two databases do not agree on decimal columns, and SQLite compares them as text, so amounts are kept scaled by
10^4 (every ISO 4217 currency has at most four decimals). Amounts finer than that are rounded half to even, once, here.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

SCALE = 10_000
_QUANTUM = Decimal("0.0001")
# Half of the 64-bit range: sums of many orders stay inside it.
_LARGEST = 2**62


def to_scaled(amount: Decimal) -> int:
    """Ten-thousandths of `amount`. Raises ValueError for NaN, infinities and amounts beyond 4.6e14."""
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount of money")
    scaled = int(amount.quantize(_QUANTUM, rounding=ROUND_HALF_EVEN).scaleb(4)) if abs(amount) < _LARGEST else _LARGEST
    if abs(scaled) >= _LARGEST:
        raise ValueError(f"{amount} is larger than any amount Rebloom keeps")
    return scaled


def parse_amount(text: str) -> int:
    """`"12.5"` as the shop writes it → 125000. Raises ValueError."""
    try:
        return to_scaled(Decimal(text))
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of money") from None


def from_scaled(scaled: int) -> Decimal:
    """125000 → Decimal("12.5000")."""
    return Decimal(scaled).scaleb(-4)


def amount_text(scaled: int) -> str:
    """As Shopify writes money: 125000 → "12.5", 120000 → "12.0"."""
    text = f"{from_scaled(scaled):f}".rstrip("0")
    return text + "0" if text.endswith(".") else text
