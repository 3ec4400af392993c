"""The platform's own libraries agree with ours on what is signed, and on what is not."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from shopify import session_token as deprecated_session_token

from integrations.shopify import oauth, sdk
from integrations.shopify.session_tokens import read_session_token
from integrations.shopify.signatures import (
    check_proxy_query,
    check_webhook,
    install_hmac,
    proxy_signature,
    webhook_signature,
)
from plugin.errors import BadRequestError
from plugin.settings import read_settings
from tests.support.judges import shopify_api_verdicts, signed_by_shopify_api
from tests.support.platform_requests import CLIENT_ID, SHOP, callback_params, claims, proxy_params, session_token

SECRET = "a-client-secret-as-long-as-a-real-one"


def test_shopify_api_accepts_what_we_sign_and_refuses_what_was_changed() -> None:
    now = str(int(datetime.now(UTC).timestamp()))
    install = callback_params(oauth.new_state(), timestamp=now)
    install["hmac"] = install_hmac(install, SECRET)
    proxy = proxy_params("7", timestamp=now)
    proxy["signature"] = proxy_signature({key: [value] for key, value in proxy.items()}, SECRET)
    body = '{ "id": 1, "name": "Zoë" }'
    headers = {
        "X-Shopify-Hmac-Sha256": webhook_signature(body.encode(), SECRET),
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "w1",
    }
    token = session_token(claims(int(now)), secret=SECRET)
    cases = [
        {"kind": "install", "params": install},
        {"kind": "install", "params": {**install, "state": "x"}},
        {"kind": "proxy", "params": proxy},
        {"kind": "proxy", "params": {**proxy, "logged_in_customer_id": "8"}},
        {"kind": "webhook", "body": body, "headers": headers},
        {"kind": "webhook", "body": body + " ", "headers": headers},
        {"kind": "session", "token": token},
        {"kind": "session", "token": token[:-1]},
    ]
    assert shopify_api_verdicts(cases, api_key=CLIENT_ID, api_secret=SECRET) == [True, False] * 4


def test_we_accept_what_shopify_api_signs() -> None:
    body = '{ "id": 1, "name": "Zoë" }'
    signed = signed_by_shopify_api(api_key=CLIENT_ID, api_secret=SECRET, shop=SHOP, body=body)
    now = datetime.now(UTC)
    check_webhook(body.encode(), signed["webhook"], [SECRET])
    proxied = check_proxy_query(urlsplit(signed["proxied"]).query, [SECRET], now)
    assert (proxied["shop"], proxied["logged_in_customer_id"]) == (SHOP, "7")
    settings = read_settings({"SHOPIFY_API_KEY": CLIENT_ID, "SHOPIFY_API_SECRET": SECRET})
    assert read_session_token(signed["token"], settings, now).domain == SHOP


def test_every_shop_we_accept_the_platforms_library_accepts_too() -> None:
    names = ["a.myshopify.com", "some-shop.myshopify.com", "a.myshopify.com.evil.com", "evil.com", "a.myshopify.com@x"]
    ours = [_is_shop(name) for name in names]
    assert ours == [True, True, False, False, False]
    cases = [{"kind": "shop", "shop": name} for name in names]
    assert shopify_api_verdicts(cases, api_key=CLIENT_ID, api_secret=SECRET) == ours


def _is_shop(name: str) -> bool:
    try:
        return oauth.check_shop(name) == name
    except BadRequestError:
        return False


def test_the_deprecated_sdk_reads_our_session_tokens_alike() -> None:
    now = int(datetime.now(UTC).timestamp())
    good = session_token(claims(now), secret=SECRET)
    assert sdk.read_session_token(f"Bearer {good}", api_key=CLIENT_ID, secret=SECRET)["dest"] == f"https://{SHOP}"
    elsewhere = session_token(claims(now, iss="https://other.myshopify.com/admin"), secret=SECRET)
    with pytest.raises(deprecated_session_token.MismatchedHostsError):
        sdk.read_session_token(f"Bearer {elsewhere}", api_key=CLIENT_ID, secret=SECRET)


def test_the_sdk_keeps_nothing_between_two_apps() -> None:
    first, second = {"shop": SHOP}, {"shop": SHOP}
    assert sdk.query_hmac(first, "one") != sdk.query_hmac(second, "two")
    assert sdk.query_hmac(first, "one") == sdk.query_hmac(second, "one")
    assert sdk.api_path("2026-10") == "/admin/api/2026-10"
