"""Did you mean: the name or value that was probably meant (segment-language.md, 9.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MOST_SUGGESTIONS: Final = 3
_LONG_NAME: Final = 8

ATTRIBUTE_ALIASES: Final = {
    "orders_count": ("number_of_orders",),
    "total_orders": ("number_of_orders",),
    "total_spent": ("amount_spent",),
    "tags": ("customer_tags",),
    "country": ("customer_countries",),
    "city": ("customer_cities",),
    "province": ("customer_regions",),
    "state": ("customer_regions", "customer_account_status"),
    "created_at": ("customer_added_date",),
    "customer_since": ("customer_added_date",),
    "accepts_marketing": ("email_subscription_status",),
    "email_marketing_state": ("email_subscription_status",),
    "accepts_sms_marketing": ("sms_subscription_status",),
    "email": ("customer_email_domain",),
    "ordered_product_tag": ("products_purchased MATCHES (tag = ...)",),
}
PARAMETER_ALIASES: Final = {"product_id": ("id",), "collection_id": ("id",)}


def attribute_suggestions(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    return ATTRIBUTE_ALIASES.get(name) or nearest(name, candidates)


def parameter_suggestions(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    known = tuple(candidates)
    aliases = tuple(alias for alias in PARAMETER_ALIASES.get(name, ()) if alias in known)
    return aliases or nearest(name, known)


def value_suggestions(value: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """Enum values in their quotes, compared without regard to case."""
    written = {candidate.casefold(): candidate for candidate in candidates}
    return tuple(f"'{written[name]}'" for name in nearest(value.casefold(), written))


def nearest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three, nearest first, then by name; none rather than a far guess."""
    limit = 2 if len(name) >= _LONG_NAME else 1
    scored = (
        (distance(name, candidate), candidate) for candidate in candidates if _may_be_near(name, candidate, limit)
    )
    return tuple(candidate for steps, candidate in sorted(scored) if steps <= limit)[:MOST_SUGGESTIONS]


def _may_be_near(name: str, candidate: str, limit: int) -> bool:
    return abs(len(name) - len(candidate)) <= limit


def distance(left: str, right: str) -> int:
    """Damerau-Levenshtein: letters inserted, left out, changed, or two neighbours swapped (each pair once)."""
    before_last: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        row = [i]
        for j, b in enumerate(right, start=1):
            steps = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                steps = min(steps, before_last[j - 2] + 1)
            row.append(steps)
        before_last, last = last, row
    return last[-1]
