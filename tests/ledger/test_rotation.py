"""A new key: everything is sealed again, the old one can go, and a wrong one opens nothing and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.shopify.oauth import TokenGrant
from plugin.domain.facts import CustomerFact, PersonFact
from plugin.errors import EncryptionError
from plugin.installations import store_installation
from plugin.ledger.facts import read_person, write_customers
from plugin.ledger.inbox import record_delivery, waiting
from plugin.ledger.rotation import SEALED, seal_again, under_older_keys
from plugin.ledger.store import open_store
from plugin.ledger.tables import Shop
from plugin.settings import Secret, Settings
from plugin.shops import shop_by_domain
from tests.sync.test_deliveries import NOW, delivery

OLD, NEW = Secret("a-key-for-tests-of-thirty-two-characters"), Secret("another-key-for-tests-of-thirty-two-chars")
DOMAIN = "rotated.myshopify.com"
PEOPLE = 1_203  # more than two pages


def person(number: int) -> CustomerFact:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "account_status", "email_domain", "email_status", "sms_status", "language", "tags", "country", "region",
            "city", "shop_orders", "shop_spend", "shop_last_order_at", "spend_tier", "shop_rfm_group",
        )
    )  # fmt: skip
    who = PersonFact(display_name=f"Ada {number}", first_name="Ada", last_name=None, email=None, phone=None)
    return CustomerFact(id=number, created_at=1, stated_at=1, person=who, **nothing)


async def test_everything_is_sealed_again_and_the_old_key_can_go(settings: Settings) -> None:
    async with open_store(replace(settings, encryption_keys=(OLD,))) as store:
        grant = TokenGrant(
            access_token="shpat_1", scopes=frozenset(), access_expires_at=None, refresh_token="shprt_1",
            refresh_expires_at=None,
        )  # fmt: skip
        shop_id = await store_installation(store, DOMAIN, grant, NOW)
        await write_customers(store, shop_id, [person(number) for number in range(1, PEOPLE + 1)])
        await record_delivery(
            store, delivery(await shop_by_domain(store.database, DOMAIN), 1, "orders/create", {"id": 1})
        )
    async with open_store(replace(settings, encryption_keys=(NEW, OLD))) as store:
        sealed = PEOPLE + 4  # with a delivery, two tokens and the mark
        assert await under_older_keys(store) == sealed
        assert await seal_again(store) == sealed
        assert (await under_older_keys(store), await seal_again(store)) == (0, 0)
    async with open_store(replace(settings, encryption_keys=(NEW,))) as store:
        row = await Shop.get(domain=DOMAIN)
        assert [store.vault.open(text) for text in (row.access_token, row.refresh_token)] == ["shpat_1", "shprt_1"]
        rows = await store.database.fetch("SELECT id, sealed FROM persons WHERE shop_id = $1", row.id)
        assert {read_person(store.vault, sealed).display_name for _, sealed in rows} == {
            f"Ada {number}" for number in range(1, PEOPLE + 1)
        }
        [one] = await waiting(store, row.id, after=(-1, ""), limit=5)
        assert one.body == b'{"id": 1}'


async def test_a_wrong_key_is_refused_and_changes_nothing(settings: Settings) -> None:
    async with open_store(replace(settings, encryption_keys=(OLD,))) as store:
        before = await store.database.fetch("SELECT key, value FROM meta")
    with pytest.raises(EncryptionError):
        async with open_store(replace(settings, encryption_keys=(NEW,))):
            pytest.fail("it opened")
    async with open_store(replace(settings, encryption_keys=(OLD,))) as store:
        assert await store.database.fetch("SELECT key, value FROM meta") == before


def test_every_sealed_column_is_among_them() -> None:
    named = {(sealed.table, sealed.column) for sealed in SEALED}
    assert {("persons", "sealed"), ("inbox", "sealed_body"), ("data_exports", "sealed"), ("meta", "value")} <= named
    assert {("shops", "access_token"), ("shops", "refresh_token"), ("offer_settings", "code_secret")} <= named
