"""Installing, tokens, and their ends."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from integrations.devshop.oauth import EXCHANGE, ID_TOKEN, ONLINE
from integrations.devshop.signing import hex_hmac, oauth_hmac, proxy_signature
from tests.devshop.conftest import Client
from tests.support.devshop_data import APP, OTHER_SHOP, SHOP

SHOP_QUERY = "{ shop { myshopifyDomain } }"


def test_the_platforms_own_vectors_are_signed_the_same() -> None:
    query = {"code": "0907a61c0c8d55e99db179b68161bc00", "shop": "some-shop.myshopify.com", "timestamp": "1337178173"}
    assert oauth_hmac("hush", query) == "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"
    query["state"] = "0.6784241404160823"
    assert oauth_hmac("hush", query) == "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"
    proxy = {
        "extra": ["1", "2"],
        "shop": "shop-name.myshopify.com",
        "logged_in_customer_id": "1",
        "path_prefix": "/apps/awesome_reviews",
        "timestamp": "1317327555",
    }
    assert proxy_signature("hush", proxy) == "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb"
    proxy["logged_in_customer_id"] = ""
    assert proxy_signature("hush", proxy) == "e072b6d7e6622d85912a5214b860d3100dc1e73d9bc29f43796ac8c9ff8093cb"


def test_the_merchant_agrees_at_once_and_the_callback_is_signed(client: Client) -> None:
    answer = client.authorize(state="abc")
    target = urlsplit(answer.headers["location"])
    query = dict(parse_qsl(target.query))
    assert (answer.status_code, target.path) == (302, "/auth/callback")
    assert sorted(query) == ["code", "hmac", "host", "shop", "state", "timestamp"]
    assert (query["shop"], query["state"]) == (SHOP, "abc")
    message = "&".join(f"{key}={query[key]}" for key in sorted(query) if key != "hmac")
    assert query["hmac"] == hex_hmac(APP.secret, message)


@pytest.mark.parametrize("wrong", [{"client_id": "another"}, {"redirect_uri": "https://evil.example/"}])
def test_a_foreign_app_or_address_is_not_redirected_to(client: Client, wrong: dict[str, str]) -> None:
    answer = client.authorize(**wrong)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_code_works_once(client: Client) -> None:
    code = dict(parse_qsl(urlsplit(client.authorize().headers["location"]).query))["code"]
    first, second = client.grant(code=code), client.grant(code=code)
    assert (first.status_code, second.status_code) == (200, 400)
    assert "access_token" not in second.json()


def test_without_expiring_the_token_has_no_end(client: Client) -> None:
    body = client.install()
    assert sorted(body) == ["access_token", "scope"]
    client.run[SHOP].advance(timedelta(days=400))
    assert client.data(SHOP_QUERY) == {"shop": {"myshopifyDomain": SHOP}}


def test_the_granted_scope_leaves_out_what_writing_implies(client: Client) -> None:
    body = client.install(scopes="read_customers,write_customers,read_orders")
    assert body["scope"] == "read_orders,write_customers"
    scopes = client.data("{ currentAppInstallation { accessScopes { handle } } }")
    handles = [each["handle"] for each in scopes["currentAppInstallation"]["accessScopes"]]
    assert handles == ["read_customers", "read_orders", "write_customers"]


def test_an_expiring_token_ends_by_the_shops_clock_and_refreshes(client: Client) -> None:
    body = client.install(expiring="1")
    assert (body["expires_in"], body["refresh_token_expires_in"]) == (3600, 7_776_000)
    client.run[SHOP].advance(timedelta(seconds=3600))
    assert client.send(SHOP_QUERY).status_code == 401
    fresh = client.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]).json()
    assert fresh["refresh_token"] != body["refresh_token"]
    client.token = fresh["access_token"]
    assert client.send(SHOP_QUERY).status_code == 200


def test_a_replaced_refresh_token_ends_when_the_new_one_is_used(client: Client) -> None:
    old = client.install(expiring="1")["refresh_token"]
    new = client.grant(grant_type="refresh_token", refresh_token=old).json()["refresh_token"]
    assert client.grant(grant_type="refresh_token", refresh_token=new).status_code == 200
    refused = client.grant(grant_type="refresh_token", refresh_token=old)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_grant")


def test_a_refresh_token_ends_after_ninety_days(client: Client) -> None:
    old = client.install(expiring="1")["refresh_token"]
    client.run[SHOP].advance(timedelta(seconds=7_776_000))
    assert client.grant(grant_type="refresh_token", refresh_token=old).status_code == 401


def test_a_session_token_is_exchanged(client: Client) -> None:
    form = {"grant_type": EXCHANGE, "subject_token_type": ID_TOKEN, "expiring": "1"}
    body = client.grant(subject_token=client.run[SHOP].session_token(), **form).json()
    assert (body["expires_in"], body["refresh_token_expires_in"]) == (3600, 7_776_000)
    client.token = body["access_token"]
    assert client.send(SHOP_QUERY).status_code == 200


def test_an_online_token_is_exchanged_for_its_user(client: Client) -> None:
    form = {"grant_type": EXCHANGE, "subject_token_type": ID_TOKEN, "requested_token_type": ONLINE}
    body = client.grant(subject_token=client.run[SHOP].session_token(user="7"), **form).json()
    assert (body["associated_user"]["id"], body["expires_in"]) == (7, 86_399)


@pytest.mark.parametrize("case", ["expired", "other shop", "other secret", "not a token"])
def test_a_wrong_session_token_is_not_exchanged(client: Client, case: str) -> None:
    shop = client.run[SHOP]
    tokens = {
        "expired": shop.session_token(lifetime=-1),
        "other shop": client.run[OTHER_SHOP].session_token(),
        "other secret": shop.session_token()[:-3] + "abc",
        "not a token": "abc",
    }
    before = dict(shop.state.tokens)
    answer = client.grant(subject_token=tokens[case], grant_type=EXCHANGE, subject_token_type=ID_TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_subject_token")
    assert shop.state.tokens == before


def test_wrong_credentials_get_no_token(client: Client) -> None:
    answer = client.grant(client_secret="guess", code="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_token_opens_only_its_own_shop(client: Client) -> None:
    client.shop = OTHER_SHOP
    answer = client.send(SHOP_QUERY)
    assert answer.status_code == 401
    assert answer.json() == {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}


def test_uninstalling_and_revoking_end_every_token(client: Client) -> None:
    client.run[SHOP].revoke_tokens()
    assert client.send(SHOP_QUERY).status_code == 401
    body = client.install(expiring="1")
    client.run[SHOP].uninstall()
    assert client.send(SHOP_QUERY).status_code == 401
    assert client.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]).status_code == 401
