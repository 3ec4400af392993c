"""The storefront's proxy, the pages a human opens, and the merchant's hand over HTTP."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import orjson
import pytest

from integrations.devshop.pages import embedded_url
from integrations.devshop.shop import App
from integrations.devshop.signing import oauth_hmac, proxy_signature, verified_claims
from tests.devshop.conftest import Client, Inbox
from tests.support.devshop_data import APP, OTHER_SHOP, SHOP


def through_proxy(client: Client, inbox: Inbox, query: str = "", **headers: str) -> tuple[dict[str, list[str]], bytes]:
    """What the app at `inbox` gets of one storefront request: its query and body."""
    client.run[SHOP].state.app = App(APP.client_id, APP.secret, inbox.url.removesuffix("/webhooks"))
    url = f"{client.run.url(SHOP)}/apps/rebloom/graphql{query}"
    assert client.http.post(url, content=b'{"query":"{ viewer }"}', headers=headers).status_code == 200
    assert "cookie" not in inbox.received[-1][0]
    path = inbox.paths[-1]
    assert urlsplit(path).path == "/storefront/graphql"
    return parse_qs(urlsplit(path).query, keep_blank_values=True), inbox.received[-1][1]


def test_the_proxy_signs_who_is_logged_in_and_keeps_the_rest(client: Client, inbox: Inbox) -> None:
    query, body = through_proxy(client, inbox, "?as=2&extra=a&extra=b")
    assert body == b'{"query":"{ viewer }"}'
    assert query["logged_in_customer_id"] == ["2"]
    assert (query["shop"], query["path_prefix"], query["extra"]) == ([SHOP], ["/apps/rebloom"], ["a", "b"])
    assert "as" not in query
    signed = {key: values if len(values) > 1 else values[0] for key, values in query.items()}
    assert query["signature"] == [proxy_signature(APP.secret, signed)]


@pytest.mark.parametrize("reserved", ["shop", "logged_in_customer_id", "timestamp", "path_prefix", "signature"])
def test_a_visitor_cannot_speak_for_the_proxy(client: Client, inbox: Inbox, reserved: str) -> None:
    query, _body = through_proxy(client, inbox, f"?{reserved}=forged")
    assert all("forged" not in values for values in query.values())
    assert query["logged_in_customer_id"] == [""]


def test_a_customer_logged_in_by_cookie_is_named_and_the_cookie_stays(client: Client, inbox: Inbox) -> None:
    client.http.get(f"{client.run.url(SHOP)}/account/login?as=3")
    query, _body = through_proxy(client, inbox)
    assert query["logged_in_customer_id"] == ["3"]


def test_an_app_that_is_down_is_a_bad_gateway(client: Client) -> None:
    client.run[SHOP].state.app = App(APP.client_id, APP.secret, "http://127.0.0.1:1")
    assert client.http.get(f"{client.run.url(SHOP)}/apps/rebloom/graphql").status_code == 502


def test_a_human_finds_the_shops_and_opens_the_app(client: Client) -> None:
    front = client.http.get(f"{client.run.base}/").text
    assert SHOP in front
    assert OTHER_SHOP in front
    home = client.http.get(client.run.url(SHOP)).text
    assert "open the app" in home
    page = client.http.get(f"{client.run.url(SHOP)}/admin/apps/{APP.client_id}").text
    assert f'src="{APP.url}/?embedded=1&amp;' in page
    assert client.http.get(f"{client.run.base}/unknown.myshopify.com").status_code == 404
    assert client.http.get(f"{client.run.url(SHOP)}/admin/apps/another").status_code == 404


def test_the_embedded_page_is_opened_with_a_token_for_this_shop(client: Client) -> None:
    query = dict(parse_qsl(urlsplit(embedded_url(client.run[SHOP].state)).query))
    claims = verified_claims(query["id_token"], APP.secret)
    assert claims is not None
    assert (claims["dest"], claims["aud"], claims["exp"] - claims["iat"]) == (f"https://{SHOP}", APP.client_id, 60)
    assert query["hmac"] == oauth_hmac(APP.secret, query)


def act(client: Client, action: str, **body: object) -> httpx.Response:
    return client.http.post(f"{client.run.base}/_dev/{SHOP}/{action}", content=orjson.dumps(body))


def test_the_merchants_hand_reaches_the_shop_over_http(client: Client) -> None:
    state = client.run[SHOP].state
    order = act(client, "order", customer=3, items=[{"variant": 11, "quantity": 2}]).json()
    assert state.data.orders[order["id"]].total == 110_000
    assert act(client, "order/refund", order=order["id"], amount="1.00").status_code == 200
    assert act(client, "order/cancel", order=order["id"]).json()["financial_status"] == "REFUNDED"
    assert act(client, "customer/tags", customer=3, add=["vip"]).json() == ["vip"]
    assert act(client, "customer/update", customer=3, first_name="Cleopatra").json()["first_name"] == "Cleopatra"
    made = act(client, "customer", first_name="Dora").json()
    assert act(client, "customer/merge", kept=1, gone=made["id"]).status_code == 200
    assert act(client, "product", title="Pot", price="3").json()["variants"][0]["price"] == 30_000
    assert act(client, "session-token").json()["id_token"].count(".") == 2
    act(client, "advance", seconds=86_400)
    stats = client.http.get(f"{client.run.base}/_dev/{SHOP}/stats").json()
    assert (stats["orders"], stats["customers"], stats["now"]) == (4, 3, "2026-11-24T12:00:00Z")
    act(client, "uninstall")
    assert client.send("{ shop { id } }").status_code == 401


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [("nonsense", {}, 404), ("order", {}, 400), ("order/cancel", {"order": 5}, 400), ("customer/delete", {"customer": 1}, 400)],
)  # fmt: skip
def test_a_wrong_order_to_the_shop_changes_nothing(
    client: Client, action: str, body: dict[str, object], status: int
) -> None:
    before = client.http.get(f"{client.run.base}/_dev/{SHOP}/stats").json()
    answer = act(client, action, **body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert client.http.get(f"{client.run.base}/_dev/{SHOP}/stats").json() == before
