"""The Admin GraphQL API, sans I/O: what is sent, and what each answer means.

Recorded facts behind the rules: answers are HTTP 200 whatever went wrong, THROTTLED included; refused documents carry
neither `data` nor a cost block; a field that may not be read is null beside good data, with an entry in `errors`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from plugin.errors import ShopAccessError, ShopError, ShopRefusedError, ShopUnavailableError

Json = Mapping[str, Any]
TOKEN_HEADER: Final = "X-Shopify-Access-Token"  # noqa: S105 - a header's name
LONGEST_RETRY_AFTER: Final = 60.0  # seconds; a longer wish is for the job that called, not for a held call
_LONGEST_MESSAGE: Final = 300
DENIED: Final = "ACCESS_DENIED"
_RETIRED: Final = {
    402: "is frozen until its bill is paid",
    403: "does not let this app in",
    404: "is not there any more",
    423: "is locked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One document with its variables. `points`: what to reserve of the shop's bucket until its real price is known.
    `repeatable` False: sent again only when the shop cannot have carried it out."""

    name: str
    document: str
    variables: Json = dataclasses.field(default_factory=dict)
    points: float = 10.0
    repeatable: bool = True

    def body(self) -> bytes:
        return msgspec.json.encode({"query": self.document, "variables": self.variables})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`extensions.cost`, in points; `available` is after this call."""

    requested: float
    maximum: float
    available: float
    restore_rate: float  # points a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`data` may be partial: `errors` say what is missing from it and why."""

    data: Json
    errors: tuple[Json, ...]
    cost: Cost | None

    def field(self, name: str) -> Any:  # noqa: ANN401 - what the shop put there
        """A root field. Null with an error about it raises that error; null without one is None."""
        value = self.data.get(name)
        about = [error for error in self.errors if _root(error) in {None, name}]
        if value is None and about:
            raise _refusal(about)
        return value


class ThrottledError(ShopUnavailableError):
    """The bucket is empty: nothing was done. `retry_after` seconds when the shop said so."""

    def __init__(self, retry_after: float | None = None, cost: Cost | None = None) -> None:
        super().__init__(
            "The shop throttles this app for longer than this piece of work can wait; it will be tried again."
        )
        self.retry_after = retry_after
        self.cost = cost


class UncertainError(ShopUnavailableError):
    """No readable answer: whether the shop carried the call out is not known."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(f"The shop {what}; it will be tried again.")
        self.retry_after = retry_after


class TokenRefusedError(ShopAccessError):
    """HTTP 401: a new token may mend it, once."""


def read_reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """Raises the error that `status` or `body` means; `headers` with lower-case names or any case-blind mapping."""
    _check_status(status, headers)
    content = _decoded(body)
    cost = _cost(content.get("extensions"))
    errors = content.get("errors")
    if isinstance(errors, str):
        raise ShopRefusedError(f"The shop refused the call: {clip(errors)}")
    found = _objects(errors)
    if any(code_of(error) == "THROTTLED" for error in found):
        raise ThrottledError(cost=cost)
    _check_search(content.get("extensions"))
    data = content.get("data")
    if not isinstance(data, dict):
        raise _refusal(found)
    return Reply(data=data, errors=found, cost=cost)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, bounded; None when absent or not a plain number (the platform writes "2.0")."""
    text = headers.get("retry-after", "")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return None
    return min(float(text), LONGEST_RETRY_AFTER)


def user_errors(payload: object) -> tuple[str, ...]:
    """The messages of a payload's `userErrors`, with the field each is about."""
    return tuple(
        _user_error(error) for error in _objects(payload.get("userErrors") if isinstance(payload, dict) else None)
    )


def payload_of(reply: Reply, name: str) -> Json:
    """A mutation's payload. Raises ShopRefusedError with its `userErrors`."""
    payload = reply.field(name)
    refused = user_errors(payload)
    if refused or not isinstance(payload, dict):
        raise ShopRefusedError(f"The shop refused {name}: {'; '.join(refused) or 'no payload'}")
    return payload


def code_of(error: Json) -> str:
    """The code of an entry of `errors`; empty when it has none."""
    extensions = error.get("extensions")
    return str(extensions.get("code", "")) if isinstance(extensions, dict) else ""


def clip(text: str) -> str:
    """The shop's own words, short enough for a log and a table."""
    return " ".join(text.split())[:_LONGEST_MESSAGE]


def _check_status(status: int, headers: Mapping[str, str]) -> None:
    if status == 200:  # noqa: PLR2004 - HTTP
        return
    if status == 429:  # noqa: PLR2004
        raise ThrottledError(retry_after(headers))
    if status == 401:  # noqa: PLR2004
        raise TokenRefusedError("The shop does not accept this app's access token any more.")
    if status in _RETIRED:
        raise ShopAccessError(f"The shop {_RETIRED[status]} (HTTP {status}).")
    if status >= 500 or status in {408, 425, 430}:  # noqa: PLR2004
        raise UncertainError(f"answered HTTP {status}", retry_after(headers))
    if 300 <= status < 400:  # noqa: PLR2004
        raise ShopRefusedError(f"The shop answered with a redirect (HTTP {status}); it is not followed with a token.")
    raise ShopRefusedError(f"The shop refused the call (HTTP {status}).")


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UncertainError("sent something else than JSON, or only a part of it") from None
    if not isinstance(content, dict):
        raise UncertainError("sent something else than a GraphQL answer")
    return content


def _refusal(errors: Sequence[Json]) -> ShopError:
    said = "; ".join(clip(str(error.get("message", ""))) for error in errors[:3]) or "neither data nor errors came"
    codes = {code_of(error) for error in errors}
    if DENIED in codes:
        return ShopAccessError(f"The shop has not granted what this needs: {said}")
    if not errors or codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return UncertainError(f"failed inside: {said}")
    return ShopRefusedError(f"The shop refused the call: {said}")


def _objects(value: object) -> tuple[Json, ...]:
    return tuple(each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _root(error: Json) -> str | None:
    """The root field an error is about; None when it does not say."""
    path = error.get("path")
    return str(path[0]) if isinstance(path, list) and path else None


def _check_search(extensions: object) -> None:
    """A search term the shop does not know is dropped with a warning, and more rows come than were asked for."""
    searches = extensions.get("search") if isinstance(extensions, dict) else None
    for search in _objects(searches):
        for warning in _objects(search.get("warnings")):
            raise ShopRefusedError(f"The shop ignored a part of a search: {clip(str(warning.get('message')))}")


def _cost(extensions: object) -> Cost | None:
    cost = extensions.get("cost") if isinstance(extensions, dict) else None
    status = cost.get("throttleStatus") if isinstance(cost, dict) else None
    if not isinstance(cost, dict) or not isinstance(status, dict):
        return None
    numbers = [cost.get("requestedQueryCost")]
    numbers += [status.get(name) for name in ("maximumAvailable", "currentlyAvailable", "restoreRate")]
    if not all(isinstance(number, int | float) and math.isfinite(number) and number >= 0 for number in numbers):
        return None
    requested, maximum, available, rate = (float(number) for number in numbers if number is not None)
    return Cost(requested=requested, maximum=maximum, available=available, restore_rate=rate)


def _user_error(error: Json) -> str:
    field = error.get("field")
    where = ".".join(str(part) for part in field) if isinstance(field, list) else ""
    message = clip(str(error.get("message", "")))
    return f"{where}: {message}" if where else message
