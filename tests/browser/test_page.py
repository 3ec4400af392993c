"""The merchant's page in a real browser, inside the shop's admin."""

from pathlib import Path

from playwright.async_api import async_playwright

from plugin.ledger.store import Store
from tests.proof.test_costs_store import order
from tests.proof.test_store import offer
from tests.support.devshop_data import SHOP, small_data
from tests.support.small_shop import stock
from tests.support.whole import running_whole

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


ENDPOINT = """mutation Make($url: String!) {
  webhookEndpointCreate(url: $url, query: "subscription { stageChanged { at } }") { userErrors { message } }
}"""


async def test_the_page_shows_where_the_customers_stand(database_url: str, tmp_path: Path) -> None:
    async with running_whole(database_url, small_data()) as whole, async_playwright() as playwright:
        await whole.install()
        await whole.settled()
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))

        await page.goto(f"{whole.devshop.url(SHOP)}/admin/apps/{whole.settings.api_key}")
        app = page.frame_locator("iframe")
        await app.locator(".stage[data-stage=returned][data-count='1']").wait_for(timeout=20_000)

        counts = await app.locator(".stage").evaluate_all(
            "rows => rows.map(row => [row.dataset.stage, row.dataset.count])"
        )
        assert counts == [["visitor", "1"], ["new_buyer", "1"], ["active", "0"], ["departing", "0"], ["returned", "1"]]
        assert await app.locator("#sync-counts dd").all_text_contents() == ["3", "3", "2"]
        assert "first.myshopify.com" in await app.locator("#shop").inner_text()

        assert await app.locator("#webhooks").is_hidden()
        await whole.ask(ENDPOINT, url="http://127.0.0.1:9/nobody-listens")
        whole.devshop[SHOP].place_order(3, [(11, 2)])
        await app.locator("#webhook-rows li", has_text="stageChanged: nothing was taken since").wait_for(timeout=40_000)
        await page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert problems == []
        await browser.close()


COSTS = """mutation { productCostsSet(costs: [
  { productId: "gid://shopify/Product/901", unitCost: { amount: "6", currencyCode: "EUR" } }]) { changed userErrors { message } } }"""
COUNTED = """{ plays { proof { margin { verdict } } } }"""


async def proofs(store: Store) -> None:
    """Of three plays: one helps, one harms, of one nothing can be told yet, and its goods have no cost."""
    await stock(store.database, 901, 902)
    for play, start, rates in (
        ("welcome", 10_000, (2, 5)),
        ("second-order", 20_000, (6, 2)),
        ("win-back-1", 30_000, (4, 4)),
    ):
        for half, every in enumerate(rates):
            whom = range(start + 500 * half, start + 500 * (half + 1))
            await offer(store, *whom, held=half == 1, play=play, share=5_000)
            for number in whom[::every]:
                paid, product = 20 + number % 30, 902 if play == "win-back-1" else 901
                await order(store, number, number, paid, [(product, None, 1)])


async def test_the_page_shows_what_plays_bring(database_url: str, tmp_path: Path) -> None:
    async with running_whole(database_url, small_data()) as whole, async_playwright() as playwright:
        await whole.install()
        await whole.settled()
        await proofs(whole.app.state.store)
        assert (await whole.ask(COSTS))["productCostsSet"] == {"changed": 1, "userErrors": []}

        async def counted() -> bool:
            return any(play["proof"] and play["proof"]["margin"] for play in (await whole.ask(COUNTED))["plays"])

        await whole.until(counted)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1200, "height": 1200})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(f"{whole.devshop.url(SHOP)}/admin/apps/{whole.settings.api_key}")
        app = page.frame_locator("iframe")
        await app.locator("tr[data-play=welcome]").wait_for(timeout=20_000)
        verdicts = await app.locator("#play-rows td[data-verdict]").evaluate_all(
            "cells => cells.map(cell => [cell.parentElement.dataset.play, cell.dataset.figure, cell.dataset.verdict])"
        )
        told = {(play, figure): verdict for play, figure, verdict in verdicts}
        figures = ("orders", "netRevenue", "margin")
        assert {told["welcome", figure] for figure in figures} == {"HELPS"}
        assert {told["second-order", figure] for figure in figures} == {"HARMS"}
        assert (told["win-back-1", "orders"], ("win-back-1", "margin") in told) == ("CANNOT_TELL_YET", False)
        svg = app.locator("tr[data-play=welcome] td[data-figure=margin] svg")
        assert (await svg.get_attribute("aria-label") or "").startswith("margin: +1")
        assert await svg.locator("circle").count() == 1
        why = app.locator("tr[data-play=win-back-1] details")
        await why.locator("summary").click()
        assert "Product 902 (gid://shopify/Product/902, in 250 orders)" in await why.inner_text()
        rest = await app.locator("#play-rest-rows li").all_text_contents()
        assert len(rest) > 20
        assert sum(each.endswith(" · off") for each in rest) == 2
        await page.screenshot(path=tmp_path / "plays.png", full_page=True)
        assert problems == []
        await browser.close()


async def test_a_stale_token_leads_back_through_the_shop(database_url: str) -> None:
    async with running_whole(database_url, small_data()) as whole:
        reply = await whole.http.get(whole.app_url, params={"shop": SHOP, "id_token": "stale"}, follow_redirects=False)
        assert reply.status_code == 307
        assert reply.headers["location"] == f"{whole.devshop.url(SHOP)}/admin/apps/{whole.settings.api_key}"
        foreign = await whole.http.get(whole.app_url, params={"shop": "evil.com", "id_token": "stale"})
        assert foreign.status_code == 400
