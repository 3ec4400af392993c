"""Webhooks to partners over two shops: made once, signed, sent until taken, given up after days; refused with reasons."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from plugin.domain.events import EventKind
from plugin.domain.instants import to_us
from plugin.domain.retries import WAITS
from plugin.ledger.removals import delete_customer
from plugin.outgoing.endpoints import is_waiting
from plugin.outgoing.sending import Sender
from plugin.partners import create_token, revoke_token
from tests.support.graphql_world import CANARY
from tests.support.webhook_bench import CREATE, LIST, QUERY, SENT, Bench


async def test_what_comes_true_is_told_once_signed_with_what_was_asked_for(bench: Bench) -> None:
    endpoint, secret = await bench.made()
    await bench.moved(5)
    await bench.moved(6, shop="b")
    assert await bench.run() == {"made": 1, "sent": 1}
    assert await bench.run() == {"made": 0, "sent": 0}
    [(headers, body)] = bench.receiver.got
    assert Webhook(secret).verify(body, headers) == {
        "type": "stageChanged", "timestamp": bench.now.isoformat().replace("+00:00", "Z"),
        "data": {"to": {"key": "departing"}, "customer": {"id": "gid://shopify/Customer/5", "email": "p5@shop.example"}},
    }  # fmt: skip
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace("p5", "p6"), headers)
    [sent] = await bench.sent(endpoint)
    assert (sent["state"], sent["attempts"], sent["status"], sent["error"]) == ("DELIVERED", 1, 204, None)
    assert (sent["id"], sent["payload"]) == (headers["webhook-id"], body)
    assert CANARY not in str(bench.receiver.got)


async def test_a_query_filters_and_each_event_has_its_own(bench: Bench) -> None:
    queries = {
        'subscription { stageChanged(to: ["departing"]) { at } }': 1,
        'subscription { stageChanged(model: "reach-loyalty") { at } }': 0,
        "subscription { segmentJoined { customer { id } segment { name } } }": 1,
        'subscription { segmentLeft(segmentId: "gid://rebloom/Segment/2") { at } }': 0,
        "subscription { offerAccepted { offerId play } }": 1,
        "subscription { syncFinished { sync { phase } } }": 1,
        "subscription S { ...F } fragment F on Subscription { syncFinished { id } }": 1,
    }
    made = {(await bench.made(query))[0]: count for query, count in queries.items()}
    await bench.moved(5)
    await bench.moved(5, to="active")
    for kind, subject in (
        (EventKind.SEGMENT_JOINED, "1"), (EventKind.SEGMENT_LEFT, "1"), (EventKind.OFFER_ACCEPTED, "77 win-back"),
    ):  # fmt: skip
        await bench.moved(5, kind=kind, subject=subject, from_stage=None, to_stage=None, because=None)
    await bench.moved(5, kind=EventKind.SYNC_FINISHED, subject="", customer_id=None, from_stage=None, to_stage=None)
    assert (await bench.run())["made"] == 5
    assert {endpoint: len(await bench.sent(endpoint)) for endpoint in made} == made
    told = {json.loads(body)["type"]: json.loads(body)["data"] for _, body in bench.receiver.got}
    assert told["segmentJoined"] == {"customer": {"id": "gid://shopify/Customer/5"}, "segment": {"name": "Segment 1"}}
    assert told["offerAccepted"]["play"] == "win-back"


async def test_it_is_tried_again_by_the_schedule_and_given_up_after_three_days(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    await bench.moved(5)
    bench.receiver.status = 500
    began, waited = bench.now, []
    for wait in WAITS:
        assert (await bench.run())["sent"] == 1
        bench.now += timedelta(seconds=wait * 0.99)
        assert (await bench.run())["sent"] == 0
        [sent] = await bench.sent(endpoint)
        assert (sent["state"], sent["error"]) == ("PENDING", "It answered 500.")
        bench.now = began + sum(waited, timedelta()) + timedelta(seconds=wait * 1.1)
        waited.append(timedelta(seconds=wait * 1.1))
    assert (await bench.run())["sent"] == 1
    [sent] = await bench.sent(endpoint)
    assert (sent["state"], sent["attempts"], sent["nextAttemptAt"]) == ("FAILED", 10, None)
    assert timedelta(days=3) < bench.now - began < timedelta(days=4)
    assert len({headers["webhook-id"] for headers, _ in bench.receiver.got}) == 1
    assert len({body for _, body in bench.receiver.got}) == 1

    again = "mutation Again($id: ID!) { webhookDeliveryResend(id: $id) { delivery { state } userErrors { code } } }"
    answer = await bench.world.data(again, id=sent["id"])
    assert answer["webhookDeliveryResend"] == {"delivery": {"state": "PENDING"}, "userErrors": []}
    assert ("webhooks", bench.world.a.id, {}) in bench.world.jobs.asked
    bench.receiver.status = 200
    assert (await bench.run())["sent"] == 1
    assert (await bench.sent(endpoint))[0]["state"] == "DELIVERED"
    for wrong in ("msg_1_1_999", "msg_9_1_1", "x", sent["id"] + "0"):
        answer = await bench.world.data(again, id=wrong)
        assert answer["webhookDeliveryResend"]["userErrors"] == [{"code": "NOT_FOUND"}]
    answer = await bench.world.data(again, id=sent["id"], caller="b")
    assert answer["webhookDeliveryResend"]["userErrors"] == [{"code": "NOT_FOUND"}]


async def test_after_five_days_of_failure_it_is_off_and_the_merchant_is_told(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    bench.receiver.status = 503
    for day in range(6):
        await bench.moved(5 + day % 2)
        await bench.run()
        bench.now += timedelta(days=1)
    [row] = (await bench.world.data(LIST))["webhookEndpoints"]
    assert (row["enabled"], row["disabledReason"]) == (False, "Nothing was taken for 5 days. It answered 503.")
    count = len(bench.receiver.got)
    await bench.moved(5)
    assert await bench.run() == {"made": 0, "sent": 0}
    assert not await is_waiting(bench.world.store.database, bench.world.a.id, now=to_us(bench.now))
    assert len(bench.receiver.got) == count
    bench.receiver.status = 200
    on = "mutation On($id: ID!) { webhookEndpointUpdate(id: $id, enabled: true) { endpoint { enabled disabledReason failingSince } userErrors { code } } }"
    answer = await bench.world.data(on, id=endpoint)
    assert answer["webhookEndpointUpdate"]["endpoint"] == {
        "enabled": True,
        "disabledReason": None,
        "failingSince": None,
    }
    await bench.moved(7)
    assert (await bench.run())["made"] == 1  # what happened while it was off is not told


async def test_one_success_ends_the_count_and_410_ends_the_endpoint(bench: Bench) -> None:
    await bench.made()
    bench.receiver.script = [500, 200, 410]
    await bench.moved(5)
    await bench.run()
    assert (await bench.world.data(LIST))["webhookEndpoints"][0]["failingSince"] is not None
    bench.now += timedelta(minutes=2)
    await bench.run()
    assert (await bench.world.data(LIST))["webhookEndpoints"][0]["failingSince"] is None
    await bench.moved(6)
    await bench.run()
    [row] = (await bench.world.data(LIST))["webhookEndpoints"]
    assert (row["enabled"], row["disabledReason"]) == (False, "It answered 410: it is gone and wants no more.")


async def test_a_partner_is_told_what_its_token_may_read_and_sees_its_own(bench: Bench) -> None:
    store, shop = bench.world.store, bench.world.a
    merchants, _ = await bench.made()
    scopes = "write_webhooks,read_customers,read_lifecycle"
    _, info = await create_token(store, shop.id, "Tool", scopes.split(","), bench.now)
    caller = f"a:{scopes}:{info.id}"
    theirs, _ = await bench.made(caller=caller)
    assert [each["id"] for each in (await bench.world.data(LIST, caller=caller))["webhookEndpoints"]] == [theirs]
    assert len((await bench.world.data(LIST))["webhookEndpoints"]) == 2
    before = await bench.rows()
    refused = await bench.world.data(
        CREATE, caller=caller, url=bench.receiver.url, query="subscription { offerAccepted { play } }"
    )
    assert refused["webhookEndpointCreate"]["userErrors"] == [
        {"field": ["query"], "code": "INVALID_QUERY", "message": "This credential lacks the scope read_offers."}
    ]
    for document in (
        "mutation X($id: ID!) { webhookEndpointDelete(id: $id) { userErrors { code } } }",
        "mutation X($id: ID!) { webhookSecretRotate(id: $id) { secret userErrors { code } } }",
        "mutation X($id: ID!) { webhookEndpointUpdate(id: $id, enabled: false) { userErrors { code } } }",
    ):
        for who in (caller, "b"):
            answer = await bench.world.data(document, caller=who, id=merchants)
            assert next(iter(answer.values()))["userErrors"] == [{"code": "NOT_FOUND"}]
    assert (await bench.world.data(SENT, caller=caller, id=merchants))["webhookDeliveries"] is None
    assert (await bench.world.ask(LIST, caller="a:read_shop"))["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert await bench.rows() == before

    await bench.moved(5)
    assert await revoke_token(store, shop.id, info.id, bench.now)
    assert await bench.run() == {"made": 1, "sent": 1}  # the merchant's alone
    off = [each for each in (await bench.world.data(LIST))["webhookEndpoints"] if not each["enabled"]]
    assert [(each["id"], each["disabledReason"]) for each in off] == [
        (theirs, "The partner token that made it was revoked.")
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{ shop { name } }", "Send a subscription"),
        ("mutation { syncStart { userErrors { code } } }", "Send a subscription"),
        ("subscription S($to: [String!]) { stageChanged(to: $to) { at } }", "Send a subscription"),
        ("subscription { syncProgress { phase } }", "not syncProgress"),
        ("subscription { nothing { at } }", "Cannot query field"),
        ("subscription {", "Syntax Error"),
        ("", "Syntax Error"),
        ("subscription A { syncFinished { at } } subscription B { syncFinished { at } }", "Send one operation"),
        ("subscription { a: syncFinished { at } b: syncFinished { at } }", "must select only one"),
        ("subscription { stageChanged { customer { " + "orders(first: 250) { nodes { id } } " * 5 + "} } }", ""),
        ("#" + "x" * 10_000, "10,000 characters"),
    ],
)
async def test_a_query_that_cannot_be_told_is_refused_and_changes_nothing(bench: Bench, query: str, says: str) -> None:
    answer = await bench.world.data(CREATE, url=bench.receiver.url, query=query)
    made = answer["webhookEndpointCreate"]
    assert (made["endpoint"], made["secret"]) == (None, None)
    [refused] = made["userErrors"]
    assert (refused["field"], refused["code"]) == (["query"], "INVALID_QUERY")
    assert says in refused["message"]
    assert await bench.rows() == []


async def test_an_address_inside_and_more_than_twenty_are_refused(bench: Bench) -> None:
    for url in ("http://10.0.0.1/", "https://db.internal/", "http://hooks.example.com/"):
        made = (await bench.world.data(CREATE, url=url, query=QUERY))["webhookEndpointCreate"]
        assert [(each["field"], each["code"]) for each in made["userErrors"]] == [(["url"], "INVALID")]
    assert await bench.rows() == []
    for _ in range(20):
        await bench.made()
    made = (await bench.world.data(CREATE, url=bench.receiver.url, query=QUERY))["webhookEndpointCreate"]
    assert made["userErrors"][0]["code"] == "LIMIT_REACHED"
    assert len(await bench.rows()) == 20


async def test_for_a_day_after_a_rotation_both_secrets_sign(bench: Bench) -> None:
    bench.world.app.state.now = lambda: bench.now
    endpoint, old = await bench.made()
    rotate = "mutation R($id: ID!) { webhookSecretRotate(id: $id) { secret userErrors { code } } }"
    new = (await bench.world.data(rotate, id=endpoint))["webhookSecretRotate"]["secret"]
    assert new != old
    await bench.moved(5)
    await bench.run()
    headers, body = bench.receiver.got[0]
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    bench.now += timedelta(days=1, seconds=1)
    await bench.moved(6)
    await bench.run()
    assert len(bench.receiver.got[-1][0]["webhook-signature"].split(" ")) == 1


async def test_neither_secret_nor_payload_stands_readable_in_the_store(bench: Bench) -> None:
    endpoint, secret = await bench.made()
    bench.receiver.status = 500
    await bench.moved(5)
    await bench.run()
    assert secret.removeprefix("whsec_") not in str(await bench.rows())
    assert "shop.example" not in str(await bench.rows())
    async with bench.world.store.database.transaction() as session:
        await delete_customer(session, bench.world.a.id, 5, at=to_us(bench.now))
    assert await bench.sent(endpoint) == []
    bench.now += timedelta(hours=1)
    assert await bench.run() == {"made": 0, "sent": 0}


async def test_killed_between_the_answer_and_its_record_the_same_delivery_is_sent_again(bench: Bench) -> None:
    endpoint, _ = await bench.made()
    await bench.moved(5)

    class Killed(BaseException):
        pass

    class Dying(Sender):
        async def post(self, url: str, headers: dict[str, str], body: str) -> Any:
            await super().post(url, headers, body)
            raise Killed

    with pytest.raises(Killed):
        await bench.outgoing(Dying(loopback=True)).run(bench.world.a)
    assert await bench.run() == {"made": 0, "sent": 1}
    assert len(bench.receiver.got) == 2
    assert bench.receiver.got[0][1] == bench.receiver.got[1][1]
    assert bench.receiver.got[0][0]["webhook-id"] == bench.receiver.got[1][0]["webhook-id"]
    assert len(await bench.sent(endpoint)) == 1


async def test_two_processes_at_once_make_each_delivery_once(bench: Bench) -> None:
    await bench.made()
    for customer in range(1, 21):
        await bench.moved(customer)
    made = await asyncio.gather(*(bench.run() for _ in range(2)), return_exceptions=True)
    assert sum(each["made"] for each in made if isinstance(each, dict)) == 20
    assert len({headers["webhook-id"] for headers, _ in bench.receiver.got}) == 20
    await bench.run()
    fetch = bench.world.store.database.fetch
    assert await fetch("SELECT COUNT(*) FROM webhook_deliveries WHERE shop_id = $1 AND state = 'delivered'", 1) == [
        (20,)
    ]
