"""What a hostile partner, receiver or moment could do to webhooks, and what is left of it."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from plugin.domain.instants import to_us
from plugin.ledger.removals import delete_customer, merge_customers
from plugin.ledger.retention import let_go
from plugin.outgoing import endpoints
from plugin.outgoing.sending import Answer, Sender
from plugin.partners import create_token
from tests.support.webhook_bench import CREATE, LIST, SENT, Bench

UPDATE = """mutation Change($id: ID!, $url: String, $query: String, $enabled: Boolean) {
  webhookEndpointUpdate(id: $id, url: $url, query: $query, enabled: $enabled) {
    endpoint { url enabled } userErrors { field code message } } }"""
DELETE = "mutation Gone($id: ID!) { webhookEndpointDelete(id: $id) { deletedEndpointId userErrors { code } } }"
RESEND = (
    "mutation Again($id: ID!) { webhookDeliveryResend(id: $id) { delivery { state } userErrors { code message } } }"
)


class Acting(Sender):
    """Does something while a request is under way; its answers are `answers` in turn, then 204."""

    def __init__(self, act: Callable[[int], Any] | None = None, answers: tuple[int | None, ...] = ()) -> None:
        super().__init__(loopback=True)
        object.__setattr__(self, "act", act)
        object.__setattr__(self, "answers", list(answers))
        object.__setattr__(self, "sent", [])

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        self.sent.append((url, body))
        if self.act is not None and (doing := self.act(len(self.sent))) is not None:
            await doing
        status = self.answers.pop(0) if self.answers else 204
        return Answer(status, None if status == 204 else "No.")


def rows_of(answer: dict[str, Any]) -> dict[str, Any]:
    return next(iter(answer.values()))


async def redact(bench: Bench, customer: int) -> None:
    async with bench.world.store.database.transaction() as session:
        await delete_customer(session, bench.world.a.id, customer, at=to_us(bench.now))


REFUSED = {
    'subscription { stageChanged(model: "none") { at } }': "no lifecycle model 'none'",
    'subscription { stageChanged(to: ["nowhere"]) { at } }': "no stage 'nowhere'",
    'subscription { segmentLeft(segmentId: "7; DROP") { at } }': "7; DROP",
    "subscription { segmentJoined { segment { customers(first: 50) { nodes { email } } } } }": "leads to others",
    """subscription { stageChanged { customer { segments(first: 2) { nodes { ...S } } } } }
       fragment S on Segment { customers(first: 9) { edges { node { email } } } }""": "leads to others",
    "subscription { syncFinished @skip(if: true) { at } }": "@skip",
}


async def test_what_could_never_be_told_or_tells_of_others_is_refused_when_it_is_saved(bench: Bench) -> None:
    """Of others' e-mails in a payload no redaction would know."""
    for query, says in REFUSED.items():
        made = (await bench.world.data(CREATE, url=bench.receiver.url, query=query))["webhookEndpointCreate"]
        assert [(each["field"], each["code"]) for each in made["userErrors"]] == [(["query"], "INVALID_QUERY")]
        assert says in made["userErrors"][0]["message"]
    assert await bench.rows() == []
    endpoint, _ = await bench.made()
    before = await bench.rows()
    for query in REFUSED:
        changed = rows_of(await bench.world.data(UPDATE, id=endpoint, query=query))
        assert [each["code"] for each in changed["userErrors"]] == ["INVALID_QUERY"]
    assert await bench.rows() == before


async def test_a_redaction_while_payloads_are_made_leaves_nothing_of_her(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    await bench.moved(5)
    await bench.moved(6)
    outgoing, sender = bench.outgoing(), Acting()
    inner = outgoing.payloads

    async def overtaken(*asked: Any) -> Any:
        made = await inner(*asked)
        await redact(bench, 5)
        return made

    outgoing.payloads, outgoing.sender = overtaken, sender
    assert await outgoing.run(bench.world.a) == {"made": 1, "sent": 1}
    assert "p6@shop.example" in sender.sent[0][1]
    assert [each["payload"] for each in await bench.sent(endpoint)] == [sender.sent[0][1]]


class Lingering:
    """A database whose transactions begin `other` before they write deliveries, and linger."""

    def __init__(self, inner: Any, other: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.inner, self.other, self.doing = inner, other, list[asyncio.Task[None]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self.inner.transaction() as session:
            write = session.upsert

            async def upsert(*given: Any) -> None:
                self.doing.append(asyncio.create_task(self.other()))
                await asyncio.sleep(0.3)
                await write(*given)

            yield SimpleNamespace(fetch=session.fetch, execute=session.execute, upsert=upsert)


async def test_a_redaction_at_the_instant_at_which_deliveries_are_written_takes_them_away(bench: Bench) -> None:
    """It waits for the writer, and finds what was written."""
    endpoint, _ = await bench.made()
    await bench.moved(5)
    outgoing = bench.outgoing(Acting(answers=(503,)))
    database = Lingering(bench.world.store.database, lambda: redact(bench, 5))
    outgoing.store = replace(outgoing.store, database=database)
    assert (await outgoing.run(bench.world.a))["made"] == 1
    await asyncio.gather(*database.doing)
    assert await bench.sent(endpoint) == []
    assert len(database.doing) == 1


async def test_what_was_made_is_sent_although_more_comes_true_than_can_be_told(bench: Bench) -> None:
    await bench.made()
    for customer in range(1, 4):
        await bench.moved(customer)
    time, outgoing = [0.0], bench.outgoing(Acting())
    inner = outgoing.payloads

    async def heavy(*asked: Any) -> Any:
        time[0] += 20
        await bench.moved(4)
        return await inner(*asked)

    outgoing.payloads, outgoing.clock = heavy, lambda: time[0]
    assert await outgoing.run(bench.world.a) == {"made": 3, "sent": 3}


async def test_a_merge_while_payloads_are_made_keeps_them_with_the_living(bench: Bench) -> None:
    await bench.made()
    await bench.moved(5)
    outgoing = bench.outgoing(Acting(answers=(503,)))
    inner = outgoing.payloads

    async def overtaken(*asked: Any) -> Any:
        made = await inner(*asked)
        async with bench.world.store.database.transaction() as session:
            await merge_customers(session, bench.world.a.id, kept=6, folded=5, at=to_us(bench.now))
        return made

    outgoing.payloads = overtaken
    assert (await outgoing.run(bench.world.a))["made"] == 1
    await redact(bench, 6)
    held = "SELECT payload FROM webhook_deliveries WHERE shop_id = $1"
    assert await bench.world.store.database.fetch(held, bench.world.a.id) == []


async def test_what_was_redacted_or_has_moved_while_others_are_sent_is_not_sent_as_it_was(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    for customer in (5, 6, 7):
        await bench.moved(customer)

    async def act() -> None:
        await redact(bench, 6)
        moved = rows_of(await bench.world.data(UPDATE, id=endpoint, url=f"{bench.receiver.url}/new"))
        assert moved["userErrors"] == []

    sender = Acting(lambda count: act() if count == 1 else None)
    assert await bench.outgoing(sender).run(bench.world.a) == {"made": 3, "sent": 2}
    assert [url for url, _ in sender.sent] == [bench.receiver.url, f"{bench.receiver.url}/new"]
    assert "p7@" in sender.sent[1][1]


async def test_a_shop_that_leaves_while_it_is_told_is_told_no_more(bench: Bench) -> None:
    await bench.made()
    await bench.moved(5)
    await bench.moved(6)

    def leaves(_: int) -> Any:
        return bench.world.store.database.execute(
            "UPDATE shops SET status = 'uninstalled' WHERE id = $1", bench.world.a.id
        )

    sender = Acting(leaves)
    assert await bench.outgoing(sender).run(bench.world.a) == {"made": 2, "sent": 1}


async def test_a_query_that_is_changed_while_payloads_are_made_is_the_one_that_is_told(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    await bench.moved(5)
    outgoing, sender, query = bench.outgoing(), Acting(), "subscription { stageChanged { at } }"
    inner, changed = outgoing.payloads, []

    async def overtaken(*asked: Any) -> Any:
        made = await inner(*asked)
        if not changed:
            changed.append(await bench.world.data(UPDATE, id=endpoint, query=query))
        return made

    outgoing.payloads, outgoing.sender = overtaken, sender
    assert (await outgoing.run(bench.world.a))["made"] == 0
    assert await outgoing.run(bench.world.a) == {"made": 1, "sent": 1}
    assert "shop.example" not in str(sender.sent)


async def test_an_endpoint_deleted_while_its_deliveries_are_made_leaves_none(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    number = int(endpoint.rpartition("/")[2])
    shop, store = bench.world.a.id, bench.world.store
    async with store.database.transaction() as making:
        await making.execute(
            "UPDATE webhook_endpoints SET seen = seen + 1 WHERE shop_id = $1 AND id = $2", shop, number
        )
        deleting = asyncio.create_task(endpoints.delete_endpoint(store, shop, number))
        await asyncio.sleep(0.3)
        await making.execute(
            "INSERT INTO webhook_deliveries (shop_id, endpoint_id, number, payload, state, attempts, created_at)"
            " VALUES ($1, $2, 1, 'x', 'pending', 0, 0)",
            shop, number,
        )  # fmt: skip
    assert await deleting
    assert await bench.rows() == []


async def test_a_new_endpoint_has_no_number_that_another_had(bench: Bench) -> None:
    first, _ = await bench.made()
    assert rows_of(await bench.world.data(DELETE, id=first))["deletedEndpointId"] == first
    bench.world.app.state.now = lambda: bench.now + timedelta(seconds=1)
    again, _ = await bench.made()
    assert again != first


async def test_a_second_rotation_takes_nothing_from_a_receiver_that_knows_the_first_secret(bench: Bench) -> None:
    bench.world.app.state.now = lambda: bench.now
    endpoint, first = await bench.made()
    rotate = "mutation R($id: ID!) { webhookSecretRotate(id: $id) { secret } }"
    later = [rows_of(await bench.world.data(rotate, id=endpoint))["secret"] for _ in range(2)]
    await bench.moved(5)
    await bench.run()
    [(headers, body)] = bench.receiver.got
    for secret in (first, *later):
        Webhook(secret).verify(body, headers)
    for _ in range(9):
        await bench.world.data(rotate, id=endpoint)
    await bench.moved(6)
    await bench.run()
    assert len(bench.receiver.got[1][0]["webhook-signature"].split(" ")) == 4


async def test_as_many_as_there_may_be_are_made_at_once_and_none_fails_for_another(bench: Bench) -> None:
    asked = [
        bench.world.data(CREATE, url=bench.receiver.url, query="subscription { syncFinished { at } }")
        for _ in range(23)
    ]
    codes = [[each["code"] for each in rows_of(made)["userErrors"]] for made in await asyncio.gather(*asked)]
    assert sorted(codes) == [[]] * 20 + [["LIMIT_REACHED"]] * 3
    assert len((await bench.world.data(LIST))["webhookEndpoints"]) == 20


async def test_what_waits_for_an_endpoint_that_is_off_is_let_go_and_not_sent_again(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    await bench.moved(5)
    await bench.outgoing(Acting(answers=(500,))).run(bench.world.a)
    assert rows_of(await bench.world.data(UPDATE, id=endpoint, enabled=False))["userErrors"] == []
    [waiting] = await bench.sent(endpoint)
    refused = rows_of(await bench.world.data(RESEND, id=waiting["id"]))
    assert (refused["delivery"], refused["userErrors"][0]["code"]) == (None, "INVALID")
    assert await bench.sent(endpoint) == [waiting]
    await let_go(bench.world.store.database, bench.world.a.id, now=bench.now + timedelta(days=15))
    assert await bench.sent(endpoint) == []


async def test_bad_deliveries_do_not_hold_up_the_good_ones_and_a_dead_receiver_does_not_hold_us(bench: Bench) -> None:
    await bench.made()
    for customer in range(1, 13):
        await bench.moved(customer)
    mixed = Acting(answers=(400, 204, 500, 500, 204) * 2)
    assert await bench.outgoing(mixed).run(bench.world.a) == {"made": 12, "sent": 12}
    for answers, sent in (((500,) * 9, 3), ((503,), 1), ((None,), 1), ((429,), 1)):
        for customer in range(1, 6):
            await bench.moved(customer)
        assert (await bench.outgoing(Acting(answers=answers)).run(bench.world.a))["sent"] == sent
        await bench.run()


async def test_a_slow_receiver_has_one_turn_and_no_job_is_longer_than_its_time(bench: Bench) -> None:
    await bench.made()
    for customer in range(1, 6):
        await bench.moved(customer)
    time = [0.0]

    def passes(seconds: float) -> Acting:
        return Acting(lambda _: time.__setitem__(0, time[0] + seconds))

    outgoing = bench.outgoing(passes(6))
    outgoing.clock = lambda: time[0]
    assert (await outgoing.run(bench.world.a))["sent"] == 1
    outgoing.sender = passes(4.9)
    for customer in range(1, 11):
        await bench.moved(customer)
    assert (await outgoing.run(bench.world.a))["sent"] == 7  # the last one begins within 30 seconds


async def test_trouble_with_one_endpoint_leaves_the_others_their_turn(bench: Bench) -> None:
    """A receiver whose answer no reader foresaw, and a fault of our own."""
    first, _ = await bench.made()
    await bench.made("subscription { stageChanged { at } }")
    await bench.moved(5)

    async def odd(_: httpx.Request) -> httpx.Response:
        raise httpx.InvalidURL("in a Location, say")

    answer = await Sender(loopback=True, transport=httpx.MockTransport(odd)).post(bench.receiver.url, {}, "{}")
    assert answer == Answer(None, "The connection failed (InvalidURL).")
    assert (await Sender(loopback=True).post("https://hooks.example.com/\x7f", {}, "{}")).status is None

    outgoing, sender = bench.outgoing(), Acting()
    inner, number = outgoing.payloads, int(first.rpartition("/")[2])

    async def broken(shop: Any, endpoint: Any, told: Any) -> Any:
        if endpoint.id == number:
            raise RuntimeError
        return await inner(shop, endpoint, told)

    outgoing.payloads, outgoing.sender = broken, sender
    with pytest.raises(RuntimeError):
        await outgoing.run(bench.world.a)
    assert len(sender.sent) == 1


async def test_an_endpoint_made_while_its_token_was_revoked_is_switched_off_and_on_only_by_adoption(
    bench: Bench,
) -> None:
    store, shop = bench.world.store, bench.world.a
    scopes = "write_webhooks,read_customers"
    _, info = await create_token(store, shop.id, "Tool", scopes.split(","), bench.now)
    query = "subscription { stageChanged { customer { email } } }"
    endpoint, _ = await bench.made(query, caller=f"a:{scopes}:{info.id}")
    await store.database.execute(  # as when the endpoint was written just after
        "UPDATE partner_tokens SET revoked_at = 1 WHERE shop_id = $1 AND id = $2", shop.id, info.id
    )
    late = await bench.world.ask(CREATE, caller=f"a:{scopes}:{info.id}", url=bench.receiver.url, query=query)
    assert late["errors"][0]["message"] == "The partner token that made it was revoked."
    await bench.moved(5)
    assert await bench.run() == {"made": 0, "sent": 0}
    [row] = (await bench.world.data(LIST))["webhookEndpoints"]
    assert (row["enabled"], row["disabledReason"]) == (False, "The partner token that made it was revoked.")
    refused = rows_of(await bench.world.data(UPDATE, id=endpoint, enabled=True))
    assert [(each["field"], each["code"]) for each in refused["userErrors"]] == [(["enabled"], "INVALID")]
    assert not (await bench.world.data(LIST))["webhookEndpoints"][0]["enabled"]
    adopted = rows_of(await bench.world.data(UPDATE, id=endpoint, enabled=True, query=query))
    assert (adopted["endpoint"]["enabled"], adopted["userErrors"]) == (True, [])
    await bench.moved(6)
    assert await bench.run() == {"made": 1, "sent": 1}


async def test_a_secret_in_a_url_stands_sealed_and_a_page_of_payloads_is_one_read(bench: Bench) -> None:
    bench.receiver.url += "?key=s3cr3t"
    endpoint, _ = await bench.made()
    for customer in range(1, 9):
        await bench.moved(customer)
    assert (await bench.run())["sent"] == 8
    assert "s3cr3t" not in str(await bench.rows())
    statements = bench.world.database.statements
    statements.clear()
    assert len(rows_of(await bench.world.data(SENT, id=endpoint))["nodes"]) == 8
    assert len([each for each in statements if "webhook_deliveries" in each]) == 2


def _certified(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    text = certificate.public_bytes(pem)
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "both.pem"
    file.write_bytes(secret + text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=text.decode())


async def test_the_judged_address_must_show_the_certificate_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.outgoing.addresses.is_public", lambda _: True)
    serving, trusting = _certified(tmp_path, "hooks.example.com")
    asked: list[bytes] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    async def here(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    server = await asyncio.start_server(answering, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    sender = Sender(resolve=here, tls=trusting)
    assert await sender.post(f"https://hooks.example.com:{port}/a", {}, "{}") == Answer(204, None)
    assert await sender.post(f"https://other.example.com:{port}/a", {}, "{}") == Answer(
        None, "The connection failed (ConnectError)."
    )
    assert (await Sender(resolve=here).post(f"https://hooks.example.com:{port}/a", {}, "{}")).status is None
    assert len(asked) == 1
    assert f"host: hooks.example.com:{port}".encode() in asked[0].lower()
    server.close()
