"""Where we send and where we never do, whatever a merchant, a partner or a name's server says."""

import asyncio
import contextlib
import socket
import threading

import httpx
import pytest

from plugin.outgoing.addresses import NotPublicError, addresses_for, fault_of, is_public
from plugin.outgoing.sending import Sender

INSIDE = [
    "127.0.0.1", "127.1.2.3", ".".join("0000"), "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2001:0:7f00:1::", "100::1", "not an address", "",
    "::ffff:8.8.8.8", "::ffff:0:7f00:1", "64:ff9b:2::1", "3fff::1", "5f00::1", "4000::1", "168.63.129.16", "fd00:ec2::254",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "192.167.255.255", "2606:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_anybody_reaches_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "ftp://hooks.example.com/", "hooks.example.com", "", "https://", "https:///x",
        "https://localhost/", "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
        "https://127.1/", "https://[::1]/", "https://[::ffff:7f00:1]/", "https://169.254.169.254/latest/meta-data/",
        "https://metadata.google.internal/", "https://printer.local/", "https://db/", "https://app.localhost/",
        "https://user:secret@hooks.example.com/", "https://user@hooks.example.com/", "https://hooks.example.com/#x",
        "https://hooks.example.com/ x", "https://hooks.example.com\\@127.0.0.1/", "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/", "https://hööks.example.com/", "https://hooks.example.com/" + "x" * 2_000,
        "javascript:alert(1)", "https://hooks.example.com/\r\nhost: x", "https://8.8.8.8/", "https://hooks.example.123/", "https://hooks.example.com/\x7f", "https://hooks..example.com/",
        "https://hooks.example.com../", "https://*.example.com/", "https://hooks%2eexample.com/", "https://-a.example.com/",
        "https://" + "a" * 64 + ".example.com/",
    ],
)  # fmt: skip
def test_a_url_that_we_do_not_send_to_is_refused_with_the_reason(url: str) -> None:
    assert fault_of(url, loopback=False)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?b=c", "https://hooks.example.com:8443/", "https://HOOKS.Example.COM"]
)
def test_an_ordinary_url_may_be_saved(url: str) -> None:
    assert fault_of(url, loopback=False) is None


def test_beside_the_dev_shop_this_machine_may_be_sent_to_and_nothing_else_inside() -> None:
    assert fault_of("http://127.0.0.1:9000/x", loopback=True) is None
    assert fault_of("http://10.0.0.1/x", loopback=True)
    assert fault_of("gopher://127.0.0.1/x", loopback=True)


async def test_one_address_inside_among_several_is_enough_to_refuse() -> None:
    async def mixed(_: str, __: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.7"]

    with pytest.raises(NotPublicError):
        await addresses_for("hooks.example.com", 443, loopback=False, resolve=mixed)


async def test_a_name_that_answers_twice_is_asked_once_and_the_judged_address_is_connected_to() -> None:
    """DNS rebinding: the second answer leads inside. What is connected to is the first."""
    answers, connected = [["8.8.8.8"], ["127.0.0.1"]], list[tuple[str, str, object]]()

    async def rebinding(_: str, __: int) -> list[str]:
        return answers.pop(0)

    async def noted(request: httpx.Request) -> httpx.Response:
        connected.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(204, stream=httpx.ByteStream(b""))

    sender = Sender(resolve=rebinding, transport=httpx.MockTransport(noted))
    assert (await sender.post("https://hooks.example.com:8443/a?b=c", {}, "{}")).taken
    assert connected == [("8.8.8.8", "hooks.example.com:8443", "hooks.example.com")]
    refused = await sender.post("https://hooks.example.com:8443/a?b=c", {}, "{}")
    assert (refused.status, refused.error) == (None, "The host's name leads to no public address.")
    assert len(connected) == 1


async def test_another_judged_address_is_tried_where_the_first_takes_no_connection() -> None:
    """A machine without IPv6 and a name with both."""
    connected: list[str] = []

    async def both(_: str, __: int) -> list[str]:
        return ["2606:4700::1111", "8.8.8.8", "1.1.1.1"]

    async def one_way(request: httpx.Request) -> httpx.Response:
        connected.append(request.url.host)
        if ":" in request.url.host:
            raise httpx.ConnectError("no way")
        return httpx.Response(204, stream=httpx.ByteStream(b""))

    sender = Sender(resolve=both, transport=httpx.MockTransport(one_way))
    assert (await sender.post("https://hooks.example.com/", {}, "{}")).status == 204
    assert connected == ["2606:4700::1111", "8.8.8.8"]


async def test_names_of_numbers_that_the_resolver_understands_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they could stand in the store: judged again when they are sent to, before any connection."""
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: opened.append(given))
    for host in ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
        answer = await Sender().post(f"https://{host}/", {}, "{}")
        assert answer.status is None
        assert answer.error == "The host's name leads to no public address."
    assert opened == []


async def test_a_name_server_that_never_answers_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads that the rest of the app computes in are few, and a lookup cannot be broken off."""
    released = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        released.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    sending = [asyncio.create_task(Sender().post("https://hooks.example.com/", {}, "{}")) for _ in range(10)]
    await asyncio.sleep(0.05)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(sum, (1, 2)), 5) == 3
    finally:
        released.set()
    assert {answer.status for answer in await asyncio.gather(*sending)} == {None}


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    asked: list[str] = []

    async def moved(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "http://169.254.169.254/"}, stream=httpx.ByteStream(b""))

    async def public(_: str, __: int) -> list[str]:
        return ["8.8.8.8"]

    answer = await Sender(resolve=public, transport=httpx.MockTransport(moved)).post("https://a.example.com/", {}, "{}")
    assert (answer.status, answer.taken, answer.error) == (302, False, "It answered 302.")
    assert asked == ["https://8.8.8.8/"]


async def test_an_answer_without_end_is_read_no_further_and_a_silent_one_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real server on this machine, which the dev shop's neighbour may be."""
    monkeypatch.setattr("plugin.outgoing.sending._WITHIN", 0.5)
    sent, serving = 0, []

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        serving.append(asyncio.current_task())
        asked = await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            if b"/silent" in asked:
                await reader.read()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
            while b"/silent" not in asked:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536
        writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert (await Sender(loopback=True).post(base, {}, "{}")).taken
    assert sent < 20_000_000
    silent = await Sender(loopback=True).post(f"{base}/silent", {}, "{}")
    assert (silent.status, silent.error) == (None, "No answer within 0 seconds.")
    server.close()
    await asyncio.gather(*serving)
