from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from integrations.devshop.server import DevShopConfig
from plugin.ledger.store import Store
from tests.support.devshop import RunningDevShop, running_devshop
from tests.support.devshop_gateway import APP
from tests.support.storms import Storm, opened_storm


@pytest.fixture(scope="session")
def dev_shop() -> Iterator[RunningDevShop]:
    """One server for all tests; each opens its shops anew."""
    with running_devshop(DevShopConfig(app=APP, shops={})) as running:
        yield running


@pytest.fixture
async def storm(dev_shop: RunningDevShop, store: Store, database_url: str, tmp_path: Path) -> AsyncIterator[Storm]:
    async with opened_storm(dev_shop, store, database_url, tmp_path / "work") as opened:
        yield opened
