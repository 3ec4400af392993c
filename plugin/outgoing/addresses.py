"""Where we may send what a merchant or partner tells us to: to public addresses, and to nothing that only we can reach.

https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html: a name is looked
up once, every address it has is judged, and the connection goes to an address that was, so that no second answer of the
name's server can lead inside.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from plugin.errors import RebloomError

Resolve = Callable[[str, int], Awaitable[list[str]]]
LONGEST_URL: Final = 2_000
_LOOKING_UP: Final = 5.0  # seconds
_NOWHERE: Final = "The host's name leads to no public address."
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# https://www.iana.org/assignments/ipv6-address-space: all that is routed. What is outside carries an IPv4 address
# (mapped, translated, NAT64) or is local.
_ROUTED: Final = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4",
        "168.63.129.16/32",  # what a machine of Azure asks of its host
        "2001::/32", "2002::/16",  # Teredo, 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)  # fmt: skip
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# A name's server that does not answer holds up a thread; never one that the rest of the app waits for.
_LOOKUPS: Final = ThreadPoolExecutor(16, thread_name_prefix="lookup")


class NotPublicError(RebloomError):
    """A name that leads to nothing, or to where we do not send."""

    code = "NOT_PUBLIC"


def is_public(address: str) -> bool:
    """Whether `address`, as text, can be reached by anybody. https://www.iana.org/assignments/iana-ipv4-special-registry
    and its sibling for IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found not in _ROUTED:
        return False
    inside = any(network.version == found.version and found in network for network in _NOT_PUBLIC)
    return found.is_global and not found.is_multicast and not inside


def fault_of(url: str, *, loopback: bool) -> str | None:
    """What is wrong with an endpoint's URL; None when it may be saved. `loopback`: this machine's own addresses are
    allowed, without TLS, as beside the dev shop."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "That is not a URL."
    if len(url) > LONGEST_URL or any(not "!" <= sign <= "~" or sign == "\\" for sign in url):
        return f"A URL has at most {LONGEST_URL:,} characters, printable ASCII, without spaces and backslashes."
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "A URL here has no name, password or fragment; put a secret into its path or query."
    if loopback and host in _LOOPBACK:
        return None if parts.scheme in {"http", "https"} else "Use http or https."
    if parts.scheme != "https":
        return "Use https, so that what is told of customers cannot be read on its way."
    labels = host.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "A host's name has letters, digits and hyphens between its dots."
    if len(labels) < 2 or not labels[-1].isalpha() or labels[-1] in {"local", "localhost", "internal"}:  # noqa: PLR2004
        return "Name a public host, such as hooks.example.com; addresses and local names are not sent to."
    return None


async def resolved(host: str, port: int) -> list[str]:
    """Every address of a name, in the order in which the system would try them (RFC 6724)."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def addresses_for(host: str, port: int, *, loopback: bool, resolve: Resolve = resolved) -> list[str]:
    """The addresses to connect to, in their order. Raises NotPublicError when the name has none, or any that is not
    public; always with the same words, so that nobody learns which names there are inside."""
    try:
        async with asyncio.timeout(_LOOKING_UP):
            found = await resolve(host, port)
    except (OSError, TimeoutError, UnicodeError):
        raise NotPublicError(_NOWHERE) from None
    allowed = host in _LOOPBACK and loopback
    if not found or not all(allowed or is_public(address) for address in found):
        raise NotPublicError(_NOWHERE)
    return found
