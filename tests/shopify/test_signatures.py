"""Signatures of queries and bodies: the platform's own vectors, then every way to bend a good request."""

from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.shopify.signatures import (
    check_install_query,
    check_proxy_query,
    check_webhook,
    install_hmac,
    proxy_signature,
    webhook_signature,
)
from plugin.errors import UnauthenticatedError
from tests.support.platform_requests import (
    AT,
    NOW,
    SECRET,
    SHOP,
    callback_params,
    hex_mac,
    install_query,
    proxy_params,
    proxy_query,
    webhook_headers,
)

STATE = "s" * 43


@pytest.mark.parametrize(
    ("params", "digest"),
    [
        (
            {
                "code": "0907a61c0c8d55e99db179b68161bc00",
                "shop": "some-shop.myshopify.com",
                "state": "0.6784241404160823",
                "timestamp": "1337178173",
            },
            "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf",
        ),
        (
            {
                "code": "0907a61c0c8d55e99db179b68161bc00",
                "shop": "some-shop.myshopify.com",
                "timestamp": "1337178173",
            },
            "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20",
        ),
    ],
)
def test_the_official_install_vectors_hold(params: dict[str, str], digest: str) -> None:
    assert install_hmac(params, "hush") == digest
    at = NOW.fromtimestamp(1337178173, NOW.tzinfo)
    assert check_install_query(urlencode({**params, "hmac": digest}), ["hush"], at)["shop"] == params["shop"]


@pytest.mark.parametrize(
    ("customer", "digest"),
    [
        ("1", "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb"),
        ("", "e072b6d7e6622d85912a5214b860d3100dc1e73d9bc29f43796ac8c9ff8093cb"),
    ],
)
def test_the_official_proxy_vectors_hold(customer: str, digest: str) -> None:
    query = (
        f"extra=1&extra=2&shop=shop-name.myshopify.com&logged_in_customer_id={customer}"
        "&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555"
    )
    params: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        params.setdefault(key, []).append(value)
    assert proxy_signature(params, "hush") == digest
    at = NOW.fromtimestamp(1317327555, NOW.tzinfo)
    assert check_proxy_query(f"{query}&signature={digest}", ["hush"], at)["logged_in_customer_id"] == customer


@pytest.mark.parametrize("value", ["plain", "a/b", "a+b", "a:b", "a=b", "a b", "é", "100%", "x&y", "%2F"])
def test_both_ways_of_signing_an_awkward_value_are_known(value: str) -> None:
    params = callback_params(STATE, later=value)
    decoded = "&".join(sorted(f"{key}={text.replace('%', '%25').replace('&', '%26')}" for key, text in params.items()))
    for message in (decoded, urlencode(sorted(params.items()))):
        query = urlencode({**params, "hmac": hex_mac(message)})
        assert check_install_query(query, [SECRET], NOW)["later"] == value


def test_a_parameter_the_platform_adds_later_does_not_break_the_check() -> None:
    assert check_install_query(install_query(callback_params(STATE, session="abc")), [SECRET], NOW)["session"] == "abc"


@pytest.mark.parametrize("seconds", [-90, -89, 0, 89, 90])
def test_a_clock_off_by_ninety_seconds_is_accepted(seconds: int) -> None:
    assert check_install_query(install_query(callback_params(STATE)), [SECRET], NOW + timedelta(seconds=seconds))


BENT_INSTALLS = {
    "no hmac": urlencode(callback_params(STATE)),
    "empty hmac": urlencode(callback_params(STATE)) + "&hmac=",
    "wrong hmac": urlencode({**callback_params(STATE), "hmac": "0" * 64}),
    "hmac in capitals": install_query(callback_params(STATE)).replace("hmac=", "hmac=A"),
    "hmac with other letters": urlencode({**callback_params(STATE), "hmac": "é" * 64}),
    "hmac twice": install_query(callback_params(STATE)) + "&hmac=" + "0" * 64,
    "foreign secret": install_query(callback_params(STATE), "other"),
    "shop repeated": install_query(callback_params(STATE)) + f"&shop={SHOP}",
    "code changed": install_query(callback_params(STATE)).replace("code=0", "code=1"),
    "state changed": install_query(callback_params(STATE)).replace(STATE, "t" * 43),
    "parameter added": install_query(callback_params(STATE)) + "&x=1",
    "parameter removed": install_query(callback_params(STATE)).replace("host=", "hosts="),
    "no timestamp": install_query({key: value for key, value in callback_params(STATE).items() if key != "timestamp"}),
    "timestamp text": install_query(callback_params(STATE, timestamp="now")),
    "timestamp with a sign": install_query(callback_params(STATE, timestamp=f"+{AT}")),
    "timestamp with an underscore": install_query(callback_params(STATE, timestamp=f"{str(AT)[:3]}_{str(AT)[3:]}")),
    "timestamp in other digits": install_query(callback_params(STATE, timestamp="١٣٣٧")),
    "timestamp with a fraction": install_query(callback_params(STATE, timestamp=f"{AT}.0")),
    "timestamp of 400 digits": install_query(callback_params(STATE, timestamp="9" * 400)),
    "91 seconds old": install_query(callback_params(STATE, timestamp=str(AT - 91))),
    "91 seconds ahead": install_query(callback_params(STATE, timestamp=str(AT + 91))),
    "10 minutes old": install_query(callback_params(STATE, timestamp=str(AT - 600))),
    "broken UTF-8": install_query(callback_params(STATE)) + "&x=%ff",
    "a thousand parameters": "&".join(f"p{number}=1" for number in range(1_000)),
    "20 kB": install_query(callback_params(STATE, long="x" * 20_000)),
    "empty": "",
}


@pytest.mark.parametrize("bent", BENT_INSTALLS.values(), ids=BENT_INSTALLS.keys())
def test_a_bent_install_query_is_refused(bent: str) -> None:
    with pytest.raises(UnauthenticatedError):
        check_install_query(bent, [SECRET], NOW)


GOOD_PROXY = proxy_query(proxy_params("1"))
BENT_PROXIES = {
    "no signature": urlencode(proxy_params("1")),
    "wrong signature": urlencode({**proxy_params("1"), "signature": "0" * 64}),
    "foreign secret": proxy_query(proxy_params("1"), "other"),
    "another customer": GOOD_PROXY.replace("customer_id=1", "customer_id=2"),
    "customer repeated": GOOD_PROXY + "&logged_in_customer_id=1",
    "shop repeated": GOOD_PROXY + f"&shop={SHOP}",
    "timestamp repeated": GOOD_PROXY + f"&timestamp={AT}",
    "signature repeated": GOOD_PROXY + "&signature=" + "0" * 64,
    "customer left out": proxy_query({key: value for key, value in proxy_params().items() if key[0] != "l"}),
    "prefix left out": proxy_query({key: value for key, value in proxy_params().items() if key[0] != "p"}),
    "customer as a list": GOOD_PROXY.replace("logged_in_customer_id=", "logged_in_customer_id[]="),
    "parameter added": GOOD_PROXY + "&x=1",
    "parameter renamed": GOOD_PROXY.replace("path_prefix", "path_prefixes"),
    "91 seconds old": proxy_query(proxy_params("1", timestamp=str(AT - 91))),
    "91 seconds ahead": proxy_query(proxy_params("1", timestamp=str(AT + 91))),
    "timestamp text": proxy_query(proxy_params("1", timestamp="soon")),
}


@pytest.mark.parametrize("bent", BENT_PROXIES.values(), ids=BENT_PROXIES.keys())
def test_a_bent_proxy_query_is_refused(bent: str) -> None:
    with pytest.raises(UnauthenticatedError):
        check_proxy_query(bent, [SECRET], NOW)


def test_a_visitor_cannot_hide_a_second_customer_inside_a_parameter_of_his_own() -> None:
    """Pairs are joined by nothing, so both queries below carry the very same signature."""
    honest = proxy_query(proxy_params("", aaa="xlogged_in_customer_id=5lzz="))
    signature = honest.rpartition("=")[2]
    forged = urlencode({**proxy_params("5"), "aaa": "x", "lzz": "logged_in_customer_id=", "signature": signature})
    message = "aaa=xlogged_in_customer_id=5lzz=logged_in_customer_id=path_prefix=/apps/rebloom"
    assert hex_mac(f"{message}shop={SHOP}timestamp={AT}") == signature
    for query in (honest, forged):
        with pytest.raises(UnauthenticatedError):
            check_proxy_query(query, [SECRET], NOW)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{ "b" : 1,\n"a":2 }', '{"name":"Zoë ✓"}'.encode(), b'{"x":"\\u00e9\\/"}', b"\xff\x00 not JSON", b""],
)
def test_exactly_the_bytes_that_were_signed_pass(body: bytes) -> None:
    signature = webhook_headers(body)["X-Shopify-Hmac-Sha256"]
    assert webhook_signature(body, SECRET) == signature
    check_webhook(body, signature, [SECRET])
    with pytest.raises(UnauthenticatedError):
        check_webhook(body + b" ", signature, [SECRET])


def test_while_a_secret_is_rotated_both_sign() -> None:
    body = b'{"id":1}'
    for secret in ("new", "old"):
        check_webhook(body, webhook_signature(body, secret), ["new", "old"])
        assert check_install_query(install_query(callback_params(STATE), secret), ["new", "old"], NOW)
        assert check_proxy_query(proxy_query(proxy_params(), secret), ["new", "old"], NOW)


@pytest.mark.parametrize("signature", [None, "", "x", "é", "\udcff", "=" * 44, "A" * 44, "A" * 100_000])
def test_a_webhook_with_another_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        check_webhook(b"{}", signature, [SECRET])


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_put_behind_a_good_query_is_refused_and_nothing_else_raised(key: str, value: str) -> None:
    tail = urlencode({key: value}, errors="surrogatepass")
    for query, check in ((install_query(callback_params(STATE)), check_install_query), (GOOD_PROXY, check_proxy_query)):
        with pytest.raises(UnauthenticatedError):
            check(f"{query}&{tail}", [SECRET], NOW)
        with pytest.raises(UnauthenticatedError):
            check(key, [SECRET], NOW)
