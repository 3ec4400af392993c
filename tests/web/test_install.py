"""Installing over HTTP: the good way, every forged way, and the silent way of the embedded page."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations.devshop.server import DevShopConfig
from integrations.devshop.shop import enum_of
from integrations.shopify.oauth import STATE_COOKIE
from plugin.errors import ShopAccessError, ShopUnavailableError, UnauthenticatedError
from plugin.ledger.store import Store
from plugin.settings import Settings, read_settings
from plugin.shops import shop_by_domain
from plugin.sync import deliveries
from plugin.sync.topics import TOPICS
from plugin.web.install import ensure_installed
from tests.conftest import ENVIRONMENT
from tests.support.devshop import running_devshop
from tests.support.devshop_data import APP, small_data
from tests.support.doors import Doors, open_doors
from tests.support.platform_requests import AT, NOW, SHOP, callback_params, claims, install_query, session_token
from tests.support.scripted_shop import ScriptedShop, a_grant

OTHER = "other-shop.myshopify.com"


@pytest.fixture
def shop() -> ScriptedShop:
    return ScriptedShop()


@pytest.fixture
async def doors(settings: Settings, store: Store, shop: ScriptedShop) -> AsyncIterator[Doors]:
    async with open_doors(settings, store, shop) as opened:
        yield opened


async def test_a_shop_installs_and_is_known_with_sealed_tokens_webhooks_and_a_sync(
    doors: Doors, shop: ScriptedShop
) -> None:
    response = await doors.installed(SHOP)
    assert (response.status_code, response.headers["location"]) == (302, f"http://127.0.0.1:8000/?shop={SHOP}")
    [form] = shop.forms
    assert (form["code"], form["expiring"]) == ("0907a61c0c8d55e99db179b68161bc00", "1")
    context = await shop_by_domain(doors.store.database, SHOP)
    assert (context.status, context.name, context.currency, context.timezone) == (
        "installed",
        "Some Shop",
        "EUR",
        "Europe/Berlin",
    )
    assert context.scopes == {"read_orders", "write_customers"}
    assert sorted(
        ScriptedShop.body(call)["variables"]["topic"]
        for call, name in zip(shop.calls, shop.names, strict=True)
        if name == "Subscribe"
    ) == sorted(TOPICS)
    assert doors.jobs.noted == [("sync", context.id)]
    stored = str(await doors.rows("shops"))
    assert "shpat_" not in stored
    assert "shprt_" not in stored
    assert await doors.rows("install_states") == []


async def test_the_state_cookie_is_bound_to_this_browser(doors: Doors) -> None:
    response = await doors.http.get("/auth", params={"shop": SHOP})
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"{STATE_COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/auth"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert response.headers["cache-control"] == "no-store"


async def test_behind_https_the_cookie_is_secure_and_the_way_home_is_the_shops_admin(
    database_url: str, store: Store, shop: ScriptedShop
) -> None:
    live = read_settings(
        {
            **ENVIRONMENT,
            "REBLOOM_DATABASE_URL": database_url,
            "REBLOOM_APP_URL": "https://app.example.com",
            "SHOPIFY_SHOP_URL": "https://{shop}",
        }
    )
    async with open_doors(live, store, shop) as doors:
        doors.http.base_url = httpx.URL("https://app.example.com")
        response = await doors.http.get("/auth", params={"shop": SHOP})
        assert "Secure" in response.headers["set-cookie"]
        state = parse_qs(urlsplit(response.headers["location"]).query)["state"][0]
        done = await doors.callback(install_query(callback_params(state)))
    assert done.headers["location"] == f"https://{SHOP}/admin/apps/test-client-id"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "shop=",
        "shop=evil.com",
        f"shop={SHOP}&shop={OTHER}",
        f"shop={SHOP}.evil.com",
        "shop=%2F%2Fevil.com",
        f"shop={SHOP}%0a",
    ],
)
async def test_an_installation_of_no_shop_goes_nowhere(doors: Doors, query: str) -> None:
    response = await doors.http.get(f"/auth?{query}")
    assert (response.status_code, "location" in response.headers, "set-cookie" in response.headers) == (
        400,
        False,
        False,
    )
    assert await doors.rows("install_states") == []


FORGED: dict[str, Any] = {
    "no hmac": lambda state: "&".join(f"{key}={value}" for key, value in callback_params(state).items()),
    "wrong hmac": lambda state: install_query(callback_params(state)).replace("hmac=", "hmac=0"),
    "foreign secret": lambda state: install_query(callback_params(state), "other"),
    "code changed": lambda state: install_query(callback_params(state)).replace("code=0", "code=1"),
    "shop changed": lambda state: install_query(callback_params(state)).replace(SHOP, OTHER),
    "another shop, signed": lambda state: install_query(callback_params(state, shop=OTHER)),
    "no shop at all, signed": lambda state: install_query(callback_params(state, shop="evil.com")),
    "parameter repeated": lambda state: install_query(callback_params(state)) + f"&shop={SHOP}",
    "parameter added": lambda state: install_query(callback_params(state)) + "&x=1",
    "timestamp text": lambda state: install_query(callback_params(state, timestamp="now")),
    "10 minutes old": lambda state: install_query(callback_params(state, timestamp=str(AT - 600))),
    "from the future": lambda state: install_query(callback_params(state, timestamp=str(AT + 91))),
    "state missing": lambda _: install_query(
        {key: value for key, value in callback_params("").items() if key != "state"}
    ),
    "state empty": lambda _: install_query(callback_params("")),
    "state guessed": lambda _: install_query(callback_params("g" * 43)),
    "code empty": lambda state: install_query(callback_params(state, code="")),
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_callback_asks_the_shop_nothing_and_stores_nothing(
    doors: Doors, shop: ScriptedShop, forge: Any
) -> None:
    state = await doors.begin(SHOP)
    response = await doors.callback(forge(state))
    assert response.status_code in {400, 401}
    assert set(response.json()["error"]) == {"code", "message", "requestId"}
    assert (shop.forms, shop.calls, doors.jobs.noted, await doors.rows("shops")) == ([], [], [], [])


async def test_a_callback_sent_twice_installs_once(doors: Doors, shop: ScriptedShop) -> None:
    query = install_query(callback_params(await doors.begin(SHOP)))
    cookies = dict(doors.http.cookies)
    assert (await doors.callback(query)).status_code == 302
    before = await doors.rows("shops")
    doors.http.cookies.update(cookies)
    assert (await doors.callback(query)).status_code == 401
    assert len(shop.forms) == 1
    assert await doors.rows("shops") == before
    assert len(doors.jobs.noted) == 1


async def test_one_browser_cannot_finish_what_another_began(doors: Doors, shop: ScriptedShop) -> None:
    query = install_query(callback_params(await doors.begin(SHOP)))
    doors.http.cookies.clear()
    assert (await doors.callback(query)).status_code == 401
    await doors.begin(SHOP)  # the second browser has a cookie of its own
    assert (await doors.callback(query)).status_code == 401
    assert shop.forms == []


async def test_a_state_older_than_ten_minutes_is_refused(settings: Settings, store: Store, shop: ScriptedShop) -> None:
    times = [NOW]
    async with open_doors(settings, store, shop, lambda: times[0]) as doors:
        state = await doors.begin(SHOP)
        times[0] = NOW + timedelta(minutes=10, seconds=1)
        late = callback_params(state, timestamp=str(int(times[0].timestamp())))
        assert (await doors.callback(install_query(late))).status_code == 401
        assert shop.forms == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (httpx.Response(400, json={"error": "invalid_request"}), 403),
        (httpx.Response(503), 503),
        (httpx.Response(200, text="<html>"), 503),
    ],
)
async def test_a_code_is_spent_once_even_when_the_shop_refuses_it(
    doors: Doors, shop: ScriptedShop, answer: httpx.Response, status: int
) -> None:
    shop.grants = [answer]
    query = install_query(callback_params(await doors.begin(SHOP)))
    cookies = dict(doors.http.cookies)
    assert (await doors.callback(query)).status_code == status
    doors.http.cookies.update(cookies)
    assert (await doors.callback(query)).status_code == 401
    assert len(shop.forms) == 1
    assert await doors.rows("shops") == []


async def test_installing_again_keeps_what_the_merchant_set(doors: Doors, store: Store) -> None:
    await doors.installed(SHOP)
    await store.database.execute("UPDATE shops SET tag_prefix = 'own-', status = 'uninstalled' WHERE domain = $1", SHOP)
    await doors.installed(SHOP)
    context = await shop_by_domain(doors.store.database, SHOP)
    assert (context.status, context.tag_prefix, context.id) == ("installed", "own-", 1)


async def test_the_embedded_page_of_a_new_shop_installs_it_by_token_exchange_once(
    doors: Doors, shop: ScriptedShop
) -> None:
    token = session_token()
    context = await ensure_installed(doors.app.state, token)
    assert (context.domain, context.name, context.status) == (SHOP, "Some Shop", "installed")
    [form] = shop.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert (form["subject_token"], form["expiring"]) == (token, "1")
    assert await ensure_installed(doors.app.state, token) == context
    assert len(shop.forms) == 1
    assert doors.jobs.noted == [("sync", context.id)]


async def test_a_shop_that_lost_its_access_gets_it_back_when_its_page_is_opened(
    doors: Doors, store: Store, shop: ScriptedShop
) -> None:
    await doors.installed(SHOP)
    await store.database.execute("UPDATE shops SET status = 'no_access' WHERE domain = $1", SHOP)
    assert (await ensure_installed(doors.app.state, session_token())).status == "installed"
    assert len(shop.forms) == 2


async def test_an_installation_that_was_interrupted_is_finished_when_the_page_is_opened(
    doors: Doors, shop: ScriptedShop
) -> None:
    shop.answers = [httpx.Response(500) for _ in range(40)]
    with pytest.raises(ShopUnavailableError):
        await ensure_installed(doors.app.state, session_token())
    assert doors.jobs.noted == []
    shop.answers = []
    context = await ensure_installed(doors.app.state, session_token())
    assert (context.name, len(shop.forms)) == ("Some Shop", 1)
    assert doors.jobs.noted == [("sync", context.id)]


async def test_a_bad_session_token_installs_nothing(doors: Doors, shop: ScriptedShop) -> None:
    for bad in ("", "junk", session_token(secret="other"), session_token(claims(exp=AT - 20))):
        with pytest.raises(UnauthenticatedError):
            await ensure_installed(doors.app.state, bad)
    assert (shop.forms, await doors.rows("shops")) == ([], [])


async def test_a_session_token_the_shop_refuses_to_exchange_installs_nothing(doors: Doors, shop: ScriptedShop) -> None:
    shop.grants = [httpx.Response(400, json={"error": "invalid_subject_token"})]
    with pytest.raises(ShopAccessError):
        await ensure_installed(doors.app.state, session_token())
    assert await doors.rows("shops") == []


async def test_fewer_scopes_than_asked_for_still_install(doors: Doors, shop: ScriptedShop) -> None:
    shop.grants = [a_grant(1, scope="read_orders")]
    assert (await doors.installed(SHOP)).status_code == 302
    assert (await shop_by_domain(doors.store.database, SHOP)).scopes == {"read_orders"}


def test_we_subscribe_to_nothing_that_we_would_not_apply() -> None:
    applied = {enum_of(topic) for topic in deliveries._HANDLERS}
    assert set(TOPICS) <= applied


async def test_the_dev_shop_is_installed_by_the_platforms_own_steps(database_url: str, store: Store) -> None:
    domain = "first.myshopify.com"

    def clock() -> datetime:
        return NOW

    with running_devshop(DevShopConfig(app=APP, shops={domain: small_data()}, clock=clock)) as dev:
        live = read_settings(
            {**ENVIRONMENT, "REBLOOM_DATABASE_URL": database_url, "SHOPIFY_SHOP_URL": f"{dev.base}/{{shop}}"}
        )
        async with httpx.AsyncHTTPTransport() as network, open_doors(live, store, network, clock) as doors:
            begun = await doors.http.get("/auth", params={"shop": domain})
            async with httpx.AsyncClient() as merchant:
                agreed = await merchant.get(begun.headers["location"])
            done = await doors.callback(urlsplit(agreed.headers["location"]).query)
            assert done.headers["location"] == f"http://127.0.0.1:8000/?shop={domain}"
            context = await shop_by_domain(doors.store.database, domain)
            assert (context.status, context.currency) == ("installed", "EUR")
            subscribed = {each["topic"] for each in dev[domain].state.subscriptions.values()}
            assert subscribed == set(TOPICS)
            gateway = await doors.app.state.gateways.for_shop(context.id)
            names = [node["firstName"] for node in (await gateway.customers_page(None, None)).nodes]
            assert names == ["Ada", "Bea", "Cleo"]


async def test_a_refusal_is_json_to_a_program_and_a_line_to_a_browser(doors: Doors) -> None:
    for accept, kind in (("*/*", "application/json"), ("text/html,*/*;q=0.8", "text/plain; charset=utf-8")):
        answer = await doors.http.get("/auth", params={"shop": "evil.example"}, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (400, kind)
        assert "such as my-shop.myshopify.com" in answer.text
