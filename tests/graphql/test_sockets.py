"""`/graphql` over WebSockets: a table of refusals with their codes, what is told and to whom, and what is held."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.uri import parse_uri

from graphql_schema.cost import Rate
from graphql_schema.sockets import SocketBounds
from graphql_schema.trusted import Trusted, document_id
from plugin.domain.events import Event, EventKind
from plugin.errors import TooSlowError
from plugin.feed import Feed
from plugin.ledger.events import tell
from plugin.ledger.store import Store
from plugin.settings import read_settings
from plugin.web.app import create_app
from plugin.web.connections import Bounds
from tests.conftest import ENVIRONMENT
from tests.support.graphql_world import CANARY, NOW_US, REASON, World, running_world
from tests.support.live_server import live

JUDGE = Path(__file__).resolve().parents[1] / "judges" / "sockets.mjs"
CHANGED = (
    "subscription { stageChanged { from { key } to { key } rung at because { measure } customer { id displayName } } }"
)
PARTNER = "a:read_customers,read_lifecycle"
SYNC = "subscription { syncProgress { phase customers } }"


@asynccontextmanager
async def door(world: World, **more: Any) -> AsyncIterator[str]:
    async with live(world.app, more.get("bounds")) as base:
        yield base.replace("http", "ws") + "/graphql"


@asynccontextmanager
async def spoken(address: str, token: str = "a") -> AsyncIterator[ClientConnection]:
    """A socket that has been let in."""
    async with connect(address, subprotocols=["graphql-transport-ws"], compression=None) as socket:
        await say(socket, type="connection_init", payload={"authorization": f"Bearer {token}"})
        assert await heard(socket) == {"type": "connection_ack"}
        yield socket


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def heard(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def asked(socket: ClientConnection, query: str, name: str = "1", **variables: Any) -> None:
    await say(socket, id=name, type="subscribe", payload={"query": query, "variables": variables})


async def closing(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    return caught.value.rcvd.code if caught.value.rcvd else None


async def moved(world: World, customer: int, to: str, shop: str = "a", model: str = "buyer-activity") -> None:
    """As another process writes it."""
    event = Event(
        kind=EventKind.STAGE_CHANGED, at=NOW_US, customer_id=customer, subject=model, from_stage="active", to_stage=to,
        to_rung=1 if to == "departing" else None, because=REASON,
    )  # fmt: skip
    async with world.store.database.transaction() as session:
        await tell(session, getattr(world, shop).id, [event], now=NOW_US)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def stands(world: World, shop: str = "a") -> None:
    """Until the process listens for somebody of the shop."""
    shops, number = world.app.state.feed._shops, getattr(world, shop).id
    await until(lambda: number in shops and len(shops[number].events) > 0)


async def test_a_change_is_told_to_its_shop_alone_with_what_was_asked_for(world: World) -> None:
    async with door(world) as address, spoken(address) as ours, spoken(address, "b") as theirs:
        await asked(ours, CHANGED)
        await asked(theirs, CHANGED)
        await stands(world)
        await stands(world, "b")
        await moved(world, 5, "departing")
        told = (await heard(ours))["payload"]
        assert told["data"]["stageChanged"] == {
            "from": {"key": "active"}, "to": {"key": "departing"}, "rung": 1, "at": "2026-11-23T12:00:00Z",
            "because": [{"measure": "days_since_last_order"}],
            "customer": {"id": "gid://shopify/Customer/5", "displayName": "Person 5"},
        }  # fmt: skip
        cost = told["extensions"]["cost"]
        assert cost["actualQueryCost"] == cost["requestedQueryCost"] == 5
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(theirs.recv(), 0.3)
        await moved(world, 5, "active", shop="b")
        assert CANARY in json.dumps(await heard(theirs))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ours.recv(), 0.3)


async def test_only_the_model_and_the_stages_asked_for(world: World) -> None:
    async with door(world) as address, spoken(address) as socket:
        await asked(socket, "subscription($to: [String!]) { stageChanged(to: $to) { to { key } } }", to=["departing"])
        await stands(world)
        await moved(world, 5, "active")
        await moved(world, 6, "departing", model="rfm-value")
        await moved(world, 7, "departing")
        await moved(world, 8, "departing")
        assert [(await heard(socket))["payload"]["data"]["stageChanged"]["to"]["key"] for _ in range(2)] == [
            "departing"
        ] * 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.2)
        for argument, code in (('model: "none"', "BAD_REQUEST"), ('to: ["nowhere"]', "BAD_REQUEST")):
            await asked(socket, f"subscription {{ stageChanged({argument}) {{ at }} }}", name="2")
            refused = await heard(socket)
            assert (refused["type"], refused["id"]) == ("error", "2")
            assert refused["payload"][0]["extensions"]["code"] == code


async def test_how_far_the_copy_is_comes_at_once_and_when_it_changes(world: World) -> None:
    async with door(world) as address, spoken(address) as socket:
        await asked(socket, SYNC)
        assert (await heard(socket))["payload"]["data"]["syncProgress"] == {"phase": "WAITING", "customers": 0}
        await world.store.database.execute(
            "INSERT INTO sync_states (shop_id, phase, customers, orders, order_lines, products, started_at)"
            " VALUES ($1, 'customers', 12, 0, 0, 0, $2)",
            world.a.id, NOW_US,
        )  # fmt: skip
        assert (await heard(socket))["payload"]["data"]["syncProgress"] == {"phase": "CUSTOMERS", "customers": 12}
        await say(socket, id="1", type="complete")
        await say(socket, type="ping")
        assert await heard(socket) == {"type": "pong"}
        await until(lambda: not world.app.state.feed._shops)  # nobody listens: nothing is looked for


async def test_questions_and_changes_obey_the_rules_of_http(world: World) -> None:
    async with door(world) as address, spoken(address, "a:read_segments") as socket:
        for query, kind, code in (
            ("{ segments(first: 1) { nodes { name } } }", "next", None),
            ("{ customers(first: 1) { nodes { id } } }", "error", "ACCESS_DENIED"),
            (CHANGED, "error", "ACCESS_DENIED"),
            ("{ segments(first: 250) { nodes { customers(first: 250) { nodes { id } } } } }", "error", "ACCESS_DENIED"),
            ("{ " + "a: segments { nodes { id } } " * 3, "error", "GRAPHQL_PARSE_FAILED"),
            (
                "subscription { a: syncProgress { phase } b: syncProgress { phase } }",
                "error",
                "GRAPHQL_VALIDATION_FAILED",
            ),
        ):
            await asked(socket, query)
            answer = await heard(socket)
            assert answer["type"] == kind, query
            if kind == "next":
                assert answer["payload"]["extensions"]["cost"]["actualQueryCost"] > 0
                assert (await heard(socket))["type"] == "complete"
            else:
                assert answer["payload"][0]["extensions"]["code"] == code
        assert world.app.state.feed._shops == {}


async def test_where_only_registered_documents_are_let_in_a_socket_is_no_way_around(store: Store) -> None:
    alone = {"graphql": Trusted({document_id(SYNC): SYNC}, alone=True), "storefront": Trusted()}
    async with running_world(store, trusted=alone) as world, door(world) as address, spoken(address) as socket:
        await asked(socket, CHANGED)
        refused = await heard(socket)
        assert (refused["type"], world.app.state.feed._shops) == ("error", {})
        await say(socket, id="1", type="subscribe", payload={"documentId": document_id(SYNC)})
        assert (await heard(socket))["payload"]["data"]["syncProgress"]["phase"] == "WAITING"


async def test_over_http_a_subscription_is_refused_and_says_where(world: World) -> None:
    body = await world.ask(SYNC)
    assert body["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert "WebSocket" in body["errors"][0]["message"]
    assert "data" not in body


async def test_an_event_that_cannot_be_paid_for_waits(store: Store) -> None:
    small = running_world(store, rate=Rate(size=12, restore=5))
    async with small as world, door(world) as address, spoken(address) as socket:
        await asked(socket, CHANGED)  # 5 points
        await stands(world)
        for customer in (5, 6):
            await moved(world, customer, "departing")
        assert (await heard(socket))["payload"]["data"]["stageChanged"]["customer"]["id"].endswith("/5")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        world.seconds[0] += 60
        assert (await heard(socket))["payload"]["data"]["stageChanged"]["customer"]["id"].endswith("/6")


async def test_foreign_pages_and_other_protocols_stay_outside(world: World) -> None:
    async with door(world) as address:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(address, subprotocols=["graphql-transport-ws"], origin="https://evil.example"):
                pass
        assert caught.value.response.status_code == 403
        for spoken_by in (None, ["graphql-ws"]):
            async with connect(address, subprotocols=spoken_by) as socket:
                assert await closing(socket) == 4406
        own = read_settings(ENVIRONMENT).app_url
        async with connect(address, subprotocols=["graphql-transport-ws"], origin=own) as socket:
            await say(socket, type="connection_init", payload={"token": "a"})
            assert await heard(socket) == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": SYNC}}], 4401),
        ([{"type": "connection_init"}], 4403),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer nobody"}}], 4403),
        ([{"type": "connection_init", "payload": ["a"]}], 4403),
        ([{"type": "connection_init", "payload": {"token": "a"}}] * 2, 4429),
        ([{"type": "unknown"}], 4400),
        ([[]], 4400),
        (["["], 4400),
        (["[" * 10_000], 4400),
        ([b"\x00\x01"], 4400),
        ([{"type": "connection_init", "payload": {"token": "a"}}, {"type": "subscribe", "payload": {}}], 4400),
        ([{"type": "connection_init", "payload": {"token": "a"}}, {"type": "subscribe", "id": "x" * 129}], 4400),
        (
            [
                {"type": "connection_init", "payload": {"token": "a"}},
                *[{"type": "subscribe", "id": "1", "payload": {"query": SYNC}}] * 2,
            ],
            4409,
        ),
        (
            [
                {"type": "connection_init", "payload": {"token": "a"}},
                *({"type": "subscribe", "id": str(n), "payload": {"query": SYNC}} for n in range(21)),
            ],
            4429,
        ),
        ([{"type": "ping"}] * 700, 4429),
        (["x" * 1_000_001], 1009),
    ],
)  # fmt: skip
async def test_what_may_not_be_said_ends_the_socket(world: World, said: list[Any], code: int) -> None:
    async with door(world) as address:
        async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
            for message in said:
                raw = message if isinstance(message, str | bytes) else json.dumps(message)
                try:
                    await socket.send(raw)
                except ConnectionClosed:
                    break
            assert await closing(socket) == code
        async with spoken(address) as after:  # and nobody else's
            await say(after, type="ping")
            assert await heard(after) == {"type": "pong"}


async def test_an_operation_that_is_none_is_told_so_and_the_socket_lives(world: World) -> None:
    async with door(world) as address, spoken(address) as socket:
        for payload in (None, "x", [], {}, {"query": 5}, {"query": SYNC, "variables": []}):
            await say(socket, id="1", type="subscribe", payload=payload)
            assert (await heard(socket))["payload"][0]["extensions"]["code"] == "BAD_REQUEST"
        await say(socket, id="unknown", type="complete")
        await say(socket, type="ping")
        assert await heard(socket) == {"type": "pong"}


BOUNDS = SocketBounds(
    sockets=6, of_address=6, of_shop=4, of_credential=2, init_within=0.3, checked_every=0.1, operations=3
)


async def test_places_are_bounded_by_credential_shop_and_address(store: Store) -> None:
    async with running_world(store, sockets=BOUNDS) as world, door(world) as address:
        async with spoken(address), spoken(address), spoken(address, "a:read_shop"), spoken(address, "a:read_shop"):
            for token in ("a", "a:read_offers"):
                async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
                    await say(socket, type="connection_init", payload={"token": token})
                    assert await closing(socket) == 1013
            full = connect(address, subprotocols=["graphql-transport-ws"])
            async with spoken(address, "b"), spoken(address, "b"), full as socket:
                assert await closing(socket) == 1013
        async with spoken(address):  # whoever leaves makes room
            pass


async def test_who_shows_no_credential_in_time_goes(store: Store) -> None:
    small = running_world(store, sockets=BOUNDS)
    async with (
        small as world,
        door(world) as address,
        connect(address, subprotocols=["graphql-transport-ws"]) as socket,
    ):
        assert await closing(socket) == 4408


async def test_a_credential_that_is_taken_back_ends_what_it_opened(store: Store) -> None:
    small = running_world(store, sockets=BOUNDS)
    async with small as world, door(world) as address, spoken(address, PARTNER) as socket, spoken(address) as other:
        await asked(socket, CHANGED)
        await stands(world)
        world.withdrawn.add(PARTNER)
        assert await closing(socket) == 4403
        await moved(world, 5, "departing")
        await say(other, type="ping")
        assert await heard(other) == {"type": "pong"}


async def test_who_reads_nothing_is_ended_and_its_answers_are_not_held(world: World) -> None:
    async with door(world, bounds=Bounds(reads_within=0.5)) as address:
        bare = socket.socket()
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        bare.connect(("127.0.0.1", parse_uri(address).port))
        bare.setblocking(False)
        loop, deaf = (
            asyncio.get_running_loop(),
            ClientProtocol(parse_uri(address), subprotocols=["graphql-transport-ws"]),
        )

        async def put() -> None:
            for piece in deaf.data_to_send():
                await loop.sock_sendall(bare, piece)

        deaf.send_request(deaf.connect())
        await put()
        deaf.receive_data(await loop.sock_recv(bare, 4_096))
        deaf.send_text(b'{"type": "connection_init", "payload": {"token": "a"}}')
        await put()
        types = "__schema { types { name description fields { name description } } }"
        whole = f"{{ a: {types} b: {types} c: {types} }}"
        began = psutil.Process().memory_info().rss
        for number in range(20):
            query = {"id": str(number), "type": "subscribe", "payload": {"query": whole}}
            deaf.send_text(json.dumps(query).encode())
            await put()
        with pytest.raises(OSError, match=r"reset|pipe|abort"):
            for _ in range(200):
                await asyncio.sleep(0.1)
                deaf.send_text(b'{"type": "pong"}')
                await put()
        assert psutil.Process().memory_info().rss - began < 40_000_000
        bare.close()
        async with spoken(address) as after:
            await say(after, type="ping")
            assert await heard(after) == {"type": "pong"}


async def test_who_falls_behind_is_told_so(world: World) -> None:
    feed = Feed(world.store.database, every=0.01, held=3)
    events = feed.events(world.a.id)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.05)
    for customer in range(1, 7):
        await moved(world, customer, "departing")
    await asyncio.sleep(0.1)
    taken = [await first]
    with pytest.raises(TooSlowError):
        taken.extend([told async for told in events])
    assert [told.event.customer_id for told in taken][:1] == [1]
    assert feed._shops == {}
    await feed.close()


async def test_the_client_graphql_ws_listens_asks_and_changes(world: World) -> None:
    async with door(world) as address:
        judge = await asyncio.create_subprocess_exec(
            "node", str(JUDGE), address, "a", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert judge.stderr is not None
        line = await asyncio.wait_for(judge.stderr.readline(), 60)
        assert line == b"listening\n", await judge.stderr.read()
        await moved(world, 7, "departing")
        told, trouble = await asyncio.wait_for(judge.communicate(), 60)
    assert judge.returncode == 0, trouble.decode()
    assert json.loads(told) == {
        "page": {"customers": {"nodes": [{"id": "gid://shopify/Customer/1"}, {"id": "gid://shopify/Customer/2"}]}},
        "made": {"segmentCreate": {"segment": {"name": "From a socket"}, "userErrors": []}},
        "refused": ["BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED"],
        "progress": {"syncProgress": {"phase": "WAITING"}},
        "change": {"stageChanged": {"to": {"key": "departing"}, "customer": {"id": "gid://shopify/Customer/7"}}},
    }


@pytest.mark.parametrize("path", ["/", "/storefront/graphql", "/webhooks", "/touchpoints", "/anything"])
async def test_no_other_door_takes_a_socket(path: str) -> None:
    async with live(create_app(read_settings(ENVIRONMENT))) as base:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(base.replace("http", "ws") + path, subprotocols=["graphql-transport-ws"]):
                pass
    assert caught.value.response.status_code == 403
