"""Installing without I/O: shops' names, the address to ask at, callbacks, token requests and their answers."""

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.shopify import oauth
from plugin.errors import BadRequestError, ShopAccessError, ShopUnavailableError, UnauthenticatedError
from plugin.settings import Settings, read_settings
from tests.support.platform_requests import NOW, SECRET, SHOP, callback_params, install_query

ENVIRONMENT = {
    "SHOPIFY_API_KEY": "test-client-id",
    "SHOPIFY_API_SECRET": "hush",
    "SHOPIFY_SCOPES": "read_orders,write_customers",
}
STATE = "s" * 43


def settings(**changed: str) -> Settings:
    return read_settings({**ENVIRONMENT, **changed})


def a_cookie(state: str = STATE, domain: str = SHOP) -> str:
    return oauth.state_cookie(state, domain, SECRET)


WEAPONS = [
    "", "evil.com", "a.myshopify.com.evil.com", "a.myshopify.com@evil.com", "a.myshopify.com#x", "a.myshopify.com/x",
    "a.myshopify.com?x", "a.myshopify.com:443", "//evil.com", "https://a.myshopify.com", "%2e.myshopify.com",
    "a.myshopify.com\n", "\na.myshopify.com", "a.myshopify.com ", "A.myshopify.com", "a.MYSHOPIFY.com",
    "-a.myshopify.com", ".myshopify.com", "myshopify.com", "a.b.myshopify.com", "ä.myshopify.com", "xn--.evil.com",
    "127.0.0.1", "[::1]", "a" * 300 + ".myshopify.com", "a_b.myshopify.com", "a.myshopify.com\\@evil.com",
    "а.myshopify.com", "a。myshopify.com", "a.myshopify.com\x00",
]  # fmt: skip


@pytest.mark.parametrize("weapon", WEAPONS)
def test_a_shops_name_that_is_a_weapon_is_refused_and_never_repaired(weapon: str) -> None:
    with pytest.raises(BadRequestError):
        oauth.check_shop(weapon)


@pytest.mark.parametrize("domain", ["a.myshopify.com", "some-shop.myshopify.com", "0-9.myshopify.com"])
def test_a_shops_name_is_taken_to_the_letter(domain: str) -> None:
    assert oauth.check_shop(domain) == domain


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[a-z0-9.@/:#\\-]{1,20}\.myshopify\.com", fullmatch=True)))
@example("shop.myshopify.com")
def test_any_text_is_refused_or_is_the_very_host_of_every_address_made_of_it(text: str) -> None:
    try:
        domain = oauth.check_shop(text)
    except BadRequestError:
        return
    for url in (oauth.token_url(settings(), domain), oauth.authorize_url(settings(), domain, STATE)):
        assert urlsplit(url).hostname == text
        assert httpx.URL(url).host == text


def test_the_merchant_is_sent_to_the_shop_with_our_scopes_state_and_return_address() -> None:
    url = urlsplit(oauth.authorize_url(settings(REBLOOM_APP_URL="https://app.example.com"), SHOP, STATE))
    assert (url.scheme, url.netloc, url.path) == ("https", SHOP, "/admin/oauth/authorize")
    assert parse_qs(url.query) == {
        "client_id": ["test-client-id"],
        "scope": ["read_orders,write_customers"],
        "redirect_uri": ["https://app.example.com/auth/callback"],
        "state": [STATE],
    }


def test_beside_a_dev_shop_only_the_base_is_another() -> None:
    url = oauth.authorize_url(settings(SHOPIFY_SHOP_URL="http://127.0.0.1:9292/{shop}"), SHOP, STATE)
    assert url.startswith(f"http://127.0.0.1:9292/{SHOP}/admin/oauth/authorize?client_id=")


def test_states_are_random_and_need_no_encoding() -> None:
    states = {oauth.new_state() for _ in range(100)}
    assert len(states) == 100
    assert all(len(state) == 43 and state.replace("-", "").replace("_", "").isalnum() for state in states)


def test_a_good_callback_gives_shop_code_and_state() -> None:
    callback = oauth.check_callback(install_query(callback_params(STATE)), a_cookie(), settings(), NOW)
    assert callback == oauth.Callback(domain=SHOP, code="0907a61c0c8d55e99db179b68161bc00", state=STATE)


@pytest.mark.parametrize(
    ("params", "cookie"),
    [
        (callback_params(STATE), None),
        (callback_params(STATE), ""),
        (callback_params(STATE), a_cookie("t" * 43)),
        (callback_params(STATE), a_cookie(domain="other.myshopify.com")),
        (callback_params(STATE), f"{STATE}.{'0' * 64}"),
        (callback_params(STATE), oauth.state_cookie(STATE, SHOP, "another secret")),
        (callback_params("t" * 43), a_cookie()),
        (callback_params(""), a_cookie("")),
        (callback_params("short"), a_cookie("short")),
        (callback_params(STATE, shop="other.myshopify.com"), a_cookie()),
        (callback_params(STATE, shop="evil.com"), a_cookie(domain="evil.com")),
        (callback_params(STATE, code=""), a_cookie()),
        (callback_params(STATE, code="a b"), a_cookie()),
        (callback_params(STATE, code="c" * 300), a_cookie()),
    ],
)
def test_a_signed_callback_of_another_browser_shop_or_form_is_refused(
    params: dict[str, str], cookie: str | None
) -> None:
    with pytest.raises((UnauthenticatedError, BadRequestError)):
        oauth.check_callback(install_query(params), cookie, settings(), NOW)


def test_every_token_asked_for_expires() -> None:
    client = {"client_id": "test-client-id", "client_secret": "hush"}
    assert oauth.code_form(settings(), "c") == {**client, "code": "c", "expiring": "1"}
    assert oauth.exchange_form(settings(), "jwt") == {
        **client,
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "jwt",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": "1",
    }
    assert oauth.refresh_form(settings(), "r") == {**client, "grant_type": "refresh_token", "refresh_token": "r"}


def test_a_grant_holds_both_tokens_and_when_they_end() -> None:
    body = {
        "access_token": "shpat_1",
        "scope": "read_orders,write_customers",
        "expires_in": 3600,
        "refresh_token": "shprt_1",
        "refresh_token_expires_in": 7776000,
    }
    grant = oauth.read_token_reply(200, json.dumps(body).encode(), NOW)
    assert (grant.access_token, grant.refresh_token) == ("shpat_1", "shprt_1")
    assert grant.scopes == {"read_orders", "write_customers"}
    assert grant.access_expires_at == NOW + timedelta(hours=1)
    assert grant.refresh_expires_at == NOW + timedelta(days=90)
    assert "shpat_1" not in repr(grant)
    assert "shprt_1" not in repr(grant)


def test_a_reply_that_does_not_say_when_the_token_ends_means_soon() -> None:
    grant = oauth.read_token_reply(200, b'{"access_token":"a","refresh_token":"r"}', NOW)
    assert grant.access_expires_at == NOW + timedelta(minutes=10)


def test_a_token_without_refresh_and_end_lasts() -> None:
    assert oauth.read_token_reply(200, b'{"access_token":"a"}', NOW).access_expires_at is None


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"invalid_grant","error_description":"secret words"}', ShopAccessError),
        (400, b"<html>", ShopAccessError),
        (401, b'{"error":"invalid_client"}', ShopAccessError),
        (403, b'["x"]', ShopAccessError),
        (404, b"", ShopAccessError),
        (429, b"", ShopUnavailableError),
        (500, b"", ShopUnavailableError),
        (200, b"<html>", ShopUnavailableError),
        (200, b'{"access_token":""}', ShopUnavailableError),
        (200, b'{"access_token":1}', ShopUnavailableError),
        (200, b'{"access_token":"shpa', ShopUnavailableError),
        (200, b"\xff", ShopUnavailableError),
    ],
)
def test_a_refused_token_request_says_whether_trying_again_helps(
    status: int, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        oauth.read_token_reply(status, body, NOW)
    assert "secret words" not in str(caught.value)


def test_a_write_scope_brings_its_read_scope() -> None:
    granted = frozenset({"write_customers", "read_orders"})
    assert oauth.missing_scopes(granted, ("read_customers", "read_orders", "write_orders")) == {"write_orders"}
