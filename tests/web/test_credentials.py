"""Who may ask: session tokens, partner tokens, the app proxy. The shop is the credential's, whatever else is said."""

from collections.abc import AsyncIterator

import httpx
import pytest

from integrations.shopify.oauth import TokenGrant
from plugin.errors import BadRequestError
from plugin.installations import store_installation
from plugin.ledger.store import Store
from plugin.partners import MERCHANT_SCOPES, SCOPES, create_token, find_token, list_tokens, revoke_token
from plugin.settings import Settings
from tests.support.doors import Doors, open_doors, uninstalled
from tests.support.platform_requests import AT, NOW, SHOP, claims, proxy_params, proxy_query, session_token
from tests.support.scripted_shop import ScriptedShop

OTHER = "other-shop.myshopify.com"
GRANT = TokenGrant(
    access_token="shpat_1", scopes=frozenset(), access_expires_at=None, refresh_token=None, refresh_expires_at=None
)


@pytest.fixture
async def doors(settings: Settings, store: Store) -> AsyncIterator[Doors]:
    await store_installation(store, SHOP, GRANT, NOW)
    await store_installation(store, OTHER, GRANT, NOW)
    async with open_doors(settings, store, ScriptedShop()) as opened:
        yield opened


async def ask(doors: Doors, authorization: str | None, query: str = "") -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return await doors.http.post(f"/whoami{query}", headers=headers)


def refused(response: httpx.Response) -> bool:
    return (
        response.status_code == 401
        and response.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1"
        and set(response.json()) == {"error"}
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_session_token_is_its_shops_merchant(doors: Doors, scheme: str) -> None:
    response = await ask(doors, f"{scheme} {session_token()}", f"?shop={OTHER}")
    assert response.json() == {"shop": SHOP, "kind": "merchant", "scopes": sorted(MERCHANT_SCOPES), "user": "42"}


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {session_token()}",
        session_token(),
        f"Bearer {session_token()} {session_token()}",
        f"Bearer {session_token(secret='other')}",
        f"Bearer {session_token(claims(exp=AT - 11))}",
        f"Bearer {session_token(claims(iss='https://new.myshopify.com/admin', dest='https://new.myshopify.com'))}",
        "Bearer rbl_",
        "Bearer rbl_" + "x" * 40,
        "Bearer RBL_" + "x" * 40,
        "Bearer " + "x" * 100_000,
    ],
)
async def test_any_other_authorization_is_refused_with_the_header_that_fetches_a_new_token(
    doors: Doors, authorization: str | None
) -> None:
    assert refused(await ask(doors, authorization))


async def test_two_authorizations_are_none(doors: Doors) -> None:
    headers = [("Authorization", f"Bearer {session_token()}"), ("Authorization", f"Bearer {session_token()}")]
    assert refused(await doors.http.post("/whoami", headers=headers))


async def test_a_shop_that_removed_the_app_is_refused_with_every_credential(doors: Doors, store: Store) -> None:
    token, _ = await create_token(store, 1, "tool", ["read_offers"], NOW)
    await uninstalled(store, 1)
    assert refused(await ask(doors, f"Bearer {session_token()}"))
    assert refused(await ask(doors, f"Bearer {token}"))
    response = await doors.http.get(f"/viewer?{proxy_query(proxy_params('5'))}")
    assert refused(response)


async def test_a_shop_that_withdrew_its_access_can_still_be_looked_at(doors: Doors, store: Store) -> None:
    await store.database.execute("UPDATE shops SET status = 'no_access' WHERE id = 1")
    assert (await ask(doors, f"Bearer {session_token()}")).json()["shop"] == SHOP


async def test_a_partner_token_has_its_own_shop_and_scopes_and_no_others(doors: Doors, store: Store) -> None:
    token, info = await create_token(store, 2, "loyalty tool", ["read_offers", "read_customers"], NOW)
    response = await ask(doors, f"Bearer {token}", f"?shop={SHOP}")
    assert response.json() == {
        "shop": OTHER,
        "kind": "partner",
        "scopes": ["read_customers", "read_offers"],
        "user": None,
    }
    assert (len(token), token[:4], info.prefix, info.id) == (44, "rbl_", token[:8], 1)


async def test_a_partner_token_is_kept_as_a_hash_only(doors: Doors, store: Store) -> None:
    token, _ = await create_token(store, 1, "tool", ["read_offers"], NOW)
    stored = str(await doors.rows("partner_tokens"))
    assert token not in stored
    assert token[8:] not in stored


async def test_a_token_cut_by_one_or_changed_by_one_is_unknown(doors: Doors, store: Store) -> None:
    token, _ = await create_token(store, 1, "tool", ["read_offers"], NOW)
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for bad in (token[:-1], token + "x", swapped, token.upper(), token[:-1] + "é"):
        assert await find_token(store, bad) is None
    assert refused(await ask(doors, f"Bearer {token[:-1]}"))


async def test_a_revoked_token_is_refused_from_the_next_request_on(doors: Doors, store: Store) -> None:
    token, info = await create_token(store, 1, "tool", ["read_offers"], NOW)
    kept, _ = await create_token(store, 1, "other tool", ["read_offers"], NOW)
    assert not await revoke_token(store, 2, info.id, NOW)  # another shop's hand does not reach it
    assert (await ask(doors, f"Bearer {token}")).status_code == 200
    assert await revoke_token(store, 1, info.id, NOW)
    assert refused(await ask(doors, f"Bearer {token}"))
    assert (await ask(doors, f"Bearer {kept}")).status_code == 200
    assert not await revoke_token(store, 1, info.id, NOW)
    assert [(each.name, each.revoked_at) for each in await list_tokens(store, 1)] == [
        ("tool", NOW),
        ("other tool", None),
    ]
    assert await list_tokens(store, 2) == []


async def test_a_token_in_an_address_is_refused_even_beside_a_good_one(doors: Doors, store: Store) -> None:
    token, _ = await create_token(store, 1, "tool", ["read_offers"], NOW)
    assert refused(await ask(doors, f"Bearer {token}", f"?access_token={token}"))
    assert refused(await ask(doors, f"Bearer {session_token()}", f"?a=1&a={token}"))
    assert refused(await ask(doors, None, f"?token={token}"))


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        ("", ["read_offers"]),
        ("  ", ["read_offers"]),
        ("x" * 101, ["read_offers"]),
        ("a\x00b", ["read_offers"]),
        ("tool", []),
        ("tool", ["read_everything"]),
        ("tool", ["write_tokens"]),
        ("tool", ["any"]),
    ],
)
async def test_a_token_with_an_odd_name_or_scope_is_not_made(
    doors: Doors, store: Store, name: str, scopes: list[str]
) -> None:
    with pytest.raises(BadRequestError):
        await create_token(store, 1, name, scopes, NOW)
    assert await doors.rows("partner_tokens") == []


def test_the_scopes_of_tokens_are_those_the_schema_grants() -> None:
    from graphql_schema.access import Scope

    assert {scope.value for scope in Scope} - {"any"} == MERCHANT_SCOPES
    assert MERCHANT_SCOPES - {"write_tokens"} == SCOPES


@pytest.mark.parametrize(("customer", "number"), [("", None), ("5", 5), (str(2**63 - 1), 2**63 - 1)])
async def test_the_viewer_is_whom_the_proxy_names(doors: Doors, customer: str, number: int | None) -> None:
    response = await doors.http.get(f"/viewer?{proxy_query(proxy_params(customer, query='{viewer{stage{key}}}'))}")
    assert response.json() == {"shop": SHOP, "customer": number}


@pytest.mark.parametrize(
    "query",
    [
        "",
        proxy_query(proxy_params("5"), "other"),
        proxy_query(proxy_params("5")).replace("customer_id=5", "customer_id=6"),
        proxy_query(proxy_params("5")) + "&logged_in_customer_id=6",
        proxy_query(proxy_params("5", shop="new.myshopify.com")),
        proxy_query(proxy_params("5", shop="evil.com")),
        proxy_query(proxy_params("5", path_prefix="/apps/../admin")),
        proxy_query(proxy_params("5", path_prefix="")),
        proxy_query(proxy_params("05")),
        proxy_query(proxy_params("-5")),
        proxy_query(proxy_params("0")),
        proxy_query(proxy_params("٥")),
        proxy_query(proxy_params("5 ")),
        proxy_query(proxy_params(str(2**63))),
        proxy_query(proxy_params("gid://shopify/Customer/5")),
        proxy_query(proxy_params("5", timestamp=str(AT - 91))),
    ],
)
async def test_a_proxied_request_out_of_form_is_refused(doors: Doors, query: str) -> None:
    assert refused(await doors.http.get(f"/viewer?{query}"))
