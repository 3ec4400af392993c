"""What happens in the shop reaches the app: signed, repeated, in the platform's shapes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

import orjson
import pytest

from integrations.devshop.faults import WebhookFault
from tests.devshop import documents
from tests.devshop.conftest import Client, Inbox
from tests.support.devshop_data import APP, SHOP

TOPICS = (
    "ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_CANCELLED", "ORDERS_DELETE", "REFUNDS_CREATE", "CUSTOMERS_CREATE",
    "CUSTOMERS_UPDATE", "CUSTOMERS_DELETE", "CUSTOMERS_MERGE", "CUSTOMER_TAGS_ADDED", "CUSTOMER_TAGS_REMOVED",
    "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE", "PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE",
    "APP_UNINSTALLED",
)  # fmt: skip


def subscribe(client: Client, inbox: Inbox, *topics: str) -> None:
    for topic in topics or TOPICS:
        given = {"topic": topic, "webhookSubscription": {"uri": inbox.url}}
        answer = client.data(documents.WEBHOOK_CREATE, given)["webhookSubscriptionCreate"]
        assert answer["userErrors"] == []


def body_of(inbox: Inbox, topic: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        orjson.loads(body) for headers, body in inbox.received if headers["x-shopify-topic"] == topic
    )
    return found


def test_an_order_is_told_with_the_platforms_headers_over_the_signed_raw_body(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "ORDERS_CREATE")
    order = client.run[SHOP].place_order(1, [(21, 2), (11, 1)], discount="4.50", discount_codes=["BACK10"])
    client.run.settle()
    assert len(inbox.received) == 1
    headers, raw = inbox.received[0]
    digest = base64.b64encode(hmac.new(APP.secret.encode(), raw, hashlib.sha256).digest()).decode()
    assert headers["x-shopify-hmac-sha256"] == digest
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-shop-domain"] == SHOP
    assert headers["x-shopify-api-version"] == "2026-10"
    assert headers["x-shopify-triggered-at"] == "2026-11-23T12:00:00Z"
    assert headers["x-shopify-webhook-id"] != headers["x-shopify-event-id"]
    told = orjson.loads(raw)
    assert told["admin_graphql_api_id"] == f"gid://shopify/Order/{order.id}"
    assert (told["total_price"], told["current_total_price"], told["currency"]) == ("25.50", "25.50", "EUR")
    assert (told["financial_status"], told["test"], told["cancelled_at"]) == ("paid", False, None)
    assert told["customer"]["id"] == 1
    assert told["discount_codes"] == [{"code": "BACK10", "amount": "4.50", "type": "fixed"}]
    line = told["line_items"][0]
    assert (line["product_id"], line["variant_id"], line["quantity"]) == (20, 21, 2)
    assert (line["price"], line["total_discount"]) == ("12.25", "4.50")


def test_a_placed_order_counts_for_its_customer_at_once(client: Client) -> None:
    client.run[SHOP].place_order(3, [(11, 1)])
    cleo = client.data(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Customer/3"})["customer"]
    assert (cleo["numberOfOrders"], cleo["amountSpent"]["amount"]) == ("1", "5.5")


def test_a_customers_payload_carries_neither_tags_nor_consent(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    client.run[SHOP].update_customer(1, first_name="Adele")
    client.run.settle()
    told = body_of(inbox, "customers/update")
    assert (told["id"], told["first_name"], told["state"], told["orders_count"]) == (1, "Adele", "enabled", 2)
    assert not {"tags", "email_marketing_consent", "accepts_marketing"} & set(told)


def test_tags_are_told_whoever_changes_them(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "CUSTOMER_TAGS_ADDED", "CUSTOMER_TAGS_REMOVED", "CUSTOMERS_UPDATE")
    assert client.run[SHOP].edit_tags(1, add=["vip", "b"]) == ["b", "vip"]
    client.data(documents.REMOVE_TAGS, {"id": "gid://shopify/Customer/1", "tags": ["B"]})
    client.run.settle()
    assert sorted(inbox.topics()) == [
        "customer.tags_added",
        "customer.tags_removed",
        "customers/update",
        "customers/update",
    ]
    assert body_of(inbox, "customer.tags_added")["tags"] == ["vip", "b"]
    assert body_of(inbox, "customer.tags_removed")["tags"] == ["b"]


def test_a_cancelled_order_is_paid_back_and_told(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    client.run[SHOP].cancel_order(101)
    client.run.settle()
    told = body_of(inbox, "orders/cancelled")
    assert (told["financial_status"], told["current_total_price"], told["total_price"]) == ("refunded", "0.00", "24.50")
    assert told["cancelled_at"] == "2026-11-23T12:00:00Z"
    assert [line["current_quantity"] for line in told["line_items"]] == [0]
    ada = client.run[SHOP].state.data.customers[1]
    assert (ada.orders_count, ada.amount_spent) == (1, 55_000)
    with pytest.raises(ValueError, match="already been canceled"):
        client.run[SHOP].cancel_order(101)


def test_a_part_refund_is_told_and_more_than_was_paid_is_refused(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    client.run[SHOP].refund_order(101, lines=[(1010, 1)])
    client.run.settle()
    refund = body_of(inbox, "refunds/create")
    assert (refund["order_id"], refund["transactions"][0]["amount"]) == (101, "12.25")
    assert refund["refund_line_items"][0]["line_item_id"] == 1010
    assert body_of(inbox, "orders/updated")["financial_status"] == "partially_refunded"
    with pytest.raises(ValueError, match="greater than net payment"):
        client.run[SHOP].refund_order(101, amount="12.26")
    assert client.run[SHOP].state.data.orders[101].refunded == 122_500


def test_a_merge_moves_orders_tags_and_totals(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    shop = client.run[SHOP]
    shop.edit_tags(2, add=["loyal"])
    shop.merge_customers(1, 2)
    client.run.settle()
    assert client.data(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Customer/2"}) == {"customer": None}
    ada = client.data(documents.CUSTOMER_BY_ID, {"id": "gid://shopify/Customer/1"})["customer"]
    assert (ada["numberOfOrders"], ada["amountSpent"]["amount"], ada["tags"]) == ("3", "35.5", ["loyal"])
    assert [order.id for order in shop.state.orders_of(1)] == [100, 101, 102]
    told = body_of(inbox, "customers/merge")
    assert told["admin_graphql_api_customer_kept_id"] == "gid://shopify/Customer/1"
    assert told["admin_graphql_api_customer_deleted_id"] == "gid://shopify/Customer/2"


def test_a_customer_with_orders_cannot_be_deleted_and_one_without_can(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    with pytest.raises(ValueError, match="associated orders"):
        client.run[SHOP].delete_customer(1)
    client.run[SHOP].delete_customer(3)
    client.run.settle()
    assert body_of(inbox, "customers/delete")["id"] == 3
    assert sorted(client.run[SHOP].state.data.customers) == [1, 2]


def test_products_come_change_and_go(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox)
    shop = client.run[SHOP]
    made = shop.create_product("Pot", "19.90", tags=["new"])
    shop.update_product(made.id, status="ARCHIVED")
    shop.delete_product(made.id)
    client.run.settle()
    told = body_of(inbox, "products/create")
    assert (told["title"], told["tags"], told["variants"][0]["price"]) == ("Pot", "new", "19.90")
    assert body_of(inbox, "products/update")["status"] == "archived"
    assert body_of(inbox, "products/delete") == {"id": made.id}


def test_a_refused_delivery_comes_again_with_the_same_id(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "ORDERS_CREATE")
    inbox.answers = [500, 301]
    client.run[SHOP].place_order(1, [(11, 1)])
    client.run.settle()
    assert len(inbox.received) == 3
    assert len({headers["x-shopify-webhook-id"] for headers, _body in inbox.received}) == 1
    assert len({body for _headers, body in inbox.received}) == 1


def test_a_subscription_whose_deliveries_all_fail_is_deleted(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "ORDERS_CREATE")
    inbox.answers = [500] * 3
    client.run[SHOP].place_order(1, [(11, 1)])
    client.run.settle()
    assert client.run[SHOP].state.subscriptions == {}


@pytest.mark.parametrize(("kind", "expected"), [("lose", []), ("duplicate", [1, 1]), ("hold", [2, 1])])
def test_deliveries_are_lost_doubled_or_turned_round(
    client: Client, inbox: Inbox, kind: str, expected: list[int]
) -> None:
    subscribe(client, inbox, "CUSTOMERS_UPDATE")
    client.run.shops.faults.webhooks.append(WebhookFault(kind, "customers", times=2 if kind == "hold" else 1))
    client.run[SHOP].update_customer(1)
    if kind == "hold":
        client.run[SHOP].update_customer(2)
    client.run.settle()
    assert sorted(orjson.loads(body)["id"] for _headers, body in inbox.received) == sorted(expected)


def test_uninstalling_is_told_then_everything_is_silent(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "APP_UNINSTALLED", "ORDERS_CREATE")
    client.run[SHOP].uninstall()
    client.run[SHOP].place_order(1, [(11, 1)])
    client.run.settle()
    assert inbox.topics() == ["app/uninstalled"]
    assert body_of(inbox, "app/uninstalled")["myshopify_domain"] == SHOP


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("", "Address can't be blank"),
        ("http://shop.example/hooks", "Address protocol http:// is not supported"),
        ("https://x.myshopify.com/hooks", "Address cannot be a Shopify or an internal domain"),
        ("nonsense", "Address is invalid"),
    ],
)
def test_an_address_the_platform_would_not_call_is_refused(client: Client, uri: str, message: str) -> None:
    given = {"topic": "ORDERS_CREATE", "webhookSubscription": {"uri": uri}}
    answer = client.data(documents.WEBHOOK_CREATE, given)["webhookSubscriptionCreate"]
    error = {"field": ["webhookSubscription", "callbackUrl"], "message": message}
    assert answer == {"webhookSubscription": None, "userErrors": [error]}
    assert client.run[SHOP].state.subscriptions == {}


def test_subscribing_twice_is_an_error_to_swallow_and_deleting_ends_it(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "ORDERS_CREATE")
    given = {"topic": "ORDERS_CREATE", "webhookSubscription": {"uri": inbox.url}}
    again = client.data(documents.WEBHOOK_CREATE, given)["webhookSubscriptionCreate"]
    assert again["userErrors"][0]["message"] == "Address for this topic has already been taken"
    listed = client.data(documents.WEBHOOKS)["webhookSubscriptions"]["nodes"]
    assert [(each["topic"], each["uri"]) for each in listed] == [("ORDERS_CREATE", inbox.url)]
    gone = client.data(documents.WEBHOOK_DELETE, {"id": listed[0]["id"]})["webhookSubscriptionDelete"]
    assert gone["deletedWebhookSubscriptionId"] == listed[0]["id"]
    assert client.run[SHOP].state.subscriptions == {}


def test_an_unknown_topic_is_refused(client: Client) -> None:
    given = {"topic": "CUSTOMERS_REDACT", "webhookSubscription": {"uri": "https://a.example/"}}
    error = client.ask(documents.WEBHOOK_CREATE, given)["errors"][0]
    assert error["extensions"]["code"] == "INVALID_VARIABLE"


def test_compliance_goes_to_the_apps_own_address_without_a_subscription(client: Client, inbox: Inbox) -> None:
    state = client.run[SHOP].state
    state.app = APP.__class__(APP.client_id, APP.secret, inbox.url.removesuffix("/webhooks"))
    client.run[SHOP].redact_customer(1)
    client.run[SHOP].request_customer_data(1)
    client.run[SHOP].redact_shop()
    client.run.settle()
    assert sorted(inbox.topics()) == ["customers/data_request", "customers/redact", "shop/redact"]
    assert body_of(inbox, "customers/redact")["orders_to_redact"] == [100, 101]


def test_what_else_happens_is_told_in_the_platforms_own_manner(client: Client, inbox: Inbox) -> None:
    subscribe(
        client, inbox, "CUSTOMERS_ENABLE", "CUSTOMERS_DISABLE", "CUSTOMERS_MARKETING_CONSENT_UPDATE",
        "CUSTOMERS_PURCHASING_SUMMARY", "ORDERS_EDITED", "CHECKOUTS_CREATE", "CHECKOUTS_UPDATE", "CHECKOUTS_DELETE",
        "SHOP_UPDATE", "APP_SCOPES_UPDATE",
    )  # fmt: skip
    shop = client.run[SHOP]
    shop.enable_account(1)
    shop.enable_account(1, enabled=False)
    shop.update_customer(1, phone="+31600000000")
    shop.set_sms_consent(1, "SUBSCRIBED")
    order = shop.place_order(1, [(11, 2)])
    shop.edit_order(order.id, order.lines[0].id, 1)
    checkout = shop.begin_checkout(1, [(11, 2)])
    shop.update_checkout(checkout.id, completed=True)
    shop.delete_checkout(checkout.id)
    shop.update_shop(timezone="Asia/Tokyo")
    shop.change_scopes(["read_customers"])
    client.run.settle()
    assert body_of(inbox, "customers/enable")["state"] == "enabled"
    assert body_of(inbox, "customers/disable")["state"] == "disabled"
    consent = body_of(inbox, "customers_marketing_consent/update")
    assert (consent["id"], consent["sms_marketing_consent"]["state"]) == (1, "subscribed")
    summary = body_of(inbox, "customers/purchasing_summary")
    assert (summary["customerId"], summary["lastOrderId"]) == (
        "gid://shopify/Customer/1",
        f"gid://shopify/Order/{order.id}",
    )
    assert body_of(inbox, "orders/edited")["order_edit"]["order_id"] == order.id
    assert shop.state.data.orders[order.id].lines[0].current_quantity == 1
    told = body_of(inbox, "checkouts/create")
    assert (told["id"], told["completed_at"], told["line_items"][0]["quantity"]) == (checkout.id, None, 2)
    assert body_of(inbox, "checkouts/update")["completed_at"] is not None
    assert body_of(inbox, "checkouts/delete")["id"] == checkout.id
    assert body_of(inbox, "shop/update")["iana_timezone"] == "Asia/Tokyo"
    assert body_of(inbox, "app/scopes_update")["current"] == ["read_customers"]


def test_the_clock_moves_what_is_told(client: Client, inbox: Inbox) -> None:
    subscribe(client, inbox, "CUSTOMERS_UPDATE")
    client.run[SHOP].advance(timedelta(days=1))
    client.run[SHOP].update_customer(1)
    client.run.settle()
    assert body_of(inbox, "customers/update")["updated_at"] == "2026-11-24T12:00:00Z"
