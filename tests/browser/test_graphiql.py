"""GraphiQL, the client everybody tries an API with, and our own explorer: in a real browser against the endpoint."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright

from plugin.ledger.store import Store
from tests.browser.test_page import CHROMIUM, FLAGS
from tests.support.graphql_world import World, running_world
from tests.support.live_server import live

PACKAGES = Path(__file__).parents[2] / "node_modules"
SCRIPTS = ("react/umd/react.production.min.js", "react-dom/umd/react-dom.production.min.js", "graphiql/graphiql.min.js")
PAGE = '<!doctype html><meta charset="utf-8"><title>GraphiQL</title><div id="graphiql" style="height: 100vh"></div>'
START = """([query, token]) => ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(GraphiQL, {
  fetcher: GraphiQL.createFetcher({ url: "/graphql", headers: { Authorization: `Bearer ${token}` } }), defaultQuery: query,
}))"""
QUERY = "{ shop { name } customers(first: 2, sortKey: ID) { nodes { id stage { stage { key } } } } }"


async def with_graphiql(page: Page, base: str) -> list[str]:
    """GraphiQL from the pinned package, as a page of the endpoint's origin; what else was asked of the network."""
    strange: list[str] = []

    async def answer(route: Route) -> None:
        address = route.request.url
        if address == f"{base}/try":
            await route.fulfill(body=PAGE, content_type="text/html")
        elif address.startswith(f"{base}/graphql"):
            await route.continue_()
        else:
            strange.append(address)
            await route.abort()

    await page.route("**/*", answer)
    await page.goto(f"{base}/try")
    await page.add_style_tag(path=PACKAGES / "graphiql" / "graphiql.min.css")
    for script in SCRIPTS:
        await page.add_script_tag(path=PACKAGES / script)
    return strange


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with running_world(store) as running:
        yield running


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_graphiql_reads_the_schema_runs_a_query_and_shows_the_answer(world: World) -> None:
    async with live(world.app) as base, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        strange = await with_graphiql(page, base)
        await page.evaluate(START, [QUERY, "a"])
        await page.locator("button.graphiql-execute-button").click()
        result = page.locator(".result-window")
        await result.get_by_text("gid://shopify/Customer/2").wait_for(timeout=15_000)
        for text in ('"name": "shop-a"', "gid://shopify/Customer/1", "requestedQueryCost", '"key": "active"'):
            assert text in await result.inner_text()
        await page.get_by_label("Show Documentation Explorer").click()
        await page.get_by_text("ReplenishmentOffer", exact=True).wait_for()  # the schema came, too
        assert strange == []
        await browser.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_our_own_explorer_runs_a_query_and_shows_answer_and_price(world: World) -> None:
    async with live(world.app) as base, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        await page.goto(f"{base}/graphql")
        await page.locator("#token").fill("a")
        await page.locator("#query").fill(QUERY)
        await page.locator("button[type=submit]").click()
        await page.locator("#status").get_by_text("8 points").wait_for(timeout=15_000)
        answer = json.loads(await page.locator("#answer").inner_text())
        assert answer["data"]["shop"] == {"name": "shop-a"}
        assert [node["id"][-1] for node in answer["data"]["customers"]["nodes"]] == ["1", "2"]
        assert [problem for problem in problems if "favicon" not in problem and "404" not in problem] == []
        await browser.close()
