"""All the network: Admin calls, token requests, downloads and uploads over httpx. What is said stands in `protocol.py`.

No request follows a redirect: httpx would hand the access token on to whatever host it names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, Protocol
from urllib.parse import urlsplit

import httpx

from integrations.shopify import oauth, protocol, sdk
from integrations.shopify.pacing import Bucket, NotSentError, Pace, with_retries
from integrations.shopify.protocol import Call, Cost, Reply, TokenRefusedError, UncertainError
from integrations.shopify.silence import Silence, Tries
from plugin.errors import ShopError, ShopRefusedError, ShopUnavailableError
from plugin.metrics import SHOP_CALLS
from plugin.settings import Settings

_CONNECT: Final = 5.0  # seconds
_READ: Final = 30.0  # between two pieces of an answer
_LARGEST_REPLY: Final = 64 * 2**20
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a call is made with."""

    domain: str
    token: str

    def __repr__(self) -> str:
        return f"Access({self.domain!r})"


class Tokens(Protocol):
    """Where a shop's access token comes from, and who is told when it is refused."""

    async def current(self) -> Access:
        """A token that should be good. Raises ShopAccessError when the shop has withdrawn."""
        ...

    async def renew(self, refused: Access) -> Access:
        """Another token than the refused one. Raises ShopAccessError when there is none to be had."""
        ...

    async def lost(self, refused: Access) -> None:
        """The renewed token was refused too: nothing more is to be sent to this shop."""
        ...


def new_http(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The connections of one process, to be closed by whoever asked for them."""
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(_READ, connect=_CONNECT),
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        follow_redirects=False,
        trust_env=not settings.loopback_shops,  # a proxy from the environment cannot reach the dev shop
        headers={"User-Agent": "Rebloom", "Accept": "application/json"},
    )


class AdminClient:
    """Admin GraphQL of one shop: paced, retried, one renewal of the token when it is refused. `bucket` and `silence`
    are the shop's, whoever calls."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        tokens: Tokens,
        bucket: Bucket,
        pace: Pace,
        *,
        silence: Silence | None = None,
    ) -> None:
        self.http, self.pace = http, pace
        self.loopback = settings.loopback_shops
        self.wait_for, self.calls_at_once = bucket.wait_for, bucket.calls_at_once
        self._tokens, self._bucket, self._silence = tokens, bucket, silence or Silence(Tries())
        self._shop_base = settings.shop_base
        self._path = sdk.api_path(settings.api_version) + "/graphql.json"

    async def run(self, call: Call) -> Reply:
        """Raises ShopUnavailableError, ShopAccessError or ShopRefusedError; partial data is kept in the reply."""

        async def once(deadline: float) -> Reply:
            access = await self._tokens.current()
            try:
                return await self._paid(call, access, deadline)
            except TokenRefusedError:
                access = await self._tokens.renew(access)
            try:
                return await self._paid(call, access, deadline)
            except TokenRefusedError:
                await self._tokens.lost(access)
                raise

        return await self._silence.broken(
            lambda: with_retries(once, self.pace, repeatable=call.repeatable),
            lambda: once(self.pace.clock() + self.pace.budget),
            repeatable=call.repeatable,
        )

    async def _paid(self, call: Call, access: Access, deadline: float) -> Reply:
        price = await self._bucket.reserve(call, deadline)
        cost: Cost | None = None
        try:
            reply = await self._send(call, access)
            cost = reply.cost
            SHOP_CALLS.labels("answered").inc()
        except protocol.ThrottledError as throttled:
            cost = throttled.cost
            SHOP_CALLS.labels("throttled").inc()
            raise
        except ShopError:
            SHOP_CALLS.labels("failed").inc()
            raise
        finally:
            self._bucket.settle(call, price, cost)
        return reply

    async def _send(self, call: Call, access: Access) -> Reply:
        headers = {protocol.TOKEN_HEADER: access.token, "Content-Type": "application/json"}
        request = self.http.build_request(
            "POST", self._shop_base(access.domain) + self._path, content=call.body(), headers=headers
        )
        return protocol.read_reply(*await exchange(self.http, request, self.pace))


async def exchange(http: httpx.AsyncClient, request: httpx.Request, pace: Pace) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of one try. Raises NotSentError or UncertainError."""
    try:
        async with asyncio.timeout(pace.attempt):
            response = await http.send(request, stream=True)
            try:
                return response.status_code, response.headers, await _bounded(response)
            finally:
                await response.aclose()
    except _NOT_SENT:
        raise NotSentError from None
    except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
        raise UncertainError(f"did not answer in full ({type(error).__name__})") from None


async def _bounded(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > _LARGEST_REPLY:
            raise ShopRefusedError(f"The shop's answer is larger than {_LARGEST_REPLY} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


async def ask_token(
    http: httpx.AsyncClient, url: str, form: Mapping[str, str], *, now: datetime, pace: Pace, repeatable: bool
) -> oauth.TokenGrant:
    """One token request, tried inside the budget; a code (`repeatable` False) only while it cannot have arrived."""

    async def once(_deadline: float) -> oauth.TokenGrant:
        request = http.build_request("POST", url, data=dict(form))
        status, _, body = await exchange(http, request, pace)
        return oauth.read_token_reply(status, body, now)

    return await with_retries(once, pace, repeatable=repeatable)


@asynccontextmanager
async def download(http: httpx.AsyncClient, url: str, *, loopback: bool) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of a file as they come, asked for without a token."""
    _check_file_url(url, loopback=loopback)
    try:
        async with http.stream("GET", url) as response:
            _check_file_status(response.status_code)
            yield _pieces(response)
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise ShopUnavailableError(f"A download from the shop failed ({type(error).__name__}).") from None


async def upload(
    http: httpx.AsyncClient, url: str, fields: Mapping[str, str], file: IO[bytes], *, loopback: bool
) -> None:
    """A staged upload: the signed form fields first, the file last."""
    _check_file_url(url, loopback=loopback)
    try:
        response = await http.post(url, data=dict(fields), files={"file": ("variables.jsonl", file, "text/jsonl")})
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise ShopUnavailableError(f"An upload to the shop failed ({type(error).__name__}).") from None
    if not response.is_success:
        _check_file_status(response.status_code)


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in response.aiter_bytes():
            yield piece
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise ShopUnavailableError(f"A download from the shop was cut off ({type(error).__name__}).") from None


def _check_file_url(url: str, *, loopback: bool) -> None:
    """Any https address (the platform keeps files at storage of its own); http only on this machine, for a dev shop."""
    try:
        parts = urlsplit(url)
        local = loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK
        fine = bool(parts.hostname) and "@" not in parts.netloc and (parts.scheme == "https" or local)
    except ValueError:
        fine = False
    if not fine:
        raise ShopRefusedError("The shop named a file at an address that is not https.")


def _check_file_status(status: int) -> None:
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP
        raise ShopUnavailableError(f"The shop's file store answered HTTP {status}.")
    if status != 200:  # noqa: PLR2004
        raise ShopRefusedError(f"The shop's file store refused the request (HTTP {status}); its addresses last 7 days.")
