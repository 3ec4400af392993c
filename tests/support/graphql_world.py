"""Two shops written straight into the ledger, and the GraphQL endpoints over them with callers made up by the test.

Shop A has customers 1..CUSTOMERS; shop B has some with the same numbers and some of its own, and everything of B that
can be read holds CANARY, so that one search of an answer shows whether it leaked.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.websockets import WebSocket

from graphql_schema.cost import Rate
from graphql_schema.server import graphql_routes
from graphql_schema.sockets import SocketBounds
from graphql_schema.trusted import Trusted
from plugin.domain.facts import PersonFact
from plugin.domain.instants import to_us
from plugin.errors import UnauthenticatedError
from plugin.feed import Feed
from plugin.ledger.database import Upsert
from plugin.ledger.store import Store
from plugin.ledger.tables import SHOP_TABLES, Shop
from plugin.settings import Settings, read_settings
from plugin.shops import ShopContext, context_of
from tests.conftest import ENVIRONMENT
from tests.support.small_shop import DAY, NOW, NOW_US, TODAY, put

CUSTOMERS = 23
SEGMENTS = 5
CANARY = "CANARYB"
REASON = '[{"measure":"days_since_last_order","value":"91","operator":">=","threshold":"90 (lapse_days)"}]'
TRANSITIONS = Upsert(
    table="stage_transitions",
    columns=(
        "shop_id",
        "model",
        "customer_id",
        "at",
        "from_stage",
        "to_stage",
        "to_rung",
        "because",
        "recorded_at",
        "model_version",
    ),
    key=("shop_id", "model", "customer_id", "at"),
)
PERSONS = Upsert(table="persons", columns=("shop_id", "id", "sealed", "stated_at"), key=("shop_id", "id"))


@dataclass(frozen=True, slots=True)
class Caller:
    shop: ShopContext
    kind: str = "merchant"
    scopes: frozenset[str] = frozenset()
    user: str | None = None
    token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    shop: ShopContext
    customer_id: int | None
    address: str = "203.0.113.7"


@dataclass(slots=True)
class Jobs:
    """Remembers what was asked for."""

    asked: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)

    async def enqueue(self, kind: str, shop_id: int, **arguments: Any) -> None:
        self.asked.append((kind, shop_id, arguments))

    async def nudge(self, kind: str, shop_id: int) -> None:
        self.asked.append((kind, shop_id, {}))


@dataclass(slots=True)
class CountingDatabase:
    """A database that keeps the text of each statement."""

    inner: Any
    statements: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def fetch(self, sql: str, *params: Any) -> Any:
        self.statements.append(sql)
        return await self.inner.fetch(sql, *params)

    async def execute(self, sql: str, *params: Any) -> Any:
        self.statements.append(sql)
        return await self.inner.execute(sql, *params)


@dataclass(slots=True)
class World:
    """`ask` posts a document as a merchant of shop A unless told otherwise. `seconds` is the clock of the buckets. Tokens
    that are `withdrawn` are good no more."""

    a: ShopContext
    b: ShopContext
    store: Store
    database: CountingDatabase
    jobs: Jobs
    app: Starlette
    client: httpx.AsyncClient
    seconds: list[float]
    withdrawn: set[str]

    async def ask(
        self, document: str, /, *, caller: str = "a", path: str = "/graphql", **variables: Any
    ) -> dict[str, Any]:
        reply = await self.client.post(
            path, json={"query": document, "variables": variables}, headers={"Authorization": f"Bearer {caller}"}
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def data(self, document: str, /, **more: Any) -> dict[str, Any]:
        body = await self.ask(document, **more)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def code(self, document: str, /, **more: Any) -> str:
        """The code of the one error a document ends with."""
        [error] = (await self.ask(document, **more))["errors"]
        return error["extensions"]["code"]


@asynccontextmanager
async def running_world(
    store: Store,
    *,
    rate: Rate | None = None,
    sockets: SocketBounds | None = None,
    trusted: Mapping[str, Trusted] | None = None,
    real: Settings | None = None,
) -> AsyncIterator[World]:
    """Callers: `a`, `b` are merchants; `a:read_customers,read_offers` a partner of A with these scopes (and `…:7` that
    with token 7); on the storefront `a:7` is customer 7 of A and `a:` a visitor. With `real` settings only real
    credentials count."""
    shops = {"a": await _shop("shop-a"), "b": await _shop("shop-b", name=f"Shop {CANARY}")}
    await _fill(store, shops["a"].id, range(1, CUSTOMERS + 1), "")
    await _fill(store, shops["b"].id, [*range(5, 9), 9001, 9002], CANARY)

    withdrawn: set[str] = set()

    async def called(token: str) -> Caller:
        name, _, scopes = token.partition(":")
        scopes, _, number = scopes.partition(":")
        if name not in shops or token in withdrawn:
            raise UnauthenticatedError("Send a token.")
        shop = context_of(await Shop.get(id=shops[name].id))
        partner = Caller(shop, "partner", frozenset(scopes.split(",")), token_id=int(number or 1))
        return partner if scopes else Caller(shop)

    async def authenticate(request: Request) -> Caller:
        return await called(request.headers.get("authorization", "").removeprefix("Bearer "))

    async def authenticate_socket(_: WebSocket, credential: str | None) -> tuple[Caller, str]:
        return await called(credential or ""), credential or ""

    async def authenticate_viewer(request: Request) -> Viewer:
        name, _, customer = request.headers.get("authorization", "").removeprefix("Bearer ").partition(":")
        if name not in shops:
            raise UnauthenticatedError("Not signed.")
        return Viewer(shops[name], int(customer) if customer else None)

    seconds = [0.0]
    rates = {} if rate is None else {"merchant_rate": rate, "storefront_rate": rate}
    made_up: dict[str, Any] = {
        "authenticate": authenticate, "authenticate_viewer": authenticate_viewer,
        "authenticate_socket": authenticate_socket,
    }  # fmt: skip
    callers = {} if real else made_up
    app = Starlette(
        routes=graphql_routes(clock=lambda: seconds[0], trusted=trusted, socket_bounds=sockets, **callers, **rates)
    )
    database, jobs = CountingDatabase(store.database), Jobs()
    app.state.store, app.state.jobs, app.state.now = replace(store, database=database), jobs, lambda: NOW
    app.state.feed, app.state.settings = Feed(database, every=0.05), real or read_settings(ENVIRONMENT)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://rebloom.test") as client:
        yield World(shops["a"], shops["b"], store, database, jobs, app, client, seconds, withdrawn)
    await app.state.feed.close()


async def rows_of(store: Store, shop_id: int) -> dict[str, list[Any]]:
    """All that is kept of a shop, by table."""
    tables = [model._meta.db_table for model in SHOP_TABLES]
    return {
        table: sorted(await store.database.fetch(f"SELECT * FROM {table} WHERE shop_id = $1", shop_id), key=repr)
        for table in tables
    }


async def _shop(label: str, **changes: Any) -> ShopContext:
    row = await Shop.create(**{
        "domain": f"{label}.myshopify.com", "name": label, "currency": "EUR", "timezone": "UTC", "status": "installed",
        "platform_id": 77, "installed_at": NOW_US, "primary_model": "buyer-activity", "tag_prefix": "rbl-",
        "lapse_ladder": "90,180,360", **changes,
    })  # fmt: skip
    return context_of(row)


def profile_of(number: int) -> dict[str, Any]:
    """Customers whose number divides by 4 never ordered; the others ordered in threes on the same day."""
    if number % 4 == 0:
        return {"customer_id": number, "added_at": NOW_US - number * DAY, "added_day": TODAY - number}
    last = TODAY - 10 * (number // 3)
    return {
        "customer_id": number, "orders": number % 3 + 1, "net_spend": number * 12_5000, "paid": number * 12_5000,
        "purchase_days": number % 3 + 1, "unbroken_days": 1, "laps": 1, "first_order_at": (last - 30) * DAY, "first_order_day": last - 30,
        "last_order_at": last * DAY, "last_order_day": last, "average_order_value": 12.5, "first_order_items": 2,
        "gap_median": 15.5, "rfm_recency": 5, "rfm_frequency": 4, "rfm_monetary": 3, "rfm_group": "LOYAL",
        "added_at": NOW_US - number * DAY, "added_day": TODAY - number,
    }  # fmt: skip


def stage_of(number: int) -> tuple[str, int | None]:
    if number % 4 == 0:
        return "visitor", None
    return ("departing", 1) if number % 3 == 0 else ("active", None)


async def _fill(store: Store, shop_id: int, numbers: Any, mark: str) -> None:
    database, numbers = store.database, list(numbers)
    await put(database, "customers", [{"id": number} for number in numbers], shop_id)
    await put(database, "profiles", [profile_of(number) for number in numbers], shop_id)
    placed = [{"customer_id": n, "stage": stage_of(n)[0], "rung": stage_of(n)[1], "because": REASON} for n in numbers]
    await put(database, "placements", placed, shop_id)
    await put(
        database,
        "segments",
        [
            {"id": n, "name": f"Segment {n}{mark}", "created_at": n // 2, "tag": f"seg{n}{mark.lower()}"}
            for n in range(1, SEGMENTS + 1)
        ],
        shop_id,
    )
    members = [{"segment_id": s, "customer_id": n} for s in range(1, SEGMENTS + 1) for n in numbers if n % s == 0]
    await put(database, "segment_members", members, shop_id)
    await database.upsert(PERSONS, [(shop_id, n, _sealed(store, n, mark), 0) for n in numbers])
    await database.upsert(TRANSITIONS, [row for n in numbers[:6] for row in _history(shop_id, n)])
    await put(
        database,
        "products",
        [{"id": n, "title": f"Product {n}{mark}", "price": n * 10_000} for n in range(1, 6)],
        shop_id,
    )
    await _sales(store, shop_id)


def _sealed(store: Store, number: int, mark: str) -> str:
    person = PersonFact(
        display_name=f"Person {number}{mark}", first_name=None, last_name=None,
        email=f"p{number}{mark}@shop.example", phone=None,
    )  # fmt: skip
    return store.vault.seal(msgspec.json.encode(person).decode())


def _history(shop_id: int, number: int) -> list[tuple[Any, ...]]:
    """Seven changes, ten days apart, the last one ten days ago."""
    stages = ["visitor", "new_buyer", "active", "departing", "returned", "active", "departing"]
    return [
        (
            shop_id, "buyer-activity", number, NOW_US - (7 - step) * 10 * DAY, stages[step - 1] if step else None,
            stage, 1 if stage == "departing" else None, REASON, NOW_US, 0,
        )
        for step, stage in enumerate(stages)
    ]  # fmt: skip


async def _sales(store: Store, shop_id: int) -> None:
    pairs = Upsert(
        table="copurchases", columns=("shop_id", "product_id", "rank", "other_id", "together", "lift", "score"),
        key=("shop_id", "product_id", "rank"),
    )  # fmt: skip
    ranks = Upsert(table="product_ranks", columns=("shop_id", "rank", "product_id", "buyers"), key=("shop_id", "rank"))
    await store.database.upsert(pairs, [(shop_id, 1, 1, 2, 34, 5.2, 9.0), (shop_id, 1, 2, 3, 20, 2.0, 4.0)])
    await store.database.upsert(ranks, [(shop_id, 1, 4, 50), (shop_id, 2, 5, 40)])


def ago(days: int) -> str:
    return (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")


__all__ = ["CANARY", "CUSTOMERS", "NOW", "SEGMENTS", "World", "ago", "profile_of", "rows_of", "running_world", "to_us"]
