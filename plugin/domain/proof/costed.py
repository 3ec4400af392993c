"""Whether enough costs are known to tell a margin, and what a missing one may hide.

Merchants state costs by and by, often of what sells best first. If a play moves customers to other goods, its orders
are covered more, or less, than the holdout's, and the margins of covered orders alone show an effect that is not there.
Therefore a margin is told only where nearly all is covered, and alike on both sides; and its interval takes each order
that is not covered for the worst: its margin lies between nothing and all that was paid (`Arm.most_margin`), and a
bound of the difference sets the least of one side against the most of the other. So the interval holds whatever the
missing costs are, as long as they are not more than what was paid.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from plugin.domain.proof.arms import WINDOW_DAYS, Arm

COVERED_AT_LEAST: Final = 0.95  # of the orders, and of what was paid, on each side
APART_AT_MOST: Final = 0.02


class Coverage(NamedTuple):
    """The share of orders, or of what was paid for them if that is less, whose goods' costs are all known: of those
    offered it, of those held out, of both. `why_not` says why there is no margin; None where there is."""

    offered: float
    held_out: float
    together: float | None
    why_not: str | None


def coverage(offered: Arm, held: Arm) -> Coverage:
    shares = _share(offered), _share(held)
    both = offered + held
    return Coverage(*shares, _share(both) if both.orders else None, _why_not(both, *shares))


def _share(arm: Arm) -> float:
    """1 where nothing was ordered: nothing is missing."""
    of_orders = arm.covered / arm.orders if arm.orders else 1.0
    of_revenue = arm.covered_revenue / arm.revenue if arm.revenue > 0 else 1.0
    return max(0.0, min(of_orders, of_revenue))


def _why_not(both: Arm, offered: float, held: float) -> str | None:
    if not both.orders:
        return f"None of its customers has ordered within {WINDOW_DAYS} days yet, so there is no margin."
    if not both.covered:
        return "There is no order in this comparison of which all unit costs are known."
    said = (
        f"All unit costs are known of {offered:.1%} of the orders (by number, or by what was paid if that is less) of"
        f" those offered it, and of {held:.1%} of those held out; "
    )
    if min(offered, held) < COVERED_AT_LEAST:
        return f"{said}a margin needs {COVERED_AT_LEAST:.0%} on each side."
    if round(abs(offered - held), 9) > APART_AT_MOST:
        return (
            f"{said}they may lie {APART_AT_MOST * 100:.0f} percentage points apart at most, for what is missing on one"
            " side only would look like an effect."
        )
    return None
