"""The theme's blocks in a real browser, on the storefront, through the shop's app proxy."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.browser.test_page import CHROMIUM, FLAGS
from tests.support.devshop_data import SHOP, small_data
from tests.support.whole import Whole, running_whole

BLOCKS = Path(__file__).parents[2] / "deploy" / "extensions" / "rebloom" / "assets" / "rebloom.js"


async def shown(page: Page, whole: Whole, customer: int | None) -> list[dict[str, Any]]:
    """The storefront with both blocks, as `customer` sees it; what they sent."""
    sent: list[dict[str, Any]] = []
    page.on("request", lambda request: sent.append(request.post_data_json) if request.method == "POST" else None)
    base = whole.devshop.url(SHOP)
    await page.goto(f"{base}/account/login?as={customer or ''}")
    for block in ('<rebloom-offers placement="HOME"', '<rebloom-recommendations products="10"'):
        made = f'{block} proxy="{base}/apps/rebloom" hidden></{block.split()[0][1:]}>'
        await page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", made)
    await page.add_script_tag(path=BLOCKS, type="module")
    for name in ("rebloom-offers", "rebloom-recommendations"):
        await page.evaluate(f"async () => {{ await customElements.whenDefined('{name}'); await document.querySelector('{name}').drawn; }}")  # fmt: skip
    return sent


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_blocks_show_take_and_turn_down_offers_where_only_registered_documents_are_let_in(
    database_url: str,
) -> None:
    alone = {"REBLOOM_TRUSTED_ONLY": "storefront"}
    async with running_whole(database_url, small_data(), **alone) as whole, async_playwright() as playwright:
        await whole.install()
        await whole.settled()
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))

        sent = await shown(page, whole, 3)
        offers = page.locator("article.rebloom-offer")
        assert await offers.first.get_attribute("data-kind") == "CROSS_SELL"
        assert await offers.first.locator(".rebloom-product a").first.get_attribute("href") in {
            "/products/tea",
            "/products/cup",
        }
        assert all(set(body) == {"documentId", "variables"} for body in sent)
        assert await page.locator("rebloom-recommendations").is_visible()
        await offers.first.locator(".rebloom-take").click()
        await offers.first.locator(".rebloom-code").wait_for()
        answered = await whole.ask(
            '{ customer(id: "gid://shopify/Customer/3") { journey(first: 20) { nodes { kind } } } }'
        )
        told = [node["kind"] for node in answered["customer"]["journey"]["nodes"]]
        assert {"OFFER_SHOWN", "OFFER_ACCEPTED"} <= set(told)

        await shown(page, whole, None)
        assert await page.locator("rebloom-offers").is_hidden()
        assert await page.locator("rebloom-recommendations li").count() > 0
        assert problems == []
        await browser.close()
