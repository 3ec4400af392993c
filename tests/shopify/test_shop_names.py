"""A shop's name as a weapon: whatever text comes, it is refused, or two unlike parsers agree on the one host it leads to."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.shopify import oauth
from integrations.shopify.oauth import check_shop
from plugin.errors import BadRequestError
from plugin.settings import Settings, SettingsError, read_settings

BASE = {"SHOPIFY_API_KEY": "client", "SHOPIFY_API_SECRET": "hush"}
LIVE = read_settings(BASE)
DEV = read_settings({**BASE, "SHOPIFY_SHOP_URL": "http://127.0.0.1:9292/{shop}"})
WEAPONS = (
    "evil.com", "a.myshopify.com.evil.com", "a.myshopify.com@evil.com", "a.myshopify.com#x", "//evil.com", "%2e", "",
    "a.myshopify.com\n", "\na.myshopify.com", "A.myshopify.com", "a.MYSHOPIFY.com", "ä.myshopify.com", "127.0.0.1",
    "xn--a.evil.com", "a" * 300 + ".myshopify.com", ".myshopify.com", "-a.myshopify.com", "a.b.myshopify.com",
    "a.myshopify.com/", "a.myshopify.com:443", "a.myshopify.com\\@evil.com", "https://a.myshopify.com", "a%00.myshopify.com",
    "a.myshopify.com?x=1", "a.myshopify.com ", "\u202ea.myshopify.com", "a\u3002myshopify.com", "ａ.myshopify.com",
    "a.myshopify.com;evil.com", "[::1]", "0x7f000001", "2130706433",
)  # fmt: skip
_PIECES = st.sampled_from([
    "a", "shop-1", ".myshopify.com", ".", "@", "#", "/", "//", "\\", "%2e", "%00", ":", "evil.com", "\n", "?", " ", "A", "-",
    "\u3002", "ä", "..", "[", "]", "127.0.0.1", "\t", "\r", "&", "=", ";",
])  # fmt: skip
names = st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=8).map("".join))


@pytest.mark.parametrize("name", WEAPONS)
def test_a_weapon_is_refused_and_never_repaired(name: str) -> None:
    with pytest.raises(BadRequestError):
        check_shop(name)


def hosts(url: str) -> set[str]:
    """As urllib and httpx read it, and as RFC 3986's own expression does."""
    appendix_b = re.match(r"^(?:[^:/?#]+:)?(?://([^/?#]*))?", url)
    assert appendix_b
    return {str(urlsplit(url).netloc), httpx.URL(url).netloc.decode(), appendix_b.group(1)}


@given(name=names)
@example(name="a.myshopify.com")
@example(name="0" * 63 + ".myshopify.com")
@pytest.mark.parametrize("settings", [LIVE, DEV], ids=["platform", "dev shop"])
def test_any_name_is_refused_or_leads_to_its_own_host(settings: Settings, name: str) -> None:
    try:
        domain = check_shop(name)
    except BadRequestError:
        return
    assert domain == name
    for url in (
        settings.shop_base(domain),
        oauth.token_url(settings, domain),
        oauth.authorize_url(settings, domain, "s"),
    ):
        assert hosts(url) == {"127.0.0.1:9292" if settings is DEV else name}


@given(template=st.lists(st.sampled_from(["{shop}", "http://", "https://", "127.0.0.1", "localhost", "evil.com", "@", ":",
    "/", "#", "?", ".", "9292", "\\", "[::1]"]), max_size=7).map("".join))  # fmt: skip
@example(template="http://[::1]{shop}:1]")
@example(template="http://[::1][::1]{shop}")
@example(template="http://[::1]:1]/{shop}")
def test_a_template_stops_the_start_or_leads_to_the_platform_or_this_machine(template: str) -> None:
    try:
        settings = read_settings({**BASE, "SHOPIFY_SHOP_URL": template})
    except SettingsError:
        return
    found = hosts(settings.shop_base("a.myshopify.com"))
    assert len({host.lower() for host in found}) == 1
    host = (
        next(iter(found)).lower().partition("]")[0] if "[" in next(iter(found)) else next(iter(found)).partition(":")[0]
    )
    assert host in {"a.myshopify.com", "127.0.0.1", "localhost", "[::1"}
