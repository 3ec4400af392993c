"""What a hostile client could do over `/graphql`'s sockets beyond the table of `test_sockets.py`."""

import asyncio
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from plugin.ledger.store import Store
from tests.graphql.test_sockets import (
    CHANGED,
    PARTNER,
    SYNC,
    asked,
    closing,
    door,
    heard,
    moved,
    say,
    spoken,
    stands,
)
from tests.support.graphql_world import World, running_world

INIT = {"type": "connection_init", "payload": {"token": "a"}}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([INIT, {"type": ["subscribe"], "id": "1"}], 4400),
        ([INIT, {"type": {"subscribe": 1}, "id": "1"}], 4400),
        ([{"type": []}], 4400),
        ([INIT, *[{"type": "subscribe", "id": "\U0001f600" * 100, "payload": {"query": SYNC}}] * 2], 4409),
        ([{"type": "connection_init", "payload": {"token": "rbl_" + "x" * 15_000}}], 4403),
    ],
)  # fmt: skip
async def test_odd_messages_end_the_socket_with_their_code_and_no_trouble_of_ours(
    world: World, said: list[Any], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(world) as address, connect(address, subprotocols=["graphql-transport-ws"]) as socket:
        for message in said:
            await socket.send(json.dumps(message))
        assert await closing(socket) == code
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def _refused_for_size(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    return caught.value.rcvd.code if caught.value.rcvd else None


async def test_who_has_shown_no_credential_may_make_us_hold_little(world: World) -> None:
    """Sockets are many, and their messages are held before anybody is known: whole, or in pieces that never end."""
    async with door(world) as address:
        for pieces in (["x" * 20_000], ["x" * 10_000] * 4):
            async with connect(address, subprotocols=["graphql-transport-ws"], compression=None) as socket:
                await socket.send(iter(pieces) if len(pieces) > 1 else pieces[0])
                assert await closing(socket) == 1009
        async with spoken(address) as socket:
            await asked(socket, "{ shop { name } }" + " " * 100_000)
            assert (await heard(socket))["type"] in {"next", "error"}
            await socket.send("x" * 300_000)
            assert await closing(socket) == 1009


async def test_neither_credentials_nor_people_stand_in_the_log_however_much_it_tells(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with door(world) as address, spoken(f"{address}?tool=s3cr3t") as socket:
        await asked(socket, CHANGED)
        await stands(world)
        await moved(world, 5, "departing")
        assert "Person 5" in json.dumps(await heard(socket))
    theirs = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    told = " ".join(f"{record.name} {record.getMessage()}" for record in theirs)
    for secret in ("s3cr3t", "Person 5", "Bearer", "connection_init", "departing"):
        assert secret not in told


async def test_an_event_after_a_credential_was_taken_back_is_not_told_and_is_no_fault_of_ours(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_world(store) as world, door(world) as address, spoken(address, PARTNER) as socket:
        await asked(socket, CHANGED)
        await stands(world)
        world.withdrawn.add(PARTNER)
        await moved(world, 5, "departing")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.5)
        await say(socket, type="ping")
        assert await heard(socket) == {"type": "pong"}
    assert "failed" not in capsys.readouterr().out
