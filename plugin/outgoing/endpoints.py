"""Endpoints of webhooks that we send: made, changed, switched off and on, listed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from plugin.domain.events import EventKind
from plugin.errors import BadRequestError, ForbiddenError
from plugin.ledger.database import Database, Row, Session
from plugin.ledger.events import hold, last_told
from plugin.ledger.paging import Binder, PageRequest, keyset
from plugin.ledger.store import Store

MOST_ENDPOINTS: Final = 20  # of a shop
OLD_SECRET_SIGNS: Final = 24 * 3_600_000_000  # microseconds after a rotation
OLD_SECRETS: Final = 3  # that sign beside the newest
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"
REVOKED: Final = "The partner token that made it was revoked."
_SECRET_BYTES: Final = 24
_COLUMNS: Final = (
    "id", "url", "query", "kind", "scopes", "token_id", "created_at", "seen", "failing_since", "disabled_at",
    "disabled_why",
)  # fmt: skip
_DELIVERY: Final = (
    "endpoint_id", "number", "customer_id", "state", "attempts", "next_at", "last_at", "status", "error", "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`scopes`: what its payloads may hold. `token_id`: the partner token that made it; None for the merchant. Instants
    in epoch microseconds; `disabled_why` is for people."""

    id: int
    url: str
    query: str
    kind: EventKind
    scopes: frozenset[str]
    token_id: int | None
    created_at: int
    seen: int
    failing_since: int | None
    disabled_at: int | None
    disabled_why: str | None


class Delivery(NamedTuple):
    """What came of telling an endpoint an event; its payload is read apart."""

    endpoint_id: int
    number: int
    customer_id: int | None
    state: str
    attempts: int
    next_at: int | None
    last_at: int | None
    status: int | None
    error: str | None
    created_at: int


class Letter(NamedTuple):
    """`secrets`: those that sign, the newest first. `payload`: None where the delivery is gone, or done."""

    url: str
    secrets: list[str]
    payload: str | None
    attempts: int


async def endpoints_of(store: Store, shop_id: int, *, token_id: int | None = None) -> list[Endpoint]:
    """All of a shop, oldest first, or those that one partner token made."""
    mine, values = ("", ()) if token_id is None else (" AND token_id = $2", (token_id,))
    rows = await store.database.fetch(
        f"SELECT {', '.join(_COLUMNS)} FROM webhook_endpoints WHERE shop_id = $1{mine} ORDER BY id", shop_id, *values
    )
    return [_endpoint(store, row) for row in rows]


async def listens(database: Database, shop_id: int) -> bool:
    """Whether any endpoint of the shop is on."""
    found = "SELECT 1 FROM webhook_endpoints WHERE shop_id = $1 AND disabled_at IS NULL LIMIT 1"
    return bool(await database.fetch(found, shop_id))


async def is_waiting(database: Database, shop_id: int, *, now: int) -> bool:
    """Whether an endpoint is to be told something, now."""
    return bool(
        await database.fetch(
            "SELECT 1 FROM webhook_endpoints e WHERE e.shop_id = $1 AND e.disabled_at IS NULL AND ("
            " e.seen < (SELECT h.told FROM event_heads h WHERE h.shop_id = $1)"
            " OR EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.shop_id = $1 AND d.endpoint_id = e.id"
            f" AND d.state = '{PENDING}' AND d.next_at <= $2)) LIMIT 1",
            shop_id, now,
        )
    )  # fmt: skip


async def create_endpoint(
    store: Store, shop_id: int, *, url: str, query: str, kind: EventKind, scopes: frozenset[str], token_id: int | None,
    now: int,
) -> tuple[Endpoint, str]:  # fmt: skip
    """The endpoint, which is told what comes true from now on, and its secret, never to be seen again. Raises
    BadRequestError when the shop has as many as it may have, ForbiddenError when the token was revoked meanwhile."""
    secret = new_secret()
    async with store.database.transaction() as session:
        seen = await hold(session, shop_id)
        if token_id is not None and await is_revoked(session, shop_id, token_id):
            raise ForbiddenError(REVOKED)
        [(count,)] = await session.fetch("SELECT COUNT(*) FROM webhook_endpoints WHERE shop_id = $1", shop_id)
        if count >= MOST_ENDPOINTS:
            raise BadRequestError(f"A shop has at most {MOST_ENDPOINTS} endpoints; delete one that is not needed.")
        [row] = await session.fetch(
            "INSERT INTO webhook_endpoints (shop_id, id, url, query, kind, scopes, token_id, secret, created_at, seen)"
            # Never the number of one that was: what is under way for that one, and what its receiver remembers, is not
            # this one's.
            " SELECT $1, CASE WHEN MAX(id) >= $8 THEN MAX(id) + 1 ELSE $8 END, $2, $3, $4, $5, $6, $7, $8, $9"
            f" FROM webhook_endpoints WHERE shop_id = $1 RETURNING {', '.join(_COLUMNS)}",
            shop_id, store.vault.seal(url), query, str(kind), ",".join(sorted(scopes)), token_id,
            store.vault.seal(secret), now, seen,
        )  # fmt: skip
    return _endpoint(store, row), secret


async def change_endpoint(store: Store, shop_id: int, endpoint_id: int, changes: dict[str, Any]) -> Endpoint | None:
    """With `disabled_at` None among the changes it is on again, and is told what comes true from then on. None where
    there is no such endpoint."""
    if "disabled_at" in changes and changes["disabled_at"] is None:
        seen = await last_told(store.database, shop_id)
        changes = {**changes, "disabled_why": None, "failing_since": None, "seen": seen}
    if "url" in changes:
        changes = {**changes, "url": store.vault.seal(changes["url"]), "failing_since": None}
    names = sorted(changes)
    sets = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, start=3))
    async with store.database.transaction() as session:
        rows = await session.fetch(
            f"UPDATE webhook_endpoints SET {sets} WHERE shop_id = $1 AND id = $2 RETURNING {', '.join(_COLUMNS)}",
            shop_id, endpoint_id, *(changes[name] for name in names),
        )  # fmt: skip
    return _endpoint(store, rows[0]) if rows else None


async def delete_endpoint(store: Store, shop_id: int, endpoint_id: int) -> bool:
    """With its deliveries; False where there is none."""
    async with store.database.transaction() as session:
        gone = await session.execute(  # first: whoever makes deliveries holds its row, and is waited for
            "DELETE FROM webhook_endpoints WHERE shop_id = $1 AND id = $2", shop_id, endpoint_id
        )
        await session.execute(
            "DELETE FROM webhook_deliveries WHERE shop_id = $1 AND endpoint_id = $2", shop_id, endpoint_id
        )
    return bool(gone)


async def rotate_secret(store: Store, shop_id: int, endpoint_id: int, *, now: int) -> str | None:
    """A new secret; for a day those that signed until now sign beside it, also when it is replaced within the day, so
    that a second call takes nothing from a receiver that knows the first. None where there is no such endpoint."""
    secret = new_secret()
    async with store.database.transaction() as session:
        rows = await session.fetch(  # writes, and so holds the row against another rotation
            "UPDATE webhook_endpoints SET old_secret = CASE WHEN old_until > $3 THEN old_secret END"
            " WHERE shop_id = $1 AND id = $2 RETURNING secret, old_secret",
            shop_id, endpoint_id, now,
        )  # fmt: skip
        if not rows:
            return None
        before = _opened(store, *rows[0])[:OLD_SECRETS]
        await session.execute(
            "UPDATE webhook_endpoints SET old_secret = $3, old_until = $4, secret = $5 WHERE shop_id = $1 AND id = $2",
            shop_id, endpoint_id, store.vault.seal(" ".join(before)), now + OLD_SECRET_SIGNS, store.vault.seal(secret),
        )  # fmt: skip
    return secret


def _opened(store: Store, *sealed: str | None) -> list[str]:
    """Secrets, of which one sealed text may hold several."""
    return [secret for text in sealed if text is not None for secret in store.vault.open(text).split(" ")]


async def letter_of(store: Store, shop_id: int, endpoint_id: int, number: int, *, now: int) -> Letter | None:
    """What is to be sent, as it stands at this moment; None where the endpoint is gone or off, its token revoked or the
    shop gone."""
    rows = await store.database.fetch(
        "SELECT e.url, e.secret, CASE WHEN e.old_until > $4 THEN e.old_secret END, d.payload, d.attempts"
        " FROM webhook_endpoints e LEFT JOIN webhook_deliveries d ON d.shop_id = e.shop_id AND d.endpoint_id = e.id"
        f" AND d.number = $3 AND d.state = '{PENDING}'"
        " WHERE e.shop_id = $1 AND e.id = $2 AND e.disabled_at IS NULL"
        " AND EXISTS (SELECT 1 FROM shops s WHERE s.id = e.shop_id AND s.status = 'installed')"
        " AND NOT EXISTS (SELECT 1 FROM partner_tokens t WHERE t.shop_id = e.shop_id AND t.id = e.token_id"
        " AND t.revoked_at IS NOT NULL)",
        shop_id, endpoint_id, number, now,
    )  # fmt: skip
    if not rows:
        return None
    url, secret, old_secret, payload, attempts = rows[0]
    opened = None if payload is None else store.vault.open(payload)
    return Letter(store.vault.open(url), _opened(store, secret, old_secret), opened, attempts or 0)


async def is_revoked(reader: Database | Session, shop_id: int, token_id: int) -> bool:
    """Whether a partner token is good no more."""
    found = "SELECT 1 FROM partner_tokens WHERE shop_id = $1 AND id = $2 AND revoked_at IS NOT NULL"
    return bool(await reader.fetch(found, shop_id, token_id))


async def deliveries_page(
    database: Database, shop_id: int, endpoint_id: int, state: str | None, page: PageRequest
) -> list[Delivery]:
    """The latest first."""
    bind = Binder([shop_id, endpoint_id])
    of_state = "" if state is None else f" AND state = {bind(state)}"
    condition, order = keyset(bind, ("number",), page, descending=True)
    rows = await database.fetch(
        f"SELECT {', '.join(_DELIVERY)} FROM webhook_deliveries WHERE shop_id = $1 AND endpoint_id = $2"
        f"{of_state}{condition} ORDER BY {order} LIMIT {bind(page.fetch)}",
        *bind.values,
    )
    return [Delivery(*row) for row in rows]


async def payloads_of(store: Store, shop_id: int, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """By (endpoint, number), as JSON."""
    found = {}
    for endpoint_id in {endpoint_id for endpoint_id, _ in keys}:
        bind = Binder([shop_id, endpoint_id])
        listed = bind.among(store.database, "number", [number for endpoint, number in keys if endpoint == endpoint_id])
        for number, sealed in await store.database.fetch(
            "SELECT number, payload FROM webhook_deliveries WHERE shop_id = $1 AND endpoint_id = $2"
            f" AND {listed}", *bind.values,
        ):  # fmt: skip
            found[endpoint_id, number] = store.vault.open(sealed)
    return found


async def send_again(store: Store, shop_id: int, endpoint_id: int, number: int, *, now: int) -> Delivery | None:
    """Put a delivery in line again, whatever came of it, with all its attempts before it; None where there is none."""
    async with store.database.transaction() as session:
        rows = await session.fetch(
            "UPDATE webhook_deliveries SET state = $4, attempts = 0, next_at = $5, error = NULL"
            f" WHERE shop_id = $1 AND endpoint_id = $2 AND number = $3 RETURNING {', '.join(_DELIVERY)}",
            shop_id, endpoint_id, number, PENDING, now,
        )  # fmt: skip
    return Delivery(*rows[0]) if rows else None


def new_secret() -> str:
    """https://github.com/standard-webhooks/standard-webhooks: `whsec_` and 24 to 64 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def _endpoint(store: Store, row: Row) -> Endpoint:
    given = dict(zip(_COLUMNS, row, strict=True))
    given["url"] = store.vault.open(given["url"])
    given["scopes"] = frozenset(filter(None, given["scopes"].split(",")))
    return Endpoint(**{**given, "kind": EventKind(given["kind"])})
