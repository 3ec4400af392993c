"""Single values of the shop's statements: ids, money, instants and texts, bounded to what the store can hold.

Each reader raises ValueError saying what is wrong; whoever reads a whole statement turns that into BadStatementError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from plugin.domain.ids import LARGEST_ID
from plugin.domain.instants import parse_instant
from plugin.domain.money import parse_amount, to_scaled
from plugin.errors import BadStatementError

S = TypeVar("S")
T = TypeVar("T")

Id = Annotated[int, Meta(ge=1, le=LARGEST_ID)]
Quantity = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

_CLEAN: Final = {0: None, **dict.fromkeys(range(0xD800, 0xE000))}
_NAME: Final = 255  # characters of the store's short texts
_DIGITS: Final = 19

amount_of = lru_cache(maxsize=100_000)(parse_amount)
instant_of = lru_cache(maxsize=20_000)(parse_instant)


def number_of(gid: str, prefix: str) -> int:
    """The number of `gid`, which begins with `prefix` (`gid://shopify/Order/`)."""
    digits = gid[len(prefix) :]
    if gid.startswith(prefix) and len(digits) <= _DIGITS and digits.isascii() and digits.isdigit():
        number = int(digits)
        if 0 < number <= LARGEST_ID:
            return number
    raise ValueError(f"{gid[:80]!r} is not an id of the form {prefix}1")


def numbers_of(gids: Sequence[str], prefix: str) -> list[int]:
    """`number_of` each, in a few passes over all of them."""
    rest = "".join(["\n" + gid for gid in gids]).replace("\n" + prefix, " ")
    digits = rest.replace(" ", "")
    if gids and (digits.isascii() and digits.isdigit()):
        numbers = list(map(int, rest[1:].split(" ")))
        if len(numbers) == len(gids) and min(numbers) > 0 and max(numbers) <= LARGEST_ID:
            return numbers
    return [number_of(gid, prefix) for gid in gids]


def scaled(amount: Decimal | str) -> int:
    return amount_of(amount) if isinstance(amount, str) else to_scaled(amount)


def instant_or_none(text: str | None) -> int | None:
    return None if text is None else instant_of(text)


def clean(text: str) -> str:
    """`text` without NUL and halves of surrogate pairs, which one database would refuse."""
    return text.translate(_CLEAN) if "\0" in text or not text.isascii() else text


def short(text: str | None, limit: int = _NAME) -> str | None:
    """A text for a column of `limit` characters; None stays None."""
    return None if text is None else clean(text)[:limit]


def name(text: str | None, limit: int = _NAME) -> str:
    return short(text, limit) or ""


def upper(text: str | None, limit: int = 32) -> str | None:
    """An enum value in the spelling of GraphQL (REST writes it small)."""
    return clean(text)[:limit].upper() if text else None


def email_domain(email: str | None) -> str | None:
    return clean(email.rpartition("@")[2]).lower()[:_NAME] if email and "@" in email else None


def place(country: str | None, province: str | None, city: str | None) -> tuple[str | None, str | None, str | None]:
    """Country, region and city as the rule language writes them: `US`, `US-CA`, `US-CA-LosAngeles`."""
    if not country:
        return None, None, None
    country = clean(country)[:8]
    region = f"{country}-{clean(province)}"[:32] if province else None
    where = f"{region or country}-{''.join(clean(city).split())}"[:_NAME] if city else None
    return country, region, where


def describe(error: Exception) -> str:
    """What is wrong, without the statement itself: a decoder's message names the place, not the value."""
    return str(error)[:300] if not isinstance(error, RecursionError) else "it is nested too deeply"


def read_body(body: bytes, shape: type[S], fact: Callable[[S], T]) -> T:
    """What a webhook's `body` states. Raises BadStatementError."""
    try:
        return fact(msgspec.json.decode(body, type=shape))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadStatementError(f"This delivery cannot be read: {describe(error)}.") from None
