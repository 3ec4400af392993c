"""The merchant's page in a real browser, inside the shop's admin."""

from pathlib import Path

from playwright.async_api import async_playwright

from tests.support.devshop_data import SHOP, small_data
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


async def test_a_stale_token_leads_back_through_the_shop(database_url: str) -> None:
    async with running_whole(database_url, small_data()) as whole:
        reply = await whole.http.get(whole.app_url, params={"shop": SHOP, "id_token": "stale"}, follow_redirects=False)
        assert reply.status_code == 307
        assert reply.headers["location"] == f"{whole.devshop.url(SHOP)}/admin/apps/{whole.settings.api_key}"
        foreign = await whole.http.get(whole.app_url, params={"shop": "evil.com", "id_token": "stale"})
        assert foreign.status_code == 400
