"""The platform's own JavaScript library accepts what the dev shop signs, and refuses it once tampered with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from integrations.devshop.pages import embedded_url, signed_pairs
from integrations.devshop.server import DevShopConfig
from tests.devshop import documents
from tests.devshop.conftest import RETRIES, Client, Inbox
from tests.support.devshop_data import APP, OTHER_SHOP, SHOP, small_data

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> DevShopConfig:
    """By the real clock: the judge looks at the time."""
    shops = {SHOP: small_data(), OTHER_SHOP: small_data()}
    return DevShopConfig(app=APP, shops=shops, clock=lambda: datetime.now(UTC), webhook_retries=RETRIES, files=tmp_path)


def judged(cases: list[dict[str, Any]]) -> list[bool]:
    given = json.dumps({"key": APP.client_id, "secret": APP.secret, "cases": cases})
    done = subprocess.run(
        ["node", "tests/devshop/judge.mjs"],
        input=given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    verdicts: list[bool] = json.loads(done.stdout)
    return verdicts


def with_tampered(cases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for case in cases:
        yield case
        if "query" in case:
            yield case | {"query": case["query"] | {"shop": "evil.myshopify.com"}}
        elif "body" in case:
            yield case | {"body": case["body"].replace("Adele", "Mallory")}
        else:
            yield case | {"token": case["token"][:-2] + ("AA" if case["token"][-2:] != "AA" else "BB")}


def test_the_platforms_library_accepts_what_the_dev_shop_signs(client: Client, inbox: Inbox) -> None:
    shop = client.run[SHOP]
    given = {"topic": "CUSTOMERS_UPDATE", "webhookSubscription": {"uri": inbox.url}}
    client.data(documents.WEBHOOK_CREATE, given)
    shop.update_customer(1, first_name="Adele")
    client.run.settle()
    headers, raw = inbox.received[0]
    callback = dict(parse_qsl(urlsplit(client.authorize(state="abc.1").headers["location"]).query))
    opened = dict(parse_qsl(urlsplit(embedded_url(shop.state)).query))
    cases: list[dict[str, Any]] = [
        {"kind": "oauth", "query": callback},
        {"kind": "oauth", "query": opened},
        {"kind": "proxy", "query": dict(signed_pairs(shop.state, [("extra", "1")], "1"))},
        {"kind": "proxy", "query": dict(signed_pairs(shop.state, [], ""))},
        {"kind": "webhook", "body": raw.decode(), "headers": {key.title(): value for key, value in headers.items()}},
        {"kind": "session", "token": shop.session_token(), "shop": SHOP},
        {"kind": "session", "token": opened["id_token"], "shop": SHOP},
    ]
    assert judged(list(with_tampered(cases))) == [True, False] * len(cases)
