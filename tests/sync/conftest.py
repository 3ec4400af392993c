from __future__ import annotations

import pytest

from plugin.ledger.store import Store
from plugin.ledger.tables import Shop
from plugin.shops import ShopContext
from tests.support.shops import install_shop


@pytest.fixture
async def shop(store: Store) -> ShopContext:
    return await install_shop("files.myshopify.com")


@pytest.fixture
async def row(shop: ShopContext) -> Shop:
    return await Shop.get(id=shop.id)
