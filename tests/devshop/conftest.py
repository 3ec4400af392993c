"""A dev shop over real HTTP with two small shops, and a client with the token of the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations.devshop.server import DevShopConfig
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_data import APP, NOW, OTHER_SHOP, SHOP, small_data

RETRIES = (0.01, 0.01)
SCOPES = "write_customers,write_discounts,read_orders,read_products,read_all_orders"


@dataclass
class Client:
    """Speaks to one shop as an app would."""

    http: httpx.Client
    run: RunningDevShop
    shop: str = SHOP
    token: str = ""

    def authorize(self, **params: str) -> httpx.Response:
        query = {"client_id": APP.client_id, "redirect_uri": f"{APP.url}/auth/callback", "state": "s", "scope": SCOPES}
        return self.http.get(f"{self.run.url(self.shop)}/admin/oauth/authorize", params=query | params)

    def grant(self, **form: str) -> httpx.Response:
        secrets = {"client_id": APP.client_id, "client_secret": APP.secret}
        return self.http.post(f"{self.run.url(self.shop)}/admin/oauth/access_token", data=secrets | form)

    def install(self, scopes: str = SCOPES, **form: str) -> dict[str, Any]:
        code = parse_qs(urlsplit(self.authorize(scope=scopes).headers["location"]).query)["code"][0]
        body: dict[str, Any] = self.grant(code=code, **form).json()
        self.token = body["access_token"]
        return body

    def send(self, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        body = {"query": query, "variables": variables or {}}
        headers = {"X-Shopify-Access-Token": self.token}
        return self.http.post(self.run.graphql(self.shop), json=body, headers=headers)

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.send(query, variables)
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def data(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        body = self.ask(query, variables)
        assert "errors" not in body, body["errors"]
        found: dict[str, Any] = body["data"]
        return found


@pytest.fixture
def config(tmp_path: Path) -> DevShopConfig:
    """Tests change it by overriding this fixture or with `dataclasses.replace`."""
    return DevShopConfig(
        app=APP,
        shops={SHOP: small_data(), OTHER_SHOP: small_data()},
        clock=lambda: NOW,
        webhook_retries=RETRIES,
        files=tmp_path,
    )


@pytest.fixture(scope="session")
def served() -> Iterator[RunningDevShop]:
    """One server for all tests; each opens its shops anew."""
    with running_devshop(DevShopConfig(app=APP, shops={}, webhook_retries=RETRIES)) as run:
        yield run


@pytest.fixture
def running(served: RunningDevShop, config: DevShopConfig) -> RunningDevShop:
    served.shops.faults.clear()
    served.shops.sender.results.clear()
    served.shops.config = replace(config, base=served.base)
    served.shops.fill()
    return served


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, follow_redirects=False) as made:
        yield made


@pytest.fixture
def client(running: RunningDevShop, http: httpx.Client) -> Client:
    http.cookies.clear()
    made = Client(http, running)
    made.install()
    return made


@dataclass
class Inbox:
    """An app that only listens: what came in, and what it answers next."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def topics(self) -> list[str]:
        return [headers["x-shopify-topic"] for headers, _body in self.received]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            box.paths.append(self.path)
            box.received.append(({key.lower(): value for key, value in self.headers.items()}, body))
            status = box.answers.pop(0) if box.answers else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks"
    yield box
    server.shutdown()
    thread.join()
    server.server_close()
